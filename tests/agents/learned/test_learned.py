"""Leaders learned with stable-baselines3: they learn, they pickle no code into what evaluation reads, and a kill changes nothing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import Env, spaces
from gymnasium.wrappers import RescaleAction
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import DummyVecEnv
from trainings import TASK, tiny

from gridtoll.agents.curves.day_features import N_PUBLIC, DayFeatures
from gridtoll.agents.learned.settings import ALGORITHM_NAMES, DEFAULTS, LearnerSettings
from gridtoll.agents.learned.stable_baselines import LearnedPolicy, day_of, load_policy, make_learner, to_charges, write_weights
from gridtoll.envs import Scenario
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.ground.config import TrainConfig
from gridtoll.train.ground.rounds import Rounds, training_scenarios
from gridtoll.train.ground.runs import RunFolder
from gridtoll.train.learning.learn import resume, reward_unit_eur, train, training_rounds
from gridtoll.train.scoring.leaders import learned_policy
from gridtoll.train.task import batch_of, environment_of
from gridtoll.train.workers import Workers

CAP = 0.8


class Parabola(Env[NDArray[np.float32], NDArray[np.float32]]):
    """Rewards the charge that the context asks for."""

    observation_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = spaces.Box(0.0, CAP, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: object = None) -> tuple[NDArray[np.float32], dict[str, object]]:
        super().reset(seed=seed)
        self.context = self.np_random.uniform(-1, 1, 2).astype(np.float32)
        return self.context, {}

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, object]]:
        wanted = CAP * (0.5 + 0.3 * self.context[0])
        return self.context, 1.0 - float(((action[0] - wanted) / CAP) ** 2) * 10, True, False, {}


@pytest.mark.parametrize("algorithm", ALGORITHM_NAMES)
def test_every_algorithm_learns_which_charge_a_context_asks_for(algorithm: str) -> None:
    environment = DummyVecEnv([lambda: RescaleAction(Parabola(), np.float32(-1), np.float32(1))] * 4)
    environment.seed(1)
    settings = replace(DEFAULTS[algorithm], hidden=(32, 32), batch_size=64, updates=4, warmup_days=100)
    learner = make_learner(settings, environment, seed=1)
    learner.learn(6000 if algorithm == "ppo" else 800)
    policy = LearnedPolicy(learner.policy, CAP)
    contexts = np.random.default_rng(2).uniform(-1, 1, (50, 2)).astype(np.float32)
    charges = np.array([policy.predict(context, deterministic=True)[0][0] for context in contexts])
    wanted = CAP * (0.5 + 0.3 * contexts[:, 0])
    constant = np.abs(wanted - wanted.mean()).mean()
    assert np.abs(charges - wanted).mean() < 0.5 * constant


@pytest.mark.parametrize("action", [-1.0, -0.25, 0.0, 1.0])
def test_charges_undo_what_rescale_action_does(action: float) -> None:
    environment = Parabola()
    rescaled = RescaleAction(environment, np.float32(-1), np.float32(1))
    assert to_charges([action], CAP) == pytest.approx(rescaled.action(np.array([action], np.float32)), abs=1e-7)


def test_charges_stay_between_zero_and_the_cap() -> None:
    assert to_charges([-1.5, 1.5], [0.5, 2.0]).tolist() == [0.0, 2.0]


@pytest.mark.parametrize("algorithm", ALGORITHM_NAMES)
def test_weights_read_back_post_the_same_charges_and_hold_no_pickled_objects(algorithm: str, tmp_path: Path) -> None:
    environment = DummyVecEnv([lambda: RescaleAction(Parabola(), np.float32(-1), np.float32(1))])
    settings = replace(DEFAULTS[algorithm], hidden=(8, 8))
    learner = make_learner(settings, environment, seed=3)
    with (tmp_path / "policy.pt").open("wb") as file:
        write_weights(learner.policy, file)
    assert set(torch.load(tmp_path / "policy.pt", weights_only=True)) == set(learner.policy.state_dict())
    before, after = LearnedPolicy(learner.policy, CAP), load_policy(tmp_path / "policy.pt", settings, 2, cap=CAP, n_coefficients=1)
    context = np.array([0.3, -0.4], np.float32)
    np.testing.assert_array_equal(before.predict(context, deterministic=True)[0], after.predict(context, deterministic=True)[0])
    with pytest.raises(ValueError, match="weights do not fit"):
        load_policy(tmp_path / "policy.pt", settings, 3, cap=CAP, n_coefficients=1)


def test_settings_name_every_fault_and_suggest_the_nearest_algorithm() -> None:
    with pytest.raises(ValueError, match="Did you mean 'sac'"):
        LearnerSettings(algorithm="sax")
    with pytest.raises(ValueError, match=r"`learning_rate` 0, `batch_size` -1, `hidden\[1\]` 0"):
        LearnerSettings(learning_rate=0, batch_size=-1, hidden=(8, 0))
    with pytest.raises(ValueError, match="Did you mean 'day'"):
        LearnerSettings(sees="days")  # type: ignore[arg-type]


def test_a_configuration_survives_its_file_and_refuses_another() -> None:
    config = tiny("td3")
    assert TrainConfig.from_json(config.to_json()) == config
    with pytest.raises(ValueError, match="must hold exactly"):
        TrainConfig.from_json({"seed": 1})
    with pytest.raises(ValueError, match="unexpected keyword"):
        TrainConfig.from_json({**config.to_json(), "task": {"comunity": "x"}})
    with pytest.raises(ValueError, match=r"`steps` at least 1, got 0; `validation_days` at least 1"):
        tiny(steps=0, validation_days=0)


def test_a_configuration_from_before_there_was_a_choice_sees_everything() -> None:
    written = tiny().to_json()
    assert written["learner"].pop("sees") == "day"
    assert TrainConfig.from_json(written).learner.sees == "everything"


@pytest.mark.parametrize(("n_observed", "n_coefficients"), [(N_PUBLIC - 1, 1), (N_PUBLIC, 24)])
def test_where_there_is_no_day_to_see_or_several_charges_are_posted_all_is_seen_as_it_is(n_observed: int, n_coefficients: int) -> None:
    assert day_of(DEFAULTS["sac"], n_observed, cap=CAP, n_coefficients=n_coefficients) is None
    assert day_of(DEFAULTS["sac"], N_PUBLIC, cap=CAP, n_coefficients=1) is not None
    assert day_of(replace(DEFAULTS["sac"], sees="everything"), N_PUBLIC, cap=CAP, n_coefficients=1) is None


@pytest.mark.parametrize("sees", ["day", "everything"])
def test_a_finished_run_is_read_back_with_what_it_sees_and_its_network_posts_its_charges(sees: Any, tmp_path: Path) -> None:
    with Workers(1) as workers:
        run = train(tiny(learner=replace(tiny().learner, sees=sees)), tmp_path / "run", workers)
    policy = learned_policy(run, TASK)
    envs = batch_of(TASK, 20)
    observations, _ = envs.reset(seed=1)
    charges = np.array([policy.predict(observation, deterministic=True)[0] for observation in observations])
    with torch.no_grad():
        np.testing.assert_allclose(policy.network(torch.as_tensor(observations)).numpy(), charges, rtol=0, atol=1e-6)
    assert (charges >= 0).all()
    assert (charges <= envs.game.setting.charge_cap).all()
    assert len(np.unique(charges)) > 5
    best = run.load("best")
    assert best is not None
    width = next(iter(torch.load(best.files["policy.pt"], weights_only=True).values())).shape[-1]
    assert width == (DayFeatures(N_PUBLIC).size if sees == "day" else N_PUBLIC)


def test_rounds_visit_every_training_scenario_once_a_pass_and_depend_on_seed_and_position_alone() -> None:
    every = training_scenarios(TASK)

    def sequence(seed: int, played: int, n_parallel: int, n: int) -> list[tuple[int, int]]:
        rounds = Rounds(batch_of(TASK, n_parallel), every, seed=seed, played=played)
        found = [rounds.reset()[1] for _ in range(n // n_parallel)]
        return [pair for infos in found for pair in zip(infos["day"].tolist(), infos["price_path"].tolist(), strict=True)]

    assert len(every) == len(set(every)) == 198 * 4
    assert sorted(sequence(0, 0, 4, len(every))) == sorted(every)
    assert sequence(0, 0, 4, 900)[800:] == sequence(0, 800, 10, 100)
    assert sequence(0, 0, 4, 20) != sequence(1, 0, 4, 20)


def test_a_round_pays_what_the_environment_pays() -> None:
    environment = environment_of(TASK)
    learner = replace(tiny().learner, sees="everything")
    rounds = training_rounds(tiny(parallel_days=3, learner=learner), played=0)
    first = rounds.reset()
    scenarios = [Scenario(info["day"], info["price_path"]) for info in rounds.reset_infos]
    after, rewards, dones, infos = rounds.step(np.full((3, 1), -0.5, np.float32))
    assert dones.all()
    for place, scenario in enumerate(scenarios):
        observation, _ = environment.reset(options=scenario._asdict())
        np.testing.assert_array_equal(first[place], observation)
        np.testing.assert_array_equal(infos[place]["terminal_observation"], observation)
        _, reward, *_ = environment.step([0.25 * environment.charge_cap])
        assert infos[place]["episode"]["r"] == reward
        assert rewards[place] == np.float32(reward / reward_unit_eur(TASK))
    assert not np.array_equal(first, after)  # type: ignore[arg-type]


def test_training_leaves_a_finished_run_and_the_random_states_of_its_caller(tmp_path: Path) -> None:
    random.seed(1)
    torch.manual_seed(1)
    expected = random.Random(1).random(), torch.rand(1, generator=torch.Generator().manual_seed(1))
    with Workers(1) as workers:
        run = train(tiny(), tmp_path / "run", workers)
    assert (random.random(), torch.rand(1)) == expected
    checkpoint, best = run.load("checkpoint"), run.load("best")
    assert checkpoint is not None
    assert best is not None
    progress = run.progress()
    assert [row["step"] for row in progress] == [16, 32, 48]
    assert checkpoint.step == 48
    assert best.facts["objective_eur"] == max(row["objective_eur"] for row in progress)
    assert list((run.path / "tensorboard").glob("events*"))
    assert run.config["community_hash"] == environment_of(TASK).community.content_hash


@pytest.mark.parametrize("algorithm", ALGORITHM_NAMES)
def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(
    algorithm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Workers(1) as workers:
        whole = train(tiny(algorithm), tmp_path / "whole", workers)
        saves = 0
        save = RunFolder.save

        def interrupted(self: RunFolder, kind: str, *arguments: object, **more: object) -> None:
            nonlocal saves
            saves += kind == "checkpoint"
            if saves == 2:  # the first checkpoint is written, the second is not
                raise KeyboardInterrupt
            save(self, kind, *arguments, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(RunFolder, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(tiny(algorithm), tmp_path / "cut", workers)
        monkeypatch.undo()
        cut = resume(tmp_path / "cut", workers)
    results = [[(row["step"], row["objective_eur"]) for row in run.progress()] for run in (whole, cut)]
    assert results[0] == results[1]
    for kind in ("best", "checkpoint"):
        one, other = whole.load(kind), cut.load(kind)
        assert one is not None
        assert other is not None
        assert (one.step, one.facts) == (other.step, other.facts)
    weights = [torch.load(run.load("best").files["policy.pt"], weights_only=True) for run in (whole, cut)]  # type: ignore[union-attr]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_killed_training_resumes(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "gridtoll.train",
        "train",
        "--out",
        str(folder),
        "--community",
        "two-prosumers",
        "--jobs",
        "2",
        "--quiet",
    ]
    command += ["--steps", "4000", "--validate-every", "16", "--validation-days", "3", "--warmup-days", "16", "--hidden", "8"]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / ".pkg")})
    while not (folder / "checkpoint.json").is_file():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    run = RunFolder.open(folder)
    checkpoint = run.load("checkpoint")
    assert checkpoint is not None
    assert checkpoint.step < 4000
    (folder / "config.json").write_text((folder / "config.json").read_text().replace('"steps": 4000', f'"steps": {checkpoint.step + 16}'))
    with Workers(1) as workers:
        finished = resume(folder, workers)
    assert [row["step"] for row in finished.progress()] == list(range(16, checkpoint.step + 17, 16))


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    with Workers(1) as workers:
        run = train(tiny(steps=16), tmp_path / "run", workers)
        before = {path.name: path.read_bytes() for path in run.path.iterdir() if path.is_file()}
        resume(tmp_path / "run", workers)
    assert {path.name: path.read_bytes() for path in run.path.iterdir() if path.is_file()} == before


def test_a_run_on_data_that_changed_is_not_gone_on_with(tmp_path: Path) -> None:
    with Workers(1) as workers:
        run = train(tiny(steps=16), tmp_path / "run", workers)
        file = run.path / "config.json"
        file.write_text(file.read_text().replace(run.config["community_hash"], "0" * 64))
        with pytest.raises(ValueError, match="has changed"):
            resume(run.path, workers)


def test_a_wrong_name_leaves_no_folder_behind(tmp_path: Path) -> None:
    with Workers(1) as workers:
        with pytest.raises(ValueError, match="must be one of"):
            train(tiny(task=GameSpec(community="two-prosumer")), tmp_path / "run", workers)
        with pytest.raises(ValueError, match="number of days"):
            train(tiny(validation_days=1000), tmp_path / "run", workers)
    assert list(tmp_path.iterdir()) == []
