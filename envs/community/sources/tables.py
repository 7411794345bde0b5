"""Reading CSV tables so that every fault is found at once and named by file, row and column."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Final

import numpy as np

from ...written import explained, number
from ..day import Array
from .csv_file import Rows, read_rows
from .faults import Faults
from .hours import HOUR_COLUMN, HOUR_FORMAT, read_hours

__all__ = ["HOUR_COLUMN", "HOUR_FORMAT", "CsvTable", "Faults", "read_table"]

Rule = tuple[str, Callable[[float], bool]]
ANY: Final[Rule] = ("a number", math.isfinite)
NOT_NEGATIVE: Final[Rule] = ("a number, at least 0", lambda value: value >= 0)
POSITIVE: Final[Rule] = ("a number above 0", lambda value: value > 0)
LIMIT: Final[Rule] = ("a number above 0, or inf for no limit", lambda value: value > 0)
"""The one rule under which a word, ``inf``, is a number."""
NOT_ZERO: Final[Rule] = ("a number other than 0", lambda value: value != 0)
SHARE: Final[Rule] = ("a number above 0 and at most 1", lambda value: 0 < value <= 1)
ZONE: Final[Rule] = ("a whole number from 0", lambda value: value >= 0 and value == int(value))

_MOST_HINTS: Final = 20  # finding near names takes long where there are thousands of both
_OTHER_UNITS: Final = (
    (re.compile("_wh?$"), "_k", "divide its numbers by 1000"),
    (re.compile("_mwh?$"), "_k", "multiply its numbers by 1000"),
)


@dataclass(frozen=True)
class CsvTable:
    """The cells of one file: its header, and each row with its line number, all as long as the header."""

    file: str
    header: list[str]
    rows: Rows
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
                self.faults.add(self.file, "must not be empty.", row=row, column=column, kind=f"empty {column}")
            elif unique and value in seen:
                text = f"must be unique, {value!r} stands in row {seen[value]} already."
                self.faults.add(self.file, text, row=row, column=column, kind=f"twice {column}")
            seen.setdefault(value, row)
        return [cells[at] for _, cells in self.rows]

    def numbers(self, columns: Sequence[str], rule: Rule, *, empty: float | None = None) -> Array:
        """Return columns of numbers, shape (rows, columns), noting every cell that is no number or breaks the rule (it becomes NaN).

        An empty cell stands for ``empty``, and breaks the rule where that is None.
        """
        at = [self.header.index(column) for column in columns]
        values = np.full((len(self.rows), len(columns)), np.nan)
        wanted, holds = rule
        words = rule is LIMIT
        for index, (row, cells) in enumerate(self.rows):
            for position, (column, place) in enumerate(zip(columns, at, strict=True)):
                if not cells[place] and empty is not None:
                    values[index, position] = empty
                    continue
                try:
                    value = number(cells[place], words=words)
                except ValueError:
                    value = math.nan
                if not math.isnan(value) and holds(value):
                    values[index, position] = value
                else:
                    self._no_number(cells[place], wanted, row, column, math.isnan(value))
        return values

    def _no_number(self, cell: str, wanted: str, row: int, column: str, unread: bool) -> None:
        """Note a cell that breaks a rule; those of one cause are told together."""
        reason = explained(cell) if unread else ""
        came = repr(cell) + reason if cell else "an empty cell (a gap)"
        kind = "a gap" if not cell else (f"no number{reason}" if unread else f"not {wanted}")
        self.faults.add(self.file, f"must be {wanted}, got {came}.", row=row, column=column, kind=kind)

    def known(self, column: str, names: Sequence[str], where: str) -> list[int]:
        """Return the position of each cell of a column among names, noting those that are not among them (they become −1)."""
        position = {name: index for index, name in enumerate(names)}
        found, hints = [], 0
        for (row, _), value in zip(self.rows, self.text(column), strict=True):
            if value and value not in position:
                hints += 1
                hint = _hint(value, names) if hints <= _MOST_HINTS else ""
                self.faults.add(
                    self.file, f"must be one of {where}, got {value!r}.{hint}", row=row, column=column, kind=f"unknown {column}"
                )
            found.append(position.get(value, -1))
        return found

    def hours(self, period_minutes: int) -> datetime | None:
        """Return when the first period begins, noting what is wrong with the column of hours; None if it cannot be read."""
        at = self.header.index(HOUR_COLUMN)
        return read_hours(self.faults, self.file, [(row, cells[at]) for row, cells in self.rows], period_minutes)


def read_table(
    faults: Faults, file: str, required: Sequence[str], optional: Sequence[str] = (), *, others: bool = False
) -> CsvTable | None:
    """Read a file, noting missing or unknown columns and rows of the wrong length; None if its columns cannot be used.

    Args:
        faults: Where to note them.
        file: Name of the file in the folder.
        required: Columns that must be there.
        optional: Columns that may be there.
        others: Whether columns of other names may be there as well.
    """
    rows = read_rows(faults, file, required)
    if rows is None:
        return None
    header = rows[0][1]
    while header and not header[-1]:
        header.pop()  # commas at the end of each row
    before = len(faults.found)
    for column in required:
        if column not in header:
            text = f"the column is missing; the file has {', '.join(header[:12])}."
            faults.add(file, text, column=column, kind="missing column")
    for column in sorted({name for name in header if header.count(name) > 1 and name}):
        faults.add(file, "the column stands twice.", column=column, kind="column twice")
    if "" in header:
        text = f"column {header.index('') + 1} has no name. Pandas writes its index so: leave it out with to_csv(index=False), or name it."
        faults.add(file, text, row=1)
    if not others:
        _note_unknown(faults, file, header, [*required, *optional])
    cut = [(row, _cut(cells, len(header))) for row, cells in rows[1:]]
    for row, cells in cut:
        if len(cells) != len(header):
            reason = " (a decimal comma makes two cells of a number: write points)" if len(cells) == 2 * len(header) - 1 else ""
            text = f"must have {len(header)} cells as the header has, got {len(cells)}{reason}."
            faults.add(file, text, row=row, kind=f"{len(cells)} cells")
    return None if len(faults.found) > before else CsvTable(file, header, cut, faults)


def _cut(cells: list[str], width: int) -> list[str]:
    """Return a row without empty cells beyond the header."""
    return cells if any(cells[width:]) else cells[:width]


def _note_unknown(faults: Faults, file: str, header: Sequence[str], known: Sequence[str]) -> None:
    unknown = [column for column in header if column and column not in known]
    for place, column in enumerate(unknown):
        hint = _hint(column, known) if place < _MOST_HINTS else ""
        for ending, unit, remedy in _OTHER_UNITS:
            wanted = ending.sub(lambda match, unit=unit: unit + match[0][-2:].lstrip("_m"), column)  # type: ignore[misc]
            if wanted != column and wanted in known:
                hint = f" Did you mean {wanted!r}? Then {remedy}."
        faults.add(file, f"there is no such column.{hint}", column=column, kind="unknown column")


def _hint(value: str, names: Sequence[str]) -> str:
    near = get_close_matches(value, names, n=1, cutoff=0.4)
    return f" Did you mean {near[0]!r}?" if near else ""
