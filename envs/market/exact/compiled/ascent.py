"""A way to the optimum that cannot cycle: Newton's method up the dual, each step only as long as the dual still rises.

Polishing (:mod:`.exact`) takes full steps, and cycles where a price has to be met within less than a step. A store that loses 1e-7 on the
way, charges at its power limit in one hour and gives all of it back in another is 1e-7 of its power from the limit in the second. It
answers to its price only within wear times power; outside of that nothing answers, a full step crosses to the other side, and comes back.

Stored energy and curtailment have no curvature. They are given a proximal one, ρ = ``PROXIMAL``, around a centre z, so that

    g(μ, σ) = min over v in its bounds of  Σ ½q·v² + ½ρ·(v − z)² [q = 0] + (cost + aᵀy)·v  −  what the equations must reach

is concave, has a derivative everywhere, and is quadratic in pieces. Its gradient is what the equations lack, (−net, storage), and Newton's
direction solves the normal equations with it. Along a direction the derivative of g only falls. A step ends where it is nearly zero, on a
piece where something answers to the price, and so g rises with every step. Where g is greatest the centre moves to v, which is the method
of multipliers. What is found is near enough for polishing to finish: its digits are those of ρ, not of the certificate.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ....community.day import Array
from .exact import NO_PAIRS, PROXIMAL, adopt_trades, greatest_missing, sum_up, weigh_trades
from .linear_algebra import ONCE, OPTIONS, blank_factors, eliminate_hour, factorise_chain, fold, remainder, solve
from .market_sums import copy_to, greatest, of_pairs, price_of, weigh

_MAX_STEPS = 60
_SHIFT = 1e-9
_LONGEST = 1.0  # price units that a step may change a price by; one that nothing answers to has no step of Newton's
_NEAR_ZERO = 0.05  # share of the derivative at the start of a step that may be left at its end
_TRIALS = 60  # lengths of a step that are tried: as many halvings as a double has digits, and some more
_ARRIVED = 1e-10  # of the equations' residual: values without curvature are rounded to 1e-16 / PROXIMAL
_NO_STEP = 1e-15  # change of prices that is rounding
_SETTLED = 1e-11  # pull of the centre, in price units, that polishing need not be spared


class Answer(NamedTuple):
    """What everybody does at some prices.

    Attributes:
        centre: z, shape (T, V), of which only variables without curvature count.
        price: aᵀy, shape (T, V).
        own: The prosumers' own variables, shape (T, V).
        weight: 1/q of those that are free, shape (T, V).
        trade: Trades, shape (T, K).
        trade_free: Which of them are free, shape (T, K).
        net: What is left of the balances, shape (T, N).
        storage: What is left of the storage equations, shape (T, J).
    """

    centre: Array
    price: Array
    own: Array
    weight: Array
    trade: Array
    trade_free: NDArray[np.bool_]
    net: Array
    storage: Array


def ascend(program, charges, own, mu, sigma):
    """Move prices, stored energy and renewable use near the optimum, in place; compiled in :mod:`.kernel`.

    Args:
        program: The day, a :class:`.program.Program`.
        charges: τ in EUR/kWh, shape (T, N, N), or (1, N, N) for all hours.
        own: The prosumers' own variables, shape (T, V); stored energy and renewable use are where to begin, and receive the result.
        mu: Nodal prices, shape (T, N).
        sigma: Storage prices, shape (T, J).

    Returns:
        Newton steps taken.
    """
    n_hours, n, n_owners, n_pairs = program.sizes
    charge, _ = of_pairs(program, charges)
    trade, trade_free = np.empty((n_hours, n_pairs)), np.zeros((n_hours, n_pairs), dtype=np.bool_)
    net, storage = np.empty((n_hours, n)), np.empty((n_hours, n_owners))
    to_mu, to_sigma = np.empty((n_hours, n)), np.empty((n_hours, n_owners))
    answer = Answer(own.copy(), np.empty(own.shape), own, np.empty(own.shape), trade, trade_free, net, storage)
    factors = blank_factors(program.sizes, False)
    _recentre(program, answer)
    _respond(program, charge, mu, sigma, answer)
    for step in range(_MAX_STEPS):
        arrived = greatest_missing(program, net, storage) <= _ARRIVED
        if not arrived:
            if not _factorise(program, answer, factors):
                return step
            copy_to(to_mu, net)
            _scale(to_mu, -1.0)
            copy_to(to_sigma, storage)
            solve(program, factors, to_mu, to_sigma)
            arrived = max(greatest(to_mu), greatest(to_sigma)) <= _NO_STEP
        if not arrived:
            if not _rise(answer, to_mu, to_sigma) > 0.0:
                return step
            _step(program, charge, mu, sigma, to_mu, to_sigma, answer)
        elif _recentre(program, answer) * PROXIMAL <= _SETTLED:
            return step
        else:
            _respond(program, charge, mu, sigma, answer)
    return _MAX_STEPS


@njit(**ONCE)
def _step(program, charge, mu, sigma, to_mu, to_sigma, answer):
    """Move the prices along a direction, at most all of it, until the dual's derivative is nearly zero; ``answer`` moves with them."""
    share = min(1.0, _LONGEST / max(greatest(to_mu), greatest(to_sigma)))
    _scale(to_mu, share)
    _scale(to_sigma, share)
    start_mu, start_sigma, first = mu.copy(), sigma.copy(), _rise(answer, to_mu, to_sigma)
    low, high, at_low, at_high, length = 0.0, 1.0, first, first, 1.0
    for trial in range(_TRIALS):
        _walk(start_mu, length, to_mu, mu)
        _walk(start_sigma, length, to_sigma, sigma)
        _respond(program, charge, mu, sigma, answer)
        rise = _rise(answer, to_mu, to_sigma)
        if abs(rise) <= _NEAR_ZERO * first or (length == 1.0 and rise > 0.0):
            break
        if rise > 0.0:
            low, at_low = length, rise
        else:
            high, at_high = length, rise
        # Where the line between both ends crosses zero, as the derivative falls in straight pieces; every other time the middle.
        length = low + (high - low) * at_low / (at_low - at_high) if trial % 2 == 0 else 0.5 * (low + high)


