"""Trades of the pairs that may trade, in place of an array for all pairs there are.

A clearing of 1,000 prosumers with 20 partners has 583,584 trades, 5 MB. As an array of shape (T, N, N) they are 192 MB, almost all of it
zeros. Such a clearing keeps what is here. It makes the array for whoever reads ``trade``, and does not keep that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...community.day import Array


@dataclass(frozen=True, eq=False)
class PairTrades:
    """Trades pair by pair.

    Attributes:
        n_prosumers: N.
        seller: Seller of each of the K pairs, shape (K,), rising.
        buyer: Its buyer, shape (K,), rising where sellers are the same.
        power_kw: What it trades, in kW, shape (T, K).
    """

    n_prosumers: int
    seller: NDArray[np.intp]
    buyer: NDArray[np.intp]
    power_kw: Array

    def dense(self) -> Array:
        """Return them as an array of shape (T, N, N), from row to column, read-only and made anew at each call."""
        whole = np.zeros((len(self.power_kw), self.n_prosumers, self.n_prosumers))
        whole[:, self.seller, self.buyer] = self.power_kw
        whole.setflags(write=False)
        return whole

    def of(self, seller: NDArray[np.intp], buyer: NDArray[np.intp]) -> Array:
        """Return what pairs trade in kW, shape (T, pairs); 0 for those not listed.

        Args:
            seller: Sellers, shape (pairs,).
            buyer: Buyers, shape (pairs,).
        """
        if np.array_equal(seller, self.seller) and np.array_equal(buyer, self.buyer):
            return self.power_kw
        listed, wanted = self.seller * self.n_prosumers + self.buyer, seller * self.n_prosumers + buyer
        place = np.minimum(np.searchsorted(listed, wanted), max(len(listed) - 1, 0))
        found = np.zeros((len(self.power_kw), len(wanted)))
        if len(listed):
            there = listed[place] == wanted
            found[:, there] = self.power_kw[:, place[there]]
        return found

    def first_periods(self, count: int) -> PairTrades:
        """Return those of the first so many periods."""
        return PairTrades(self.n_prosumers, self.seller, self.buyer, self.power_kw[:count])

    def net_kw(self) -> Array:
        """Return what each prosumer sells less what it buys, in kW, shape (T, N)."""
        sold, bought = sold_and_bought(self.n_prosumers, self.seller, self.buyer, self.power_kw)
        return sold - bought


def sold_and_bought(n_prosumers: int, seller: NDArray[np.intp], buyer: NDArray[np.intp], power: Array) -> tuple[Array, Array]:
    """Return what each prosumer sells and what it buys, shape (T, N) each; one bincount is several times faster than ``np.add.at``.

    Args:
        n_prosumers: N.
        seller: Of each pair, shape (K,).
        buyer: Of each pair, shape (K,).
        power: What it trades, shape (T, K).
    """
    shape = (len(power), n_prosumers)
    rows = np.arange(len(power))[:, None] * n_prosumers
    sold, bought = (np.bincount((rows + whose).ravel(), power.ravel(), shape[0] * shape[1]) for whose in (seller, buyer))
    return np.asarray(sold, dtype=np.float64).reshape(shape), np.asarray(bought, dtype=np.float64).reshape(shape)
