"""What the operator is rewarded with: a plain function of the settlement."""

from __future__ import annotations

from typing import Literal, cast, get_args

from .errors import unknown_name
from .settlement import Settlement

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


def reward(settlement: Settlement, objective: Objective = "profit") -> float:
    """Return the reward of one settled day in EUR.

    Args:
        settlement: The day's settlement.
        objective: ``"profit"``, the operator's own, or ``"welfare"``, that of prosumers and operator together.

    Raises:
        ValueError: If the objective is unknown.
    """
    return settlement.profit_eur if check_objective(objective) == "profit" else settlement.welfare_eur
