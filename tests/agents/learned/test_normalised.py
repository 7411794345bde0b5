"""Models that learned behind a VecNormalize: scored and exported with its statistics, and never without a word."""

from __future__ import annotations

import json
import logging
import pickle
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.wrappers import RescaleAction
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from gridtoll.agents.learned.models import load_model
from gridtoll.agents.learned.normalised import ModelPolicy, statistics_beside
from gridtoll.envs import DayAheadEnv
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.cli import main
from gridtoll.train.scoring.evaluate import evaluate_leader
from gridtoll.train.scoring.leaders import make_leader
from gridtoll.train.task import environment_of, observe
from gridtoll.train.workers import Workers

TASK = GameSpec(community="two-prosumers")
DAYS = [3, 50, 180, 200, 300]
CLASSES: dict[str, type[BaseAlgorithm]] = {"ppo": PPO, "sac": SAC}


class OnDays(DayAheadEnv):
    """The environment, playing the same days over and over."""

    def __init__(self) -> None:
        super().__init__("two-prosumers", solver="structured")
        self._played = 0

    def reset(self, *, seed: int | None = None, options: Mapping[str, Any] | None = None) -> Any:
        self._played += 1
        return super().reset(seed=seed, options=options or {"day": DAYS[(self._played - 1) % len(DAYS)], "price_path": 0})


def normalised(*, scaled: bool = True, **arguments: Any) -> VecNormalize:
    def single() -> Any:
        return RescaleAction(OnDays(), np.float32(-1), np.float32(1)) if scaled else OnDays()

    return VecNormalize(DummyVecEnv([single]), **arguments)


def learned(folder: Path, algorithm: str = "ppo", **arguments: Any) -> tuple[Path, BaseAlgorithm]:
    """Train a model behind a VecNormalize, and save both."""
    envs = normalised(**arguments)
    settings: dict[str, Any] = {"n_steps": 16, "batch_size": 8} if algorithm == "ppo" else {"learning_starts": 8, "batch_size": 8}
    # Weights of one layer, and large ones, so that charges follow observations.
    model = CLASSES[algorithm]("MlpPolicy", envs, seed=3, policy_kwargs={"net_arch": [8]}, device="cpu", **settings).learn(32)
    with torch.no_grad():
        for name, weight in model.policy.named_parameters():
            if "log_std" not in name:
                weight.mul_(4.0)
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / "model.zip")
    envs.save(str(folder / "vecnormalize.pkl"))
    return folder / "model.zip", model


def score(file: Path, *, days: list[int] = DAYS, vecnormalize: Path | None = None) -> Any:
    scenarios = [Scenario(day, 0) for day in days]
    with Workers(1) as workers:
        leader = make_leader(str(file), TASK, scenarios, workers, seed=0, trust=True, vecnormalize=vecnormalize)
        return evaluate_leader(leader, TASK, scenarios, workers, split="test").profit_eur


@pytest.mark.parametrize(("algorithm", "scaled"), [("ppo", True), ("sac", True), ("sac", False), ("ppo", False)])
def test_a_model_on_normalised_observations_scores_as_in_stable_baselines_own_evaluation(
    algorithm: str, scaled: bool, tmp_path: Path
) -> None:
    file, model = learned(tmp_path, algorithm, scaled=scaled)
    envs = VecNormalize.load(str(tmp_path / "vecnormalize.pkl"), normalised(scaled=scaled).venv)
    envs.training, envs.norm_reward = False, False
    rewards, _ = evaluate_policy(model, envs, n_eval_episodes=len(DAYS), return_episode_rewards=True, warn=False)
    np.testing.assert_allclose(score(file), rewards, rtol=1e-6, atol=1e-7)
    shutil.move(tmp_path / "vecnormalize.pkl", tmp_path / "elsewhere.pkl")
    np.testing.assert_array_equal(score(file, vecnormalize=tmp_path / "elsewhere.pkl"), score_with(file, tmp_path / "elsewhere.pkl"))
    plain = ModelPolicy(model.policy, environment_of(TASK).charge_cap, scaled=scaled)
    observation = observe(TASK, Scenario(180, 0))
    own = load_model(file, 270, cap=1.0, n_coefficients=1, trust=True, vecnormalize=tmp_path / "elsewhere.pkl")[0]
    assert abs(plain.predict(observation, deterministic=True)[0] - own.predict(observation, deterministic=True)[0]) > 1e-3


def score_with(file: Path, statistics: Path) -> Any:
    shutil.copy(statistics, file.with_name("vecnormalize.pkl"))
    return score(file)


