"""Playing the days of a game: a task is a :class:`~gridtoll.envs.games.spec.GameSpec`, and each process builds its environment once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from ..envs.adapters.day_ahead import DayAheadEnv
from ..envs.adapters.hourly import HourlyEnv
from ..envs.adapters.pricing import PricingEnv
from ..envs.adapters.vector import PricingVectorEnv
from ..envs.community.calendar import Scenario
from ..envs.games.spec import GameSpec
from ..envs.grid.power_flow import require_linear
from ..envs.market.exact.compiled import StructuredMarket
from ..envs.market.mechanism import EXACT, ExactResponse, read_mechanism


@dataclass(frozen=True)
class Episode:
    """One day to be played: the scenario, and the charges in EUR/kWh in the order of the action space."""

    task: GameSpec
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
def environment_of(task: GameSpec) -> PricingEnv:
    """Return this process's environment of a task, the exact market cleared by the compiled kernel.

    Raises:
        ValueError: If a name in the task is unknown or a number out of range.
    """
    return _environment(task, solver="structured" if task.mechanism == EXACT else None)


def _environment(task: GameSpec, **machine: Any) -> PricingEnv:
    kinds: dict[str, type[PricingEnv]] = {kind.game_name: kind for kind in (DayAheadEnv, HourlyEnv)}
    return kinds[task.env](**task.arguments(), **machine)


def batch_of(task: GameSpec, num_envs: int, *, threads: int | None = None) -> PricingVectorEnv:
    """Return a new batched environment of a task, whose rows are reset by hand, each with a scenario (see :func:`as_options`).

    At most ``threads`` days are cleared at once, as many as there are cores where it is absent.

    Raises:
        ValueError: If a name in the task is unknown or a number out of range.
    """
    arguments = task.arguments() | {"community": environment_of(task).community}
    if task.mechanism == EXACT:
        arguments["mechanism"] = StructuredMarket(threads=threads)
    return PricingVectorEnv(num_envs, env=task.env, autoreset_mode=AutoresetMode.DISABLED, **arguments)


def exact_market_of(task: GameSpec) -> ExactResponse:
    """Return what clears a task's days in this process, where that is the exact market.

    Raises:
        ValueError: If another mechanism clears, or another power flow than the linear one says what flows: nothing can be proved of an
            optimum then.
    """
    name, _ = read_mechanism(task.mechanism)
    if name != EXACT:
        raise ValueError(
            f"exact optima and gradients need `mechanism` {EXACT!r}, whose response is known exactly, got {task.mechanism!r}. "
            "Search by playing, or leave `mechanism` out."
        )
    environment = environment_of(task)
    if (power_flow := environment.setting.rules.power_flow) is not None:
        require_linear(power_flow)
    return cast(ExactResponse, environment.mechanism)


def as_options(scenarios: Sequence[Scenario]) -> dict[str, list[int]]:
    """Return the options that give each row of a batched environment its scenario."""
    return {name: [getattr(scenario, name) for scenario in scenarios] for name in Scenario._fields}


def n_charges(task: GameSpec) -> int:
    """Return how many charges a leader posts in a step of a day."""
    return environment_of(task).setting.n_charges


def n_steps(task: GameSpec) -> int:
    """Return how many times a leader posts charges in a day."""
    return environment_of(task).community.n_periods if task.env == "hourly" else 1


def observe(task: GameSpec, scenario: Scenario) -> NDArray[Any]:
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
