"""A grid of a pandapower network: what the network must be like, and what of it is left out.

Lines and two-winding transformers in service are taken, with their taps, iron losses, cables' capacitance, shunts, and machines that
hold a voltage; limits are those in amperes (``max_i_ka``) and in kVA (``sn_mva``). Buses joined by closed switches are one. What is out
of service or open at both ends is left out. What is open at one end stays energised from the other: it charges and has iron losses, up to a
bus of its own. Loads and generators are not used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...arrays import Array
from ...errors import listed
from ...grid.grid import Grid
from ...grid.grid_pandapower import grid_from_pandapower, pandapower_buses, solved_buses
from ...grid.wires_pandapower import wires_from_pandapower

_RATIO: Final = ("Ratio", "Symmetrical", "Ideal")
"""Kinds of tap changers whose taps pandapower applies to voltages."""


def grid_of_network(net: Any, name: str) -> tuple[Grid, tuple[str, ...]]:
    """Return the grid of a network with its electrical data, and what was left out, a sentence for each.

    Raises:
        ValueError: Naming everything that is wrong, a sentence in each line, or what pandapower's power flow says.
    """
    _require_network(net)
    try:
        grid = grid_from_pandapower(net, name)
    except (ValueError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - what pandapower raises where its power flow fails is of many kinds
        raise ValueError(f"must be a network whose DC power flow pandapower can solve, got: {type(error).__name__}: {error}") from None
    notes = _left_out(net, len(solved_buses(net)) - len(set(pandapower_buses(net).values())))
    try:
        grid = replace(grid, wires=wires_from_pandapower(net, grid))
    except ValueError as error:
        notes.append(f"data for the AC power flow: none, plain lines are taken; {error}")
    return grid, tuple(notes)


def _require_network(net: Any) -> None:
    """See to it that a network has one source, reaches every bus, and states voltages, impedances and limits."""
    from pandapower import topology  # noqa: PLC0415 - 3 s, as all of pandapower

    faults = list[str]()
    buses = net.bus[net.bus.in_service]
    faults += _missing(buses, ("vn_kv",), "bus", "nominal voltage in kV")
    lines = net.line[net.line.in_service]
    faults += _missing(lines, ("r_ohm_per_km",), "line", "resistance in ohms per km", holds=lambda value: value >= 0)
    faults += _missing(lines, ("x_ohm_per_km",), "line", "reactance in ohms per km other than 0", holds=lambda value: value != 0)
    faults += _missing(lines, ("length_km", "max_i_ka"), "line", "length, and a limit in kA (a great number where there is none)")
    transformers = net.trafo[net.trafo.in_service]
    faults += _missing(
        transformers, ("vk_percent",), "transformer", "short-circuit voltage in % other than 0", holds=lambda value: value != 0
    )
    faults += _missing(transformers, ("sn_mva",), "transformer", "rated power in MVA")
    held = [int(bus) for bus in net.ext_grid.bus[net.ext_grid.in_service]]
    held += [] if not len(net.gen) or "slack" not in net.gen else [int(bus) for bus in net.gen.bus[net.gen.in_service & net.gen.slack]]
    sources = [f"bus {bus}" for bus in dict.fromkeys(held)]
    if len(sources) != 1:
        came = f"{len(sources)}, at {listed(sources)}" if sources else "none"
        faults.append(
            f"a network must have one external grid in service, which takes up what injections do not balance, got {came}. "
            "Take the others out of service, or make them generators."
        )
    elif not faults:
        unsupplied = sorted(int(bus) for bus in topology.unsupplied_buses(net) if net.bus.in_service.at[bus])
        if unsupplied:
            names = listed([f"{net.bus.name.at[bus] or 'bus'} ({bus})" for bus in unsupplied])
            faults.append(
                f"every bus in service must be reached from the external grid, these are islands: {names}. Close a switch, put a line "
                "in service, or take these buses out of service."
            )
    if faults:
        raise ValueError("the network is not valid:\n" + "\n".join(f"  - {fault}" for fault in faults))


def _missing(
    table: Any, columns: tuple[str, ...], kind: str, what: str, *, holds: Callable[[Array], NDArray[np.bool_]] = lambda value: value > 0
) -> list[str]:
    """Return a fault that names elements whose numbers in some columns do not hold; positive ones do unless told."""
    values = table[list(columns)].to_numpy(dtype=np.float64)
    bad = ~(np.isfinite(values) & holds(values)).all(axis=1)
    if not bad.any():
        return []
    names = [f"{table.name.at[index] or kind} ({index})" for index in table.index[bad]]
    return [f"every {kind} in service must have a {what} ({', '.join(columns)}), these have none: {listed(names)}."]


def _left_out(net: Any, energised: int) -> list[str]:
    """Return sentences about what of a network is left out; so many lines and transformers are open at one end."""
    notes = list[str]()
    for table, words in ((net.bus, "buses"), (net.line, "lines"), (net.trafo, "transformers")):
        away = int((~table.in_service).sum())
        if away:
            notes.append(f"out of service: {away} of {len(table)} {words}, left out")
    opened = net.switch[~net.switch.closed]
    if len(opened):
        between, at_branch = int((opened.et == "b").sum()), int((opened.et != "b").sum())
        notes.append(
            f"open switches: {len(opened)}; {between} between buses, {at_branch} at lines and transformers, which carry nothing through; "
            f"{energised} of these stay energised from their other end"
        )
    taps = net.trafo[net.trafo.in_service]
    if len(taps) and "tap_changer_type" in taps:
        moved = (taps.tap_pos.astype(float) != taps.tap_neutral.astype(float)) & taps.tap_pos.notna() & taps.tap_neutral.notna()
        unsaid = taps[moved & ~taps.tap_changer_type.isin(_RATIO)]
        if len(unsaid):
            notes.append(
                f"taps: {len(unsaid)} transformers have a tap_pos that pandapower does not apply, as their tap_changer_type is not 'Ratio'"
            )
    return notes
