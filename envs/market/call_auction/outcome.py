"""What shows that a call auction kept its rules: the order book, and the proof that no matching of these orders gains more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...community.day import Array
from ..exact.solution import KktEvidence
from .matching import Matching
from .orders import Orders


@dataclass(frozen=True, eq=False, kw_only=True)
class AuctionEvidence:
    """What shows that the auction kept its rules.

    Attributes:
        orders: What was submitted, for the whole day.
        matching: What was filled, and the multipliers that prove it the best.
        gain_eur: What the orders filled are worth above each other and the charges.
        gain_bound_eur: What no matching of these orders gains more than, by the multipliers.
        matching_gap: The difference, as a share of the day's turnover.
        one_price_periods: Periods in which all trades have one price.
        plans: The proof of the prosumers' programs after the auction.
    """

    orders: Orders
    matching: Matching
    gain_eur: float
    gain_bound_eur: float
    matching_gap: float
    one_price_periods: int
    plans: KktEvidence

    def info(self) -> Mapping[str, Any]:
        """Return what an environment's ``info`` says: numbers of the auction, and those of the plans made after it."""
        return {
            "gain_eur": self.gain_eur,
            "gain_bound_eur": self.gain_bound_eur,
            "matching_gap": self.matching_gap,
            "one_price_periods": self.one_price_periods,
            **self.plans.info(),
        }

    def arrays(self) -> Mapping[str, Array]:
        """Return the order book, in EUR/kWh and kW: each step and what was filled of it, shape (T, N, K), and multipliers, shape (T, N)."""
        orders, matching = self.orders, self.matching
        return {
            "bid_price": orders.bid_price,
            "bid_kw": orders.bid_kw,
            "bid_filled_kw": matching.bid_filled,
            "ask_price": orders.ask_price,
            "ask_kw": orders.ask_kw,
            "ask_filled_kw": matching.ask_filled,
            "seller_price": matching.seller_price,
            "buyer_price": matching.buyer_price,
        }