@njit(**OPTIONS)
def _respond(program, charge, mu, sigma, answer):
    """Put every variable where it is best at the prices, with its weight, and write what the equations lack."""
    own, weight = answer.own, answer.weight
    price_of(program, NO_PAIRS, mu, sigma, answer.price)
    for t in range(own.shape[0]):
        for i in range(own.shape[1]):
            low, high, q = program.lower[t, i], program.upper[t, i], program.curvature[t, i]
            slope = program.cost[t, i] + answer.price[t, i]
            wish = -slope / q if q > 0.0 else answer.centre[t, i] - slope / PROXIMAL
            own[t, i] = min(max(wish, low), high)
            weight[t, i] = 1.0 / (q if q > 0.0 else PROXIMAL) if low < wish < high else 0.0
        adopt_trades(program, t, charge, mu, answer.trade, answer.trade_free)
    sum_up(program, own, answer.trade, answer.net, answer.storage)


@njit(**ONCE)
def _factorise(program, answer, factors):
    """Factorise the normal matrix of what is free; return whether every pivot was positive."""
    n_hours, n, n_owners, _ = program.sizes
    fine = True
    for t in range(n_hours):
        matrix = factors.hour[t]
        matrix[:] = 0.0
        weigh_trades(program, t, answer.trade_free, matrix)
        fold(matrix, n)
        weigh(program, NO_PAIRS, answer.weight, matrix, t)
        fine &= eliminate_hour(matrix, n, n_owners, _SHIFT)
        remainder(matrix, n, factors.chain[t])
    return fine and factorise_chain(program, answer.weight, factors)


@njit(**OPTIONS)
def _rise(answer, to_mu, to_sigma):
    """Return the dual's derivative along a direction."""
    return _product(answer.storage, to_sigma) - _product(answer.net, to_mu)


@njit(**OPTIONS)
def _product(a, b):
    total = 0.0
    for t in range(a.shape[0]):
        for i in range(a.shape[1]):
            total += a[t, i] * b[t, i]
    return total


@njit(**OPTIONS)
def _scale(values, share):
    for t in range(values.shape[0]):
        for i in range(values.shape[1]):
            values[t, i] *= share


@njit(**OPTIONS)
def _walk(begin, length, direction, out):
    for t in range(out.shape[0]):
        for i in range(out.shape[1]):
            out[t, i] = begin[t, i] + length * direction[t, i]


@njit(**OPTIONS)
def _recentre(program, answer):
    """Move the centre to where variables without curvature are, within their bounds; return how far the farthest of them was."""
    own, centre, farthest = answer.own, answer.centre, 0.0
    for t in range(own.shape[0]):
        for i in range(own.shape[1]):
            if program.curvature[t, i] == 0.0:
                inside = min(max(own[t, i], program.lower[t, i]), program.upper[t, i])
                farthest = max(farthest, abs(inside - centre[t, i]))
                centre[t, i] = inside
    return farthest
