"""Tuning: spaces, equal budgets, pruning, going on after a kill, and the files that come of it."""

from __future__ import annotations

import csv
import threading
import time
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from optuna import Study, Trial
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.exceptions import TrialPruned
from optuna.trial import FixedTrial, TrialState

from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.cli import main
from gridtoll.train.compare.plan_file import read_plan
from gridtoll.train.compare.tuned import SHIPPED, tuned_settings
from gridtoll.train.learning.algorithms import make_algorithm, require_budget, settings_of
from gridtoll.train.learning.practice import CurvePoint, LearningCost, TaskPractice
from gridtoll.train.task import environment_of
from gridtoll.train.tuning.space import SPACES, Choice, Range, Space, read_space, shipped_space
from gridtoll.train.tuning.study import (
    FIRST_SEED,
    POINTS,
    STARTUP_TRIALS,
    TuneConfig,
    _sampler_seed,
    _Watch,
    counted,
    ended,
    open_study,
    run_trials,
)
from gridtoll.train.tuning.tune import tune
from gridtoll.train.workers import Workers

OWN_ALGORITHM = """
from dataclasses import dataclass
import numpy as np
from gridtoll.agents.fixed.day_ahead import ConstantPolicy

@dataclass(frozen=True)
class OneCharge:
    charge: float = 0.0

    def learn(self, practice):
        policy = ConstantPolicy(np.full(practice.n_charges, self.charge))
        days = practice.scenarios("train")[:1]
        for _ in range(4):
            practice.rewards(days, np.full((1, practice.n_charges), self.charge))
            practice.validate(policy)
        return policy
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TuneConfig:
    """A study of one constant charge on the smallest community, found as a user's own module."""
    (tmp_path / "one_charge.py").write_text(OWN_ALGORITHM)
    monkeypatch.chdir(tmp_path)
    space = Space({"charge": Range(0.0, 0.2)})
    task = GameSpec(community="two-prosumers", tariff="unique")
    return TuneConfig(algorithm="one_charge:OneCharge", space=space, task=task, steps=4, validation_days=4, trials=14)


def asked(study: Study, **distributions: BaseDistribution) -> Trial:
    """Returns a trial that runs, and has no heartbeat."""
    with pytest.warns(UserWarning, match="Heartbeat of storage"):
        return study.ask(distributions)


def test_the_best_of_a_study_is_near_the_best_of_a_grid(config: TuneConfig, tmp_path: Path) -> None:
    with Workers(1) as workers:
        tuned = tune(replace(config, trials=25), tmp_path / "study", workers)
    grid = {charge / 100: _worth(config, charge / 100, tmp_path) for charge in range(0, 21, 2)}
    assert tuned.trials == 25
    assert tuned.validation_eur >= sorted(grid.values())[-2]
    assert tuned.validation_eur == _worth(config, tuned.settings["charge"], tmp_path)


def test_a_study_stopped_and_continued_is_that_never_stopped(config: TuneConfig, tmp_path: Path) -> None:
    with Workers(1) as workers:
        tune(config, tmp_path / "whole", workers)
        tune(replace(config, trials=5), tmp_path / "parts", workers)
        tune(config, tmp_path / "parts", workers)
    assert (tmp_path / "parts" / "trials.csv").read_bytes() == (tmp_path / "whole" / "trials.csv").read_bytes()
    assert (tmp_path / "parts" / "tuned.toml").read_bytes() == (tmp_path / "whole" / "tuned.toml").read_bytes()


def test_trials_that_fall_behind_are_pruned_and_count(config: TuneConfig, tmp_path: Path) -> None:
    with Workers(1) as workers:
        tuned = tune(replace(config, trials=20), tmp_path / "study", workers)
    rows = list(csv.DictReader((tmp_path / "study" / "trials.csv").read_text().splitlines()))
    pruned = [row for row in rows if row["state"] == "pruned"]
    complete = [float(row["validation_eur"]) for row in rows if row["state"] == "complete"]
    assert tuned.pruned == len(pruned) > 0
    assert len(rows) == 20
    assert max(float(row["validation_eur"]) for row in pruned) <= max(complete)


