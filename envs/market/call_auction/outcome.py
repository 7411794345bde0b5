"""What a call auction makes of a day, with the order book and the proof that no matching of these orders gains more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import nan
from typing import Any, Final

from ...community.day import Array
from ..exact.solution import BY_PERIOD, KktEvidence
from .matching import Matching
from .orders import Orders

_BY_PERIOD: Final = (*(name for name in BY_PERIOD if name not in ("nodal_price", "storage_price")), "trade_price")


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


@dataclass(frozen=True, eq=False, kw_only=True)
class AuctionAllocation:
    """What prosumers do after the auction; :class:`~gridtoll.envs.market.exact.solution.Clearing` says what each array is.

    Attributes:
        trade: p in kW, shape (T, N, N): the contracts.
        trade_price: What the buyer pays the seller before charges in EUR/kWh, shape (T, N, N); 0 where nobody trades.
        evidence: The order book and its proof.
        objective_eur: What the followers' program is worth at this allocation; never below its optimum.
    """

    demand: Array
    renewable_used: Array
    grid_import: Array
    grid_export: Array
    storage_charge: Array
    storage_discharge: Array
    stored_energy: Array
    trade: Array
    trade_price: Array
    evidence: AuctionEvidence
    objective_eur: float

    @property
    def nodal_price(self) -> None:
        """None: an auction has prices of trades only."""
        return

    def first_period(self, *, objective_eur: float = nan) -> AuctionAllocation:
        """Return its first period; the evidence is that of the whole.

        Args:
            objective_eur: What the followers' program is worth in that period, which their settlement says.
        """
        rows: dict[str, Any] = {name: getattr(self, name)[:1] for name in _BY_PERIOD}
        return replace(self, stored_energy=self.stored_energy[:2], objective_eur=objective_eur, **rows)
