"""The grid of a community folder: ``buses.csv``, ``branches.csv``, and matrices of one's own.

``ptdf.csv`` is optional: a row for each branch, a column for each bus, kW in the branch for each kW put in at the bus. It then says what
flows, in place of what follows from ``x_pu``. ``voltage_sensitivity.csv`` is optional as well: a row for each bus whose voltage counts,
with its voltage without prosumers and a column for each bus, p.u. for each kW put in there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from ...arrays import Array
from ...errors import listed
from ...grid.grid import Grid, make_grid
from ...grid.network import Network, make_network
from ...grid.ptdf import ptdf_matrix
from ...grid.wires import ampere_to_kw
from ...grid.wires_columns import BRANCH_FIELDS, BUS_FIELDS, KIND, KINDS, wires_from_columns
from . import tables
from .folder_format import BRANCH_RULES, BUS_COLUMNS, LIMITS
from .tables import CsvTable, Faults, read_table

PTDF_FILE: Final = "ptdf.csv"
VOLTAGE_FILE: Final = "voltage_sensitivity.csv"
_IDLE: Final = "idle_pu"
_BRANCH: Final = "branch"
_BUS_RULES: Final = {
    "voltage_kv": tables.POSITIVE,
    "held_pu": tables.POSITIVE,
    "shunt_g_pu": tables.ANY,
    "shunt_b_pu": tables.ANY,
}
_WIRE_RULES: Final = {
    "ratio": tables.POSITIVE,
    "rated_from": tables.POSITIVE,
    "rated_to": tables.POSITIVE,
    "g_pu": tables.NOT_NEGATIVE,
    "b_pu": tables.ANY,
}


def read_grid(faults: Faults, settings: dict[str, Any]) -> dict[str, Any] | None:
    """Return what the grid is built from, None where the files cannot be used; for faults see :class:`.Faults`."""
    buses = read_table(faults, "buses.csv", ("bus",), (*BUS_COLUMNS[1:], *BUS_FIELDS))
    branches = read_table(faults, "branches.csv", (_BRANCH, "from", "to", *BRANCH_RULES), (*LIMITS, KIND, *BRANCH_FIELDS))
    if buses is None:
        return None
    names = buses.text("bus", unique=True)
    found: dict[str, Any] = {"bus_names": names, "zone": None, "bus_position": None}
    if buses.has("x") and buses.has("y"):
        found["bus_position"] = buses.numbers(("x", "y"), tables.ANY)
    if buses.has("zone"):
        found["zone"] = buses.numbers(("zone",), tables.ZONE)[:, 0]
    found["of_buses"] = _optional(buses, _BUS_RULES, {name: empty for name, (_, empty) in BUS_FIELDS.items()})
    if "slack_bus" in settings and settings["slack_bus"] not in names:
        faults.add("settings.csv", f"slack_bus must be one of the buses of buses.csv, got {settings['slack_bus']!r}.")
    if branches is not None:
        found |= _of_branches(faults, branches, found, names)
        found["ptdf"] = _read_ptdf(faults, found["branch_names"], names, settings.get("slack_bus"))
    found["voltages"] = _read_voltages(faults, names, settings.get("slack_bus"))
    return found


def network_of(faults: Faults, grid: dict[str, Any], settings: dict[str, Any], bus: Sequence[int]) -> Network:
    """Return the network, or raise what is wrong with the grid as a whole.

    Raises:
        ValueError: Naming the file.
    """
    try:
        built = make_grid(
            settings["name"],
            bus_names=grid["bus_names"],
            branch_names=grid["branch_names"],
            branch_from=grid["from"],
            branch_to=grid["to"],
            branch_resistance_pu=grid["r_pu"],
            branch_reactance_pu=grid["x_pu"],
            branch_limit_kw=grid["limit_kw"],
            base_power_kw=settings["base_power_kw"],
            slack_bus=grid["bus_names"].index(settings["slack_bus"]),
            bus_position=grid["bus_position"],
            ptdf=grid["ptdf"],
        )
    except ValueError as error:
        faults.add("branches.csv" if grid["ptdf"] is None else f"branches.csv, {PTDF_FILE}", str(error))
        faults.raise_if_any()
        raise
    kinds = grid.get(KIND)
    if grid["of_buses"] or grid["of_branches"] or kinds is not None:
        built = replace(built, wires=wires_from_columns(built, grid["of_buses"], grid["of_branches"], kinds))
    return make_network(replace(built, **grid["voltages"]), bus, bus_zone=grid["zone"])


def ptdf_rows(grid: Grid) -> tuple[list[str], Iterable[list[object]]] | None:
    """Return the header and the rows of ``ptdf.csv``; None where the PTDF matrix is that of the reactances."""
    own = ptdf_matrix(
        grid.branch_from,
        grid.branch_to,
        grid.branch_reactance_pu,
        n_buses=grid.n_buses,
        slack_bus=grid.slack_bus,
        branch_names=grid.branch_names,
    )
    if np.array_equal(own, grid.ptdf):
        return None
    return [_BRANCH, *grid.bus_names], ([name, *row] for name, row in zip(grid.branch_names, grid.ptdf.tolist(), strict=True))


def voltage_rows(grid: Grid) -> tuple[list[str], Iterable[list[object]]] | None:
    """Return the header and the rows of ``voltage_sensitivity.csv``; None where the grid has no such matrix of its own."""
    if grid.voltage_bus is None or grid.voltage_idle_pu is None or grid.voltage_per_kw is None:
        return None
    names = [grid.bus_names[at] for at in grid.voltage_bus]
    rows = zip(names, grid.voltage_idle_pu.tolist(), grid.voltage_per_kw.tolist(), strict=True)
    return ["bus", _IDLE, *grid.bus_names], ([name, idle, *row] for name, idle, row in rows)


def _optional(table: CsvTable, rules: dict[str, tables.Rule], empty: dict[str, float]) -> dict[str, Array]:
    """Return those columns that a table has, each of shape (rows,)."""
    return {name: table.numbers((name,), rule, empty=empty[name])[:, 0] for name, rule in rules.items() if table.has(name)}


def _of_branches(faults: Faults, table: CsvTable, found: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return names, ends and numbers of branches, noting what is wrong with them."""
    of: dict[str, Any] = {"branch_names": table.text(_BRANCH, unique=True)}
    of |= {end: table.known(end, names, "the buses of buses.csv") for end in ("from", "to")}
    of |= {column: table.numbers((column,), rule)[:, 0] for column, rule in BRANCH_RULES.items()}
    of["of_branches"] = _optional(table, _WIRE_RULES, {name: empty for name, (_, empty) in BRANCH_FIELDS.items()})
    if table.has(KIND):
        of[KIND] = np.array(table.known(KIND, KINDS, "line, transformer")) == KINDS.index("transformer")
    voltage = found["of_buses"].get("voltage_kv", np.full(len(names), np.nan))
    limit, rated = _limits(faults, table, of["from"], voltage, names), of["of_branches"].get("rated_from")
    of["limit_kw"] = limit if limit is None or rated is None or table.has("limit_kw") else rated * limit
    for place, ((row, _), start, end) in enumerate(zip(table.rows, of["from"], of["to"], strict=True)):
        if start == end >= 0:
            faults.add(table.file, f"a branch must join two different buses, got {names[start]!r} twice.", row=row, column="to")
        elif KIND in of and min(start, end) >= 0 and not of[KIND][place] and abs(voltage[start] - voltage[end]) > 0:
            text = f"a line must join buses of one voltage, got {voltage[start]:g} and {voltage[end]:g} kV. Is it a transformer?"
            faults.add(table.file, text, row=row, column=KIND, kind="two voltages")
    return of


