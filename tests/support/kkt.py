"""An independent referee: is a clearing the optimum of section 3 of the model? Written from the model's text, in kW, kWh and EUR/kWh.

It shares no code with the clearing. From the nodal prices μ and the storage prices σ every variable v with bounds [lower, upper] has a
reduced cost g, the derivative of the Lagrangian; the multipliers of its bounds are z_l = max(g, 0) and z_u = max(−g, 0). A point is the
optimum exactly where

* primal: balances, storage equations and bounds hold, and nothing stands where there is no variable;
* stationarity: g = 0 wherever the variable is off both bounds;
* complementarity: z_l·(v − lower) = z_u·(upper − v) = 0;
* gap: the objective equals the dual function, the least of the Lagrangian over the boxes, which is a minimum variable by variable.

Prices are measured against the greatest price of the day, power against the mean of the greatest demand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridtoll.envs.community.day import Day
from gridtoll.envs.market.exact import Clearing

Array = NDArray[np.float64]


PRIMAL = ("demand", "renewable_used", "grid_import", "grid_export", "storage_charge", "storage_discharge", "stored_energy", "trade")
"""The arrays of a clearing that are unique on every day."""
PRICES = ("nodal_price", "storage_price")
"""Those that are unique only where something at the prosumer, or its storage, is off its bounds."""


class Family(NamedTuple):
    """One row of the model's list of variables, with cost ½·quadratic·v² + (linear + price)·v, price from the balances and storage."""

    name: str
    value: Array
    quadratic: Array
    linear: Array
    price: Array
    lower: Array
    upper: Array
    exists: NDArray[np.bool_]  # elsewhere the entry is no variable and must be 0


@dataclass(frozen=True)
class Residuals:
    """Each violation, scaled; all are 0 at the optimum and at no other point."""

    primal: float
    stationarity: float
    complementarity: float
    gap: float

    @property
    def worst(self) -> float:
        return max(self.primal, self.stationarity, self.complementarity, abs(self.gap))


def residuals(day: Day, charges: Array, clearing: Clearing, *, at_bound: float = 1e-9) -> Residuals:
    """Measure a clearing against the optimality conditions; ``at_bound`` is the distance, in kW over the mean, that counts as none."""
    power, price = units(day)
    primal: list[float] = [float(np.abs(balance(day, clearing)).max()) / power]
    stationarity, complementarity = [0.0], [0.0]
    for family in families(day, charges, clearing):
        v, low, high = family.value[family.exists], family.lower[family.exists], family.upper[family.exists]
        if not family.exists.all():
            primal.append(float(np.abs(family.value[~family.exists]).max()) / power)
        if not family.exists.any():
            continue
        reduced = (family.quadratic * family.value + family.linear + family.price)[family.exists] / price
        primal.append(float(np.maximum(low - v, v - high).max()) / power)
        inside = (v - low > at_bound * power) & (high - v > at_bound * power)
        stationarity.append(np.abs(reduced[inside]).max(initial=0.0))
        held = np.maximum(reduced, 0.0) * (v - low) + np.maximum(-reduced, 0.0) * (high - v)
        complementarity.append(np.abs(held).max() / power)
    energy = power * day.period_hours
    primal += [float(np.abs(part).max()) / energy for part in storage_violations(day, clearing)]
    turnover = max(day.demand_max.sum() * day.period_hours, energy) * price
    gap = (cost(day, charges, clearing) - dual_value(day, charges, clearing)) / turnover
    return Residuals(float(max(primal)), float(max(stationarity)), float(max(complementarity)), float(gap))


def units(day: Day) -> tuple[float, float]:
    """Power in kW and price in EUR/kWh that residuals are measured by."""
    power = day.demand_max.mean() or day.renewable.mean() or 1.0
    price = max(np.abs(prices).max() for prices in (day.import_price, day.export_price, day.utility_slope)) or 1.0
    return float(power), float(price)


def balance(day: Day, clearing: Clearing) -> Array:
    """Left side of the balance, shape (T, N)."""
    own = clearing.renewable_used + clearing.grid_import - clearing.grid_export - clearing.demand
    bought: Array = clearing.trade.sum(axis=1) - clearing.trade.sum(axis=2)
    return own + clearing.storage_discharge - clearing.storage_charge + bought


