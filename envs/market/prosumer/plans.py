"""What all prosumers do with what they buy fixed, in one compiled call, and what that costs each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from ...community.day import Array
from ...machine_code import LOOPS
from .balance import Curves, Store
from .crowd import (
    COST,
    CURVATURE,
    EXPORT_LIMIT,
    EXPORT_PRICE,
    FRICTION,
    IMPORT_LIMIT,
    IMPORT_PRICE,
    LEAST,
    MOST,
)
from .storage import UNKNOWN, StoragePlan, plan_day


class Plans(NamedTuple):
    """What prosumers do, in the units of the day, of shape (T, N) where nothing else is said.

    Attributes:
        demand: d.
        renewable: r.
        imported: m.
        exported: x.
        charge: c.
        discharge: s.
        stored: e at the end of each period.
        price: μ.
        stored_price: σ.
        cost: What each prosumer's own program is worth, without its trades, shape (N,).
        missing: What is left open of a prosumer's balances at most, shape (N,): above rounding where it cannot keep its contracts.
    """

    demand: Array
    renewable: Array
    imported: Array
    exported: Array
    charge: Array
    discharge: Array
    stored: Array
    price: Array
    stored_price: Array
    cost: Array
    missing: Array


@njit(**LOOPS)
def blank_plans(n_periods, n, price):
    """Return what :class:`.storage.StoragePlan` holds for N prosumers, shape (N, T) each, beginning at prices of shape (T, N)."""
    begun = np.empty((n, n_periods))
    for i in range(n):
        for t in range(n_periods):
            begun[i, t] = price[t, i]
    shape = (n, n_periods)
    return StoragePlan(begun, np.zeros(shape), np.zeros(shape), np.zeros(shape), np.full(shape, UNKNOWN))


@njit(**LOOPS)
def plan_of(plans, i):
    """Return one prosumer's rows of plans of shape (N, T)."""
    return StoragePlan(plans.price[i], plans.stored_price[i], plans.renewable[i], plans.stored[i], plans.ends[i])


def with_contracts(crowd, bought):
    """Return what prosumers do best when they buy ``bought`` (T, N), less what they sell, whatever they would rather.

    Compiled in :mod:`..negotiation.loops`.
    """
    n, n_periods, _ = crowd.rows.shape
    shape = (n_periods, n)
    made = Plans(
        np.empty(shape),
        np.empty(shape),
        np.empty(shape),
        np.empty(shape),
        np.zeros(shape),
        np.zeros(shape),
        np.empty(shape),
        np.empty(shape),
        np.empty(shape),
        np.zeros(n),
        np.zeros(n),
    )
    plans = blank_plans(n_periods, n, np.zeros(shape))
    for i in range(n):
        fixed = np.ascontiguousarray(bought[:, i]).reshape((n_periods, 1))
        curves = Curves(fixed, np.zeros((n_periods, 1)), fixed, fixed)
        store, plan = Store(crowd.wear[i], crowd.efficiency[i], crowd.power[i]), plan_of(plans, i)
        plan_day(crowd.rows[i], store, crowd.start[i], crowd.stored_least[i], crowd.stored_most[i], curves, plan)
        for t in range(n_periods):
            _carry_out(crowd, made, plan, store, bought[t, i], i, t)
    return made


@njit(**LOOPS)
def _carry_out(crowd, made, plan, store, bought, i, t):
    """Write what a prosumer does in a period."""
    row, price, sigma = crowd.rows[i, t], plan.price[t], plan.stored_price[t]
    demand = min(max(-(row[COST] + price) / row[CURVATURE], row[LEAST]), row[MOST])
    imported = min(max((price - row[IMPORT_PRICE]) / row[FRICTION], 0.0), row[IMPORT_LIMIT])
    exported = min(max((row[EXPORT_PRICE] - price) / row[FRICTION], 0.0), row[EXPORT_LIMIT])
    charge, discharge = 0.0, 0.0
    if store.power > 0.0:
        charge = min(max((store.efficiency * sigma - price) / store.wear, 0.0), store.power)
        discharge = min(max((price - sigma / store.efficiency) / store.wear, 0.0), store.power)
    made.demand[t, i], made.renewable[t, i], made.imported[t, i], made.exported[t, i] = demand, plan.renewable[t], imported, exported
    made.charge[t, i], made.discharge[t, i], made.stored[t, i] = charge, discharge, plan.stored[t]
    made.price[t, i], made.stored_price[t, i] = price, sigma
    left = plan.renewable[t] + imported - exported + discharge - charge - demand + bought
    made.missing[i] = max(made.missing[i], abs(left))
    made.cost[i] += demand * (row[COST] + 0.5 * row[CURVATURE] * demand) + imported * (row[IMPORT_PRICE] + 0.5 * row[FRICTION] * imported)
    made.cost[i] += exported * (0.5 * row[FRICTION] * exported - row[EXPORT_PRICE])
    made.cost[i] += 0.5 * store.wear * (charge**2 + discharge**2)
