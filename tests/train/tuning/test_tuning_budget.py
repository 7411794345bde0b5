"""Spaces against budgets, and trials that fail: what cannot learn is never tried, and what fails is recorded while the study goes on."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from gridtoll.agents.learned.settings import ALGORITHM_NAMES
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.packages import MissingPackageError
from gridtoll.train.learning.algorithms import require_budget
from gridtoll.train.tuning.budget import what_was_left_out, within_budget
from gridtoll.train.tuning.space import Choice, Range, Space, shipped_space
from gridtoll.train.tuning.study import TuneConfig, ended, error_of, open_study
from gridtoll.train.tuning.tune import tune
from gridtoll.train.workers import Workers

FRAGILE = """
from dataclasses import dataclass
import numpy as np
from gridtoll.agents.fixed.day_ahead import ConstantPolicy

@dataclass(frozen=True)
class Fragile:
    charge: float = 0.05

    def learn(self, practice):
        if self.charge > 0.1:
            raise RuntimeError("too dear\\nby far")
        if self.charge < 0.02:
            raise OSError(28, "No space left on device") if self.charge < 0 else AssertionError("too cheap")
        policy = ConstantPolicy(np.full(practice.n_charges, self.charge))
        practice.validate(policy)
        return policy


@dataclass(frozen=True)
class Mute:
    charge: float = 0.05

    def learn(self, practice):
        return ConstantPolicy(np.full(practice.n_charges, self.charge))


@dataclass(frozen=True)
class Wanting:
    charge: float = 0.05

    def learn(self, practice):
        import a_module_that_is_nowhere
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TuneConfig:
    """A study of an algorithm that fails at half of its charges."""
    (tmp_path / "fragile.py").write_text(FRAGILE)
    monkeypatch.chdir(tmp_path)
    space = Space({"charge": Range(0.0, 0.2)})
    task = GameSpec(community="two-prosumers", tariff="unique")
    return TuneConfig(algorithm="fragile:Fragile", space=space, task=task, steps=4, validation_days=4, trials=9)


def run(config: TuneConfig, folder: Path) -> list[dict[str, str]]:
    """Runs a study to its end, and returns its trials."""
    with Workers(1) as workers:
        tune(config, folder, workers)
    with (folder / "trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("algorithm", ALGORITHM_NAMES)
@pytest.mark.parametrize("steps", [640, 1000, 4000])
def test_every_shipped_space_holds_only_what_the_budget_leaves_something_to_learn_from(algorithm: str, steps: int) -> None:
    clipped = within_budget(shipped_space(algorithm), algorithm, steps)
    for value in clipped.parameters["warmup_days"].ends:
        require_budget(algorithm, {"warmup_days": value}, steps)
        assert value <= steps if algorithm == "ppo" else steps - value >= steps / 4


@pytest.mark.parametrize("algorithm", ALGORITHM_NAMES)
def test_a_space_that_fits_its_budget_is_left_as_it_is(algorithm: str) -> None:
    space = shipped_space(algorithm)
    assert within_budget(space, algorithm, 4000) == space
    assert not what_was_left_out(space, within_budget(space, algorithm, 4000))


def test_what_a_budget_leaves_out_of_a_space_is_said() -> None:
    space = shipped_space("sac")
    assert what_was_left_out(space, within_budget(space, "sac", 640)) == {"warmup_days": "400 to 480, not 400 to 2400"}
    choice = Space({"warmup_days": Choice((100, 200, 600))})
    assert within_budget(choice, "sac", 640).parameters["warmup_days"] == Choice((100, 200))


@pytest.mark.parametrize("algorithm", sorted(set(ALGORITHM_NAMES) - {"ppo"}))
def test_a_space_of_which_a_budget_leaves_nothing_is_refused_with_what_to_do(algorithm: str, tmp_path: Path) -> None:
    config = TuneConfig(algorithm=algorithm, space=shipped_space(algorithm), task=GameSpec(community="two-prosumers"), steps=320)
    with Workers(1) as workers, pytest.raises(ValueError, match=r"at most 240, but the space tries 400 to 2400\. .*--steps.*--space"):
        tune(config, tmp_path / "study", workers)
    assert not (tmp_path / "study").exists()


def test_settings_a_space_leaves_alone_are_held_against_the_budget_as_well() -> None:
    with pytest.raises(ValueError, match="600 days of random charges"):
        within_budget(Space({"updates": Range(4, 8)}), "sac", 500)


def test_all_settings_that_an_algorithm_cannot_have_are_named_before_the_first_trial(tmp_path: Path) -> None:
    space = Space({"batch_size": Range(0, 8), "learning_rate": Choice((-1.0, 1e-3)), "momentum": Range(0.0, 1.0)})
    config = TuneConfig(algorithm="sac", space=space, task=GameSpec(community="two-prosumers"), steps=4000)
    with Workers(1) as workers, pytest.raises(ValueError, match=r"(?s)batch_size = 0.*learning_rate = -1\.0.*momentum = 0\.0"):
        tune(config, tmp_path / "study", workers)
    assert not (tmp_path / "study").exists()


def test_a_trial_that_fails_is_recorded_and_the_study_goes_on(config: TuneConfig, tmp_path: Path) -> None:
    rows = run(config, tmp_path / "study")
    failed = [row for row in rows if row["state"] == "failed"]
    assert len(rows) == config.trials
    assert {row["error"] for row in failed} == {"RuntimeError: too dear\nby far", "AssertionError: too cheap"}
    for row in rows:
        assert (row["state"] == "failed") == (not 0.02 <= float(row["charge"]) <= 0.1) == (row["validation_eur"] == "")


def test_a_study_with_failed_trials_stopped_and_continued_is_that_never_stopped(config: TuneConfig, tmp_path: Path) -> None:
    run(replace(config, trials=5), tmp_path / "parts")
    assert run(config, tmp_path / "parts") == run(config, tmp_path / "whole")


@pytest.mark.parametrize(
    ("space", "algorithm", "said"),
    [
        (Range(0.11, 0.2), "Fragile", "RuntimeError: too dear"),
        (Range(0.11, 0.2), "Mute", "finite amount"),
    ],
)
def test_a_study_in_which_every_trial_fails_ends_and_says_why(
    space: Range, algorithm: str, said: str, config: TuneConfig, tmp_path: Path
) -> None:
    config = replace(config, space=Space({"charge": space}), algorithm=f"fragile:{algorithm}", trials=3)
    for _ in range(2):
        with pytest.raises(ValueError, match=rf"(?s)none has\. Allow more trials\..*{said}"):
            run(config, tmp_path / "study")
    assert len((tmp_path / "study" / "trials.csv").read_text().splitlines()) >= 4


def test_what_says_nothing_about_the_settings_ends_the_study_and_is_no_trial(config: TuneConfig, tmp_path: Path) -> None:
    for name, space, error in (("Fragile", Range(-0.2, -0.1), OSError), ("Wanting", Range(0.0, 0.1), MissingPackageError)):
        here = replace(config, algorithm=f"fragile:{name}", space=Space({"charge": space}), trials=2)
        storage = f"sqlite:///{tmp_path / name}.db"
        with Workers(1) as workers, pytest.raises(error):
            tune(here, tmp_path / name, workers, storage=storage)
        study = open_study(here, storage)
        assert not ended(study)
        assert all(error_of(trial) is None for trial in study.get_trials())
