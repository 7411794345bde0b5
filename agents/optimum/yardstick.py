"""What a gap between a bound and the best charge found is measured by, stated once for every method.

A proof is as good as what it leaves open beside what is at stake. That is the greatest of what the operator is paid and pays at the best
charge: charge revenue, import fee, cost of losses and cost of overload, each by its absolute value. Revenue alone would not do: where
overload costs 77,000 EUR and charges bring in 1.40, nothing can be known to a millionth of 1.40. For welfare the day's turnover counts
as well.

Where next to nothing is at stake the yardstick is 1e-6 of the day's turnover (:attr:`gridtoll.envs.community.day.Day.turnover_eur`), which
is above 0 on every day.
"""

from __future__ import annotations

from typing import Final, Protocol

from ...envs.account.objective import Objective
from ...envs.community.day import Day
from ...envs.errors import ClearingError

LEAST_SHARE: Final = 1e-6
"""Share of the day's turnover that the yardstick of profit is at least."""
EXACTNESS: Final = 1e-9
"""Share of the day's turnover to which two evaluations of one clearing agree: no proof can say more."""


class Account(Protocol):
    """What the operator is paid and pays, in EUR: a settlement has these, and so has a response on the line."""

    @property
    def revenue_eur(self) -> float:
        """Charges collected."""

    @property
    def import_fee_eur(self) -> float:
        """Fee earned on imports."""

    @property
    def loss_cost_eur(self) -> float:
        """Paid for losses; below 0 where the community relieves the wires."""

    @property
    def overload_cost_eur(self) -> float:
        """Paid for overload."""


def yardstick_eur(day: Day, account: Account | None, objective: Objective) -> float:
    """Return what a gap is measured by, in EUR, above 0.

    Args:
        day: The day.
        account: The operator's account at the best charge; None where there is none.
        objective: What is maximised.
    """
    least = day.turnover_eur if objective == "welfare" else LEAST_SHARE * day.turnover_eur
    if account is None:
        return least
    stakes = (account.revenue_eur, account.import_fee_eur, account.loss_cost_eur, account.overload_cost_eur)
    return max(least, *(abs(stake) for stake in stakes))


def require_agreement(day: Day, proved_eur: float, recleared_eur: float, *, yardstick: float, tolerance: float) -> None:
    """Raise where what was proved at the best charges and what they earn when cleared again are not the same.

    Args:
        day: The day.
        proved_eur: The objective by the search's own account, EUR.
        recleared_eur: The same, cleared again from scratch and settled, EUR.
        yardstick: What the gap is measured by, EUR.
        tolerance: Relative gap of the proof.

    Raises:
        ClearingError: If they differ by more than the tolerance and the exactness of clearings.
    """
    allowed = tolerance * yardstick + EXACTNESS * day.turnover_eur
    if not abs(proved_eur - recleared_eur) <= allowed:
        raise ClearingError(
            f"the best charges of day {day.label!r} must earn the same when they are cleared again, to {allowed:.3g} EUR: "
            f"{proved_eur!r} EUR was proved and {recleared_eur!r} EUR came of it. The day or its grid is too badly scaled to be solved, or "
            "this is a fault of ours; please report it."
        )
