"""The interior point's work on variables between two bounds.

For bounds lo ≤ v ≤ hi with multipliers z_l, z_u ≥ 0 and the slope g of the Lagrangian, a Newton step reads

    w·Δv = …      with w = 1/(q + z_l/(v − lo) + z_u/(hi − v)),      Δv = w·(−g + c_l − c_u − aᵀΔy),
    Δz_l = c_l − z_l − z_l·Δv/(v − lo),      Δz_u = c_u − z_u + z_u·Δv/(hi − v),

where aᵀy is what the prices y = (μ, σ) add to the slope, and c_l, c_u steer the products to their target (0 in the predictor). A variable
whose bounds meet has ``free`` 0, hence weight 0, and dummy slacks and multipliers that bother nobody: loops without branches vectorise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from ....community.day import Array
from .linear_algebra import OPTIONS, SWEEP_OPTIONS, largest

_MARGIN = 0.02  # least multiplier at the start, in units of the greatest price


class Boxes(NamedTuple):
    """Variables between two bounds and where the method stands with them; every array is one of shape (T, B), flattened.

    Attributes:
        q: Curvature.
        cost: Linear cost.
        free: 1, or 0 where the bounds meet.
        v: Values.
        below: v − lo.
        above: hi − v.
        z_low: Multipliers of lo.
        z_high: Multipliers of hi.
        w: Weights.
        h: The step if prices stood still; after :func:`correct_boxes` the step itself.
        c_low: Centring terms of lo.
        c_high: Centring terms of hi.
        price: aᵀy, or aᵀΔy.
        added: What is to be summed up: where the predictor leads, or what centring adds to the step; in between, how much of a slack or
            multiplier the step takes away.
        per_below: 1 / below.
        per_above: 1 / above.
    """

    q: Array
    cost: Array
    free: Array
    v: Array
    below: Array
    above: Array
    z_low: Array
    z_high: Array
    w: Array
    h: Array
    c_low: Array
    c_high: Array
    price: Array
    added: Array
    per_below: Array
    per_above: Array


@njit(**OPTIONS)
def start_boxes(q, cost, lower, upper, price):
    """Return boxes at a centred start: multipliers from the slope at the nearest bound, values where both products are alike.

    Args:
        q: Curvature, shape (T·B,); likewise the others.
        cost: Linear cost.
        lower: lo.
        upper: hi.
        price: aᵀy at the start.
    """
    n = len(q)
    v, below, above, free = lower.copy(), np.ones(n), np.ones(n), np.zeros(n)
    z_low, z_high = np.ones(n), np.ones(n)
    for i in range(n):
        low, high = lower[i], upper[i]
        if high <= low:
            continue
        wish = -(cost[i] + price[i])
        wish = wish / q[i] if q[i] > 0.0 else 0.5 * (low + high)
        room = min(high - low, 1.0)
        inside = min(max(wish, low + 0.1 * room), high - 0.1 * room)
        slope = q[i] * inside + cost[i] + price[i]
        v[i], below[i], above[i], free[i] = inside, inside - low, high - inside, 1.0
        z_low[i] = max(slope, 0.0) + _MARGIN
        z_high[i] = max(-slope, 0.0) + _MARGIN
    w, h, c_low, c_high = np.empty(n), np.zeros(n), np.zeros(n), np.zeros(n)
    return Boxes(q, cost, free, v, below, above, z_low, z_high, w, h, c_low, c_high, price, np.empty(n), np.empty(n), np.empty(n))


@njit(**SWEEP_OPTIONS)
def advance_boxes(boxes, alpha):
    """Take a share ``alpha`` of the step ``h``."""
    v, below, above, z_low, z_high, h = boxes.v, boxes.below, boxes.above, boxes.z_low, boxes.z_high, boxes.h
    c_low, c_high, per_below, per_above = boxes.c_low, boxes.c_high, boxes.per_below, boxes.per_above
    for i in range(len(v)):
        z_low[i] += alpha * (c_low[i] - z_low[i] * (1.0 + h[i] * per_below[i]))
        z_high[i] += alpha * (c_high[i] - z_high[i] * (1.0 - h[i] * per_above[i]))
    for i in range(len(v)):
        v[i] += alpha * h[i]
        below[i] += alpha * h[i]
        above[i] -= alpha * h[i]


@njit(**SWEEP_OPTIONS)
def weigh_boxes(boxes):
    """Write weights, the predictor's step at standing prices and where it leads; return the sum of the products."""
    below, above, z_low, z_high, free, w, h = boxes.below, boxes.above, boxes.z_low, boxes.z_high, boxes.free, boxes.w, boxes.h
    q, cost, price, v, added = boxes.q, boxes.cost, boxes.price, boxes.v, boxes.added
    per_below, per_above = boxes.per_below, boxes.per_above
    products = 0.0
    for i in range(len(w)):
        per_below[i] = 1.0 / below[i]
        per_above[i] = 1.0 / above[i]
    for i in range(len(w)):
        w[i] = free[i] / (q[i] + z_low[i] * per_below[i] + z_high[i] * per_above[i])
    for i in range(len(w)):
        products += free[i] * (z_low[i] * below[i] + z_high[i] * above[i])
    for i in range(len(w)):
        h[i] = -w[i] * (q[i] * v[i] + cost[i] + price[i])
        added[i] = v[i] + h[i]
    return products