def _limits(faults: Faults, table: CsvTable, start: Sequence[int], voltage_kv: Array, names: Sequence[str]) -> Array | None:
    """Return limits in kW, shape (L,), from the one column of limits that there is; None, with the reason noted, without one."""
    given = [column for column in LIMITS if table.has(column)]
    if len(given) != 1:
        came = "both" if given else f"neither; the file has {', '.join(table.header[:12])}"
        faults.add(table.file, f"must have one column of limits, limit_kw or limit_a, got {came}.", column=LIMITS[0], kind="missing column")
        return None
    values = table.numbers(given, tables.LIMIT)[:, 0]
    if given == ["limit_kw"]:
        return values
    unknown = list(dict.fromkeys(names[at] for at in start if at >= 0 and np.isnan(voltage_kv[at])))
    if unknown:
        text = f"limits in amperes need the nominal voltage of the buses where branches begin, missing at {listed(unknown)}."
        faults.add("buses.csv", f"{text} Give it in the column 'voltage_kv', or give limit_kw.", column="voltage_kv")
    return ampere_to_kw(values, voltage_kv[np.array(start, dtype=np.intp)])


def _read_ptdf(faults: Faults, branches: Sequence[str], buses: Sequence[str], slack: str | None) -> Array | None:
    """Return the PTDF matrix of one's own, shape (L, B), rows and columns in any order; None where there is none, or it has faults."""
    path = Path(faults.folder) / PTDF_FILE
    if not path.exists():
        return None
    table = read_table(faults, PTDF_FILE, (_BRANCH, *(bus for bus in buses if bus != slack)), [bus for bus in buses if bus == slack])
    if table is None:
        return None
    rows = table.known(_BRANCH, branches, "the branches of branches.csv")
    table.text(_BRANCH, unique=True)
    missing = [name for place, name in enumerate(branches) if place not in rows]
    if missing:
        faults.add(PTDF_FILE, f"must have a row for each branch of branches.csv, has none for {listed(missing)}.", column=_BRANCH)
    there = [bus for bus in buses if table.has(bus)]
    values = table.numbers(there, tables.ANY)
    if missing or len(rows) != len(branches) or min(rows, default=0) < 0:
        return None
    ptdf = np.zeros((len(branches), len(buses)))
    ptdf[np.ix_(rows, [buses.index(bus) for bus in there])] = values
    return ptdf


def _read_voltages(faults: Faults, buses: Sequence[str], slack: str | None) -> dict[str, Any]:
    """Return fields of :class:`.Grid` by a voltage sensitivity matrix of one's own; none where there is none, or it has faults."""
    if not (Path(faults.folder) / VOLTAGE_FILE).exists():
        return {}
    if {"bus", _IDLE} & set(buses):
        faults.add(VOLTAGE_FILE, f"no bus may be called 'bus' or {_IDLE!r} where this file is there. Rename it.")
        return {}
    table = read_table(
        faults, VOLTAGE_FILE, ("bus", _IDLE, *(bus for bus in buses if bus != slack)), [bus for bus in buses if bus == slack]
    )
    if table is None:
        return {}
    rows = table.known("bus", buses, "the buses of buses.csv")
    table.text("bus", unique=True)
    there = [bus for bus in buses if table.has(bus)]
    per_kw = np.zeros((len(rows), len(buses)))
    per_kw[:, [buses.index(bus) for bus in there]] = table.numbers(there, tables.ANY)
    found: dict[str, Any] = {
        "voltage_bus": np.array(rows, dtype=np.intp),
        "voltage_idle_pu": table.numbers((_IDLE,), tables.POSITIVE)[:, 0],
    }
    found["voltage_per_kw"] = per_kw
    for values in found.values():
        values.setflags(write=False)
    return found
