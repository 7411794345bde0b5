"""The compiled loops of the bound between two charges: what the response can be away from the chord, one variable at a time."""

# Compiled functions take their arrays by position, and numba infers their types.
# ruff: noqa: PLR0917
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from .....envs.machine_code import LOOPS, kept

_LEAST, _GREATEST = 1e-3, 1e12  # of ν
_FIRST = 10.0  # where ν is sought from
_USUAL = 1.0  # ν is rarely below this
_ENOUGH = 0.05  # of the logarithm to base 10 of ν: closer it need not be found
_FLAT = 0.05  # of a sum: by convexity a weight with this slope or less cannot be bettered by more
_TRIES = 12
_LEAP = 100.0  # a step changes ν by this factor at most


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
def most_along(shares, beta, kappa, n_curved, lower, upper, x_a, x_b, s_a, s_b, h_a, h_b):
    """Bound the greatest Σ (h − beta·z)·y − kappa·‖y_c‖² over the box for every t between neighbouring ``shares``.

    The shares rise and are M + 1.

    For one value of a variable its term is a quadratic in t with the second coefficient −c, so that the greatest plus c·t² is convex: the
    greatest lies below its chord plus c·(t − t_j)·(t_{j+1} − t). Without the box a term is convex by itself. The lesser of the two counts.

    Returns:
        Values (e, f, g) of shape (M, 3), so that the bound is (1 − τ)·e + τ·f + τ·(1 − τ)·g for τ from 0 to 1 between two shares, EUR; and
        the sums at the shares themselves, shape (M + 1,).
    """
    found, level, half = np.zeros((shares.shape[0] - 1, 3)), np.zeros(shares.shape[0]), 0.5 / kappa
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
                y = min(max(pull * half, lower[k] - at), upper[k] - at)
                most, free = pull * y - kappa * y * y, 0.5 * half * pull * pull
            else:
                most, free = max(pull * (upper[k] - at), pull * (lower[k] - at)), np.inf
            level[j] += most
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
    return found, level


@kept(**LOOPS)
def turn_at(nu, omega, missed, n_curved, lower, upper, x_a, x_b, s_a, s_b, h_a, h_b):
    """Return the sum of :func:`most_along` in the middle of a chord, how it changes with ν, and what of that falls as 1/ν² by itself.

    The sum is convex in ν, so that the second number rises. A variable that no bound holds there contributes (s/2)² − (h/2ν)² to it without
    the second objective: the third number is the sum of these (h/2ν)².
    """
    beta, kappa, total, turn, falls = nu + omega, nu + 0.5 * omega, nu * missed, missed, 0.0
    half, per = 0.5 / kappa, 0.5 / nu
    for k in range(x_a.shape[0]):
        at, slope, gain = 0.5 * (x_a[k] + x_b[k]), 0.5 * (s_a[k] + s_b[k]), 0.5 * (h_a[k] + h_b[k])
        pull = gain - beta * slope
        if k < n_curved:
            free = pull * half
            y = min(max(free, lower[k] - at), upper[k] - at)
            total += pull * y - kappa * y * y
            turn -= (slope + y) * y
            if y == free:
                falls += (gain * per) ** 2
        else:
            y = (upper[k] - at) if pull > 0.0 else (lower[k] - at)
            total += pull * y
            turn -= slope * y
    return total, turn, falls


@kept(**LOOPS)
def weight_of(small, omega, missed, n, lower, upper, x_a, x_b, s_a, s_b, h_a, h_b):
    """Return the weight ν whose sum is about the least in the middle of the chord, or no more than is ``small``, EUR.

    A step goes beyond the weight at which the terms that fall as 1/ν² would make up for all others, taken as they are, until the weight
    lies between two; then false position in its logarithm finds it. Of two weights the greater is taken: the sum rises slowly above the
    best one, and fast below it.
    """
    low, high, f_low, f_high, nu = _LEAST, _GREATEST, 0.0, 0.0, _FIRST
    for _ in range(_TRIES):
        total, turn, falls = turn_at(nu, omega, missed, n, lower, upper, x_a, x_b, s_a, s_b, h_a, h_b)
        f = turn * nu
        if f >= 0.0 and (total <= small or f <= _FLAT * total):
            return nu
        if f < 0.0 and -f * (high / nu - 1.0) <= _FLAT * total:
            return nu
        if f < 0.0:
            low, f_low, f_high = nu, f, 0.5 * f_high
        else:
            high, f_high, f_low = nu, f, 0.5 * f_low
        if f_low < 0.0 < f_high:
            a, b = np.log10(low), np.log10(high)
            if b - a < _ENOUGH:
                return high
            nu = 10.0 ** (a + min(max(-f_low / (f_high - f_low), 0.1), 0.9) * (b - a))
        else:
            others = turn + falls
            ratio = (falls / others) ** 0.75 if others > 0.0 else _LEAP
            nu = min(max(nu * min(max(ratio, 1.0 / _LEAP), _LEAP), _LEAST), _GREATEST)
            if nu in (low, high):
                return nu
    return high


