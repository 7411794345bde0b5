"""Held-out communities: nothing is learned on them, and leaders of elsewhere are scored there."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridtoll.agents.fixed.day_ahead import ConstantPolicy
from gridtoll.agents.learned.settings import DEFAULTS
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.community.sources import COMMUNITY_NAMES, DEFAULT_COMMUNITY, HELD_OUT_COMMUNITIES, export_community, load_community
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.commands import evaluate as command
from gridtoll.train.compare.row_files import load_rows
from gridtoll.train.data.dataset_config import DatasetConfig
from gridtoll.train.data.datasets import play_dataset
from gridtoll.train.ground import held_out
from gridtoll.train.ground.config import TrainConfig
from gridtoll.train.ground.held_out import held_out_tasks, require_not_held_out
from gridtoll.train.ground.text import with_interval
from gridtoll.train.learning.learn import train
from gridtoll.train.references.ends import references
from gridtoll.train.scoring import chosen
from gridtoll.train.scoring.chosen import find_best_constant, find_grid_constant
from gridtoll.train.scoring.evaluate import Leader, evaluate
from gridtoll.train.scoring.evaluation import Evaluation
from gridtoll.train.scoring.leaders import make_leader
from gridtoll.train.scoring.transfer import evaluate_held_out, held_out_report
from gridtoll.train.task import environment_of, observe
from gridtoll.train.workers import Workers

HOME = GameSpec(community="two-prosumers")


@pytest.fixture
def workers() -> Iterator[Workers]:
    with Workers(1) as one:
        yield one


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two quick ones stand for all: what is done to each does not depend on which they are."""
    monkeypatch.setattr(held_out, "HELD_OUT_COMMUNITIES", ("case33bw", "simbench-semiurb4"))


def test_held_out_communities_come_with_gridtoll_and_the_default_is_none_of_them() -> None:
    assert set(HELD_OUT_COMMUNITIES) < set(COMMUNITY_NAMES)
    assert DEFAULT_COMMUNITY not in HELD_OUT_COMMUNITIES
    assert len(HELD_OUT_COMMUNITIES) == 5


@pytest.mark.parametrize("name", HELD_OUT_COMMUNITIES)
def test_what_a_leader_of_the_default_community_sees_and_may_charge_is_the_same_there(name: str) -> None:
    own, there = environment_of(GameSpec()), environment_of(GameSpec(community=name))
    assert [(field.name, field.size) for field in there.observer.fields] == [(field.name, field.size) for field in own.observer.fields]
    assert there.charge_cap == own.charge_cap
    assert there.community.import_price.tolist() == own.community.import_price.tolist()
    assert there.community.network.distance[~np.eye(there.community.n_prosumers, dtype=bool)].mean() == pytest.approx(1.0)
    seen = observe(GameSpec(community=name), there.community.scenarios("test", 1)[0])
    assert (np.abs(seen) < 5).mean() > 0.98  # few numbers are cut off, so the scales suit this community as well


def test_nothing_is_learned_on_them_by_name_or_from_a_copy(tmp_path: Path, workers: Workers) -> None:
    export_community(load_community("case33bw"), tmp_path / "mine")
    for community in ("case33bw", str(tmp_path / "mine")):
        with pytest.raises(ValueError, match=r"a training must keep to communities that are not held out, got .*--held-out"):
            require_not_held_out(GameSpec(community=community), "a training")
    require_not_held_out(HOME, "a training")
    with pytest.raises(ValueError, match="the best constant charge must keep to"):
        find_best_constant(GameSpec(community="case33bw"), workers)
    with pytest.raises(ValueError, match="the best constant charge of a grid must keep to"):
        find_grid_constant(GameSpec(community="case33bw"), workers, seed=0)
    with pytest.raises(ValueError, match="a leader that plans must keep to"):
        make_leader("prescriptive", GameSpec(community="case33bw"), [], workers, seed=0)
    with pytest.raises(ValueError, match="a dataset to learn from must keep to"):
        play_dataset(DatasetConfig(task=GameSpec(community="simbench-semiurb4"), episodes=1), workers)


def test_only_leaders_with_public_information_from_elsewhere_are_carried_over() -> None:
    assert [task.community for task in held_out_tasks(HOME)] == list(HELD_OUT_COMMUNITIES)
    assert {task.charge_cap for task in held_out_tasks(HOME.changed(charge_cap=0.4))} == {0.4}
    with pytest.raises(ValueError, match="public information"):
        held_out_tasks(HOME.changed(information="full"))
    with pytest.raises(ValueError, match="not held out"):
        held_out_tasks(HOME.changed(community="case33bw"))


