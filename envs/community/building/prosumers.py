"""What is known of each prosumer besides its meters: the bus it sits at, its battery, its sun, its connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

import numpy as np

from ...arrays import Array
from ..sources.faults import Faults
from ..sources.folder_format import KINDS, PROSUMER_RULES, field_name
from .sheet import Sheet, is_nothing
from .words import HOUSEHOLD_NAMES

_OTHER_NAMES: Final[Mapping[str, str]] = {
    "battery_kw": "storage_power_kw",
    "battery_power_kw": "storage_power_kw",
    "battery_kwh": "storage_capacity_kwh",
    "battery_capacity_kwh": "storage_capacity_kwh",
    "kind": "renewable_kind",
    "node": "bus",
}
_ZERO_IF_EMPTY: Final = ("storage_power_kw", "storage_capacity_kwh")


@dataclass(frozen=True, eq=False)
class Facts:
    """What a file says of prosumers.

    Attributes:
        names: In the order of the file.
        bus: Name of the bus of each; empty where there is no such column.
        arrays: Arguments of :func:`~gridtoll.envs.community.community.make_community` by name, shape (N,).
        kinds: Kind of renewable power of each; None where there is no such column.
        sun_kwp: Peak of the sun of each in kW, shape (N,); None where there is no such column.
        file: Where they stand.
    """

    names: tuple[str, ...]
    bus: tuple[str, ...]
    arrays: Mapping[str, Array]
    kinds: tuple[str, ...] | None
    sun_kwp: Array | None
    file: str


def read_prosumers(sheet: Sheet, faults: Faults) -> Facts | None:
    """Return what a file says of each prosumer; None, with the reason noted, where it names nobody."""
    columns = {_OTHER_NAMES.get(each.lower(), each.lower()): each for each in sheet.header}
    whom = next((each for each in columns if each in HOUSEHOLD_NAMES or each == "name"), None)
    if whom is None:
        text = f"must have a column 'household' that names each, got {', '.join(sheet.header[:8])}."
        faults.add(sheet.file, text, row=sheet.rows[0][0] - 1)
        return None
    known = ("bus", "renewable_kind", "sun_kwp", *PROSUMER_RULES)
    for each, written in columns.items():
        if each not in known and each != whom:
            near = get_close_matches(each, (*known, *_OTHER_NAMES), n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else f" Known are {', '.join(known)}."
            faults.add(sheet.file, f"there is no such column.{hint}", column=written)
    names = _names(sheet, columns[whom])
    arrays = {field_name(each): _numbers(sheet, each, columns[each]) for each in PROSUMER_RULES if each in columns}
    arrays = {name: values for name, values in arrays.items() if not np.isnan(values).all()}
    _note_half_batteries(sheet, arrays)
    return Facts(
        names=names,
        bus=tuple(sheet.cells(columns["bus"])) if "bus" in columns else (),
        arrays=arrays,
        kinds=_kinds(sheet, columns["renewable_kind"]) if "renewable_kind" in columns else None,
        sun_kwp=sheet.numbers(columns["sun_kwp"], "at least 0", lambda v: 0 <= v < np.inf) if "sun_kwp" in columns else None,
        file=sheet.file,
    )


def _note_half_batteries(sheet: Sheet, arrays: Mapping[str, Array]) -> None:
    """Note batteries with a capacity and no power, or the other way round: they would store nothing, and nobody would be told."""
    power, capacity = (arrays.get(field_name(name), np.zeros(len(sheet.rows))) for name in _ZERO_IF_EMPTY)
    for index in np.flatnonzero((power > 0) != (capacity > 0)).tolist():
        text = f"a battery must have battery_kw and battery_kwh above 0, or neither, got {power[index]:g} kW and {capacity[index]:g} kWh."
        sheet.faults.add(sheet.file, text, row=sheet.rows[index][0], kind="half a battery")


def _names(sheet: Sheet, column: str) -> tuple[str, ...]:
    seen: dict[str, int] = {}
    for row, name in zip(sheet.row_numbers.tolist(), sheet.cells(column), strict=True):
        if is_nothing(name):
            sheet.faults.add(sheet.file, "must name a household, got an empty cell.", row=row, column=column)
        elif name in seen:
            sheet.faults.add(sheet.file, f"must be unique, {name!r} stands in row {seen[name]} already.", row=row, column=column)
        seen.setdefault(name, row)
    return tuple(sheet.cells(column))


def _numbers(sheet: Sheet, column: str, written: str) -> Array:
    rule, holds = PROSUMER_RULES[column]
    values = sheet.numbers(written, f"that is {rule.removeprefix('a number').strip(', ')}", holds)
    if column in _ZERO_IF_EMPTY:
        return np.nan_to_num(values, nan=0.0)
    empty = [row for (row, _), cell in zip(sheet.rows, sheet.cells(written), strict=True) if is_nothing(cell)]
    if empty and len(empty) < len(values):
        for row in empty:
            sheet.faults.add(sheet.file, "must be given for every household or for none, got an empty cell.", row=row, column=written)
    return values


def _kinds(sheet: Sheet, column: str) -> tuple[str, ...]:
    found = []
    for row, cell in zip(sheet.row_numbers.tolist(), sheet.cells(column), strict=True):
        kind = "none" if is_nothing(cell) else cell.lower()
        if kind not in KINDS:
            sheet.faults.add(sheet.file, f"must be solar, wind or none, got {cell!r}.", row=row, column=column)
        found.append(kind)
    return tuple(found)


def note_strangers(faults: Faults, facts: Facts, metered: Sequence[str], files: Mapping[str, str]) -> None:
    """Note households that have meters and are no prosumers, and prosumers without a meter.

    Args:
        faults: Where to note them.
        facts: The prosumers.
        metered: Households with meters.
        files: The file of each one's meter.
    """
    for name in metered:
        if name not in facts.names:
            near = get_close_matches(name, facts.names, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            text = f"every household with a meter must stand in {facts.file}, got {name!r}, which does not.{hint}"
            faults.add(files[name], text, kind="stranger")
    for name in facts.names:
        if name not in metered:
            faults.add(facts.file, f"every household must have a meter, got {name!r} without one.", kind="no meter")
