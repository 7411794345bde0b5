"""The leader that weighs training days and the day it is told of: it lies between both, and what it spends is counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from promises import require_policy

from gridtoll.agents.planning.blended import Blended, BlendedPolicy
from gridtoll.agents.planning.foretold import CertaintyEquivalent, Templates
from gridtoll.agents.planning.prescriptive import Prescriptive, PrescriptivePolicy
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.learning.practice import TaskPractice
from gridtoll.train.scoring.leaders import make_leader
from gridtoll.train.scoring.planned import TaskDays
from gridtoll.train.task import observe
from gridtoll.train.workers import Workers

TASK = GameSpec(community="two-prosumers")
TRAIN = [Scenario(day, path) for path in range(2) for day in (3, 24, 50, 120, 180, 203, 260)]
DAY = Scenario(160, 1)


@pytest.fixture(autouse=True)
def few_days(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("gridtoll.train.learning.practice", "gridtoll.train.scoring.planned"):
        monkeypatch.setattr(f"{module}.training_scenarios", lambda _: TRAIN)


@pytest.fixture(params=["public", "full"])
def practice(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[TaskPractice]:
    with Workers(1, quiet=True) as workers:
        yield TaskPractice(TASK.changed(information=request.param), seed=1, folder=tmp_path, steps=100, validation_days=2, workers=workers)


def test_it_keeps_the_promise_of_a_policy_and_counts_training_days_and_what_each_charge_costs(practice: TaskPractice) -> None:
    policy = Blended(clearings=8, told_clearings=6).learn(practice)
    learned = practice.effort.clearings
    full = practice.task.information == "full"
    assert (0 if full else 2 * len(TRAIN)) < learned <= (0 if full else 9 * len(TRAIN)) + 2 * 7
    require_policy(policy, [observe(practice.task, DAY)], n_charges=1, charge_cap=practice.charge_cap)
    assert practice.effort.clearings > learned


def test_without_weight_of_one_side_it_is_the_other(practice: TaskPractice) -> None:
    seen = observe(practice.task, DAY)
    told = CertaintyEquivalent(clearings=30).plan(practice).predict(seen)[0]
    assert Blended(told=1.0, told_clearings=30).plan(practice).predict(seen)[0] == pytest.approx(told, rel=0.005)
    if practice.task.information == "public":
        history = Prescriptive(weights="kernel").plan(practice).predict(seen)[0]
        assert Blended(told=0.0).plan(practice).predict(seen)[0] == pytest.approx(history, rel=0.005)
        assert np.abs(told - history) > 0.02 * history  # or both would say nothing


def test_a_loss_counts_no_more_than_what_there_is_to_win(practice: TaskPractice, monkeypatch: pytest.MonkeyPatch) -> None:
    task = practice.task.changed(information="public")
    days = TaskDays(task, workers=practice.workers, seed=1)
    history, templates, seen = Prescriptive(weights="kernel", clearings=8).plan(days), Templates(days), observe(task, DAY)
    network = history.network
    losing = network.table.clone()
    losing[:4] = torch.where(network.levels > 0.1, -50.0, losing[:4])
    monkeypatch.setattr(PrescriptivePolicy, "network", network)

    def charge() -> float:
        return float(BlendedPolicy(history, templates, days.spend, told=0.0, clearings=4).predict(seen)[0][0])

    network.table = losing
    unbounded = float(network(torch.as_tensor(seen)[None])[0, 0])
    found = charge()
    assert float(losing.min()) == -50.0  # the leader it was given keeps what it has
    network.table = losing.clamp(min=-1.0)
    assert charge() == found
    assert abs(found - unbounded) > 0.05 * found  # or the test would say nothing


def test_evaluate_knows_it_by_name(practice: TaskPractice) -> None:
    seen = observe(practice.task, DAY)
    named = make_leader("blended", practice.task, [], practice.workers, seed=1).on(DAY)
    assert named.predict(seen)[0] == Blended().plan(practice).predict(seen)[0]


@pytest.mark.parametrize(("settings", "problem"), [({"told": 1.5}, "from 0 to 1"), ({"width": 0.0}, "must be > 0")])
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Blended(**settings)
