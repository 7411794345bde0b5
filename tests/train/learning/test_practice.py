"""Practice shows training and validation days only, tells what charges earn, and counts whatever is cleared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trainings import played_alone

from gridtoll.agents.fixed.day_ahead import ConstantPolicy
from gridtoll.agents.optimum.one_charge import search
from gridtoll.agents.optimum.proved import Optimum
from gridtoll.agents.optimum.together import Search
from gridtoll.envs.community.calendar import Scenario, split_days
from gridtoll.envs.errors import ClearingError
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.learning.algorithms import make_algorithm
from gridtoll.train.learning.practice import CurvePoint, TaskPractice
from gridtoll.train.references import answers, optima
from gridtoll.train.references.ends import references
from gridtoll.train.references.solve import search_scenario
from gridtoll.train.scoring.chosen import find_grid_constant
from gridtoll.train.task import environment_of, observe
from gridtoll.train.workers import Workers

TASK = GameSpec(community="two-prosumers")
Make = Callable[..., TaskPractice]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a practice in a folder of its own."""

    def call(task: GameSpec = TASK, **changes: object) -> TaskPractice:
        arguments = {"seed": 3, "folder": tmp_path / "practice", "steps": 100, "validation_days": 5, "workers": Workers(1)}
        return TaskPractice(task, **{**arguments, **changes})  # type: ignore[arg-type]

    return call


def test_test_days_are_not_shown(make: Make) -> None:
    practice = make(validation_days=56)
    n_days = environment_of(TASK).community.n_days
    test = set(split_days("test", n_days).tolist())
    train = {scenario.day for scenario in practice.scenarios("train")}
    validation = {scenario.day for scenario in practice.scenarios("validation")}
    assert train == set(split_days("train", n_days).tolist())
    assert validation == set(split_days("validation", n_days).tolist())
    assert not test & (train | validation)
    assert {scenario.price_path for scenario in practice.scenarios("train")} == set(range(environment_of(TASK).community.n_price_paths))


def test_days_are_played_as_the_environment_plays_them(make: Make) -> None:
    practice = make()
    scenarios = practice.scenarios("train")[150:154]
    charges = np.array([[0.0], [0.1], [0.2], [0.4]])
    assert (practice.n_charges, practice.n_observed) == (1, practice.observations(scenarios).shape[1])
    assert np.array_equal(practice.observations(scenarios), [observe(TASK, scenario) for scenario in scenarios])
    played = [played_alone(TASK, scenario, tuple(charge)).objective_eur for scenario, charge in zip(scenarios, charges, strict=True)]
    assert practice.rewards(scenarios, charges).tolist() == played
    assert practice.slopes(scenarios, charges)[0].tolist() == played


@pytest.mark.parametrize("task", [TASK, TASK.changed(objective="welfare"), TASK.changed(tariff="zonal", charges_per="hour")])
def test_gradients_are_those_of_the_rewards(task: GameSpec, make: Make) -> None:
    practice = make(task)
    generator = np.random.default_rng(4)
    every = practice.scenarios("train")
    scenarios = [every[place] for place in generator.choice(len(every), 6, replace=False)]
    charges = generator.uniform(0.02, 0.2, (6, practice.n_charges))
    direction, step = generator.normal(size=charges.shape), 1e-6
    _, gradients = practice.slopes(scenarios, charges)
    ahead, behind = (practice.rewards(scenarios, charges + sign * step * direction) for sign in (1, -1))
    expected = (ahead - behind) / (2 * step)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose((gradients * direction).sum(axis=1), expected, rtol=1e-5, atol=1e-5)


def test_every_clearing_is_counted_once_and_validation_apart(make: Make) -> None:
    practice = make()
    scenarios = practice.scenarios("train")[:4]
    charges = np.full((4, 1), 0.1)
    practice.observations(scenarios)
    assert (practice.effort.steps, practice.effort.clearings, practice.effort.validation_clearings) == (0, 0, 0)
    practice.rewards(scenarios, charges)
    practice.slopes(scenarios[:3], charges[:3])
    assert (practice.effort.steps, practice.effort.clearings, practice.effort.validation_clearings) == (7, 7, 0)
    practice.validate(ConstantPolicy([0.1]))
    assert (practice.effort.steps, practice.effort.clearings, practice.effort.validation_clearings) == (7, 7, 5)


def test_optima_cost_the_same_whether_they_were_stored_or_not(make: Make) -> None:
    task = TASK.changed(charge_cap=0.4137)  # of nobody else
    scenarios = make(task).scenarios("train")[200:202]
    efforts = []
    for _ in range(2):
        practice = make(task)
        charges = practice.optimal_charges(scenarios)
        efforts.append((practice.effort.clearings, charges.tolist()))
        solved = references(task, scenarios, Workers(1))
        assert practice.effort.clearings == sum(optimum.clearings for optimum in solved) > 2
        assert practice.effort.seconds > sum(optimum.seconds for optimum in solved)
        assert practice.effort.steps == 0
        best = make(task).rewards(scenarios, charges)
        for other in np.linspace(0.0, task.charge_cap or 0.0, 9):
            assert (best >= practice.rewards(scenarios, np.full((2, 1), other)) - 1e-6).all()
    assert efforts[0] == efforts[1]


