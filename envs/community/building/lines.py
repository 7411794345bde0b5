"""A grid from a list of lines: their ends, resistances and reactances, limits.

Of each line its resistance and its reactance are given in one of three ways: in p.u. (``r_pu``, ``x_pu``, on a stated base power), in ohms
(``r_ohm``, ``x_ohm``), or in ohms per kilometre with its length (``r_ohm_per_km``, ``x_ohm_per_km``, ``length_km`` or ``length_m``). Its
limit is in kW (``limit_kw``) or in amperes (``limit_a``); without one it has none. Ohms and amperes need the nominal voltage, in a column
``voltage_kv`` or stated for all lines. A row may be a transformer (``kind``); its ohms, amperes and voltage are those where it begins.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...arrays import Array
from ...grid.grid import Grid, make_grid
from ...grid.wires import ampere_to_kw
from ...grid.wires_columns import KIND, KINDS, wires_from_columns
from .request import BuildRequest
from .sheet import Sheet, is_nothing

_BASE_KW: Final = 1000.0
_NAMES: Final = ("line", "branch", "name")
_TEXTS: Final = (*_NAMES, "from", "to", KIND)
_OTHER_NAMES: Final[Mapping[str, str]] = {
    "from_bus": "from",
    "to_bus": "to",
    "von": "from",
    "nach": "to",
    "r_ohm_km": "r_ohm_per_km",
    "x_ohm_km": "x_ohm_per_km",
    "max_i_a": "limit_a",
    "limit": "limit_kw",
}
_POSITIVE: Final = ("above 0", lambda value: value > 0)
_NOT_NEGATIVE: Final = ("at least 0", lambda value: value >= 0)
_NOT_ZERO: Final = ("other than 0", lambda value: value != 0)
_RULES: Final = {
    "r_pu": _NOT_NEGATIVE,
    "x_pu": _NOT_ZERO,
    "r_ohm": _NOT_NEGATIVE,
    "x_ohm": _NOT_ZERO,
    "r_ohm_per_km": _NOT_NEGATIVE,
    "x_ohm_per_km": _NOT_ZERO,
    "length_km": _POSITIVE,
    "length_m": _POSITIVE,
    "limit_kw": _POSITIVE,
    "limit_a": _POSITIVE,
    "voltage_kv": _POSITIVE,
}


def grid_of_lines(sheet: Sheet, request: BuildRequest) -> tuple[Grid, tuple[str, ...]] | None:
    """Return the grid, and what was worked out; None, with the reasons noted, where the lines do not make one."""
    faults, before = sheet.faults, len(sheet.faults.found)
    columns = {_OTHER_NAMES.get(each.lower(), each.lower()): each for each in sheet.header}
    for each, written in columns.items():
        if each not in (*_RULES, *_TEXTS) and written not in request.ignore:
            near = get_close_matches(each, (*_RULES, *_TEXTS[-3:]), n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else " Leave it out by --ignore."
            faults.add(sheet.file, f"there is no such column.{hint}", column=written)
    for end in ("from", "to"):
        if end not in columns:
            faults.add(sheet.file, f"the column is missing; the file has {', '.join(sheet.header[:12])}.", column=end)
    numbers = {each: _numbers(sheet, columns[each], *_RULES[each]) for each in columns if each in _RULES}
    volt = numbers.get("voltage_kv", np.full(len(sheet.rows), request.voltage_kv or math.nan))
    pu = _per_unit(sheet, numbers, volt, request)
    limit, note = _limit(sheet, numbers, volt)
    is_transformer = _kinds(sheet, columns)
    if len(faults.found) > before or pu is None:
        return None
    starts, ends = sheet.cells(columns["from"]), sheet.cells(columns["to"])
    buses = list(dict.fromkeys(bus for pair in zip(starts, ends, strict=True) for bus in pair))
    voltage = _bus_voltages(sheet, buses, volt, is_transformer, ends=(starts, ends))
    if voltage is None:
        return None
    slack = request.slack if request.slack is not None else buses[0]
    if slack not in buses:
        near = get_close_matches(slack, buses, n=1, cutoff=0.5)
        faults.add("--slack", f"must be a bus of {sheet.file}, got {slack!r}.{f' Did you mean {near[0]!r}?' if near else ''}")
        return None
    named = next((columns[each] for each in _NAMES if each in columns), None)
    base = request.numbers.get("base_power_kw", _BASE_KW)
    try:
        grid = make_grid(
            request.name,
            bus_names=buses,
            branch_names=None if named is None else sheet.cells(named),
            branch_from=[buses.index(bus) for bus in starts],
            branch_to=[buses.index(bus) for bus in ends],
            branch_resistance_pu=pu[0],
            branch_reactance_pu=pu[1],
            branch_limit_kw=limit,
            base_power_kw=base,
            slack_bus=buses.index(slack),
        )
    except ValueError as error:
        faults.add_each(sheet.file, error)
        return None
    if np.isfinite(voltage).any() or is_transformer.any():
        grid = replace(grid, wires=wires_from_columns(grid, {"voltage_kv": voltage}, {}, is_transformer))
    rule = () if request.slack is not None else (f"slack bus: {slack!r}, where the first line begins (give another by --slack)",)
    return grid, (*rule, *note)


def _kinds(sheet: Sheet, columns: Mapping[str, str]) -> NDArray[np.bool_]:
    """Return which rows are transformers, shape (L,), noting kinds that are neither that nor lines."""
    if KIND not in columns:
        return np.zeros(len(sheet.rows), dtype=np.bool_)
    cells = [cell.lower() for cell in sheet.cells(columns[KIND])]
    for row, cell in zip(sheet.row_numbers.tolist(), cells, strict=True):
        if cell not in KINDS:
            sheet.faults.add(sheet.file, f"must be {' or '.join(KINDS)}, got {cell!r}.", row=row, column=columns[KIND], kind="kind")
    return np.array([cell == KINDS[1] for cell in cells])


def _bus_voltages(
    sheet: Sheet, buses: Sequence[str], volt: Array, is_transformer: NDArray[np.bool_], *, ends: tuple[Sequence[str], Sequence[str]]
) -> Array | None:
    """Return the nominal voltage of each bus in kV, NaN where it is not known, shape (B,); None, the reason noted, where two differ."""
    found: dict[str, float] = {}
    for row, volts, transforms, start, end in zip(sheet.row_numbers.tolist(), volt.tolist(), is_transformer.tolist(), *ends, strict=True):
        for bus in (start,) if transforms else (start, end):
            if found.setdefault(bus, volts) != volts and not math.isnan(volts):
                text = f"lines at a bus must have one voltage, got {found[bus]:g} and {volts:g} kV at {bus!r}. Is one a transformer (kind)?"
                sheet.faults.add(sheet.file, text, row=row, kind="two voltages")
                return None
    return np.array([found.get(bus, math.nan) for bus in buses])


def _numbers(sheet: Sheet, column: str, rule: str, holds: object) -> Array:
    """Return a column of the lines' numbers, shape (L,); an empty or infinite limit is none, and nothing else may be empty."""
    limit = column.lower().startswith(("limit", "max_i"))
    rows = [(row, cell) for row, cell in zip(sheet.row_numbers.tolist(), sheet.cells(column), strict=True)]
    if limit and any(cell.lower() == "inf" for _, cell in rows):
        at = sheet.header.index(column)
        cleared = [(row, [*cells[:at], "" if cells[at].lower() == "inf" else cells[at], *cells[at + 1 :]]) for row, cells in sheet.rows]
        sheet = Sheet(sheet.file, sheet.header, cleared, sheet.comma, sheet.faults)
    values = sheet.numbers(column, rule, holds)  # type: ignore[arg-type]
    for row, cell in rows:
        if is_nothing(cell) and not limit:
            sheet.faults.add(sheet.file, "must be a number, got an empty cell.", row=row, column=column, kind=f"empty {column}")
    return values


