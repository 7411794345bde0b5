"""Hourly leaders by name. A leader is a function of the scenario: the same policy for all, or one each where it knows the day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from ...agents.fixed.day_ahead import ConstantPolicy, RandomPolicy
from ...agents.fixed.hourly import SchedulePolicy, best_schedule
from ...agents.optimum.hourly_game.search import HourlyDay
from ...agents.policy import Policy
from ...envs.community.calendar import Scenario
from ...envs.errors import unknown_name
from ...envs.games.hourly import HourlyGame
from ...envs.games.spec import GameSpec
from ...envs.market.exact.compiled import StructuredMarket
from ...envs.written import number as written_number
from ..ground.held_out import require_not_held_out
from ..ground.runs import RunFolder
from ..references.store import store, stored
from ..scoring.leaders import find_best_constant
from ..task import environment_of
from ..workers import Workers
from .learn import hourly_scenarios, hourly_training, learned_hourly_policy, n_posted
from .references import Effort, ends_of

Array = NDArray[np.float64]

HOURLY_LEADER_NAMES: Final = ("zero", "random", "constant:G", "best-constant", "best-schedule", "day-ahead", "best-found")
"""Every hourly leader known by name; anything else is a run folder."""
SCHEDULE_DAYS: Final = 16
"""Training scenarios the best schedule is found on; each costs a gradient through the day in every step."""
SCHEDULE_STEPS: Final = 25
"""Gradient steps from the best constant charge to the best schedule."""


@dataclass(frozen=True)
class HourlyLeader:
    """A leader with what reports call it.

    Attributes:
        name: What rows and tables call it.
        policies: The leader of a scenario.
        seed: Of its training where it was trained, else the one it was made with.
    """

    name: str
    policies: Callable[[Scenario], Policy]
    seed: int


def make_hourly_leader(
    text: str, task: GameSpec, scenarios: Sequence[Scenario], workers: Workers, *, seed: int, effort: Effort | None = None
) -> HourlyLeader:
    """Return the leader a name or run folder stands for.

    Args:
        text: One of ``HOURLY_LEADER_NAMES`` with a number for G, or a run folder.
        task: The game it will play.
        scenarios: What it will play; only the clairvoyants look at them, as they must.
        workers: Clear days where choosing the leader takes some.
        seed: Of random charges, and of the sample of days the best constant and the best schedule are chosen on.
        effort: How hard the best sequence is searched for.

    Raises:
        ValueError: If there is no such leader, or it does not fit the game.
    """
    policies = _named(text, task, scenarios, workers, seed=seed, effort=effort)
    if policies is not None:
        return HourlyLeader(text, policies, seed)
    path = Path(text)
    if not path.exists() and path.name == text:
        raise unknown_name("an hourly leader (or a run folder)", text, HOURLY_LEADER_NAMES)
    run = RunFolder.open(path)
    training = hourly_training(run)
    return HourlyLeader(f"{training.learner.algorithm} {run.path}", _same(learned_hourly_policy(run, task)), training.seed)


def _named(
    text: str, task: GameSpec, scenarios: Sequence[Scenario], workers: Workers, *, seed: int, effort: Effort | None
) -> Callable[[Scenario], Policy] | None:
    """Return the leader one of ``HOURLY_LEADER_NAMES`` stands for, None for anything else."""
    env, size = environment_of(task), n_posted(task)
    kind, _, number = text.partition(":")
    match kind:
        case "zero" | "constant" if (kind == "constant") == bool(number):
            return _same(ConstantPolicy(_constant(number or "0", task)))
        case "random" if not number:
            return _same(RandomPolicy(env.charge_cap, size, seed=seed))
        case "best-constant" if not number:
            charges = find_best_constant(task.day_ahead, workers, seed=seed).charges
            return _same(ConstantPolicy(np.tile(charges, size // len(charges))))
        case "best-schedule" if not number:
            schedule = find_best_schedule(task, workers, seed=seed)
            return _same(SchedulePolicy(schedule, env.observer.layout["hour"], announced=task.belief == "announced"))
        case "day-ahead" | "best-found" if not number:
            return _clairvoyant(kind, task, scenarios, workers, effort)
        case _:
            return None


def _same(policy: Policy) -> Callable[[Scenario], Policy]:
    return lambda _: policy


def _constant(number: str, task: GameSpec) -> Array:
    """Return the charges of ``constant:G``, one number standing for all coefficients, checked before anything is cleared."""
    env = environment_of(task)
    try:
        charges = np.full(n_posted(task), written_number(number))
    except ValueError:
        raise ValueError(f"a constant charge must be a number in EUR/kWh, such as constant:0.2, got constant:{number}.") from None
    env.tariff.read(charges, env.community.n_periods, env.charge_cap)
    return charges


def _clairvoyant(
    kind: str, task: GameSpec, scenarios: Sequence[Scenario], workers: Workers, effort: Effort | None
) -> Callable[[Scenario], Policy]:
    """Return the leader that posts what is best for each day as it was found: for the day, or for every hour."""
    hour, announced = environment_of(task).observer.layout["hour"], task.belief == "announced"
    k = environment_of(task).tariff.n_basis
    if kind == "day-ahead" and k != 1:
        raise ValueError(f"the day-ahead optimum must be of a tariff of one coefficient, got {task.tariff!r} with {k}.")
    policies: dict[Scenario, Policy] = {}
    for scenario, ends in zip(scenarios, ends_of(task, scenarios, workers, effort), strict=True):
        charges: Any = [ends.constant_charge] if kind == "day-ahead" else np.reshape(ends.charges, (-1, k))
        policies[scenario] = SchedulePolicy(charges, hour, announced=announced)
    return policies.__getitem__


def find_best_schedule(task: GameSpec, workers: Workers, *, seed: int) -> Array:
    """Return the best 24-hour schedule found over a seeded sample of training scenarios, kept in the cache, EUR/kWh, shape (T, K).

    It climbs from the best constant charge along the mean of exact gradients, as prosumers take every charge as standing. A leader whose
    schedule is announced posts the same one: it is not sought again for that belief.

    Raises:
        ValueError: If the community is held out: nothing is chosen there.
    """
    require_not_held_out(task.day_ahead, "the best schedule")
    env = environment_of(replace(task, belief="standing", information="public"))
    every = hourly_scenarios(task)
    picked = np.random.default_rng(seed).choice(len(every), min(SCHEDULE_DAYS, len(every)), replace=False)
    sample = [every[place] for place in sorted(picked)]
    key = {
        "community": env.community.content_hash,
        "scenarios": [list(scenario) for scenario in sample],
        "tariff": task.tariff,
        "objective": task.objective,
        "flows": task.flows,
        "charge_cap": env.charge_cap,
        "import_fee": task.import_fee,
        "forecast_error": task.forecast_error,
        "steps": SCHEDULE_STEPS,
    }
    kept = stored("best-schedule", key)
    if kept is not None:
        return np.array(kept["schedule"])
    start = find_best_constant(task.day_ahead, workers, seed=seed).charges
    market = StructuredMarket(threads=workers.jobs)
    found = best_schedule([HourlyDay(cast(HourlyGame, env.game), scenario, market) for scenario in sample], start, steps=SCHEDULE_STEPS)
    store("best-schedule", key, {"schedule": found.schedule.tolist(), "mean_goal_eur": found.mean_goal_eur, "plans": found.plans})
    return found.schedule
