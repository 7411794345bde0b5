"""Tuned settings in rl-baselines3-zoo's form say what the learners here were tuned with, and the view of the day is theirs."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import gymnasium
import numpy as np
import pytest
import sb3_contrib
import stable_baselines3
import yaml
from stable_baselines3.common.vec_env import DummyVecEnv

from gridtoll.agents.curves.day_features import DayActions
from gridtoll.agents.learned.day_view import DayView
from gridtoll.agents.learned.settings import ALGORITHM_NAMES, DEFAULTS
from gridtoll.agents.learned.vec_env import GymnasiumVecEnv
from gridtoll.envs.adapters.vector import PricingVectorEnv
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.tuning.zoo import zoo_form

TASK = GameSpec(community="two-prosumers", tariff="unique")


@pytest.mark.parametrize("algorithm", ALGORITHM_NAMES)
def test_what_the_zoo_reads_makes_the_learner_and_its_environment(algorithm: str) -> None:
    settings = {"learning_rate": 2e-3, "hidden": [16, 16], "warmup_days": 16, "updates": 2, "batch_size": 8}
    [(name, entry)] = yaml.safe_load(zoo_form(algorithm, settings, TASK, steps=48) or "").items()
    arguments, [(path, view)] = entry.pop("env_kwargs"), entry.pop("env_wrapper")[0].items()
    module, _, kind = path.rpartition(".")

    def make() -> gymnasium.Env[Any, Any]:
        seen: gymnasium.Env[Any, Any] = getattr(import_module(module), kind)(gymnasium.make(f"gridtoll.envs:{name}", **arguments), **view)
        return seen

    environment = DummyVecEnv([make] * entry.pop("n_envs"))
    assert environment.num_envs == 8
    steps, noise = entry.pop("n_timesteps"), (entry.pop("noise_type", None), entry.pop("noise_std", None))
    assert noise == (("normal", DEFAULTS["td3"].exploration) if algorithm == "td3" else (None, None))
    known = getattr(stable_baselines3, algorithm.upper(), None) or getattr(sb3_contrib, {"crossq": "CrossQ"}.get(algorithm, "TQC"))
    learner = known(env=environment, **entry)
    learner.learn(steps)
    assert learner.gamma == 0.0
    assert learner.learning_rate == 2e-3


def test_an_algorithm_of_another_kind_has_no_such_form() -> None:
    assert zoo_form("first-order", {}, TASK, steps=48) is None


def test_a_view_of_the_day_is_what_training_sees() -> None:
    options = {"day": 3, "price_path": 1}
    view = DayView(gymnasium.make("gridtoll.envs:gridtoll/DayAhead-v0", community="ieee9", solver="structured"), reward_unit=2.0)
    envs = PricingVectorEnv(1, "ieee9")
    rows = GymnasiumVecEnv(envs, reward_unit=2.0, day=DayActions(envs.game.observer.size, envs.game.setting.charge_cap))
    rows.set_options(options)
    shown, _ = view.reset(options=options)
    np.testing.assert_array_equal(rows.reset()[0], shown)
    action = np.array([0.3], dtype=np.float32)
    _, reward, terminated, *_ = view.step(action)
    _, rewards, dones, _ = rows.step(action[None])
    assert (np.float32(reward), terminated) == (rewards[0], bool(dones[0]))
    assert shown in view.observation_space


@pytest.mark.parametrize(("arguments", "unit"), [({"tariff": "zonal"}, 1.0), ({}, 0.0)])
def test_a_view_that_cannot_be_is_refused(arguments: dict[str, Any], unit: float) -> None:
    environment = gymnasium.make("gridtoll.envs:gridtoll/DayAhead-v0", community="ieee9", solver="structured", **arguments)
    with pytest.raises(ValueError, match="one charge a day"):
        DayView(environment, reward_unit=unit)