def test_a_study_with_another_budget_is_refused(config: TuneConfig, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    open_study(config, storage)
    with pytest.raises(ValueError, match=r"equal budgets.*another steps"):
        open_study(replace(config, steps=5), storage)


def test_several_processes_share_a_study(config: TuneConfig, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    run_trials(replace(config, trials=3), storage)
    run_trials(replace(config, trials=6), storage)
    assert [trial.number for trial in counted(open_study(config, storage))] == list(range(6))


def test_trials_train_with_seeds_that_comparisons_do_not_use(config: TuneConfig, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    run_trials(replace(config, trials=1, seeds=2), storage)
    [trial] = ended(open_study(replace(config, seeds=2), storage))
    assert set(trial.user_attrs) == {f"clearings of seed {seed}" for seed in (1000, 1001)}
    study = open_study(config, f"sqlite:///{tmp_path / 'older.db'}")
    study.set_user_attr("gridtoll", {**study.user_attrs["gridtoll"], "seeds": 1})  # as studies said that trained with seed 0
    with pytest.raises(ValueError, match="another seeds"):
        open_study(config, f"sqlite:///{tmp_path / 'older.db'}")


def test_studies_of_neighbouring_seeds_try_different_settings() -> None:
    drawn = [{_sampler_seed(seed, number) for number in range(40)} for seed in range(3)]
    assert len(set.union(*drawn)) == 3 * 40


def test_validations_are_reported_at_shares_of_the_budget_once_each(config: TuneConfig, tmp_path: Path) -> None:
    study = open_study(config, f"sqlite:///{tmp_path / 'study.db'}")
    for first in (0, 1):  # of 4000 days: every 400, and with rollouts of 304
        trial = asked(study)
        watch = _Watch(trial, steps=4000, before=(5.0,) * first)
        days = [304, 608, 608, 1216, 4256, 4300] if first else [0, 400, 800, 3999, 4000]
        for value, played in enumerate(days):
            watch(CurvePoint(LearningCost(steps=played), (float(value),)))
    even, odd = (trial.intermediate_values for trial in study.trials)
    assert even == {0: 0, 1: 0, 2: 1, 3: 1, 4: 2, **dict.fromkeys(range(5, 19), 2), 19: 3, 20: 4}
    at = {21 + 1: 0, 21 + 2: 0, 21 + 3: 1, 21 + 4: 2, 21 + 5: 2, 21 + 6: 3, **dict.fromkeys(range(21 + 7, 21 + 20), 3), 21 + 20: 4}
    assert odd == {place: (5 + value) / 2 for place, value in at.items()}


def test_trials_with_other_rounds_are_compared_and_none_in_the_first_quarter(config: TuneConfig, tmp_path: Path) -> None:
    study = open_study(config, f"sqlite:///{tmp_path / 'study.db'}")
    for _ in range(STARTUP_TRIALS):
        trial = asked(study)
        watch = _Watch(trial, steps=4000, before=())
        for played in range(400, 4001, 400):
            watch(CurvePoint(LearningCost(steps=played), (1.0,)))
        study.tell(trial, 1.0)
    watch = _Watch(asked(study), steps=4000, before=())
    for played in (304, 608, 912):
        watch(CurvePoint(LearningCost(steps=played), (0.0,)))
    with pytest.raises(TrialPruned):
        watch(CurvePoint(LearningCost(steps=1216), (0.0,)))
    assert watch.reached == 6 > POINTS // 4


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials without a sign of life are given up after two seconds."""
    monkeypatch.setattr("gridtoll.train.tuning.study.HEARTBEAT_S", 1)
    monkeypatch.setattr("gridtoll.train.tuning.study.POLL_S", 0.05)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("begun", [False, True])
def test_a_study_killed_in_its_last_trial_and_begun_again_at_once_has_all_trials(begun: bool, config: TuneConfig, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    run_trials(replace(config, trials=1), storage)
    study = open_study(config, storage)
    killed = asked(study)
    if begun:
        killed.suggest_float("charge", 0.0, 0.2)
        study._storage.record_heartbeat(killed._trial_id)
    assert (len(counted(study)), len(ended(study))) == (2, 1)
    run_trials(replace(config, trials=2), storage)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE]


@pytest.mark.usefixtures("impatient")
def test_a_study_ends_when_the_trials_of_others_have(config: TuneConfig, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    run_trials(replace(config, trials=1), storage)
    others = open_study(config, storage)
    trial = asked(others, charge=FloatDistribution(0.0, 0.2))

    def end() -> None:
        time.sleep(0.5)
        others.tell(trial, 99.0)

    other = threading.Thread(target=end)
    other.start()
    with Workers(1) as workers:
        tuned = tune(replace(config, trials=2), tmp_path / "study", workers, storage=storage)
    other.join()
    assert (tuned.trials, tuned.validation_eur) == (2, 99.0)
    assert tomllib.loads((tmp_path / "study" / "tuned.toml").read_text())["origin"]["trials"] == 2


def test_the_files_of_a_study_name_where_it_comes_from(config: TuneConfig, tmp_path: Path) -> None:
    with Workers(1) as workers:
        tuned = tune(replace(config, trials=3), tmp_path / "study", workers)
    written = tomllib.loads((tmp_path / "study" / "tuned.toml").read_text())
    assert written["settings"] == dict(tuned.settings)
    assert (written["origin"]["trials"], written["origin"]["seeds"]) == (3, [FIRST_SEED])
    assert written["origin"]["versions"]["gridtoll"]
    assert settings_of(make_algorithm(config.algorithm, written["settings"], place=tmp_path)) == dict(tuned.settings)


@pytest.mark.parametrize("file", sorted(SPACES.glob("*.toml")), ids=lambda file: file.stem)
def test_every_shipped_space_holds_settings_its_algorithm_has(file: Path) -> None:
    space = shipped_space(file.stem)
    ends = {name: p.low if isinstance(p, Range) else p.choices[0] for name, p in space.parameters.items()}
    others = {name: p.high if isinstance(p, Range) else p.choices[-1] for name, p in space.parameters.items()}
    assert make_algorithm(file.stem, ends) != make_algorithm(file.stem, others)


@pytest.mark.parametrize("file", sorted(SPACES.glob("*.toml")), ids=lambda file: file.stem)
def test_every_shipped_space_holds_the_settings_its_algorithm_has_by_itself(file: Path) -> None:
    defaults = settings_of(make_algorithm(file.stem, {}))
    stored = shipped_space(file.stem).stored(defaults)
    assert (
        shipped_space(file.stem).suggest(FixedTrial(stored)).items() <= {name: _listed(value) for name, value in defaults.items()}.items()
    )


def test_the_first_trial_has_the_settings_of_the_algorithm_itself(config: TuneConfig, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    run_trials(replace(config, trials=2), storage)
    first, second = counted(open_study(config, storage))
    assert first.params == {"charge": 0.0}
    assert second.params["charge"] > 0


def test_settings_of_the_algorithm_itself_are_tried_again_where_that_trial_was_killed(config: TuneConfig, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    study = open_study(config, storage)
    with pytest.warns(UserWarning, match="[Hh]eartbeat"):
        begun = study.ask()
    study.tell(begun, state=TrialState.FAIL)
    run_trials(replace(config, trials=2), storage)
    first, second = counted(open_study(config, storage))
    assert first.params == {"charge": 0.0}
    assert second.params["charge"] > 0


def test_settings_outside_a_space_are_no_trial(config: TuneConfig, tmp_path: Path) -> None:
    elsewhere = replace(config, space=Space({"charge": Range(0.1, 0.2)}), trials=1)
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    run_trials(elsewhere, storage)
    (trial,) = counted(open_study(elsewhere, storage))
    assert trial.params["charge"] >= 0.1


@pytest.mark.parametrize("settings", [{}, {"rate": 2.0, "hidden": [8]}, {"rate": True, "hidden": [8]}, {"rate": 0.5, "hidden": [9]}])
def test_settings_a_space_does_not_hold_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must"):
        Space({"rate": Range(0.0, 1.0), "hidden": Choice(([8], [16]))}).stored(settings)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "at least one setting"),
        ("[rate]\nlow = 1", "either `low` and `high`"),
        ("[rate]\nlow = 2\nhigh = 1", "low < high"),
        ("[rate]\nlow = 0.0\nhigh = 1.0\nlog = true", "low > 0"),
        ("[rate]\nchoices = [1]", "at least two"),
        ("rate = 3", "either `low` and `high`"),
        ("[rate", "must be a TOML file"),
    ],
)
def test_a_space_that_cannot_be_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "space.toml").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_space(tmp_path / "space.toml")


def test_a_space_has_whole_numbers_where_its_ends_are_whole(tmp_path: Path) -> None:
    (tmp_path / "space.toml").write_text(
        "[updates]\nlow = 4\nhigh = 24\n[rate]\nlow = 1e-4\nhigh = 1e-2\nlog = true\n[hidden]\nchoices = [[64], [8, 8]]"
    )
    assert read_space(tmp_path / "space.toml").parameters == {
        "updates": Range(4, 24),
        "rate": Range(1e-4, 1e-2, log=True),
        "hidden": Choice(([64], [8, 8])),
    }


def test_an_unknown_algorithm_is_refused_before_anything_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", "--algorithm", "sacc", "--out", str(tmp_path / "study")]) == 2
    assert "Did you mean 'sac'?" in capsys.readouterr().err
    assert not (tmp_path / "study").exists()


def test_a_held_out_community_is_refused(config: TuneConfig, tmp_path: Path) -> None:
    with Workers(1) as workers, pytest.raises(ValueError, match="not held out"):
        tune(replace(config, task=GameSpec(community="case33bw")), tmp_path / "study", workers)
    assert not (tmp_path / "study").exists()


def _worth(config: TuneConfig, charge: float, tmp_path: Path) -> float:
    """Return the mean validation reward of a charge, by an algorithm made directly."""
    with Workers(1) as workers:
        practice = TaskPractice(config.task, seed=0, folder=tmp_path / "direct", steps=4, validation_days=4, workers=workers)
        make_algorithm(config.algorithm, {"charge": charge}, place=tmp_path).learn(practice)
    return practice.curve[-1].validation_eur


def _listed(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("name", ["blended", "prescriptive-kernel", "prescriptive-neighbours"])
def test_a_leader_that_plans_is_tuned_in_the_space_that_ships_and_its_settings_go_into_a_plan(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = environment_of(GameSpec(community="two-prosumers")).community.scenarios("train")[::40]
    monkeypatch.setattr("gridtoll.train.learning.practice.training_scenarios", lambda _: days)
    task, space = GameSpec(community="two-prosumers"), shipped_space(name)
    config = TuneConfig(algorithm=name, space=space, task=task, steps=10, validation_days=3, trials=2)
    with Workers(1, quiet=True) as workers:
        tuned = tune(config, tmp_path / "study", workers)
    assert (tuned.trials, tuned.failed) == (2, 0)
    plan = f'communities = ["two-prosumers"]\n[algorithms.{name}]\ntuned = "{tmp_path / "study" / "tuned.toml"}"\n'
    [entry] = read_plan(plan.encode(), source="plan").algorithms
    assert dict(entry.settings) == dict(tuned.settings)
    assert set(tuned.settings) == set(space.parameters)


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.glob("*.toml")))
def test_tuned_settings_that_ship_are_taken_by_their_algorithm_with_the_budget_they_name(name: str) -> None:
    origin = tomllib.loads((SHIPPED / f"{name}.toml").read_text(encoding="utf-8"))["origin"]
    algorithm, env = origin["algorithm"], origin.get("env", "day-ahead")
    settings = tuned_settings(name, algorithm)
    require_budget(algorithm, settings, origin["steps"], env=env)
    stated = settings_of(make_algorithm(algorithm, settings, env=env))
    assert {key: list(stated[key]) if isinstance(value, list) else stated[key] for key, value in settings.items()} == settings
