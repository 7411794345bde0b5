"""Which hourly game is played, and playing its days: all hours of many days side by side.

An :class:`HourlyTask` is a few words and numbers, as :class:`~gridtoll.train.task.Task` is for the day-ahead game. Episodes are single
days, so that every day starts from the community's own stored energy and scores are per day.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Final, Literal

import numpy as np
from gymnasium.vector import AutoresetMode

from ...agents.policy import Policy, State
from ...envs.account.objective import Objective
from ...envs.account.settlement import Flows
from ...envs.adapters.hourly import HourlyEnv
from ...envs.adapters.hourly_vector import HourlyVectorEnv
from ...envs.community.calendar import Scenario
from ...envs.community.sources import DEFAULT_COMMUNITY
from ...envs.games.hourly import Belief
from ...envs.games.observation.observer import Information
from ...envs.market.exact.compiled import StructuredMarket
from ..task import Task, as_options

Game = Literal["day-ahead", "hourly"]
ENV: Final = "hourly"
"""What ``--env`` and the configuration of a run say of this game; runs of the day-ahead game say nothing."""
_SIDE_BY_SIDE: Final = 32
"""Days played in one batch; more gain nothing once every core is busy."""


@dataclass(frozen=True, kw_only=True)
class HourlyTask:
    """The arguments of ``gridtoll/Hourly-v0`` that say which game it is; see there.

    Attributes:
        community: Name or folder.
        tariff: What is priced.
        belief: What prosumers believe of later charges.
        forecast_error: Standard deviation of their relative errors about later hours.
        objective: What the leader is rewarded with.
        information: What the leader observes.
        flows: Which flows the operator answers for.
        charge_cap: Greatest charge in EUR/kWh, None for the community's.
        import_fee: EUR/kWh, None for the community's.
    """

    community: str = DEFAULT_COMMUNITY
    tariff: str = "distance"
    belief: Belief = "standing"
    forecast_error: float = 0.0
    objective: Objective = "profit"
    information: Information = "public"
    flows: Flows = "trades"
    charge_cap: float | None = None
    import_fee: float | None = None

    @property
    def day_ahead(self) -> Task:
        """The same game with one charge for the day, announced the day before."""
        return Task(
            community=self.community,
            tariff=self.tariff,
            objective=self.objective,
            information=self.information,
            flows=self.flows,
            charge_cap=self.charge_cap,
            import_fee=self.import_fee,
        )


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


@lru_cache(maxsize=4)
def hourly_environment_of(task: HourlyTask) -> HourlyEnv:
    """Return this process's environment of a task, cleared by the compiled kernel.

    Raises:
        ValueError: If a name in the task is unknown or a number out of range.
    """
    return HourlyEnv(solver="structured", **asdict(task))


def hourly_batch_of(task: HourlyTask, num_envs: int, *, threads: int | None = None) -> HourlyVectorEnv:
    """Return a new batched environment of a task, whose rows are reset by hand, each with a scenario.

    At most ``threads`` plans are cleared at once, as many as there are cores where it is absent.

    Raises:
        ValueError: If a name in the task is unknown or a number out of range.
    """
    arguments = asdict(task) | {"community": hourly_environment_of(task).community}
    return HourlyVectorEnv(num_envs, autoreset_mode=AutoresetMode.DISABLED, market=StructuredMarket(threads=threads), **arguments)


def play_days(
    task: HourlyTask, policies: Callable[[Scenario], Policy], scenarios: Sequence[Scenario], *, threads: int | None = None
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
        played += _play_together(hourly_batch_of(task, len(some), threads=threads), [policies(each) for each in some], some)
    return played


def _play_together(envs: HourlyVectorEnv, leaders: Sequence[Policy], scenarios: Sequence[Scenario]) -> list[PlayedDay]:
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


def _of_hour(envs: HourlyVectorEnv, row: int, hour: int) -> Any:
    """Return γ of the hour just played, shape (K,): under ``announced`` an action holds those of all hours."""
    charge = envs.outcome(row).charge.reshape(-1, envs.game.base.tariff.n_basis)
    return charge[hour % len(charge)]
