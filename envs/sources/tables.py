"""Reading CSV tables so that every fault is found at once and named by file, row and column.

Rows count lines of the file from 1, the header being row 1, as editors and spreadsheets do.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import numpy as np

from ..day import Array

HOUR_COLUMN: Final = "hour"
HOUR_FORMAT: Final = "%Y-%m-%dT%H:%M"
_MAX_LISTED: Final = 25  # a file in the wrong unit has thousands of faults; the first say what is wrong

Rule = tuple[str, Callable[[float], bool]]
ANY: Final[Rule] = ("a number", math.isfinite)
NOT_NEGATIVE: Final[Rule] = ("a number, at least 0", lambda value: value >= 0)
POSITIVE: Final[Rule] = ("a number above 0", lambda value: value > 0)
NOT_ZERO: Final[Rule] = ("a number other than 0", lambda value: value != 0)
SHARE: Final[Rule] = ("a number above 0 and at most 1", lambda value: 0 < value <= 1)
ZONE: Final[Rule] = ("a whole number from 0", lambda value: value >= 0 and value == int(value))


@dataclass
class Faults:
    """Everything found wrong with a folder so far."""

    folder: Path
    found: list[str] = field(default_factory=list)

    def add(self, file: str, text: str, *, row: int | None = None, column: str | None = None) -> None:
        """Note a fault."""
        place = file + (f", row {row}" if row is not None else "") + (f", column {column!r}" if column is not None else "")
        self.found.append(f"{place}: {text}")

    def raise_if_any(self) -> None:
        """Raise one ValueError that lists the faults, if there are any."""
        if self.found:
            listed = "\n".join(f"  - {fault}" for fault in self.found[:_MAX_LISTED])
            more = f"\n  and {len(self.found) - _MAX_LISTED} more" if len(self.found) > _MAX_LISTED else ""
            raise ValueError(f"community folder {str(self.folder)!r} is not valid:\n{listed}{more}")


@dataclass(frozen=True)
class Table:
    """The cells of one file: its header, and each row with its line number, all as long as the header."""

    file: str
    header: list[str]
    rows: list[tuple[int, list[str]]]
    faults: Faults

    def has(self, column: str) -> bool:
        """Return whether the file has this column."""
        return column in self.header

    def text(self, column: str, *, unique: bool = False) -> list[str]:
        """Return a column of names, noting those that are empty, or come twice where they must not."""
        at, seen = self.header.index(column), dict[str, int]()
        for row, cells in self.rows:
            value = cells[at]
            if not value:
                self.faults.add(self.file, "must not be empty.", row=row, column=column)
            elif unique and value in seen:
                self.faults.add(self.file, f"must be unique, {value!r} stands in row {seen[value]} already.", row=row, column=column)
            seen.setdefault(value, row)
        return [cells[at] for _, cells in self.rows]

    def numbers(self, columns: Sequence[str], rule: Rule) -> Array:
        """Return columns of numbers, shape (rows, columns), noting every cell that is no number or breaks the rule (it becomes NaN)."""
        at = [self.header.index(column) for column in columns]
        values = np.full((len(self.rows), len(columns)), np.nan)
        wanted, holds = rule
        for index, (row, cells) in enumerate(self.rows):
            for position, (column, place) in enumerate(zip(columns, at, strict=True)):
                value = _number(cells[place])
                if value is None or not holds(value):
                    came = repr(cells[place]) if cells[place] else "an empty cell (a gap)"
                    self.faults.add(self.file, f"must be {wanted}, got {came}.", row=row, column=column)
                else:
                    values[index, position] = value
        return values

    def known(self, column: str, names: Sequence[str], where: str) -> list[int]:
        """Return the position of each cell of a column among names, noting those that are not among them (they become −1)."""
        position = {name: index for index, name in enumerate(names)}
        found = []
        for (row, _), value in zip(self.rows, self.text(column), strict=True):
            if value and value not in position:
                near = get_close_matches(value, names, n=1, cutoff=0.4)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                self.faults.add(self.file, f"must be one of {where}, got {value!r}.{hint}", row=row, column=column)
            found.append(position.get(value, -1))
        return found

    def hours(self) -> datetime | None:
        """Return the first hour, noting hours that do not follow each other, and days that are not whole; None if it cannot be read."""
        at = self.header.index(HOUR_COLUMN)
        before: datetime | None = None
        first: datetime | None = None
        for row, cells in self.rows:
            try:
                now = datetime.strptime(cells[at], HOUR_FORMAT)  # noqa: DTZ007  # hours without a zone are the format
            except ValueError:
                text = f"must be a time like 2016-01-31T23:00, got {cells[at]!r}."
                self.faults.add(self.file, text, row=row, column=HOUR_COLUMN)
                before = before and before + timedelta(hours=1)
                continue
            if before is not None and now != before + timedelta(hours=1):
                text = f"must be one hour after the row before, {before + timedelta(hours=1):{HOUR_FORMAT}}, got {cells[at]} (a gap)."
                self.faults.add(self.file, text, row=row, column=HOUR_COLUMN)
            first, before = first or now, now
        if first is not None and first.hour + first.minute:
            text = f"the first hour must be 00:00 of a day, got {first:{HOUR_FORMAT}}."
            self.faults.add(self.file, text, row=self.rows[0][0], column=HOUR_COLUMN)
        if len(self.rows) % 24:
            self.faults.add(self.file, f"must have whole days of 24 rows, got {len(self.rows)} rows below the header.")
        return first


def read_table(faults: Faults, file: str, required: Sequence[str], optional: Sequence[str] = (), *, others: bool = False) -> Table | None:
    """Read a file, noting missing or unknown columns and rows of the wrong length; None if its columns cannot be used.

    Args:
        faults: Where to note them.
        file: Name of the file in the folder.
        required: Columns that must be there.
        optional: Columns that may be there.
        others: Whether columns of other names may be there as well.
    """
    try:
        with (faults.folder / file).open(newline="", encoding="utf-8-sig") as handle:  # spreadsheets put a byte order mark
            reader = csv.reader(handle)
            lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except FileNotFoundError:
        faults.add(file, "the file is missing.")
        return None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        faults.add(file, f"cannot be read as CSV in UTF-8: {error}.")
        return None
    lines = [(row, cells) for row, cells in lines if any(cells)]
    if not lines or len(lines) < 2:
        faults.add(file, "must have a header and at least one row below it.")
        return None
    header = lines[0][1]
    before = len(faults.found)
    for column in required:
        if column not in header:
            faults.add(file, f"the column is missing; the file has {', '.join(header[:12])}.", column=column)
    for column in sorted({name for name in header if header.count(name) > 1}):
        faults.add(file, "the column stands twice.", column=column)
    if not others:
        for column in header:
            if column not in required and column not in optional:
                near = get_close_matches(column, [*required, *optional], n=1, cutoff=0.4)
                faults.add(file, f"there is no such column.{f' Did you mean {near[0]!r}?' if near else ''}", column=column)
    for row, cells in lines[1:]:
        if len(cells) != len(header):
            faults.add(file, f"must have {len(header)} cells as the header has, got {len(cells)}.", row=row)
    return None if len(faults.found) > before else Table(file, header, lines[1:], faults)


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
