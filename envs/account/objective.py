"""What the operator is rewarded with: a plain function of the settlement."""

from __future__ import annotations

from typing import Literal, cast, get_args

from ..community.day import Array
from ..errors import unknown_name
from .settlement import Settlement, Settlements

Objective = Literal["profit", "welfare"]


def check_objective(objective: str) -> Objective:
    """Return the objective that was named.

    Raises:
        ValueError: If it is unknown.
    """
    for known in get_args(Objective):
        if objective == known:
            return cast(Objective, known)
    raise unknown_name("`objective`", objective, get_args(Objective))


def _quantity(objective: str) -> str:
    """Return the name of the settlement's field that an objective maximises."""
    return f"{check_objective(objective)}_eur"


def reward(settlement: Settlement, objective: Objective = "profit") -> float:
    """Return the reward of one settled day in EUR.

    Args:
        settlement: The day's settlement.
        objective: ``"profit"``, the operator's own, or ``"welfare"``, that of prosumers and operator together.

    Raises:
        ValueError: If the objective is unknown.
    """
    return float(getattr(settlement, _quantity(objective)))


def rewards(settlements: Settlements, objective: Objective = "profit") -> Array:
    """Return the rewards of R settled days in EUR, shape (R,).

    Args:
        settlements: The days' settlements.
        objective: As for :func:`reward`.

    Raises:
        ValueError: If the objective is unknown.
    """
    earned: Array = settlements.values[_quantity(objective)].copy()
    return earned


def gradient_weights(objective: Objective) -> dict[str, float]:
    """Return the weights under which :func:`~gridtoll.envs.account.gradient.settlement_gradient` differentiates the reward.

    Raises:
        ValueError: If the objective is unknown.
    """
    return {_quantity(objective): 1.0}
