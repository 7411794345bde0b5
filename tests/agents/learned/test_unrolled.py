"""The leader that climbs exact gradients through whole days: it learns from each hour's slope, and what it is told is the game's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from gridtoll.agents.fixed.hourly import SchedulePolicy
from gridtoll.agents.learned.unrolled import HourPolicy, Unrolled
from gridtoll.agents.optimum.hourly_game.search import HourlyDay
from gridtoll.agents.policy import Policy
from gridtoll.agents.practice import Practice, UnrolledDays
from gridtoll.envs.arrays import Array
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.market.exact.compiled import StructuredMarket
from gridtoll.train.learning.practice import TaskPractice
from gridtoll.train.task import environment_of
from gridtoll.train.workers import Workers

HOURS, CAP = 4, 1.0
BEST = np.array([0.1, 0.6, 0.3, 0.8])
"""The best charges of the hours of an ordinary day; on days of another kind they come in reverse."""


@dataclass
class Made:
    """Practice at days of four hours whose best charges are known; a day earns less with the square of the distance from them."""

    seed: int = 0
    steps: int = 800
    folder: Path = Path()
    charge_cap: float = CAP
    n_charges: int = 1
    n_observed: int = HOURS + 1
    cliff_on: int | None = None
    heard: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.generator = np.random.default_rng(self.seed)

    def scenarios(self, split: str) -> list[Scenario]:
        return [Scenario(day, 0) for day in range(20 if split == "train" else 4)]

    def unrolled(self, policy: Policy, scenarios: Sequence[Scenario], *, deterministic: bool = False) -> UnrolledDays:
        kinds = np.array([each.day % 2 for each in scenarios])
        best = np.where(kinds[:, None] == 0, BEST, BEST[::-1])
        observed = np.zeros((len(scenarios), HOURS, HOURS + 1))
        observed[:, np.arange(HOURS), np.arange(HOURS)] = 1.0
        observed[:, :, -1] = kinds[:, None]
        charges = np.array([[policy.predict(hour, deterministic=deterministic)[0] for hour in day] for day in observed])
        miss = charges[:, :, 0] - best
        gradients = (-2.0 * miss)[:, :, None]
        gradients[[each.day == self.cliff_on for each in scenarios]] = 1e6
        return UnrolledDays(observations=observed, charges=charges, rewards_eur=-(miss**2).sum(axis=1), gradients=gradients)

    def validate(self, policy: Policy) -> float:
        self.heard.append(float(self.unrolled(policy, self.scenarios("validation"), deterministic=True).rewards_eur.mean()))
        return self.heard[-1]


def learned(practice: Made, **settings: Any) -> HourPolicy:
    return Unrolled(**settings).learn(cast(Practice, practice))


def test_every_hour_of_every_kind_of_day_comes_to_its_own_best_charge() -> None:
    policy = learned(Made(steps=4000), hidden=(32,), perturbation=0.1, learning_rate=1e-2)
    for kind, best in ((0, BEST), (1, BEST[::-1])):
        for hour in range(HOURS):
            observation = np.append(np.eye(HOURS)[hour], float(kind))
            assert policy.predict(observation, deterministic=True)[0] == pytest.approx(best[hour], abs=0.05)


def test_the_network_that_earned_most_on_validation_days_is_kept() -> None:
    practice = Made(steps=200)
    policy = learned(practice, learning_rate=0.3, validations=6)
    assert len(practice.heard) == 6
    assert practice.validate(policy) == max(practice.heard[:6])


def test_the_same_seed_gives_the_same_weights_and_another_one_others() -> None:
    first, again, other = (learned(Made(seed=seed, steps=40)).network.state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_noise_is_only_drawn_where_charges_need_not_be_deterministic() -> None:
    policy = learned(Made(steps=8))
    observation = np.append(np.eye(HOURS)[1], 0.0)
    asked = [policy.predict(observation, deterministic=deterministic)[0] for deterministic in (True, True, False, False)]
    assert np.array_equal(asked[0], asked[1])
    assert not np.array_equal(asked[2], asked[3])


def test_a_day_with_a_cliff_does_not_tear_the_network_along() -> None:
    shortened, whole = Made(cliff_on=3), Made(cliff_on=3)
    learned(shortened, learning_rate=1e-2)
    learned(whole, learning_rate=1e-2, steepest=1e12)
    assert shortened.heard[-1] > 0.5 * max(whole.heard)  # of what is missing, negative


@pytest.mark.parametrize("settings", [{"batch": 0}, {"hidden": (0,)}, {"steepest": 0.0}, {"perturbation": -1.0}, {"learning_rate": 0.0}])
def test_settings_out_of_range_are_named(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        Unrolled(**settings)


# --- what practice tells ---------------------------------------------------------------------------------------------------------------


def practice_at(task: GameSpec, folder: Path) -> TaskPractice:
    return TaskPractice(task, seed=0, folder=folder, steps=4, validation_days=1, workers=Workers(1, quiet=True))


def test_days_led_and_their_gradients_are_those_of_the_search_through_the_game(tmp_path: Path) -> None:
    task, rng = GameSpec(env="hourly", community="ieee9"), np.random.default_rng(0)
    practice, env = practice_at(task, tmp_path), environment_of(task)
    scenarios = practice.scenarios("train")[:1]
    sequence: Array = rng.uniform(0.05, 0.3, (24, 1))
    told = practice.unrolled(SchedulePolicy(sequence, env.observer.layout["hour"]), scenarios)
    day = HourlyDay(cast(Any, env.game), scenarios[0], StructuredMarket(threads=1))
    walk = day.walk(sequence)
    assert told.rewards_eur == pytest.approx([walk.goal_eur], rel=1e-9)
    assert np.array_equal(told.charges[0], sequence)
    assert told.observations.shape == (1, 24, practice.n_observed)
    assert told.gradients[0] == pytest.approx(day.gradient(walk), rel=1e-9, abs=1e-9)
    assert (practice.effort.steps, practice.effort.clearings) == (1, 24)


@pytest.mark.parametrize(
    "task", [GameSpec(community="two-prosumers"), GameSpec(env="hourly", belief="announced", community="two-prosumers")]
)
def test_other_games_have_no_such_gradients(task: GameSpec, tmp_path: Path) -> None:
    practice = practice_at(task, tmp_path)
    with pytest.raises(ValueError, match="charges that stand from hour to hour"):
        Unrolled().learn(practice)


def test_it_learns_in_a_real_game_and_its_network_is_one(tmp_path: Path) -> None:
    practice = practice_at(GameSpec(env="hourly", community="two-prosumers"), tmp_path)
    policy = Unrolled(batch=2, hidden=(8,)).learn(practice)
    assert len(practice.curve) == 2
    charges = policy.network(torch.zeros(3, practice.n_observed))
    assert charges.shape == (3, 1)
    assert charges.dtype == torch.float64
    assert practice.effort.validation_clearings == 2 * 24