@pytest.mark.parametrize("algorithm", CLASSES)
def test_a_model_that_learned_behind_a_vecnormalize_is_refused_without_its_statistics(algorithm: str, tmp_path: Path) -> None:
    file, _ = learned(tmp_path, algorithm)
    (tmp_path / "vecnormalize.pkl").unlink()
    with pytest.raises(ValueError, match=r"learned behind a VecNormalize.*pass --vecnormalize FILE"):
        score(file)


def test_statistics_of_rewards_alone_leave_observations_as_they_are(tmp_path: Path) -> None:
    file, model = learned(tmp_path, "sac", norm_obs=False)
    with_file = score(file)
    (tmp_path / "vecnormalize.pkl").unlink()
    np.testing.assert_array_equal(score(file), with_file)
    observation = observe(TASK, Scenario(180, 0))
    policy, _ = load_model(file, 270, cap=1.0, n_coefficients=1, trust=True)
    acted = (model.predict(observation, deterministic=True)[0] + 1) / 2
    assert policy.predict(observation, deterministic=True)[0] == pytest.approx(acted, abs=1e-7)


def test_statistics_beside_a_model_that_learned_without_them_are_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = PPO("MlpPolicy", RescaleAction(OnDays(), np.float32(-1), np.float32(1)), n_steps=8, batch_size=8, seed=1, device="cpu")
    model.learn(8).save(tmp_path / "model.zip")
    alone = score(tmp_path / "model.zip")
    normalised().save(str(tmp_path / "vecnormalize.pkl"))
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(score(tmp_path / "model.zip"), alone)
    assert "did not learn behind a VecNormalize" in caplog.text


def test_a_checkpoint_has_statistics_of_its_own(tmp_path: Path) -> None:
    for name in ("vecnormalize.pkl", "rl_model_vecnormalize_1000_steps.pkl"):
        (tmp_path / name).touch()
    assert statistics_beside(tmp_path / "rl_model_1000_steps.zip") == tmp_path / "rl_model_vecnormalize_1000_steps.pkl"
    assert statistics_beside(tmp_path / "rl_model_2000_steps.zip") == tmp_path / "vecnormalize.pkl"
    assert statistics_beside(tmp_path / "sub" / "model.zip") is None


class Bomb:
    """What a stranger might pickle."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return Path.touch, (Path("exploded"),)  # type: ignore[return-value]


def test_statistics_are_unpickled_only_when_they_are_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file, _ = learned(tmp_path)
    (tmp_path / "vecnormalize.pkl").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match="pass --trust"):
        load_model(file, 270, cap=1.0, n_coefficients=1, trust=False)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"nothing of the kind", "it cannot be read"),
        (pickle.dumps({"mean": 0}), "must hold a VecNormalize of stable-baselines3, got dict"),
    ],
)
def test_statistics_that_cannot_be_used_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    file, _ = learned(tmp_path)
    (tmp_path / "vecnormalize.pkl").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        score(file)


def test_statistics_of_other_observations_are_refused(tmp_path: Path) -> None:
    file, _ = learned(tmp_path)
    hourly = VecNormalize(DummyVecEnv([lambda: DayAheadEnv("two-prosumers", information="full", solver="structured")]))
    hourly.save(str(tmp_path / "vecnormalize.pkl"))
    with pytest.raises(ValueError, match="must hold finite statistics of 270 observed numbers"):
        score(file)


def test_what_a_policy_has_never_seen_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file, _ = learned(tmp_path)
    policy, _ = load_model(file, 270, cap=1.0, n_coefficients=1, trust=True)
    with caplog.at_level(logging.WARNING):
        for day in DAYS:
            policy.predict(observe(TASK, Scenario(day, 0)), deterministic=True)
        assert not caplog.records
        for _ in range(2):
            policy.predict(np.full(270, 5.0, np.float32), deterministic=True)
    assert len(caplog.records) == 1
    assert "numbers of an observation are outside 10 deviations of its statistics" in caplog.text


def test_a_model_is_exported_with_its_statistics_and_scores_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, _ = learned(tmp_path, "sac")
    game = ["--community", "two-prosumers"]
    assert main(["export", "policy", str(file), *game, "--out", str(tmp_path / "policy.onnx")]) == 2
    assert "pass --trust" in capsys.readouterr().err
    assert main(["export", "policy", str(file), *game, "--trust", "--out", str(tmp_path / "policy.onnx"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["algorithm"] == "sac"
    np.testing.assert_allclose(score(tmp_path / "policy.onnx"), score(file), rtol=1e-5, atol=1e-6)
