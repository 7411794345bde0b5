"""The grid in one period: loading of branches, trades as curves with an arrow head, what each prosumer sells on balance."""

from __future__ import annotations

from typing import Final

import numpy as np
from bokeh.core.properties import value
from bokeh.models import ColorBar, ColumnDataSource, HoverTool, LinearColorMapper
from bokeh.palettes import Cividis256, interp_palette
from bokeh.plotting import figure

from ..model.played import ExploredDay
from ..model.tables import branches, prosumers_on_the_grid, trades
from .look import FONT, INK, TRADE, plain

_LOADING: Final = tuple(reversed(Cividis256))[40:]
_SOLD: Final = interp_palette(("#e08214", "#fdb863", "#fee0b6", "#f7f7f7", "#d8daeb", "#b2abd2", "#8073ac"), 64)
_MOST_NUMBERED: Final = 45


class GridPicture:
    """The picture of the grid."""

    def __init__(self, unit: str, n_prosumers: int) -> None:
        self.figure: figure = plain(x="", y="", height=440, match_aspect=True)
        self._lines, self._nodes, self._trades = ColumnDataSource(), ColumnDataSource(), ColumnDataSource()
        self._loading = LinearColorMapper(palette=_LOADING, low=0.0, high=1.0)
        self._sold = LinearColorMapper(palette=_SOLD, low=-1.0, high=1.0)
        self._unit = unit
        self._empty()
        self._draw(n_prosumers)

    def show(self, played: ExploredDay, period: int) -> None:
        """Draw a period of a day."""
        lines, nodes = branches(played, period), prosumers_on_the_grid(played, period)
        self._loading.high = max(float(np.max(lines["loading"])), 0.1)
        most = max(float(np.abs(nodes["sold"]).max()), 1e-3)
        self._sold.low, self._sold.high = -most, most
        self._lines.data, self._nodes.data, self._trades.data = dict(lines), dict(nodes), dict(trades(played, period))

    def _empty(self) -> None:
        for source, names in (
            (self._lines, ("x0", "y0", "x1", "y1", "loading", "width", "name", "flow")),
            (self._nodes, ("x", "y", "sold", "size", "name", "number")),
            (self._trades, ("x0", "y0", "x1", "y1", "cx", "cy", "hx", "hy", "angle", "power", "width", "seller", "buyer")),
        ):
            source.data = {name: [] for name in names}

    def _draw(self, n_prosumers: int) -> None:
        made = self.figure
        made.axis.visible = False
        made.grid.visible = False
        wires = made.segment(
            "x0", "y0", "x1", "y1", source=self._lines, line_width="width", line_cap="round",
            line_color={"field": "loading", "transform": self._loading},
        )  # fmt: skip
        made.quadratic("x0", "y0", "x1", "y1", "cx", "cy", source=self._trades, line_width="width", line_color=TRADE, line_alpha=0.8)
        heads = made.scatter("hx", "hy", source=self._trades, marker="triangle", angle="angle", size=9, color=TRADE)
        nodes = made.scatter(
            "x", "y", source=self._nodes, size="size", line_color=INK, fill_color={"field": "sold", "transform": self._sold}
        )
        if n_prosumers <= _MOST_NUMBERED:
            made.text(
                "x", "y", text="number", source=self._nodes, text_align="center", text_baseline="middle", text_font=value(FONT),
                text_font_size="11px", text_color=INK,
            )  # fmt: skip
        for span in (made.x_range, made.y_range):
            span.renderers = [wires, nodes]  # the ends of trades lie within, and their curves need no room
            span.range_padding = 0.14  # half of it at each end, so that no symbol is cut off
        made.add_tools(
            HoverTool(renderers=[wires], tooltips=[("branch", "@name"), ("loading", "@loading{0.0} % of its limit")], line_policy="interp"),
            HoverTool(renderers=[heads], tooltips=[("trade", f"@power{{0.00}} {self._unit}"), ("from", "@seller"), ("to", "@buyer")]),
            HoverTool(renderers=[nodes], tooltips=[("prosumer", "@number, @name"), ("sells on balance", f"@sold{{0.00}} {self._unit}")]),
        )
        self._bar(self._loading, "branch loading in % of the limit")
        self._bar(self._sold, f"prosumers: bought | sold on balance, {self._unit}")

    def _bar(self, mapper: LinearColorMapper, title: str) -> None:
        bar = ColorBar(
            color_mapper=mapper, height=9, title=title, orientation="horizontal", padding=4, margin=0, bar_line_color=None,
            title_text_font=FONT, title_text_font_size="12px", title_text_font_style="normal", title_text_color=INK,
            major_label_text_font=FONT, major_label_text_font_size="11px", background_fill_color=None,
        )  # fmt: skip
        self.figure.add_layout(bar, "below")