def test_an_optimum_to_learn_from_may_be_proved_less_tightly_and_costs_both_attempts(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    practice = make()
    hard, easy = practice.scenarios("train")[:2]

    def stubborn(task: GameSpec, scenario: Scenario, **settings: Any) -> Search[Optimum]:
        if scenario == hard and settings["tolerance"] < optima.LABEL_TOLERANCE:
            raise ClearingError("must close within 5000 clearings")
        return search_scenario(task, scenario, **settings)

    monkeypatch.setattr(optima, "search_scenario", stubborn)
    monkeypatch.setattr(answers, "stored", lambda *_: None)
    charges = practice.optimal_charges([hard, easy])
    assert practice.effort.clearings > optima.GIVEN_UP_AFTER == search._MAX_CLEARINGS
    monkeypatch.undo()
    tight = references(TASK, [hard, easy], Workers(1))
    assert make().rewards([hard, easy], charges) == pytest.approx([solved.best_eur for solved in tight], rel=2e-5)


def test_a_slope_that_cannot_be_proved_is_taken_beside_and_costs_one_more_clearing(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    practice = make()
    scenarios = practice.scenarios("train")[:2]
    charges = np.full((2, 1), 0.04)
    _, exact = practice.slopes(scenarios, charges)
    true, asked = practice._gradient, 0

    def at_a_kink(*played: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked in failing:
            raise ClearingError("a one-sided derivative must rest on a piece")
        return true(*played)

    monkeypatch.setattr(practice, "_gradient", at_a_kink)
    before, failing = practice.effort, {1, 2}
    _, found = practice.slopes(scenarios, charges)
    assert found == pytest.approx(exact, abs=0.005)
    assert practice.effort.clearings - before.clearings == 4
    assert practice.effort.steps - before.steps == 2
    failing = set(range(asked, 99))
    with pytest.raises(ClearingError, match="one-sided"):
        practice.slopes(scenarios, charges)


def test_validation_gives_the_mean_reward_and_a_point_of_the_curve(make: Make) -> None:
    heard: list[CurvePoint] = []
    practice = make(watch=heard.append)
    practice.rewards(practice.scenarios("train")[:2], np.full((2, 1), 0.1))
    earned = practice.validate(ConstantPolicy([0.15]))
    days = [played_alone(TASK, scenario, (0.15,)).objective_eur for scenario in practice.scenarios("validation")]
    assert earned == pytest.approx(np.mean(days), rel=1e-12)
    assert practice.curve == heard
    [point] = practice.curve
    assert (point.rewards_eur, point.validation_eur) == (tuple(days), earned)
    assert (point.effort.steps, point.effort.validation_clearings) == (2, 5)
    assert 0 < point.effort.seconds <= practice.effort.seconds


def test_who_watches_may_end_the_learning(make: Make) -> None:
    def stop(point: CurvePoint) -> None:
        raise StopIteration(point.effort.validation_clearings)

    practice = make(watch=stop)
    with pytest.raises(StopIteration, match="5"):
        make_algorithm("zero", {}).learn(practice)
    assert len(practice.curve) == 1


def test_a_budget_of_nothing_is_refused(make: Make) -> None:
    with pytest.raises(ValueError, match="`steps` must be at least 1, got 0"):
        make(steps=0)


def test_charges_that_cannot_be_posted_are_refused_and_cost_nothing(make: Make) -> None:
    practice = make()
    for charge in (-0.1, float("nan"), 99.0):
        with pytest.raises(ValueError, match="charge"):
            practice.rewards(practice.scenarios("train")[:1], np.array([[charge]]))
    assert practice.effort.clearings == 0


def test_the_constant_of_a_grid_learned_is_that_of_evaluate_with_its_clearings_counted(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridtoll.train.scoring.chosen.N_SAMPLE", 7)
    practice = make()
    policy = make_algorithm("grid-constant", {"days": 7}).learn(practice)
    found = find_grid_constant(TASK, Workers(1), seed=practice.seed)
    assert policy.predict(practice.observations(practice.scenarios("train")[:1])[0])[0].tolist() == found.charges.tolist()
    assert practice.effort.clearings == practice.effort.steps == 7 * found.evaluations
    assert len(practice.curve) == 1


def test_one_seed_gives_the_same_learning_twice_and_two_seeds_do_not(make: Make, tmp_path: Path) -> None:
    settings = {"warmup_days": 8, "hidden": [8], "batch_size": 8, "updates": 2, "validate_every": 16}

    def curve(name: str, seed: int) -> list[tuple[float, ...]]:
        practice = make(TASK.changed(charge_cap=0.1), seed=seed, steps=32, folder=tmp_path / name)
        make_algorithm("sac", settings).learn(practice)
        assert (practice.effort.steps, practice.effort.clearings, practice.effort.validation_clearings) == (32, 32, 10)
        return [point.rewards_eur for point in practice.curve]

    first = curve("first", 1)
    assert len(first) == 2
    assert curve("again", 1) == first
    assert curve("other", 2) != first
