"""The market given to PIQP directly, as one sparse program: set up once, updated for each day and charges, at its default settings.

Variables of the whole day stand one after the other in the order demand, renewable, import, export, charge, discharge, stored energy,
trades; powers are in units of the mean load. PIQP is no dependency of gridtoll: `pip install piqp` provides it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import piqp
from plain_cvxpy import Answer
from scipy.sparse import csc_matrix, eye_array, hstack, kron, vstack

from gridtoll.envs.community.day import Array, Day


class PiqpMarket:
    """The followers' program for PIQP; its structure is that of ``day``."""

    def __init__(self, day: Day) -> None:
        self.power = float(day.demand_max.mean())
        self._pairs, self._owners = np.nonzero(day.can_trade), np.flatnonzero(day.has_storage)
        self._solver: Any = None

    def fill(self, day: Day, charges: Array) -> None:
        """Hand PIQP a day and charges in EUR/kWh of shape (N, N)."""
        quadratic, linear, lower, upper = self._costs_and_bounds(day, charges)
        hessian = csc_matrix(eye_array(len(quadratic)).multiply(quadratic))
        if self._solver is None:
            self._solver = piqp.SparseSolver()
            matrix, right = self._equations(day)
            self._solver.setup(hessian, linear, A=matrix, b=right, x_l=lower, x_u=upper)
        else:
            self._solver.update(P=hessian, c=linear, x_l=lower, x_u=upper)

    def solve(self) -> bool:
        """Solve, and return whether PIQP says that it did."""
        return bool(self._solver.solve() == piqp.PIQP_SOLVED)

    def read(self, day: Day) -> Answer:
        """Return the solution in kW."""
        (t, n), k = day.demand_min.shape, len(self._pairs[0])
        x = self.power * self._solver.result.x
        trade = np.zeros((t, n, n))
        trade[:, self._pairs[0], self._pairs[1]] = x[len(x) - t * k :].reshape(t, k)
        return Answer(trade=trade, grid_import=x[2 * t * n : 3 * t * n].reshape(t, n))

    def _costs_and_bounds(self, day: Day, charges: Array) -> tuple[Array, Array, Array, Array]:
        """Return the diagonal of the quadratic term, the linear term and the bounds, each with one entry per variable."""
        power, owners, (t, n) = self.power, self._owners, day.demand_min.shape
        own, stores, pairs = (t, n), (t, len(owners)), (t, len(self._pairs[0]))
        unit = power * day.period_hours
        least = np.zeros(stores)
        least[-1:] = day.storage_start[owners] / unit  # a day ends with no less than it began with
        wear, storage_power = power * day.storage_wear[owners], day.storage_power[owners] / power
        retail = [power * day.grid_friction] * 2
        families: list[tuple[tuple[int, int], Any, Any, Any, Any]] = [
            (own, power * day.utility_curvature, -day.utility_slope, day.demand_min / power, day.demand_max / power),
            (own, 0.0, 0.0, 0.0, day.renewable / power),
            (own, retail[0], day.own_import_price, 0.0, day.import_limit / power),
            (own, retail[1], -day.own_export_price, 0.0, day.export_limit / power),
            (stores, wear, 0.0, 0.0, storage_power),
            (stores, wear, 0.0, 0.0, storage_power),
            (stores, 0.0, 0.0, least, day.storage_capacity[owners] / unit),
            (pairs, power * day.trade_friction[self._pairs], charges[self._pairs], 0.0, day.trade_limit[self._pairs] / power),
        ]
        quadratic, linear, lower, upper = (
            np.concatenate([np.broadcast_to(family[1 + part], family[0]).ravel() for family in families]) for part in range(4)
        )
        return quadratic, linear, lower, upper

    def _equations(self, day: Day) -> tuple[csc_matrix, Array]:
        """Return the balances and the storage equations."""
        (t, n), k, owners = day.demand_min.shape, len(self._pairs[0]), self._owners
        j, eta = len(owners), day.storage_efficiency[owners]
        hours, one = eye_array(t), eye_array(n)
        at = csc_matrix((np.ones(j), (owners, np.arange(j))), shape=(n, j))
        rows, columns = np.concatenate(self._pairs), np.tile(np.arange(k), 2)
        sold = csc_matrix((np.repeat([-1.0, 1.0], k), (rows, columns)), shape=(n, k))
        nothing = csc_matrix((n, j))
        balance = [kron(hours, each) for each in (-one, one, one, -one, -at, at, nothing, sold)]
        efficiency = eye_array(j).multiply(eta), eye_array(j).multiply(1.0 / eta)
        before = kron(hours - eye_array(t, k=-1), eye_array(j))
        none, no_trade = csc_matrix((t * j, t * n)), csc_matrix((t * j, t * k))
        storage = [none, none, none, none, kron(hours, -efficiency[0]), kron(hours, efficiency[1]), before, no_trade]
        right = np.zeros(t * (n + j))
        right[t * n : t * n + j] = day.storage_start[owners] / (self.power * day.period_hours)
        return csc_matrix(vstack([hstack(balance), hstack(storage)] if j else [hstack(balance)])), right
