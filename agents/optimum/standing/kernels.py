"""The compiled loops of the bound between two charges: what the response can be away from the chord, one variable at a time."""

# Compiled functions take their arrays by position, and numba infers their types.
# ruff: noqa: PLR0917
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from ....envs.machine_code import LOOPS, kept

_LEAST, _GREATEST = 1e-3, 1e12  # of ν
_FIRST = 10.0  # where ν is sought from
_ENOUGH = 0.05  # of the logarithm to base 10 of ν: closer it need not be found
_TRIES = 8


@kept(**LOOPS)
def movable(lower, upper, x_a, x_b, s_a, s_b, h_a, h_b, least):
    """Return, in rising order, the variables that can stray at a weight of at least ``least``: all but those held on a bound."""
    chosen = np.empty(x_a.shape[0], dtype=np.intp)
    count = 0
    for k in range(x_a.shape[0]):
        if not lower[k] < upper[k]:
            continue
        if x_a[k] <= lower[k] and x_b[k] <= lower[k]:
            if s_a[k] >= 0.0 and s_b[k] >= 0.0 and h_a[k] <= least * s_a[k] and h_b[k] <= least * s_b[k]:
                continue
        elif (
            x_a[k] >= upper[k]
            and x_b[k] >= upper[k]
            and s_a[k] <= 0.0
            and s_b[k] <= 0.0
            and h_a[k] >= least * s_a[k]
            and h_b[k] >= least * s_b[k]
        ):
            continue
        chosen[count] = k
        count += 1
    return chosen[:count]


@kept(**LOOPS)
def most_at(t, beta, kappa, n_curved, lower, upper, x_a, x_b, s_a, s_b, h_a, h_b):
    """Return the greatest Σ (h − beta·z)·y − kappa·‖y_c‖² over the box at one t, EUR."""
    total = 0.0
    for k in range(x_a.shape[0]):
        at = (1.0 - t) * x_a[k] + t * x_b[k]
        pull = (1.0 - t) * (h_a[k] - beta * s_a[k]) + t * (h_b[k] - beta * s_b[k])
        if k < n_curved:
            y = min(max(pull / (2.0 * kappa), lower[k] - at), upper[k] - at)
            total += pull * y - kappa * y * y
        elif pull > 0.0:
            total += pull * (upper[k] - at)
        else:
            total += pull * (lower[k] - at)
    return total


@kept(**LOOPS)
def most_along(shares, beta, kappa, n_curved, lower, upper, x_a, x_b, s_a, s_b, h_a, h_b):
    """Bound the same for every t between neighbouring ``shares``, which rise and are M + 1.

    For one value of a variable its term is a quadratic in t with the second coefficient −c, so that the greatest plus c·t² is convex: the
    greatest lies below its chord plus c·(t − t_j)·(t_{j+1} − t). Without the box a term is convex by itself. The lesser of the two counts.

    Returns:
        Shape (M, 3): values (e, f, g) so that the bound is (1 − τ)·e + τ·f + τ·(1 − τ)·g for τ from 0 to 1 between two shares, EUR.
    """
    found = np.zeros((shares.shape[0] - 1, 3))
    for k in range(x_a.shape[0]):
        turn, move = h_b[k] - beta * s_b[k] - (h_a[k] - beta * s_a[k]), x_b[k] - x_a[k]
        curvature = kappa if k < n_curved else 0.0
        bow = turn * move + curvature * move * move
        before, free_before = 0.0, 0.0
        for j in range(shares.shape[0]):
            t = shares[j]
            at = (1.0 - t) * x_a[k] + t * x_b[k]
            pull = (1.0 - t) * (h_a[k] - beta * s_a[k]) + t * (h_b[k] - beta * s_b[k])
            if k < n_curved:
                y = min(max(pull / (2.0 * kappa), lower[k] - at), upper[k] - at)
                most, free = pull * y - kappa * y * y, pull * pull / (4.0 * kappa)
            else:
                most, free = max(pull * (upper[k] - at), pull * (lower[k] - at)), np.inf
            if j > 0:
                step = shares[j] - shares[j - 1]
                if 0.5 * (free_before + free) < 0.5 * (before + most) + 0.25 * bow * step * step:
                    found[j - 1, 0] += free_before
                    found[j - 1, 1] += free
                else:
                    found[j - 1, 0] += before
                    found[j - 1, 1] += most
                    found[j - 1, 2] += bow * step * step
            before, free_before = most, free
    return found


