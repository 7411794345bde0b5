"""Leaders learned with stable-baselines3 (SAC, PPO, TD3) and sb3-contrib (TQC, CrossQ), set up for episodes of one step.

A day of ``gridtoll/DayAhead-v0`` is one step, so learning is a contextual bandit: the value of a charge is the day's reward, there is
nothing to discount and no later state to bootstrap from. γ = 0 says so, and target networks play no part. The learners act between −1 and
1; :func:`to_charges` is the one place where that becomes EUR/kWh, in training as in use.

**What the settings rest on** (default community, distance tariff, 4,000 training days of public observations, regret in EUR a day on all
224 validation scenarios, two seeds each; the best constant charge leaves 2.65):

* Profit over the charge has several tops and cliffs between them. A learner that starts to follow its own policy after 200 random days
  looks for the top it happens to be near: SAC ends at 1.9 and 1.6. After 1,000 random days 1.8 and 1.6, after 1,500 1.5 and 1.4, after
  2,000 1.4 and 1.5.
* With little random play, more updates make it worse (3.9 with 16 a round), and so does a fixed entropy coefficient (0.01: 3.0 and 1.7;
  0.003: 2.6 and 1.9). After 1,500 random days the target entropy (−1, −2), layers of 64 and weight decay change less than seeds do.
* TD3 at SAC's learning rate runs into an end of the action interval and stays there in one seed of two, hence its lower one.
* TQC and CrossQ take SAC's settings as they are; theirs have not been compared with others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray
from stable_baselines3 import PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.vec_env import VecEnv

from ..envs.errors import unknown_name
from .onnx_policy import ActingCharges
from .packages import research_package
from .policy import Observation, State

Array = NDArray[np.float64]

_CLASSES: Final[dict[str, type[BaseAlgorithm]]] = {"sac": SAC, "ppo": PPO, "td3": TD3}
_CONTRIBUTED: Final = {"tqc": "TQC", "crossq": "CrossQ"}
ALGORITHM_NAMES: Final = (*_CLASSES, *_CONTRIBUTED)
"""Every algorithm :func:`make_learner` knows."""


@dataclass(frozen=True, kw_only=True)
class LearnerSettings:
    """How a leader learns.

    Attributes:
        algorithm: ``"sac"``, ``"ppo"`` or ``"td3"``; ``"tqc"`` or ``"crossq"``, which need sb3-contrib.
        hidden: Units of each hidden layer, of actor and critics alike.
        learning_rate: Of Adam.
        batch_size: Days in one gradient step.
        updates: Gradient steps after each round of days played side by side (all but PPO); epochs over each rollout (PPO).
        warmup_days: Days played with random charges before learning begins (all but PPO); days in a rollout (PPO).
        exploration: Standard deviation of the noise added to the acting policy's charges (TD3), or initial standard deviation of the policy
            (PPO), in the learner's unit of half a cap; the others find their own.
    """

    algorithm: str = "sac"
    hidden: tuple[int, ...] = (128, 128)
    learning_rate: float = 1e-3
    batch_size: int = 256
    updates: int = 12
    warmup_days: int = 1500
    exploration: float = 0.4

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            ValueError: If the algorithm is unknown or a number is not positive; all such numbers are named.
        """
        if self.algorithm not in ALGORITHM_NAMES:
            raise unknown_name("algorithm", self.algorithm, ALGORITHM_NAMES)
        numbers = {name: getattr(self, name) for name in ("learning_rate", "batch_size", "updates", "warmup_days", "exploration")}
        numbers |= {f"hidden[{place}]": units for place, units in enumerate(self.hidden)}
        bad = [f"`{name}` {value}" for name, value in numbers.items() if not value > 0]
        if bad:
            raise ValueError(f"settings of a learner must be > 0, got {', '.join(bad)}.")


DEFAULTS: Final[dict[str, LearnerSettings]] = {
    "sac": LearnerSettings(algorithm="sac"),
    "td3": LearnerSettings(algorithm="td3", learning_rate=5e-4),
    "tqc": LearnerSettings(algorithm="tqc"),
    "crossq": LearnerSettings(algorithm="crossq"),
    "ppo": LearnerSettings(algorithm="ppo", hidden=(64, 64), batch_size=64, updates=10, warmup_days=200, exploration=0.5),
}
"""Settings of each algorithm unless told otherwise."""


def to_charges(action: ArrayLike, cap: ArrayLike) -> Array:
    """Return charges in EUR/kWh for a learner's action between −1 and 1: the inverse of ``RescaleAction`` to that interval."""
    return (np.clip(np.asarray(action, dtype=np.float64), -1.0, 1.0) + 1.0) / 2.0 * np.asarray(cap, dtype=np.float64)


