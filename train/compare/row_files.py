"""Rows of evaluations in files: CSV or Parquet by the file's ending, one evaluation or all the cells of a comparison."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, get_type_hints

from ...envs.written import number, whole_number
from ..data.parquet import read_parquet, require_parquet, write_parquet
from ..scoring.rows import ADDED, COLUMNS, Row, have_columns, write_rows
from .cells import read_comparison

ROW_ENDINGS: Final = (".csv", ".parquet")
"""What files of rows may be called."""

_READERS: Final[dict[type, Callable[[str], Any]]] = {
    str: str,
    bool: "True".__eq__,
    int: whole_number,
    float: partial(number, words=True),
}


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
    """Refuse a file of rows that cannot be written or read here, before the work begins.

    Raises:
        ValueError: If it ends otherwise than in one of ``ROW_ENDINGS``, or in ``.parquet`` and pyarrow is missing.
    """
    if path.suffix.lower() not in ROW_ENDINGS:
        raise ValueError(f"a file of rows must end in {' or '.join(ROW_ENDINGS)}, got {path}.")
    if path.suffix.lower() == ".parquet":
        require_parquet()


def save_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as CSV or Parquet by the file's ending, whole or not at all.

    Raises:
        ValueError: If the ending is another, or pyarrow is missing.
    """
    require_row_format(path)
    if path.suffix.lower() == ".csv":
        write_rows(path, rows)
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
    written = read_comparison(folder)
    done, failed = ([path for path, content in written.complete.items() if content.get("status") == end] for end in ("done", "failed"))
    rows = [row for path in done for row in _read_csv(path / "rows.csv")]
    return Gathered(rows, len(done), [path.relative_to(folder / "cells").as_posix() for path in failed], list(written.missing))


def _read_csv(path: Path) -> list[Row]:
    hints = get_type_hints(Row)
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if not have_columns(reader.fieldnames or ()):
            raise ValueError(f"a CSV file of rows must have the columns {', '.join(COLUMNS)}, got {path} with {reader.fieldnames}.")
        return [Row(**ADDED | {name: _READERS[hints[name]](text) for name, text in row.items()}) for row in reader]
