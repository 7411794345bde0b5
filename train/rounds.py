"""Training days side by side, as stable-baselines3 wants its environments.

A *round* plays one day in each of ``num_envs`` places, shared out over the workers. Which scenarios those are depends on the seed and on
how many days were played before, and on nothing else: not on the number of processes, and not on whether the training was interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn

from ..agents.learned import to_charges
from ..envs.calendar import Scenario
from .task import Episode, Task, environment_of, n_charges, observe, play
from .workers import Workers


class Rounds(VecEnv):
    """Vectorised one-day episodes on training scenarios, with actions between −1 and 1 and rewards of order 1.

    Args:
        task: The game.
        workers: Clear the days.
        n_parallel: Days in a round.
        seed: Which order the scenarios come in: each pass through them is shuffled afresh.
        played: Days played before, when a training is resumed.
        reward_unit_eur: What a reward of 1 stands for.
    """

    def __init__(self, task: Task, workers: Workers, *, n_parallel: int, seed: int, played: int, reward_unit_eur: float) -> None:
        environment = environment_of(task)
        self._task, self._workers, self._seed, self._reward_unit_eur = task, workers, seed, reward_unit_eur
        self._cap = environment.charge_cap
        self._scenarios = training_scenarios(task)
        self._next = played
        self._round: list[Scenario] = []
        self._actions: NDArray[np.float64] = np.zeros(0)
        self._observations: NDArray[Any] = np.zeros(0)
        super().__init__(n_parallel, environment.observation_space, spaces.Box(-1.0, 1.0, (n_charges(task),), np.float32))

    def reset(self) -> NDArray[Any]:
        """Draw a round and return its observations, shape (num_envs, size)."""
        self._round = [self._scenario(self._next + place) for place in range(self.num_envs)]
        self._next += self.num_envs
        self._observations = np.stack([observe(self._task, scenario) for scenario in self._round])
        return self._observations

    def step_async(self, actions: NDArray[Any]) -> None:
        """Take the round's actions, between −1 and 1, shape (num_envs, coefficients)."""
        self._actions = to_charges(actions, self._cap)

    def step_wait(self) -> VecEnvStepReturn:
        """Play the round; every episode ends, and the observations returned are the next round's."""
        episodes = [Episode(self._task, *pair) for pair in zip(self._round, map(tuple, self._actions.tolist()), strict=True)]
        outcomes = self._workers.map(play, episodes)
        rewards = np.array([outcome.objective_eur for outcome in outcomes]) / self._reward_unit_eur
        infos: list[dict[str, Any]] = [
            {"terminal_observation": observation, "TimeLimit.truncated": False, "episode": {"r": outcome.objective_eur, "l": 1, "t": 0.0}}
            for observation, outcome in zip(self._observations, outcomes, strict=True)
        ]
        return self.reset(), rewards.astype(np.float32), np.ones(self.num_envs, dtype=bool), infos

    def _scenario(self, position: int) -> Scenario:
        """Return the scenario at a position of the endless sequence."""
        passed, place = divmod(position, len(self._scenarios))
        return self._scenarios[int(_shuffled(self._seed, passed, len(self._scenarios))[place])]

    def close(self) -> None:
        """Do nothing: the workers belong to the caller."""

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return an attribute of each place; there is only ``render_mode``, which is None."""
        if attr_name != "render_mode":
            raise AttributeError(f"places of a round have no attribute {attr_name!r}.")
        return [None] * len(self._places(indices))

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:  # noqa: ARG002
        """Refuse: the places of a round hold nothing that could be set."""
        raise AttributeError(f"attributes of the places of a round cannot be set, got {attr_name!r}.")

    def env_method(self, method_name: str, *_: Any, indices: VecEnvIndices = None, **__: Any) -> list[Any]:  # noqa: ARG002
        """Refuse: the places of a round have no methods."""
        raise AttributeError(f"places of a round have no method {method_name!r}.")

    def env_is_wrapped(self, wrapper_class: Any, indices: VecEnvIndices = None) -> list[bool]:  # noqa: ARG002
        """Return False for each place."""
        return [False] * len(self._places(indices))

    def _places(self, indices: VecEnvIndices) -> Sequence[int]:
        return list(self._get_indices(indices))


def training_scenarios(task: Task) -> list[Scenario]:
    """Return every training day under every price path."""
    community = environment_of(task).community
    return [Scenario(scenario.day, path) for path in range(community.n_price_paths) for scenario in community.scenarios("train")]


def _shuffled(seed: int, passed: int, n: int) -> NDArray[np.int64]:
    return np.random.default_rng((seed, passed)).permutation(n)
