"""The clock of a community's data: how long a period is, how many make a day, and what the fixed clock is called.

Every day has as many periods as any other. So a clock never changes: it is UTC, or a fixed number of hours from it, the whole year.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ..arrays import Door

HOURS_PER_DAY: Final = 24
MINUTES_PER_HOUR: Final = 60
NOT_STATED: Final = "not stated"
"""The time zone of data that do not say which clock their hours are of."""


def periods_of_day(period_minutes: int) -> int:
    """Return how many periods of a length in minutes make a day."""
    return HOURS_PER_DAY * MINUTES_PER_HOUR // period_minutes


def period_word(period_minutes: int) -> str:
    """Return what several periods of a length in minutes are called."""
    return "hours" if period_minutes == MINUTES_PER_HOUR else f"periods of {period_minutes} minutes"


def hour_axis(time_zone: str) -> str:
    """Return what stands at an axis of hours: which clock they are of, where that is stated."""
    return "hour of the day" if time_zone == NOT_STATED else f"hour of the day, {time_zone}"


def divides_the_hour(period_minutes: Any) -> bool:
    """Return whether a length in minutes is a whole number that divides the hour."""
    whole = isinstance(period_minutes, int | np.integer) and not isinstance(period_minutes, bool)
    return bool(whole and 1 <= period_minutes <= MINUTES_PER_HOUR and MINUTES_PER_HOUR % period_minutes == 0)


def is_zone(time_zone: Any) -> bool:
    """Return whether a label can stand on one line, with nothing around it."""
    return isinstance(time_zone, str) and bool(time_zone) and time_zone.isprintable() and time_zone == time_zone.strip()


def take_in_clock(door: Door, period_minutes: Any, time_zone: Any) -> int:
    """Return the length of a period in minutes, that of an hour where a fault is added because it is no length.

    Args:
        door: Takes in faults, also of the time zone's label.
        period_minutes: What was given as the length.
        time_zone: What was given as the name of the clock.
    """
    if not is_zone(time_zone):
        door.faults.append(f"`time_zone` must be the name of a fixed clock, such as 'UTC' or 'UTC+1', got {time_zone!r}.")
    if not divides_the_hour(period_minutes):
        door.faults.append(
            f"`period_minutes` must be a whole number of minutes that divides the hour, such as 60, 30 or 15, got {period_minutes!r}."
        )
        return MINUTES_PER_HOUR
    return int(period_minutes)
