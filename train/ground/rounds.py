"""Training days side by side, in an order of their own.

A *round* plays one day in each of ``num_envs`` rows of the batched environment. Which scenarios those are depends on the seed and on how
many days were played before, and on nothing else: not on the number of cores, and not on whether the training was interrupted.

Prosumers who remember (``belief="learned"``) remember the rounds of their row, until ``reset`` is called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorWrapper
from numpy.typing import ArrayLike, NDArray

from ...envs.adapters.vector import PricingVectorEnv
from ...envs.adapters.vector_format import Infos, as_objects
from ...envs.arrays import Array
from ...envs.community.calendar import Scenario
from ...envs.community.community import Community
from ...envs.games.game import Observation
from ...envs.games.spec import GameSpec
from ..task import as_options, environment_of


class Rounds(VectorWrapper[Observation, ArrayLike, Observation, ArrayLike, NDArray[Any]]):
    """One-day episodes on training scenarios; the next round begins in the step that ends one (``AutoresetMode.SAME_STEP``).

    Days of the day-ahead game end with their only step, those of the hourly game with their last hour, in all rows together.

    Args:
        envs: Plays the days, with autoreset disabled.
        scenarios: What is played.
        seed: Which order the scenarios come in: each pass through them is shuffled afresh.
        played: Days played before, when a training is resumed.
    """

    def __init__(self, envs: PricingVectorEnv, scenarios: Sequence[Scenario], *, seed: int, played: int) -> None:
        super().__init__(envs)
        self.metadata = envs.metadata | {"autoreset_mode": AutoresetMode.SAME_STEP}
        self._scenarios, self._seed, self._next = list(scenarios), seed, played
        self._unplayed = False  # whether a round has been dealt of which no step was played

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,  # noqa: ARG002 - the order has a seed of its own, and learners seed at every start
        options: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> tuple[Observation, Infos]:
        """Begin the next round and return its observations, shape (num_envs, size), and `info`; earlier ones are not remembered."""
        return self._begin(forget=True)

    def again(self) -> None:
        """Have the next ``reset`` deal the round at hand once more, if nothing of it has been played."""
        self._next -= self.num_envs if self._unplayed else 0
        self._unplayed = False

    def _begin(self, *, forget: bool) -> tuple[Observation, Infos]:
        """Deal the next round."""
        told = as_options([self.scenario(self._next + row) for row in range(self.num_envs)])
        self._next += self.num_envs
        self._unplayed = True
        observations, infos = self.env.reset(seed=self._seed if forget else None, options=told)
        return observations, infos

    def step(self, actions: ArrayLike) -> tuple[Observation, Array, NDArray[np.bool_], NDArray[np.bool_], Infos]:
        """Play a step of the round with charges in EUR/kWh, shape (num_envs, coefficients), and begin the next where it ends."""
        last, rewards, terminated, truncated, infos = self.env.step(actions)
        self._unplayed = False
        if not terminated.all():
            return last, rewards, terminated, truncated, infos
        ended = {"final_obs": as_objects(last), "final_info": infos, "_final_obs": terminated.copy(), "_final_info": terminated.copy()}
        observations, begun = self._begin(forget=False)
        return observations, rewards, terminated, truncated, begun | ended

    def scenario(self, position: int) -> Scenario:
        """Return the scenario at a position of the endless sequence."""
        passed, place = divmod(position, len(self._scenarios))
        return self._scenarios[int(_shuffled(self._seed, passed, len(self._scenarios))[place])]


def training_scenarios(task: GameSpec) -> list[Scenario]:
    """Return every training day under every price path."""
    return every_training_scenario(environment_of(task).community)


def every_training_scenario(community: Community) -> list[Scenario]:
    """Return every training day of a community under every price path."""
    return [Scenario(scenario.day, path) for path in range(community.n_price_paths) for scenario in community.scenarios("train")]


@lru_cache(maxsize=2)
def _shuffled(seed: int, passed: int, n: int) -> NDArray[np.int64]:
    """Return the order of a pass; a round may lie in two of them."""
    return np.random.default_rng((seed, passed)).permutation(n)
