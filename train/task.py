"""Playing the days of a game: a task is a :class:`~gridtoll.envs.games.spec.GameSpec`, and each process builds its environment once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, cast

from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from ..envs.account.objective import require_exact
from ..envs.adapters.day_ahead import DayAheadEnv
from ..envs.adapters.hourly import HourlyEnv
from ..envs.adapters.pricing import PricingEnv
from ..envs.adapters.vector import PricingVectorEnv
from ..envs.community.calendar import Scenario
from ..envs.games.spec import GameSpec
from ..envs.grid.power_flow import is_linear, require_linear
from ..envs.market.exact.compiled import StructuredMarket
from ..envs.market.mechanism import EXACT, ExactResponse, Mechanism, read_mechanism


@lru_cache(maxsize=8)
def environment_of(task: GameSpec) -> PricingEnv:
    """Return this process's environment of a task, the exact market cleared by the compiled kernel.

    Raises:
        ValueError: If a name in the task is unknown or a number out of range.
    """
    kinds: dict[str, type[PricingEnv]] = {kind.game_name: kind for kind in (DayAheadEnv, HourlyEnv)}
    return kinds[task.env](**task.arguments(), solver="structured" if task.mechanism == EXACT else None)


def market_of(task: GameSpec, *, threads: int | None = None) -> Mechanism[Any]:
    """Return what clears many of a task's days at once: a new market of so many threads where it is the exact one, else the process's own.

    Raises:
        ValueError: If a name in the task is unknown or a number out of range.
    """
    return StructuredMarket(threads=threads) if task.mechanism == EXACT else environment_of(task).mechanism


def batch_of(task: GameSpec, num_envs: int, *, threads: int | None = None) -> PricingVectorEnv:
    """Return a new batched environment of a task, whose rows are reset by hand, each with a scenario (see :func:`as_options`).

    At most ``threads`` days are cleared at once, as many as there are cores where it is absent.

    Raises:
        ValueError: If a name in the task is unknown or a number out of range.
    """
    arguments = task.arguments() | {"community": environment_of(task).community, "mechanism": market_of(task, threads=threads)}
    return PricingVectorEnv(num_envs, env=task.env, autoreset_mode=AutoresetMode.DISABLED, **arguments)


def is_provable(task: GameSpec) -> bool:
    """Return whether optima of a task can be proved: the exact market clears, and the linear power flow says what flows."""
    return read_mechanism(task.mechanism)[0] == EXACT and has_linear_flow(task)


def has_linear_flow(task: GameSpec) -> bool:
    """Return whether the linear power flow of the network says what flows."""
    power_flow = environment_of(task).setting.rules.power_flow
    return power_flow is None or is_linear(power_flow)


def exact_market_of(task: GameSpec) -> ExactResponse:
    """Return what clears a task's days in this process, where something can be proved of their optima.

    Raises:
        ValueError: As :func:`exact_response_of`, or if another objective than profit or welfare is maximised.
    """
    require_exact(task.objective)
    return exact_response_of(task)


def exact_response_of(task: GameSpec) -> ExactResponse:
    """Return what clears a task's days in this process, where its response and its gradients are known exactly.

    Raises:
        ValueError: If another mechanism clears, or another power flow than the linear one says what flows.
    """
    name, _ = read_mechanism(task.mechanism)
    if name != EXACT:
        raise ValueError(
            f"exact optima and gradients need `mechanism` {EXACT!r}, whose response is known exactly, got {task.mechanism!r}. "
            "Leave `mechanism` out. Or leave the method to `gridtoll optimum`, and learn from what is played alone, as 'sac', "
            "'response' and 'constant-search' do."
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
