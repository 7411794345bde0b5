"""What shows that a continuous auction kept its rules: the orders as they came, what is left, and that no two of these would trade."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import IntArray
from ...community.day import Array
from ..exact.solution import KktEvidence


@dataclass(frozen=True, eq=False, kw_only=True)
class Arrived:
    """The orders of a day in the order of their arrival, M in all, with what became of them.

    Attributes:
        period: When they are for, shape (M,); all orders of a period stand together.
        owner: Whose they are, shape (M,).
        is_bid: Whether they are bids, shape (M,).
        price: In EUR/kWh, net of half the charge, shape (M,).
        limit_price: What they are worth to their owner, shape (M,): the same for truthful traders.
        kw: How much they are for, shape (M,).
        left_kw: What was left at the end of the book, shape (M,).
    """

    period: IntArray
    owner: IntArray
    is_bid: NDArray[np.bool_]
    price: Array
    limit_price: Array
    kw: Array
    left_kw: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class BookEvidence:
    """What shows that the auction kept its rules.

    Attributes:
        orders: What arrived, and what was left.
        fills: How often two orders traded.
        gain_eur: What the filled parts are worth to their owners above each other and the charges.
        left_gain_eur_per_kwh: The greatest gain that two orders left in the book could still make, net of the charge: below 0, and minus
            infinity where one side is empty.
        plans: The proof of the prosumers' programs after the auction.
    """

    orders: Arrived
    fills: int
    gain_eur: float
    left_gain_eur_per_kwh: float
    plans: KktEvidence

    def info(self) -> Mapping[str, Any]:
        """Return what an environment's ``info`` says: numbers of the auction, and those of the plans made after it."""
        return {
            "orders": len(self.orders.kw),
            "fills": self.fills,
            "gain_eur": self.gain_eur,
            "left_gain_eur_per_kwh": self.left_gain_eur_per_kwh,
            **self.plans.info(),
        }

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Return the order book in the order of arrival: the fields of :class:`Arrived` with ``order_`` before their names, shape (M,)."""
        return {f"order_{name}": getattr(self.orders, name) for name in self.orders.__dataclass_fields__}


def left_gain(orders: Arrived, charges: Array, trade: Array, limit: Array) -> float:
    """Return the greatest gain in EUR/kWh that two orders left in a book could still make, net of the charge; −inf where there are none.

    Args:
        orders: What arrived, and what was left.
        charges: τ in EUR/kWh, shape (T, N, N).
        trade: What was traded in kW, shape (T, N, N).
        limit: Greatest trade of each pair in kW, shape (N, N).
    """
    left = orders.left_kw > 0
    greatest = -np.inf
    for period in np.unique(orders.period):
        here = left & (orders.period == period)
        asks, bids = np.flatnonzero(here & ~orders.is_bid), np.flatnonzero(here & orders.is_bid)
        pairs = np.ix_(orders.owner[asks], orders.owner[bids])
        gain = orders.price[bids][None, :] - orders.price[asks][:, None] - charges[period][pairs]
        open_to_both = trade[period][pairs] < limit[pairs]
        greatest = max(greatest, float(np.max(gain, initial=-np.inf, where=open_to_both)))
    return greatest
