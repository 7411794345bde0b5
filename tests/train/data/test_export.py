"""``gridtoll export``: what it writes is what the other tests load, and wrong words are refused before any work."""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import minari
import numpy as np
import pytest

from gridtoll.agents.learned.onnx_policy import OnnxPolicy
from gridtoll.agents.learned.settings import DEFAULTS
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.commands import evaluate, export
from gridtoll.train.compare.row_files import load_rows
from gridtoll.train.ground.config import TrainConfig
from gridtoll.train.learning.learn import train
from gridtoll.train.scoring.leaders import PLANNED_NETWORKS, make_leader
from gridtoll.train.task import observe
from gridtoll.train.workers import Workers

TASK = GameSpec(community="two-prosumers", charge_cap=0.7)


def ran(command: Any, arguments: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return dict(command.run(parser.parse_args(arguments.split())).values)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder, trained for next to nothing."""
    folder = tmp_path_factory.mktemp("runs") / "first"
    learner = replace(DEFAULTS["td3"], hidden=(8,), batch_size=8, updates=2, warmup_days=8)
    config = TrainConfig(task=TASK, learner=learner, seed=2, steps=12, parallel_days=4, validate_every=12, validation_days=2)
    with Workers(1) as workers:
        train(config, folder, workers)
    return folder


def test_a_run_becomes_an_onnx_file_that_evaluates_as_the_run_does(finished: Path, tmp_path: Path) -> None:
    file = tmp_path / "policy.onnx"
    values = ran(export, f"policy {finished} --out {file}")
    assert (values["algorithm"], values["seed"], values["bytes"]) == ("td3", 2, file.stat().st_size)
    words = "--days 2 --jobs 1 --quiet"
    own, exported = (ran(evaluate, f"{leader} {words}") for leader in (finished, file))
    assert exported["mean_profit_eur"] == pytest.approx(own["mean_profit_eur"], abs=1e-6)
    assert OnnxPolicy(file).predict(observe(TASK, Scenario(3, 0)))[0] <= 0.7
    with pytest.raises(ValueError, match=r"must end in \.onnx"):
        ran(export, f"policy {finished} --out {tmp_path / 'policy.pt'}")


def test_a_run_is_a_behaviour_for_a_dataset(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = f"--community two-prosumers --charge-cap 0.7 --episodes 3 --out {tmp_path} --jobs 1 --quiet"
    values = ran(export, f"dataset --behaviour {finished} --noise 0.1 {words}")
    assert values["dataset_id"] == "gridtoll/day-ahead/two-prosumers-public-first-v0"
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    dataset = minari.load_dataset(values["dataset_id"])
    assert len(dataset) == values["episodes"] == 3
    assert np.mean([episode.rewards[0] for episode in dataset]) == pytest.approx(values["mean_reward_eur"])
    with pytest.raises(ValueError, match="never written over"):
        ran(export, f"dataset --behaviour {finished} {words}")


def test_the_rows_of_a_comparison_become_one_file(tmp_path: Path) -> None:
    for seed in (0, 1):
        cell = tmp_path / "results" / "cells" / "two-prosumers" / "public" / "zero" / str(seed)
        cell.mkdir(parents=True)
        ran(evaluate, f"zero --community two-prosumers --days 2 --seed {seed} --rows {cell / 'rows.csv'} --jobs 1 --quiet")
        digest = hashlib.sha256((cell / "rows.csv").read_bytes()).hexdigest()
        (cell / "cell.json").write_text(json.dumps({"schema": 1, "status": "done" if seed else "failed", "rows_sha256": digest}))
    values = ran(export, f"rows {tmp_path / 'results'} --out {tmp_path / 'rows.parquet'}")
    assert (values["rows"], values["cells"], values["failed_cells"]) == (2, 1, ["two-prosumers/public/zero/0"])
    assert load_rows(tmp_path / "rows.parquet") == load_rows(cell / "rows.csv")


def test_a_file_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="existing folder"):
        ran(export, f"rows {tmp_path} --out {tmp_path / 'no' / 'rows.parquet'}")
    with pytest.raises(ValueError, match=r"must end in \.csv or \.parquet"):
        ran(evaluate, f"zero --community two-prosumers --rows {tmp_path / 'rows.txt'}")


def test_descriptions_and_examples_name_what_can_be_exported() -> None:
    assert all(f"gridtoll export {action}" in export.EXAMPLES for action in ("rows", "dataset", "policy"))


@pytest.fixture
def few_days(monkeypatch: pytest.MonkeyPatch) -> None:
    days = [Scenario(day, path) for path in range(2) for day in (3, 24, 50, 120, 180, 203, 260)]
    monkeypatch.setattr("gridtoll.train.scoring.planned.training_scenarios", lambda _: days)


@pytest.mark.parametrize("name", PLANNED_NETWORKS)
def test_a_leader_that_plans_becomes_an_onnx_file_with_its_charges(name: str, few_days: None, tmp_path: Path) -> None:
    file = tmp_path / "policy.onnx"
    values = ran(export, f"policy {name} --community two-prosumers --seed 3 --jobs 1 --quiet --out {file}")
    assert (values["algorithm"], values["seed"]) == (name, 3)
    policy, task = OnnxPolicy(file), GameSpec(community="two-prosumers")
    with Workers(1, quiet=True) as workers:
        itself = make_leader(name, task, [], workers, seed=3).on(Scenario(0, 0))
    for seen in (observe(task, Scenario(day, 1)) for day in (7, 90, 200)):
        assert policy.predict(seen)[0] == pytest.approx(itself.predict(seen)[0], rel=0.01, abs=1e-6)
    assert policy.facts["config"]["clearings"] == 34


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("certainty-equivalent", "clears the market whenever it is asked for a charge. Play it with `gridtoll evaluate certainty-equ"),
        ("blended --community two-prosumers", "must be a network, but blended clears the market"),
        ("best-constant", "must be a network, but best-constant is none"),
        ("prescriptive-kernel --trust", "`trust` must go with a .zip model"),
        ("prescriptive-kernel --tariff zonal", "must post one charge for a day"),
        ("model.zip --seed 3", "`seed` must go with the name of a leader"),
        ("prescriptive-kernel --community case33bw", "held out"),
    ],
)
def test_what_is_no_network_or_cannot_plan_is_refused(words: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        ran(export, f"policy {words} --jobs 1 --quiet --out {tmp_path / 'policy.onnx'}")
    assert not list(tmp_path.iterdir())
