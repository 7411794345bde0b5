"""Leaders that plan, as ``gridtoll evaluate`` names them: made from a task's training days, none of which they play."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

import numpy as np

from ...agents.optimum.standing.parts import StandingGame
from ...agents.planning.day_curve import DayCurve
from ...agents.policy import Policy
from ...agents.practice import PracticeSplit, TrainingDays
from ...envs.arrays import Array
from ...envs.community.calendar import Scenario
from ...envs.games.spec import GameSpec
from ..ground.held_out import require_not_held_out
from ..ground.rounds import training_scenarios
from ..references.curves import curves_of, games_of, proved_constant, require_one_exact_charge
from ..task import environment_of, n_charges
from ..workers import Workers


class Planner(Protocol):
    """An algorithm that plans from what is known of training days, without playing any."""

    def plan(self, days: TrainingDays) -> Policy:
        """Return the leader."""
        ...


class TaskDays:
    """What may be known of a task's training days; see :class:`~gridtoll.agents.practice.TrainingDays` for what its parts mean.

    Args:
        task: The game.
        workers: Find what is not stored.
        seed: Of everything random.

    Raises:
        ValueError: If the community is held out: nothing may be chosen there.
    """

    purpose: ClassVar = "a leader that plans"

    def __init__(self, task: GameSpec, *, workers: Workers, seed: int) -> None:
        require_not_held_out(task, self.purpose)
        self.task, self.workers, self.seed = task, workers, seed
        self.generator = np.random.default_rng(seed)
        self._game = environment_of(task).game

    @property
    def charge_cap(self) -> float:
        """Greatest charge in EUR/kWh."""
        return self._game.setting.charge_cap

    @property
    def price_level(self) -> float:
        """The community's mean price over that of the named communities."""
        return self._game.setting.community.price_level

    @property
    def n_charges(self) -> int:
        """Charges posted for a day."""
        return n_charges(self.task)

    @property
    def n_periods(self) -> int:
        """T, the periods of a day."""
        return self._game.setting.community.n_periods

    @property
    def total_load_kw(self) -> float:
        """The community's mean total load, kW."""
        return self._game.setting.community.mean_load_kw * self._game.setting.community.n_prosumers

    @property
    def n_observed(self) -> int:
        """Numbers observed before a day, or an hour."""
        return self._game.observer.size

    def scenarios(self, split: PracticeSplit) -> Sequence[Scenario]:
        """Return every training day under every price path, or the validation days."""
        return training_scenarios(self.task) if split == "train" else self._game.setting.community.scenarios(split)

    def observations(self, scenarios: Sequence[Scenario]) -> Array:
        """Return what a leader observes before each scenario, shape (D, n_observed)."""
        return np.array([self._game.observe(self._game.begin(scenario)) for scenario in scenarios])

    def curves(self, scenarios: Sequence[Scenario], *, clearings: int) -> list[DayCurve]:
        """Return what scenarios earn at every charge."""
        return curves_of(self.task, scenarios, self.workers, clearings=clearings)

    def games(self, scenarios: Sequence[Scenario]) -> list[StandingGame]:
        """Return the data of training days, each with its network, its basis and the cap."""
        require_one_exact_charge(self.task, "a forecast that is solved")
        return games_of(self.task, scenarios)

    def standing_charge(self, scenarios: Sequence[Scenario]) -> float:
        """Return the one charge in EUR/kWh that is best for all scenarios."""
        return proved_constant(self.task.day_ahead, scenarios, self.workers).charge

    def spend(self, *, clearings: int = 0) -> None:
        """Take note of clearings that a leader makes by itself: ``gridtoll evaluate`` does not report them, comparisons do."""