def make_learner(settings: LearnerSettings, environment: VecEnv, *, seed: int, days: int = 50_000) -> BaseAlgorithm:
    """Return a learner that has seen nothing yet.

    Args:
        settings: How it learns.
        environment: Plays days with actions between −1 and 1.
        seed: Seeds the initial weights.
        days: How many days an off-policy learner remembers; checkpoints hold as many, whether played yet or not.
    """
    common: dict[str, Any] = {
        "policy": "MlpPolicy",
        "env": environment,
        "learning_rate": settings.learning_rate,
        "batch_size": settings.batch_size,
        "gamma": 0.0,
        "seed": seed,
        "device": "cpu",
        "policy_kwargs": {"net_arch": list(settings.hidden)},
    }
    off_policy: dict[str, Any] = {
        **common,
        "learning_starts": settings.warmup_days,
        "train_freq": 1,
        "gradient_steps": settings.updates,
        "buffer_size": days,
    }
    match settings.algorithm:
        case "sac" | "tqc" | "crossq":
            kind = cast(Callable[..., BaseAlgorithm], _class(settings.algorithm))
            return kind(**off_policy, ent_coef="auto_0.05", target_entropy=-2.0)
        case "td3":
            size = cast(spaces.Box, environment.action_space).shape
            noise = NormalActionNoise(np.zeros(size), np.full(size, settings.exploration))
            return TD3(**off_policy, action_noise=noise)
        case _:
            common["policy_kwargs"]["log_std_init"] = float(np.log(settings.exploration))
            rounds = max(2, settings.warmup_days // environment.num_envs)
            rollout = rounds * environment.num_envs
            common["batch_size"] = max(size for size in range(1, settings.batch_size + 1) if rollout % size == 0)  # no days left over
            return PPO(**common, n_steps=rounds, n_epochs=settings.updates)


def _class(algorithm: str) -> type[BaseAlgorithm]:
    """Return the class of an algorithm; sb3-contrib is imported only for its own.

    Raises:
        ValueError: If it needs sb3-contrib and that is missing.
    """
    if algorithm in _CLASSES:
        return _CLASSES[algorithm]
    return cast(type[BaseAlgorithm], getattr(research_package("sb3_contrib", f"the algorithm {algorithm!r}"), _CONTRIBUTED[algorithm]))


def checkpoint_parts(learner: BaseAlgorithm) -> dict[str, Callable[[BinaryIO], None]]:
    """Return what writes the learner's complete state, by the end of each file's name."""

    def write_model(file: BinaryIO) -> None:
        learner.save(cast(Any, file))

    def write_buffer(file: BinaryIO) -> None:
        cast(OffPolicyAlgorithm, learner).save_replay_buffer(cast(Any, file))

    if learner.__class__ is PPO:  # its rollouts are used up when a checkpoint is taken
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


class LearnedPolicy:
    """A learned leader, posting charges in EUR/kWh.

    Args:
        network: The policy of a learner, acting between −1 and 1.
        cap: What +1 stands for, in EUR/kWh: a number, or one for each coefficient.
    """

    def __init__(self, network: BasePolicy, cap: ArrayLike) -> None:
        self._network = network
        self._cap = np.asarray(cap, dtype=np.float64)

    @property
    def network(self) -> torch.nn.Module:
        """Maps observations, shape (B, observed), to charges in EUR/kWh without noise, shape (B, coefficients), in PyTorch."""
        return ActingCharges(self._network, self._cap)

    def predict(
        self,
        observation: Observation,
        state: State | None = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = False,
    ) -> tuple[Array, State | None]:
        """Return the charges for an observation; see :class:`~gridtoll.agents.policy.Policy`."""
        action, state = self._network.predict(observation, state, episode_start, deterministic)
        return to_charges(action, self._cap), state


def write_weights(network: BasePolicy, file: BinaryIO) -> None:
    """Write a policy's weights and nothing else, for :func:`load_policy`."""
    torch.save(network.state_dict(), file)


def load_policy(file: Path, settings: LearnerSettings, n_observed: int, *, cap: ArrayLike, n_coefficients: int) -> LearnedPolicy:
    """Return the policy whose weights a file holds; no pickled objects are read.

    Args:
        file: Written by :func:`write_weights`.
        settings: Those it was learned with.
        n_observed: How many numbers the environment it will act in shows.
        cap: What +1 stands for, in EUR/kWh.
        n_coefficients: Number of charges it posts.

    Raises:
        ValueError: If the weights do not fit the settings, the observation or the charges.
    """
    build = cast(Callable[..., BasePolicy], _class(settings.algorithm).policy_aliases["MlpPolicy"])
    actions = spaces.Box(-1.0, 1.0, (n_coefficients,), np.float32)
    observed = spaces.Box(-np.inf, np.inf, (n_observed,), np.float32)
    network = build(observed, actions, lambda _: settings.learning_rate, net_arch=list(settings.hidden))
    try:
        network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    except RuntimeError as error:
        raise ValueError(
            f"a learned policy must act in an environment like its own ({n_observed} observed numbers and "
            f"{n_coefficients} charges here), but its weights do not fit: {str(error).splitlines()[-1].strip()}"
        ) from None
    network.set_training_mode(False)
    return LearnedPolicy(network, cap)
