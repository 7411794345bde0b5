"""What becomes of a negotiation: contracts that nobody loses by, and what prosumers do with them.

A contract is the smaller of what both sides want, at the price at which they wanted it. Cut short, a negotiation leaves contracts that fit
neither side's plan: who was to buy in one hour and sell in another may be left with one of both. So each prosumer solves its program again
with its contracts fixed, and

* who cannot keep its contracts, or would be better off with none, asks its partners for half of all its contracts;
* a contract is held to the smaller share of both sides;
* that is repeated until nobody asks. After eight times a prosumer holds none, so that there is an end.
"""

from __future__ import annotations

from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from ...community.day import Array, Day
from ..exact.market_data import IntArray
from ..prosumer.crowd import Crowd, TradingPairs, crowd_of
from ..prosumer.plans import Plans
from .loops import plan_with
from .rounds import Agreed

_HALVINGS: Final = 8
_ROUNDING: Final = 1e-11  # of the prosumer's cost and the greatest price
_MISSING: Final = 1e-10  # power units

_alone: WeakKeyDictionary[Day, Plans] = WeakKeyDictionary()


class Contracts(NamedTuple):
    """Contracts that nobody loses by, in the units of the day.

    Attributes:
        trade: p, shape (T, K).
        plans: What prosumers do with them.
        shares: Share of its contracts that each prosumer holds at most, shape (N,).
        requests: How often one asked its partners for half.
        cost: What the followers' program is worth.
    """

    trade: Array
    plans: Plans
    shares: Array
    requests: int
    cost: float


def plans_alone(day: Day) -> Plans:
    """Return what prosumers do without trades, kept as long as the day."""
    known = _alone.get(day)
    if known is None:
        known = _alone[day] = plan_with(crowd_of(day), np.zeros(day.demand_min.shape))
    return known


def contracts_of(day: Day, pairs: TradingPairs, agreed: Agreed) -> Contracts:
    """Return the contracts that a negotiation ends with."""
    crowd, alone = crowd_of(day), plans_alone(day)
    wanted = np.minimum(agreed.sold, agreed.bought)
    times = np.zeros(len(crowd.wear), dtype=np.intp)
    requests = 0
    while True:
        shares = np.where(times < _HALVINGS, 0.5**times, 0.0)
        trade = wanted * np.minimum(shares[pairs.seller], shares[pairs.buyer])
        plans = plan_with(crowd, _bought(crowd, pairs, trade))
        worse = plans.cost + _paid(crowd, pairs, agreed.price, trade) - alone.cost
        asks = (plans.missing > _MISSING) | ~(worse <= _ROUNDING * (1.0 + np.abs(alone.cost)))
        asks &= shares > 0.0
        if not asks.any():
            cost = float(plans.cost.sum() + (trade * (pairs.charge + 0.5 * pairs.friction * trade)).sum())
            return Contracts(trade=trade, plans=plans, shares=shares, requests=requests, cost=cost)
        times += asks
        requests += int(asks.sum())


def _bought(crowd: Crowd, pairs: TradingPairs, trade: Array) -> Array:
    """Return what each prosumer buys less what it sells, shape (T, N)."""
    return _sums(crowd, pairs.buyer, trade) - _sums(crowd, pairs.seller, trade)


def _paid(crowd: Crowd, pairs: TradingPairs, price: Array, trade: Array) -> Array:
    """Return what each prosumer pays for its trades, half of charges and frictions included, less what it is paid, shape (N,)."""
    half = 0.5 * pairs.charge * trade + 0.25 * pairs.friction * trade**2
    moved = price * trade
    paid: Array = (_sums(crowd, pairs.buyer, half + moved) + _sums(crowd, pairs.seller, half - moved)).sum(axis=0)
    return paid


def _sums(crowd: Crowd, ends: IntArray, values: Array) -> Array:
    """Return the sums of values of pairs, shape (T, K), by the prosumer at one of their ends, shape (T, N)."""
    n, n_periods, _ = crowd.rows.shape
    where = (np.arange(n_periods)[:, None] * n + ends).ravel()
    sums: Array = np.asarray(np.bincount(where, values.ravel(), n_periods * n), dtype=np.float64).reshape(n_periods, n)
    return sums