@kept(**LOOPS)
def turn_at(nu, omega, missed, n_curved, lower, upper, x_a, x_b, s_a, s_b, h_a, h_b):
    """Return how the sum of :func:`most_at` in the middle of a chord changes with ν: it is convex, so that this rises."""
    beta, kappa, total = nu + omega, nu + 0.5 * omega, missed
    for k in range(x_a.shape[0]):
        at, slope = 0.5 * (x_a[k] + x_b[k]), 0.5 * (s_a[k] + s_b[k])
        pull = 0.5 * (h_a[k] + h_b[k]) - beta * slope
        if k < n_curved:
            y = min(max(pull / (2.0 * kappa), lower[k] - at), upper[k] - at)
            total -= (slope + y) * y
        else:
            total -= slope * ((upper[k] - at) if pull > 0.0 else (lower[k] - at))
    return total


@kept(**LOOPS)
def weight_of(omega, missed, n_all, lower, upper, x_a, x_b, s_a, s_b, h_a, h_b):
    """Return the weight ν whose sum is about the least in the middle of the chord; variables as :func:`turn_at` takes them.

    It is sought by powers of ten from a first one, then by false position in its logarithm. Variables that cannot stray at the least
    weight in question are left out first.
    """
    n, lo, up, xa, xb, sa, sb, ha, hb = n_all, lower, upper, x_a, x_b, s_a, s_b, h_a, h_b
    low = high = _FIRST
    d_low = d_high = turn_at(_FIRST, omega, missed, n, lo, up, xa, xb, sa, sb, ha, hb)
    while d_high < 0.0 and high < _GREATEST:
        low, d_low, high = high, d_high, 10.0 * high
        d_high = turn_at(high, omega, missed, n, lo, up, xa, xb, sa, sb, ha, hb)
    while d_low > 0.0 and low > _LEAST:
        high, d_high, low = low, d_low, 0.1 * low
        d_low = turn_at(low, omega, missed, n, lo, up, xa, xb, sa, sb, ha, hb)
    a, b, f_a, f_b = np.log10(low), np.log10(high), d_low * low, d_high * high
    if not f_a < 0.0 < f_b:
        return high if abs(f_b) < abs(f_a) else low
    c = movable(lo, up, xa, xb, sa, sb, ha, hb, low)
    n = np.searchsorted(c, n_all)
    lo, up, xa, xb, sa, sb, ha, hb = lower[c], upper[c], x_a[c], x_b[c], s_a[c], s_b[c], h_a[c], h_b[c]
    nu = low
    for _ in range(_TRIES):
        at = a + min(max(-f_a / (f_b - f_a), 0.1), 0.9) * (b - a)
        nu = 10.0**at
        f = turn_at(nu, omega, missed, n, lo, up, xa, xb, sa, sb, ha, hb) * nu
        if f < 0.0:
            a, f_a, f_b = at, f, 0.5 * f_b
        else:
            b, f_b, f_a = at, f, 0.5 * f_a
        if b - a < _ENOUGH:
            break
    return nu


@kept(**LOOPS)
def tempered(nu, omega, missed, n, lower, upper, x_a, x_b, s_a, s_b, h_a, h_b):
    """Return a weight, lowered as long as both ends, where only rounding is left, come to more than the middle.

    Both ends are exact; a great weight makes much of rounding there.
    """
    middle = nu * missed + most_at(0.5, nu + omega, nu + 0.5 * omega, n, lower, upper, x_a, x_b, s_a, s_b, h_a, h_b)
    ends = 2.0 * nu * missed
    for t in (0.0, 1.0):
        ends += most_at(t, nu + omega, nu + 0.5 * omega, n, lower, upper, x_a, x_b, s_a, s_b, h_a, h_b)
    while nu > _LEAST and ends > middle:
        less = 0.1 * nu
        next_middle = less * missed + most_at(0.5, less + omega, less + 0.5 * omega, n, lower, upper, x_a, x_b, s_a, s_b, h_a, h_b)
        next_ends = 2.0 * less * missed
        for t in (0.0, 1.0):
            next_ends += most_at(t, less + omega, less + 0.5 * omega, n, lower, upper, x_a, x_b, s_a, s_b, h_a, h_b)
        if not next_ends + next_middle < ends + middle:
            break
        nu, ends, middle = less, next_ends, next_middle
    return nu


@kept(**LOOPS)
def least_along(shares, omega, missed, n_all, lower, upper, x_a, x_b, s_a, s_b, h_a, h_b):
    """Return a weight ν and the bound of :func:`most_along` with it: any ν gives a true one, and this one is close."""
    c = movable(lower, upper, x_a, x_b, s_a, s_b, h_a, h_b, _LEAST)
    n = np.searchsorted(c, n_all)
    lo, up, xa, xb, sa, sb, ha, hb = lower[c], upper[c], x_a[c], x_b[c], s_a[c], s_b[c], h_a[c], h_b[c]
    nu = weight_of(omega, missed, n, lo, up, xa, xb, sa, sb, ha, hb)
    nu = tempered(nu, omega, missed, n, lo, up, xa, xb, sa, sb, ha, hb)
    return nu, most_along(shares, nu + omega, nu + 0.5 * omega, n, lo, up, xa, xb, sa, sb, ha, hb)
