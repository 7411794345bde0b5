"""The grid as trades see it: linear power flow, losses, limits.

With injections n (kW, positive into the grid; the slack bus takes up their sum) the flows are f = H n, H the matrix of power transfer
distribution factors (PTDF) of the DC power flow. A branch loses w f² kW with w = r_pu / S_base: the current of f at nominal voltage without
reactive power. In a radial grid H holds only 0 and ±1, and the flows are exact up to losses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..arrays import Array, Door, IntArray
from .ptdf import given_ptdf, ptdf_matrix
from .wires import Wires


@dataclass(frozen=True, eq=False, kw_only=True)
class Grid:
    """A connected grid of B buses and L branches; build it with :func:`make_grid` or :func:`.grid_from_pandapower`.

    Attributes:
        name: How reports call the grid.
        bus_names: One name per bus, length B, no name twice.
        branch_names: One name per branch, length L.
        bus_position: Where to draw each bus, shape (B, 2), within the unit square; means nothing else.
        branch_from: Bus index at the start of each branch, shape (L,).
        branch_to: Bus index at the end, shape (L,); flow towards it is positive.
        branch_resistance_pu: Series resistance, shape (L,), on ``base_power_kw``.
        branch_reactance_pu: Series reactance times any off-nominal tap ratio, shape (L,), not 0; H follows from it.
        branch_limit_kw: F, greatest flow in kW, shape (L,), > 0.
        ptdf: H, shape (L, B); the column of the slack bus is 0.
        base_power_kw: Base of the per-unit system in kW.
        slack_bus: Index of the bus that takes up what injections do not balance.
        wires: What an AC power flow needs beside, None where nothing but resistances and reactances is known.
        row_offset_kw: What rows of flows are without injections, shape (L,); None where all are flows. Behind the branches there may be
            rows of voltages (:mod:`.voltage_rows`), written like branches.
        kw_per_pu: What rows of voltages are multiplied with, 0 without any.
        voltage_bus: Where a voltage sensitivity matrix of one's own says voltages, shape (M,); None without one.
        voltage_idle_pu: Voltages there without prosumers in per unit, shape (M,), or None.
        voltage_per_kw: How they change with what is put in at each bus, per unit and kW, shape (M, B), or None.
    """

    name: str
    bus_names: tuple[str, ...]
    branch_names: tuple[str, ...]
    bus_position: Array
    branch_from: IntArray
    branch_to: IntArray
    branch_resistance_pu: Array
    branch_reactance_pu: Array
    branch_limit_kw: Array
    ptdf: Array
    base_power_kw: float
    slack_bus: int
    wires: Wires | None = None
    row_offset_kw: Array | None = None
    kw_per_pu: float = 0.0
    voltage_bus: IntArray | None = None
    voltage_idle_pu: Array | None = None
    voltage_per_kw: Array | None = None

    @property
    def n_buses(self) -> int:
        """Number of buses B."""
        return len(self.bus_names)

    @property
    def n_branches(self) -> int:
        """Number of branches L."""
        return int(self.branch_from.shape[0])

    @property
    def n_wires(self) -> int:
        """Number of branches that are wires: without rows of voltages."""
        return self.n_branches if self.wires is None or not self.kw_per_pu else len(self.wires.branch_ratio)

    @property
    def loss_coefficient(self) -> Array:
        """Loss coefficient w in 1/kW, shape (L,): a branch with flow f loses w f² kW."""
        return self.branch_resistance_pu / self.base_power_kw

    def flow(self, injection_kw: ArrayLike) -> Array:
        """Return branch flows in kW, shape (..., L), of injections in kW, shape (..., B), positive into the grid."""
        injection = np.asarray(injection_kw, dtype=np.float64)
        if injection.ndim == 0 or injection.shape[-1] != self.n_buses:
            raise ValueError(f"`injection_kw` must have shape (..., {self.n_buses}), one column per bus, got {injection.shape}.")
        flow: Array = injection @ self.ptdf.T
        return flow


def make_grid(
    name: str,
    *,
    bus_names: Sequence[str],
    branch_from: ArrayLike,
    branch_to: ArrayLike,
    branch_resistance_pu: ArrayLike,
    branch_reactance_pu: ArrayLike,
    branch_limit_kw: ArrayLike,
    base_power_kw: float,
    slack_bus: int,
    branch_names: Sequence[str] | None = None,
    bus_position: ArrayLike | None = None,
    ptdf: ArrayLike | None = None,
) -> Grid:
    """Build a validated :class:`Grid`, computing its PTDF unless told; the arguments are its attributes.

    For shapes and units see :class:`Grid`. Resistance, reactance and limit may be one number for all branches. Branches are named
    ``"from-to"`` unless told, and buses laid out by a method that depends on nothing but the grid.

    Raises:
        ValueError: Naming everything that is wrong; also where the reactances around a loop cancel (see
            :mod:`~gridtoll.envs.grid.ptdf`).
    """
    door = Door(f"grid {name!r}")
    buses = door.names("bus_names", bus_names)
    branch_values = {"resistance_pu": branch_resistance_pu, "reactance_pu": branch_reactance_pu, "limit_kw": branch_limit_kw}
    _take_in_branches(door, branch_from, branch_to, {f"branch_{key}": value for key, value in branch_values.items()})
    door.numbers("base_power_kw", base_power_kw, ())
    door.whole_numbers("slack_bus", slack_bus, ())
    if bus_position is not None:
        door.numbers("bus_position", bus_position, (len(buses), 2))
    if ptdf is not None:
        door.numbers("ptdf", ptdf, (int(np.size(branch_from)), len(buses)))
        door.require("ptdf", "be finite", np.isfinite, axes=("branch", "bus"))
    named = () if branch_names is None else door.names("branch_names", branch_names, int(np.size(branch_from)), unique=False)
    _require_grid(door, len(buses))
    door.raise_if_any()
    numbers = door.values
    start, end, slack = (numbers[key].astype(np.intp) for key in ("branch_from", "branch_to", "slack_bus"))
    door.faults += _connection_faults(buses, start, end, int(slack))
    door.raise_if_any()
    named = named or tuple(f"{buses[i]}-{buses[j]}" for i, j in zip(start, end, strict=True))
    try:
        if ptdf is None:
            found = ptdf_matrix(start, end, numbers["branch_reactance_pu"], n_buses=len(buses), slack_bus=int(slack), branch_names=named)
        else:
            found = given_ptdf(numbers["ptdf"], start, end, slack_bus=int(slack), bus_names=buses)
    except ValueError as error:
        raise ValueError(f"grid {name!r} is not valid:\n  - {error}") from None
    grid = Grid(
        name=name,
        bus_names=buses,
        branch_names=named,
        bus_position=layout_of(len(buses), start, end) if bus_position is None else numbers["bus_position"],
        branch_from=start,
        branch_to=end,
        branch_resistance_pu=numbers["branch_resistance_pu"],
        branch_reactance_pu=numbers["branch_reactance_pu"],
        branch_limit_kw=numbers["branch_limit_kw"],
        ptdf=found,
        base_power_kw=float(numbers["base_power_kw"]),
        slack_bus=int(slack),
    )
    for array in (grid.bus_position, start, end, found, *numbers.values()):
        array.setflags(write=False)
    return grid


def layout_of(n_buses: int, start: IntArray, end: IntArray) -> Array:
    """Return positions of shape (B, 2) by the Kamada-Kawai method from a circle, which needs no random numbers.

    ``start`` and ``end`` are the buses of each branch, shape (L,).
    """
    import networkx as nx  # noqa: PLC0415  # needed only where a grid brings no coordinates

    graph = nx.Graph()
    graph.add_nodes_from(range(n_buses))
    graph.add_edges_from(zip(start.tolist(), end.tolist(), strict=True))
    placed = nx.kamada_kawai_layout(graph)
    return unit_square(np.array([placed[i] for i in range(n_buses)], dtype=np.float64))


def unit_square(position: Array) -> Array:
    """Return positions, shape (B, 2), moved and scaled, both axes alike, into the unit square around its middle, rounded to 4 decimals."""
    low, high = position.min(axis=0), position.max(axis=0)
    extent = float((high - low).max()) or 1.0
    placed: Array = np.round((position - (low + high) / 2) / extent + 0.5, 4)
    return placed


def _take_in_branches(door: Door, start: ArrayLike, end: ArrayLike, values: dict[str, ArrayLike]) -> None:
    n_branches = int(np.size(start))
    for key, ends in (("branch_from", start), ("branch_to", end)):
        door.whole_numbers(key, ends, (n_branches,))
    for key, value in values.items():
        door.numbers(key, value, (n_branches,), ())


def _require_grid(door: Door, n_buses: int) -> None:
    """Add a fault for each rule of a grid that is broken, but for those about its being connected."""
    branch = ("branch",)
    door.require("branch_resistance_pu", "be finite and at least 0", lambda v: np.isfinite(v) & (v >= 0), axes=branch)
    remedy = "The power flow divides by it."
    door.require("branch_reactance_pu", "be finite and not 0", lambda v: np.isfinite(v) & (v != 0), axes=branch, remedy=remedy)
    door.require("branch_limit_kw", "be above 0", lambda v: v > 0, axes=branch, remedy="Infinity stands for no limit.")
    door.require("base_power_kw", "be > 0 and finite", lambda v: np.isfinite(v) & (v > 0))
    door.require("bus_position", "be finite", np.isfinite, axes=("bus", "axis"))
    within = f"be a bus index from 0 to {n_buses - 1}"
    for key, axes in (("slack_bus", ()), ("branch_from", branch), ("branch_to", branch)):
        door.require(key, within, lambda v: (v >= 0) & (v < n_buses), axes=axes)
    if {"branch_from", "branch_to"} <= door.values.keys():
        other = door.values["branch_from"]
        door.require("branch_to", "be another bus than `branch_from`", lambda v: v != other, axes=branch)


def _connection_faults(bus_names: Sequence[str], start: IntArray, end: IntArray, slack_bus: int) -> list[str]:
    graph = coo_array((np.ones(len(start)), (start, end)), shape=(len(bus_names), len(bus_names)))
    island = connected_components(graph, directed=False)[1]
    cut_off = [name for name, part in zip(bus_names, island, strict=True) if part != island[slack_bus]]
    if not cut_off:
        return []
    return [f"every bus must be connected to the slack bus {bus_names[slack_bus]!r}, these are not: {', '.join(cut_off)}."]
