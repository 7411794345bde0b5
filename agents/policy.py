"""What every leader is: something that looks at an observation and posts charges."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Observation = NDArray[Any] | dict[str, NDArray[Any]]
State = tuple[NDArray[Any], ...]


class Policy(Protocol):
    """A leader, with the ``predict`` of stable-baselines3.

    Actions are charges in EUR/kWh, as ``gridtoll/DayAhead-v0`` takes them. Whatever a leader knows beyond the observation it was given by
    its constructor; an environment is never handed to ``predict``.
    """

    def predict(
        self,
        observation: Observation,
        state: State | None = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[np.float64], State | None]:
        """Return the charges for one observation, and the leader's memory.

        Args:
            observation: One observation as the environment returns it, without a leading axis for several environments.
            state: The memory returned by the last call; None for leaders without one.
            episode_start: Whether an episode begins here; only leaders with a memory need it.
            deterministic: Whether a stochastic leader posts its most likely charge instead of drawing one.

        Returns:
            Charges in EUR/kWh, shape (coefficients,), and the next state.
        """
        ...
