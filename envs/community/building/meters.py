"""From files of meter readings to series: one for each household and quantity, in files that are wide, long, or both."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from ...arrays import Array
from .clock import Minutes, Times, read_times, told_apart
from .request import BuildRequest
from .sheet import Sheet, is_nothing
from .words import HOUSEHOLD_NAMES, POWER_UNITS, QUANTITIES, QUANTITY_NAMES, TIME_NAMES, UNIT_NAMES, VALUE_NAMES, Quantity, of_meter

_UNIT_RULE: Final = "the unit of its numbers must be stated, in the header, like 'load [kWh]', or by --unit kW or --unit kWh"


@dataclass(frozen=True, eq=False, kw_only=True)
class Series:
    """Readings of one meter as the file has them.

    Attributes:
        files: Where they stand; several where a meter's readings are spread over files.
        file_of: Which of the files each stands in, shape (readings,).
        column: The column they stand in.
        household: Whose meter it is; empty for prices common to all.
        quantity: What it counts, or which price it is.
        minutes: When, shape (readings,), as in :class:`.clock.Times`.
        values: What, shape (readings,), NaN where a cell is empty; in kW or kWh, or in EUR/kWh.
        rows: Rows of the file, shape (readings,).
        energy: Whether values are energies of a period, in kWh, rather than powers.
    """

    files: tuple[str, ...]
    file_of: NDArray[np.intp]
    column: str
    household: str
    quantity: str
    minutes: Minutes
    values: Array
    rows: NDArray[np.intp]
    energy: bool

    @property
    def file(self) -> str:
        """The first of the files."""
        return self.files[0]

    def place(self, index: int) -> tuple[str, int]:
        """Return file and row of a reading."""
        return self.files[self.file_of[index]], int(self.rows[index])

    @property
    def label(self) -> str:
        """What reports call it."""
        return f"{self.household} {self.quantity}".strip()


def joined(series: Sequence[Series]) -> list[Series]:
    """Return series of which each meter has one for each unit: those that go on in other files are put together."""
    groups: dict[tuple[str, str, bool], list[Series]] = {}
    for each in series:
        groups.setdefault((each.household, each.quantity, each.energy), []).append(each)
    return [group[0] if len(group) == 1 else _joined(group) for group in groups.values()]


def _joined(group: Sequence[Series]) -> Series:
    files = tuple(dict.fromkeys(file for each in group for file in each.files))
    return replace(
        group[0],
        files=files,
        file_of=np.concatenate([np.full(len(each.rows), files.index(each.file)) for each in group]),
        minutes=np.concatenate([each.minutes for each in group]),
        values=np.concatenate([each.values for each in group]),
        rows=np.concatenate([each.rows for each in group]),
    )


def time_column(sheet: Sheet, request: BuildRequest) -> str | None:
    """Return the column of stamps: that asked for, one whose name says so, or the first without a name; None, noted, without one."""
    wanted = request.time_column
    if wanted is not None and wanted in sheet.header:
        return wanted
    named = [column for column in sheet.header if column.lower() in TIME_NAMES or (wanted is None and not column)]
    if named:
        return named[0]
    text = f"must have a column of stamps named like 'time', got {', '.join(sheet.header[:8])}. Rename it, or name it by --time-column."
    sheet.faults.add(sheet.file, text, row=sheet.rows[0][0] - 1)
    return None


@dataclass(frozen=True)
class _Source:
    """A file of readings, and what is known of it besides."""

    sheet: Sheet
    times: Times
    request: BuildRequest
    default: Quantity
    households: Collection[str]

    def series(self, column: str, household: str, quantity: str, rows: NDArray[np.intp], values: Array, *, energy: bool) -> Series:
        """Return some rows of a column, whose values are of shape (rows of the file,), as a series."""
        return Series(
            files=(self.sheet.file,),
            file_of=np.zeros(len(rows), dtype=np.intp),
            column=column,
            household=household,
            quantity=quantity,
            minutes=told_apart(self.times, rows),
            values=values[rows],
            rows=self.sheet.row_numbers[rows],
            energy=energy,
        )

    def unit(self, column: str, stated: str | None) -> tuple[float, bool]:
        """Return what makes kW or kWh of a column, and whether it is kWh; where nobody says, that is asked for."""
        unit = stated or self.request.unit
        if unit is None:
            self.sheet.faults.add(self.sheet.file, f"{_UNIT_RULE}; neither says.", column=column, kind="no unit")
            return 1.0, False
        return POWER_UNITS[unit.lower()]

    def values(self, column: str, *, signed: bool, whom: Sequence[str] | None = None) -> Array:
        """Return a column's numbers, shape (rows,); those below 0 are noted where it is not one of both signs."""
        if signed:
            return self.sheet.numbers(column)
        rule = "at least 0 (a meter that counts both ways is stated by 'net' in the header, or by --net FILE)"
        return self.sheet.numbers(column, rule, lambda value: math.isfinite(value) and value >= 0, whom=whom)


