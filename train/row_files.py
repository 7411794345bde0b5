"""Rows of evaluations in files: CSV or Parquet by the file's ending, one evaluation or all the cells of a comparison."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, NamedTuple, get_type_hints

from .compare.cells import expected_cells
from .evaluate import Evaluation, Row, write_rows
from .parquet import read_parquet, write_parquet
from .runs import sha256

ROW_ENDINGS: Final = (".csv", ".parquet")
"""What files of rows may be called."""


class Gathered(NamedTuple):
    """The rows of a comparison.

    Attributes:
        rows: Of every cell that is done, cells in the order of their folders.
        done: How many cells that are.
        failed: Folders of cells that failed; they have no rows, and count as the worst in a report.
        missing: Folders of cells that are not complete, those that were never begun included.
    """

    rows: list[Row]
    done: int
    failed: list[str]
    missing: list[str]


def require_row_format(path: Path) -> None:
    """Refuse a file of rows that no writer stands for, before the work begins.

    Raises:
        ValueError: If it ends otherwise than in one of ``ROW_ENDINGS``.
    """
    if path.suffix.lower() not in ROW_ENDINGS:
        raise ValueError(f"a file of rows must end in {' or '.join(ROW_ENDINGS)}, got {path}.")


def save_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as CSV or Parquet by the file's ending, whole or not at all.

    Raises:
        ValueError: If the ending is another, or pyarrow is missing.
    """
    require_row_format(path)
    if path.suffix.lower() == ".csv":
        write_rows(path, [Evaluation("", tuple(rows))])
    else:
        write_parquet(path, rows)


def load_rows(path: Path) -> list[Row]:
    """Return the rows of a CSV or Parquet file.

    Raises:
        ValueError: If the ending is another, pyarrow missing, or the columns are not those of a :class:`Row`.
    """
    require_row_format(path)
    return _read_csv(path) if path.suffix.lower() == ".csv" else read_parquet(path)


def gather_rows(folder: Path) -> Gathered:
    """Return the rows of every finished cell of a comparison's folder.

    Raises:
        ValueError: If it is no such folder, or the rows of a cell are not those it was finished with.
    """
    if not (folder / "cells").is_dir():
        raise ValueError(f"rows are gathered from a folder written by `gridtoll compare`, got {folder}, which has no folder `cells`.")
    gathered = Gathered([], 0, [], [])
    for cell in sorted(path for path in (folder / "cells").glob("*/*/*/*") if path.is_dir()):
        marker = cell / "cell.json"
        facts = json.loads(marker.read_text(encoding="utf-8")) if marker.is_file() else {}
        name = cell.relative_to(folder / "cells").as_posix()
        match facts.get("status"):
            case "done":
                gathered.rows.extend(_rows_of_cell(cell, facts))
                gathered = gathered._replace(done=gathered.done + 1)
            case "failed":
                gathered.failed.append(name)
            case _:
                gathered.missing.append(name)
    return gathered._replace(missing=sorted({*gathered.missing, *_never_begun(folder)}))


def _never_begun(folder: Path) -> list[str]:
    """Return the cells that the comparison is to have and that have no folder yet."""
    file = folder / "config.json"
    config = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return [name for name in expected_cells(config) if not (folder / "cells" / name).is_dir()]


def _rows_of_cell(cell: Path, facts: dict[str, Any]) -> list[Row]:
    file = cell / "rows.csv"
    if not file.is_file() or sha256(file) != facts.get("rows_sha256"):
        raise ValueError(f"the rows of a finished cell must be as they were written, but {file} is missing or changed. Run the cell again.")
    return _read_csv(file)


def _read_csv(path: Path) -> list[Row]:
    hints = get_type_hints(Row)
    names = [field.name for field in fields(Row)]
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames is None or list(reader.fieldnames) != names:
            raise ValueError(f"a CSV file of rows must have the columns {', '.join(names)}, got {path} with {reader.fieldnames}.")
        return [Row(**{name: _typed(hints[name], text) for name, text in row.items()}) for row in reader]


def _typed(kind: Any, text: str) -> Any:
    return text == "True" if kind is bool else kind(text)
