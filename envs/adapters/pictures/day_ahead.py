"""The picture of a day: the grid with line loading and net trades, and the day hour by hour.

Matplotlib is loaded with this module, which the environment loads on the first picture. Colours are those of cividis and of a purple to
orange scale, both readable with any kind of colour vision, and line width repeats what line colour says. The black square is the slack bus,
where the grid meets the rest of the world.
"""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import CenteredNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke
from matplotlib.ticker import MaxNLocator, MultipleLocator
from numpy.typing import NDArray

from ...community.clock import NOT_STATED, hour_axis
from ...community.day import Array, Day
from ...games.transition import Outcome
from ...grid.network import Network
from ...market.price_levels import price_levels

SIZE_INCHES = (12.0, 6.4)
DOTS_PER_INCH = 100

_LOADING, _TRADES = "cividis_r", "PuOr_r"
INK, QUIET = "#222222", "#9a9a9a"
_MOST_NUMBERED = 45


def draw_day(
    figure: Figure, network: Network, day: Day, title: str, outcome: Outcome[Any] | None = None, *, time_zone: str = NOT_STATED
) -> None:
    """Draw a day into a figure.

    Args:
        figure: Where to draw; it is cleared.
        network: The grid and its prosumers.
        day: The day.
        title: What stands above; charge and profit are added to it.
        outcome: What the day led to; it is drawn without flows and trades where there is none yet.
        time_zone: What the clock of its hours is called.
    """
    figure.clear()
    with mpl.rc_context({"font.size": 10.0, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": QUIET}):
        grid, power, price = _panels(figure)
        draw_grid(grid, network, day, outcome)
        draw_power(power, day, outcome)
        draw_prices(price, day, outcome)
        price.set_xlabel(hour_axis(time_zone))
        figure.suptitle(title if outcome is None else f"{title}: {_result(outcome)}", x=0.02, ha="left", fontsize=12, fontweight="bold")


def picture(
    network: Network, day: Day, title: str, outcome: Outcome[Any] | None = None, *, time_zone: str = NOT_STATED
) -> NDArray[np.uint8]:
    """Return the picture of a day as an RGB array, shape (height, width, 3); see :func:`draw_day`."""
    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH)
    canvas = FigureCanvasAgg(figure)
    draw_day(figure, network, day, title, outcome, time_zone=time_zone)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels: NDArray[np.uint8] = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return pixels[..., :3].copy()


class Window:
    """A window that shows one day after another; where there is no display, it draws without showing."""

    def __init__(self) -> None:
        """Open the window."""
        self.figure = plt.figure("gridtoll", figsize=SIZE_INCHES, dpi=DOTS_PER_INCH)

    def show(self, network: Network, day: Day, title: str, outcome: Outcome[Any] | None, *, time_zone: str = NOT_STATED) -> None:
        """Draw a day and let the window take it in; see :func:`draw_day`."""
        draw_day(self.figure, network, day, title, outcome, time_zone=time_zone)
        self.figure.show(warn=False)
        self.figure.canvas.draw()
        self.figure.canvas.flush_events()

    def close(self) -> None:
        """Close the window."""
        plt.close(self.figure)


def _result(outcome: Outcome[Any]) -> str:
    least, most = float(outcome.charge.min()), float(outcome.charge.max())
    posted = f"{least:.3g}" if least == most else f"{least:.3g} to {most:.3g}"
    return f"a charge of {posted} EUR/kWh earns {outcome.settlement.profit_eur:,.2f} EUR"


def _panels(figure: Figure) -> tuple[Axes, Axes, Axes]:
    layout = figure.add_gridspec(2, 2, width_ratios=(1.35, 1.0), left=0.02, right=0.985, top=0.81, bottom=0.08, wspace=0.13, hspace=0.55)
    grid = figure.add_axes((0.02, 0.13, 0.55, 0.77))
    power = figure.add_subplot(layout[0, 1])
    price = figure.add_subplot(layout[1, 1], sharex=power)
    return grid, power, price


def clock_time(period: float, day: Day) -> str:
    """Return when a period of a day begins, like 07:15."""
    minutes = round(60 * day.period_hours * period)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _of_what(day: Day) -> str:
    """Return what a day's periods are together: the day, or the one period it consists of."""
    return "day" if day.n_periods > 1 else "hour" if day.period_hours == 1.0 else "period"


def draw_grid(axes: Axes, network: Network, day: Day, outcome: Outcome[Any] | None, *, first_period: int = 0) -> None:
    """Draw branches with the loading of the peak period, and prosumers with what they sold on balance over all periods.

    Args:
        axes: Where to draw.
        network: The grid and its prosumers.
        day: The day, or a period of one.
        outcome: What it led to, if anything yet.
        first_period: Which period of the day its first one is.
    """
    place, grid = network.grid.bus_position, network.grid
    wires = slice(grid.n_wires)
    ends = np.stack([place[grid.branch_from[wires]], place[grid.branch_to[wires]]], axis=1)  # (L, 2, 2)
    at = apart(place[network.prosumer_bus])
    few = min(1.0, 24.0 / network.n_prosumers)  # symbols shrink where there are many
    axes.set_axis_off()
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.07)
    if outcome is None:
        axes.add_collection(LineCollection(list(ends), colors=QUIET, linewidths=2.0 * max(few, 0.6), zorder=1))
        axes.scatter(at[:, 0], at[:, 1], s=200 * few, color="white", edgecolors=INK, zorder=3)
    else:
        clearing, settlement = outcome.clearing, outcome.settlement
        loading = (np.abs(settlement.flow_kw) / grid.branch_limit_kw * 100.0)[:, wires]
        peak = int(loading.max(axis=1).argmax())
        load_scale = Normalize(0.0, max(float(loading[peak].max()), 1.0))
        width = max(few, 0.6) * (1.5 + 6.0 * load_scale(loading[peak]))
        lines = LineCollection(
            list(ends), array=loading[peak], cmap=_LOADING, norm=load_scale, linewidths=width, capstyle="round", zorder=1
        )
        axes.add_collection(lines)
        unit, per_unit = unit_of(day)
        sold = day.period_hours * clearing.traded_kw.sum(axis=0) / per_unit
        most = float(np.abs(sold).max()) or 1.0
        size = few * (150.0 + 450.0 * np.abs(sold) / most)
        nodes = axes.scatter(at[:, 0], at[:, 1], s=size, c=sold, cmap=_TRADES, norm=CenteredNorm(0.0, most), edgecolors=INK, zorder=3)
        _colour_bar(axes, lines, (0.02, -0.06, 0.44, 0.022), f"line loading at {clock_time(first_period + peak, day)} in % of the limit")
        _colour_bar(axes, nodes, (0.54, -0.06, 0.44, 0.022), f"net trade of the {_of_what(day)} in {unit}h: bought | sold")
    axes.scatter(place[:, 0], place[:, 1], s=10 * few, color=QUIET, linewidths=0, zorder=2)
    x, y = place[grid.slack_bus]
    axes.scatter(x, y, s=70 * few, marker="s", color=INK, linewidths=0, zorder=2)
    if network.n_prosumers <= _MOST_NUMBERED:
        for number, (x, y) in enumerate(at):
            text = axes.annotate(str(number), (x, y), ha="center", va="center_baseline", fontsize=8, zorder=4)
            text.set_path_effects([Stroke(linewidth=2.0, foreground="white"), Normal()])


