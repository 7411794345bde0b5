"""Leaders for the hourly game that learn nothing from what they see: the yardsticks beside which a learned policy is reported.

Zero and constant charges are those of :mod:`.day_ahead`: under ``belief="standing"`` an hour's action has the shape of a day's there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...envs.adapters.pricing import PricingEnv
from ...envs.arrays import Array
from ...envs.community.calendar import Scenario
from ...envs.community.day import Day
from ..optimum.hourly_game.search import HourlyDay, climb_together
from ..policy import Observation, Policy, State

MOST_REMEMBERED: Final = 512
"""Days whose solution a :class:`DayAheadPolicy` keeps."""


class SchedulePolicy:
    """Posts the same schedule every day.

    Args:
        schedule: γ in EUR/kWh, shape (T, K), or (K,) for charges that stand all day.
        hour: Where the field ``hour`` lies in observations, ``env.unwrapped.observer.layout["hour"]``.
        announced: Whether the whole schedule is posted at every step, as ``belief="announced"`` wants it.
    """

    def __init__(self, schedule: ArrayLike, hour: slice, *, announced: bool = False) -> None:
        self._hour, self._announced = hour, announced
        self.schedule = _whole(schedule, hour)

    def predict(
        self,
        observation: Observation,
        state: State | None = None,
        episode_start: NDArray[np.bool_] | None = None,  # noqa: ARG002 - the protocol's
        deterministic: bool = False,  # noqa: ARG002
    ) -> tuple[Array, State | None]:
        """Return the charges of the hour; see :class:`~gridtoll.agents.policy.Policy`."""
        return _of_hour(self.schedule, observation, self._hour, announced=self._announced), state


class DayAheadPolicy:
    """Posts hour by hour what is best for the day at hand day-ahead, as if nothing could be changed once the day has begun.

    It is clairvoyant: what it was not shown it was given by its constructor.

    Args:
        current_day: Returns the day that observations are of, for example ``lambda: env.unwrapped.day``.
        solve: Returns a day's best charges in EUR/kWh, shape (K,) or (T, K), for example from
            :func:`~gridtoll.agents.optimum.solve_optimum` or :func:`~gridtoll.agents.optimum.solve_several`.
        hour: Where the field ``hour`` lies in observations.
        announced: Whether the whole schedule is posted at every step.
    """

    def __init__(self, current_day: Callable[[], Day], solve: Callable[[Day], ArrayLike], hour: slice, *, announced: bool = False) -> None:
        self._current_day, self._solve, self._hour, self._announced = current_day, solve, hour, announced
        self._known: dict[str, Array] = {}

    def predict(
        self,
        observation: Observation,
        state: State | None = None,
        episode_start: NDArray[np.bool_] | None = None,  # noqa: ARG002 - the protocol's
        deterministic: bool = False,  # noqa: ARG002
    ) -> tuple[Array, State | None]:
        """Return the charges of the hour; see :class:`~gridtoll.agents.policy.Policy`."""
        day = self._current_day()
        if day.label not in self._known:
            while len(self._known) >= MOST_REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[day.label] = _whole(self._solve(day), self._hour)
        return _of_hour(self._known[day.label], observation, self._hour, announced=self._announced), state


@dataclass(frozen=True, eq=False, kw_only=True)
class BestSchedule:
    """The schedule with the greatest mean profit found over a sample of days.

    Attributes:
        schedule: γ in EUR/kWh, shape (T, K).
        mean_goal_eur: Mean of the objective over the sample.
        plans: Tails cleared.
    """

    schedule: Array
    mean_goal_eur: float
    plans: int


def best_schedule(days: Sequence[HourlyDay], start: ArrayLike, *, steps: int = 40) -> BestSchedule:
    """Find a good fixed schedule for a sample of days by following the mean of their exact gradients.

    The mean over days is continuous but not concave, so this is a local search from a start, not a certified optimum.

    Args:
        days: The sample.
        start: Charges to start from in EUR/kWh, shape (K,) or (T, K), for example the best constant charge.
        steps: Gradient steps; each plays every day once.

    Raises:
        ValueError: If there is no day.
    """
    if not days:
        raise ValueError("a schedule must be found on at least one day, got none.")
    found = climb_together(days, np.array(np.broadcast_to(np.asarray(start, dtype=np.float64), days[0].shape)), steps=steps)
    mean = float(np.mean([walk.goal_eur for walk in found]))
    return BestSchedule(schedule=found[0].sequence, mean_goal_eur=mean, plans=sum(day.plans for day in days))


def play_episode(env: PricingEnv, policy: Policy, scenario: Scenario) -> float:
    """Return what a leader earns in one episode, in EUR.

    Args:
        env: The environment; it is reset.
        policy: The leader.
        scenario: The first day.
    """
    observation, _ = env.reset(options=scenario._asdict())
    state: State | None = None
    start, earned, over = np.ones(1, dtype=np.bool_), 0.0, False
    while not over:
        action, state = policy.predict(observation, state, start, deterministic=True)
        observation, reward, terminated, truncated, _ = env.step(action)
        earned, over, start = earned + reward, terminated or truncated, np.zeros(1, dtype=np.bool_)
    return earned


def _whole(schedule: ArrayLike, hour: slice) -> Array:
    """Return charges as a schedule of shape (T, K)."""
    given = np.atleast_1d(np.asarray(schedule, dtype=np.float64))
    n_periods = hour.stop - hour.start
    if given.ndim == 1:
        given = np.tile(given, (n_periods, 1))
    if given.ndim != 2 or len(given) != n_periods:
        raise ValueError(f"a schedule must have shape ({n_periods}, K) or (K,), got {np.shape(schedule)}.")
    given.setflags(write=False)
    return given


def _of_hour(schedule: Array, observation: Observation, hour: slice, *, announced: bool) -> Array:
    """Return what is to be posted in the hour an observation says."""
    if announced:
        return schedule.ravel().copy()
    clock = np.asarray(observation)[hour]
    now: Array = schedule[int(clock.argmax())].copy()
    return now
