"""Which game is played, and playing its days.

A :class:`Task` is a few words and numbers: it pickles, hashes and can be written into a run folder. Each process builds the environment of
a task once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from ..envs.account.objective import Objective
from ..envs.account.settlement import Flows
from ..envs.account.tariff import Period
from ..envs.adapters.day_ahead import DayAheadEnv
from ..envs.adapters.day_ahead_vector import DayAheadVectorEnv
from ..envs.community.calendar import Scenario
from ..envs.community.sources import DEFAULT_COMMUNITY
from ..envs.games.observation.observer import Information
from ..envs.market.exact.compiled import StructuredMarket


@dataclass(frozen=True, kw_only=True)
class Task:
    """The arguments of ``gridtoll/DayAhead-v0`` that say which game it is; see there.

    Attributes:
        community: Name or folder.
        tariff: What is priced.
        charges_per: How long a charge stands.
        objective: What the leader is rewarded with.
        information: What the leader observes.
        flows: Which flows the operator answers for.
        charge_cap: Greatest charge in EUR/kWh, None for the community's.
        import_fee: EUR/kWh, None for the community's.
    """

    community: str = DEFAULT_COMMUNITY
    tariff: str = "distance"
    charges_per: Period = "day"
    objective: Objective = "profit"
    information: Information = "public"
    flows: Flows = "trades"
    charge_cap: float | None = None
    import_fee: float | None = None

    def changed(self, **fields: Any) -> Task:
        """Return the task with some fields replaced."""
        return replace(self, **fields)


@dataclass(frozen=True)
class Episode:
    """One day to be played: the scenario, and the charges in EUR/kWh in the order of the action space."""

    task: Task
    scenario: Scenario
    charges: tuple[float, ...]


@dataclass(frozen=True)
class Outcome:
    """How an episode ended.

    Attributes:
        objective_eur: The environment's reward.
        profit_eur: The operator's profit.
        welfare_eur: Prosumers and operator together.
        primal_residual: Of the clearing, scaled.
        dual_residual: Of the clearing, scaled.
        gap: Of the clearing, scaled.
        solver: What cleared it.
    """

    objective_eur: float
    profit_eur: float
    welfare_eur: float
    primal_residual: float
    dual_residual: float
    gap: float
    solver: str


@lru_cache(maxsize=4)
def environment_of(task: Task) -> DayAheadEnv:
    """Return this process's environment of a task, cleared by the compiled kernel.

    Raises:
        ValueError: If a name in the task is unknown or a number out of range.
    """
    return DayAheadEnv(solver="structured", **asdict(task))


def batch_of(task: Task, num_envs: int, *, threads: int | None = None) -> DayAheadVectorEnv:
    """Return a new batched environment of a task, whose rows are reset by hand, each with a scenario (see :func:`as_options`).

    At most ``threads`` days are cleared at once, as many as there are cores where it is absent.

    Raises:
        ValueError: If a name in the task is unknown or a number out of range.
    """
    arguments = asdict(task) | {"community": environment_of(task).community}
    return DayAheadVectorEnv(num_envs, autoreset_mode=AutoresetMode.DISABLED, market=StructuredMarket(threads=threads), **arguments)


def as_options(scenarios: Sequence[Scenario]) -> dict[str, list[int]]:
    """Return the options that give each row of a batched environment its scenario."""
    return {name: [getattr(scenario, name) for scenario in scenarios] for name in Scenario._fields}


def n_charges(task: Task) -> int:
    """Return how many charges a leader posts for a day."""
    environment = environment_of(task)
    return environment.tariff.n_coefficients(environment.community.n_periods)


def observe(task: Task, scenario: Scenario) -> NDArray[Any]:
    """Return what a leader observes before the day, shape (size,)."""
    observation, _ = environment_of(task).reset(options=scenario._asdict())
    return observation


def play(episode: Episode) -> Outcome:
    """Play one day.

    Raises:
        ValueError: If the charges cannot be posted.
        ClearingError: If the market could not be cleared.
    """
    environment = environment_of(episode.task)
    environment.reset(options=episode.scenario._asdict())
    _, reward, _, _, info = environment.step(np.array(episode.charges))
    return Outcome(
        objective_eur=float(reward),
        profit_eur=info["profit_eur"],
        welfare_eur=info["welfare_eur"],
        primal_residual=info["primal_residual"],
        dual_residual=info["dual_residual"],
        gap=info["gap"],
        solver=info["solver"],
    )
