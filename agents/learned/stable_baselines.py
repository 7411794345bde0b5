"""Leaders learned with stable-baselines3, sb3-contrib (TQC, CrossQ, PPO with a memory) and SBX, set up for episodes of one day.

A day of ``gridtoll/DayAhead-v0`` is one step, so learning is a contextual bandit: the value of a charge is the day's reward, there is
nothing to discount and no later state to bootstrap from. γ = 0 says so, and target networks play no part. The learners act between −1 and
1: on the logarithm of the charge in the day's unit (:class:`~gridtoll.agents.curves.day_features.DayActions`), or, where they see
everything, linearly up to the cap (:func:`to_charges`).

A day of ``gridtoll/Hourly-v0`` is 24 decisions, coupled by what stores hold: a Markov decision process, in which a discount of 0 would be a
mistake. **The discount is 1**: what is to be earned is the day's sum, the day always ends after 24 hours, and the hour is part of what is
observed, so that values are finite and depend on nothing that is not seen. A smaller one would have the leader prefer money in the morning
to more of it at night. A ``full`` observation is a state. A ``public`` one is not: who holds how much energy can be told only from what
happened before. There ``recurrent-ppo`` carries an LSTM through the day, which is set back every morning.

**What the settings leave** in the day-ahead game (default community, distance tariff, 4,000 training days, the best checkpoint on 28
validation days; normalised regret in % on all 224 validation scenarios, interquartile mean and mean; seed 0 alone, so differences below one
or two points say little; a constant multiple of the unit leaves 6.1):

=========  ===============  ===============
algorithm  ``public``       ``full``
=========  ===============  ===============
PPO        4.5 and 8.5      5.5 and 12.1
TQC        4.6 and 7.0      3.8 and 5.8
TD3        5.6 and 8.1      3.6 and 5.4
SAC        5.8 and 8.0      4.0 and 6.1
CrossQ     8.5 and 11.1     6.5 and 9.4
=========  ===============  ===============

**How they were found** (``public``, interpolated profits, one seed each):

* SAC with rewards in EUR leaves 5.7, over the guessed worth of the day 5.2; charges from 0.1 to 4 units in place of 0.02 to 6, 6.9. Eight
  updates a round leave 4.1, four 5.2; 400 random days are no worse than 1,000.
* TD3 with noise of 0.2 and twice the learning rate leaves 4.9, as it is 4.3.
* PPO with a rollout of 200 days and minibatches of 64, ten epochs, leaves 6.8; of 40 and 15 epochs 4.9; of 25 and 20 epochs 4.4.
* CrossQ is still falling after 4,000 days. Played out, twice the learning rate leaves 13.2 in ``public``; an actor that learns in every
  update and four times the rate changed little (7.1 against 6.2 on interpolated profits).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.vec_env import VecEnv

from ...envs.arrays import Array
from ...envs.community.clock import HOURS_PER_DAY
from ...envs.packages import research_package
from ..curves.day_features import DayActions, n_public
from ..policy import Observation, State
from .onnx_policy import ActingCharges
from .sbx import PlainActor, actor_of, sbx_class
from .settings import SBX, LearnerSettings
from .steps.sac import SAC
from .steps.td3 import TD3

_CLASSES: Final[dict[str, type[BaseAlgorithm]]] = {"sac": SAC, "ppo": PPO, "td3": TD3}
_CONTRIBUTED: Final = {"tqc": ".steps.tqc:TQC", "crossq": "sb3_contrib:CrossQ", "recurrent-ppo": "sb3_contrib:RecurrentPPO"}
_MOST_HOURS: Final = 100_000
"""How many hours an off-policy learner of the hourly game remembers at most."""


def to_charges(action: ArrayLike, cap: ArrayLike) -> Array:
    """Return charges in EUR/kWh for a learner's action between −1 and 1: the inverse of ``RescaleAction`` to that interval.

    Args:
        action: Shape (…, coefficients); what lies outside is cut off.
        cap: What +1 stands for in EUR/kWh, one number or shape (coefficients,).
    """
    return (np.clip(np.asarray(action, dtype=np.float64), -1.0, 1.0) + 1.0) / 2.0 * np.asarray(cap, dtype=np.float64)


def day_of(
    settings: LearnerSettings,
    n_observed: int,
    *,
    cap: ArrayLike,
    n_coefficients: int,
    price_level: float = 1.0,
    n_periods: int = HOURS_PER_DAY,
) -> DayActions | None:
    """Return how a learner sees a day and charges for it, None where it sees observations as they are.

    Args:
        settings: Of the learner.
        n_observed: How many numbers the environment shows.
        cap: Greatest charge in EUR/kWh, one number or shape (coefficients,).
        n_coefficients: Number of charges posted.
        price_level: That of the community.
        n_periods: T, the periods of a day.
    """
    applies = settings.sees == "day" and n_coefficients == 1 and n_observed >= n_public(n_periods)
    return DayActions(n_observed, float(np.max(cap)), price_level, n_periods=n_periods) if applies else None


def make_learner(settings: LearnerSettings, environment: VecEnv, *, seed: int, days: int = 50_000, hours: int = 1) -> BaseAlgorithm:
    """Return a learner that has seen nothing yet.

    Args:
        settings: How it learns.
        environment: Plays days with actions between −1 and 1.
        seed: Seeds the initial weights.
        days: How many days an off-policy learner remembers; checkpoints hold as many, whether played yet or not.
        hours: Steps of a day.

    Raises:
        ValueError: If a package it needs is missing, or settings do not go together.
    """
    [n_charges] = cast(spaces.Box, environment.action_space).shape
    arguments = arguments_of(settings, n_envs=environment.num_envs, n_charges=n_charges, days=days, hours=hours)
    return cast(Callable[..., BaseAlgorithm], _class(settings.algorithm))(env=environment, seed=seed, device="cpu", **arguments)


def arguments_of(settings: LearnerSettings, *, n_envs: int, n_charges: int, days: int, hours: int = 1) -> dict[str, Any]:
    """Return what a learner's class is called with, beside environment, seed and device.

    Args:
        settings: How it learns.
        n_envs: Days played side by side.
        n_charges: Charges posted in a step.
        days: How many days an off-policy learner remembers.
        hours: Steps of a day: 1, or as many as it has hours.
    """
    one_step = hours == 1
    common: dict[str, Any] = {
        "policy": _policy(settings),
        "learning_rate": settings.learning_rate,
        "batch_size": settings.batch_size,
        "gamma": 0.0 if one_step else settings.discount,
        "policy_kwargs": _shape(settings),
    }
    off_policy: dict[str, Any] = {
        **common,
        "learning_starts": settings.warmup_days * hours,
        "train_freq": 1,
        "gradient_steps": settings.updates,
        "buffer_size": days if one_step else min(days * hours, _MOST_HOURS),
    }
    match settings.kind:
        case "sac" | "tqc" | "crossq":
            return {**off_policy, "ent_coef": "auto_0.05", "target_entropy": -2.0 if one_step else -2.0 * n_charges}
        case "td3":
            return {**off_policy, "action_noise": NormalActionNoise(np.zeros(n_charges), np.full(n_charges, settings.exploration))}
        case _:
            common["policy_kwargs"]["log_std_init"] = float(np.log(settings.exploration))
            rounds = max(2 if one_step else 1, settings.warmup_days // n_envs)  # whole days, so that no episode lies in two rollouts
            common["batch_size"] = whole_minibatches(settings.batch_size, rounds * hours * n_envs)
            return {**common, "n_steps": rounds * hours, "n_epochs": settings.updates}


def _policy(settings: LearnerSettings) -> str:
    return "MlpLstmPolicy" if settings.has_memory else "MlpPolicy"


def _shape(settings: LearnerSettings) -> dict[str, Any]:
    """Return the arguments of a policy that say what it is made of."""
    memory = {"lstm_hidden_size": settings.hidden[0]} if settings.has_memory else {}
    return {"net_arch": list(settings.hidden), **memory}


def whole_minibatches(batch_size: int, rollout: int) -> int:
    """Return the greatest size up to ``batch_size`` that leaves no step of PPO's rollout over.

    Raises:
        ValueError: If it is 1: PPO compares the steps of a minibatch with each other.
    """
    found = max(size for size in range(1, min(batch_size, rollout) + 1) if rollout % size == 0)
    if found < 2:
        raise ValueError(
            f"PPO needs minibatches of at least 2 that divide its rollout, got `batch_size` {batch_size} for a rollout of {rollout}, which "
            "is `warmup_days` in whole rounds of `parallel_days`. Choose a greater `batch_size`, or another rollout."
        )
    return found


def _class(algorithm: str) -> type[BaseAlgorithm]:
    """Return the class of an algorithm; sb3-contrib and SBX are imported only for their own.

    Raises:
        ValueError: If it needs one of them and that is missing.
    """
    if algorithm.startswith(SBX):
        return sbx_class(algorithm)
    if algorithm in _CLASSES:
        return _CLASSES[algorithm]
    research_package("sb3_contrib", f"the algorithm {algorithm!r}")
    module, _, name = _CONTRIBUTED[algorithm].partition(":")
    return cast(type[BaseAlgorithm], getattr(import_module(module, __package__), name))


def checkpoint_parts(learner: BaseAlgorithm, settings: LearnerSettings) -> dict[str, Callable[[BinaryIO], None]]:
    """Return what writes the learner's complete state, by the end of each file's name."""

    def write_model(file: BinaryIO) -> None:
        learner.save(cast(Any, file))

    def write_buffer(file: BinaryIO) -> None:
        cast(OffPolicyAlgorithm, learner).save_replay_buffer(cast(Any, file))

    if not settings.is_off_policy:  # its rollouts are used up when a checkpoint is taken
        return {"model.zip": write_model}
    return {"model.zip": write_model, "buffer.pkl": write_buffer}


def restore_learner(settings: LearnerSettings, files: Mapping[str, Path], environment: VecEnv) -> BaseAlgorithm:
    """Return the learner a checkpoint holds. This reads pickles: restore only checkpoints of your own.

    Args:
        settings: Those it was made with.
        files: Path of each of :func:`checkpoint_parts`.
        environment: Plays the days that follow.
    """
    learner = _class(settings.algorithm).load(files["model.zip"], env=environment, device="cpu")
    if "buffer.pkl" in files:
        cast(OffPolicyAlgorithm, learner).load_replay_buffer(files["buffer.pkl"])
    return learner


def acting_network(learner: BaseAlgorithm, settings: LearnerSettings) -> BasePolicy:
    """Return the network that acts as a learner does now, in PyTorch whatever it learns in."""
    return actor_of(learner.policy, settings) if settings.is_sbx else learner.policy


class LearnedPolicy:
    """A learned leader, posting charges in EUR/kWh.

    Args:
        network: The policy of a learner, acting between −1 and 1.
        cap: Greatest charge in EUR/kWh, which +1 stands for where ``day`` is None: a number, or one for each coefficient.
        day: What the learner saw and what its actions stand for, None for observations as they are.
    """

    def __init__(self, network: BasePolicy, cap: ArrayLike, day: DayActions | None = None) -> None:
        self._network, self._day = network, day
        self._cap = np.asarray(cap, dtype=np.float64)

    @property
    def network(self) -> torch.nn.Module:
        """Maps observations, shape (B, observed), to charges in EUR/kWh without noise, shape (B, coefficients), in PyTorch."""
        return ActingCharges(self._network, self._cap) if self._day is None else _ChargesOfDay(self._network, self._day)

    def predict(
        self,
        observation: Observation,
        state: State | None = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = False,
    ) -> tuple[Array, State | None]:
        """Return the charges for an observation; see :class:`~gridtoll.agents.policy.Policy`."""
        if self._day is None:
            action, state = self._network.predict(observation, state, episode_start, deterministic)
            return to_charges(action, self._cap), state
        rows = np.asarray(observation)[None]
        actions, state = self._network.predict(self._day.seen(rows), state, episode_start, deterministic)
        return self._day.charges(rows, actions)[0], state


class _ChargesOfDay(torch.nn.Module):
    """A policy network that sees features of a day, as a module that gives charges in EUR/kWh."""

    def __init__(self, network: BasePolicy, day: DayActions) -> None:
        super().__init__()
        self._network, self._day = network, day

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        features = self._day.features(observations).float()
        charges: torch.Tensor = self._day(observations, self._network._predict(features, deterministic=True))  # noqa: SLF001 - as ActingCharges
        return charges


def write_weights(network: BasePolicy, file: BinaryIO) -> None:
    """Write a policy's weights and nothing else, for :func:`load_policy`."""
    torch.save(network.state_dict(), file)


