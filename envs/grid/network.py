"""Where prosumers sit in the grid, and how far apart: electrical distance, zones, nearest partners.

The electrical distance of two prosumers is what their trade asks of the wires, D_ij = Σ_l |H_l,bus(i) − H_l,bus(j)|, scaled so that its
mean over pairs of different prosumers is 1. It does not depend on the slack bus. In a radial grid it counts the branches between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import Array, Door, IntArray
from .grid import Grid


@dataclass(frozen=True, eq=False, kw_only=True)
class Network:
    """A grid with N prosumers on it; build it with :func:`make_network`.

    Attributes:
        grid: The grid, B buses and L branches.
        prosumer_bus: Bus index of each prosumer, shape (N,).
        bus_zone: Zone of each bus, shape (B,), numbered from 0.
        distance: D without a unit, shape (N, N), symmetric, zero diagonal, mean 1 off the diagonal.
        distance_scale: What the unscaled sum of |ΔH| is divided by to give ``distance``.
        zone_borders: Fewest borders between zones on a way through the grid, shape (N, N).
    """

    grid: Grid
    prosumer_bus: IntArray
    bus_zone: IntArray
    distance: Array
    distance_scale: float
    zone_borders: Array

    @property
    def n_prosumers(self) -> int:
        """Number of prosumers N."""
        return int(self.prosumer_bus.shape[0])

    @property
    def zone(self) -> IntArray:
        """Zone of each prosumer, shape (N,)."""
        return self.bus_zone[self.prosumer_bus]

    @property
    def n_zones(self) -> int:
        """Number of zones."""
        return int(self.bus_zone.max()) + 1

    @property
    def prosumer_ptdf(self) -> Array:
        """Columns of H at the prosumers' buses, shape (L, N)."""
        return self.grid.ptdf[:, self.prosumer_bus]

    @property
    def line_distance(self) -> Array:
        """Share of each branch in the distance, shape (L, N, N): |H_l,i − H_l,j| on the scale of ``distance``, its sum over l."""
        ptdf = self.prosumer_ptdf[: self.grid.n_wires]
        share: Array = np.abs(ptdf[:, :, None] - ptdf[:, None, :]) / self.distance_scale
        return share

    def injection(self, prosumer_kw: ArrayLike) -> Array:
        """Return bus injections in kW, shape (..., B), of prosumers' in kW, shape (..., N)."""
        values = np.asarray(prosumer_kw, dtype=np.float64)
        at_bus: Array = values @ (self.prosumer_bus[:, None] == np.arange(self.grid.n_buses)).astype(np.float64)
        return at_bus

    def nearest_partners(self, k: int) -> NDArray[np.bool_]:
        """Return who may trade with whom, shape (N, N): pairs of which either is among the other's k nearest.

        Of equally distant partners those with the lower index count as nearer.

        Raises:
            ValueError: If k is below 1.
        """
        if k < 1:
            raise ValueError(f"the number of partners must be at least 1, got {k}.")
        apart = self.distance.copy()
        np.fill_diagonal(apart, np.inf)
        near = np.zeros(apart.shape, dtype=np.bool_)
        order = np.argsort(np.round(apart, 9), axis=1, kind="stable")[:, : min(k, self.n_prosumers - 1)]
        np.put_along_axis(near, order, True, axis=1)
        return near | near.T


