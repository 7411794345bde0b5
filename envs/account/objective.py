"""What the operator is rewarded with: the protocol, and the two objectives that come with the package.

An objective is a number in EUR that is made of a settlement's quantities. Others register under names of their own
(:func:`register_objective`), and are then known to games, the command line and plan files. What is needed beyond the reward is asked for by
name: gradients need the ``weights`` of quantities that sum to it, and exact optima are made for :data:`ExactObjective` alone
(:func:`require_exact`).

==============  =====================================  ==================================================================================
objective       value                                  what a gap between a bound and the best charges is measured by
==============  =====================================  ==================================================================================
``"profit"``    the operator's own profit              what the operator is paid and pays, but at least 1e-6 of the day's turnover
``"welfare"``   that of prosumers and operator         the same, but at least the day's turnover
==============  =====================================  ==================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final, Literal, Protocol

from ..community.day import Day
from ..registry import Registry
from .settlement import Settlement

ExactObjective = Literal["profit", "welfare"]
"""What exact optima are made for."""
LEAST_SHARE: Final = 1e-6
"""Share of the day's turnover that the yardstick of profit is at least."""


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


class Objective(Protocol):
    """Anything a leader may be rewarded with."""

    @property
    def value(self) -> Callable[[Mapping[str, Any]], Any]:
        """Returns the reward in EUR of settlement quantities by name.

        They are those of one day, or of R days with an axis of length R in front of each; the reward is one number, or of shape (R,). What
        comes of a day may not depend on the others.
        """
        ...

    @property
    def weights(self) -> Mapping[str, float] | None:
        """Weights of settlement quantities that sum to the reward; None where it is no such sum, and has no gradient then."""
        ...

    def yardstick_eur(self, day: Day, account: Account | None) -> float:
        """Return what a gap between a bound and the best charges is measured by, in EUR, above 0.

        Args:
            day: The day.
            account: The operator's account at the best charges; None where there is none.
        """
        ...


@dataclass(frozen=True)
class Quantity:
    """One quantity of the settlement as an objective.

    A proof is as good as what it leaves open beside what is at stake. That is the greatest of what the operator is paid and pays at the
    best charge: charge revenue, import fee, cost of losses and cost of overload, each by its absolute value. Revenue alone would not do:
    where overload costs 77,000 EUR and charges bring in 1.40, nothing can be known to a millionth of 1.40.

    Attributes:
        name: Which.
        least_share: Share of the day's turnover (:attr:`~gridtoll.envs.community.day.Day.turnover_eur`, above 0 on every day) that the
            yardstick is at least.
    """

    name: str
    least_share: float
    value: Callable[[Mapping[str, Any]], Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Read the quantity without a function of ours: every step does."""
        object.__setattr__(self, "value", itemgetter(self.name))

    @property
    def weights(self) -> Mapping[str, float]:
        """Its own weight is 1."""
        return {self.name: 1.0}

    def yardstick_eur(self, day: Day, account: Account | None) -> float:
        """Return what a gap is measured by in EUR; see :class:`Objective`."""
        return at_stake_eur(account, least=self.least_share * day.turnover_eur)


def at_stake_eur(account: Account | None, *, least: float) -> float:
    """Return the greatest of what an operator is paid and pays, by its absolute value, but at least ``least``; all in EUR."""
    if account is None:
        return least
    return max(least, *map(abs, (account.revenue_eur, account.import_fee_eur, account.loss_cost_eur, account.overload_cost_eur)))


OBJECTIVES: Final[Registry[Objective]] = Registry("objective")
"""Every objective by name."""


def register_objective(name: str, objective: Objective) -> None:
    """Make an objective known under a name.

    Args:
        name: Letters, digits and hyphens: what ``objective`` says.
        objective: What it is.

    Raises:
        ValueError: If the name cannot be one, or another objective has it.
    """
    OBJECTIVES.register(name, objective)


def require_exact(objective: str) -> ExactObjective:
    """Return the name of an objective that exact optima are made for.

    Raises:
        ValueError: If it is unknown, or another.
    """
    match OBJECTIVES.known(objective):
        case "profit":
            return "profit"
        case "welfare":
            return "welfare"
        case _:
            raise ValueError(
                f"exact optima and bounds are made for the objectives 'profit' and 'welfare', got {objective!r}. Search by playing, as "
                "`gridtoll train` does, or choose one of these two."
            )


def reward(settlement: Settlement, objective: str = "profit") -> float:
    """Return the reward of one settled day in EUR.

    Args:
        settlement: The day's settlement.
        objective: Name of the objective.

    Raises:
        ValueError: If the objective is unknown.
    """
    return float(OBJECTIVES[objective].value(vars(settlement)))


def of_both(objective: str, *, profit_eur: float, welfare_eur: float) -> float:
    """Return what an objective makes of a profit and a welfare in EUR, where no more is kept of a settlement."""
    return float(OBJECTIVES[objective].value({"profit_eur": profit_eur, "welfare_eur": welfare_eur}))


def gradient_weights(objective: str) -> Mapping[str, float]:
    """Return the weights under which :func:`~gridtoll.envs.account.gradient.settlement_gradient` differentiates the reward.

    Raises:
        ValueError: If the objective is unknown, or no weighted sum of settlement quantities.
    """
    weights = OBJECTIVES[objective].weights
    if weights is None:
        raise ValueError(
            f"gradients need an objective that is a weighted sum of settlement quantities, and {objective!r} has no `weights`. Learn from "
            "rewards alone, or state them."
        )
    return weights


register_objective("profit", Quantity("profit_eur", least_share=LEAST_SHARE))
register_objective("welfare", Quantity("welfare_eur", least_share=1.0))