def load_policy(
    file: Path,
    settings: LearnerSettings,
    n_observed: int,
    *,
    cap: ArrayLike,
    n_coefficients: int,
    price_level: float = 1.0,
    n_periods: int = HOURS_PER_DAY,
) -> LearnedPolicy:
    """Return the policy whose weights a file holds; no pickled objects are read.

    Args:
        file: Written by :func:`write_weights`.
        settings: Those it was learned with.
        n_observed: How many numbers the environment it will act in shows.
        cap: What +1 stands for in EUR/kWh, one number or shape (coefficients,).
        n_coefficients: Number of charges it posts.
        price_level: That of the community.
        n_periods: T, the periods of a day.

    Raises:
        ValueError: If the weights do not fit the settings, the observation or the charges.
    """
    actions = spaces.Box(-1.0, 1.0, (n_coefficients,), np.float32)
    day = day_of(settings, n_observed, cap=cap, n_coefficients=n_coefficients, price_level=price_level, n_periods=n_periods)
    observed = spaces.Box(-np.inf, np.inf, (n_observed if day is None else day.n_seen,), np.float32)
    network = _untrained(settings, observed, actions)
    try:
        network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    except RuntimeError as error:
        raise ValueError(
            f"a learned policy must act in an environment like its own ({n_observed} observed numbers and "
            f"{n_coefficients} charges here), but its weights do not fit: {str(error).splitlines()[-1].strip()}"
        ) from None
    network.set_training_mode(False)
    return LearnedPolicy(network, cap, day)


def _untrained(settings: LearnerSettings, observed: spaces.Box, actions: spaces.Box) -> BasePolicy:
    """Return a network for weights to be read into; one of SBX is made without SBX."""
    if settings.is_sbx:
        return PlainActor(observed, actions, settings)
    build = cast(Callable[..., BasePolicy], _class(settings.algorithm).policy_aliases[_policy(settings)])
    return build(observed, actions, lambda _: settings.learning_rate, **_shape(settings))
