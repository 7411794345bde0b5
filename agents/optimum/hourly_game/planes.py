"""Prices of stored energy that make a bound by hours least: cutting planes in a trust region. Any prices give a bound."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ....envs.community.day import Array

_RADIUS = 0.1  # first trust region around the prices, EUR/kWh
_ENOUGH = 2e-3  # relative gain that a round must promise
_LEAST_RADIUS = 1e-4


class Hours(NamedTuple):
    """The hours' maxima in EUR, shape (T,), and their derivatives in the prices, shape (T, J)."""

    value: Array
    slope: Array


class Cheapest(NamedTuple):
    """The least bound found: its prices in EUR/kWh, shape (T, J), the hours at them, their sum with what holding energy is worth, EUR."""

    prices: Array
    hours: Hours
    total: float
    rounds: int


def cheapest(hours: Callable[[Array], Hours], prices: Array, *, start: Array, least: Array, most: Array, max_rounds: int) -> Cheapest:
    """Return prices near which Σ hours + Σ max {e·(α_t − α_t+1)} − α_1·e_0 is least.

    Args:
        hours: The hours' maxima at prices.
        prices: First prices α in EUR/kWh, shape (T, J).
        start: e_0 in kWh, shape (J,).
        least: Least energy at the end of every hour, kWh, shape (T, J).
        most: Greatest.
        max_rounds: How often they are moved.
    """
    last = np.zeros((1, prices.shape[1]))

    def held(at: Array) -> float:
        fall = at - np.vstack([at[1:], last])
        return float(np.maximum(least * fall, most * fall).sum() - at[0] @ start)

    found = hours(prices)
    best, cuts, radius, rounds = Cheapest(prices, found, float(found.value.sum()) + held(prices), 0), [(prices, found)], _RADIUS, 0
    for rounds in range(1, max_rounds + 1):
        proposed, expected = _proposed(cuts, best.prices, radius, start, (least, most))
        if best.total - expected <= _ENOUGH * abs(best.total) or radius < _LEAST_RADIUS:
            break
        found = hours(proposed)
        total = float(found.value.sum()) + held(proposed)
        cuts.append((proposed, found))
        if total < best.total:
            best = Cheapest(proposed, found, total, rounds)
        else:
            radius *= 0.5
    return best._replace(rounds=rounds)


def _proposed(
    cuts: list[tuple[Array, Hours]], centre: Array, radius: float, start: Array, ends: tuple[Array, Array]
) -> tuple[Array, float]:
    """Return the prices near a centre that minimise what cuts know of the bound, and that minimum."""
    t, j = centre.shape
    n = t * j
    cost = np.concatenate([np.zeros(n), np.ones(t + n)])  # prices, the hours' maxima, what holding is worth
    cost[:j] -= start
    rows, right = [], []
    for prices, hours in cuts:
        block = np.zeros((t, 2 * n + t))
        for hour in range(t):
            block[hour, hour * j : (hour + 1) * j], block[hour, n + hour] = hours.slope[hour], -1.0
        rows.append(block)
        right.append(np.sum(hours.slope * prices, axis=1) - hours.value)
    fall = np.eye(n) - np.eye(n, k=j)
    for level in ends:
        rows.append(np.hstack([level.reshape(-1, 1) * fall, np.zeros((n, t)), -np.eye(n)]))
        right.append(np.zeros(n))
    around = [(value - radius, value + radius) for value in centre.ravel()]
    from scipy.optimize import linprog  # noqa: PLC0415 - 0.1 s, which only those wait for who need it

    answer = linprog(cost, A_ub=np.vstack(rows), b_ub=np.concatenate(right), bounds=around + [(None, None)] * (t + n), method="highs")
    if answer.x is None or answer.fun is None:  # nothing to go by: stay, which ends the search
        return centre, float("inf")
    return answer.x[:n].reshape(t, j), float(answer.fun)
