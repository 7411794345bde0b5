"""Checking that a list of stretches is complete, by weak duality: no linear program is solved, and nothing of the walk is used.

For each stretch (low, high]: its trades respect all orders and limits, so that their line W − γ·E is a gain somebody can have at every
charge. The multipliers at each end give a bound on every gain there:

    bound(γ) = Σ Q_ask·max(0, x − A) + Σ Q_bid·max(0, B − y) + Σ P·max(0, y_j − x_i − γ·B_ij)

Where the line meets the bound at both ends it is the best in between, as V is convex. Where the stretches of a period follow each other
from 0 to the cap, there is no charge that none of them answers for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from ....envs.community.day import Array, Day
from ....envs.market.call_auction.orders import Orders
from .stretches import MatchingPoint, MatchingStretch

TOLERANCE: Final = 1e-8
"""Greatest gap of a stretch at its ends, as a share of what the period offers at the greatest price."""


def gap_eur_per_h(day: Day, orders: Orders, basis: Array, stretch: MatchingStretch, period: int) -> float:
    """Return by how much a stretch's matching might be beaten within it, in EUR/h, at least 0.

    Args:
        day: The day.
        orders: What prosumers submit.
        basis: B of the one coefficient, shape (N, N).
        stretch: One of the period's.
        period: Which period.
    """
    gaps = [_bound(day, orders, basis, end, period) - stretch.high.line(end.charge) for end in (stretch.low, stretch.high)]
    return max(0.0, *gaps)


def verify(day: Day, orders: Orders, basis: Array, stretches: Sequence[Sequence[MatchingStretch]], *, cap: float) -> float:
    """Check that stretches cover every charge and that each one's matching is the best within it.

    Args:
        day: The day.
        orders: What prosumers submit.
        basis: B of the one coefficient, shape (N, N).
        stretches: Every period's, in rising order.
        cap: Greatest charge in EUR/kWh.

    Returns:
        The greatest gap found, as a share of what the period offers at the greatest price.

    Raises:
        ValueError: If charges are left out, a matching fills more than was ordered, or one may be beaten; the period and charge are named.
    """
    worst = 0.0
    for period, each in enumerate(stretches):
        offered = max(float(orders.ask_kw[period].sum()), float(orders.bid_kw[period].sum()), 1e-300)
        scale = offered * max(float(np.abs(day.import_price).max()), float(np.abs(day.export_price).max()), 1e-300)
        before = 0.0
        for stretch in each:
            if stretch.low.charge != before:
                raise ValueError(
                    f"stretches must follow each other, got one from {stretch.low.charge!r} after {before!r} in period {period}."
                )
            _require_possible(day, orders, basis, stretch.high, period, slack=1e-9 * offered)
            gap = gap_eur_per_h(day, orders, basis, stretch, period) / scale
            if not gap <= TOLERANCE:
                raise ValueError(
                    f"a stretch's matching must be the best within it, got a gap of {gap:.3g} in period {period} between the charges "
                    f"{stretch.low.charge!r} and {stretch.high.charge!r}."
                )
            worst, before = max(worst, gap), stretch.high.charge
        if before != cap:
            raise ValueError(f"stretches must reach the cap of {cap!r}, got {before!r} in period {period}.")
    return worst


def _bound(day: Day, orders: Orders, basis: Array, end: MatchingPoint, period: int) -> float:
    """Return what no matching gains more than at a point's charge, by its multipliers, in EUR/h."""
    x, y = end.seller_price, end.buyer_price
    asks = orders.ask_kw[period] * np.maximum(0.0, x[:, None] - orders.ask_price[period])
    bids = orders.bid_kw[period] * np.maximum(0.0, orders.bid_price[period] - y[:, None])
    pairs = day.trade_limit * np.maximum(0.0, y[None, :] - x[:, None] - end.charge * basis)
    return float(asks.sum() + bids.sum() + pairs.sum())


def _require_possible(day: Day, orders: Orders, basis: Array, point: MatchingPoint, period: int, *, slack: float) -> None:
    """Raise where a point's matching fills more than was ordered, trades above a limit, or is not what its line says."""
    sold, bought = point.trade.sum(axis=1), point.trade.sum(axis=0)
    worth = float(np.sum(orders.bid_price[period] * point.bid_filled) - np.sum(orders.ask_price[period] * point.ask_filled))
    dearest = max(1.0, float(np.abs(orders.bid_price[period]).max()), float(np.abs(orders.ask_price[period]).max()))
    kept = {
        "no more than was asked for": (point.ask_filled <= orders.ask_kw[period] + slack).all() and (point.ask_filled >= -slack).all(),
        "no more than was bid for": (point.bid_filled <= orders.bid_kw[period] + slack).all() and (point.bid_filled >= -slack).all(),
        "what its sellers' orders add up to": np.abs(sold - point.ask_filled.sum(axis=1)).max() <= slack,
        "what its buyers' orders add up to": np.abs(bought - point.bid_filled.sum(axis=1)).max() <= slack,
        "no more than the limits of pairs": (point.trade <= day.trade_limit + slack).all() and (point.trade >= 0).all(),
        "the energy that its line says": abs(float(np.sum(basis * point.trade)) - point.energy_kw) <= slack * max(1.0, float(basis.max())),
        "the worth that its line says": abs(worth - point.worth) <= slack * dearest,
    }
    broken = [what for what, holds in kept.items() if not holds]
    if broken:
        raise ValueError(f"a matching must trade {', '.join(broken)}; that of period {period} at charge {point.charge!r} does not.")
