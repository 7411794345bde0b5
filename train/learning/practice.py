"""A task as algorithms learn it: days, rewards, gradients and optima of its training split, with every clearing counted.

In the hourly game charges that are tried are posted again every hour, and a policy is asked every hour; a day is then 24 clearings.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Final

import numpy as np

from ...agents.fixed.day_ahead import ConstantPolicy
from ...agents.optimum.hourly_game.gradient import sequence_gradient
from ...agents.planning.day_curve import DayCurve
from ...agents.policy import Policy
from ...agents.practice import PracticeSplit, UnrolledDays
from ...envs.account.gradient import action_gradient
from ...envs.arrays import Array
from ...envs.community.calendar import Scenario
from ...envs.community.day import Day
from ...envs.errors import ClearingError
from ...envs.games.hourly import Hour
from ...envs.games.spec import GameSpec
from ...envs.games.transition import Transitions
from ...envs.market.exact.solution import Clearing
from ..ground.playing import days_led, play_days, steps_of
from ..ground.rounds import training_scenarios
from ..references.curves import curves_of, proved_constant
from ..references.optima import labels
from ..scoring.planned import TaskDays
from ..task import exact_response_of, market_of, n_steps
from ..workers import Workers

_NEARBY: Final = (1e-5, 1e-4, 1e-3)
"""How far beside charges a gradient is sought that cannot be proved at them, in charge caps."""


@dataclass(frozen=True)
class LearningCost:
    """What learning has cost.

    Attributes:
        steps: Training days played, whatever was charged.
        clearings: Market clearings that something was learned from, those of optima included.
        validation_clearings: Clearings that only chose among policies.
        seconds: Wall time.
    """

    steps: int = 0
    clearings: int = 0
    validation_clearings: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class CurvePoint:
    """One validation.

    Attributes:
        effort: What had been spent by then.
        rewards_eur: Reward of the policy on each validation day, EUR.
    """

    effort: LearningCost
    rewards_eur: tuple[float, ...]

    @property
    def validation_eur(self) -> float:
        """Mean reward on the validation days, EUR a day."""
        return float(np.mean(self.rewards_eur))


class TaskPractice(TaskDays):
    """Practice at a task; see :class:`~gridtoll.agents.practice.Practice` for what its parts mean.

    Args:
        task: The game.
        seed: Of everything random in the learning.
        folder: Of the algorithm's own files; it is made where it is missing.
        steps: Budget of training days; algorithms keep it, nothing here enforces it.
        validation_days: How many days of the validation split :meth:`validate` plays.
        workers: Find optima; the days are cleared in as many threads.
        watch: Told of every validation as it is made; what it raises ends the learning.

    Attributes:
        curve: Every validation so far, for reports.

    Raises:
        ValueError: If a name in the task is unknown or a number out of range.
    """

    purpose: ClassVar = "practice"

    def __init__(
        self,
        task: GameSpec,
        *,
        seed: int,
        folder: Path,
        steps: int,
        validation_days: int,
        workers: Workers,
        watch: Callable[[CurvePoint], object] | None = None,
    ) -> None:
        super().__init__(task, workers=workers, seed=seed)
        if steps < 1:
            raise ValueError(f"`steps` must be at least 1, got {steps}.")
        self.folder, self.steps = folder, steps
        self.curve: list[CurvePoint] = []
        self._watch = watch
        self._market = market_of(task, threads=workers.jobs)
        self._days = {
            "train": training_scenarios(task),
            "validation": self._game.setting.community.scenarios("validation", validation_days),
        }
        self._spent, self._began = LearningCost(), time.perf_counter()
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def effort(self) -> LearningCost:
        """What has been spent so far."""
        return replace(self._spent, seconds=self._spent.seconds + time.perf_counter() - self._began)

    def spend(self, *, steps: int = 0, clearings: int = 0, validation_clearings: int = 0, seconds: float = 0.0) -> None:
        """Count what an algorithm spent on clearings of its own; the time that passes meanwhile counts by itself."""
        spent = self._spent
        self._spent = LearningCost(
            spent.steps + steps, spent.clearings + clearings, spent.validation_clearings + validation_clearings, spent.seconds + seconds
        )

    def scenarios(self, split: PracticeSplit) -> Sequence[Scenario]:
        """Return the days of a split."""
        return self._days[split]

    def rewards(self, scenarios: Sequence[Scenario], charges: Array) -> Array:
        """Return the rewards of charges on their scenarios in EUR, shape (D,)."""
        posted = iter([ConstantPolicy(row) for row in np.asarray(charges, dtype=np.float64)])
        rewards = self._earned(lambda _: next(posted), scenarios)
        self.spend(steps=len(scenarios), clearings=days_led(self.task, scenarios) * n_steps(self.task))
        return rewards

    def slopes(self, scenarios: Sequence[Scenario], charges: Array) -> tuple[Array, Array]:
        """Return rewards in EUR, shape (D,), and their gradients in EUR per EUR/kWh, shape (D, C).

        Raises:
            ValueError: If the response of what clears is not known exactly.
        """
        exact_response_of(self.task)
        self._require_one_step("gradients of a day's reward")
        days, played = self._played(scenarios, charges)
        self.spend(steps=len(scenarios), clearings=len(scenarios))
        gradients = []
        for scenario, row, day, posted, clearing in zip(scenarios, charges, days, played.charges, played.clearings, strict=True):
            try:
                gradients.append(self._gradient(day, posted, clearing))
            except ClearingError:  # two kinks closer together than can be told apart
                gradients.append(self._gradient_nearby(scenario, np.asarray(row, dtype=np.float64)))
        return played.rewards_eur, np.array(gradients)

    def unrolled(self, policy: Policy, scenarios: Sequence[Scenario]) -> UnrolledDays:
        """Return days of the hourly game as a policy leads them, perturbed as it likes, with their exact gradients.

        Raises:
            ValueError: If the game is not played from hour to hour under charges that stand, or the response is not known exactly.
            ClearingError: If a day could not be cleared, or a derivative not be proved.
        """
        exact_response_of(self.task)
        if self.task.env != "hourly" or self.task.belief != "standing":
            raise ValueError(
                "gradients through a day must be those of charges that stand from hour to hour, so that `env` must be hourly and "
                f"`belief` standing, got `env` {self.task.env} and `belief` {self.task.belief}. Use first-order for a charge for the day."
            )
        states = [self._game.begin(scenario) for scenario in scenarios]
        steps = list(steps_of(self._game, self._market, [policy] * len(scenarios), states, deterministic=False))
        self.spend(steps=len(scenarios), clearings=len(scenarios) * len(steps))
        charges = np.stack([plays.charge for _, plays in steps], axis=1)
        days = [
            [Hour(each.days[row], each.cleared[row], each.outcome(row), each.states[row]) for _, each in steps]
            for row in range(len(states))
        ]
        return UnrolledDays(
            observations=np.stack([observed for observed, _ in steps], axis=1),
            charges=charges,
            rewards_eur=np.sum([plays.carried_out.rewards_eur for _, plays in steps], axis=0),
            gradients=np.array([sequence_gradient(self._game.setting, hours, row) for hours, row in zip(days, charges, strict=True)]),
        )

    def optimal_charges(self, scenarios: Sequence[Scenario]) -> Array:
        """Return the best charges in EUR/kWh, shape (D, C), and count the clearings and seconds they took, stored ones too."""
        self._require_one_step("best charges of a day")
        began = time.perf_counter()
        found = labels(self.task, scenarios, self.workers)
        waited = time.perf_counter() - began
        self.spend(clearings=sum(solved.clearings for solved in found), seconds=sum(solved.seconds for solved in found) - waited)
        return np.array([solved.charges for solved in found])

    def curves(self, scenarios: Sequence[Scenario], *, clearings: int) -> list[DayCurve]:
        """Return what scenarios earn at every charge, and count the clearings and seconds that took, stored ones too."""
        began = time.perf_counter()
        found = curves_of(self.task, scenarios, self.workers, clearings=clearings)
        waited = time.perf_counter() - began
        self.spend(clearings=sum(each.clearings for each in found), seconds=sum(each.seconds for each in found) - waited)
        return found

    def standing_charge(self, scenarios: Sequence[Scenario]) -> float:
        """Return the one charge in EUR/kWh that is best for all scenarios, and count what its proof took, a stored one too."""
        began = time.perf_counter()
        found = proved_constant(self.task.day_ahead, scenarios, self.workers)
        self.spend(clearings=found.clearings, seconds=found.seconds - (time.perf_counter() - began))
        return found.charge

    def validate(self, policy: Policy) -> float:
        """Return the mean reward of a policy on the validation days in EUR a day, and put it on the curve."""
        scenarios = self.scenarios("validation")
        rewards = self._earned(lambda _: policy, scenarios)
        self.spend(validation_clearings=days_led(self.task, scenarios) * n_steps(self.task))
        return self.note(rewards.tolist())

    def note(self, rewards_eur: Sequence[float]) -> float:
        """Put rewards on the validation days on the curve, and return their mean; their clearings are counted by who made them."""
        point = CurvePoint(self.effort, tuple(rewards_eur))
        self.curve.append(point)
        if self._watch is not None:
            self._watch(point)
        return point.validation_eur

    def _earned(self, leaders: Callable[[Scenario], Policy], scenarios: Sequence[Scenario]) -> Array:
        """Return what leaders earn on whole days in EUR, shape (D,)."""
        played = play_days(self.task, leaders, scenarios, threads=self.workers.jobs)
        return np.array([day.objective_eur for day in played])

    def _require_one_step(self, what: str) -> None:
        """Refuse what is known of days with one step alone.

        Raises:
            ValueError: If the day has several.
        """
        if self.task.env == "hourly":
            raise ValueError(
                f"{what} must be those of one announced charge, so that `env` must be day-ahead, got `env` hourly. Use an algorithm that "
                "learns from rewards, such as sac."
            )

    def _played(self, scenarios: Sequence[Scenario], charges: Array) -> tuple[list[Day], Transitions[Clearing]]:
        """Return the days, and what came of charges on them."""
        states = [self._game.begin(scenario) for scenario in scenarios]
        plays = self._game.play(self._market, states, [self._game.setting.read(row) for row in np.asarray(charges, dtype=np.float64)])
        return [state.day for state in states], plays.carried_out

    def _gradient_nearby(self, scenario: Scenario, charges: Array) -> Array:
        """Return the gradient a little beside charges at which none can be proved, for one more clearing each time."""
        errors = []
        for step in _NEARBY:
            beside = charges + step * self.charge_cap * np.where(charges < 0.5 * self.charge_cap, 1.0, -1.0)
            [day], played = self._played([scenario], beside[None])
            self.spend(clearings=1)
            try:
                return self._gradient(day, played.charges[0], played.clearings[0])
            except ClearingError as error:
                errors.append(error)
        raise errors[-1]

    def _gradient(self, day: Day, posted: Array, clearing: Clearing) -> Array:
        setting = self._game.setting
        return action_gradient(setting.tariff, setting.rules.reward_gradient(day, posted, clearing))
