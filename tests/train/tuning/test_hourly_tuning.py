"""Settings of leaders of the hourly game are tuned, and the leaders exported, as those of the day-ahead game."""

from __future__ import annotations

import tomllib
from pathlib import Path

import gymnasium
import pytest
import stable_baselines3
import yaml
from stable_baselines3.common.vec_env import DummyVecEnv

from gridtoll.agents.learned.onnx_policy import OnnxPolicy
from gridtoll.agents.learned.settings import LEARNER_NAMES
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.cli import main
from gridtoll.train.data.onnx_files import task_of
from gridtoll.train.ground.config import training_of
from gridtoll.train.learning.algorithms import require_budget
from gridtoll.train.learning.learn import train
from gridtoll.train.scoring.leaders import learned_policy
from gridtoll.train.task import environment_of, observe
from gridtoll.train.tuning.budget import within_budget
from gridtoll.train.tuning.space import SPACES, Choice, Space, shipped_space
from gridtoll.train.tuning.study import TuneConfig
from gridtoll.train.tuning.tune import tune
from gridtoll.train.tuning.zoo import zoo_form
from gridtoll.train.workers import Workers

TASK = GameSpec(env="hourly", community="two-prosumers")
SMALL = {"hidden": (8,), "warmup_days": 4, "batch_size": 32, "updates": 1}


@pytest.mark.parametrize("algorithm", sorted(file.stem for file in (SPACES / "hourly").glob("*.toml")))
def test_every_shipped_space_of_the_hourly_game_fits_its_budget(algorithm: str) -> None:
    space = shipped_space(algorithm, "hourly")
    assert within_budget(space, algorithm, 1600, env="hourly") == space
    if algorithm not in LEARNER_NAMES:  # nothing of it is played at random before it learns
        return
    clipped = within_budget(space, algorithm, 80, env="hourly")
    for value in clipped.parameters["warmup_days"].ends:
        require_budget(algorithm, {"warmup_days": value}, 80, env="hourly")


def test_a_study_of_the_hourly_game_ends_with_settings_and_says_which_game_they_are_of(tmp_path: Path) -> None:
    space = Space({"hidden": Choice(([4], [8])), "warmup_days": Choice((2, 3))})
    config = TuneConfig(algorithm="ppo", space=space, task=TASK, steps=4, validation_days=1, trials=1)
    with Workers(1) as workers:
        tuned = tune(config, tmp_path, workers)
    assert (tuned.trials, tuned.failed) == (1, 0)
    assert tomllib.loads((tmp_path / "tuned.toml").read_text())["origin"]["env"] == "hourly"


@pytest.mark.filterwarnings("ignore:.*precision lowered by casting")  # gymnasium's own wrapper
def test_what_the_zoo_reads_makes_the_hourly_environment_and_its_learner() -> None:
    [(name, entry)] = yaml.safe_load(zoo_form("sac", {"hidden": [8], "warmup_days": 1}, TASK, steps=2) or "").items()
    arguments, [(path, view)] = entry.pop("env_kwargs"), entry.pop("env_wrapper")[0].items()
    assert (name, path) == ("gridtoll/Hourly-v0", "gymnasium.wrappers.RescaleAction")

    def make() -> gymnasium.Env:
        return gymnasium.wrappers.RescaleAction(gymnasium.make(f"gridtoll.envs:{name}", **arguments), **view)

    environment = DummyVecEnv([make] * entry.pop("n_envs"))
    assert entry.pop("n_timesteps") == 48
    learner = stable_baselines3.SAC(env=environment, **entry)
    assert (learner.gamma, learner.learning_starts) == (1.0, 24)


def test_an_hourly_leader_is_exported_unless_it_remembers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Workers(1) as workers:
        for algorithm in ("ppo", "recurrent-ppo"):
            config = training_of(TASK, algorithm, SMALL, steps=4, parallel_days=4, validate_every=4, validation_days=1)
            run = train(config, tmp_path / algorithm, workers)
            if algorithm == "ppo":
                [day] = environment_of(TASK).community.scenarios("validation", 1)
                expected = learned_policy(run, TASK).predict(observe(TASK, day), deterministic=True)[0]
    file = tmp_path / "policy.onnx"
    assert main(["export", "policy", str(tmp_path / "ppo"), "--out", str(file)]) == 0
    policy = OnnxPolicy(file)
    assert task_of(policy).env == "hourly"
    assert policy.predict(observe(TASK, day))[0] == pytest.approx(expected, rel=1e-6)
    assert main(["export", "policy", str(tmp_path / "recurrent-ppo"), "--out", str(tmp_path / "other.onnx")]) == 2
    assert "charges by what it remembers of the day as well" in capsys.readouterr().err
