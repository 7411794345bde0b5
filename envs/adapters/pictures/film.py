"""A day as a film: period by period, who sells to whom, what flows in the wires, and what the operator has collected so far.

All frames share their scales, so that what grows in the film grows in the community. The colours are those of :mod:`.day_ahead`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator
from numpy.typing import ArrayLike, NDArray

from ...community.clock import NOT_STATED, hour_axis
from ...community.day import Array, Day
from ...games.transition import Outcome
from ...grid.network import Network
from .animation import write_animation
from .day_ahead import DOTS_PER_INCH, INK, QUIET, apart, clock_time, unit_of

if TYPE_CHECKING:  # the environment draws by these modules, not the other way round
    from ..day_ahead import DayAheadEnv

SIZE_INCHES = (8.4, 4.4)

_SELLS, _BUYS, _TRADED, _SUN, _EARNED = "#e08214", "#8073ac", "#56b4e9", "#e69f00", "#009e73"
_NEXT_TO_NOTHING = 1e-3
"""Trades below this part of the day's greatest are not coloured."""


def animate(env: DayAheadEnv, action: ArrayLike, path: str | Path, *, day: int, price_path: int = 0) -> float:
    """Play one day and write it as an animated GIF, a frame a period.

    Args:
        env: The environment; it is reset.
        action: γ in EUR/kWh, shape (K,), or (T·K,) for charges per hour.
        path: Where to write.
        day: Which day of the data year.
        price_path: Under which price path.

    Returns:
        What the day earned, in EUR.

    Raises:
        ValueError: If there is no such day or price path, or the charge cannot be posted.
        ClearingError: If the clearing cannot be certified.
    """
    env.reset(options={"day": day, "price_path": price_path})
    env.step(action)
    outcome = cast("Outcome[Any]", env.outcome)  # there is one: a day was just played
    title = f"{env.community.name}, {env.community.date(day)}"
    write_animation(
        path,
        film_of_day(env.community.network, env.day, outcome, title, time_zone=env.community.time_zone),
        frames_per_second=2.5,
        last_frame_seconds=3.0,
    )
    return float(outcome.settlement.profit_eur)


