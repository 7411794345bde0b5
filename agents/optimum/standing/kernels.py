"""The compiled loops of the bound between two charges: what the response can be away from the chord, one variable at a time."""

# Compiled functions take their arrays by position, and numba infers their types.
# ruff: noqa: PLR0917
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from ....envs.machine_code import LOOPS, kept


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
