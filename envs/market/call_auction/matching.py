"""The matching of a day's orders: in each period the one that gains most, by linear programming, with multipliers that prove it.

Over asks a of sellers i, bids b of buyers j and pairs that may trade, with prices A_ia and B_jb, quantities offered Q, the charge τ_ij
and the limit P_ij of a trade, in each period

    maximise   Σ B_jb·v_jb − Σ A_ia·u_ia − Σ τ_ij·p_ij     over 0 ≤ u, v ≤ Q and 0 ≤ p ≤ P
    subject to Σ_a u_ia = Σ_j p_ij  (dual x_i)   and   Σ_b v_jb = Σ_i p_ij  (dual y_j)

Whatever x and y are, no matching gains more than

    Σ Q_ia·max(0, x_i − A_ia) + Σ Q_jb·max(0, B_jb − y_j) + Σ P_ij·max(0, y_j − x_i − τ_ij)

so that a matching that gains as much is proved to be the best (:func:`dual_bound`). HiGHS finds x and y; of the matchings that they prove
the best :mod:`.ties` takes one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ...arrays import IntArray
from ...community.day import Array, Day
from .orders import Orders
from .pairs import Pairs, best_prices, worthwhile
from .ties import best_matchings, of_least_friction, solve_linear


@dataclass(frozen=True, eq=False, kw_only=True)
class Matching:
    """Who trades how much, which orders are filled, and what proves it.

    Attributes:
        trade: p in kW, shape (T, N, N), from row to column.
        bid_filled: v in kW, shape (T, N, K).
        ask_filled: u in kW, shape (T, N, K).
        seller_price: x in EUR/kWh, shape (T, N), the charge not included.
        buyer_price: y in EUR/kWh, shape (T, N), the charge included.
    """

    trade: Array
    bid_filled: Array
    ask_filled: Array
    seller_price: Array
    buyer_price: Array


def match(day: Day, charges: Array, orders: Orders, *, power: float, price: float) -> Matching:
    """Match a day's orders.

    Args:
        day: The day.
        charges: τ in EUR/kWh, shape (T, N, N).
        orders: What was submitted.
        power: Unit of power in kW, which solvers work in.
        price: Unit of prices in EUR/kWh.

    Raises:
        ClearingError: If a solver fails.
    """
    t, n = day.n_periods, day.n_prosumers
    scaled = Orders(
        bid_price=orders.bid_price / price, bid_kw=orders.bid_kw / power, ask_price=orders.ask_price / price, ask_kw=orders.ask_kw / power
    )
    pairs = worthwhile(day, charges, scaled, power=power, price=price)
    trade = np.zeros((t, n, n))
    seller_price, buyer_price = _duals(day, scaled, pairs)
    free = best_matchings(scaled, pairs, seller_price, buyer_price)
    trade[free.pairs.period, free.pairs.seller, free.pairs.buyer] = of_least_friction(day, free)
    trade *= power
    return Matching(
        trade=trade,
        bid_filled=_filled(trade.sum(axis=1), orders.bid_kw),
        ask_filled=_filled(trade.sum(axis=2), orders.ask_kw),
        seller_price=seller_price * price,
        buyer_price=buyer_price * price,
    )


def dual_bound(day: Day, charges: Array, orders: Orders, *, seller_price: Array, buyer_price: Array) -> float:
    """Return what no matching can gain more than, in EUR, whatever the prices are.

    Args:
        day: The day.
        charges: τ in EUR/kWh, shape (T, N, N).
        orders: What was submitted.
        seller_price: x in EUR/kWh, shape (T, N).
        buyer_price: y in EUR/kWh, shape (T, N).
    """
    asks = orders.ask_kw * np.maximum(seller_price[..., None] - orders.ask_price, 0.0)
    bids = orders.bid_kw * np.maximum(orders.bid_price - buyer_price[..., None], 0.0)
    pairs = day.trade_limit * np.maximum(buyer_price[:, None, :] - seller_price[:, :, None] - charges, 0.0)
    return float(day.period_hours * (asks.sum() + bids.sum() + pairs.sum()))


def gain(day: Day, charges: Array, orders: Orders, matching: Matching) -> float:
    """Return what a matching gains by the prices of its orders, net of charges of shape (T, N, N), in EUR."""
    of_orders = (orders.bid_price * matching.bid_filled).sum() - (orders.ask_price * matching.ask_filled).sum()
    return float(day.period_hours * (of_orders - (charges * matching.trade).sum()))


def _duals(day: Day, orders: Orders, pairs: Pairs) -> tuple[Array, Array]:
    """Solve the first linear program; return x and y, both of shape (T, N)."""
    t, n = day.n_periods, day.n_prosumers
    asks, bids = best_prices(orders)
    if len(pairs) == 0:
        return _in_reach(asks, bids, asks, bids)
    ask_of, bid_of = _in_play(orders.ask_kw, pairs, pairs.seller), _in_play(orders.bid_kw, pairs, pairs.buyer)
    sold, bought = pairs.incidence(pairs.seller, n, t), pairs.incidence(pairs.buyer, n, t)
    offers, wants = _adding_up(ask_of, t, n), _adding_up(bid_of, t, n)
    rows = sparse.block_array([[sold, -offers, None], [bought, None, -wants]], format="csr")
    used = np.flatnonzero(np.diff(rows.indptr))
    # What is offered bounds a pair's trade by the rows; as a bound of its own it would take over their multipliers.
    cost = np.concatenate([pairs.charge, orders.ask_price[ask_of], -orders.bid_price[bid_of]])
    upper = np.concatenate([np.where(pairs.limited, pairs.cap, np.inf), orders.ask_kw[ask_of], orders.bid_kw[bid_of]])
    found = solve_linear(cost, np.column_stack([np.zeros_like(upper), upper]), A_eq=rows[used].tocsc(), b_eq=np.zeros(len(used)))
    multipliers = np.full(2 * t * n, np.nan)
    multipliers[used] = found.eqlin.marginals
    seller_price, buyer_price = -multipliers[: t * n].reshape(t, n), multipliers[t * n :].reshape(t, n)
    return _in_reach(asks, bids, np.where(np.isnan(seller_price), asks, seller_price), np.where(np.isnan(buyer_price), bids, buyer_price))


def _in_reach(asks: Array, bids: Array, seller_price: Array, buyer_price: Array) -> tuple[Array, Array]:
    """Return multipliers that no pair without hope breaks: x at least the lowest ask, y at most the highest bid. No bound rises by it."""
    high, low = np.max(bids[np.isfinite(bids)], initial=0.0), np.min(asks[np.isfinite(asks)], initial=0.0)
    lowest_ask, highest_bid = np.where(np.isfinite(asks), asks, high), np.where(np.isfinite(bids), bids, low)
    x = np.maximum(np.where(np.isfinite(seller_price), seller_price, high), lowest_ask)
    y = np.minimum(np.where(np.isfinite(buyer_price), buyer_price, low), highest_bid)
    return x, y


def _in_play(kw: Array, pairs: Pairs, ends: IntArray) -> tuple[NDArray[Any], ...]:
    """Return where the orders stand of those who have a pair that is worthwhile."""
    has = np.zeros(kw.shape[:2], dtype=np.bool_)
    has[pairs.period, ends] = True
    return np.nonzero((kw > 0) & has[..., None])


def _adding_up(where: tuple[NDArray[Any], ...], n_periods: int, n_prosumers: int) -> sparse.csr_array:
    period, prosumer, _ = where
    places = (period * n_prosumers + prosumer, np.arange(len(period)))
    return sparse.coo_array((np.ones(len(period)), places), shape=(n_periods * n_prosumers, len(period))).tocsr()


def _filled(total: Array, kw: Array) -> Array:
    """Return how much of each order is filled, in their order, shape (T, N, K)."""
    before = kw.cumsum(axis=-1) - kw
    filled: Array = np.clip(total[..., None] - before, 0.0, kw)
    return filled
