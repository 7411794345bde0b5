"""Tails of days: what is left of a day at an hour, with other energies in the stores.

The hourly game has a tail cleared in every hour, and all tails of a day share its rows. So whoever prepares a day for clearing can prepare
all of them at once: :data:`TAILS` says which day a tail was cut from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from .day import BY_PERIOD, Array, Day, within_reach

_ROWS: Final = (*BY_PERIOD, "base_injection")
_FIELDS: Final = tuple(field.name for field in fields(Day))
_VALUES: Final = attrgetter(*_FIELDS)


class Tails:
    """Cuts tails from one day.

    Args:
        day: The day as it comes.
        forecast: The day as it was expected, which later hours are taken for; the day itself where absent.
    """

    def __init__(self, day: Day, forecast: Day | None = None) -> None:
        self.day, self.forecast = day, day if forecast is None else forecast

    def at(self, hour: int, stored: Array) -> Day:
        """Return the rest of the day as prosumers see it.

        Args:
            hour: The first hour of the tail.
            stored: Energy of each store at its beginning, kWh, shape (N,).
        """
        day, sure = self.day, self.forecast is self.day
        if hour == 0 and sure and np.array_equal(stored, day.storage_start):
            return day
        rows = {name: getattr(day, name)[hour:] for name in _ROWS}
        if not sure:
            for name in BY_PERIOD:
                rows[name] = np.concatenate([rows[name][:1], getattr(self.forecast, name)[hour + 1 :]])
        end = day.storage_start if day.storage_end is None else day.storage_end
        tail = changed(day, rows | {"label": f"{day.label}/from hour {hour}", "storage_start": stored, "storage_end": end})
        if not sure:
            tail = changed(tail, {"storage_end": np.minimum(end, stored + within_reach(tail))})
        TAILS[tail] = Tail(self, hour)
        return tail


class Tail(NamedTuple):
    """Where a tail was cut.

    Attributes:
        whole: What cut it.
        hour: Its first hour.
    """

    whole: Tails
    hour: int


TAILS: Final[WeakKeyDictionary[Day, Tail]] = WeakKeyDictionary()
"""Where each tail in use was cut."""


def changed(day: Day, values: Mapping[str, Any]) -> Day:
    """Return a day with other values in some fields, as ``dataclasses.replace`` does, in a fifth of its time.

    Args:
        day: The day.
        values: The other values by name; they are not checked.
    """
    made = object.__new__(Day)
    vars(made).update(zip(_FIELDS, _VALUES(day), strict=True), **values)
    return made
