"""How far a response may stray from a chord, in compiled loops; :mod:`..bounds` says why."""

# Compiled functions take their arrays by position, and numba infers their types.
# ruff: noqa: PLR0917
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numba import njit

from .....envs.machine_code import LOOPS, kept, stamp_of
from .kernels import level_within_blocks

_SOURCE: Final = stamp_of([Path(__file__), Path(__file__).with_name("kernels.py")])


@kept(**LOOPS)
def stray(nu, omega, n_curved, lower, upper, x_a, x_b, s_a, s_b, h_a, h_b):
    """Bound h·y − omega·(z·y + ½‖y‖²) over everything the response can be away from the chord; see :mod:`..bounds`.

    Returns:
        (e, f, g): the bound is (1 − t)·e + t·f + t·(1 − t)·g for every t in [0, 1].
    """
    beta, kappa = nu + omega, nu + 0.5 * omega
    e, f, g = 0.0, 0.0, 0.0
    for k in range(x_a.shape[0]):
        low, high = lower[k], upper[k]
        if not low < high:
            continue
        a_0, a_1 = h_a[k] - beta * s_a[k], h_b[k] - beta * s_b[k]
        if x_a[k] <= low and x_b[k] <= low:
            a_0, a_1 = max(a_0, 0.0), max(a_1, 0.0)
        elif x_a[k] >= high and x_b[k] >= high:
            a_0, a_1 = min(a_0, 0.0), min(a_1, 0.0)
        if a_0 == 0.0 and a_1 == 0.0:
            continue
        # The box alone.
        up_0, up_1, down_0, down_1 = max(a_0, 0.0), max(a_1, 0.0), max(-a_0, 0.0), max(-a_1, 0.0)
        e_k = up_0 * (high - x_a[k]) + down_0 * (x_a[k] - low)
        f_k = up_1 * (high - x_b[k]) + down_1 * (x_b[k] - low)
        g_k = up_0 * (high - x_b[k]) + up_1 * (high - x_a[k]) + down_0 * (x_b[k] - low) + down_1 * (x_a[k] - low) - e_k - f_k
        least = 0.5 * (e_k + f_k) + 0.25 * g_k
        if k < n_curved:
            # The curvature alone.
            e_c, f_c = a_0 * a_0 / (4.0 * kappa), a_1 * a_1 / (4.0 * kappa)
            if 0.5 * (e_c + f_c) < least:
                e_k, f_k, g_k, least = e_c, f_c, 0.0, 0.5 * (e_c + f_c)
        # Curvature (or the box) against h, and the box against z.
        up_0, up_1, down_0, down_1 = max(-s_a[k], 0.0), max(-s_b[k], 0.0), max(s_a[k], 0.0), max(s_b[k], 0.0)
        e_c = beta * (up_0 * (high - x_a[k]) + down_0 * (x_a[k] - low))
        f_c = beta * (up_1 * (high - x_b[k]) + down_1 * (x_b[k] - low))
        g_c = beta * (up_0 * (high - x_b[k]) + up_1 * (high - x_a[k]) + down_0 * (x_b[k] - low) + down_1 * (x_a[k] - low)) - e_c - f_c
        if k < n_curved:
            e_c += h_a[k] * h_a[k] / (4.0 * kappa)
            f_c += h_b[k] * h_b[k] / (4.0 * kappa)
        else:
            e_c += abs(h_a[k]) * (high - low)
            f_c += abs(h_b[k]) * (high - low)
        if 0.5 * (e_c + f_c) + 0.25 * g_c < least:
            e_k, f_k, g_k = e_c, f_c, g_c
        e, f, g = e + e_k, f + f_k, g + g_k
    return e, f, g


@kept(**LOOPS)
def relevant(nu, n_curved, lower, upper, x_a, x_b, s_a, s_b, h_a, h_b):
    """Return the variables that can stray at a weight of at least nu, and the two sums that suggest a weight.

    Returns:
        Their indices; Σ h² over them, per √EUR²; and Σ of the complementary products that the response may use up.
    """
    chosen = np.empty(x_a.shape[0], dtype=np.intp)
    count, squares, products = 0, 0.0, 0.0
    for k in range(x_a.shape[0]):
        low, high = lower[k], upper[k]
        if not low < high:
            continue
        if x_a[k] <= low and x_b[k] <= low:
            if s_a[k] >= 0.0 and s_b[k] >= 0.0 and h_a[k] <= nu * s_a[k] and h_b[k] <= nu * s_b[k]:
                continue
        elif x_a[k] >= high and x_b[k] >= high:
            if s_a[k] <= 0.0 and s_b[k] <= 0.0 and h_a[k] >= nu * s_a[k] and h_b[k] >= nu * s_b[k]:
                continue
        elif k < n_curved:
            squares += max(h_a[k] * h_a[k], h_b[k] * h_b[k])
        product = max(s_a[k], 0.0) * (x_b[k] - low) + max(s_b[k], 0.0) * (x_a[k] - low)
        product += max(-s_a[k], 0.0) * (high - x_b[k]) + max(-s_b[k], 0.0) * (high - x_a[k])
        if k < n_curved:  # the curvature gives back all but a quarter of the square, which is nothing where a slope is rounding
            product = min(product, max(s_a[k] * s_a[k], s_b[k] * s_b[k]))
        products += product
        chosen[count] = k
        count += 1
    return chosen[:count], squares, products