def test_a_leader_is_scored_in_each_and_over_all_days_together(few: None, workers: Workers) -> None:
    asked: list[str] = []

    def constant(task: GameSpec, scenarios: Sequence[Scenario]) -> Leader:
        asked.append(task.community)
        return Leader.of("mine", ConstantPolicy([0.3]), 7)

    evaluations = evaluate_held_out(HOME, constant, workers, split="test", days=2)
    assert asked == ["case33bw", "simbench-semiurb4"]
    assert [[row.community for row in evaluation.rows] for evaluation in evaluations] == [["case33bw"] * 2, ["simbench-semiurb4"] * 2]
    assert all(row.regret_eur > 0 and row.optimum_relative_gap < 1e-6 for evaluation in evaluations for row in evaluation.rows)
    report = held_out_report(evaluations, seed=1)
    regrets = np.concatenate([evaluation.normalised_regret for evaluation in evaluations])
    assert report.values["pooled"]["normalised_regret_mean"] == pytest.approx(regrets.mean())
    assert report.values["pooled"]["days"] == 4
    assert not any("eur" in name for name in report.values["pooled"])
    assert report.values["communities"]["case33bw"]["normalised_regret_mean"] == pytest.approx(evaluations[0].normalised_regret.mean())
    assert report.text.splitlines()[0] == "mine"
    assert [line.split("  ")[0] for line in report.text.splitlines()[2:]] == ["case33bw", "simbench-semiurb4", "all together"]
    assert json.loads(report.as_json())["leader"] == "mine"


def test_one_more_community_on_the_same_days_makes_the_pooled_result_no_surer(workers: Workers) -> None:
    scenarios = environment_of(HOME).community.scenarios("test", 24)
    home = evaluate(ConstantPolicy([0.3]), HOME, scenarios, workers, name="mine", split="test")
    twin = Evaluation("mine", tuple(replace(row, community="twin") for row in home.rows))
    weeks = [row.day // 7 for row in home.rows if not row.excluded]
    assert len(set(weeks)) < len(weeks)
    for evaluations in ([home], [home, twin]):
        report = held_out_report(evaluations, seed=1)
        assert report.values["pooled"]["days"] == 24 * len(evaluations)
        assert with_interval(home.summary(1).normalised_mean) in report.text.splitlines()[-1]


def evaluated(arguments: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return dict(command.run(parser.parse_args([*arguments.split(), "--jobs", "1", "--quiet"])).values)


def test_the_command_takes_one_leader_everywhere_but_the_optimum_of_each_day(
    few: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chosen, "N_SAMPLE", 4)
    best = evaluated("optimum --community two-prosumers --held-out --days 1")
    assert best["pooled"]["normalised_regret_mean"] == pytest.approx(0, abs=1e-6)
    evaluated(f"grid-constant --community two-prosumers --held-out --days 1 --rows {tmp_path / 'rows.parquet'}")
    charges = {row.charge for row in load_rows(tmp_path / "rows.parquet")}
    with Workers(1) as workers:
        [own] = find_grid_constant(HOME, workers, seed=0).charges
    assert charges == {repr(float(own))}
    with pytest.raises(ValueError, match="--plot draws the days of one community"):
        evaluated(f"zero --held-out --plot {tmp_path / 'plot.png'}")


def test_a_run_posts_the_same_charges_there_as_at_home_for_the_same_observation(few: None, tmp_path: Path, workers: Workers) -> None:
    learner = replace(DEFAULTS["sac"], hidden=(8,), batch_size=8, updates=2, warmup_days=8)
    train(
        TrainConfig(task=HOME, learner=learner, steps=12, parallel_days=4, validate_every=12, validation_days=2), tmp_path / "run", workers
    )
    task = held_out_tasks(HOME)[0]
    there = make_leader(str(tmp_path / "run"), task, [], workers, seed=0).on(Scenario(0, 0))
    own = make_leader(str(tmp_path / "run"), HOME, [], workers, seed=0).on(Scenario(0, 0))
    observation = observe(task, Scenario(21, 0))
    assert there.predict(observation, deterministic=True)[0] == own.predict(observation, deterministic=True)[0]


@pytest.mark.long
@pytest.mark.parametrize("name", HELD_OUT_COMMUNITIES)
def test_optima_are_proved_there_and_no_constant_comes_near_them(name: str, workers: Workers) -> None:
    task = GameSpec(community=name)
    environment = environment_of(task)
    scenarios = environment.community.scenarios("train", 8)  # four of simbench-rural2 happen to be alike
    found = references(task, scenarios, workers)
    assert max(solved.relative_gap for solved in found) < 1e-6
    earned = np.array([[reward_of(task, scenario, charge) for scenario in scenarios] for charge in np.linspace(0.1, 1.0, 10)])
    best, zero = np.array([solved.best_eur for solved in found]), np.array([solved.zero_eur for solved in found])
    constant = earned[earned.mean(axis=1).argmax()]
    assert ((best - constant) / (best - zero)).mean() > 0.05


def reward_of(task: GameSpec, scenario: Scenario, charge: float) -> float:
    environment = environment_of(task)
    environment.reset(options=scenario._asdict())
    return float(environment.step([charge])[1])
