"""The rounds of a negotiation, in one compiled call.

Each pair holds a price π_ij for each period. At it, each side bears half the charge and half the friction, so that a prosumer whose own
price is μ wishes to trade

    seller i:  v = (π_ij − ½τ_ij − μ_i) / (½ε_ij)         buyer j:  w = (μ_j − ½τ_ij − π_ij) / (½ε_ij)

and wants clip(v, 0, P_ij) and clip(w, 0, P_ij). One round is

    1  plan    each prosumer solves its program at the prices of its pairs, with storage, which gives its μ_i      (.storage)
    2  tell    each tells its partners what it wishes, or wants, to trade with them
    3  move    the price of each pair moves by step·ε_ij·(w − v): it rises where more is wished than offered
    4  lead    with momentum, it goes on some way in the direction it has moved in                                  (accelerated only)

Moving by half of ½·ε would put the price halfway between both sides' own. **Momentum** is that of Nesterov. It begins anew wherever the
last move and the wishes disagree in sum over the pairs of both ends, which they tell each other with their next wishes.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit

from ...community.day import Array
from ...machine_code import LOOPS
from ..prosumer.balance import Curves, Store
from ..prosumer.plans import blank_plans, plan_of
from ..prosumer.storage import plan_day

_TRACED: Final = 2  # residuals that are kept of each round


class Agreed(NamedTuple):
    """What a negotiation ends with, in the units of the day.

    Attributes:
        rounds: How many there were.
        sold: What each seller wants, shape (T, K).
        bought: What each buyer wants, shape (T, K).
        price: At which price both wanted it, shape (T, K).
        own_price: μ, shape (N, T).
        stored_price: σ, shape (N, T).
        renewable: r, shape (N, T).
        stored: e at the end of each period, shape (N, T).
        trace: Primal residual, the greatest difference of what both sides of a pair want, and dual residual, the furthest a price moved,
            after each round, shape (rounds, 2).
    """

    rounds: int
    sold: Array
    bought: Array
    price: Array
    own_price: Array
    stored_price: Array
    renewable: Array
    stored: Array
    trace: Array


class _Lead(NamedTuple):
    """Where momentum stands: the prices before, Nesterov's θ, and each prosumer's sum of moves times wishes."""

    before: Array  # (T, K)
    theta: Array  # (T, K)
    agreement: Array  # (T, N)


def negotiate(crowd, pairs, own_price, rule):
    """Hold a negotiation; compiled in :mod:`.loops`.

    Args:
        crowd: The prosumers, a :class:`..prosumer.crowd.Crowd`.
        pairs: Who may trade, a :class:`..prosumer.crowd.TradingPairs`.
        own_price: μ of prosumers that plan alone, shape (T, N); prices begin halfway between both sides'.
        rule: How prices move.

    Returns:
        The numbers and arrays of :class:`Agreed`.
    """
    n_periods, n_pairs = pairs.charge.shape
    n = crowd.rows.shape[0]
    price, plans = np.empty((n_periods, n_pairs)), blank_plans(n_periods, n, own_price)
    for t in range(n_periods):
        for k in range(n_pairs):
            price[t, k] = 0.5 * (own_price[t, pairs.seller[k]] + own_price[t, pairs.buyer[k]])
    sold, bought, used, trace = np.zeros(price.shape), np.zeros(price.shape), price.copy(), np.zeros((rule.rounds, _TRACED))
    lead = _Lead(price.copy(), np.ones(price.shape), np.zeros((n_periods, n)))
    done = 0
    while done < rule.rounds:
        for i in range(n):
            curves = _curves(pairs, price, i)
            store = Store(crowd.wear[i], crowd.efficiency[i], crowd.power[i])
            plan = plan_of(plans, i)
            plan_day(crowd.rows[i], store, crowd.start[i], crowd.stored_least[i], crowd.stored_most[i], curves, plan)
        for t in range(n_periods):
            for k in range(n_pairs):
                used[t, k] = price[t, k]
        apart, moved = _move(pairs, price, plans.price, rule, sold, bought, lead)
        trace[done, 0], trace[done, 1] = apart, moved
        done += 1
        if apart <= rule.tolerance and moved <= rule.tolerance:
            break
    return done, sold, bought, used, plans.price, plans.stored_price, plans.renewable, plans.stored, trace[:done]


@njit(**LOOPS)
def _curves(pairs, price, i):
    """Return what a prosumer wants of its partners at the prices of its pairs, as curves over its own price."""
    n_periods = price.shape[0]
    listed = pairs.listed[pairs.first[i] : pairs.first[i + 1]]
    shape = (n_periods, len(listed))
    curves = Curves(np.empty(shape), np.empty(shape), np.zeros(shape), np.zeros(shape))
    for t in range(n_periods):
        for at, k in enumerate(listed):
            stiff, half = 2.0 / pairs.friction[k], 0.5 * pairs.charge[t, k]
            curves.slope[t, at] = stiff
            if pairs.seller[k] == i:
                curves.intercept[t, at] = -(price[t, k] - half) * stiff
                curves.low[t, at] = -pairs.cap[k]
            else:
                curves.intercept[t, at] = -(price[t, k] + half) * stiff
                curves.high[t, at] = pairs.cap[k]
    return curves


@njit(**LOOPS)
def _move(pairs, price, own_price, rule, sold, bought, lead):
    """Write what both sides want, move the prices, and return both residuals."""
    n_periods, n_pairs = price.shape
    apart, moved = 0.0, 0.0
    agreement = np.zeros(lead.agreement.shape)
    for t in range(n_periods):
        for k in range(n_pairs):
            i, j, stiff, half = pairs.seller[k], pairs.buyer[k], 2.0 / pairs.friction[k], 0.5 * pairs.charge[t, k]
            offered, wished = (price[t, k] - half - own_price[i, t]) * stiff, (own_price[j, t] - half - price[t, k]) * stiff
            sold[t, k], bought[t, k] = min(max(offered, 0.0), pairs.cap[k]), min(max(wished, 0.0), pairs.cap[k])
            apart = max(apart, abs(bought[t, k] - sold[t, k]))
            pull = wished - offered if rule.wishes else bought[t, k] - sold[t, k]
            new = price[t, k] + rule.step * pairs.friction[k] * pull
            moved = max(moved, abs(new - price[t, k]))
            if rule.momentum:
                onward = new - lead.before[t, k]
                agreement[t, i] += pull * pairs.friction[k] * onward
                agreement[t, j] += pull * pairs.friction[k] * onward
                fresh = lead.agreement[t, i] + lead.agreement[t, j] < 0.0
                theta = 1.0 if fresh else lead.theta[t, k]
                following = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * theta * theta))
                lead.before[t, k], lead.theta[t, k] = new, following
                price[t, k] = new if fresh else new + (theta - 1.0) / following * onward
            else:
                price[t, k] = new
    lead.agreement[:] = agreement
    return apart, moved
