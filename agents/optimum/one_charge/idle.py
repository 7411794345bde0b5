"""Storage prices where storage is idle: a range of them is right, and a piece reaches far only from its middle.

While a battery neither charges nor discharges, its storage price σ_t may lie anywhere between what charging would be worth and what
discharging would earn, rising where it is full (σ_t ≤ σ_{t+1}), falling where it is empty (σ_t ≥ σ_{t+1}) and level in between. A clearing
returns some such price, often one on the edge of the range. From an edge the ratio test of a piece reaches nowhere, although the response
goes on. Each chain of hours has a least and a greatest solution, found by one sweep forwards and one backwards; the price taken here lies
between the two, with shares that rise and fall along the chain as the price has to, so that no inequality that can be slack is tight.

A battery without losses that is idle leaves no range: what charging is worth and what discharging earns is one number, σ_t = μ_t, at which
neither inequality is slack. The price then has to move as μ_t does, in this hour and in all that the chain ties to it; a derivative that
leaves it where it stood would break one of the two at once, and every piece would end where it begins.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numba import njit

from ....envs.machine_code import LOOPS, kept, stamp_of

_LOWER, _FREE, _UPPER, _FIXED = 0, 1, 2, 3  # where a variable stands between its bounds, or that these meet
_HELD = 1e-11  # dimensionless distance from a bound that is none, as in envs.market.exact.point
_SOURCE: Final = stamp_of([Path(__file__)])


@kept(stamp=_SOURCE, **LOOPS)
def centred(lines, x, prices, price_change):  # type: ignore[no-untyped-def]
    """Return prices with those of storage in the middle of what is right, and how they then move with the charge.

    Args:
        lines: The program, :class:`.loops.account.FlatArrays`.
        x: Variables of a clearing, on their bounds where they are within rounding of one, shape (V,).
        prices: Its prices, dimensionless, shape (P,).
        price_change: How they move with the charge, shape (P,); where storage is not idle that is kept.

    Returns:
        Prices and their changes, both of shape (P,).
    """
    n_hours, n, n_owners = lines.shape
    n_nodes, at_stored = n_hours * n, x.shape[0] - n_hours * n_owners
    middle, moved = prices.copy(), price_change.copy()
    mu, d_mu, worn = np.empty((n_hours, n_owners)), np.empty((n_hours, n_owners)), np.empty((n_hours, n_owners))
    places, eta = np.empty((3, n_hours, n_owners), dtype=np.int8), np.empty(n_owners)
    for t in range(n_hours):
        for j in range(n_owners):
            charge, discharge, stored = lines.moved[0, t * n_owners + j], lines.moved[1, t * n_owners + j], at_stored + t * n_owners + j
            mu[t, j], d_mu[t, j] = prices[lines.first[charge]], price_change[lines.first[charge]]
            eta[j] = -lines.second_weight[charge] / lines.gain[charge]
            worn[t, j] = lines.upper[charge] * lines.scale[charge] / lines.unit  # the wear of a unit is the square of its scale over that
            places[0, t, j], places[1, t, j], places[2, t, j] = (
                _place(lines, x, charge),
                _place(lines, x, discharge),
                _place(lines, x, stored),
            )
    sigma, d_sigma = middle[n_nodes:].reshape((n_hours, n_owners)), moved[n_nodes:].reshape((n_hours, n_owners))
    _centre(mu, d_mu, eta, worn, places[0], places[1], places[2], sigma, d_sigma)
    return middle, moved


@njit(**LOOPS)
def _place(lines, x, k):  # type: ignore[no-untyped-def]
    """Return where a variable stands between its bounds."""
    near = _HELD * lines.scale[k]
    if lines.upper[k] - lines.lower[k] <= near:
        return _FIXED
    return _LOWER if x[k] <= lines.lower[k] + near else (_UPPER if x[k] >= lines.upper[k] - near else _FREE)


@njit(**LOOPS)
def _centre(mu, d_mu, eta, worn, charge, discharge, stored, sigma, d_sigma):  # type: ignore[no-untyped-def]  # noqa: C901, PLR0912, PLR0917
    """Centre the prices ``sigma`` and their changes ``d_sigma`` of idle hours in place; all arrays (T, J), ``eta`` (J,).

    ``worn`` is what the last kW of full power wears, κ·S.
    """
    n_hours, n_owners = sigma.shape
    low, high = np.empty(n_hours + 1), np.empty(n_hours + 1)
    d_low, d_high = np.zeros(n_hours + 1), np.zeros(n_hours + 1)
    level = np.zeros(n_hours + 1)
    for j in range(n_owners):
        for t in range(n_hours):
            low[t], high[t], d_low[t], d_high[t] = -np.inf, np.inf, 0.0, 0.0
            if charge[t, j] == _FREE or discharge[t, j] == _FREE:
                low[t], high[t], d_low[t], d_high[t] = sigma[t, j], sigma[t, j], d_sigma[t, j], d_sigma[t, j]
                continue
            if charge[t, j] == _LOWER:
                high[t], d_high[t] = mu[t, j] / eta[j], d_mu[t, j] / eta[j]
            elif charge[t, j] == _UPPER:
                low[t], d_low[t] = (mu[t, j] + worn[t, j]) / eta[j], d_mu[t, j] / eta[j]
            if discharge[t, j] == _LOWER and eta[j] * mu[t, j] > low[t]:
                low[t], d_low[t] = eta[j] * mu[t, j], eta[j] * d_mu[t, j]
            elif discharge[t, j] == _UPPER and eta[j] * (mu[t, j] - worn[t, j]) < high[t]:
                high[t], d_high[t] = eta[j] * (mu[t, j] - worn[t, j]), eta[j] * d_mu[t, j]
        low[n_hours], high[n_hours], d_low[n_hours], d_high[n_hours] = 0.0, 0.0, 0.0, 0.0  # after the day energy is worth nothing
        for t in range(n_hours):  # what must not fall raises the least price of the next hour, what must not rise lowers its greatest
            if stored[t, j] in (_UPPER, _FREE) and low[t] > low[t + 1]:
                low[t + 1], d_low[t + 1] = low[t], d_low[t]
            if stored[t, j] in (_LOWER, _FREE) and high[t] < high[t + 1]:
                high[t + 1], d_high[t + 1] = high[t], d_high[t]
        for t in range(n_hours - 1, -1, -1):
            if stored[t, j] in (_UPPER, _FREE) and high[t + 1] < high[t]:
                high[t], d_high[t] = high[t + 1], d_high[t + 1]
            if stored[t, j] in (_LOWER, _FREE) and low[t + 1] > low[t]:
                low[t], d_low[t] = low[t + 1], d_low[t + 1]
        least, greatest = 0.0, 0.0
        for t in range(n_hours):
            turn = 1.0 if stored[t, j] == _UPPER else -1.0 if stored[t, j] == _LOWER else 0.0
            level[t + 1] = level[t] + turn
            least, greatest = min(least, level[t + 1]), max(greatest, level[t + 1])
        for t in range(n_hours):
            if charge[t, j] == _FREE or discharge[t, j] == _FREE:
                continue
            if high[t] - low[t] >= -_HELD and high[t] - low[t] < np.inf:  # rounding may turn a range of one price inside out
                share = (level[t] - least + 1.0) / (greatest - least + 2.0)
                if high[t] > low[t] or (charge[t, j] == _LOWER and discharge[t, j] == _LOWER):
                    sigma[t, j] = (1.0 - share) * low[t] + share * high[t]
                d_sigma[t, j] = (1.0 - share) * d_low[t] + share * d_high[t]
