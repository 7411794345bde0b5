"""The electrical data of a pandapower network, as pandapower itself computes them: cables, standard types, taps, iron losses, shunts."""

from __future__ import annotations

import warnings
from typing import Any, Final

import numpy as np

from ..arrays import Array, IntArray
from .grid import Grid
from .grid_pandapower import solved_buses
from .wires import Wires

_TYPE, _GS, _BS, _KV = 1, 4, 5, 9  # columns of pandapower's internal tables of buses, branches and generators
_FROM, _TO, _R, _X, _B, _TAP, _SHIFT, _G, _G_EXTRA, _B_EXTRA = 0, 1, 2, 3, 4, 8, 9, 23, 24, 25
_AT, _HELD = 0, 5
_PQ: Final = 1


def wires_from_pandapower(net: Any, grid: Grid) -> Wires:
    """Return the electrical data of the network that a grid was read from.

    Args:
        net: The network; its AC power flow is solved, and so it is changed.
        grid: What :func:`.grid_from_pandapower` made of it.

    Raises:
        ValueError: If its own AC power flow has no solution, a branch is not symmetric, or a loop feels the phase shift of a transformer.
    """
    import pandapower  # noqa: PLC0415  # 3 s, which only extraction should pay

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            pandapower.runpp(net, numba=False)
        except pandapower.LoadflowNotConverged:
            raise ValueError(
                f"the AC power flow of {grid.name!r} must have a solution at the network's own loads, and pandapower finds none. Check its "
                "loads, units and taps, or leave `power_flow` at 'dc'."
            ) from None
    internal, index_of = net._ppc["internal"], solved_buses(net)  # noqa: SLF001
    ours = np.array(sorted(index_of, key=index_of.__getitem__), dtype=np.intp)
    bus, branch, gen = (internal[name].real for name in ("bus", "branch", "gen"))
    kept = np.flatnonzero([int(row[_FROM]) in index_of and int(row[_TO]) in index_of for row in branch])
    rows = np.flatnonzero(internal["branch_is"])[kept]  # where these branches stand in pandapower's own table, as the elements' rows do
    first_transformer, behind_them = net._pd2ppc_lookups["branch"].get("trafo", (0, 0))  # noqa: SLF001
    branch = branch[kept]
    _require_same(grid, branch, index_of)
    held = np.full(grid.n_buses, np.nan)
    for row in gen:
        if int(row[_AT]) in index_of and bus[int(row[_AT]), _TYPE] != _PQ:
            held[index_of[int(row[_AT])]] = row[_HELD]
    start, end = grid.branch_from, grid.branch_to
    _require_no_shift_in_loops(grid, branch[:, _SHIFT])
    base_mva = float(internal["baseMVA"])
    voltage = bus[ours, _KV]
    ratio = np.where(branch[:, _TAP] == 0, 1.0, branch[:, _TAP])
    is_transformer = (rows >= first_transformer) & (rows < behind_them)
    return Wires(
        branch_resistance_pu=branch[:, _R],
        branch_reactance_pu=branch[:, _X],
        branch_conductance_pu=branch[:, _G],
        branch_susceptance_pu=branch[:, _B],
        branch_ratio=ratio,
        branch_rated_start=np.where(is_transformer, _over_nominal(net, "hv", rows - first_transformer, voltage[start]), 1.0),
        branch_rated_end=np.where(is_transformer, _over_nominal(net, "lv", rows - first_transformer, voltage[end]), 1.0),
        is_transformer=is_transformer | (voltage[start] != voltage[end]),
        bus_voltage_kv=voltage,
        bus_conductance_pu=bus[ours, _GS] / base_mva,
        bus_susceptance_pu=bus[ours, _BS] / base_mva,
        bus_held_pu=held,
    )


def _over_nominal(net: Any, side: str, rows: IntArray, nominal_kv: Array) -> Array:
    """Return the rated voltage of a side of transformers, by their rows, over the nominal one, shape (L,); of what is none, of any row."""
    if not len(net.trafo):
        return np.ones(len(rows))
    rated = net.trafo[f"vn_{side}_kv"].to_numpy(dtype=np.float64)
    over: Array = rated[np.clip(rows, 0, len(rated) - 1)] / nominal_kv
    return over


def _require_same(grid: Grid, branch: Array, index_of: dict[int, int]) -> None:
    """See to it that the branches are those of the grid, in its order, and have the same shunts at both ends."""
    ends = np.array([[index_of[int(row[_FROM])], index_of[int(row[_TO])]] for row in branch]).reshape(-1, 2)
    if not np.array_equal(ends, np.stack([grid.branch_from, grid.branch_to], axis=1)):
        raise ValueError(f"the branches of the AC power flow must be those of grid {grid.name!r}, in its order.")
    uneven = [grid.branch_names[k] for k in np.flatnonzero(np.abs(branch[:, [_G_EXTRA, _B_EXTRA]]).max(axis=1, initial=0.0) > 0)]
    if uneven:
        raise ValueError(f"branches must have the same shunt at both ends, these of {grid.name!r} have not: {', '.join(uneven)}.")


def _require_no_shift_in_loops(grid: Grid, shift_degree: Array) -> None:
    """See to it that the shifts of transformers add up to nothing around every loop, so that buses can be turned by them."""
    turned = np.full(grid.n_buses, np.nan)
    turned[grid.slack_bus] = 0.0
    start, end = grid.branch_from, grid.branch_to
    for _ in range(grid.n_buses):
        _turn(turned, start, end, -shift_degree)
        _turn(turned, end, start, shift_degree)
        if not np.isnan(turned).any():
            break
    apart = (turned[start] - turned[end] - shift_degree + 180.0) % 360.0 - 180.0
    felt = [grid.branch_names[k] for k in np.flatnonzero(np.abs(apart) > 1e-9)]
    if felt:
        raise ValueError(
            f"phase shifts of transformers must add up to nothing around every loop of {grid.name!r}, these branches close one where they "
            f"do not: {', '.join(felt)}. A phase shifter within a mesh is not modelled."
        )


def _turn(turned: Array, start: IntArray, end: IntArray, by: Array) -> None:
    """Write into ``turned`` what buses at the ends of branches are turned by, where that of the other end is known, shape (B,)."""
    new = ~np.isnan(turned[start]) & np.isnan(turned[end])
    turned[end[new]] = turned[start[new]] + by[new]
