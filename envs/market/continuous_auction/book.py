"""The order book of one period after the other, compiled: what arrives trades with the best that stands, or stands itself.

Bids and asks are net of half the charge, as prosumers submit them. An order that arrives looks through the other side for the counterpart
whose price net of the pair's charge τ is best, and of equal ones for the one that stands longest:

    a bid b of prosumer j takes the ask of least a_i + τ_ij, if that is at most b      π = a_i + τ_ij/2
    an ask a of prosumer i takes the bid of greatest b_j − τ_ij, if that is at least a  π = b_j − τ_ij/2

The price π is that of the standing order: its owner gets exactly what it asked for, or pays exactly what it bid. The trade is the smaller
of what both have left and of what the limit of the pair leaves. This goes on until nothing fits; what remains of the order then stands in
the book, with its price and its place in time. An order is never taken out and put in again, so that no one offers more than it has.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ...arrays import IntArray
from ...community.day import Array


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def run_book(  # noqa: PLR0917 - compiled functions take no keywords
    owner: IntArray,
    is_bid: NDArray[np.bool_],
    price: Array,
    kw: Array,
    charge: Array,
    limit: Array,
    rest: Array,
    trade: Array,
    paid: Array,
) -> int:
    """Run the book of one period; orders are in the order of their arrival.

    Args:
        owner: Prosumer of each order, shape (M,).
        is_bid: Whether it is a bid, shape (M,).
        price: In EUR/kWh, shape (M,).
        kw: How much, shape (M,).
        charge: τ in EUR/kWh, shape (N, N), from seller to buyer.
        limit: Greatest trade of each pair in kW, shape (N, N).
        rest: Takes what is left of each order in kW, shape (M,).
        trade: Takes what is traded in kW, shape (N, N), from seller to buyer; begins at 0.
        paid: Takes the sum of power times price of each pair in EUR/h, shape (N, N); begins at 0.

    Returns:
        Number of fills.
    """
    fills = 0
    standing = np.empty(len(owner), dtype=np.int64)  # of both sides, in order of arrival
    n_standing = 0
    for new in range(len(owner)):
        rest[new] = kw[new]
        me = owner[new]
        while rest[new] > 0.0:
            best, best_worth = -1, -np.inf
            for at in range(n_standing):
                other = standing[at]
                if is_bid[other] == is_bid[new]:
                    continue
                you = owner[other]
                seller, buyer = (you, me) if is_bid[new] else (me, you)
                if trade[seller, buyer] >= limit[seller, buyer]:
                    continue
                # what the new order gains by it per kWh, written alike for both sides so that mirrored books have mirrored bits
                if is_bid[new]:
                    worth = price[new] - (price[other] + charge[seller, buyer])
                else:
                    worth = (price[other] - charge[seller, buyer]) - price[new]
                if worth >= 0.0 and worth > best_worth:
                    best, best_worth = at, worth
            if best < 0:
                break
            other = standing[best]
            you = owner[other]
            seller, buyer = (you, me) if is_bid[new] else (me, you)
            room = limit[seller, buyer] - trade[seller, buyer]
            q = min(rest[new], rest[other], room)
            half = 0.5 * charge[seller, buyer]
            paid[seller, buyer] += q * (price[other] + half if is_bid[new] else price[other] - half)
            trade[seller, buyer] = limit[seller, buyer] if q == room else trade[seller, buyer] + q
            rest[new] -= q
            rest[other] -= q
            fills += 1
            if rest[other] == 0.0:
                n_standing -= 1
                for at in range(best, n_standing):
                    standing[at] = standing[at + 1]
        if rest[new] > 0.0:
            standing[n_standing] = new
            n_standing += 1
    return fills
