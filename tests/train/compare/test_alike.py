"""Leaders that draw nothing at random are run with one seed, and their other seeds say so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.compare.grid import compare
from gridtoll.train.compare.plan_file import read_plan
from gridtoll.train.learning.algorithms import draws_nothing, make_algorithm
from gridtoll.train.learning.practice import TaskPractice
from gridtoll.train.reports.results import read_results
from gridtoll.train.task import environment_of, observe
from gridtoll.train.workers import Workers

TASK = GameSpec(community="two-prosumers")
PLAN = b"""
communities = ["two-prosumers"]
information = ["public"]
seeds = [1, 2]
steps = 10
validation_days = 2
test_days = 3

[algorithms.zero]
[algorithms.random]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with Workers(1, quiet=True) as workers:
        plan = read_plan(PLAN, source="plan")
        compare(plan, PLAN, tmp_path / "all", workers, cells=plan.cells())
    return tmp_path / "all"


def cell(root: Path, name: str, seed: int) -> dict[str, object]:
    content: dict[str, object] = json.loads((root / "cells" / "two-prosumers" / "public" / name / str(seed) / "cell.json").read_text())
    return content


def test_the_second_seed_of_a_leader_without_randomness_has_the_rows_of_the_first_and_says_so(root: Path) -> None:
    first, second = (cell(root, "zero", seed) for seed in (1, 2))
    assert "same_as_seed" not in first
    assert second["same_as_seed"] == 1
    assert second["seconds"] == first["seconds"]
    rows = read_results(root).rows
    one, other = (rows[(rows["algorithm"] == "zero") & (rows["seed"] == seed)].drop(columns="seed") for seed in (1, 2))
    assert len(one) == 3
    assert one.reset_index(drop=True).equals(other.reset_index(drop=True))
    assert "same_as_seed" not in cell(root, "random", 2)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("prescriptive", {"weights": "neighbours", "clearings": 4, "neighbours": 3}),
        ("prescriptive", {"weights": "kernel", "clearings": 4}),
        ("blended", {"clearings": 4, "told_clearings": 4}),
        ("certainty-equivalent", {"clearings": 4}),
        ("best-constant", {}),
    ],
)
def test_what_is_said_to_draw_nothing_posts_the_same_charge_with_every_seed(
    name: str, settings: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = environment_of(TASK).community.scenarios("train")[:60:5]
    monkeypatch.setattr("gridtoll.train.learning.practice.training_scenarios", lambda _: every)
    seen, charges = observe(TASK, environment_of(TASK).community.scenarios("validation")[0]), []
    with Workers(1, quiet=True) as workers:
        for seed in (1, 2):
            practice = TaskPractice(TASK, seed=seed, folder=tmp_path, steps=10, validation_days=1, workers=workers)
            charges.append(float(np.asarray(make_algorithm(name, settings).learn(practice).predict(seen)[0])[0]))
    assert charges[0] == charges[1]
    assert draws_nothing(name, settings, "public")


@pytest.mark.parametrize("name", ["random", "sac", "grid-constant", "scenario", "prescriptive", "constant-search"])
def test_what_draws_is_run_with_every_seed(name: str) -> None:
    assert not draws_nothing(name, {}, "public")
