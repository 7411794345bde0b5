"""Learners of the hourly game: SAC and PPO, and PPO with a memory from sb3-contrib for leaders that do not see the whole state.

A day is an episode of 24 decisions, coupled by what stores hold: a Markov decision process, in which the day-ahead game's discount of 0
would be a mistake. **The discount is 1**: what is to be earned is the day's sum, the day always ends after 24 hours, and the hour is part
of what is observed, so that values are finite and depend on nothing that is not seen. A smaller one would have the leader prefer money in
the morning to more of it at night.

A ``full`` observation is a state. A ``public`` one is not: who holds how much energy can be told only from what happened before. There
``recurrent-ppo`` carries an LSTM through the day, which is set back every morning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import ArrayLike
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.vec_env import VecEnv

from ...agents.learned.stable_baselines import LearnedPolicy, whole_minibatches
from ...agents.packages import research_package
from ...envs.errors import unknown_name

HOURLY_ALGORITHMS: Final = ("sac", "ppo", "recurrent-ppo")
"""Every algorithm :func:`make_hourly_learner` knows."""


@dataclass(frozen=True, kw_only=True)
class HourlyLearner:
    """How an hourly leader learns.

    Attributes:
        algorithm: ``"sac"``, ``"ppo"`` or ``"recurrent-ppo"``.
        hidden: Units of each hidden layer; with a memory those after the LSTM, whose state has as many numbers as the first.
        learning_rate: Of Adam.
        batch_size: Hours in one gradient step.
        updates: Gradient steps after each hour of the days played side by side (SAC); epochs over each rollout (PPO).
        warmup_days: Days played with random charges before learning begins (SAC); days in a rollout (PPO).
        exploration: Initial standard deviation of the policy (PPO), in half caps; SAC finds its own.
        discount: Of the next hour's value.
    """

    algorithm: str = "sac"
    hidden: tuple[int, ...] = (128, 128)
    learning_rate: float = 1e-3
    batch_size: int = 256
    updates: int = 4
    warmup_days: int = 100
    exploration: float = 0.4
    discount: float = 1.0

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            ValueError: If the algorithm is unknown or a number out of range; all such numbers are named.
        """
        if self.algorithm not in HOURLY_ALGORITHMS:
            raise unknown_name("algorithm of the hourly game", self.algorithm, HOURLY_ALGORITHMS)
        numbers = {name: getattr(self, name) for name in ("learning_rate", "batch_size", "updates", "warmup_days", "exploration")}
        numbers |= {f"hidden[{place}]": units for place, units in enumerate(self.hidden)}
        bad = [f"`{name}` {value}" for name, value in numbers.items() if not value > 0]
        if bad or not self.hidden:
            raise ValueError(f"settings of a learner must be > 0 and `hidden` name a layer, got {', '.join(bad) or '`hidden` empty'}.")
        if not 0 <= self.discount <= 1:
            raise ValueError(f"`discount` must lie between 0 and 1, got {self.discount}.")


HOURLY_DEFAULTS: Final[dict[str, HourlyLearner]] = {
    "sac": HourlyLearner(algorithm="sac"),
    "ppo": HourlyLearner(algorithm="ppo", hidden=(64, 64), learning_rate=1e-3, batch_size=192, updates=10, warmup_days=32),
    "recurrent-ppo": HourlyLearner(algorithm="recurrent-ppo", hidden=(64,), learning_rate=1e-3, batch_size=192, updates=8, warmup_days=32),
}
"""Settings of each algorithm unless told otherwise."""


