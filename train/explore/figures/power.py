"""The day's power by period: what comes in above zero, what goes out below it, the load and the trades as lines."""

from __future__ import annotations

from typing import Any

from bokeh.models import ColumnDataSource, HoverTool
from bokeh.plotting import figure

from ....envs.community.day import Day
from ....envs.market.mechanism import Allocation
from ..model.tables import expected, stack
from .look import BATTERY, EXPORT, IMPORT, INK, SUN, TRADE, hours_axis, plain

_IN = {"sun": SUN, "from_batteries": BATTERY, "bought": IMPORT}
_OUT = {"into_batteries": BATTERY, "sold": EXPORT}
_WORDS = {
    "sun": "sun and wind used",
    "from_batteries": "batteries (out | in)",
    "bought": "bought at retail",
    "sold": "sold at retail",
    "load": "load",
    "traded": "traded",
}


class PowerPicture:
    """The picture of the day's power."""

    def __init__(self, unit: str, hours: float, n_periods: int) -> None:
        self.figure: figure = plain(x="hour of the day", y=f"power of all prosumers, {unit}", height=330)
        self._source = ColumnDataSource({name: [] for name in ("hour", "time", *_IN, *_OUT, "load", "traded")})
        made, width = self.figure, 0.86 * hours / n_periods
        bars: dict[str, Any] = {}
        for colours in (_IN, _OUT):
            drawn = made.vbar_stack(
                list(colours), x="hour", width=width, color=list(colours.values()), source=self._source, fill_alpha=0.85, line_color=None
            )
            bars |= dict(zip(colours, drawn, strict=True))
        made.step("hour", "load", mode="center", source=self._source, line_color=INK, line_width=2)
        made.step("hour", "traded", mode="center", source=self._source, line_color=TRADE, line_width=2, line_dash="6 3")
        hours_axis(made, hours)
        tips = [("from", "@time"), *((word, f"@{name}{{0.00}} {unit}") for name, word in _WORDS.items())]
        made.add_tools(HoverTool(renderers=[bars["sun"]], tooltips=tips, mode="vline"))

    def show(self, day: Day, clearing: Allocation | None) -> None:
        """Draw a day as it was cleared; before that the loads in the middle of their ranges and what sun and wind there is."""
        self._source.data = dict(expected(day) if clearing is None else stack(day, clearing))
