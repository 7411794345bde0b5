"""The followers' program and the leader's account, written from the day's raw data in EUR, kW and kWh, for a verifier alone.

One vector v holds the T×N blocks demand, renewable use, import, export, charging, discharging and energy at the end of each period, and
then T×P trades of the P pairs that may trade. The followers minimise F_γ(v) = ½·Σ Q·v² + (k + γ·B)·v over l ≤ v ≤ u and

    balance   r + m − x + s − c − d − Σ_j p_ij + Σ_j p_ji = 0,        storage   e_t − e_{t−1} − Δ·(η·c − s/η) = 0.

Any prices (μ, σ) of the two give a vector P(μ, σ) that is orthogonal to every difference of two points with the same residuals: what the
entries of v are worth at these prices. Q, k, B and P are in EUR a day for a kW (a kWh for energies).

Nothing here is shared with the search, which scales the day to units of its own and lays its vectors out differently.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ....envs.arrays import IntArray
from ....envs.community.day import Array, Day
from ....envs.grid.network import Network

DEMAND, RENEWABLE, IMPORT, EXPORT, CHARGING, DISCHARGING, ENERGY = range(7)
BLOCKS = 7


def total(*factors: Array) -> float:
    """Return the sum of the products of entries of arrays of one shape, in the longest floating-point numbers that the machine has."""
    product = factors[0]
    for factor in factors[1:]:
        product = product * factor
    return float(np.sum(product, dtype=np.longdouble))


@dataclass(frozen=True, eq=False, kw_only=True)
class FollowersProgram:
    """The program of one day; build it with :func:`program_of`.

    Attributes:
        day: The day.
        seller: Index of each pair's seller, shape (P,).
        buyer: Index of each pair's buyer, shape (P,).
        lower: l, shape (V,).
        upper: u, shape (V,).
        curvature: Q, shape (V,).
        cost: k, shape (V,).
        charged: B, kWh that a charge of 1 is due on, shape (V,).
        imported: Imported kWh, shape (V,).
        ptdf: Flow in kW per kW injected by a prosumer, shape (L, N).
        base_flow_kw: Flows of the injections outside the community, shape (T, L).
        limit_kw: Branch limits, shape (L,); infinite where there is none.
        loss_weight: EUR a kW² of flow, shape (T, L).
        own_exchange: Whether imports and exports count as flows.
    """

    day: Day
    seller: Any
    buyer: Any
    lower: Array
    upper: Array
    curvature: Array
    cost: Array
    charged: Array
    imported: Array
    ptdf: Array
    base_flow_kw: Array
    limit_kw: Array
    loss_weight: Array
    own_exchange: bool

    def block(self, vector: Any, which: int) -> Any:
        """Return one T×N block of a vector, shape (T, N)."""
        size = self.day.demand_max.size
        return vector[which * size : (which + 1) * size].reshape(self.day.demand_max.shape)

    def trades(self, vector: Array) -> Array:
        """Return the trades of a vector, shape (T, P)."""
        return vector[BLOCKS * self.day.demand_max.size :].reshape(self.day.n_periods, len(self.seller))

    def join(self, blocks: list[Array], trades: Array) -> Array:
        """Return the vector, shape (V,), of seven blocks of shape (T, N) and trades of shape (T, P)."""
        return np.concatenate([*(block.ravel() for block in blocks), trades.ravel()])

    def worth(self, nodal: Array, storage: Array) -> Array:
        """Return P(μ, σ), shape (V,), of prices of shape (T, N): what balances and storage add to the slopes."""
        hours, eta = self.day.period_hours, self.day.storage_efficiency
        energy = storage.copy()
        energy[:-1] -= storage[1:]
        blocks = [hours * nodal, -hours * nodal, -hours * nodal, hours * nodal]
        blocks += [hours * (nodal - eta * storage), hours * (storage / eta - nodal), energy]
        return self.join(blocks, hours * (nodal[:, self.seller] - nodal[:, self.buyer]))

    def sold_net(self, trades: Array) -> Array:
        """Return what each prosumer sells less what it buys, shape (T, N), of trades of shape (T, P)."""
        net = np.zeros(self.day.demand_max.shape, dtype=np.longdouble)
        if len(self.seller):
            for sign, (order, first, who) in zip((1.0, -1.0), self._by_side, strict=True):
                net[:, who] += sign * np.add.reduceat(trades[:, order], first, axis=1, dtype=np.longdouble)
        return np.asarray(net)

    @cached_property
    def _by_side(self) -> list[tuple[IntArray, IntArray, IntArray]]:
        """Of sellers and of buyers: the pairs in their order, the first pair of each, and who they are."""
        sides: list[tuple[IntArray, IntArray, IntArray]] = []
        for side in (self.seller, self.buyer):
            order = np.argsort(side, kind="stable")
            who, first = np.unique(side[order], return_index=True)
            sides.append((order, first, who))
        return sides

    def residuals(self, vector: Array) -> tuple[Array, Array]:
        """Return by how much each balance is missed in kW and each storage equation in kWh, shape (T, N) both."""
        demand, renewable, bought, sold, charging, discharging, energy = (
            self.block(vector, which).astype(np.longdouble) for which in range(BLOCKS)
        )
        balance = renewable + bought - sold + discharging - charging - demand - self.sold_net(self.trades(vector))
        before = np.vstack([self.day.storage_start[None].astype(np.longdouble), energy[:-1]])
        eta = self.day.storage_efficiency
        storage = energy - before - self.day.period_hours * (eta * charging - discharging / eta)
        return np.asarray(balance, dtype=np.float64), np.asarray(storage, dtype=np.float64)

    def flow_kw(self, vector: Array) -> Array:
        """Return the flow on every branch, shape (T, L)."""
        net = self.sold_net(self.trades(vector))
        if self.own_exchange:
            net = net + self.block(vector, EXPORT) - self.block(vector, IMPORT)
        return np.asarray(net.astype(np.float64) @ self.ptdf.T + self.base_flow_kw)

    def pull_of(self, branch: Array) -> Array:
        """Return the gradient in v of Σ branch·flow, shape (V,), for weights of shape (T, L)."""
        node = branch @ self.ptdf
        blocks = [np.zeros_like(node) for _ in range(BLOCKS)]
        if self.own_exchange:
            blocks[EXPORT], blocks[IMPORT] = node, -node
        return self.join(blocks, node[:, self.seller] - node[:, self.buyer])


def program_of(day: Day, network: Network, basis: Array, *, flows: str) -> FollowersProgram:
    """Return the program of a day.

    Args:
        day: The day, in EUR, kW and kWh.
        network: Where its N prosumers sit.
        basis: What a charge γ of 1 EUR/kWh charges each trade, 1, shape (N, N) or (T, N, N).
        flows: Which account of what the wires carry.
    """
    hours, shape = day.period_hours, day.demand_max.shape
    seller, buyer = np.nonzero(day.can_trade)
    wide = np.broadcast_to
    owns = wide(day.has_storage, shape)
    kept = np.zeros(shape)
    kept[-1] = day.stored_at_end
    energy_lower, energy_upper = np.where(owns, kept, day.storage_start), np.where(owns, day.storage_capacity, day.storage_start)
    power = np.where(owns, day.storage_power, 0.0)
    none, import_price, export_price = np.zeros(shape), day.own_import_price, day.own_export_price
    pairs = (day.n_periods, len(seller))

    def vector(blocks: list[Array], trades: Array) -> Array:
        return np.concatenate([*(wide(block, shape).ravel() for block in blocks), wide(trades, pairs).ravel()])

    wear, friction = day.storage_wear, day.grid_friction
    curvature = [day.utility_curvature, none, friction, friction, wear, wear, none]
    upper = [day.demand_max, day.renewable, day.import_limit, day.export_limit, power, power, energy_upper]
    base = day.base_injection @ network.grid.ptdf.T if day.base_injection.any() else np.zeros((day.n_periods, network.grid.n_branches))
    if network.grid.row_offset_kw is not None:
        base = base + network.grid.row_offset_kw
    return FollowersProgram(
        day=day,
        seller=seller,
        buyer=buyer,
        lower=vector([day.demand_min, none, none, none, none, none, energy_lower], np.zeros(())),
        upper=vector(upper, day.trade_limit[seller, buyer]),
        curvature=hours * vector(curvature, day.trade_friction[seller, buyer]),
        cost=hours * vector([-day.utility_slope, none, import_price, -export_price, none, none, none], np.zeros(())),
        charged=hours * vector([none] * BLOCKS, wide(basis, (day.n_periods, *basis.shape[-2:]))[:, seller, buyer]),
        imported=hours * vector([none, none, np.ones(shape), none, none, none, none], np.zeros(())),
        ptdf=network.grid.ptdf[:, network.prosumer_bus],
        base_flow_kw=base,
        limit_kw=network.grid.branch_limit_kw,
        loss_weight=hours * day.loss_price[:, None] * network.grid.loss_coefficient,
        own_exchange=flows == "injections",
    )
