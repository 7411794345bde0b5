"""Tables that bring names of their own: a DataFrame's columns and index, a Series' index. They are obeyed, or refused; never passed over.

Columns that bear the prosumers' names are put into the prosumers' order. An index of times must be the community's hours.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import MOST_LISTED, Door
from .clock import MINUTES_PER_HOUR, period_word


def names_of_columns(value: ArrayLike) -> tuple[str, ...] | None:
    """Return the names of a table's columns; None where it has none but numbers from 0, as with arrays of any shape."""
    return _names(getattr(value, "columns", None))  # of pandas and of polars, neither of which need be there


def by_prosumer(door: Door, name: str, value: ArrayLike, prosumer_names: Sequence[str]) -> ArrayLike:
    """Return a value whose last axis runs over prosumers, in their order if it brings names; add a fault where the names differ.

    Args:
        door: Where faults are added.
        name: What faults call the value.
        value: Shape (…, N), in any unit; a table's columns or a series' index may bear names. Other shapes are left to the door.
        prosumer_names: One name per prosumer, length N.
    """
    labels = names_of_columns(value)
    if labels is None and np.ndim(value) == 1:
        labels = _names(_index(value))
    if labels is None:
        return value
    if sorted(labels) != sorted(prosumer_names):
        unknown = [label for label in labels if label not in prosumer_names]
        missing = [label for label in prosumer_names if label not in labels]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        found = [f"{words} {_listed(each)}" for words, each in (("unknown", unknown), ("missing", missing), ("twice", twice)) if each]
        door.faults.append(
            f"the labels of `{name}` must be `prosumer_names`, each once, got {'; '.join(found) or _listed(labels)}. "
            "Rename them, or pass an array without labels whose order is that of the prosumers."
        )
        return value
    return np.asarray(value)[..., [labels.index(each) for each in prosumer_names]]


def check_hours(door: Door, values: Mapping[str, ArrayLike], first_date: date | None, period_minutes: int) -> None:
    """Add a fault for each table whose index is not the community's hours, or not that of the first table with an index.

    Args:
        door: Where faults are added.
        values: Hourly values by name, tables of shape (Y, …) with a row for each hour. What has no index is passed over.
        first_date: Date of the first hour, None where it is not known.
        period_minutes: What lies between two rows.
    """
    first: tuple[str, np.ndarray[Any, Any]] | None = None
    for name, value in values.items():
        labels = _index(value)
        if labels is None or labels.tolist() == list(range(len(labels))):
            continue
        if labels.dtype.kind == "M":
            if first_date is not None:
                _check_times(door, name, labels, first_date, period_minutes)
        elif first is None:
            first = name, labels
        elif not np.array_equal(labels, first[1]):
            door.faults.append(f"the index of `{name}` must be that of `{first[0]}`, got another. Align them first.")


def _check_times(door: Door, name: str, times: np.ndarray[Any, Any], first_date: date, period_minutes: int) -> None:
    hourly = period_minutes == MINUTES_PER_HOUR
    step = np.timedelta64(1, "h") if hourly else np.timedelta64(period_minutes, "m")
    expected = np.datetime64(first_date, "h" if hourly else "m") + step * np.arange(len(times))
    wrong = np.flatnonzero(times != expected)
    if len(wrong):
        row = int(wrong[0])
        door.faults.append(
            f"the index of `{name}` must be {period_word(period_minutes)} that follow each other from `first_date`, "
            f"row {row} must be {expected[row]}, got {times[row].astype('datetime64[s]')}. "
            f"Give `first_date` the first day of the data, and one row to each {'hour' if hourly else 'period'}."
        )


def _index(value: ArrayLike) -> np.ndarray[Any, Any] | None:
    """Return the index of a pandas table or series; times with a time zone come as objects."""
    pandas = sys.modules.get("pandas")  # where it is not loaded nothing can be of it
    if pandas is None or not isinstance(value, pandas.DataFrame | pandas.Series):
        return None
    return np.asarray(value.index)


def _names(labels: Any) -> tuple[str, ...] | None:
    if labels is None or list(labels) == list(range(len(labels))):
        return None
    return tuple(str(label) for label in labels)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return ", ".join(repr(name) for name in names[:MOST_LISTED]) + more
