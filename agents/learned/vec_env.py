"""Gymnasium's vector environments as stable-baselines3's ``VecEnv``, which that library does not offer.

Stable-baselines3 wants the next episode's observation from the step that ended an episode, and the ended one's in ``terminal_observation``:
that is Gymnasium's ``AutoresetMode.SAME_STEP``, so environments of other modes are refused. With ``NEXT_STEP`` a learner would also be fed
steps that play nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv, VectorWrapper
from numpy.typing import ArrayLike, NDArray
from stable_baselines3.common.env_util import is_wrapped
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn

from ..curves.day_features import DayActions
from .stable_baselines import to_charges

Infos = dict[str, Any]
_HANDED_OVER: Final = ("final_obs", "final_info")


class GymnasiumVecEnv(VecEnv):
    """A vector environment for stable-baselines3's learners, with actions between −1 and 1 on request.

    Rows share one environment, so attributes and methods are those of the vector environment itself, for every row asked about.

    Args:
        envs: Any vector environment with ``metadata["autoreset_mode"]`` of ``AutoresetMode.SAME_STEP``.
        action_bounds: What actions of −1 and 1 stand for, reckoned in double precision; None to leave actions as they are.
        reward_unit: Rewards are divided by this; episodes' sums in ``info["episode"]`` are not.
        day: Turns observations of a day into what is learned from, and actions between −1 and 1 into its charge. Rewards are then divided
            by the day's guessed worth as well, so that days are alike. None to leave observations as they are.

    Raises:
        ValueError: If the environment resets in another way, or both ``action_bounds`` and ``day`` are given.

    Example:
        ```python
        envs = gymnasium.make_vec("gridtoll.envs:gridtoll/DayAhead-v0", num_envs=64)
        bounds = envs.single_action_space.low, envs.single_action_space.high
        learner = stable_baselines3.SAC("MlpPolicy", GymnasiumVecEnv(envs, action_bounds=bounds), gamma=0.0)
        ```
    """

    def __init__(
        self,
        envs: VectorEnv[Any, Any, Any],
        *,
        action_bounds: tuple[ArrayLike, ArrayLike] | None = None,
        reward_unit: float = 1.0,
        day: DayActions | None = None,
    ) -> None:
        mode = envs.metadata.get("autoreset_mode")
        if mode is not AutoresetMode.SAME_STEP:
            raise ValueError(f"stable-baselines3 needs a vector environment with AutoresetMode.SAME_STEP, got {mode}.")
        if day is not None and action_bounds is not None:
            raise ValueError("`day` says what actions stand for, so `action_bounds` must be None, got both.")
        self.envs = envs
        self._reward_unit, self._day = reward_unit, day
        self._observed: NDArray[Any] = np.zeros(0)
        self._actions: NDArray[Any] = np.zeros(0)
        self._returns, self._lengths = np.zeros(envs.num_envs), np.zeros(envs.num_envs, dtype=np.int64)
        self._bounds = None if action_bounds is None else tuple(np.asarray(bound, dtype=np.float64) for bound in action_bounds)
        actions, seen = envs.single_action_space, envs.single_observation_space
        if self._bounds is not None or day is not None:
            actions = spaces.Box(-1.0, 1.0, actions.shape, np.float32)
        if day is not None:
            seen = spaces.Box(-np.inf, np.inf, (day.n_seen,), np.float32)
        super().__init__(envs.num_envs, seen, actions)

    def reset(self) -> NDArray[Any]:
        """Begin an episode in every row, with the seeds and options set before, and return the observations, shape (num_envs, …)."""
        seeds = None if all(seed is None for seed in self._seeds) else list(self._seeds)
        options = _common(self._options)
        observations, infos = self.envs.reset(seed=seeds, options=options)  # type: ignore[arg-type]
        self._reset_seeds()
        self._reset_options()
        self._returns[:], self._lengths[:] = 0.0, 0
        self.reset_infos = self._by_row(infos)
        return self._seen(observations)

    def step_async(self, actions: NDArray[Any]) -> None:
        """Take the actions of the next step, shape (num_envs, …)."""
        self._actions = actions
        if self._bounds is not None:
            low, high = self._bounds
            self._actions = low + to_charges(actions, high - low)
        if self._day is not None:
            self._actions = self._day.charges(self._observed, actions)

    def step_wait(self) -> VecEnvStepReturn:
        """Play the step; ended episodes have begun anew in what is returned, and their last observation and `info` are in `infos`."""
        observations, rewards, terminated, truncated, infos = self.envs.step(self._actions)
        dones = np.asarray(terminated | truncated)
        self._returns += rewards
        self._lengths += 1
        earned = np.asarray(rewards) / self._reward_unit
        if self._day is not None:
            earned /= self._day.worth(self._observed)
        rows = self._by_row(infos)
        for row in np.flatnonzero(dones).tolist():
            rows[row] |= self._ended(infos, row, truncated=bool(truncated[row] and not terminated[row]))
        return self._seen(observations), earned.astype(np.float32), dones, rows

    def _seen(self, observations: NDArray[Any]) -> NDArray[Any]:
        """Return what is learned from, and remember what was observed for the actions that follow."""
        self._observed = np.asarray(observations)
        return self._observed if self._day is None else self._day.seen(self._observed)

    def _ended(self, infos: Infos, row: int, *, truncated: bool) -> Infos:
        """Return what stable-baselines3 wants to know of an episode that ended, and its own last `info`."""
        sums = {"r": float(self._returns[row]), "l": int(self._lengths[row]), "t": 0.0}  # no clock: equal trainings stay equal
        self._returns[row], self._lengths[row] = 0.0, 0
        last = infos["final_obs"][row]
        seen = last if self._day is None else self._day.seen(last[None])[0]
        told = {"terminal_observation": seen, "TimeLimit.truncated": truncated, "episode": sums}
        return _row(infos["final_info"], row) | told

    def _by_row(self, infos: Infos) -> list[Infos]:
        """Return the `info` of each row, without what only concerns ended episodes."""
        current = {name: value for name, value in infos.items() if name.removeprefix("_") not in _HANDED_OVER}
        return [_row(current, row) for row in range(self.num_envs)]

    def close(self) -> None:
        """Close the vector environment."""
        self.envs.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return an attribute of the vector environment, once for each row asked about."""
        return [getattr(self.envs, attr_name)] * len(self._rows(indices))

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of the vector environment, which all rows share.

        Raises:
            ValueError: If only some rows are named.
        """
        if len(self._rows(indices)) != self.num_envs:
            raise ValueError(f"all {self.num_envs} rows share one environment, so `{attr_name}` cannot be set for some, got {indices!r}.")
        setattr(self.envs, attr_name, value)

    def env_method(self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any) -> list[Any]:
        """Call a method of the vector environment once, and return what it returned for each row asked about."""
        return [getattr(self.envs, method_name)(*method_args, **method_kwargs)] * len(self._rows(indices))

    def env_is_wrapped(self, wrapper_class: Any, indices: VecEnvIndices = None) -> list[bool]:
        """Return for each row whether a wrapper of this class is around it.

        A ``Monitor`` is, in effect: ``info["episode"]`` holds what a whole episode earned, in EUR, and ``evaluate_policy`` takes it from
        there. Otherwise wrappers of the vector environment count for all rows, and those of its single environments, where it has any, for
        theirs.
        """
        rows, around = self._rows(indices), self.envs
        while isinstance(around, VectorWrapper):
            if isinstance(around, wrapper_class):
                return [True] * len(rows)
            around = around.env
        if issubclass(Monitor, wrapper_class):
            return [True] * len(rows)
        singles = around.envs if isinstance(around, SyncVectorEnv) else []
        return [bool(singles) and is_wrapped(singles[row], wrapper_class) for row in rows]

    def _rows(self, indices: VecEnvIndices) -> Sequence[int]:
        return list(self._get_indices(indices))


def _common(options: Sequence[Mapping[str, Any]]) -> Infos | None:
    """Return the options all rows are given."""
    if any(each != options[0] for each in options):
        raise ValueError(f"all rows must be given the same options, got {list(options)}.")
    return dict(options[0]) or None


def _row(infos: Mapping[str, Any], row: int) -> Infos:
    """Return one row of `info` in Gymnasium's vector format: the entries its masks say it has, and those without a mask."""
    found: Infos = {}
    for name, value in infos.items():
        mask = infos.get(f"_{name}")
        if not name.startswith("_") and (mask is None or mask[row]):
            found[name] = _row(value, row) if isinstance(value, dict) else value[row]
    return found
