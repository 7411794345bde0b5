"""The rules by which gaps are filled, each by its name, and only where one is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from ...arrays import Array
from .request import Fill

RULES: Final[Mapping[Fill, str]] = {
    "previous-day": "the same time of the day before",
    "previous-week": "the same time of the same weekday a week before",
    "interpolate": "on a straight line between the readings before and after",
    "zero": "0",
    "hold": "the reading before",
}
"""What each rule puts in the place of a missing reading."""


def filled(values: Array, rule: Fill, *, per_day: int) -> Array:
    """Return values with their gaps filled, shape (steps,); what a rule has nothing for stays NaN.

    Args:
        values: Shape (steps,), NaN where one is missing.
        rule: Its name.
        per_day: Steps of a day.
    """
    return _HOW[rule](values, per_day)


def _earlier(values: Array, lag: int) -> Array:
    made = values.copy()
    for index in np.flatnonzero(np.isnan(values)).tolist():  # in order of time, so that a filled day can fill the next
        if index >= lag:
            made[index] = made[index - lag]
    return made


def _interpolated(values: Array) -> Array:
    made, there = values.copy(), np.flatnonzero(~np.isnan(values))
    gaps = np.flatnonzero(np.isnan(values))
    if there.size:
        inside = gaps[(gaps > there[0]) & (gaps < there[-1])]
        made[inside] = np.interp(inside, there, values[there])
    return made


_HOW: Final[Mapping[Fill, Callable[[Array, int], Array]]] = {
    "previous-day": _earlier,
    "previous-week": lambda values, per_day: _earlier(values, 7 * per_day),
    "interpolate": lambda values, _: _interpolated(values),
    "zero": lambda values, _: np.nan_to_num(values, nan=0.0),
    "hold": lambda values, _: _earlier(values, 1),
}
