"""The hours of a day with one store, each as a network of elements at a price of stored energy; see :mod:`.tracing`.

=============  ======================  =================  ===========================  ==================
element        from, to                w                  base                         low, high
=============  ======================  =================  ===========================  ==================
trade i to j   i, j                    1/ε                0, less γ·B_ij/ε             0, P_ij
import         ground, i               1/ε_g              −λᵐ/ε_g                      0, M
export         i, ground               1/ε_g              λˣ/ε_g                       0, X
demand         i, ground               1/a                b/a                          d̲, d̄
charge         owner, ground           1/κ                ηp/κ                         0, S
discharge      ground, owner           1/κ                −p/(ηκ)                      0, S
sun and wind   ground, i               R/10⁻¹⁰            0                            0, R
=============  ======================  =================  ===========================  ==================

All are the followers' conditions of optimality but the last: renewable power is used in full above a price of 0 and curtailed below, here
within 10⁻¹⁰ price units. Every balance rises with its own price and falls with no other, so that no price is off by more than that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....envs.account.settlement import Flows, base_flow
from ....envs.arrays import IntArray
from ....envs.community.day import Array, Day
from ....envs.errors import ClearingError
from ....envs.grid.network import Network
from ....envs.market.exact.kkt import BoolArray
from ....envs.market.exact.market_data import MarketData, Structure, read_charges, scale
from .tracing import trace

_SUN = 1e-10
_FLOOR = 1e-8
_MOST_ROWS = 20_000
_NAMES = 2**42  # sums of up to 2,000 of them are exact


@dataclass(frozen=True, eq=False, kw_only=True)
class Lines:
    """An hour's exact response along lines of charges, one for each price of stored energy.

    Attributes:
        rows: Charge in EUR/kWh, energy stored in kWh, charged energy in kWh, profit in EUR but for the charge, how much more that can be
            between two rows, which limits are reached up to the next row, as one number, and by how much losses bend there along the price
            of stored energy, EUR per squared EUR/kWh; shape (rows, 7).
        first: Where each line begins, shape (lines + 1,).
        over: Whether a branch is overloaded anywhere on them, shape (L,).
        gap: The greatest stretch of charges between two pieces, EUR/kWh.
    """

    rows: Array
    first: IntArray
    over: BoolArray
    gap: float


class StoreHours:
    """The hours of a day with one store as functions of the price of stored energy and the charge.

    Args:
        day: The day.
        network: Where the prosumers sit.
        basis: B, what a charge of 1 EUR/kWh charges per kWh and pair, shape (N, N).
        cap: Greatest charge, EUR/kWh.
        flows: Which account of the flows the operator answers for.

    Raises:
        ValueError: If the day has no store or several.
    """

    def __init__(self, day: Day, network: Network, basis: Array, *, cap: float, flows: Flows) -> None:
        structure = Structure.of(day)
        if len(structure.owner) != 1:
            raise ValueError(f"the day must have one store, got {len(structure.owner)} in {day.label}.")
        self.day, self.cap, self.owner = day, cap, int(structure.owner[0])
        data = scale(day, read_charges(day, basis), structure)
        n, eta = data.structure.n_prosumers, float(data.storage_efficiency[0, 0])
        self.n_periods, self._price, energy = structure.n_periods, data.price_unit, data.power_unit * data.period_hours
        ground, nodes, pairs = np.full(n, n), np.arange(n), len(structure.seller)
        owner = np.array([self.owner])
        self._tail = np.concatenate([structure.seller, ground, nodes, nodes, owner, ground[:1], ground])
        self._head = np.concatenate([structure.buyer, nodes, ground, ground, ground[:1], owner, nodes])
        self._weight, self._base, self._low, self._high = elements(data)
        self._by_price = np.concatenate([np.zeros(pairs + 3 * n), [eta, -1.0 / eta], np.zeros(n)]) / data.storage_wear[0, 0] / self._price
        self._charge = np.zeros(self._weight.shape)
        self._charge[:, :pairs] = data.charge / data.trade_friction
        self._sums = np.zeros((self.n_periods, 3, self._weight.shape[1]))
        self._sums[:, 0, pairs + 3 * n : pairs + 3 * n + 2] = energy * np.array([eta, -1.0 / eta])
        self._sums[:, 1, :pairs] = energy * data.price_unit * data.charge
        self._sums[:, 2, pairs : pairs + n] = energy * day.import_fee
        # Injections are written as x − m + trades: a term without curvature, such as the sun, would have flows stray without bound.
        counted = pairs if flows == "trades" else pairs + 2 * n
        self._counts = (np.arange(self._weight.shape[1]) < counted).astype(np.float64)
        self._ptdf, self._limit = np.ascontiguousarray(network.prosumer_ptdf), network.grid.branch_limit_kw / data.power_unit
        self._still = base_flow(day, network) / data.power_unit
        self._loss = day.period_hours * day.loss_price[:, None] * network.grid.loss_coefficient * data.power_unit**2
        self.base_loss_eur = (self._loss * self._still**2).sum(axis=1)
        self.most_fee_eur = (self._sums[:, 2, pairs : pairs + n] * self._high[:, pairs : pairs + n]).sum(axis=1)
        self._overload = day.overload_price * energy
        names = np.random.default_rng(0).integers(1, _NAMES, (self._weight.shape[1] + len(self._limit), 2))
        self._names = names.astype(np.float64)
        self._guess = 0.5 * (data.import_price + data.export_price)
        friction = data.trade_friction * data.objective_unit  # EUR per squared unit of a trade
        self.most_charged = (self._sums[:, 1, :pairs] * self._high[:, :pairs]).sum(axis=1)
        self._norms(data, friction)

    def _norms(self, data: MarketData, friction: Array) -> None:
        """Work out how far flows and imports may stray per √EUR of distance in the followers' metric."""
        pairs = friction.shape[1]
        curvature = self._weight.copy()
        curvature[:, :pairs] = friction
        curvature[:, pairs:] = data.objective_unit / np.maximum(self._weight[:, pairs:], 1e-300)
        n = self._ptdf.shape[1]
        moved = np.zeros((n + 1, self._weight.shape[1]))
        np.add.at(moved, (self._tail, np.arange(moved.shape[1])), self._counts)
        np.add.at(moved, (self._head, np.arange(moved.shape[1])), -self._counts)
        reach = (self._ptdf @ moved[:n])[None] / np.sqrt(np.maximum(curvature, 1e-300))[:, None]  # (T, L, M)
        width = np.minimum(np.linalg.norm(reach, axis=2), 1e150)
        full = np.linalg.norm(np.sqrt(self._loss)[:, :, None] * reach, axis=2)
        self.loss_norm = np.linalg.norm(full, axis=1)  # Frobenius: at least the spectral one
        self.flow_norm = self._overload * width
        share = self._sums[:, 2, :] / np.sqrt(curvature)
        self.fee_norm = np.linalg.norm(share, axis=1)

    def lines(self, hour: int, prices: Array) -> Lines:
        """Return the exact response of an hour along a line of charges at each price of stored energy in EUR/kWh, shape (lines,).

        Raises:
            ClearingError: If the hour cannot be followed.
        """
        kept, first, gap = [], [0], 0.0
        buffer, over = np.empty((_MOST_ROWS, 7)), np.zeros(len(self._limit), dtype=np.bool_)
        same = (self._weight[hour], self._tail, self._head, self._low[hour], self._high[hour], self._sums[hour], self._counts)
        grid = (
            self._ptdf,
            self._still[hour],
            self._loss[hour],
            self._limit,
            self._overload,
            _FLOOR,
            self._names,
            self._by_price,
            buffer,
            over,
        )
        for price in prices:
            mu = np.append(self._guess[hour], 0.0)
            count, stretch = trace(mu, self.cap, self._base[hour] + self._by_price * price, self._charge[hour], *same, *grid)
            if count < 0:
                raise ClearingError(
                    f"hour {hour} of {self.day.label} could not be followed at a price of stored energy of {price} EUR/kWh."
                )
            kept.append(buffer[:count].copy())
            first.append(first[-1] + count)
            gap = max(gap, stretch)
        return Lines(rows=np.concatenate(kept), first=np.array(first), over=over, gap=gap)


def elements(data: MarketData) -> tuple[Array, Array, Array, Array]:
    """Return w, base, low and high of every element, each of shape (T, M) and in rows, for which alone loops are compiled."""
    none = np.zeros_like(data.demand_min)
    pairs, store = np.zeros_like(data.trade_limit), np.zeros_like(data.storage_power)
    weight = [
        *(1.0 / data.trade_friction, 1.0 / data.grid_friction, 1.0 / data.grid_friction, 1.0 / data.utility_curvature),
        *(1.0 / data.storage_wear, 1.0 / data.storage_wear, data.renewable / _SUN),
    ]
    base = [
        *(pairs, -data.import_price / data.grid_friction, data.export_price / data.grid_friction),
        *(data.utility_slope / data.utility_curvature, store, store, none),
    ]
    low = [pairs, none, none, data.demand_min, store, store, none]
    high = [data.trade_limit, data.import_limit, data.export_limit, data.demand_max, data.storage_power, data.storage_power, data.renewable]
    of_weight, of_base, of_low, of_high = (np.ascontiguousarray(np.hstack(parts)) for parts in (weight, base, low, high))
    return of_weight, of_base, of_low, of_high
