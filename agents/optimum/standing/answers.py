"""What is found out about one charge for many days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ....envs.account.objective import ExactObjective
from .risk import Risk


@dataclass(frozen=True, kw_only=True)
class StandingAccount:
    """What the operator is paid and pays on average on a day at one charge, and what all have of it, in EUR.

    Attributes:
        charge: EUR/kWh.
        profit_eur: The operator's profit.
        welfare_eur: Of prosumers and operator.
        revenue_eur: Charges collected.
        import_fee_eur: Fee on imports.
        loss_cost_eur: Paid for losses.
        overload_cost_eur: Paid for overload.
        secure_share: The weight of the days on which every branch keeps within its limit.
    """

    charge: float
    profit_eur: float
    welfare_eur: float
    revenue_eur: float
    import_fee_eur: float
    loss_cost_eur: float
    overload_cost_eur: float
    secure_share: float


SETTLED: Final = (*(name for name in StandingAccount.__dataclass_fields__ if name.endswith("_eur")), "network_secure")
"""What is known of each day that was settled, as a settlement names it."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Standing:
    """The best charge of many days.

    Attributes:
        charge: EUR/kWh.
        objective: What is greatest at it.
        risk: Of its distribution over the days, what counts.
        account: Means over the days at it, cleared again and settled.
        value_eur: What is greatest: the mean of the objective over the days, or over the worst part of them.
        upper_bound_eur: No charge in [0, cap] takes it higher, EUR per day.
        relative_gap: (upper bound − value) over what is at stake, as for one day (:mod:`gridtoll.envs.account.objective`), in means.
        clearings: Market clearings used in all so far, those of other questions about the same days included.
        seconds: Wall time of this question.
        parts: Parts of the proof.
    """

    charge: float
    objective: ExactObjective
    risk: Risk
    account: StandingAccount
    value_eur: float
    upper_bound_eur: float
    relative_gap: float
    clearings: int
    seconds: float
    parts: int
