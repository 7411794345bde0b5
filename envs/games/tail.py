"""Tails of days: what is left of a day at an hour, as prosumers see it, and the first hour of a plan for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np

from ..community.day import BY_PERIOD, Array, Day
from ..community.tails import Tails, changed
from ..market.mechanism import Allocation

A = TypeVar("A", bound=Allocation)


def forecast_of(day: Day, factors: Array) -> Day:
    """Return a day as it is forecast.

    Args:
        day: The day as it comes.
        factors: What load, renewables and export price are taken for, over the truth, shape (3, T), above 0.
    """
    load, sun, price = factors[:, :, None]
    renewable = day.renewable * sun
    return replace(
        day,
        label=f"{day.label}/forecast",
        demand_min=np.minimum(day.demand_min * load, day.import_limit + renewable),  # what cannot be served is not expected either
        demand_max=day.demand_max * load,
        utility_curvature=day.utility_curvature / load,
        renewable=renewable,
        export_price=np.minimum(day.export_price * (price if day.export_price.ndim == 2 else price[:, 0]), day.import_price),
    )


def tail_of(day: Day, hour: int, stored: Array, *, forecast: Day | None = None) -> Day:
    """Return the rest of a day as prosumers see it; whoever cuts several tails of one day is quicker with :class:`.tails.Tails`.

    Args:
        day: The day as it comes.
        hour: The first hour of the tail.
        stored: Energy of each store at its beginning, kWh, shape (N,).
        forecast: The day as it was expected, which later hours are taken for; the day itself where absent.
    """
    return Tails(day, forecast).at(hour, stored)


def hour_of(day: Day, hour: int) -> Day:
    """Return one period of a day as a day of its own, to be settled; what its stores begin and end with is not that period's."""
    rows = {name: getattr(day, name)[hour : hour + 1] for name in (*BY_PERIOD, "base_injection")}
    return changed(day, rows | {"label": f"{day.label}/period {hour}"})


def first_hour(tail: Day, plan: A) -> tuple[Day, A]:
    """Return the first hour of a tail as a day of its own, and the plan's part of it."""
    return replace(hour_of(tail, 0), storage_end=np.minimum(plan.stored_energy[1], tail.storage_capacity)), plan.first_period()
