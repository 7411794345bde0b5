"""An hour of a day with one store as one-way elements between prosumers and the ground, from the day's raw data, for a replay alone.

At a charge γ and a price p of stored energy, an element from ``tail`` to ``head`` carries, in kW,

    x = min(max(w·(μ_head − μ_tail) + b + p·s − γ·c, low), high),

μ being prices in EUR/kWh, 0 of the ground, at which every prosumer gets what it gives. That is the followers' program of one hour, with
renewable power curtailed within 1e-10 EUR/kWh above a price of 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ....envs.community.day import Array, Day
from ....envs.grid.network import Network

_CURTAILED = 1e-10


@dataclass(frozen=True, eq=False, kw_only=True)
class HourElements:
    """One hour; build it with :func:`elements_of`.

    Attributes:
        incidence: 1 where an element ends at a prosumer, −1 where it begins there, shape (N, M).
        weight: w, kW per EUR/kWh, shape (M,).
        base: b, kW, shape (M,).
        per_charge: c, kW per EUR/kWh, shape (M,).
        per_price: s, kW per EUR/kWh, shape (M,).
        low: Least, kW, shape (M,).
        high: Greatest, kW, shape (M,).
        brings: Stored kWh, charged kWh and the fee on imports in EUR per kW, shape (3, M).
        flows: kW of flow per kW carried, shape (L, M).
        still: Flows without anybody, kW, shape (L,).
        loss: EUR per squared kW of flow, shape (L,).
        limit: Of flows, kW, shape (L,).
        overload: EUR per kW beyond a limit.
        hours: Length of the period.
    """

    incidence: Array
    weight: Array
    base: Array
    per_charge: Array
    per_price: Array
    low: Array
    high: Array
    brings: Array
    flows: Array
    still: Array
    loss: Array
    limit: Array
    overload: float
    hours: float

    def wanted(self, prices: Array, charge: Array, stored: Array) -> Array:
        """Return what elements would carry without limits, kW, shape (R, M).

        Args:
            prices: μ, EUR/kWh, shape (R, N).
            charge: γ, EUR/kWh, shape (R,).
            stored: p, EUR/kWh, shape (R,).
        """
        return self.weight * (prices @ self.incidence) + self.base + stored[:, None] * self.per_price - charge[:, None] * self.per_charge

    def stray(self, rows: Array) -> float:
        """Return how far the root of the sum of squares of some totals may go per √EUR of distance; rows of shape (R, M)."""
        used = np.any(rows != 0.0, axis=0)
        return float(np.linalg.norm(rows[:, used] * np.sqrt(self.weight[used] / self.hours)))


def elements_of(day: Day, network: Network, basis: Array, hour: int, *, flows: str) -> HourElements:
    """Return one hour of a day with one store.

    Args:
        day: The day.
        network: Where its N prosumers sit.
        basis: What a charge of 1 EUR/kWh charges each trade, 1, shape (N, N).
        hour: Which period.
        flows: Which account of what the wires carry.
    """
    n, [owner] = day.n_prosumers, np.flatnonzero(day.has_storage)
    seller, buyer = np.nonzero(day.can_trade)
    each, friction = np.eye(n), np.broadcast_to(day.grid_friction, (n,))
    wear, eta = float(np.broadcast_to(day.storage_wear, (n,))[owner]), float(np.broadcast_to(day.storage_efficiency, (n,))[owner])
    power, sun, bend = float(day.storage_power[owner]), day.renewable[hour], day.utility_curvature[hour]
    trade = 1.0 / day.trade_friction[seller, buyer]
    zeros, pairs = np.zeros(n), np.zeros(len(seller))
    buys, sells = day.own_import_price[hour], day.own_export_price[hour]
    blocks: list[tuple[Any, ...]] = [  # incidence, w, b, s, low, high
        (each[:, buyer] - each[:, seller], trade, pairs, pairs, pairs, day.trade_limit[seller, buyer]),
        (each, 1.0 / friction, -buys / friction, zeros, zeros, np.broadcast_to(day.import_limit, (n,))),
        (-each, 1.0 / friction, sells / friction, zeros, zeros, np.broadcast_to(day.export_limit, (n,))),
        (-each, 1.0 / bend, day.utility_slope[hour] / bend, zeros, day.demand_min[hour], day.demand_max[hour]),
        (-each[:, [owner]], [1.0 / wear], [0.0], [eta / wear], [0.0], [power]),
        (each[:, [owner]], [1.0 / wear], [0.0], [-1.0 / (eta * wear)], [0.0], [power]),
        (each, sun / _CURTAILED, zeros, zeros, zeros, sun),
    ]
    incidence, weight, base, per_price, low, high = (np.concatenate([np.asarray(b[k], float) for b in blocks], axis=-1) for k in range(6))
    count, hours = len(weight), day.period_hours
    first = np.cumsum([0, *(np.shape(block[1])[0] for block in blocks)])
    charged = np.zeros(count)
    charged[: first[1]] = basis[seller, buyer]
    brings = np.zeros((3, count))
    brings[0, first[4]], brings[0, first[5]] = hours * eta, -hours / eta
    brings[1], brings[2, first[1] : first[2]] = hours * charged, hours * day.import_fee
    seen = np.zeros(count)
    seen[: first[1] if flows == "trades" else first[3]] = 1.0
    grid = network.grid
    still = grid.ptdf @ day.base_injection[hour] if day.base_injection.any() else np.zeros(grid.n_branches)
    if grid.row_offset_kw is not None:
        still = still + grid.row_offset_kw
    return HourElements(
        incidence=incidence,
        weight=weight,
        base=base,
        per_charge=charged * np.concatenate([trade, np.zeros(count - len(trade))]),
        per_price=per_price,
        low=low,
        high=high,
        brings=brings,
        flows=-(grid.ptdf[:, network.prosumer_bus] @ (incidence * seen)),
        still=still,
        loss=hours * float(day.loss_price[hour]) * grid.loss_coefficient,
        limit=grid.branch_limit_kw,
        overload=hours * day.overload_price,
        hours=hours,
    )
