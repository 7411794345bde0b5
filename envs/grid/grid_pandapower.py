"""A grid from a pandapower network: its lines and two-winding transformers in service, as its own DC power flow sees them."""

from __future__ import annotations

import json
import warnings
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Array, IntArray
from .grid import Grid, layout_of, make_grid, unit_square

_UNSUPPORTED: Final = ("trafo3w", "impedance", "xward", "dcline", "tcsc", "vsc", "line_dc")
_BUS_TYPE, _REFERENCE = 1, 3  # columns and codes of pandapower's internal case format
_FROM, _TO, _R, _X, _TAP = 0, 1, 2, 3, 8


def grid_from_pandapower(net: Any, name: str, branch_limit_kw: ArrayLike | None = None) -> Grid:
    """Read a grid from a pandapower network: its lines, then its two-winding transformers, those in service.

    Buses joined by closed switches become one bus. A line or transformer that a switch opens at one end stays energised from the other, up
    to a bus of its own: its cable charges, its core is magnetised, and nothing flows through. Phase shifts of transformers move every flow
    by a constant and do not enter: trades are differences of injections. Our H is compared with pandapower's.

    Args:
        net: The network; it is solved (DC power flow) and so changed.
        name: Name of the grid.
        branch_limit_kw: Limits that replace the network's, one number or shape (L,).

    Raises:
        ValueError: If the network has branches of another kind, or is not connected.
    """
    import pandapower  # noqa: PLC0415  # 3 s, which only extraction should pay
    from pandapower.pypower.makePTDF import makePTDF  # noqa: PLC0415

    found = [kind for kind in _UNSUPPORTED if kind in net and len(net[kind])]
    if found:
        raise ValueError(f"a grid must consist of lines and two-winding transformers, got {', '.join(found)}. Replace them.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandapower warns about the age of the test cases it ships
        pandapower.rundcpp(net)
    internal = net._ppc["internal"]  # noqa: SLF001  # solved buses and branches, renumbered; what is out of service is gone
    bus_index, solved_bus = pandapower_buses(net), solved_buses(net)
    in_service = np.flatnonzero(internal["branch_is"])
    branch = internal["branch"].real
    kept = [k for k in range(len(branch)) if int(branch[k, _FROM]) in solved_bus and int(branch[k, _TO]) in solved_bus]
    rows = [int(in_service[k]) for k in kept]
    tap = np.where(branch[:, _TAP] == 0, 1.0, branch[:, _TAP])
    slack = int(np.flatnonzero(internal["bus"][:, _BUS_TYPE].real == _REFERENCE)[0])
    first = {index: bus for bus, index in reversed(bus_index.items())}
    start = np.array([solved_bus[int(bus)] for bus in branch[kept, _FROM]], dtype=np.intp)
    end = np.array([solved_bus[int(bus)] for bus in branch[kept, _TO]], dtype=np.intp)
    own_limit, own_names = _pandapower_branches(net)
    names = [str(net.bus.name.at[first[i]] or f"bus {first[i]}") for i in range(len(first))]
    names += [
        f"open end of {own_names[row]}" for row, ends in zip(rows, zip(start, end, strict=True), strict=True) if max(ends) >= len(first)
    ]
    grid = make_grid(
        name,
        bus_names=_unique_names(names),
        branch_names=[own_names[row] for row in rows],
        branch_from=start,
        branch_to=end,
        branch_resistance_pu=branch[kept, _R],
        branch_reactance_pu=(branch[:, _X] * tap)[kept],
        branch_limit_kw=own_limit[rows] if branch_limit_kw is None else branch_limit_kw,
        base_power_kw=1e3 * float(internal["baseMVA"]),
        slack_bus=solved_bus[slack],
        bus_position=_pandapower_positions(net, [first[i] for i in range(len(first))], start, end),
    )
    theirs = makePTDF(internal["baseMVA"], internal["bus"], internal["branch"])[
        np.ix_(kept, sorted(solved_bus, key=solved_bus.__getitem__))
    ]
    if not np.allclose(grid.ptdf, theirs, rtol=0, atol=1e-9):
        raise ValueError(
            f"the power flow of grid {name!r} must agree with pandapower's to 1e-9, got {np.abs(grid.ptdf - theirs).max():.1e}."
        )
    return grid


def pandapower_buses(net: Any) -> dict[int, int]:
    """Return the index in our grid of each pandapower bus in service, after a power flow; joined buses share one index."""
    lookup = net._pd2ppc_lookups["bus"]  # noqa: SLF001
    solved: dict[int, int] = {}
    return {int(bus): solved.setdefault(int(lookup[bus]), len(solved)) for bus in net.bus.index[net.bus.in_service]}


def solved_buses(net: Any) -> dict[int, int]:
    """Return the index in our grid of each bus of pandapower's own tables, after a power flow.

    First come those of :func:`pandapower_buses`, then the open ends of lines and transformers that a switch opens at one side, in the order
    of its branches.
    """
    lookup = net._pd2ppc_lookups["bus"]  # noqa: SLF001
    index_of = {int(lookup[bus]): index for bus, index in pandapower_buses(net).items()}
    for row in net._ppc["internal"]["branch"].real:  # noqa: SLF001
        start, end = int(row[_FROM]), int(row[_TO])
        if (start in index_of) != (end in index_of):
            index_of[end if start in index_of else start] = len(index_of)
    return index_of


def _pandapower_branches(net: Any) -> tuple[Array, list[str]]:
    """Return limits in kW and names of all lines, then all transformers, in the order of pandapower's own branch table."""
    line, trafo = net.line, net.trafo
    voltage = net.bus.vn_kv.loc[line.from_bus].to_numpy()
    line_limit = np.sqrt(3.0) * voltage * (line.max_i_ka * line.df * line.parallel).to_numpy() * 1e3
    trafo_limit = (trafo.sn_mva * trafo.df * trafo.parallel).to_numpy() * 1e3
    names = [str(row.get("name") or f"{kind} {index}") for kind in ("line", "trafo") for index, row in net[kind].iterrows()]
    return np.concatenate([line_limit, trafo_limit]).astype(np.float64), names


def _unique_names(names: list[str]) -> list[str]:
    """Return the names, each that comes twice with its position behind it."""
    return [name if names.count(name) == 1 else f"{name} ({i})" for i, name in enumerate(names)]


def _pandapower_positions(net: Any, buses: list[int], start: IntArray, end: IntArray) -> Array:
    """Return drawing positions from the network's coordinates where every bus has its own, else from the grid's layout."""
    n_buses = int(max(start.max(initial=0), end.max(initial=0))) + 1
    try:
        raw = np.array([json.loads(net.bus.geo.at[bus])["coordinates"][:2] for bus in buses], dtype=np.float64)
    except (AttributeError, KeyError, TypeError, ValueError):
        return layout_of(n_buses, start, end)
    if (
        len(np.unique(raw.round(9), axis=0)) < n_buses
    ):  # open ends, or one on top of another: SimBench puts a transformer's buses streets apart
        return layout_of(n_buses, start, end)
    return unit_square(raw)
