"""What stable-baselines3's ``VecNormalize`` did to observations while a model learned, so that it is done when the model is scored too.

``VecNormalize`` stands between environment and model: it subtracts a running mean, divides by a running deviation and cuts off at
``clip_obs`` of them. The model file does not hold these statistics; ``VecNormalize.save`` writes them into a pickle of their own. A model
that is scored without them sees numbers it has never learned from.
"""

from __future__ import annotations

import logging
import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.vec_env import VecNormalize

from ...envs.arrays import Array
from ..policy import Observation, State
from .onnx_policy import ActingCharges
from .stable_baselines import to_charges

FAR_SHARE: Final = 0.05
"""A warning is given where more than this share of the numbers of a day are outside what the policy saw. A rare one is outside on
ordinary days too: sun at five in the morning is, for a policy that saw few days of June."""

_CHECKPOINT: Final = re.compile(r"(?P<prefix>.+)_(?P<steps>\d+)_steps")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Statistics:
    """What observations are normalised with.

    Attributes:
        mean: Of each number, shape (observed,).
        deviation: Of each number, the small number that keeps it from being zero included, shape (observed,).
        clip: Greatest distance from the mean that is shown, in deviations.
    """

    mean: Array
    deviation: Array
    clip: float

    def seen(self, observation: ArrayLike) -> Array:
        """Return observations in deviations from the mean, not cut off, shape (…, observed)."""
        distance: Array = (np.asarray(observation) - self.mean) / self.deviation
        return distance

    def shown(self, distance: Array) -> NDArray[np.float32]:
        """Return what the model is shown of such distances, shape (…, observed)."""
        return np.clip(distance, -self.clip, self.clip).astype(np.float32)


def statistics_beside(model: Path) -> Path | None:
    """Return the statistics that lie beside a model, None where there are none.

    They are ``vecnormalize.pkl`` in the same folder. Beside a checkpoint ``NAME_1000_steps.zip`` stable-baselines3's ``CheckpointCallback``
    writes ``NAME_vecnormalize_1000_steps.pkl``, which comes first.
    """
    checkpoint = _CHECKPOINT.fullmatch(model.stem)
    names = [f"{checkpoint['prefix']}_vecnormalize_{checkpoint['steps']}_steps.pkl"] if checkpoint else []
    return next((file for name in (*names, "vecnormalize.pkl") if (file := model.with_name(name)).is_file()), None)


def read_statistics(path: Path, n_observed: int) -> Statistics | None:
    """Return the statistics in a file, None where it leaves observations as they are. This reads a pickle.

    Args:
        path: Written by ``VecNormalize.save``. Only read it where its author is trusted.
        n_observed: How many numbers the environment shows.

    Raises:
        ValueError: If it cannot be read, holds something else, or is of other observations.
    """
    try:
        with path.open("rb") as file:
            found = pickle.load(file)  # noqa: S301 - whoever calls this has been told to trust the file
    except Exception as error:  # noqa: BLE001 - a damaged pickle raises anything
        raise ValueError(f"{path} must be a file written by `VecNormalize.save`, but it cannot be read: {error}") from None
    if not isinstance(found, VecNormalize):
        raise ValueError(f"{path} must hold a VecNormalize of stable-baselines3, got {type(found).__name__}.")
    if not found.norm_obs:
        return None
    mean, variance = np.asarray(getattr(found.obs_rms, "mean", np.nan)), np.asarray(getattr(found.obs_rms, "var", np.nan))
    if mean.shape != (n_observed,) or not np.isfinite(mean).all() or not np.isfinite(variance).all():
        raise ValueError(f"{path} must hold finite statistics of {n_observed} observed numbers, got an array of shape {mean.shape}.")
    return Statistics(mean, np.sqrt(variance + found.epsilon), float(found.clip_obs))


class ModelPolicy:
    """A whole model as a leader, posting charges in EUR/kWh.

    A warning is logged once, the first time an observation is far outside what the model saw: more than :data:`FAR_SHARE` of its numbers
    are outside the model's observation space, or cut off by its statistics.

    Args:
        network: The policy of the model.
        cap: Greatest charge in EUR/kWh.
        scaled: Whether it acts between −1 and 1, which stand for 0 and the cap, and not in EUR/kWh.
        statistics: What its observations were normalised with, None where they were not.
    """

    def __init__(self, network: BasePolicy, cap: float, *, scaled: bool, statistics: Statistics | None = None) -> None:
        self._network, self._cap, self._scaled, self._statistics = network, cap, scaled, statistics
        space: Any = network.observation_space
        self._low: ArrayLike = space.low if statistics is None else -statistics.clip
        self._high: ArrayLike = space.high if statistics is None else statistics.clip
        self._warned = False

    @property
    def network(self) -> torch.nn.Module:
        """Maps observations, shape (B, observed), to charges in EUR/kWh without noise, shape (B, coefficients), in PyTorch."""
        squashed = self._scaled or self._network.squash_output
        acting = ActingCharges(self._network, self._cap) if squashed else _Posting(self._network, self._cap)
        return acting if self._statistics is None else _Normalising(acting, self._statistics)

    def predict(
        self,
        observation: Observation,
        state: State | None = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = False,
    ) -> tuple[Array, State | None]:
        """Return the charges for an observation; see :class:`~gridtoll.agents.policy.Policy`."""
        seen: Any = observation if self._statistics is None else self._statistics.seen(np.asarray(observation))
        self._watch(np.asarray(seen))
        shown = seen if self._statistics is None else self._statistics.shown(seen)
        action, state = self._network.predict(shown, state, episode_start, deterministic)
        return (to_charges(action, self._cap) if self._scaled else np.asarray(action)), state

    def _watch(self, seen: NDArray[Any]) -> None:
        outside = int(np.sum((seen < np.asarray(self._low)) | (seen > np.asarray(self._high))))
        if outside > FAR_SHARE * seen.size and not self._warned:
            self._warned = True
            limits = "its observation space" if self._statistics is None else f"{self._statistics.clip:g} deviations of its statistics"
            _log.warning(
                "the model is shown what it has not learned from: %d of %d numbers of an observation are outside %s. Its charges mean "
                "little there. Are the statistics, the community and the information those it was trained with?",
                outside,
                seen.size,
                limits,
            )


class _Posting(torch.nn.Module):
    """A policy network that acts in EUR/kWh."""

    def __init__(self, network: BasePolicy, cap: float) -> None:
        super().__init__()
        self._network, self._cap = network, cap

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        charges: torch.Tensor = self._network._predict(observations, deterministic=True).double().clamp(0.0, self._cap)  # noqa: SLF001 - as ActingCharges
        return charges


class _Normalising(torch.nn.Module):
    """A network of charges that is shown normalised observations."""

    def __init__(self, acting: torch.nn.Module, statistics: Statistics) -> None:
        super().__init__()
        self._acting, self._clip = acting, statistics.clip
        self._mean: torch.Tensor
        self._deviation: torch.Tensor
        self.register_buffer("_mean", torch.as_tensor(statistics.mean))
        self.register_buffer("_deviation", torch.as_tensor(statistics.deviation))

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        seen = (observations.double() - self._mean) / self._deviation
        charges: torch.Tensor = self._acting(seen.clamp(-self._clip, self._clip).float())
        return charges