def film_of_day(network: Network, day: Day, outcome: Outcome[Any], title: str, *, time_zone: str = NOT_STATED) -> list[NDArray[np.uint8]]:
    """Return a picture of each period as RGB arrays, each of shape (height, width, 3).

    Args:
        network: The grid and its prosumers.
        day: The day.
        outcome: What it led to.
        title: What stands above each picture.
        time_zone: What the clock of its hours is called.
    """
    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH)
    canvas = FigureCanvasAgg(figure)
    over_day = {"traded_kw": outcome.clearing.trade.sum(axis=(1, 2)), "collected": collected_eur(day, outcome)}
    frames = []
    with mpl.rc_context({"font.size": 10.0, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": QUIET}):
        for period in range(day.n_periods):
            figure.clear()
            _draw_frame(figure, network, day, outcome, **over_day, period=period, title=title, time_zone=time_zone)
            canvas.draw()  # type: ignore[no-untyped-call]
            pixels: NDArray[np.uint8] = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
            frames.append(pixels[..., :3].copy())
    return frames


def collected_eur(day: Day, outcome: Outcome[Any]) -> Array:
    """Return the charges collected until the end of each period, shape (T,)."""
    collected: Array = np.cumsum(day.period_hours * (outcome.charges * outcome.clearing.trade).sum(axis=(1, 2)))
    return collected


def _draw_frame(
    figure: Figure,
    network: Network,
    day: Day,
    outcome: Outcome[Any],
    *,
    traded_kw: Array,
    collected: Array,
    period: int,
    title: str,
    time_zone: str,
) -> None:
    layout = figure.add_gridspec(2, 1, left=0.56, right=0.98, top=0.8, bottom=0.1, hspace=0.62)
    unit, per_unit = unit_of(day)
    traded = traded_kw / per_unit
    _draw_grid(figure.add_axes((0.0, 0.08, 0.5, 0.78)), network, outcome, period)
    power, money = figure.add_subplot(layout[0]), figure.add_subplot(layout[1])
    _draw_power(power, day, outcome, traded, period)
    _draw_collected(money, day, collected, period, time_zone=time_zone)
    clock = f"{clock_time(period, day)} to {clock_time(period + 1, day)}"
    figure.text(0.02, 0.93, f"{title}, {clock}", fontsize=12, fontweight="bold", color=INK)
    figure.text(0.02, 0.875, f"neighbours trade {traded[period]:.0f} {unit}", fontsize=10, color=INK)
    for x, colour, word in ((0.02, _SELLS, "sells"), (0.1, _BUYS, "buys"), (0.18, "white", "does not trade")):
        figure.text(x, 0.03, "●" if colour != "white" else "○", fontsize=12, color=colour if colour != "white" else INK, va="center")
        figure.text(x + 0.022, 0.03, word, fontsize=9, color=INK, va="center")
    figure.text(0.34, 0.03, "■ rest of the grid", fontsize=9, color=INK, va="center")


def _draw_grid(axes: Axes, network: Network, outcome: Outcome[Any], period: int) -> None:
    """Draw wires as wide as what flows in them, and prosumers as large as what they sell or buy."""
    place, grid = network.grid.bus_position, network.grid
    wires = slice(grid.n_wires)
    ends = np.stack([place[grid.branch_from[wires]], place[grid.branch_to[wires]]], axis=1)  # (L, 2, 2)
    at = apart(place[network.prosumer_bus])
    few = min(1.0, 24.0 / network.n_prosumers)  # symbols shrink where there are many
    flow, sold = np.abs(outcome.settlement.flow_kw[:, wires]), outcome.clearing.traded_kw
    width = 1.0 + 8.0 * flow[period] / (float(flow.max()) or 1.0)
    size = few * (60.0 + 500.0 * np.abs(sold[period]) / (float(np.abs(sold).max()) or 1.0))
    trades = np.abs(sold[period]) > _NEXT_TO_NOTHING * (float(np.abs(sold).max()) or 1.0)
    colour = np.where(trades, np.where(sold[period] > 0.0, _SELLS, _BUYS), "white")
    axes.set_axis_off()
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.08)
    axes.add_collection(LineCollection(list(ends), colors=QUIET, linewidths=width * max(few, 0.6), capstyle="round", zorder=1))
    axes.scatter(at[:, 0], at[:, 1], s=size, color=colour.tolist(), edgecolors=INK, linewidths=0.8, zorder=3)
    x, y = place[grid.slack_bus]
    axes.scatter(x, y, s=60 * few, marker="s", color=INK, linewidths=0, zorder=2)


def _draw_power(axes: Axes, day: Day, outcome: Outcome[Any], traded: Array, period: int) -> None:
    """Draw the day's sun, demand and trade; the part of the day to come is pale."""
    unit, per_unit = unit_of(day)
    edges = np.arange(day.n_periods + 1) * day.period_hours
    axes.stairs(day.renewable.sum(axis=1) / per_unit, edges, color=_SUN, lw=1.6, baseline=None, label="sun and wind")
    axes.stairs(outcome.clearing.demand.sum(axis=1) / per_unit, edges, color=INK, lw=1.6, baseline=None, label="demand")
    axes.stairs(traded, edges, color=_TRADED, fill=True, alpha=0.25)
    axes.stairs(traded[: period + 1], edges[: period + 2], color=_TRADED, fill=True, label="traded")
    axes.axvline(edges[period + 1], color=INK, lw=0.8)
    axes.set(xlim=(0.0, edges[-1]), ylim=(0.0, None))
    axes.tick_params(labelbottom=False)
    axes.xaxis.set_major_locator(MultipleLocator(6.0))
    axes.set_title(f"Power in {unit}", loc="left", fontsize=10, fontweight="bold", pad=20)
    axes.legend(frameon=False, fontsize=9, loc="lower left", bbox_to_anchor=(-0.02, 0.98), ncols=3, handlelength=1.4, columnspacing=1.2)


def _draw_collected(axes: Axes, day: Day, collected: Array, period: int, *, time_zone: str) -> None:
    """Draw what the operator has collected so far."""
    ends = np.arange(day.n_periods + 1) * day.period_hours
    total = np.concatenate([[0.0], collected])
    axes.plot(ends[: period + 2], total[: period + 2], color=_EARNED, lw=2.2)
    axes.plot(ends[period + 1], total[period + 1], "o", color=_EARNED, clip_on=False)
    axes.axvline(ends[period + 1], color=INK, lw=0.8)
    axes.set(xlim=(0.0, ends[-1]), ylim=(0.0, 1.12 * (float(total.max()) or 1.0)), xlabel=hour_axis(time_zone))
    axes.xaxis.set_major_locator(MultipleLocator(6.0))
    axes.set_title(f"Charges collected so far: {total[period + 1]:,.2f} EUR", loc="left", fontsize=10, fontweight="bold")
