"""Who gains and who loses: each prosumer's surplus beside what it has alone."""

from __future__ import annotations

from bokeh.models import ColumnDataSource, HoverTool, Span
from bokeh.plotting import figure

from ....envs.arrays import Array
from ..model.played import ExploredDay
from ..model.tables import gains
from .look import EXPORT, IMPORT, INK, plain


class ProsumersPicture:
    """The picture of what prosumers gain."""

    def __init__(self, n_prosumers: int) -> None:
        self.figure: figure = plain(x="prosumer", y="gain over no trade, EUR/day", height=330, x_range=(-0.7, n_prosumers - 0.3))
        made = self.figure
        self._source = ColumnDataSource({name: [] for name in ("number", "name", "both", "gain", "loss", "free")})
        self.figure.xaxis.ticker.desired_num_ticks = min(n_prosumers, 14)
        made.add_layout(Span(location=0.0, dimension="width", line_color=INK, line_width=1))
        gain = made.vbar("number", top="gain", width=0.75, source=self._source, fill_color=IMPORT, line_color=None)
        loss = made.vbar("number", top="loss", width=0.75, source=self._source, fill_color=EXPORT, line_color=None)
        made.scatter("number", "free", source=self._source, marker="dash", size=14, line_color=INK, line_width=2)
        tips = [("prosumer", "@number, @name"), ("gain", "@both{0,0.00} EUR"), ("without a charge", "@free{0,0.00} EUR")]
        made.add_tools(HoverTool(renderers=[gain, loss], tooltips=tips))

    def show(self, played: ExploredDay, free_eur: Array | None) -> None:
        """Draw what a charge leaves to each, and what no charge would, where that is known, in EUR, shape (N,)."""
        found = gains(played, free_eur)
        self._source.data = dict(found)
