"""SBX: stable-baselines3's algorithms in JAX, which learn the same way and spend less time on each gradient step.

SBX has stable-baselines3's classes, arguments and checkpoints, so that it is trained by the same lines (:mod:`.stable_baselines`). Two
things differ. What it learned is kept as a plain network in PyTorch (:class:`PlainActor`), with the weights taken over: so a leader is
played, compared and exported without JAX. And JAX compiles its gradient steps, which takes seconds; what it compiled is kept on disk for
the trainings that follow.

The weights of a plain network, layer by layer, from what SBX's actors hold:

==================  =============================================================================================
SAC, TQC, TD3       hidden layers with ReLU, one layer for the mean action, tanh; the layer of deviations is not kept
PPO                 hidden layers with tanh, one layer for the mean action, cut off at −1 and 1
CrossQ              as SAC, before every layer x ↦ (x − mean) / √(variance + 0.001) · scale + bias, taken into its weights
==================  =============================================================================================
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, cast

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.torch_layers import create_mlp

from ...envs.files import do_without_cache, user_cache_dir
from ...envs.packages import package_of
from .settings import SBX, LearnerSettings

_CLASSES: Final = {"sac": "SAC", "td3": "TD3", "ppo": "PPO", "tqc": "TQC", "crossq": "CrossQ"}
_EPSILON: Final = 1e-3
"""Added to variances by SBX's layers that normalise."""
CACHE_VARIABLE: Final = "JAX_COMPILATION_CACHE_DIR"
"""JAX's own variable: where it keeps what it compiled, unless it is to be kept beside the caches of other programs."""


def sbx_class(algorithm: str) -> type[BaseAlgorithm]:
    """Return the class of one of SBX's algorithms.

    Args:
        algorithm: With its family's name, such as ``"sbx-sac"``.

    Raises:
        ValueError: If SBX cannot be imported; says how to install it.
    """
    return cast(type[BaseAlgorithm], getattr(_sbx(f"the algorithm {algorithm!r}"), _CLASSES[algorithm.removeprefix(SBX)]))


def seed_anew(learner: BaseAlgorithm, seed: int) -> None:
    """Seed what a learner of SBX draws its batches' noise from, which a checkpoint would not bring back."""
    jax = package_of("jax", "jax", "SBX")
    cast(Any, learner).key = jax.random.PRNGKey(seed)


class PlainActor(BasePolicy):
    """A policy of plain layers, which acts between −1 and 1 as one that SBX trained does without noise.

    Args:
        observed: Space of what it sees.
        actions: Space of what it does, from −1 to 1.
        settings: Of the learner: its hidden layers, and whether it is PPO.
    """

    def __init__(self, observed: spaces.Box, actions: spaces.Box, settings: LearnerSettings) -> None:
        is_ppo = settings.kind == "ppo"
        super().__init__(observed, actions, squash_output=not is_ppo)
        activation: type[torch.nn.Module] = torch.nn.Tanh if is_ppo else torch.nn.ReLU
        layers = create_mlp(observed.shape[0], actions.shape[0], list(settings.hidden), activation, squash_output=not is_ppo)
        self.layers = torch.nn.Sequential(*layers)

    def _predict(self, observation: Any, deterministic: bool = False) -> torch.Tensor:  # noqa: ARG002 - it has no noise
        actions: torch.Tensor = self.layers(observation)
        return actions


def actor_of(policy: BasePolicy, settings: LearnerSettings) -> PlainActor:
    """Return the plain network that acts as a policy of SBX does now.

    Args:
        policy: Of a learner of SBX.
        settings: Those it was made with.
    """
    actor = PlainActor(cast(spaces.Box, policy.observation_space), cast(spaces.Box, policy.action_space), settings)
    linear = [layer for layer in actor.layers if isinstance(layer, torch.nn.Linear)]
    state = cast(Any, policy).actor_state
    held = state.params.get("params", state.params)
    with torch.no_grad():
        for number, layer in enumerate(linear):
            kernel, bias = _weights(held, getattr(state, "batch_stats", {}), number)
            layer.weight.copy_(torch.as_tensor(kernel.T))
            layer.bias.copy_(torch.as_tensor(bias))
    actor.set_training_mode(False)
    return actor


