"""What an algorithm that learns a leader is given, and what it has to be.

An *algorithm* has one method, ``learn(practice) -> Policy``. Practice shows it the days of a community, plays the charges it wants to try
and tells it what they earned; every clearing made on its behalf is counted there, so that what learning cost stands beside what came of it,
whichever algorithm it was. An algorithm in full::

    @dataclass(frozen=True)
    class MeanOptimum:
        days: int = 30

        def learn(self, practice: Practice) -> Policy:
            drawn = practice.generator.permutation(len(practice.scenarios("train")))[: self.days]
            chosen = [practice.scenarios("train")[place] for place in drawn]
            policy = ConstantPolicy(practice.optimal_charges(chosen).mean(axis=0))
            practice.validate(policy)
            return policy

Test days are not among what practice shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeVar

import numpy as np

from ..envs.arrays import Array
from ..envs.community.calendar import Scenario
from .optimum.standing.parts import StandingGame
from .planning.day_curve import DayCurve
from .policy import Policy

P = TypeVar("P", bound=Policy)
PracticeSplit = Literal["train", "validation"]


@dataclass(frozen=True, eq=False, kw_only=True)
class UnrolledDays:
    """D days of the hourly game as a leader led them, hour by hour.

    Attributes:
        observations: What it observed before each hour, shape (D, T, n_observed).
        charges: What it posted in EUR/kWh, shape (D, T, C).
        rewards_eur: What the days earned, shape (D,).
        gradients: Exact derivatives of that in the charges posted, EUR per EUR/kWh, shape (D, T, C).
    """

    observations: Array
    charges: Array
    rewards_eur: Array
    gradients: Array


class TrainingDays(Protocol):
    """What may be known of a game's training days without playing charges of one's own: what planning needs.

    Attributes:
        seed: Of everything random in the learning.
        generator: Seeded with it; the algorithm's own.
        charge_cap: Greatest charge in EUR/kWh.
        price_level: The community's mean price over that of the named communities, which observations of prices are divided by.
        n_charges: C, charges posted for a day.
        n_observed: Numbers observed before a day.
        n_periods: T, the periods of a day.
        total_load_kw: P̄·N, the community's mean total load in kW, which observations of power are divided by.
    """

    @property
    def seed(self) -> int:
        """Of everything random in the learning."""
        ...

    @property
    def generator(self) -> np.random.Generator:
        """Seeded with it; the algorithm's own."""
        ...

    @property
    def charge_cap(self) -> float:
        """Greatest charge in EUR/kWh."""
        ...

    @property
    def price_level(self) -> float:
        """The community's mean price over that of the named communities."""
        ...

    @property
    def n_charges(self) -> int:
        """C, charges posted for a day."""
        ...

    @property
    def n_observed(self) -> int:
        """Numbers observed before a day."""
        ...

    @property
    def n_periods(self) -> int:
        """T, the periods of a day."""
        ...

    @property
    def total_load_kw(self) -> float:
        """What observations of power count in: the community's mean total load, kW."""
        ...

    def scenarios(self, split: PracticeSplit) -> Sequence[Scenario]:
        """Return the days of a split: every training day under every price path, or the validation days."""
        ...

    def observations(self, scenarios: Sequence[Scenario]) -> Array:
        """Return what a leader observes before each scenario, shape (D, n_observed); nothing is cleared."""
        ...

    def curves(self, scenarios: Sequence[Scenario], *, clearings: int) -> list[DayCurve]:
        """Return what each scenario earns at every charge, worked out with so many clearings of each; stored ones count as well.

        Raises:
            ValueError: If the task has more than one charge for a day, or no exact response.
            ClearingError: If a day could not be cleared.
        """
        ...

    def games(self, scenarios: Sequence[Scenario]) -> list[StandingGame]:
        """Return the data of training days, each with its network, its basis and the cap.

        Raises:
            ValueError: If the task has more than one charge for a day, or no exact response.
        """
        ...

    def spend(self, *, clearings: int = 0) -> None:
        """Count clearings that a leader makes by itself, when it learns or whenever it is asked for a charge."""
        ...

    def standing_charge(self, scenarios: Sequence[Scenario]) -> float:
        """Return the one charge in EUR/kWh that is best for all scenarios together, with the clearings it took to prove it.

        Raises:
            ValueError: If the task has more than one charge for a day, or no exact response.
            ClearingError: If it could not be proved.
        """
        ...


class Practice(TrainingDays, Protocol):
    """A game to learn: D scenarios at a time are shown or played, with C charges each.

    Attributes:
        folder: Where the algorithm may keep what lets it go on after a kill; what it wrote there before is still there.
        steps: Budget of training days: an algorithm that needs fewer stops sooner, one may end with the round it is in.
    """

    @property
    def folder(self) -> Path:
        """Where to keep what lets the algorithm go on after a kill."""
        ...

    @property
    def steps(self) -> int:
        """Budget of training days."""
        ...

    def rewards(self, scenarios: Sequence[Scenario], charges: Array) -> Array:
        """Return the reward in EUR of charges in EUR/kWh, shape (D, C), on their scenarios, shape (D,); D clearings.

        Raises:
            ValueError: If charges cannot be posted.
            ClearingError: If a day could not be cleared.
        """
        ...

    def slopes(self, scenarios: Sequence[Scenario], charges: Array) -> tuple[Array, Array]:
        """Return rewards in EUR, shape (D,), and their exact gradients in EUR per EUR/kWh, shape (D, C); D clearings.

        Raises:
            ValueError: If charges cannot be posted.
            ClearingError: If a day could not be cleared, or no one-sided derivative at a kink be proved.
        """
        ...

    def unrolled(self, policy: Policy, scenarios: Sequence[Scenario]) -> UnrolledDays:
        """Return days of the hourly game as a policy leads them, perturbed as it likes, with their exact gradients; T clearings each.

        Raises:
            ValueError: If the game is not played from hour to hour under charges that stand.
            ClearingError: If a day could not be cleared, or a derivative not be proved.
        """
        ...

    def optimal_charges(self, scenarios: Sequence[Scenario]) -> Array:
        """Return the best charges in EUR/kWh, shape (D, C), with the clearings it took to prove them.

        Raises:
            ValueError: If the task has no exact optimum.
            ClearingError: If an optimum could not be proved.
        """
        ...

    def validate(self, policy: Policy) -> float:
        """Return the mean reward in EUR a day of a policy on the validation days, and put it on the learning curve.

        These clearings are counted apart: they choose among policies, but nothing is learned from them.
        """
        ...


def validated(practice: Practice, policy: P) -> P:
    """Return a policy once it has played the validation days: one that there is no choice about."""
    practice.validate(policy)
    return policy


class Algorithm(Protocol):
    """What learns a leader. Its settings are its own: fields of a frozen dataclass, so that a plan can state them."""

    def learn(self, practice: Practice) -> Policy:
        """Return the leader it arrives at, chosen on validation days where there is a choice.

        Raises:
            ClearingError: If a day could not be cleared.
        """
        ...