def make_network(grid: Grid, prosumer_bus: ArrayLike, bus_zone: ArrayLike | None = None, n_zones: int = 3) -> Network:
    """Place prosumers in a grid.

    Args:
        grid: The grid.
        prosumer_bus: Bus index of each prosumer, shape (N,), N at least 2; several may share a bus, not all.
        bus_zone: Zone of each bus, shape (B,), numbered from 0. If absent, the prosumers' buses are clustered by electrical distance
            (average linkage) and every other bus joins the zone of the prosumer nearest to it.
        n_zones: Number of zones to cluster into, where there are as many distinct prosumer buses.

    Raises:
        ValueError: If a bus or zone is not valid, or all prosumers sit at one bus.
    """
    door = Door(f"network of grid {grid.name!r}")
    door.whole_numbers("prosumer_bus", prosumer_bus, (int(np.size(prosumer_bus)),))
    within = f"hold at least 2 bus indices from 0 to {grid.n_buses - 1}"
    door.require("prosumer_bus", within, lambda at: (at >= 0) & (at < grid.n_buses), axes=("prosumer",))
    bus = door.values.get("prosumer_bus", np.arange(2))
    if len(bus) < 2:
        door.faults.append(f"`prosumer_bus` must {within}, got {bus.astype(int).tolist()}.")
    elif len(np.unique(bus)) < 2:
        door.faults.append(f"prosumers must sit at two buses or more (distance is relative to its mean), got all at bus {bus[0]:g}.")
    if bus_zone is not None:
        door.whole_numbers("bus_zone", bus_zone, (grid.n_buses,))
        door.require("bus_zone", f"hold a zone from 0 for each of {grid.n_buses} buses", lambda zone: zone >= 0, axes=("bus",))
    door.whole_numbers("n_zones", n_zones, ())
    door.require("n_zones", "be at least 1", lambda count: count >= 1)
    door.raise_if_any()
    at = bus.astype(np.intp)
    apart = _bus_distance(grid)
    raw = apart[np.ix_(at, at)]
    scale = float(raw.sum() / (len(at) * (len(at) - 1)))
    zones = _cluster(apart, at, int(n_zones)) if bus_zone is None else door.values["bus_zone"].astype(np.intp)
    network = Network(
        grid=grid,
        prosumer_bus=at,
        bus_zone=zones,
        distance=raw / scale,
        distance_scale=scale,
        zone_borders=_borders(grid, zones)[np.ix_(at, at)],
    )
    for array in (network.prosumer_bus, network.bus_zone, network.distance, network.zone_borders):
        array.setflags(write=False)
    return network


def _bus_distance(grid: Grid) -> Array:
    """Return the unscaled distance of all pairs of buses, shape (B, B)."""
    apart = np.zeros((grid.n_buses, grid.n_buses))
    for row in grid.ptdf:  # branch by branch, so that large grids need no (L, B, B) array
        apart += np.abs(row[:, None] - row[None, :])
    return np.round(apart, 9) + 0.0  # ties in radial grids stay ties


def _cluster(apart: Array, prosumer_bus: IntArray, n_zones: int) -> IntArray:
    """Return the zone of each bus, zones numbered in the order of their first prosumer."""
    from scipy.cluster.hierarchy import fcluster, linkage  # noqa: PLC0415 - 0.3 s, which communities that come with zones need not wait for
    from scipy.spatial.distance import squareform  # noqa: PLC0415

    used = np.unique(prosumer_bus)
    tree = linkage(squareform(apart[np.ix_(used, used)], checks=False), method="average")
    label = fcluster(tree, t=min(n_zones, len(used)), criterion="maxclust")
    nearest = np.argmin(apart[:, used], axis=1)
    zone_of_bus = label[nearest]
    numbers: dict[int, int] = {}
    for bus in prosumer_bus:
        numbers.setdefault(int(zone_of_bus[bus]), len(numbers))
    return np.array([numbers[int(zone)] for zone in zone_of_bus], dtype=np.intp)


def _borders(grid: Grid, bus_zone: IntArray) -> Array:
    """Return the fewest zone borders between all pairs of buses, shape (B, B), by Floyd and Warshall's method."""
    n = grid.n_buses
    crossed = np.full((n, n), np.inf)
    np.fill_diagonal(crossed, 0.0)
    border = (bus_zone[grid.branch_from] != bus_zone[grid.branch_to]).astype(np.float64)
    crossed[grid.branch_from, grid.branch_to] = crossed[grid.branch_to, grid.branch_from] = border
    for via in range(n):
        crossed = np.minimum(crossed, crossed[:, via, None] + crossed[None, via, :])
    return crossed
