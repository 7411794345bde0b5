"""Playing the days of the hourly game: all hours of many days side by side.

Episodes are single days, so that every day starts from the community's own stored energy and scores are per day.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from ...agents.policy import Policy, State
from ...envs.adapters.vector import PricingVectorEnv
from ...envs.community.calendar import Scenario
from ...envs.games.spec import GameSpec
from ..task import as_options, batch_of

Game = Literal["day-ahead", "hourly"]
ENV: Final = "hourly"
"""What ``--env`` and the configuration of a run say of this game; runs of the day-ahead game say nothing."""
_SIDE_BY_SIDE: Final = 32
"""Days played in one batch; more gain nothing once every core is busy."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PlayedDay:
    """A day as a leader played it.

    Attributes:
        charges: γ posted for each hour in EUR/kWh, shape (T, K).
        objective_eur: Sum of the rewards.
        profit_eur: The operator's profit.
        welfare_eur: Prosumers and operator together.
        worst_residual: Greatest primal or dual residual or gap of its plans, scaled.
        solver: What cleared it; several are named together.
    """

    charges: np.ndarray[Any, np.dtype[np.float64]]
    objective_eur: float
    profit_eur: float
    welfare_eur: float
    worst_residual: float
    solver: str


def play_days(
    task: GameSpec, policies: Callable[[Scenario], Policy], scenarios: Sequence[Scenario], *, threads: int | None = None
) -> list[PlayedDay]:
    """Play every scenario from its first hour to its last with the leader's deterministic charges.

    Args:
        task: The game.
        policies: The leader of a scenario: the same for all where it looks at what it observes, one each where it knows the day.
        scenarios: What to play.
        threads: Plans cleared at once.

    Raises:
        ValueError: If a leader posts charges that cannot be posted.
        ClearingError: If a plan could not be cleared.
    """
    played: list[PlayedDay] = []
    for first in range(0, len(scenarios), _SIDE_BY_SIDE):
        some = scenarios[first : first + _SIDE_BY_SIDE]
        played += _play_together(batch_of(task, len(some), threads=threads), [policies(each) for each in some], some)
    return played


def _play_together(envs: PricingVectorEnv, leaders: Sequence[Policy], scenarios: Sequence[Scenario]) -> list[PlayedDay]:
    """Play one day in each row, the leaders asked one by one."""
    rows = range(len(scenarios))
    observations, _ = envs.reset(options=as_options(scenarios))
    memories: list[State | None] = [None] * len(rows)
    start, over = np.ones(1, dtype=np.bool_), False
    posted: list[list[Any]] = [[] for _ in rows]
    sums = {name: np.zeros(len(rows)) for name in ("objective", "profit", "welfare")}
    residuals, solvers = np.zeros(len(rows)), [set[str]() for _ in rows]
    while not over:
        actions = []
        for row in rows:
            action, memories[row] = leaders[row].predict(observations[row], memories[row], start, deterministic=True)
            actions.append(action)
        observations, rewards, ended, _, infos = envs.step(np.array(actions))
        sums["objective"] += rewards
        sums["profit"] += infos["profit_eur"]
        sums["welfare"] += infos["welfare_eur"]
        residuals = np.max([residuals, infos["primal_residual"], infos["dual_residual"], infos["gap"]], axis=0)
        for row in rows:
            posted[row].append(_of_hour(envs, row, len(posted[row])))
            solvers[row].add(str(infos["solver"][row]))
        start, over = np.zeros(1, dtype=np.bool_), bool(ended.all())
    return [
        PlayedDay(
            charges=np.array(posted[row]),
            objective_eur=float(sums["objective"][row]),
            profit_eur=float(sums["profit"][row]),
            welfare_eur=float(sums["welfare"][row]),
            worst_residual=float(residuals[row]),
            solver=" ".join(sorted(solvers[row])),
        )
        for row in rows
    ]


def _of_hour(envs: PricingVectorEnv, row: int, hour: int) -> Any:
    """Return γ of the hour just played, shape (K,): under ``announced`` an action holds those of all hours."""
    charge = envs.outcome(row).charge.reshape(-1, envs.setting.tariff.n_basis)
    return charge[hour % len(charge)]