def actor_of_model(policy: BasePolicy, algorithm: str) -> PlainActor:
    """Return the plain network that acts as the policy of a whole model does.

    Args:
        policy: Of a model of SBX that anybody trained.
        algorithm: Which one trained it, such as ``"sbx-sac"``.

    Raises:
        ValueError: If the policy is not made of plain layers with the algorithm's own activations.
    """
    state = cast(Any, policy).actor_state
    held = state.params.get("params", state.params)
    beside = 1 if algorithm.removeprefix(SBX) in ("ppo", "td3") else 2  # layers of the mean action and, here, of its deviation
    n_hidden = sum(name.startswith("Dense_") for name in held) - beside
    shown = np.linspace(-1.0, 1.0, 16)[:, None] * np.ones(cast(spaces.Box, policy.observation_space).shape, dtype=np.float32)
    shown = np.concatenate([shown, np.eye(shown.shape[1])]).astype(np.float32)
    acted, _ = policy.predict(shown, deterministic=True)
    try:
        hidden = tuple(len(held[f"Dense_{number}"]["bias"]) for number in range(n_hidden))
        actor = actor_of(policy, LearnerSettings(algorithm=algorithm, hidden=hidden))
        same = bool(np.allclose(actor.predict(shown, deterministic=True)[0], acted, rtol=0, atol=1e-4))
    except (KeyError, RuntimeError):
        same = False
    if not same:
        raise ValueError(
            f"a model of {algorithm} must have a policy of plain layers with the activations it has unless told otherwise, got "
            f"{type(policy).__name__} of other ones. Train it with `MlpPolicy` and `net_arch` alone."
        )
    return actor


def largest_weight(policy: BasePolicy) -> float:
    """Return the largest absolute weight of a policy of SBX, NaN where one is NaN."""
    states = [state for name, state in vars(policy).items() if name.endswith("_state")]
    return float(np.max([np.abs(np.asarray(leaf)).max() for state in states for leaf in _leaves(state.params)]))


def _leaves(held: Any) -> Iterator[Any]:
    """Yield every array of nested mappings."""
    if isinstance(held, Mapping):
        for each in held.values():
            yield from _leaves(each)
    else:
        yield held


def _weights(held: Mapping[str, Any], statistics: Mapping[str, Any], number: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return kernel, shape (in, out), and bias, shape (out,), of a layer, a normalisation before it taken in; double precision."""
    dense, name = held[f"Dense_{number}"], f"BatchRenorm_{number}"
    kernel, bias = np.array(dense["kernel"], dtype=np.float64), np.array(dense["bias"], dtype=np.float64)
    if name in statistics:
        mean, variance = (np.asarray(statistics[name][key], dtype=np.float64) for key in ("mean", "var"))
        factor = np.asarray(held[name]["scale"], dtype=np.float64) / np.sqrt(variance + _EPSILON)
        bias = bias + (np.asarray(held[name]["bias"], dtype=np.float64) - mean * factor) @ kernel
        kernel = factor[:, None] * kernel
    return kernel, bias


def _sbx(purpose: str) -> Any:
    """Import SBX; its packages warn about one another when they are imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = package_of("jax", "sbx", purpose)
    _set_up()
    return module


@cache
def _set_up() -> None:
    """Have JAX compute on the processor, and keep what it compiles: the same gradient steps are compiled by every training."""
    jax = package_of("jax", "jax", "SBX")
    jax.config.update("jax_platforms", "cpu")
    if CACHE_VARIABLE in os.environ:
        return
    try:
        jax.config.update("jax_compilation_cache_dir", str(user_cache_dir() / "jax"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    except OSError as error:
        do_without_cache("what JAX compiled", error)
