"""Cells that need not be run: a leader that draws nothing at random is the same with every seed.

The first of its seeds is run; the others get its rows under their own seed, what it cost, and ``same_as_seed``, which says so.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from ...envs.arrays import plain
from ..ground.runs import commit, sha256, write_text
from ..learning.algorithms import CLAIRVOYANTS, draws_nothing, make_algorithm, settings_of
from .cells import Cell, installed, read_result, write_result


def take_from_another_seed(cell: Cell, folder: Path, *, place: Path) -> bool:
    """Write a cell as another seed has it, and return whether there was one to take it from.

    Args:
        cell: Which one.
        folder: Of the cell; those of its other seeds lie beside it.
        place: Folder in which modules of the user's own algorithms are looked for.
    """
    if not draws_nothing(cell.algorithm, dict(cell.settings), cell.task.information):
        return False
    learned = (
        None if cell.algorithm in CLAIRVOYANTS else make_algorithm(cell.algorithm, dict(cell.settings), place=place, env=cell.task.env)
    )
    settings = {} if learned is None else plain(settings_of(learned))
    wanted = {"settings": settings, "versions": installed(), "commit": commit(), "budget": cell.steps}
    for other in sorted(folder.parent.iterdir()):
        result = None if other == folder else read_result(other)
        if result is None or result["status"] != "done" or any(result[key] != value for key, value in wanted.items()):
            continue
        write_text(folder / "rows.csv", _with_seed((other / "rows.csv").read_text(encoding="utf-8"), cell.seed))
        same = {"seed": cell.seed, "same_as_seed": result["seed"], "rows_sha256": sha256(folder / "rows.csv")}
        kept = result["policy"] and f"not kept: the same as that of seed {result['seed']}"
        write_result(folder, {**result, **same, "policy": kept})
        return True
    return False


def _with_seed(text: str, seed: int) -> str:
    """Return a file of rows under another seed."""
    header, *rows = csv.reader(io.StringIO(text))
    place, written = header.index("seed"), io.StringIO()
    lines = csv.writer(written, lineterminator="\n")
    lines.writerows([header, *([*row[:place], str(seed), *row[place + 1 :]] for row in rows)])
    return written.getvalue()