def _per_unit(sheet: Sheet, numbers: Mapping[str, Array], volt: Array, request: BuildRequest) -> tuple[Array, Array] | None:
    """Return resistances and reactances in p.u., shape (L,) each."""
    faults = sheet.faults
    if {"r_pu", "x_pu"} <= numbers.keys():
        if "base_power_kw" not in request.numbers:
            faults.add(sheet.file, "r_pu and x_pu must have a stated base power. Give it by --set base_power_kw=KW, or give ohms.")
        return numbers["r_pu"], numbers["x_pu"]
    if {"r_ohm", "x_ohm"} <= numbers.keys():
        ohms = numbers["r_ohm"], numbers["x_ohm"]
    elif {"r_ohm_per_km", "x_ohm_per_km"} <= numbers.keys() and numbers.keys() & {"length_km", "length_m"}:
        km = numbers["length_km"] if "length_km" in numbers else numbers["length_m"] / 1000
        ohms = numbers["r_ohm_per_km"] * km, numbers["x_ohm_per_km"] * km
    else:
        text = "must give r_ohm and x_ohm, or r_ohm_per_km, x_ohm_per_km and length_m (or length_km), or r_pu and x_pu"
        faults.add(sheet.file, f"{text}, got {', '.join(numbers) or 'none of these'}.")
        return None
    if np.isnan(volt).any():
        faults.add(
            sheet.file, "lines in ohms need the nominal voltage. Give it by --voltage-kv (0.4 in a street), or in a column 'voltage_kv'."
        )
    per_unit = request.numbers.get("base_power_kw", _BASE_KW) / 1000 / volt**2
    return ohms[0] * per_unit, ohms[1] * per_unit


def _limit(sheet: Sheet, numbers: Mapping[str, Array], volt: Array) -> tuple[Array, tuple[str, ...]]:
    """Return limits in kW, shape (L,), infinite where there is none, and a sentence about those that have none."""
    if "limit_kw" in numbers:
        limit = numbers["limit_kw"]
    elif "limit_a" in numbers:
        if np.isnan(volt).any():
            sheet.faults.add(
                sheet.file, "limits in amperes need the nominal voltage. Give it by --voltage-kv, or in a column 'voltage_kv'."
            )
        limit = ampere_to_kw(numbers["limit_a"], volt)
    else:
        limit = np.full(len(sheet.rows), math.nan)
    without = int(np.isnan(limit).sum())
    note = (f"limit of a line: none for {without} of {len(limit)} lines, which give none",) if without else ()
    return np.where(np.isnan(limit), np.inf, limit), note
