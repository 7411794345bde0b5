"""What the operator is rewarded with: a plain function of the settlement."""

from __future__ import annotations

from typing import Final, Literal, get_args

from ..community.day import Array
from ..errors import known_name
from .settlement import Settlement, Settlements

Objective = Literal["profit", "welfare"]
_QUANTITY: Final[dict[str, str]] = {"profit": "profit_eur", "welfare": "welfare_eur"}
"""The field of the settlement that an objective maximises."""


def check_objective(objective: str) -> Objective:
    """Return the objective that was named.

    Raises:
        ValueError: If it is unknown.
    """
    known: Objective = known_name("`objective`", objective, get_args(Objective))
    return known


def reward(settlement: Settlement, objective: Objective = "profit") -> float:
    """Return the reward of one settled day in EUR.

    Args:
        settlement: The day's settlement.
        objective: ``"profit"``, the operator's own, or ``"welfare"``, that of prosumers and operator together.

    Raises:
        ValueError: If the objective is unknown.
    """
    return float(getattr(settlement, _QUANTITY[check_objective(objective)]))


def rewards(settlements: Settlements, objective: Objective = "profit") -> Array:
    """Return the rewards of R settled days in EUR, shape (R,).

    Args:
        settlements: The days' settlements.
        objective: As for :func:`reward`.

    Raises:
        ValueError: If the objective is unknown.
    """
    earned: Array = settlements.values[_QUANTITY[check_objective(objective)]].copy()
    return earned


def gradient_weights(objective: Objective) -> dict[str, float]:
    """Return the weights under which :func:`~gridtoll.envs.account.gradient.settlement_gradient` differentiates the reward.

    Raises:
        ValueError: If the objective is unknown.
    """
    return {_QUANTITY[check_objective(objective)]: 1.0}