@njit(**SWEEP_OPTIONS)
def predict_boxes(boxes):
    """Return the greatest relative decrease of a slack or multiplier in the predictor, and the sum of its second-order products."""
    z_low, z_high, price, w, h = boxes.z_low, boxes.z_high, boxes.price, boxes.w, boxes.h
    per_below, per_above, less = boxes.per_below, boxes.per_above, boxes.added
    second = 0.0
    for i in range(len(w)):
        move = h[i] - w[i] * price[i]
        down, up = move * per_below[i], -move * per_above[i]
        less[i] = max(-down, 1.0 + down, -up, 1.0 + up)
    for i in range(len(w)):
        move = h[i] - w[i] * price[i]
        second += move * (z_low[i] * (1.0 + move * per_below[i]) - z_high[i] * (1.0 - move * per_above[i]))
    return largest(less), second


@njit(**SWEEP_OPTIONS)
def aim_boxes(boxes, target):
    """Write the centring terms: the target product less the predictor's second-order error, over the slack; and what they add to h."""
    z_low, z_high, price, w, h = boxes.z_low, boxes.z_high, boxes.price, boxes.w, boxes.h
    c_low, c_high, added, per_below, per_above = boxes.c_low, boxes.c_high, boxes.added, boxes.per_below, boxes.per_above
    for i in range(len(w)):
        move = h[i] - w[i] * price[i]
        c_low[i] = (target + move * z_low[i] * (1.0 + move * per_below[i])) * per_below[i]
        c_high[i] = (target - move * z_high[i] * (1.0 - move * per_above[i])) * per_above[i]
    for i in range(len(w)):
        added[i] = w[i] * (c_low[i] - c_high[i])
        h[i] += added[i]


@njit(**SWEEP_OPTIONS)
def correct_boxes(boxes):
    """Turn ``h`` into the corrector's step, and return the greatest relative decrease of a slack or multiplier."""
    z_low, z_high, price, w, h = boxes.z_low, boxes.z_high, boxes.price, boxes.w, boxes.h
    c_low, c_high, per_below, per_above, less = boxes.c_low, boxes.c_high, boxes.per_below, boxes.per_above, boxes.added
    for i in range(len(w)):
        h[i] -= w[i] * price[i]
    for i in range(len(w)):
        down, up = h[i] * per_below[i], -h[i] * per_above[i]
        less[i] = max(-down, 1.0 + down - c_low[i] / z_low[i], -up, 1.0 + up - c_high[i] / z_high[i])
    return largest(less)
