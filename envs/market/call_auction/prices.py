"""What matched trades are paid: one price for a period where there is one, else one for each pair.

**One price** π can hold in a period whose charge τ is the same for all pairs that may trade. Sellers then get π − τ/2 and buyers pay
π + τ/2 for every kWh. It holds if nobody whose order is filled would rather not, and nobody whose order is not would rather have it filled:

    lowest  = max(filled asks + τ/2, bids with something left − τ/2)
    highest = min(filled bids − τ/2, asks with something left + τ/2)     π = lowest + k·(highest − lowest)

An order filled in part stands on both sides, so that it is at the price. Who may trade with whom, and limits of trades, can leave no such
price (lowest > highest); then, as where charges differ, **each pair** shares what is between its orders by the k-rule:

    π_ij = A_i + τ_ij/2 + k·(B_j − A_i − τ_ij)

A_i is the mean of the seller's filled asks and B_j of the buyer's filled bids: all partners of a prosumer trade with the same mix of its
orders. B_j − A_i ≥ τ_ij wherever a best matching trades, so nobody pays more than its bids or gets less than its asks.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...community.day import Array, Day
from .matching import Matching
from .orders import Orders

_SHARE: Final = 1e-6  # of an order: what is less than that is rounding, filled or left
_TIED: Final = 1e-9  # EUR/kWh


def trade_prices(
    day: Day, charges: Array, orders: Orders, matching: Matching, *, uniform: bool, k: float
) -> tuple[Array, NDArray[np.bool_]]:
    """Return the price of each trade in EUR/kWh, shape (T, N, N), 0 where nobody trades, and which periods have one price, shape (T,).

    Args:
        day: The day.
        charges: τ in EUR/kWh, shape (T, N, N).
        orders: What was submitted.
        matching: Who trades how much.
        uniform: Whether a period may have one price.
        k: Share of what is between two orders that goes to the seller.
    """
    traded = matching.trade > 0
    asks, bids = _mean(orders.ask_price, matching.ask_filled), _mean(orders.bid_price, matching.bid_filled)
    between = bids[:, None, :] - asks[:, :, None] - charges
    price = np.where(traded, asks[:, :, None] + 0.5 * charges + k * between, 0.0)
    one_price = np.zeros(day.n_periods, dtype=np.bool_)
    for period in np.flatnonzero(traded.any(axis=(1, 2))) if uniform else ():
        charge = charges[period][day.can_trade]
        if charge.max() == charge.min():
            lowest, highest = _reach(orders, matching, int(period), 0.5 * float(charge[0]))
            if lowest <= highest + _TIED:
                price[period][traded[period]] = lowest + k * (highest - lowest)
                one_price[period] = True
    return price, one_price


def _mean(price: Array, kw: Array) -> Array:
    total = kw.sum(axis=-1)
    mean: Array = np.divide((price * kw).sum(axis=-1), total, out=np.zeros_like(total), where=total > 0)
    return mean


def _reach(orders: Orders, matching: Matching, period: int, half_charge: float) -> tuple[float, float]:
    """Return the lowest and the highest price that everybody's orders agree to in a period."""
    asks, bids = orders.ask_price[period], orders.bid_price[period]
    sold, bought = matching.ask_filled[period], matching.bid_filled[period]
    offered, wanted = orders.ask_kw[period], orders.bid_kw[period]
    lowest = max(
        np.max(asks[sold > _SHARE * offered], initial=-np.inf) + half_charge,
        np.max(bids[wanted - bought > _SHARE * wanted], initial=-np.inf) - half_charge,
    )
    highest = min(
        np.min(bids[bought > _SHARE * wanted], initial=np.inf) - half_charge,
        np.min(asks[offered - sold > _SHARE * offered], initial=np.inf) + half_charge,
    )
    return float(lowest), float(highest)
