"""The named leaders that learn nothing from what is observed, as algorithms: so that every row of a comparison comes about in one way."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from ...agents.fixed.day_ahead import N_SAMPLE, ConstantPolicy, RandomPolicy, ZeroPolicy, best_constant
from ...agents.policy import Policy
from ...agents.practice import Practice, validated
from ...envs.community.calendar import Scenario
from ..scoring.chosen import find_best_schedule
from ..scoring.leaders import require_from_hour_to_hour, schedule_policy
from .practice import TaskPractice


@dataclass(frozen=True)
class Zero:
    """No charge: the reference of normalised regret."""

    def learn(self, practice: Practice) -> Policy:
        """Return it."""
        return validated(practice, ZeroPolicy(practice.n_charges))


@dataclass(frozen=True)
class Random:
    """Charges drawn uniformly between 0 and the cap."""

    def learn(self, practice: Practice) -> Policy:
        """Return them, a validation having drawn none of theirs."""
        size, cap, seed = practice.n_charges, practice.charge_cap, practice.seed
        practice.validate(RandomPolicy(cap, size, seed=seed))
        return RandomPolicy(cap, size, seed=seed)


@dataclass(frozen=True)
class BestConstantCharge:
    """The constant charge that is proved to earn most on training days, as ``gridtoll evaluate best-constant`` has it.

    Attributes:
        days: Training scenarios in a sample drawn by the seed; 0 for all of them.
    """

    days: int = 0

    def learn(self, practice: Practice) -> Policy:
        """Return it.

        Raises:
            ValueError: If nothing can be proved of the game.
        """
        every = practice.scenarios("train")
        picked = every if self.days == 0 else _sample(practice, self.days)
        return validated(practice, ConstantPolicy(np.full(practice.n_charges, practice.standing_charge(picked))))


@dataclass(frozen=True)
class GridConstantCharge:
    """The constant charge that earns most of a grid on a sample of training days, as ``gridtoll evaluate grid-constant`` has it.

    Attributes:
        days: Training scenarios in the sample.
    """

    days: int = N_SAMPLE

    def learn(self, practice: Practice) -> Policy:
        """Return it."""
        sample = _sample(practice, self.days)
        found = best_constant(
            lambda charges: float(np.mean(practice.rewards(sample, np.tile(charges, (len(sample), 1))))),
            practice.charge_cap,
            practice.n_charges,
        )
        return validated(practice, ConstantPolicy(found.charges))


@dataclass(frozen=True)
class BestScheduleCharges:
    """One schedule of charges for all days of the hourly game, as ``gridtoll evaluate best-schedule`` has it."""

    def learn(self, practice: TaskPractice) -> Policy:
        """Return it.

        Raises:
            ValueError: If the game is not played from hour to hour.
            ClearingError: If a day could not be cleared.
        """
        require_from_hour_to_hour("best-schedule", practice.task)
        began = time.perf_counter()
        found = find_best_schedule(practice.task, practice.workers, seed=practice.seed)
        waited = time.perf_counter() - began
        practice.spend(steps=found.plans // practice.n_periods, clearings=found.plans, seconds=found.seconds - waited)
        return validated(practice, schedule_policy(practice.task, found.charges))


def _sample(practice: Practice, most: int) -> list[Scenario]:
    every = practice.scenarios("train")
    picked = np.random.default_rng(practice.seed).choice(len(every), min(most, len(every)), replace=False)
    return [every[place] for place in sorted(picked)]
