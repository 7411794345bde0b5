"""Which days train, validate and test: whole weeks, every season in every split.

Weeks are counted from day 0 and dealt by a fixed pattern of 13 weeks, a quarter of a year: 7 train, 2 validation, 4 test. A year of 52
weeks has 28, 8 and 16, and every quarter the same share. Days left over after the last whole week train.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date
from typing import Final, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import IntArray
from ..errors import unknown_name
from .parameters import N_PRICE_PATHS

Split = Literal["train", "validation", "test"]
SPLIT_NAMES: Final[tuple[Split, ...]] = get_args(Split)
SPLIT_VERSION: Final = 1
"""Raised whenever the pattern changes; results of different versions are not comparable."""
DAYS_PER_WEEK: Final = 7

_PATTERN: Final = "rtrrtvrtrrtvr"  # r: train, v: validation, t: test
_LETTER: Final[dict[Split, str]] = {"train": "r", "validation": "v", "test": "t"}
_SEASONS: Final = ("winter", "spring", "summer", "autumn")


class Scenario(NamedTuple):
    """One thing that can happen: a day of the data year under one of the price paths."""

    day: int
    price_path: int


def split_days(split: str, n_days: int) -> IntArray:
    """Return the day indices of a split in rising order, shape (days,).

    Args:
        split: ``"train"``, ``"validation"`` or ``"test"``.
        n_days: Number of days in the data. The training split has days in any data; the test split needs 2 whole weeks, and validation 6.

    Raises:
        ValueError: If the split is unknown or has no day in the data.
    """
    if split not in _LETTER:
        raise unknown_name("split", split, SPLIT_NAMES)
    days = _days_of(split, n_days)
    if not len(days):
        weeks = _PATTERN.index(_LETTER[split]) + 1
        raise ValueError(
            f"the {split} split needs data of at least {DAYS_PER_WEEK * weeks} days ({weeks} whole weeks), got {n_days}. "
            "Give more days, or name one day or the train split."
        )
    return days


def count_split_days(n_days: int) -> dict[Split, int]:
    """Return how many days each split has; 0 where the data are too short for it."""
    return {split: len(_days_of(split, n_days)) for split in SPLIT_NAMES}


def _days_of(split: Split, n_days: int) -> IntArray:
    letter = np.array(list(_PATTERN))[week_of(np.arange(n_days)) % len(_PATTERN)]
    letter[n_days - n_days % DAYS_PER_WEEK :] = "r"
    return np.flatnonzero(letter == _LETTER[split])


def week_of(days: ArrayLike) -> IntArray:
    """Return the week of the data year that each day is of: what splits are made of, and intervals draw, as days of a week are alike.

    Days are indices in the data year, of any shape, and weeks count from 0, of the same shape.
    """
    return np.asarray(days, dtype=np.int64) // DAYS_PER_WEEK


def split_scenarios(split: str, n_days: int, n: int | None = None, *, n_price_paths: int = N_PRICE_PATHS) -> list[Scenario]:
    """Return the scenarios of a split: its days, each with one price path, the paths in rotation.

    Args:
        split: Name of the split.
        n_days: Number of days in the data.
        n: Take this many days, spread evenly over the split; all if absent. A day keeps its price path whatever n is.
        n_price_paths: Number of price paths of the community.

    Raises:
        ValueError: If the split is unknown, or n is below 1 or above the number of its days.
    """
    days = split_days(split, n_days)
    chosen = range(len(days)) if n is None else evenly_spread(range(len(days)), n)
    return [Scenario(int(days[position]), position % n_price_paths) for position in chosen]


def evenly_spread(days: Sequence[int] | IntArray, n: int) -> list[int]:
    """Return n of the days in rising order, one from each of n equal parts: that whose weekday and price path came least often so far.

    Equal steps were tried: 16 of 112 test days were then all of one weekday, and 28 of them all had the same price path.

    Args:
        days: Day indices in rising order, shape (days,).
        n: How many to return.

    Raises:
        ValueError: If n is below 1 or above the number of days.
    """
    if not 1 <= n <= len(days):
        raise ValueError(f"the number of days must be from 1 to {len(days)}, got {n}.")
    chosen: list[int] = []
    weekday_count, path_count = [0] * DAYS_PER_WEEK, [0] * N_PRICE_PATHS
    for k in range(n):
        low, high = k * len(days) // n, (k + 1) * len(days) // n
        middle = (low + high - 1) / 2

        def priority(at: int, middle: float = middle) -> tuple[int, float]:
            return weekday_count[int(days[at]) % DAYS_PER_WEEK] + path_count[at % N_PRICE_PATHS], abs(at - middle)

        best = min(range(low, high), key=priority)
        weekday_count[int(days[best]) % DAYS_PER_WEEK] += 1
        path_count[best % N_PRICE_PATHS] += 1
        chosen.append(int(days[best]))
    return chosen


def split_hash(n_days: int) -> str:
    """Return the sha256 of the version and of every split's days, for artefacts."""
    text = f"{SPLIT_VERSION};" + ";".join(f"{split}:{_days_of(split, n_days).tolist()}" for split in SPLIT_NAMES)
    return hashlib.sha256(text.encode()).hexdigest()


def season(day: date) -> str:
    """Return the meteorological season in the northern hemisphere: winter is December to February, and so on."""
    return _SEASONS[day.month % 12 // 3]
