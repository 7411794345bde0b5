"""The market as one would write it in CVXPY without knowing its structure: compiled once with parameters, solved with the defaults.

It is the yardstick of :mod:`clearing`. Two things were done in its favour. Curvatures that are the same on every day are constants, and
those of demand enter through their roots inside a sum of squares: as parameters of the quadratic terms themselves they would make CVXPY
build tables that do not fit into memory beyond about 20 prosumers and 24 hours. And powers are in units of the mean load, so that Clarabel
does not have to cope with kilowatts of four to five digits. The answer is Clarabel's at its default tolerances, neither polished nor
certified.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cvxpy as cp
import numpy as np
from scipy.sparse import csc_array

from gridtoll.envs.community.day import Array, Day
from gridtoll.envs.market.exact import Clearing


@dataclass(frozen=True)
class Answer:
    """What the settlement needs of a solution; kW, shapes (T, N, N) and (T, N)."""

    trade: Array
    grid_import: Array


class PlainMarket:
    """The followers' program of a community with pairs, storage, connections and frictions as on ``day``."""

    def __init__(self, day: Day) -> None:
        (t, n), owners = day.demand_min.shape, np.flatnonzero(day.has_storage)
        self.power = power = float(day.demand_max.mean())
        seller, buyer = np.nonzero(day.can_trade)
        k, self._pairs = len(seller), (seller, buyer)
        demand_min, demand_max, available = (cp.Parameter((t, n), nonneg=True) for _ in range(3))
        root_curvature = cp.Parameter((t, n), nonneg=True)
        slope, import_price, export_price = cp.Parameter((t, n)), cp.Parameter(t), cp.Parameter(t)
        charge = [cp.Parameter(k, nonneg=True) for _ in range(t)]  # one of all hours would cost CVXPY 8·(T·K)² bytes
        self._parameters = (demand_min, demand_max, available, root_curvature, slope, import_price, export_price, *charge)

        demand, used, imported, exported, trade = (cp.Variable((t, width)) for width in (n, n, n, n, k))
        ones, rows = np.ones(k), np.arange(k)
        sells, buys = csc_array((ones, (rows, seller)), shape=(k, n)), csc_array((ones, (rows, buyer)), shape=(k, n))
        supply = used + imported - exported - demand - trade @ sells + trade @ buys
        bill = cp.Variable(t)
        cost = (
            cp.sum(bill)
            + 0.5 * cp.sum_squares(cp.multiply(root_curvature, demand))
            + 0.5 * power * _common(day.grid_friction) * (cp.sum_squares(imported) + cp.sum_squares(exported))
            + 0.5 * power * _common(day.trade_friction[seller, buyer]) * cp.sum_squares(trade)
        )
        bought, sold = cp.multiply(import_price, cp.sum(imported, axis=1)), cp.multiply(export_price, cp.sum(exported, axis=1))
        constraints = [
            bill == bought - sold - cp.sum(cp.multiply(slope, demand), axis=1) + cp.hstack([charge[h] @ trade[h] for h in range(t)]),
            demand >= demand_min,
            demand <= demand_max,
            used >= 0,
            used <= available,
            imported >= 0,
            imported <= np.tile(day.import_limit / power, (t, 1)),
            exported >= 0,
            exported <= np.tile(day.export_limit / power, (t, 1)),
            trade >= 0,
            trade <= np.tile(day.trade_limit[seller, buyer] / power, (t, 1)),
        ]
        if len(owners):
            charged, discharged, stored = cp.Variable((t, len(owners))), cp.Variable((t, len(owners))), cp.Variable((t + 1, len(owners)))
            own = csc_array((np.ones(len(owners)), (np.arange(len(owners)), owners)), shape=(len(owners), n))
            supply += (discharged - charged) @ own
            unit = power * day.period_hours
            efficiency = day.storage_efficiency[owners]
            cost += 0.5 * power * _common(day.storage_wear[owners]) * (cp.sum_squares(charged) + cp.sum_squares(discharged))
            limit, capacity = np.tile(day.storage_power[owners] / power, (t, 1)), np.tile(day.storage_capacity[owners] / unit, (t + 1, 1))
            constraints += [
                stored[1:] == stored[:-1] + charged @ np.diag(efficiency) - discharged @ np.diag(1.0 / efficiency),
                stored[0] == day.storage_start[owners] / unit,
                stored[t] >= day.storage_start[owners] / unit,
                stored >= 0,
                stored <= capacity,
                charged >= 0,
                charged <= limit,
                discharged >= 0,
                discharged <= limit,
            ]
        self.problem = cp.Problem(cp.Minimize(cost), [*constraints, supply == 0])
        self._trade, self._imported = trade, imported

    def fill(self, day: Day, charges: Array) -> None:
        """Set the parameters to a day and charges in EUR/kWh of shape (N, N)."""
        values = (
            day.demand_min / self.power,
            day.demand_max / self.power,
            day.renewable / self.power,
            np.sqrt(day.utility_curvature * self.power),
            day.utility_slope,
            day.import_price,
            day.export_price,
            *[charges[self._pairs]] * day.n_periods,
        )
        for parameter, value in zip(self._parameters, values, strict=True):
            parameter.value = value

    def solve(self) -> None:
        """Solve with CVXPY's and Clarabel's defaults."""
        self.problem.solve(solver=cp.CLARABEL)

    def read(self, day: Day) -> Answer:
        """Return the solution in kW."""
        whole = np.zeros((day.n_periods, day.n_prosumers, day.n_prosumers))
        whole[:, self._pairs[0], self._pairs[1]] = self._trade.value * self.power
        return Answer(trade=whole, grid_import=self._imported.value * self.power)


def _common(values: Array) -> float:
    """Return what all values are; a factor each would cost CVXPY a variable each."""
    if np.ptp(values) > 1e-12 * values.max():
        raise ValueError(f"frictions must be the same for all, got {values.min()} to {values.max()}.")
    return float(values.flat[0])


def as_clearing(answer: Answer, template: Clearing) -> Clearing:
    """Return an answer in the form that settlements read; what does not enter the operator's profit is the template's."""
    return replace(template, trade=answer.trade, grid_import=answer.grid_import)
