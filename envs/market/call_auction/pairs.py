"""Pairs whose best orders leave something above the charge: all others trade in no best matching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ...arrays import IntArray
from ...community.day import Array, Day
from .orders import Orders

TIED: Final = 1e-9
"""Prices closer than this, in units of the day's price, are tied."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Pairs:
    """Pairs in order of period, seller and buyer, each of shape (pairs,), in the units of the day.

    A pair trades at most ``cap``; it is ``limited`` where that is its own limit, not what it offers.
    """

    period: IntArray
    seller: IntArray
    buyer: IntArray
    charge: Array
    cap: Array
    limited: NDArray[np.bool_]
    friction: Array

    def __len__(self) -> int:
        """How many pairs there are."""
        return len(self.period)

    def chosen(self, which: NDArray[np.bool_]) -> Pairs:
        """Return those of the pairs that an array of shape (pairs,) names."""
        return Pairs(**{name: getattr(self, name)[which] for name in self.__dataclass_fields__})

    def incidence(self, ends: IntArray, n_prosumers: int, n_periods: int) -> sparse.csr_array:
        """Return the matrix that adds the pairs up by period and prosumer, shape (T·N, pairs)."""
        places = (self.period * n_prosumers + ends, np.arange(len(self)))
        return sparse.coo_array((np.ones(len(self)), places), shape=(n_periods * n_prosumers, len(self))).tocsr()


def best_prices(orders: Orders) -> tuple[Array, Array]:
    """Return the lowest ask (∞ where there is none) and the highest bid (−∞) of each period and prosumer, both of shape (T, N)."""
    asks = np.where(orders.ask_kw > 0, orders.ask_price, np.inf).min(axis=-1)
    bids = np.where(orders.bid_kw > 0, orders.bid_price, -np.inf).max(axis=-1)
    return asks, bids


def worthwhile(day: Day, charges: Array, orders: Orders, *, power: float, price: float) -> Pairs:
    """Return the pairs whose best orders leave something above the charge, or are tied with it.

    Args:
        day: The day.
        charges: τ in EUR/kWh, shape (T, N, N).
        orders: In the units below.
        power: Unit of power in kW.
        price: Unit of prices in EUR/kWh.
    """
    asks, bids = best_prices(orders)
    between = bids[:, None, :] - asks[:, :, None] - charges / price
    period, seller, buyer = np.nonzero((between >= -TIED) & day.can_trade)
    offered = np.minimum(orders.ask_kw.sum(axis=-1)[period, seller], orders.bid_kw.sum(axis=-1)[period, buyer])
    limit = day.trade_limit[seller, buyer] / power
    return Pairs(
        period=period,
        seller=seller,
        buyer=buyer,
        charge=charges[period, seller, buyer] / price,
        cap=np.minimum(limit, offered),
        limited=limit < offered,
        friction=day.trade_friction[seller, buyer],
    )
