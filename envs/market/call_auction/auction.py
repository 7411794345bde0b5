"""The call auction, charge-aware: one gate closure before the day, one matching for each period.

::

    1  plan alone   each prosumer solves its own day without trades, storage included
    2  submit       for each period a stepwise curve of bids and one of asks along its own marginal value    (orders)
    3  match        the operator maximises Σ (bid − ask − τ_ij)·q_ij in each period                         (matching)
    4  price        one price in a period where one holds, else the k-rule for each pair                    (prices)
    5  re-plan      each prosumer solves its day again, with its contracts fixed

**Promised.** Nobody ends worse off than without trades. Energy balances, payments sum to zero, and the operator is paid Στp. No matching of
the orders gains more, which :class:`.outcome.AuctionEvidence` proves. Prosumers who are alike are treated alike, whatever their numbers.

**Not promised.** The optimum of the prosumers' joint program. Storage is planned before anybody knows the trades. Orders are steps, net of
the most friction that can be. Nobody bids below the retail price it could sell at, which rules out exports through other prosumers'
connections. Trades are piecewise constant in the charge: there are no gradients, and the certified search for the operator's optimum
(which needs :class:`~gridtoll.envs.market.mechanism.ExactResponse`) does not apply.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeVar, get_args

from ...community.day import Array, Day
from ...errors import ClearingError, known_name
from ..exact.market_data import power_unit, price_unit, read_charges_of
from ..exact.solution import Clearing
from ..mechanism import Allocated, Evidence
from .orders import orders_of
from .outcome import AuctionEvidence
from .plans import plan_alone, plan_with_contracts

E = TypeVar("E", bound=Evidence)

NAME: Final = "call-auction"
Pricing = Literal["uniform", "pair"]
MATCHING_TOLERANCE: Final = 1e-9
"""Greatest gap of a matching, as a share of the day's turnover."""


@dataclass(frozen=True, kw_only=True)
class CallAuction:
    """The call auction as a mechanism; ``"call-auction:steps=5,pricing=pair"`` makes one.

    Attributes:
        steps: K, steps of each prosumer's curve in a period.
        pricing: ``"uniform"``: one price in every period in which one holds, the k-rule for each pair in the others; ``"pair"``: always
            the k-rule.
        k: Share of what is between two orders that goes to the seller.
    """

    steps: int = 5
    pricing: Pricing = "uniform"
    k: float = 0.5

    def __post_init__(self) -> None:
        """Check the parameters.

        Raises:
            ValueError: If one is out of range.
        """
        steps: object = self.steps  # they may come from the command line
        if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
            raise ValueError(f"`steps` of {NAME} must be a whole number from 1, got {self.steps!r}.")
        known_name(f"`pricing` of {NAME}", self.pricing, get_args(Pricing))
        k: object = self.k
        if not isinstance(k, int | float) or not 0.0 <= k <= 1.0:
            raise ValueError(f"`k` of {NAME} must be a number from 0 to 1, got {self.k!r}.")

    def clear_many(self, days: Sequence[Day], charges: Array | Sequence[Array]) -> list[Allocated[AuctionEvidence]]:
        """Hold the auction of each day; see :class:`~gridtoll.envs.market.mechanism.Mechanism`.

        Raises:
            ValueError: If charges are not valid, or there are not as many as days.
            ClearingError: If a day cannot be cleared.
        """
        return list(map(self._clear, days, read_charges_of(days, charges)))

    def _clear(self, day: Day, charges: Array) -> Allocated[AuctionEvidence]:
        from .matching import dual_bound, gain, match  # noqa: PLC0415 - SciPy's and Clarabel's solvers load slowly, and only here
        from .prices import trade_prices  # noqa: PLC0415

        orders = orders_of(day, plan_alone(day), self.steps)
        matching = match(day, charges, orders, power=power_unit(day), price=price_unit(day))
        gained = gain(day, charges, orders, matching)
        bound = dual_bound(day, charges, orders, seller_price=matching.seller_price, buyer_price=matching.buyer_price)
        gap = (bound - gained) / day.turnover_eur
        if not abs(gap) <= MATCHING_TOLERANCE:
            raise ClearingError(
                f"the matching of day {day.label!r} must be proved to {MATCHING_TOLERANCE:g} of the turnover, and its gap is {gap:.3g}."
            )
        uniform = self.pricing == "uniform"
        price, one_price = trade_prices(day, charges, orders, matching, uniform=uniform, k=self.k)
        sold = matching.trade.sum(axis=2) - matching.trade.sum(axis=1)
        plan = plan_with_contracts(day, sold)
        evidence = AuctionEvidence(
            orders=orders,
            matching=matching,
            gain_eur=gained,
            gain_bound_eur=bound,
            matching_gap=gap,
            one_price_periods=int(one_price.sum()),
            plans=plan.evidence,
        )
        return allocation(day, charges, plan, trade=matching.trade, price=price, evidence=evidence)


def allocation(day: Day, charges: Array, plan: Clearing, *, trade: Array, price: Array, evidence: E) -> Allocated[E]:
    """Return what an auction made of a day.

    Args:
        day: The day.
        charges: τ in EUR/kWh, shape (T, N, N).
        plan: What prosumers do with their contracts fixed.
        trade: What is traded in kW, shape (T, N, N).
        price: At which price in EUR/kWh, shape (T, N, N).
        evidence: What shows that the auction kept its rules.
    """
    for array in (plan.demand, trade, price):
        array.setflags(write=False)
    return Allocated(
        demand=plan.demand,
        renewable_used=plan.renewable_used,
        grid_import=plan.grid_import,
        grid_export=plan.grid_export,
        storage_charge=plan.storage_charge,
        storage_discharge=plan.storage_discharge,
        stored_energy=plan.stored_energy,
        trade=trade,
        trade_price=price,
        evidence=evidence,
        objective_eur=_objective(day, charges, plan, trade),
    )


def _objective(day: Day, charges: Array, plan: Clearing, trade: Array) -> float:
    """Return what the followers' program of the day is worth at an allocation, in EUR."""
    bought, sold = plan.grid_import, plan.grid_export
    value = (
        (0.5 * day.utility_curvature * plan.demand**2 - day.utility_slope * plan.demand).sum()
        + (day.own_import_price * bought - day.own_export_price * sold).sum()
        + 0.5 * (day.grid_friction * (bought**2 + sold**2)).sum()
        + 0.5 * (day.storage_wear * (plan.storage_charge**2 + plan.storage_discharge**2)).sum()
        + (charges * trade).sum()
        + 0.5 * (day.trade_friction * trade**2).sum()
    )
    return float(day.period_hours * value)
