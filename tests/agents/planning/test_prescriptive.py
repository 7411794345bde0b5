"""The prescriptive leader: its weights are those of the method, its charge their optimum, and its file posts the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from promises import require_policy
from sklearn.ensemble import ExtraTreesRegressor

from gridtoll.agents.curves.network import alike
from gridtoll.agents.learned.onnx_policy import OnnxPolicy
from gridtoll.agents.planning.likeness import Forest, Kernel, Neighbours
from gridtoll.agents.planning.prescriptive import Prescriptive, PrescriptivePolicy, Weights
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.data.onnx_files import save_onnx
from gridtoll.train.learning.practice import TaskPractice
from gridtoll.train.scoring import planned
from gridtoll.train.scoring.leaders import make_leader
from gridtoll.train.task import observe
from gridtoll.train.workers import Workers

Array = NDArray[np.float64]
TASK = GameSpec(community="two-prosumers")
TRAIN = [Scenario(day, path) for path in range(4) for day in (3, 24, 50, 73, 120, 143, 180, 203, 260, 300)]
DAYS = [Scenario(40, 0), Scenario(160, 1), Scenario(250, 2)]
RANDOM = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def few_days(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("gridtoll.train.learning.practice", "gridtoll.train.scoring.planned"):
        monkeypatch.setattr(f"{module}.training_scenarios", lambda _: TRAIN)


@pytest.fixture
def practice(tmp_path: Path) -> Iterator[TaskPractice]:
    with Workers(1, quiet=True) as workers:
        yield TaskPractice(TASK, seed=1, folder=tmp_path, steps=100, validation_days=3, workers=workers)


def learned(practice: TaskPractice, **settings: Any) -> PrescriptivePolicy:
    return Prescriptive(clearings=8, trees=10, neighbours=4, **settings).learn(practice)


def test_the_nearest_days_count_alike_and_no_other() -> None:
    features, days = RANDOM.normal(size=(3, 5)), RANDOM.normal(size=(20, 5))
    weights = Neighbours(days, 4)(torch.as_tensor(features)).numpy()
    for row, own in zip(weights, features, strict=True):
        nearest = np.argsort(((days - own) ** 2).sum(axis=1))[:4]
        assert row[nearest].tolist() == [0.25] * 4
        assert row.sum() == 1.0


def test_a_forest_of_these_weights_predicts_what_scikit_learn_does() -> None:
    days, curves, features = RANDOM.normal(size=(60, 5)), RANDOM.normal(size=(60, 7)), RANDOM.normal(size=(9, 5))
    forest = ExtraTreesRegressor(12, min_samples_leaf=3, random_state=0).fit(days, curves)
    weights = Forest([each.tree_ for each in forest.estimators_], forest.apply(days))(torch.as_tensor(features)).numpy()
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    np.testing.assert_allclose(weights @ curves, forest.predict(features), atol=1e-12)


def test_kernel_weights_predict_what_ridge_regression_does() -> None:
    days, values, features = (torch.as_tensor(RANDOM.normal(size=size)) for size in ((30, 4), (30, 1), (5, 4)))
    solved = torch.linalg.solve(alike(days, days, 2.0) + 0.1 * torch.eye(30), values - values.mean())
    expected = values.mean() + alike(features, days, 2.0) @ solved
    torch.testing.assert_close(Kernel(days.numpy(), 2.0, 0.1)(features) @ values, expected)


@pytest.mark.parametrize("weights", get_args(Weights))
def test_it_keeps_the_promise_of_a_policy_and_counts_what_its_curves_cost(practice: TaskPractice, weights: str) -> None:
    policy = learned(practice, weights=weights)
    require_policy(policy, [observe(TASK, day) for day in DAYS], n_charges=1, charge_cap=practice.charge_cap)
    assert 2 * len(TRAIN) <= practice.effort.clearings <= 9 * len(TRAIN)
    assert practice.effort.validation_clearings == 3
    again = learned(practice, weights=weights)
    assert [policy.predict(observe(TASK, day))[0] for day in DAYS] == [again.predict(observe(TASK, day))[0] for day in DAYS]


@pytest.mark.parametrize("weights", get_args(Weights))
def test_its_onnx_file_posts_its_charges_to_a_few_thousandths(practice: TaskPractice, tmp_path: Path, weights: str) -> None:
    policy = learned(practice, weights=weights)
    save_onnx(tmp_path / "policy.onnx", policy, TASK, name="prescriptive", seed=1)
    file = OnnxPolicy(tmp_path / "policy.onnx")
    for scenario in DAYS:
        seen = observe(TASK, scenario)
        np.testing.assert_allclose(file.predict(seen)[0], policy.predict(seen)[0], rtol=6e-3)


def test_evaluate_makes_the_leader_that_learning_comes_to(practice: TaskPractice, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {name: Prescriptive(clearings=8, neighbours=4, weights="neighbours") for name in ("prescriptive-neighbours",)}
    monkeypatch.setattr("gridtoll.train.scoring.leaders.PLANNERS", settings)
    named = make_leader("prescriptive-neighbours", TASK, DAYS, practice.workers, seed=1).on(DAYS[0])
    own, seen = learned(practice, weights="neighbours"), observe(TASK, DAYS[0])
    assert named.predict(seen)[0] == own.predict(seen)[0]


def test_days_that_planning_knows_are_those_of_practice(practice: TaskPractice) -> None:
    days = planned.TaskDays(TASK, workers=practice.workers, seed=1)
    for name in ("seed", "charge_cap", "price_level", "n_charges", "n_observed", "n_periods"):
        assert getattr(days, name) == getattr(practice, name)
    assert days.generator.random() == practice.generator.random()
    assert days.scenarios("train") == practice.scenarios("train")
    assert set(practice.scenarios("validation")) <= set(days.scenarios("validation"))


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"weights": "trees"}, "`weights` must be one of"),
        ({"neighbours": 0, "width": -1.0}, r"settings of a prescriptive leader must be > 0, got `neighbours` 0, `width` -1"),
        ({"share": 1.5}, "`share` must be at most 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Prescriptive(**settings)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [({"tariff": "zonal"}, "must post one charge for a day"), ({"mechanism": "call-auction"}, "cannot be found here.*grid-constant")],
)
def test_games_without_one_exact_charge_are_refused(practice: TaskPractice, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        make_leader("prescriptive", TASK.changed(**changes), DAYS, practice.workers, seed=0)