@kept(**LOOPS)
def chosen_of(least, n_all, lower, upper, x_a, x_b, s_a, s_b, h_a, h_b):
    """Return how many variables are curved of those that can stray at a weight of at least ``least``, and the arrays of these variables."""
    c = movable(lower, upper, x_a, x_b, s_a, s_b, h_a, h_b, least)
    return np.searchsorted(c, n_all), lower[c], upper[c], x_a[c], x_b[c], s_a[c], s_b[c], h_a[c], h_b[c]


@kept(**LOOPS)
def least_along(shares, small, omega, missed, n_all, lower, upper, x_a, x_b, s_a, s_b, h_a, h_b):
    """Return a weight ν and the bound of :func:`most_along` with it: any ν gives a true one, and this one is close.

    Most variables are held on a bound, the more the greater ν is: they are left out as soon as it is known to be great enough. ``shares``
    are an odd number of at least 3, equally far apart; a sum of ``small`` EUR is rounding.
    """
    least = _USUAL
    n, lo, up, xa, xb, sa, sb, ha, hb = chosen_of(least, n_all, lower, upper, x_a, x_b, s_a, s_b, h_a, h_b)
    if turn_at(_FIRST, omega, missed, n, lo, up, xa, xb, sa, sb, ha, hb)[1] < 0.0:
        least = _FIRST
        n, lo, up, xa, xb, sa, sb, ha, hb = chosen_of(least, n, lo, up, xa, xb, sa, sb, ha, hb)
    nu = weight_of(small, omega, missed, n, lo, up, xa, xb, sa, sb, ha, hb)
    if nu < least:
        n, lo, up, xa, xb, sa, sb, ha, hb = chosen_of(_LEAST, n_all, lower, upper, x_a, x_b, s_a, s_b, h_a, h_b)
        nu = weight_of(small, omega, missed, n, lo, up, xa, xb, sa, sb, ha, hb)
    n, lo, up, xa, xb, sa, sb, ha, hb = chosen_of(nu, n, lo, up, xa, xb, sa, sb, ha, hb)
    found, level = most_along(shares, nu + omega, nu + 0.5 * omega, n, lo, up, xa, xb, sa, sb, ha, hb)
    middle = shares.shape[0] // 2
    # Both ends are exact: a weight under which they come to more than the middle makes much of rounding there, and is lowered.
    while nu > _LEAST and level[0] + level[-1] + nu * missed > level[middle]:
        less = 0.1 * nu
        n, lo, up, xa, xb, sa, sb, ha, hb = chosen_of(less, n_all, lower, upper, x_a, x_b, s_a, s_b, h_a, h_b)
        other, its = most_along(shares, less + omega, less + 0.5 * omega, n, lo, up, xa, xb, sa, sb, ha, hb)
        if not its[0] + its[-1] + its[middle] + 3.0 * less * missed < level[0] + level[-1] + level[middle] + 3.0 * nu * missed:
            break
        nu, found, level = less, other, its
    return nu, found


@kept(**LOOPS)
def left_open(looked_at, lower, upper, bound, chord, edges, allowed):
    """Return by how much the excess of a part is above what is allowed at most, in EUR, and the middle of where it is above.

    Args:
        looked_at: At how many charges of each cell.
        lower: Least charge of the part, EUR/kWh.
        upper: Its greatest.
        bound: Of shape (G, M, 3), as :class:`..parts.Part` has it.
        chord: Likewise.
        edges: Of the cells, EUR/kWh, shape (K + 1,).
        allowed: The excess that may remain, EUR, shape (G, K).
    """
    slices, most, first, last = bound.shape[1], -np.inf, np.inf, -np.inf
    low = max(np.searchsorted(edges, lower, "right") - 1, 0)
    high = np.searchsorted(edges, upper, "left")
    scale = slices / (upper - lower)
    for k in range(low, high):
        start, width = max(edges[k], lower), min(edges[k + 1], upper) - max(edges[k], lower)
        for j in range(looked_at):
            charge = start + j * width / (looked_at - 1)
            t = (charge - lower) * scale
            at = min(max(int(t), 0), slices - 1)
            t -= at
            for g in range(bound.shape[0]):
                b, c = bound[g, at], chord[g, at]
                left = b[0] - c[0] + (b[1] - c[1]) * t + (b[2] - c[2]) * t * t - allowed[g, k]
                most = max(most, left)
                if left > 0.0:
                    first, last = min(first, charge), max(last, charge)
    if not most > 0.0:
        first, last = lower, upper
    return most, 0.5 * (first + last)
