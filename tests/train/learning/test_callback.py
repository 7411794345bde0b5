"""Regret while stable-baselines3 learns, and the optimum in `info`, for who uses that library directly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.wrappers import RescaleAction
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.ground.playing import play_days, same_for_all
from gridtoll.train.learning.callback import RegretEvalCallback, WithOptimum
from gridtoll.train.references.optima import find_optimum
from gridtoll.train.references.solved import Settings

DAYS = [Scenario(100, 0), Scenario(121, 1), Scenario(300, 0)]


def made(**arguments: Any) -> Any:
    env = gymnasium.make("gridtoll.envs:gridtoll/DayAhead-v0", community="two-prosumers", solver="structured", **arguments)
    return RescaleAction(env, np.float32(-1.0), np.float32(1.0))


def learner_of(kind: Any = PPO, environment: Any = None, **arguments: Any) -> Any:
    settings = {"n_steps": 16, "batch_size": 16} if kind is PPO else {"learning_starts": 8}
    return kind("MlpPolicy", made() if environment is None else environment, gamma=0.0, seed=0, **settings | arguments)


def test_scores_are_regrets_to_the_optimum_of_days_played_by_hand(tmp_path: Path) -> None:
    told = RegretEvalCallback(made(), scenarios=DAYS, eval_freq=16, folder=tmp_path)
    learner = learner_of().learn(32, callback=told)
    assert [score["timesteps"] for score in told.scores] == [16, 32]
    best = [find_optimum(GameSpec(community="two-prosumers"), day, Settings())[0] for day in DAYS]
    env, earned = made(), []
    for day in DAYS:
        observation, _ = env.reset(options=day._asdict())
        earned.append(env.step(PPO.load(tmp_path / "best_model.zip").predict(observation, deterministic=True)[0])[1])
    regret = np.mean([one.best_eur - other for one, other in zip(best, earned, strict=True)])
    assert told.best_regret_eur == pytest.approx(regret, rel=1e-6)
    assert told.best_regret_eur >= -1e-9
    assert json.loads((tmp_path / "regret.json").read_text()) == told.scores
    assert learner.num_timesteps == 32


def test_a_training_that_goes_on_keeps_what_was_scored(tmp_path: Path) -> None:
    first = RegretEvalCallback(made(), scenarios=DAYS, eval_freq=16, folder=tmp_path)
    learner = learner_of().learn(32, callback=first)
    second = RegretEvalCallback(made(), scenarios=DAYS, eval_freq=16, folder=tmp_path)
    learner.learn(16, callback=second, reset_num_timesteps=False)
    assert [score["timesteps"] for score in second.scores] == [16, 32, 48]
    assert second.scores[:2] == first.scores
    assert second.best_regret_eur <= first.best_regret_eur


def test_observations_are_normalised_as_in_training() -> None:
    rows = VecNormalize(DummyVecEnv([made]), norm_obs=True, norm_reward=True)
    told = RegretEvalCallback(made(), scenarios=DAYS, eval_freq=16)
    learner = learner_of(environment=rows).learn(16, callback=told)
    env, earned = made(), []
    for day in DAYS:
        observation, _ = env.reset(options=day._asdict())
        earned.append(env.step(learner.predict(rows.normalize_obs(observation), deterministic=True)[0])[1])
    assert len(told.scores) == 1
    assert np.isfinite(told.scores[0]["rewards"]).all()
    assert len(earned) == len(DAYS)


def test_it_serves_other_algorithms_and_the_hourly_game() -> None:
    env = gymnasium.make("gridtoll.envs:gridtoll/Hourly-v0", community="two-prosumers")
    told = RegretEvalCallback(RescaleAction(env, np.float32(-1), np.float32(1)), scenarios=DAYS[:1], eval_freq=48)
    hourly = RescaleAction(gymnasium.make("gridtoll.envs:gridtoll/Hourly-v0", community="two-prosumers"), np.float32(-1), np.float32(1))
    learner_of(SAC, hourly).learn(48, callback=told)
    assert len(told.scores) == 1
    assert len(told.scores[0]["rewards"]) == 1


def test_what_is_none_of_ours_is_refused() -> None:
    with pytest.raises(ValueError, match="regret is that of an environment of gridtoll, got PendulumEnv"):
        RegretEvalCallback(gymnasium.make("Pendulum-v1"))
    with pytest.raises(ValueError, match="optima are those of an environment of gridtoll, got PendulumEnv"):
        WithOptimum(gymnasium.make("Pendulum-v1"))
    with pytest.raises(ValueError, match="`eval_freq` must be at least 1, got 0"):
        RegretEvalCallback(made(), eval_freq=0)


def test_info_tells_the_optimum_and_observations_do_not() -> None:
    plain, told = made(), WithOptimum(made())
    observation, _ = plain.reset(options=DAYS[0]._asdict())
    seen, info = told.reset(options=DAYS[0]._asdict())
    assert np.array_equal(observation, seen)
    solved = find_optimum(GameSpec(community="two-prosumers"), DAYS[0], Settings())[0]
    assert (info["optimum_eur"], info["optimum_upper_bound_eur"]) == (solved.best_eur, solved.upper_bound_eur)
    assert tuple(info["optimum_charges"]) == solved.charges
    _, reward, *_, info = told.step(np.array([0.1], dtype=np.float32))
    assert reward <= info["optimum_upper_bound_eur"] + 1e-9
    assert info["profit_eur"] == reward


def test_where_prosumers_learn_a_day_is_scored_after_the_policy_has_led_those_before_it() -> None:
    task = GameSpec(env="hourly", community="ieee9", belief="learned")
    day = Scenario(2, 0)
    env = gymnasium.make("gridtoll.envs:gridtoll/Hourly-v0", community="ieee9", belief="learned")
    told = RegretEvalCallback(env, scenarios=[day], eval_freq=8)

    class Posting:
        """Charges more, the later the hour."""

        def get_vec_normalize_env(self) -> None:
            return None

        def predict(self, seen: Any, state: Any, start: Any, deterministic: bool = True) -> tuple[Any, Any]:
            hour = env.unwrapped.observer.layout["hour"]  # type: ignore[attr-defined]
            return np.array([0.01 * float(np.argmax(seen[hour]))]), state

    told.model = Posting()  # type: ignore[assignment]
    played = [told._played(day) for _ in range(2)]
    [expected] = play_days(task, same_for_all(told.model), [day], threads=1)
    assert played == pytest.approx([expected.objective_eur] * 2, rel=1e-9)
    assert len(env.unwrapped.state.memory.days) == 3  # type: ignore[attr-defined]
