"""Days on which nobody trades: each prosumer then solves a program of its own."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from ..community.day import Day, axes_of


def no_trade(day: Day) -> Day:
    """Return the same day with no trade allowed."""
    return replace(day, trade_limit=np.zeros_like(day.trade_limit))


def day_of_one(day: Day, prosumer: int) -> Day:
    """Return the day of one prosumer alone."""
    own: dict[str, Any] = {}
    for field in fields(day):
        value = getattr(day, field.name)
        if isinstance(value, np.ndarray):
            for axis, name in enumerate(axes_of(field.name, value.ndim)):
                value = value if name in ("period", "bus") else value.take([prosumer], axis=axis)
            own[field.name] = value
    return replace(day, label=f"{day.label}/prosumer {prosumer}", **own)