@kept(**LOOPS)
def products_of(lower, upper, x_a, x_b, s_a, s_b):
    """Return the complementary products between both ends, and the greater sum of those of one end with itself, EUR."""
    across, own_a, own_b = 0.0, 0.0, 0.0
    for k in range(x_a.shape[0]):
        low, high = lower[k], upper[k]
        if not low < high:
            continue
        if s_a[k] > 0.0:
            across += s_a[k] * (x_b[k] - low)
            own_a += s_a[k] * (x_a[k] - low)
        else:
            across -= s_a[k] * (high - x_b[k])
            own_a -= s_a[k] * (high - x_a[k])
        if s_b[k] > 0.0:
            across += s_b[k] * (x_a[k] - low)
            own_b += s_b[k] * (x_b[k] - low)
        else:
            across -= s_b[k] * (high - x_a[k])
            own_b -= s_b[k] * (high - x_b[k])
    return across, max(own_a, own_b)


@kept(stamp=_SOURCE, **LOOPS)
def strays_between(lines, x_a, x_b, s_a, s_b, relief_a, relief_b, pull_a, pull_b, more, sign, least, greatest, missed):
    """Return what :func:`stray` needs of the variables that can stray from a chord, and a weight to begin with.

    The pull h' = h − Aᵀλ at both ends takes λ from the reliefs, with λ = 0 at the node of renewable use that is not on one bound
    throughout, and one level of λ before and after stored energy that is not.

    Args:
        lines: The program.
        x_a: Variables at the left end, and ``x_b`` at the right, shape (V,).
        x_b: See there.
        s_a: Slopes, and ``s_b``, shape (V,).
        s_b: See there.
        relief_a: λ, and ``relief_b``, shape (P,).
        relief_b: See there.
        pull_a: h, and ``pull_b``, shape (V,).
        pull_b: See there.
        more: A gradient to be taken from both, shape (V,), or (0,) for none.
        sign: Of h'.
        least: Least weight.
        greatest: Greatest weight.
        missed: What the equations are missed by, EUR.

    Returns:
        Rows l, u, x_a, x_b, s_a, s_b, h'_a, h'_b of the variables that count, shape (8, *); how many of these are strictly convex; a
        weight; and the least weight for which they are all that count.
    """
    h_a, h_b = np.empty(x_a.shape[0]), np.empty(x_a.shape[0])
    _relieve(lines, x_a, x_b, relief_a, relief_b, h_a, h_b)
    for k in range(x_a.shape[0]):
        h_a[k] = pull_a[k] + h_a[k]
        h_b[k] = pull_b[k] + h_b[k]
        if more.shape[0] > 0:
            h_a[k] -= more[k]
            h_b[k] -= more[k]
        h_a[k] *= sign
        h_b[k] *= sign
    _, squares, products = relevant(least, lines.n_curved, lines.lower, lines.upper, x_a, x_b, s_a, s_b, h_a, h_b)
    lowest = _weight(squares, products, missed, least, greatest) / 16
    chosen, squares, products = relevant(lowest, lines.n_curved, lines.lower, lines.upper, x_a, x_b, s_a, s_b, h_a, h_b)
    weight = _weight(squares, products, missed, least, greatest)
    weight = max(weight, lowest)
    small, n_curved = np.empty((8, chosen.shape[0])), 0
    for at in range(chosen.shape[0]):
        k = chosen[at]
        n_curved += int(k < lines.n_curved)
        small[0, at], small[1, at] = lines.lower[k], lines.upper[k]
        small[2, at], small[3, at], small[4, at], small[5, at] = x_a[k], x_b[k], s_a[k], s_b[k]
        small[6, at], small[7, at] = h_a[k], h_b[k]
    return small, n_curved, weight, lowest


@njit(**LOOPS)
def _weight(squares, products, missed, least, greatest):
    """Return the weight ν at which ν·δ/4, what (1) of :mod:`..bounds` costs, is Σ h'²/4ν, what it saves."""
    weight = np.sqrt(squares / (products + 4.0 * missed + 1e-300))
    if weight < least:
        return least
    return min(weight, greatest)  # and what is no number stays none


@njit(**LOOPS)
def _relieve(lines, x_a, x_b, relief_a, relief_b, out_a, out_b):
    """Write −Aᵀλ at both ends, with λ such that it pulls on no variable without curvature that can move."""
    n_hours, n, n_owners = lines.shape
    moving, n_nodes = np.empty(x_a.shape[0] - lines.n_curved, dtype=np.bool_), n_hours * n
    for at in range(moving.shape[0]):
        k = lines.n_curved + at
        on_lower = x_a[k] <= lines.lower[k] and x_b[k] <= lines.lower[k]
        moving[at] = not (on_lower or (x_a[k] >= lines.upper[k] and x_b[k] >= lines.upper[k]))
    renewable, stored = moving[:n_nodes].reshape((n_hours, n)), moving[n_nodes:].reshape((n_hours, n_owners))
    price_a, price_b = relief_a.copy(), relief_b.copy()
    level_within_blocks(price_a, renewable, stored)
    level_within_blocks(price_b, renewable, stored)
    for k in range(out_a.shape[0]):
        first, second = lines.first[k], lines.second[k]
        out_a[k] = lines.first_weight[k] * price_a[first] + lines.second_weight[k] * price_a[second]
        out_b[k] = lines.first_weight[k] * price_b[first] + lines.second_weight[k] * price_b[second]
