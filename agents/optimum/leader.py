"""The exact optimum as a leader: the clairvoyant every policy is scored against."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ...envs.community.day import Day
from ..policy import Observation, State
from .proved import Optimum


class OptimumPolicy:
    """Posts the best charge of the day at hand, which it knows in full: what it was not shown it was given by its constructor.

    Args:
        current_day: Returns the day that the observation is of, for example ``lambda: environment.unwrapped.day``.
        solve: Returns the optimum of a day, for example a partial :func:`~gridtoll.agents.optimum.solve_optimum` or a look-up in a store.
    """

    def __init__(self, current_day: Callable[[], Day], solve: Callable[[Day], Optimum]) -> None:
        self._current_day = current_day
        self._solve = solve

    def predict(
        self,
        observation: Observation,  # noqa: ARG002 - the protocol's
        state: State | None = None,
        episode_start: NDArray[np.bool_] | None = None,  # noqa: ARG002
        deterministic: bool = False,  # noqa: ARG002
    ) -> tuple[NDArray[np.float64], State | None]:
        """Return the optimal charge; see :class:`~gridtoll.agents.policy.Policy`."""
        return np.array([self._solve(self._current_day()).charge]), state
