"""The operator's goal over the charge: today's point, the certified optimum, the leader's choice, and the curve once it is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bokeh.models import ColumnDataSource, HoverTool, Span
from bokeh.plotting import figure

from ..background.leaders import Led
from ..background.proofs import Band, Best, Sampled
from ..model.played import ExploredDay
from .look import INK, LEADER, QUIET, TRADE, plain

_POINTS: Final[Mapping[str, Any]] = {"x": [], "y": []}


class CurvePicture:
    """The picture of the curve."""

    def __init__(self, objective: str, cap: float) -> None:
        self.figure: figure = plain(x="network charge, EUR/kWh", y=f"{objective}, EUR/day", height=330)
        made = self.figure
        made.x_range.start, made.x_range.end = 0.0, cap
        self._sampled, self._exact, self._band = (ColumnDataSource(dict(_POINTS)) for _ in range(3))
        self._band.data = {"x": [], "low": [], "high": []}
        self._now, self._best, self._led = (ColumnDataSource(dict(_POINTS)) for _ in range(3))
        self._bound = Span(location=0.0, dimension="width", line_color=QUIET, line_dash="2 4", visible=False)
        made.add_layout(self._bound)
        made.varea("x", "low", "high", source=self._band, fill_color=TRADE, fill_alpha=0.45)
        sampled = made.line("x", "y", source=self._sampled, line_color=QUIET, line_dash="4 4")
        exact = made.line("x", "y", source=self._exact, line_color=INK, line_width=2)
        best = made.scatter("x", "y", source=self._best, marker="star", size=20, fill_color=INK, line_color="white")
        led = made.scatter("x", "y", source=self._led, marker="square", size=11, fill_color=LEADER, line_color="white")
        now = made.scatter("x", "y", source=self._now, marker="circle", size=13, fill_color="#0072b2", line_color="white")
        made.y_range.renderers = [sampled, exact, best, led, now]  # bounds may lie far below
        made.add_tools(HoverTool(renderers=[now, best, led], tooltips=[("charge", "@x{0.0000} EUR/kWh"), (objective, "@y{0,0.00} EUR")]))

    def now(self, played: ExploredDay) -> None:
        """Draw today's point."""
        self._now.data = {"x": [played.level], "y": [played.outcome.reward_eur]}

    def sampled(self, found: Sampled | None) -> None:
        """Draw a few charges joined, where the curve is not known yet, or nothing."""
        is_known = len(self._exact.data["x"]) > 0
        self._sampled.data = dict(_POINTS) if found is None or is_known else {"x": found.charges, "y": found.goal_eur}

    def best(self, found: Best | None) -> None:
        """Draw the optimum and its bound, or nothing."""
        self._best.data = dict(_POINTS) if found is None else {"x": [found.charge], "y": [found.goal_eur]}
        self._bound.visible = found is not None
        self._bound.location = 0.0 if found is None else found.upper_bound_eur

    def led(self, found: Led | None) -> None:
        """Draw the leader's choice, or nothing."""
        self._led.data = dict(_POINTS) if found is None else {"x": [found.level], "y": [found.goal_eur]}

    def band(self, found: Band | None) -> None:
        """Draw the whole curve in place of the few charges, or nothing."""
        if found is None:
            self._exact.data, self._band.data = dict(_POINTS), {"x": [], "low": [], "high": []}
            return
        known = found.low_eur == found.high_eur
        self._exact.data = {"x": found.charges[known], "y": found.high_eur[known]}  # straight between exact points, as ends of gaps are
        self._band.data = {"x": found.charges, "low": found.low_eur, "high": found.high_eur}
        self._sampled.data = dict(_POINTS)