def make_hourly_learner(settings: HourlyLearner, environment: VecEnv, *, n_periods: int, seed: int) -> BaseAlgorithm:
    """Return a learner that has seen nothing yet.

    Args:
        settings: How it learns.
        environment: Plays hours with actions between −1 and 1, one day an episode.
        n_periods: Hours of a day.
        seed: Seeds the initial weights.

    Raises:
        ValueError: If a package it needs is missing.
    """
    common: dict[str, Any] = {
        "env": environment,
        "learning_rate": settings.learning_rate,
        "batch_size": settings.batch_size,
        "gamma": settings.discount,
        "seed": seed,
        "device": "cpu",
        "policy_kwargs": _shape(settings),
    }
    if settings.algorithm == "sac":
        return SAC(
            "MlpPolicy",
            **common,
            learning_starts=settings.warmup_days * n_periods,
            train_freq=1,
            gradient_steps=settings.updates,
            buffer_size=100_000,
            ent_coef="auto_0.05",
            target_entropy=-2.0 * cast(tuple[int, ...], environment.action_space.shape)[0],
        )
    days = max(1, settings.warmup_days // environment.num_envs)  # whole days, so that no episode lies in two rollouts
    rollout = days * n_periods * environment.num_envs
    common["batch_size"] = whole_minibatches(settings.batch_size, rollout)
    kind: Any = PPO if settings.algorithm == "ppo" else _recurrent_ppo()
    learner: BaseAlgorithm = kind(
        "MlpPolicy" if settings.algorithm == "ppo" else "MlpLstmPolicy", **common, n_steps=days * n_periods, n_epochs=settings.updates
    )
    return learner


def _shape(settings: HourlyLearner) -> dict[str, Any]:
    """Return the arguments of a policy that say how it is built."""
    shape: dict[str, Any] = {"net_arch": list(settings.hidden)}
    if settings.algorithm != "sac":
        shape["log_std_init"] = float(np.log(settings.exploration))
    if settings.algorithm == "recurrent-ppo":
        shape["lstm_hidden_size"] = settings.hidden[0]
    return shape


def _recurrent_ppo() -> Any:
    return research_package("sb3_contrib", "PPO with a memory").RecurrentPPO


def _class(settings: HourlyLearner) -> Any:
    return {"sac": SAC, "ppo": PPO}.get(settings.algorithm) or _recurrent_ppo()


def hourly_checkpoint_parts(learner: BaseAlgorithm) -> dict[str, Callable[[BinaryIO], None]]:
    """Return what writes the learner's complete state, by the end of each file's name."""

    def write_model(file: BinaryIO) -> None:
        learner.save(cast(Any, file))

    def write_buffer(file: BinaryIO) -> None:
        cast(OffPolicyAlgorithm, learner).save_replay_buffer(cast(Any, file))

    if learner.__class__ is SAC:
        return {"model.zip": write_model, "buffer.pkl": write_buffer}
    return {"model.zip": write_model}


def restore_hourly_learner(settings: HourlyLearner, files: Mapping[str, Path], environment: VecEnv) -> BaseAlgorithm:
    """Return the learner a checkpoint holds. This reads pickles: restore only checkpoints of your own."""
    learner: BaseAlgorithm = _class(settings).load(files["model.zip"], env=environment, device="cpu")
    if "buffer.pkl" in files:
        cast(OffPolicyAlgorithm, learner).load_replay_buffer(files["buffer.pkl"])
    return learner


def load_hourly_policy(file: Path, settings: HourlyLearner, n_observed: int, *, cap: ArrayLike, n_charges: int) -> LearnedPolicy:
    """Return the policy whose weights a file holds; no pickled objects are read.

    Args:
        file: Weights alone, as training keeps them.
        settings: Those it was learned with.
        n_observed: How many numbers the environment it will act in shows.
        cap: What +1 stands for, in EUR/kWh.
        n_charges: How many numbers an action has.

    Raises:
        ValueError: If the weights do not fit the settings, the observation or the charges, or a package is missing.
    """
    name = "MlpLstmPolicy" if settings.algorithm == "recurrent-ppo" else "MlpPolicy"
    build = cast(Callable[..., BasePolicy], _class(settings).policy_aliases[name])
    network = build(
        spaces.Box(-np.inf, np.inf, (n_observed,), np.float32),
        spaces.Box(-1.0, 1.0, (n_charges,), np.float32),
        lambda _: settings.learning_rate,
        **_shape(settings),
    )
    try:
        network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    except RuntimeError as error:
        raise ValueError(
            f"a learned policy must act in an environment like its own ({n_observed} observed numbers and {n_charges} charges here), but "
            f"its weights do not fit: {str(error).splitlines()[-1].strip()}"
        ) from None
    network.set_training_mode(False)
    return LearnedPolicy(network, cap)


def with_settings(algorithm: str, given: Mapping[str, Any]) -> HourlyLearner:
    """Return an algorithm's defaults with some settings replaced.

    Raises:
        ValueError: If the algorithm is unknown or a number out of range.
    """
    if algorithm not in HOURLY_DEFAULTS:
        raise unknown_name("algorithm of the hourly game", algorithm, HOURLY_ALGORITHMS)
    return replace(HOURLY_DEFAULTS[algorithm], **given)
