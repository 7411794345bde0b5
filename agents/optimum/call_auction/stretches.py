"""Where the matching of a call auction changes with the charge: all breakpoints of each period, with a proof that there are no others.

With the charge γ·B of a tariff with one coefficient, what the matching of a period gains is

    V(γ) = max over matchings q of  W(q) − γ·E(q),        W = Σ bids − Σ asks filled,   E = Σ B·p (kW),

the greatest of straight lines: convex, and between two breakpoints a line, that of one matching. A matching that is best at both ends of an
interval is best within it: its line meets V at both ends and is nowhere above, and V is nowhere above the chord. So

::

    walk(low, high):   ℓ = line of the matching at `high`, of those tied there the one with the greatest E
                       ℓ(low) = V(low)?   done: this matching is the answer to every charge in (low, high]
                       else               γ* = where the lines of `low` and `high` meet;  walk(low, γ*), walk(γ*, high)

finds every breakpoint with two matchings each (Eisner and Severance, *Journal of the ACM* 23(4), 1976). At a breakpoint several matchings
are best. The auction takes that which pays the operator most, the limit from below: a stretch is open to the left and holds its right end.
All periods are walked at once, each at a charge of its own.

The multipliers of the matchings at both ends are what proves a stretch (:mod:`.check`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from ....envs.community.day import Array, Day
from ....envs.market.call_auction.matching import Matching, match
from ....envs.market.call_auction.orders import Orders
from ....envs.market.exact.market_data import power_unit, price_unit

CLOSE: Final = 1e-10
"""Gains within this of each other are equal: a share of what the period offers at the price unit. Matchings are solved to about a tenth."""
APART: Final = 1e-12
"""Charges closer than this share of the cap are one."""
_NOBODY: Final = 1e3  # price units: a charge at which nothing is matched, for periods that have nothing left to ask


class MatchingPoint(NamedTuple):
    """The matching of one period at one charge.

    Attributes:
        charge: γ in EUR/kWh.
        energy_kw: E, what is charged, B·p in sum.
        worth: W in EUR/h, what the orders filled are worth above each other.
        trade: p in kW, shape (N, N).
        bid_filled: In kW, shape (N, K).
        ask_filled: In kW, shape (N, K).
        seller_price: x in EUR/kWh, shape (N,).
        buyer_price: y in EUR/kWh, shape (N,).
    """

    charge: float
    energy_kw: float
    worth: float
    trade: Array
    bid_filled: Array
    ask_filled: Array
    seller_price: Array
    buyer_price: Array

    def line(self, charge: float) -> float:
        """Return what this matching gains at another charge, in EUR/h."""
        return self.worth - charge * self.energy_kw


@dataclass(frozen=True, eq=False, kw_only=True)
class MatchingStretch:
    """Charges with one matching: those above ``low``'s, up to and with ``high``'s.

    Attributes:
        low: The matching at the left end, which the stretch does not hold; its multipliers are part of the proof.
        high: The matching of the whole stretch, as found at its right end.
    """

    low: MatchingPoint
    high: MatchingPoint


def stretches_of(day: Day, orders: Orders, basis: Array, *, cap: float) -> tuple[list[list[MatchingStretch]], int]:
    """Return the stretches of each period in rising order, from no charge to the cap, and how many times the day was matched.

    Args:
        day: The day.
        orders: What prosumers submit; it does not depend on the charge.
        basis: B of the one coefficient, shape (N, N).
        cap: Greatest charge in EUR/kWh.

    Raises:
        ClearingError: If a solver fails.
    """
    n_periods, unit = day.n_periods, price_unit(day)
    close = CLOSE * unit * np.maximum(orders.ask_kw.sum(axis=(1, 2)), orders.bid_kw.sum(axis=(1, 2)))
    zero, top = (_points(day, orders, basis, np.full(n_periods, charge)) for charge in (0.0, cap))
    open_: list[list[tuple[MatchingPoint, MatchingPoint]]] = [[pair] for pair in zip(zero, top, strict=True)]
    found: list[list[MatchingStretch]] = [[] for _ in range(n_periods)]
    matchings = 2
    while True:
        asked = np.full(n_periods, _NOBODY * unit)
        split: dict[int, tuple[MatchingPoint, MatchingPoint]] = {}
        for period in range(n_periods):
            _close(open_[period], found[period], close=float(close[period]), apart=APART * cap)
            if open_[period]:
                low, high = split[period] = open_[period].pop()
                asked[period] = _meeting(low, high)
        if not split:
            return [_joined(each, close=float(most)) for each, most in zip(found, close, strict=True)], matchings
        points = _points(day, orders, basis, asked)
        matchings += 1
        for period, (low, high) in split.items():
            open_[period] += [(points[period], high), (low, points[period])]


def _close(intervals: list[tuple[MatchingPoint, MatchingPoint]], found: list[MatchingStretch], *, close: float, apart: float) -> None:
    """Move what is proved to be one stretch from the end of the open intervals to what was found."""
    while intervals:
        low, high = intervals[-1]
        one = high.line(low.charge) >= low.line(low.charge) - close or high.charge - low.charge <= apart
        if not one and low.line(high.charge) < high.line(high.charge):
            if low.charge < _meeting(low, high) < high.charge:
                return
        elif not one:  # the matching of the left end does as well up to the right one, which lies a rounding beyond the breakpoint
            high = low._replace(charge=high.charge, seller_price=high.seller_price, buyer_price=high.buyer_price)
        intervals.pop()
        found.append(MatchingStretch(low=low, high=high))


def _meeting(low: MatchingPoint, high: MatchingPoint) -> float:
    """Return the charge at which two matchings gain the same."""
    return (low.worth - high.worth) / (low.energy_kw - high.energy_kw)


def _joined(stretches: list[MatchingStretch], *, close: float) -> list[MatchingStretch]:
    """Return stretches in rising order, neighbours with one line as one: the charge between them is no breakpoint."""
    joined: list[MatchingStretch] = []
    for stretch in sorted(stretches, key=lambda each: each.high.charge):
        low, high = stretch.low, stretch.high
        if joined and abs(joined[-1].high.line(joined[-1].low.charge) - high.line(joined[-1].low.charge)) <= close:
            low = joined.pop().low
        joined.append(MatchingStretch(low=low, high=high))
    return joined


def _points(day: Day, orders: Orders, basis: Array, charge: Array) -> list[MatchingPoint]:
    """Return the matching of each period at a charge of its own in EUR/kWh, shape (T,)."""
    matching = match(day, charge[:, None, None] * basis, orders, power=power_unit(day), price=price_unit(day))
    return [_point(orders, matching, basis, float(charge[period]), period) for period in range(day.n_periods)]


def _point(orders: Orders, matching: Matching, basis: Array, charge: float, period: int) -> MatchingPoint:
    bids, asks, trade = matching.bid_filled[period], matching.ask_filled[period], matching.trade[period]
    return MatchingPoint(
        charge=charge,
        energy_kw=float((basis * trade).sum()),
        worth=float((orders.bid_price[period] * bids).sum() - (orders.ask_price[period] * asks).sum()),
        trade=trade,
        bid_filled=bids,
        ask_filled=asks,
        seller_price=matching.seller_price[period],
        buyer_price=matching.buyer_price[period],
    )