def _colour_bar(axes: Axes, drawn: ScalarMappable, box: tuple[float, float, float, float], label: str) -> None:
    bar = axes.figure.colorbar(drawn, cax=axes.inset_axes(box), orientation="horizontal")
    bar.set_label(label, fontsize=9)
    bar.ax.tick_params(labelsize=8, length=2)
    bar.ax.xaxis.set_major_locator(MaxNLocator(4))
    bar.outline.set_visible(False)


def draw_power(axes: Axes, day: Day, outcome: Outcome[Any] | None) -> None:
    """Draw the community's totals hour by hour."""
    unit, per_unit = unit_of(day)
    edges = np.arange(day.n_periods + 1) * day.period_hours

    def line(values: Array, label: str, colour: str, style: str = "-") -> None:
        axes.stairs(
            values.sum(axis=tuple(range(1, values.ndim))) / per_unit, edges, label=label, color=colour, lw=1.8, ls=style, baseline=None
        )

    line(day.renewable, "renewable available", "#e69f00")
    if outcome is None:
        line(0.5 * (day.demand_min + day.demand_max), "demand, middle of its range", INK)
    else:
        clearing = outcome.clearing
        axes.stairs(clearing.trade.sum(axis=(1, 2)) / per_unit, edges, label="traded", color="#56b4e9", fill=True, alpha=0.55)
        line(clearing.demand, "demand", INK)
        line(clearing.grid_import, "imported", "#0072b2", ":")
        line(clearing.grid_export, "exported", "#d55e00", ":")
    axes.set_ylim(bottom=0.0)
    axes.tick_params(labelbottom=False)
    head(axes, f"Power of the community in {unit}")


def draw_prices(axes: Axes, day: Day, outcome: Outcome[Any] | None) -> None:
    """Draw retail prices hour by hour, and between them the range of the prosumers' own, or of their trades."""
    edges = np.arange(day.n_periods + 1) * day.period_hours
    if outcome is not None:
        price = price_levels(outcome.clearing)
        axes.stairs(
            price.greatest, edges, baseline=price.least, fill=True, color="#56b4e9", alpha=0.4, label=f"{price.of}, least to greatest"
        )
        axes.stairs(price.mean, edges, color="#0072b2", lw=1.8, label=f"{price.of}, mean", baseline=None)
    axes.stairs(day.mean_import_price, edges, baseline=None, color=INK, lw=1.8, label="import")
    axes.stairs(day.mean_export_price, edges, baseline=None, color="#d55e00", lw=1.8, label="export")
    axes.set_xlabel("hour of the day")
    axes.set_xlim(0.0, edges[-1])
    axes.xaxis.set_major_locator(MultipleLocator(3.0))
    head(axes, "Prices in EUR/kWh")


def head(axes: Axes, title: str) -> None:
    """Put title and legend above a panel, where no line can run through them."""
    entries = axes.get_legend_handles_labels()[0]
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold", pad=22 if len(entries) <= 3 else 36)
    axes.legend(frameon=False, fontsize=8.5, loc="lower left", bbox_to_anchor=(-0.02, 0.99), ncols=3, columnspacing=1.4, handlelength=1.6)


def unit_of(day: Day) -> tuple[str, float]:
    """Return the unit of power a community is read in, and its size in kW."""
    return ("MW", 1000.0) if day.demand_max.mean() > 1000.0 else ("kW", 1.0)


def apart(at: Array) -> Array:
    """Move prosumers at one bus, shape (N, 2), a little to the right, one after the other, so that each can be seen."""
    same = (at[:, None, :] == at[None, :, :]).all(axis=2)
    before = np.tril(same, k=-1).sum(axis=1)
    return at + 0.03 * np.stack([before, np.zeros(len(at))], axis=1)