def storage_violations(day: Day, clearing: Clearing) -> Iterator[Array]:
    """What is wrong with the stored energy, in kWh: its equation, its start, its end."""
    energy, hours = clearing.stored_energy, day.period_hours
    gained = hours * (day.storage_efficiency * clearing.storage_charge - clearing.storage_discharge / day.storage_efficiency)
    yield energy[1:] - energy[:-1] - gained
    yield energy[0] - day.storage_start
    yield np.maximum(day.stored_at_end - energy[-1], 0.0)
    yield np.maximum(-energy, 0.0)
    yield np.maximum(energy - day.storage_capacity, 0.0)


def families(day: Day, charges: Array, clearing: Clearing) -> Iterator[Family]:
    """Every family of variables; stored energy is measured in kWh over the period's hours so that it too is a power."""
    t, n = clearing.demand.shape
    mu, sigma, eta = clearing.nodal_price, clearing.storage_price, day.storage_efficiency
    full, zero = np.ones((t, n)), np.zeros((t, n))
    everywhere, stores = full > 0, np.broadcast_to(day.storage_power > 0, (t, n))
    wear, friction = day.storage_wear * full, day.grid_friction * full
    yield Family("demand", clearing.demand, day.utility_curvature, -day.utility_slope, mu, day.demand_min, day.demand_max, everywhere)
    yield Family("renewable", clearing.renewable_used, zero, zero, -mu, zero, day.renewable, everywhere)
    bought = day.own_import_price * full
    yield Family("import", clearing.grid_import, friction, bought, -mu, zero, day.import_limit * full, everywhere)
    sold = -day.own_export_price * full
    yield Family("export", clearing.grid_export, friction, sold, mu, zero, day.export_limit * full, everywhere)
    yield Family("charge", clearing.storage_charge, wear, zero, mu - eta * sigma, zero, day.storage_power * full, stores)
    yield Family("discharge", clearing.storage_discharge, wear, zero, sigma / eta - mu, zero, day.storage_power * full, stores)
    stored, capacity = clearing.stored_energy[1:] / day.period_hours, day.storage_capacity * full / day.period_hours
    least = np.vstack([zero[1:], day.stored_at_end[None, :] / day.period_hours])  # what the day must end with
    later = np.vstack([sigma[1:], np.zeros((1, n))])
    yield Family("stored", np.where(stores, stored, 0.0), zero, zero, sigma - later, least, capacity, stores)
    shape = (t, n, n)
    pairs = np.broadcast_to(day.trade_limit > 0, shape)
    between = np.broadcast_to(mu[:, :, None] - mu[:, None, :], shape)  # the seller's price less the buyer's
    trade_friction, limit = np.broadcast_to(day.trade_friction, shape), np.broadcast_to(day.trade_limit, shape)
    yield Family("trade", clearing.trade, trade_friction, np.broadcast_to(charges, shape), between, np.zeros(shape), limit, pairs)


def cost(day: Day, charges: Array, clearing: Clearing) -> float:
    """The followers' objective in EUR."""
    total = 0.0
    for family in families(day, charges, clearing):
        own = 0.5 * family.quadratic * family.value**2 + family.linear * family.value
        total += float(own[family.exists].sum())
    return day.period_hours * total


def dual_value(day: Day, charges: Array, clearing: Clearing) -> float:
    """The least of the Lagrangian over the boxes, in EUR: a lower bound on the objective of every feasible point."""
    # The constant of the storage equations: energy at the start enters those of the first period.
    stores = day.storage_power > 0
    total = -float((clearing.storage_price[0] * day.storage_start / day.period_hours)[stores].sum())
    for family in families(day, charges, clearing):
        a, b = family.quadratic, family.linear + family.price
        safe = np.where(a > 0, a, 1.0)
        best = np.where(a > 0, np.clip(-b / safe, family.lower, family.upper), np.where(b > 0, family.lower, family.upper))
        total += float((0.5 * a * best**2 + b * best)[family.exists].sum())
    return day.period_hours * total


def assert_same(one: Clearing, other: Clearing, *, power: float = 1.0, price: float = 1.0, energy: float = 1.0, rel: float = 1e-9) -> None:
    """Require the second clearing to be the first in other units: so many new units of power, price and energy to an old one."""
    for name in (*PRIMAL, "nodal_price"):  # idle storage leaves its price undetermined
        unit = price if name in PRICES else energy if name == "stored_energy" else power
        expected = getattr(one, name) * unit
        scale = max(float(np.abs(expected).max()), unit)
        np.testing.assert_allclose(getattr(other, name), expected, rtol=rel, atol=rel * scale, err_msg=name)