def read_meters(
    sheet: Sheet, zone: ZoneInfo | None, request: BuildRequest, default: Quantity, *, households: Collection[str] = ()
) -> tuple[list[Series], Times | None]:
    """Return the series of a file, and the stamps they were read at; faults are noted.

    Args:
        sheet: Its cells.
        zone: Of stamps without an offset.
        request: What is known besides.
        default: What columns are of that do not say so.
        households: Names known from elsewhere, which are names whatever words are in them.
    """
    column = time_column(sheet, request)
    if column is None:
        return [], None
    source = _Source(sheet, read_times(sheet, column, zone), request, default, households)
    whom = next((each for each in sheet.header if each == request.household_column or each.lower() in HOUSEHOLD_NAMES), None)
    others = [each for each in sheet.header if each not in {column, whom, *request.ignore}]
    if not others:
        sheet.faults.add(sheet.file, f"must have a column of readings beside {column!r}, got none.")
    return (_wide(source, others) if whom is None else _long(source, whom, others)), source.times


def _wide(source: _Source, columns: Sequence[str]) -> list[Series]:
    """Return the series of a file with a column for each household and quantity."""
    found = []
    rows = np.flatnonzero(source.times.known)
    for column in columns:
        said = of_meter(column, source.households)
        if not said.household:
            text = "must name the household whose readings it holds, like 'Huber load [kWh]', or a column 'household' must name them."
            source.sheet.faults.add(source.sheet.file, text, column=column)
            continue
        quantity = said.word or source.default
        scale, energy = source.unit(column, said.unit)
        values = source.values(column, signed=quantity == "net") * scale
        found.append(source.series(column, said.household, quantity, rows, values, energy=energy))
    return found


def _long(source: _Source, whom: str, columns: Sequence[str]) -> list[Series]:
    """Return the series of a file with a row for each household and time; columns hold quantities, or one says which."""
    sheet = source.sheet
    rows_of = _groups(sheet, source.times, whom)
    kinds = next((each for each in columns if each.lower() in QUANTITY_NAMES), None)
    units = next((each for each in columns if each.lower() in UNIT_NAMES), None)
    stated = _stated_unit(sheet, units)
    quantities = None if kinds is None else _quantities(sheet, kinds)
    found = []
    for column in columns:
        if column in (kinds, units):
            continue
        said = of_meter(column)
        if not said.word and said.household.lower() not in VALUE_NAMES:
            text = "must say what it holds: consumption, sun, import, export, net, or value. Rename it, or leave it out by --ignore."
            sheet.faults.add(sheet.file, text, column=column)
            continue
        scale, energy = source.unit(column, said.unit or stated)
        whole = said.word or source.default
        of_row = np.array([each or whole for each in quantities] if quantities else [whole] * len(sheet.rows))
        values = source.values(column, signed="net" in of_row, whom=sheet.cells(whom)) * scale
        for household, rows in rows_of.items():
            for quantity in dict.fromkeys(of_row[rows].tolist()):
                own = rows[of_row[rows] == quantity]
                found.append(source.series(column, household, quantity, own, values, energy=energy))
    return found


def _groups(sheet: Sheet, times: Times, whom: str) -> dict[str, NDArray[np.intp]]:
    """Return the rows of each household whose stamps are known, households in the order they come in."""
    groups: dict[str, list[int]] = {}
    for index, ((row, _), name) in enumerate(zip(sheet.rows, sheet.cells(whom), strict=True)):
        if is_nothing(name):
            sheet.faults.add(sheet.file, "must name a household, got an empty cell.", row=row, column=whom, kind="no household")
        elif times.known[index]:
            groups.setdefault(name, []).append(index)
    return {name: np.array(rows, dtype=np.intp) for name, rows in groups.items()}


def _quantities(sheet: Sheet, column: str) -> list[str]:
    """Return what each row is of, empty where it does not say."""
    found = []
    for (row, _), cell in zip(sheet.rows, sheet.cells(column), strict=True):
        word = QUANTITIES.get(cell.lower(), "")
        if not word and not is_nothing(cell):
            text = f"must be consumption, sun, import, export or net, got {cell!r}."
            sheet.faults.add(sheet.file, text, row=row, column=column, kind="unknown quantity")
        found.append(word)
    return found


def _stated_unit(sheet: Sheet, column: str | None) -> str:
    """Return the one unit that a column of units states, empty without such a column."""
    if column is None:
        return ""
    words = {cell.lower() for cell in sheet.cells(column)}
    if len(words) > 1 or not words <= POWER_UNITS.keys():
        text = f"must state one unit for all rows, such as kWh, got {', '.join(sorted(words)[:5])}. Write files of one unit each."
        sheet.faults.add(sheet.file, text, column=column)
        return ""
    return words.pop()
