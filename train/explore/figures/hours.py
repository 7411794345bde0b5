"""The hourly game as far as it has come: prices and charges, what was earned, what is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from bokeh.models import BoxAnnotation, ColumnDataSource, HoverTool
from bokeh.plotting import figure

from ....envs.arrays import Array
from ..background.leaders import Walked
from ..model.by_hand import Hand
from .look import BATTERY, EXPORT, IMPORT, INK, LEADER, QUIET, hours_axis, plain

ROLES: Final = ("you", "leader", "best")
"""Who plays: the person, the leader given, the best found."""
_LOOK: Final[Mapping[str, Mapping[str, Any]]] = {
    "you": {"line_color": IMPORT, "line_width": 3},
    "leader": {"line_color": LEADER, "line_width": 2, "line_dash": "6 3"},
    "best": {"line_color": INK, "line_width": 2, "line_dash": "2 3"},
}
_EMPTY: Final[Mapping[str, Any]] = {"x": [], "y": []}


def _steps(values: Array, period_hours: float) -> dict[str, Array]:
    """Return values that each last one period as the corners of a line."""
    edges = np.arange(len(values) + 1) * period_hours
    return {"x": np.repeat(edges, 2)[1:-1], "y": np.repeat(values, 2)}


class ChargesPicture:
    """Prices, and what everybody posts."""

    def __init__(self, hours: float) -> None:
        self.figure: figure = plain(x="hour of the day", y="EUR/kWh", height=300)
        self._sources = {name: ColumnDataSource(dict(_EMPTY)) for name in (*ROLES, "import", "export")}
        for name in ROLES:
            self.figure.line("x", "y", source=self._sources[name], **_LOOK[name])
        self.figure.line("x", "y", source=self._sources["import"], line_color=QUIET, line_width=1.5)
        self.figure.line("x", "y", source=self._sources["export"], line_color=EXPORT, line_width=1.5)
        hours_axis(self.figure, hours)

    def show(self, hand: Hand, others: Mapping[str, Walked]) -> None:
        """Draw what was posted so far, and what others post all day."""
        day = hand.problem.day
        for name, price in (
            ("import", day.import_price),
            ("export", day.export_price),
        ):  # their mean, where prosumers have prices of their own
            self._sources[name].data = _steps(price.reshape(day.n_periods, -1).mean(axis=1), day.period_hours)
        posted = {"you": np.array([charge.mean() for charge in hand.charges])}
        posted |= {role: walked.charges.mean(axis=1) for role, walked in others.items()}
        for role in ROLES:
            self._sources[role].data = _steps(posted[role], day.period_hours) if len(posted.get(role, ())) else dict(_EMPTY)


class EarnedPicture:
    """What everybody has earned by each hour."""

    def __init__(self, hours: float) -> None:
        self.figure: figure = plain(x="hour of the day", y="EUR", height=300)
        self._sources = {role: ColumnDataSource(dict(_EMPTY)) for role in ROLES}
        lines = [self.figure.line("x", "y", source=self._sources[role], **_LOOK[role]) for role in ROLES]
        hours_axis(self.figure, hours)
        self.figure.add_tools(HoverTool(renderers=lines, tooltips=[("by hour", "@x{0.00}"), ("earned", "@y{0,0.00} EUR")]))

    def show(self, hand: Hand, others: Mapping[str, Walked]) -> None:
        """Draw what was earned so far, and what others earn over the day."""
        earned = {"you": hand.earned_eur} | {role: walked.earned_eur for role, walked in others.items()}
        for role in ROLES:
            values = np.concatenate([[0.0], np.cumsum(earned.get(role, np.zeros(0)))])
            known = role in earned
            self._sources[role].data = {"x": np.arange(len(values)) * hand.problem.day.period_hours, "y": values} if known else dict(_EMPTY)


class StoredPicture:
    """What all batteries hold."""

    def __init__(self, hours: float) -> None:
        self.figure: figure = plain(x="hour of the day", y="stored, % of capacity", height=300, y_range=(0, 100))
        self._done, self._planned = ColumnDataSource(dict(_EMPTY)), ColumnDataSource(dict(_EMPTY))
        self.figure.line("x", "y", source=self._done, line_color=BATTERY, line_width=3)
        self.figure.line("x", "y", source=self._planned, line_color=BATTERY, line_width=2, line_dash="4 4")
        hours_axis(self.figure, hours)

    def show(self, hand: Hand) -> None:
        """Draw what is stored so far, and what is planned for the rest of the day."""
        day = hand.problem.day
        share = 100.0 / max(float(day.storage_capacity.sum()), 1e-9)
        stored = hand.stored_kwh * share
        self._done.data = {"x": np.arange(len(stored)) * day.period_hours, "y": stored}
        rest = np.zeros(0) if hand.plan is None or hand.over else hand.plan.stored_energy[1:].sum(axis=1) * share
        self._planned.data = {"x": (hand.played + np.arange(len(rest))) * day.period_hours, "y": rest}


def planned_shade(made: figure) -> BoxAnnotation:
    """Return what shades the part of a picture that is only planned."""
    shade = BoxAnnotation(fill_color=QUIET, fill_alpha=0.14, line_color=None, left=0.0)
    made.add_layout(shade)
    return shade
