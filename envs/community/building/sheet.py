"""From a file to cells of text, whatever its dialect: the separator, the decimal sign and the quotes are found out.

Cells are text here even where they come from Parquet, whose numbers are written in their shortest exact form. So the same data give the
same numbers to the last bit, whichever file they came in. Rows count lines of a CSV file from 1, the header being row 1; in Parquet the
first row of data is row 2 as well.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...arrays import Array
from ...packages import research_package
from ...written import decoded, explained, number
from ..sources.faults import Faults

Rows = list[tuple[int, list[str]]]

SEPARATORS: Final = (";", "\t", ",", "|")
_LOOKED_AT: Final = 50
"""Rows that the separator is found from."""
_NOTHING: Final = frozenset({"", "nan", "na", "n/a", "null", "none", "<na>", "nat"})
"""What programs write, in small letters, where they have no value."""
_WITH_COMMA: Final = re.compile(r"[+-]?[0-9]*,[0-9]+([eE][+-]?[0-9]+)?")
_WITH_POINT: Final = re.compile(r"[+-]?[0-9]*\.[0-9]+([eE][+-]?[0-9]+)?")
_PLAIN: Final = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,17})?(?:\n[+-]?[0-9]{1,15}(?:\.[0-9]{1,17})?)*")
_THOUSANDS: Final = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")


@dataclass(frozen=True)
class Sheet:
    """The cells of one file.

    Attributes:
        file: What faults call it.
        header: Names of its columns.
        rows: Cells of each row with the row's number, all as long as the header.
        comma: Whether its numbers have a decimal comma.
        faults: Where to note what is wrong.
    """

    file: str
    header: tuple[str, ...]
    rows: Rows
    comma: bool
    faults: Faults

    def cells(self, column: str) -> list[str]:
        """Return the cells of a column."""
        at = self.header.index(column)
        return [cells[at] for _, cells in self.rows]

    @cached_property
    def row_numbers(self) -> NDArray[np.intp]:
        """The number of each row, shape (rows,)."""
        return np.array([row for row, _ in self.rows], dtype=np.intp)

    def numbers(
        self, column: str, rule: str = "", holds: Callable[[float], bool] = math.isfinite, *, whom: Sequence[str] | None = None
    ) -> Array:
        """Return a column of numbers, shape (rows,), NaN where a cell is empty, and note every cell that is no number or breaks a rule.

        A cell that is noted counts as 0, so that nobody takes it for one that is missing as well.

        Args:
            column: Its name.
            rule: What else a number must be, such as ``"at least 0"``; empty for any number.
            holds: Whether a number is that.
            whom: Whose numbers they are, for each row; None where the column's name says so.
        """
        plain = _plain_numbers(self.cells(column), comma=self.comma)
        if plain is not None and all(map(holds, plain)):
            return np.array(plain)
        values = np.full(len(self.rows), np.nan)
        for index, ((row, _), cell) in enumerate(zip(self.rows, self.cells(column), strict=True)):
            if is_nothing(cell):
                continue
            values[index] = 0.0
            try:
                value = number(cell.replace(",", ".") if self.comma else cell)
            except ValueError:
                reason = explained(cell)
                self.faults.add(self.file, f"must be a number, got {cell!r}{reason}.", row=row, column=column, kind=f"no number{reason}")
                continue
            if holds(value):
                values[index] = value
            else:
                of = f" of {whom[index]}" if whom else ""
                text = f"must be a number {rule}, got {cell}{of}."
                self.faults.add(self.file, text, row=row, column=column, kind=f"not {rule} {column}{of}")
        return values


def _plain_numbers(cells: Sequence[str], *, comma: bool) -> list[float] | None:
    """Return what cells hold where each is a finite number and nothing else, None elsewhere: a year's file has millions of such cells."""
    text = "\n".join(cells)
    if comma:
        text = text.replace(",", ".")
    if _PLAIN.fullmatch(text) is None:
        return None
    found = [float(cell) for cell in text.split("\n")]
    return found if len(found) == len(cells) else None  # a cell with a line end within it is no number


def is_nothing(cell: str) -> bool:
    """Return whether a cell holds no value."""
    return len(cell) <= 4 and cell.lower() in _NOTHING


def read_sheet(faults: Faults, path: Path, *, decimal: str | None = None, file: str | None = None) -> Sheet | None:
    """Return the cells of a CSV or Parquet file; None, with the reason noted, where it cannot be read.

    Args:
        faults: Where to note what is wrong.
        path: The file; Parquet if its name ends in ``.parquet`` or ``.pq``.
        decimal: ``","`` or ``"."`` where that is known; found out if absent.
        file: What faults call it; its name if absent.
    """
    file = file or path.name
    try:
        is_parquet = path.suffix.lower() in (".parquet", ".pq")
        rows = _parquet(path) if is_parquet else _csv(faults, file, decoded(path.read_bytes()))
    except FileNotFoundError:
        faults.add(file, f"the file is missing: there is no {path}.{_near(path)}")
        return None
    except OSError as error:
        faults.add(file, f"must be a file that can be read, got: {error.strerror or error}.")
        return None
    except ValueError as error:  # another encoding, no text, no Parquet, a package that is missing
        faults.add(file, str(error))
        return None
    if rows is None:
        return None
    return _checked(faults, file, rows, decimal)


def _near(path: Path) -> str:
    try:
        names = [each.name for each in path.absolute().parent.iterdir()]
    except OSError:
        return f" There is no folder {path.absolute().parent} either."
    near = get_close_matches(path.name, names, n=1, cutoff=0.7)
    return f" Did you mean {near[0]!r}?" if near else ""


