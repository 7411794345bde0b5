"""The compiled loops before the first step: where variables begin, and which trades take part."""

from __future__ import annotations

import numpy as np
from numba import njit

from ....machine_code import kept
from ..compiled.boxes import Boxes
from ..compiled.linear_algebra import OPTIONS
from .stamp import SOURCE

_INSIDE = 0.4  # share of its range, or of one unit, that a variable of a prosumer's own stays away from its bounds at the start
_MARGIN = 0.02  # its least multiplier there, in units of the greatest price
_FREE = 0.9  # share of its cap that a trade begins with at most


@kept(stamp=SOURCE, **OPTIONS)
def begin_own(q, cost, lower, upper, price):
    """Return variables of the prosumers' own where the method begins: far inside their bounds, multipliers from the slope there.

    Args:
        q: Curvature, shape (T·V,); likewise the others.
        cost: Linear cost.
        lower: Lower bounds.
        upper: Upper bounds.
        price: What prices add to the slope.
    """
    boxes = _blank(q, cost, lower.copy(), price)
    for i in range(len(q)):
        low, high = lower[i], upper[i]
        if high <= low:
            continue
        wish = -(cost[i] + price[i])
        wish = wish / q[i] if q[i] > 0.0 else 0.5 * (low + high)
        room = min(high - low, 1.0)
        value = min(max(wish, low + _INSIDE * room), high - _INSIDE * room)
        slope = q[i] * value + cost[i] + price[i]
        boxes.v[i], boxes.below[i], boxes.above[i], boxes.free[i] = value, value - low, high - value, 1.0
        boxes.z_low[i] = max(slope, 0.0) + _MARGIN
        boxes.z_high[i] = max(-slope, 0.0) + _MARGIN
    return boxes


@kept(stamp=SOURCE, **OPTIONS)
def begin_trades(program, charge, mu, hour, pair, mean):
    """Return trades that stand in the middle at some prices: the slope of each is its multiplier, and their product is the mean.

    Args:
        program: The day.
        charge: τ of the pairs, shape (T, K).
        mu: Nodal prices, shape (T, N).
        hour: Of each trade, shape (E,).
        pair: Likewise.
        mean: Of the products of all variables, above 0.

    Returns:
        The trades, and the number of each one's seller and buyer among the T·N nodal prices, shape (E,).
    """
    n, n_trades, flat = program.sizes[1], len(hour), mu.ravel()
    seller, buyer = np.empty(n_trades, dtype=np.int64), np.empty(n_trades, dtype=np.int64)
    boxes = _blank(np.empty(n_trades), np.empty(n_trades), np.zeros(n_trades), np.empty(n_trades))
    for e in range(n_trades):
        t, k = hour[e], pair[e]
        i, j = t * n + program.seller[k], t * n + program.buyer[k]
        q, cap, cost, rise = program.friction[k], program.cap[k], charge[t, k], flat[i] - flat[j]
        slope = cost + rise
        root = np.sqrt(slope * slope + 4.0 * q * mean)  # of q·v² + slope·v = mean, without cancellation
        value = 2.0 * mean / (slope + root) if slope > 0.0 else (root - slope) / (2.0 * q)
        value = min(value, _FREE * cap)
        seller[e], buyer[e], boxes.q[e], boxes.cost[e], boxes.price[e] = i, j, q, cost, rise
        boxes.v[e], boxes.below[e], boxes.above[e], boxes.free[e] = value, value, cap - value, 1.0
        boxes.z_low[e], boxes.z_high[e] = mean / value, mean / (cap - value)
    return boxes, seller, buyer


@njit(**OPTIONS)
def _blank(q, cost, v, price):
    """Return variables whose bounds meet, with room for what the steps write."""
    n = len(q)
    w, h, c_low, c_high = np.empty(n), np.zeros(n), np.zeros(n), np.zeros(n)
    ones = (np.ones(n), np.ones(n), np.ones(n), np.ones(n))
    return Boxes(q, cost, np.zeros(n), v, *ones, w, h, c_low, c_high, price, np.empty(n), np.empty(n), np.empty(n))


@kept(stamp=SOURCE, **OPTIONS)
def worth_more(program, charge, mu, steep):
    """Return hour and pair of all trades that prices make worth their charge, or nearly so.

    Args:
        program: The day.
        charge: τ of the pairs, shape (T, K).
        mu: Nodal prices, shape (T, N).
        steep: What the square of the slope at no trade may be, in units of the friction, where it is not worth its charge.
    """
    n_hours, n_pairs = charge.shape
    hour, pair, count = np.empty(n_hours * n_pairs, dtype=np.int64), np.empty(n_hours * n_pairs, dtype=np.int64), 0
    for t in range(n_hours):
        for k in range(n_pairs):
            slope = charge[t, k] + mu[t, program.seller[k]] - mu[t, program.buyer[k]]
            if slope <= 0.0 or slope * slope <= steep * program.friction[k]:
                hour[count], pair[count] = t, k
                count += 1
    return hour[:count].copy(), pair[:count].copy()
