"""Days kept for when they are asked for again: cutting a day from the data and preparing it for the market takes as long as clearing it."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Final

import numpy as np

from ..community.calendar import Scenario
from ..community.day import Day

MOST_BYTES: Final = 32 << 20
"""Most memory that the days of one game take: some 1,500 days of 13 prosumers, or 120 of 99."""


class KeptDays:
    """The days used last, each made once; nobody can write into them.

    What others keep for a day, such as the form that the compiled market reads, they keep for as long as the day is. So that, too, is made
    once.

    Args:
        most_bytes: Most memory they may take; the last one is always kept.

    Attributes:
        bytes_kept: What they take now.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.bytes_kept = 0
        self._most_bytes = most_bytes
        self._kept: dict[Scenario, Day] = {}  # the one used last stands last
        self._lock = Lock()  # searches of several threads ask for their days

    def __reduce__(self) -> tuple[type[KeptDays], tuple[int]]:
        """Pickle and copy without what was kept: it can be made again."""
        return type(self), (self._most_bytes,)

    def __len__(self) -> int:
        """Return how many days are kept."""
        return len(self._kept)

    def of(self, scenario: Scenario, make: Callable[[Scenario], Day]) -> Day:
        """Return the day of a scenario.

        Args:
            scenario: Which day.
            make: Makes it where it is not kept.

        Raises:
            ValueError: If ``make`` does.
        """
        with self._lock:
            day = self._kept.pop(scenario, None)
            if day is not None:
                self._kept[scenario] = day
                return day
        made = make(scenario)
        with self._lock:
            day = self._kept.pop(scenario, made)  # another thread may have made it meanwhile; all then use one
            if day is made:
                self.bytes_kept += _bytes(day)
            while self._kept and self.bytes_kept > self._most_bytes:
                self.bytes_kept -= _bytes(self._kept.pop(next(iter(self._kept))))
            self._kept[scenario] = day
            return day


def _bytes(day: Day) -> int:
    return sum(value.nbytes for value in day.arrays().values() if isinstance(value, np.ndarray))
