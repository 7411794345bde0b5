"""What prosumers remember of a leader, and what they expect of it under ``belief="learned"``.

**The rule.** Let the days that prosumers remember be 1 to D, the latest seven at most, and γ_dt what was charged in hour t of day d. At
hour h of a new day they take the hour at hand for what is posted, and every later hour t > h for the mean of what it was charged:

    expected_t = (γ_1t + … + γ_Dt) / D

What is posted in an hour says nothing of later hours: a leader that lies is expected to lie again in the same way. Before there is a day to
remember, a charge is taken as standing, as under ``"standing"``. A leader that repeats its charges is believed exactly from its second
day on: the mean is taken of what days differ by from the latest, so that equal charges have exactly their own value as a mean.

**Where it lives.** A memory is a part of an episode's state. Days of one episode follow each other, and so do the episodes of an
environment, or of a row of a batched one: each begins with what the one before it left. Only whole days are remembered; of a day that was
broken off nothing is. ``reset`` with a seed begins with an empty memory, so that the same seed and actions give the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from ..community.day import Array

REMEMBERED_DAYS: Final = 7
"""How many days prosumers remember at most: a week, so that every weekday counts alike."""


@dataclass(frozen=True, eq=False)
class Memory:
    """What prosumers remember; nobody writes into it.

    Attributes:
        days: γ in EUR/kWh of the days remembered, the latest last, each of shape (T, K).
        today: γ of the hours of the day at hand carried out so far, each of shape (K,).
        expected: The mean of the days remembered, EUR/kWh, shape (T, K); None where there is none.
    """

    days: tuple[Array, ...] = ()
    today: tuple[Array, ...] = ()
    expected: Array | None = None

    def believed(self, posted: Array) -> Array:
        """Return what prosumers reckon with in the n hours left of the day, EUR/kWh, shape (n, K).

        Args:
            posted: γ of the hour at hand as if it stood for the rest of the day, EUR/kWh, shape (n, K).
        """
        return posted if self.expected is None else np.concatenate([posted[:1], self.expected[len(self.expected) - len(posted) + 1 :]])

    def after_hour(self, charge: Array) -> Memory:
        """Return the memory after an hour was charged γ in EUR/kWh, shape (K,)."""
        return Memory(self.days, (*self.today, charge), self.expected)

    def after_day(self) -> Memory:
        """Return the memory after the last hour of a day: the day counts from now on, and the oldest may be forgotten."""
        days = (*self.days, np.stack(self.today))[-REMEMBERED_DAYS:]
        return Memory(days, (), mean_of(days))

    def whole_days(self) -> Memory:
        """Return the memory without the day at hand, which was broken off."""
        return Memory(self.days, (), self.expected)


EMPTY: Final = Memory()
"""The memory before the first day."""


def mean_of(days: tuple[Array, ...]) -> Array:
    """Return the mean of days of shape (T, K), exactly their value where they are equal."""
    latest = days[-1]
    mean: Array = latest + (np.stack(days) - latest).mean(axis=0)
    mean = np.clip(mean, np.min(days, axis=0), np.max(days, axis=0))  # rounding may not lead out of what was charged
    mean.setflags(write=False)
    return mean
