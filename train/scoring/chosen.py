"""Charges chosen once on training days and posted ever after, kept in the cache: best constants, proved or of a grid, and schedules."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

import numpy as np

from ...agents.fixed.day_ahead import N_SAMPLE, BestConstant, ConstantPolicy, best_constant
from ...agents.fixed.hourly import best_schedule
from ...agents.optimum.hourly_game.search import HourlyDay
from ...envs.arrays import Array
from ...envs.community.calendar import Scenario
from ...envs.games.hourly import HourlyGame
from ...envs.games.spec import GameSpec
from ...envs.market.exact.compiled import StructuredMarket, see_to_machine_code
from ..ground.held_out import require_not_held_out
from ..ground.playing import play_days, same_for_all
from ..ground.progress import progress
from ..ground.rounds import every_training_scenario, training_scenarios
from ..references.answers import Form, look_up
from ..references.curves import ProvedConstant, proved_constant
from ..task import environment_of, n_charges
from ..workers import Workers

SCHEDULE_DAYS: Final = 16
"""Training scenarios the best schedule is found on; each costs a gradient through the day in every step."""
SCHEDULE_STEPS: Final = 25
"""Gradient steps from the best constant charge to the best schedule."""


@dataclass(frozen=True, kw_only=True)
class _Constant:
    """What is kept of a :class:`~gridtoll.agents.fixed.day_ahead.BestConstant`."""

    charges: tuple[float, ...]
    mean_profit_eur: float
    evaluations: int


@dataclass(frozen=True, kw_only=True)
class ChosenSchedule:
    """The best schedule found over a sample of training scenarios, as it is kept.

    Attributes:
        schedule: Its charges in EUR/kWh, K numbers for each hour.
        mean_goal_eur: What it earns on the sample, EUR a day.
        plans: Plans cleared.
        seconds: Wall time when it was computed.
    """

    schedule: tuple[tuple[float, ...], ...]
    mean_goal_eur: float
    plans: int
    seconds: float

    @property
    def charges(self) -> Array:
        """γ in EUR/kWh, shape (T, K)."""
        return np.array(self.schedule)


def find_best_constant(task: GameSpec, workers: Workers) -> ProvedConstant:
    """Return the one charge that is best for all training scenarios, with its proof, kept in the cache.

    Of the hourly game it is that of the day-ahead game: who stores nothing answers the same to a charge that stands all day.

    Raises:
        ValueError: If the community is held out: nothing is chosen there. Or if nothing can be proved of the game.
        ClearingError: If it could not be proved.
    """
    task = task.day_ahead if task.env == "hourly" else task
    require_not_held_out(task, "the best constant charge")
    return proved_constant(task, training_scenarios(task), workers)


def find_grid_constant(task: GameSpec, workers: Workers, *, seed: int) -> BestConstant:
    """Return the best constant charges that a grid finds over a seeded sample of ``N_SAMPLE`` training scenarios, kept in the cache.

    Nothing is proved of them; that of one charge for a day in the exact market is :func:`find_best_constant`'s.

    Of the hourly game it is that of the day-ahead game: who stores nothing answers the same to a charge that stands all day.

    Raises:
        ValueError: If the community is held out: nothing is chosen there.
    """
    task = task.day_ahead if task.env == "hourly" else task
    require_not_held_out(task, "the best constant charge of a grid")
    sample = _sample(training_scenarios(task), N_SAMPLE, seed)
    key = {**_key(task, sample), "tariff": [task.tariff, task.charges_per]}
    found, _ = look_up(Form("grid-constant", _Constant), key, lambda: _constant(task, sample, workers))
    return BestConstant(np.array(found.charges), found.mean_profit_eur, found.evaluations)


def _constant(task: GameSpec, sample: Sequence[Scenario], workers: Workers) -> _Constant:
    see_to_machine_code()
    with progress("grid constant: charges tried", None, quiet=workers.quiet, leave=False) as bar:

        def mean_profit(charges: Array) -> float:
            bar.update()
            return mean_objective(task, sample, charges, workers)

        found = best_constant(mean_profit, environment_of(task).charge_cap, n_charges(task))
    return _Constant(charges=tuple(found.charges.tolist()), mean_profit_eur=found.mean_profit_eur, evaluations=found.evaluations)


def mean_objective(task: GameSpec, scenarios: Sequence[Scenario], charges: Array, workers: Workers) -> float:
    """Return the mean reward in EUR of the same charges in EUR/kWh, shape (coefficients,), on every scenario."""
    played = play_days(task, same_for_all(ConstantPolicy(charges)), scenarios, threads=workers.jobs)
    return float(np.mean([day.objective_eur for day in played]))


def find_best_schedule(task: GameSpec, workers: Workers, *, seed: int) -> ChosenSchedule:
    """Return the best schedule found over a seeded sample of training scenarios, kept in the cache.

    It climbs from the grid's constant charge along the mean of exact gradients, as prosumers take every charge as standing. A leader whose
    schedule is announced posts the same one: it is not sought again for that belief.

    Raises:
        ValueError: If the community is held out: nothing is chosen there.
    """
    require_not_held_out(task, "the best schedule")
    sample = _sample(every_training_scenario(environment_of(task).community), SCHEDULE_DAYS, seed)
    key = {**_key(task, sample), "tariff": task.tariff, "forecast_error": task.forecast_error, "steps": SCHEDULE_STEPS, "format": 2}
    found, _ = look_up(Form("best-schedule", ChosenSchedule), key, lambda: _schedule(task, sample, workers, seed=seed))
    return found


def _schedule(task: GameSpec, sample: Sequence[Scenario], workers: Workers, *, seed: int) -> ChosenSchedule:
    began = time.perf_counter()
    game = cast(HourlyGame, environment_of(replace(task, belief="standing", information="public")).game)
    start = find_grid_constant(task, workers, seed=seed).charges
    market = StructuredMarket(threads=workers.jobs)
    found = best_schedule([HourlyDay(game, scenario, market) for scenario in sample], start, steps=SCHEDULE_STEPS)
    schedule = tuple(tuple(hour) for hour in found.schedule.tolist())
    seconds = time.perf_counter() - began
    return ChosenSchedule(schedule=schedule, mean_goal_eur=found.mean_goal_eur, plans=found.plans, seconds=seconds)


def _sample(every: Sequence[Scenario], most: int, seed: int) -> list[Scenario]:
    picked = np.random.default_rng(seed).choice(len(every), min(most, len(every)), replace=False)
    return [every[number] for number in sorted(picked)]


def _key(task: GameSpec, sample: Sequence[Scenario]) -> dict[str, Any]:
    """Return what a choice depends on, whatever is chosen."""
    environment = environment_of(task)
    return {
        "community": environment.community.content_hash,
        "scenarios": [list(scenario) for scenario in sample],
        "objective": task.objective,
        "flows": task.flows,
        "charge_cap": environment.charge_cap,
        "import_fee": task.import_fee,
    }
