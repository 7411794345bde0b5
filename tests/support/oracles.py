"""Independent answers to compare with: closed forms, and slow plain statements of the model in natural units.

Nothing here shares code with what it judges. Where an oracle repeats the model, it does so in the model's own words and units.
"""

from __future__ import annotations

from dataclasses import dataclass

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray

from gridtoll.envs.community.day import Day
from gridtoll.envs.grid.network import Network
from gridtoll.envs.market.exact import Clearing

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """One hour of a seller (prosumer 0, with sun) and a buyer (prosumer 1, without), no variable at a bound but the trade perhaps.

    Prosumer i's net purchases at the nodal price μ are ``intercept[i] − slope[i]·μ``, demand and retail connection together: demand is
    (b − μ)/a, imports less exports are (μ − λ)/ε_g the other way round. With trade p the balances give μ_0 = (intercept_0 + p)/slope_0 and
    μ_1 = (intercept_1 − p)/slope_1, and p/2-sided indifference μ_1 − μ_0 = τ + ε·p makes p = (p_0 − τ)/(ε + 1/slope_0 + 1/slope_1).
    """

    intercept: tuple[float, float]
    slope: tuple[float, float]
    friction: float

    @property
    def stiffness(self) -> float:
        """EUR/kWh by which the charge must fall for one more kW of trade."""
        return self.friction + 1 / self.slope[0] + 1 / self.slope[1]

    @property
    def choke_charge(self) -> float:
        """The charge from which nobody trades: the spread of the nodal prices without trade."""
        return self.intercept[1] / self.slope[1] - self.intercept[0] / self.slope[0]

    def trade(self, charge: float) -> float:
        return max(self.choke_charge - charge, 0.0) / self.stiffness

    def nodal_prices(self, charge: float) -> tuple[float, float]:
        trade = self.trade(charge)
        return (self.intercept[0] + trade) / self.slope[0], (self.intercept[1] - trade) / self.slope[1]

    def best_charge(self, loss_eur_per_kw2: float = 0.0) -> float:
        """The charge that maximises τ·p(τ) − k·p(τ)² per hour: zero of p + τ·p' − 2·k·p·p'."""
        # With p = (c − τ)/s and p' = −1/s this is (c − τ)(1 + 2k/s) = τ.
        weight = 1.0 + 2.0 * loss_eur_per_kw2 / self.stiffness
        return self.choke_charge * weight / (1.0 + weight)


def pair_of(day: Day, *, exports: bool) -> Pair:
    """The closed form of a two-prosumer hour in which all sun is used; ``exports``: whether the retail connections are in use."""
    a, b, sun, spread = day.utility_curvature[0], day.utility_slope[0], day.renewable[0], day.grid_friction
    retail = (day.export_price[0], day.import_price[0])  # the seller exports what is left, the buyer imports what is missing
    use = 1.0 if exports else 0.0
    intercept = [b[i] / a[i] - sun[i] + use * retail[i] / spread[i] for i in (0, 1)]
    slope = [1.0 / a[i] + use / spread[i] for i in (0, 1)]
    return Pair((intercept[0], intercept[1]), (slope[0], slope[1]), float(day.trade_friction[0, 1]))


@dataclass(frozen=True)
class PlainClearing:
    """What the plain statement found, to the accuracy of an interior point."""

    objective_eur: float
    demand: Array
    grid_import: Array
    grid_export: Array
    stored_energy: Array
    trade: Array
    nodal_price: Array


def plain_clearing(day: Day, charges: Array) -> PlainClearing:
    """Section 3 of the model, literally: natural units, every variable for everyone, one constraint after the other."""
    t, n, hours = day.n_periods, day.n_prosumers, day.period_hours
    charges = np.broadcast_to(charges, (t, n, n))
    d, r, m, x, c, s = (cp.Variable((t, n), nonneg=True) for _ in range(6))
    e = cp.Variable((t + 1, n), nonneg=True)
    p = [cp.Variable((n, n), nonneg=True) for _ in range(t)]
    cost, rules, balances = [], [], []
    for k in range(t):
        cost.append(cp.sum(0.5 * cp.multiply(day.utility_curvature[k], d[k] ** 2) - cp.multiply(day.utility_slope[k], d[k])))
        cost.append(cp.sum(cp.multiply(day.own_import_price[k], m[k]) - cp.multiply(day.own_export_price[k], x[k])))
        cost.append(0.5 * cp.sum(cp.multiply(day.grid_friction, m[k] ** 2 + x[k] ** 2)))
        cost.append(0.5 * cp.sum(cp.multiply(day.storage_wear, c[k] ** 2 + s[k] ** 2)))
        cost.append(cp.sum(cp.multiply(charges[k], p[k]) + 0.5 * cp.multiply(day.trade_friction, p[k] ** 2)))
        balances.append(r[k] + m[k] - x[k] + s[k] - c[k] - d[k] - cp.sum(p[k], axis=1) + cp.sum(p[k], axis=0) == 0)
        gained = cp.multiply(day.storage_efficiency, c[k]) - cp.multiply(1 / day.storage_efficiency, s[k])
        rules += [e[k + 1] == e[k] + hours * gained, p[k] <= day.trade_limit]
        rules += [m[k] <= day.import_limit, x[k] <= day.export_limit, c[k] <= day.storage_power, s[k] <= day.storage_power]
    rules += [d >= day.demand_min, d <= day.demand_max, r <= day.renewable]
    rules += [e[0] == day.storage_start, e[t] >= day.stored_at_end, e[1:] <= np.tile(day.storage_capacity, (t, 1))]
    problem = cp.Problem(cp.Minimize(hours * sum(cost)), [*balances, *rules])
    problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-9, tol_gap_rel=1e-9, tol_feas=1e-9)
    return PlainClearing(
        objective_eur=float(problem.value),
        demand=d.value,
        grid_import=m.value,
        grid_export=x.value,
        stored_energy=e.value,
        trade=np.stack([flow.value for flow in p]),
        nodal_price=-np.stack([balance.dual_value for balance in balances]) / hours,
    )


def plain_profit(day: Day, network: Network, charges: Array, clearing: Clearing, *, flows: str) -> float:
    """Section 4 of the model, period by period and branch by branch, in EUR."""
    total = 0.0
    charges = np.broadcast_to(charges, clearing.trade.shape)
    for k in range(day.n_periods):
        sold = clearing.trade[k].sum(axis=1) - clearing.trade[k].sum(axis=0)
        own = clearing.renewable_used[k] + clearing.storage_discharge[k] - clearing.storage_charge[k] - clearing.demand[k]
        injection = day.base_injection[k].copy()
        np.add.at(injection, network.prosumer_bus, sold if flows == "trades" else own)
        rate = float((charges[k] * clearing.trade[k]).sum()) + day.import_fee * float(clearing.grid_import[k].sum())
        for branch in range(network.grid.n_branches):
            flow = float(network.grid.ptdf[branch] @ injection)
            base = float(network.grid.ptdf[branch] @ day.base_injection[k])
            lost = network.grid.branch_resistance_pu[branch] / network.grid.base_power_kw * (flow**2 - base**2)
            rate -= day.loss_price[k] * lost + day.overload_price * max(0.0, abs(flow) - network.grid.branch_limit_kw[branch])
        total += day.period_hours * rate
    return total
