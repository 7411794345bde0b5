"""A dimensionless market as the kernel's arrays: a row of W = 4N + 3J + K variables per hour, in the order d, r, m, x, c, s, e, p."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...day import Array
from ..market_data import IntArray, MarketData
from ..point import Point
from .interior_point import UNCAPPED


@dataclass(frozen=True, eq=False, kw_only=True)
class Layout:
    """The arrays a kernel call takes, in its order; see :func:`.interior_point.interior_point`."""

    sizes: tuple[int, int, int, int]
    seller: IntArray
    buyer: IntArray
    owner: IntArray
    eta: Array
    curvature: Array
    cost: Array
    lower: Array
    upper: Array
    stored_start: Array

    def arguments(self) -> tuple[Any, ...]:
        """Return the arrays in the order every kernel takes them."""
        problem = (self.sizes, self.seller, self.buyer, self.owner, self.eta)
        return (*problem, self.curvature, self.cost, self.lower, self.upper, self.stored_start)

    @property
    def n_own(self) -> int:
        """Number of variables before the trades in a row, 4N + 3J."""
        _, n, j, _ = self.sizes
        return 4 * n + 3 * j

    def keep_pairs(self, pairs: IntArray) -> Layout:
        """Return the market of some of the pairs with their trades uncapped, which costs the interior point a third less work."""
        columns = np.concatenate([np.arange(self.n_own), self.n_own + pairs])
        upper = self.upper[:, columns]
        upper[:, self.n_own :] = UNCAPPED
        t, n, j, _ = self.sizes
        return Layout(
            sizes=(t, n, j, len(pairs)),
            seller=self.seller[pairs],
            buyer=self.buyer[pairs],
            owner=self.owner,
            eta=self.eta,
            curvature=self.curvature[:, columns],
            cost=self.cost[:, columns],
            lower=self.lower[:, columns],
            upper=upper,
            stored_start=self.stored_start,
        )


def flatten(data: MarketData) -> Layout:
    """Return the kernel's arrays of a market."""
    structure = data.structure
    t, n, j, k = structure.n_periods, structure.n_prosumers, len(structure.owner), len(structure.seller)
    none, idle = np.zeros((t, n)), np.zeros((t, j))
    wear, friction = data.storage_wear, data.grid_friction
    return Layout(
        sizes=(t, n, j, k),
        seller=structure.seller,
        buyer=structure.buyer,
        owner=structure.owner,
        eta=np.ascontiguousarray(data.storage_efficiency[0]),
        curvature=np.hstack([data.utility_curvature, none, friction, friction, wear, wear, idle, data.trade_friction]),
        cost=np.hstack([-data.utility_slope, none, data.import_price, -data.export_price, idle, idle, idle, data.charge]),
        lower=np.hstack([data.demand_min, none, none, none, idle, idle, data.stored_min, np.zeros((t, k))]),
        upper=np.hstack(
            [
                *(data.demand_max, data.renewable, data.import_limit, data.export_limit),
                *(data.storage_power, data.storage_power, data.stored_max, data.trade_limit),
            ]
        ),
        stored_start=data.storage_start,
    )


def unflatten(layout: Layout, v: Array, mu: Array, sigma: Array) -> Point:
    """Return flat variables and prices as a point."""
    _, n, j, _ = layout.sizes
    demand, renewable, imported, exported, charge, discharge, stored, trade = np.split(v, np.cumsum([n, n, n, n, j, j, j]), axis=1)
    return Point(
        demand=demand,
        renewable=renewable,
        imported=imported,
        exported=exported,
        charge=charge,
        discharge=discharge,
        stored=stored,
        trade=trade,
        nodal_price=mu,
        storage_price=sigma,
    )