def _csv(faults: Faults, file: str, text: str) -> Rows | None:
    first, _, rest = text.lstrip("\r\n").partition("\n")
    stated = re.fullmatch(r'"?sep=(.)"?\r?', first, re.IGNORECASE)  # Excel's way of stating the separator
    skipped = 1 if stated else 0
    separator = stated[1] if stated else _separator(text)
    reader = csv.reader(io.StringIO(rest if stated else text, newline=""), delimiter=separator, strict=True)
    rows: Rows = []
    try:
        for cells in reader:
            rows.append((reader.line_num + skipped, [cell.strip() for cell in cells]))
    except csv.Error as error:
        row = rows[-1][0] + 1 if rows else 1
        faults.add(file, f"cannot be read as CSV: {error}. Is a quotation mark too many or too few there?", row=row)
        return None
    return [(row, cells) for row, cells in rows if any(cells)]


def _separator(text: str) -> str:
    """Return the sign that makes rows of equal length; of several the one that makes the most cells, a comma where none does."""
    lines = [line for line in text.splitlines()[: _LOOKED_AT + 1] if line.strip()]
    found: list[tuple[bool, int, str]] = []
    for sign in SEPARATORS:
        try:
            widths = [len(cells) for cells in csv.reader(lines, delimiter=sign)]
        except csv.Error:
            continue
        if widths and widths[0] > 1:
            even = all(width == widths[0] for width in widths)
            found.append((even, widths[0], sign))
    return max(found, key=lambda each: each[:2])[2] if found else ","


def _parquet(path: Path) -> Rows:
    """Return the rows of a Parquet file; an index that pandas wrote with a name or with times is a column as well."""
    research_package("pyarrow", "reading a Parquet file")
    import pandas as pd  # noqa: PLC0415 - half a second, which only Parquet needs

    path.stat()  # so that what is missing is said in the words that CSV files have
    try:
        frame: Any = pd.read_parquet(path)
    except Exception as error:  # noqa: BLE001 - pyarrow has errors of its own for every way in which a file can be damaged
        raise ValueError(f"must be a Parquet file, got one that cannot be read: {error}") from None
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index()
    columns = [_texts(frame.iloc[:, place]) for place in range(frame.shape[1])]
    header = ["" if str(name) == "index" else str(name) for name in frame.columns]
    return [(1, header), *((row, list(cells)) for row, cells in enumerate(zip(*columns, strict=True), start=2))]


def _texts(column: Any) -> list[str]:
    """Return a column's cells as text: times as ISO 8601, numbers in their shortest exact form."""
    if column.dtype.kind == "M" or "datetime" in str(column.dtype):
        return ["" if missing else each.isoformat() for each, missing in zip(column, column.isna(), strict=True)]
    return ["" if missing else str(each) for each, missing in zip(column.tolist(), column.isna(), strict=True)]


def _checked(faults: Faults, file: str, rows: Rows, decimal: str | None) -> Sheet | None:
    header = list(rows[0][1]) if rows else []
    while header and not header[-1]:
        header.pop()  # separators at the end of each row
    if len(rows) < 2 or not header:
        faults.add(file, "must have a header and at least one row below it.")
        return None
    if all(_WITH_POINT.fullmatch(cell) or _WITH_COMMA.fullmatch(cell) or cell[:4].isdecimal() for cell in header):
        faults.add(file, f"must begin with a header that names its columns, got data: {', '.join(header[:3])}. Put it above.", row=1)
        return None
    twice = sorted({name for name in header if header.count(name) > 1})
    for name in twice:
        faults.add(file, "the column stands twice. Rename or remove one.", column=name)
    body = [(row, cells[: len(header)] if not any(cells[len(header) :]) else cells) for row, cells in rows[1:]]
    uneven = [(row, cells) for row, cells in body if len(cells) != len(header)]
    for row, cells in uneven:
        reason = " (are decimal commas within cells that commas set apart? Quote the cells, or separate them by semicolons)"
        hint = reason if len(cells) == 2 * len(header) - 1 else ""
        text = f"must have {len(header)} cells as the header has, got {len(cells)}{hint}."
        faults.add(file, text, row=row, kind=f"{len(cells)} cells")
    if twice or uneven:
        return None
    comma = decimal == "," if decimal else _has_commas(faults, file, body)
    return None if comma is None else Sheet(file, tuple(header), body, comma, faults)


def _has_commas(faults: Faults, file: str, body: Rows) -> bool | None:
    """Return whether numbers have a decimal comma; None, with the reason noted, where the file does not tell."""
    commas = [(row, cell) for row, cells in body for cell in cells if "," in cell and _WITH_COMMA.fullmatch(cell)]
    if not commas:
        return False
    point = _first(body)
    if point is not None:
        text = f"numbers must have one decimal sign, got {commas[0][1]!r} in row {commas[0][0]} and {point[1]!r} in row {point[0]}."
        faults.add(file, f"{text} State it with `--decimal ,` or `--decimal .`, or write the file anew.")
        return None
    if all(_THOUSANDS.fullmatch(cell) for _, cell in commas):
        row, cell = commas[0]
        text = f"{cell!r} may be {cell.replace(',', '.')} or {cell.replace(',', '')}, and every number with a comma is of this kind."
        faults.add(file, f"{text} State it with `--decimal ,` or `--decimal .`.", row=row)
        return None
    return True


def _first(body: Iterable[tuple[int, Sequence[str]]]) -> tuple[int, str] | None:
    """Return the first number with a decimal point, with its row."""
    return next(((row, cell) for row, cells in body for cell in cells if "." in cell and _WITH_POINT.fullmatch(cell)), None)
