"""The environment as the learners here see it, for those who train with their own stable-baselines3 or rl-baselines3-zoo."""

from __future__ import annotations

from typing import Any, SupportsFloat, cast

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ...envs.adapters.day_ahead import DayAheadEnv
from ..curves.day_features import DayActions

Array = NDArray[np.float32]


class DayView(gymnasium.Wrapper[Array, NDArray[Any], NDArray[Any], NDArray[Any]]):
    """Shows features of the day, takes actions between −1 and 1, and pays rewards of order 1.

    Actions are logarithms of charges in the unit of the day; rewards are over the day's guessed worth. Both are explained in
    :mod:`..curves.day_features`; this is what ``gridtoll train`` does with its batched environment.

    Args:
        env: ``gridtoll/DayAhead-v0`` with one charge a day.
        reward_unit: EUR that a reward of 1 stands for on a day of unit worth.

    Raises:
        ValueError: If more than one charge is posted for a day, or the unit is not positive.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], reward_unit: float = 1.0) -> None:
        super().__init__(env)
        game = cast(DayAheadEnv, env.unwrapped).game
        charges = cast(spaces.Box, env.action_space).shape
        if charges != (1,) or not reward_unit > 0:
            raise ValueError(f"a view of the day takes one charge a day and a unit of reward > 0, got shape {charges} and {reward_unit}.")
        setting, community = game.setting, game.setting.community
        self._day = DayActions(game.observer.size, setting.charge_cap, community.price_level, n_periods=community.n_periods)
        self._unit = reward_unit
        self._observed: NDArray[Any] = np.zeros(game.observer.size, dtype=np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.observation_space = spaces.Box(-np.inf, np.inf, (self._day.n_seen,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Begin a day and return its features, shape (n_seen,), and `info`."""
        self._observed, info = self.env.reset(seed=seed, options=options)
        return self._seen(), info

    def step(self, action: NDArray[Any]) -> tuple[Array, SupportsFloat, bool, bool, dict[str, Any]]:
        """Charge for the day and return its features, the reward, and the rest as the environment does.

        Args:
            action: Between −1 and 1, shape (1,); what lies outside is cut off.

        Returns:
            Features, shape (n_seen,), the reward over unit and worth, dimensionless, then terminated, truncated and `info`.

        Raises:
            ValueError: If the action is not one number.
            ResetNeeded: If no day has begun, or it is over.
            ClearingError: If the clearing cannot be certified.
        """
        before = self._observed[None]
        charge = self._day.charges(before, np.asarray(action, dtype=np.float64)[None])[0]
        self._observed, reward, terminated, truncated, info = self.env.step(charge)
        return self._seen(), float(reward) / self._unit / float(self._day.worth(before)[0]), terminated, truncated, info

    def _seen(self) -> Array:
        [shown] = self._day.seen(self._observed[None])
        return cast(Array, shown)
