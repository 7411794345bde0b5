"""The price at which one prosumer's balance closes in one period, in compiled loops.

At a price μ of its own and a price σ of stored energy, a prosumer uses, buys and stores

    d = clip((b − μ)/a, d̲, d̄)   m = clip((μ − λᵐ)/ε_g, 0, M)   x = clip((λˣ − μ)/ε_g, 0, X)   r = R where μ > 0, 0 where μ < 0
    c = clip((η·σ − μ)/κ, 0, S)   s = clip((μ − σ/η)/κ, 0, S)   and of each partner clip(α + β·μ, low, high)

What it has less what it needs never falls as μ rises. It is straight between finitely many kinks, with one jump at 0, where part of the
renewable power may stay unused. So Newton's method between two bounds ends after a few steps, at the exact price.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit

from ...community.day import Array
from ...machine_code import LOOPS
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
    RENEWABLE,
)

_STEPS: Final = 200
_EXACT: Final = 1e-16
_FIRST_STEP: Final = 1e-3  # price units; each further one is eight times as long


class Curves(NamedTuple):
    """What a prosumer wants of each of D partners at its own price: clip(intercept + slope·μ, low, high), bought; all of shape (T, D)."""

    intercept: Array
    slope: Array
    low: Array
    high: Array


class Store(NamedTuple):
    """A prosumer's storage: κ, η and S of :class:`.crowd.Crowd`."""

    wear: float
    efficiency: float
    power: float


@njit(**LOOPS)
def excess(price, stored_price, row, store, curves, t):
    """Return what a prosumer has less what it needs, without its renewable power, and how fast that rises with the price."""
    demand = -(row[COST] + price) / row[CURVATURE]
    over, rise = 0.0, 0.0
    if demand <= row[LEAST]:
        over -= row[LEAST]
    elif demand >= row[MOST]:
        over -= row[MOST]
    else:
        over -= demand
        rise += 1.0 / row[CURVATURE]
    friction = row[FRICTION]
    imported, exported = (price - row[IMPORT_PRICE]) / friction, (row[EXPORT_PRICE] - price) / friction
    if imported >= row[IMPORT_LIMIT]:
        over += row[IMPORT_LIMIT]
    elif imported > 0.0:
        over += imported
        rise += 1.0 / friction
    if exported >= row[EXPORT_LIMIT]:
        over -= row[EXPORT_LIMIT]
    elif exported > 0.0:
        over -= exported
        rise += 1.0 / friction
    if store.power > 0.0:
        charge = (store.efficiency * stored_price - price) / store.wear
        discharge = (price - stored_price / store.efficiency) / store.wear
        over += min(max(discharge, 0.0), store.power) - min(max(charge, 0.0), store.power)
        if 0.0 < charge < store.power:
            rise += 1.0 / store.wear
        if 0.0 < discharge < store.power:
            rise += 1.0 / store.wear
    for k in range(curves.intercept.shape[1]):
        bought = curves.intercept[t, k] + curves.slope[t, k] * price
        if bought <= curves.low[t, k]:
            over += curves.low[t, k]
        elif bought >= curves.high[t, k]:
            over += curves.high[t, k]
        else:
            over += bought
            rise += curves.slope[t, k]
    return over, rise


@njit(**LOOPS)
def balance(price, stored_price, row, store, curves, t):
    """Return the price at which the balance of period ``t`` closes, the renewable power used, and how fast the excess rises there.

    Where part of the renewable power stays unused the price is 0 and the rise infinite. A balance that no price closes has one far out.

    Args:
        price: Where to begin.
        stored_price: σ.
        row: The prosumer's data of the period, shape (10,).
        store: Its storage.
        curves: What it wants of its partners.
        t: The period.
    """
    low, high, used = -np.inf, np.inf, 0.0
    if row[RENEWABLE] > 0.0:
        over, rise = excess(0.0, stored_price, row, store, curves, t)
        if over <= 0.0 <= over + row[RENEWABLE]:
            return 0.0, -over, np.inf
        if over > 0.0:
            high = 0.0
        else:
            low, used = 0.0, row[RENEWABLE]
    if not low < price < high:
        price = low if low == 0.0 else high
    much = _EXACT * (1.0 + row[MOST] + row[RENEWABLE])
    step, rise = _FIRST_STEP, 0.0
    for _ in range(_STEPS):
        over, rise = excess(price, stored_price, row, store, curves, t)
        over += used
        if abs(over) <= much:
            break
        if over < 0.0:
            low = price
        else:
            high = price
        new = price - over / rise if rise > 0.0 else np.nan
        if not low < new < high:
            if new == price:
                break
            if low == -np.inf:
                new, step = price - step, 8.0 * step
            elif high == np.inf:
                new, step = price + step, 8.0 * step
            else:
                new = 0.5 * (low + high)
        moved = abs(new - price)
        price = new
        if moved <= _EXACT * max(1.0, abs(price)):
            break
    return price, used, rise


@njit(**LOOPS)
def stored(price, stored_price, rise, store):
    """Return what a period adds to the stored energy at its prices, and how fast that rises with the price of stored energy."""
    if store.power <= 0.0:
        return 0.0, 0.0
    eta, wear = store.efficiency, store.wear
    charge, discharge = (eta * stored_price - price) / wear, (price - stored_price / eta) / wear
    charging, discharging = 0.0 < charge < store.power, 0.0 < discharge < store.power
    follows, more = 0.0, 0.0  # how far the price follows the price of stored energy
    if 0.0 < rise < np.inf:
        follows = ((eta if charging else 0.0) + (1.0 / eta if discharging else 0.0)) / (wear * rise)
    if charging:
        more += eta * (eta - follows) / wear
    if discharging:
        more += (1.0 / eta - follows) / (eta * wear)
    kept = eta * min(max(charge, 0.0), store.power) - min(max(discharge, 0.0), store.power) / eta
    return kept, more
