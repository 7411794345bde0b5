"""Pictures of an hourly episode: the grid in the hour just carried out, and the day so far with the rest as it is planned.

The style, scales and panels are those of :mod:`.day_ahead`. What lies to the right of the hour is a plan: prosumers expect it, and it may
come otherwise. Other charges of the whole day, such as the best known, can be drawn beside the leader's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from ...community.clock import hour_axis
from ...community.day import Array, Day
from ...games.hourly import charge_of_hours
from ...games.tail import first_hour
from ...games.transition import Outcome
from .animation import write_animation
from .day_ahead import DOTS_PER_INCH, INK, QUIET, clock_time, draw_grid, draw_power, draw_prices, head

if TYPE_CHECKING:  # the environment draws by this module, not the other way round
    from ..hourly import HourlyEnv

SIZE_INCHES = (12.0, 8.0)
_COLOURS = ("#cc79a7", "#009e73", "#0072b2", "#d55e00", "#e69f00", "#56b4e9")  # Okabe and Ito's, readable with any kind of colour vision


@dataclass(frozen=True, eq=False, kw_only=True)
class Beside:
    """Charges of a whole day that are drawn beside the leader's, dotted.

    Attributes:
        name: What they are called, ``"optimum"`` or ``"best found"``, say.
        charges: γ in EUR/kWh, shape (T, K).
        earned_eur: What they earn over the day.
        upper_bound_eur: What no leader earns more than, infinite where nothing is proved.
    """

    name: str
    charges: Array
    earned_eur: float
    upper_bound_eur: float = np.inf

    def __post_init__(self) -> None:
        """Check the shape.

        Raises:
            ValueError: If the charges are no table of hours and coefficients.
        """
        if np.ndim(self.charges) != 2:
            raise ValueError(f"`charges` must have shape (T, K), a row for each period of the day, got {np.shape(self.charges)}.")


def hourly_picture(env: HourlyEnv, *, beside: Beside | None = None) -> NDArray[np.uint8]:
    """Return the picture of an episode's day so far as an RGB array, shape (height, width, 3).

    Args:
        env: The environment, reset; before the first step the day is drawn without charges, trades and plans.
        beside: What is drawn beside the leader's charges.

    Raises:
        ValueError: If what is beside is not for the day's periods and the tariff's coefficients.
    """
    shape = env.community.n_periods, env.tariff.n_basis
    if beside is not None and beside.charges.shape != shape:
        raise ValueError(f"charges beside the leader's must have shape {shape}, got {beside.charges.shape}.")
    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH)
    canvas = FigureCanvasAgg(figure)
    with mpl.rc_context({"font.size": 10.0, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": QUIET}):
        _draw(figure, env, beside)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels: NDArray[np.uint8] = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return pixels[..., :3].copy()


def animate(
    env: HourlyEnv, actions: Sequence[ArrayLike], path: str | Path, *, day: int, price_path: int = 0, beside: Beside | None = None
) -> float:
    """Play one episode and write it as an animated GIF, a picture an hour.

    Args:
        env: The environment; it is reset.
        actions: What to post at each step, γ in EUR/kWh, of the shape of the environment's action space: (K,) or (T·K,).
        path: Where to write.
        day: Which day of the data year.
        price_path: Under which price path.
        beside: What is drawn beside the leader's charges, the best known of the day, say.

    Returns:
        What the episode earned, in EUR.

    Raises:
        ValueError: If there is no such day or price path, no action, a charge cannot be posted, or what is beside is of another shape.
        ResetNeeded: If there are more actions than steps in the episode.
        ClearingError: If a clearing cannot be certified.
    """
    env.reset(options={"day": day, "price_path": price_path})
    earned, frames = 0.0, []
    for action in actions:
        earned += env.step(action)[1]
        frames.append(hourly_picture(env, beside=beside))
    write_animation(path, frames)
    return earned


def _draw(figure: Figure, env: HourlyEnv, beside: Beside | None) -> None:
    layout = figure.add_gridspec(3, 2, width_ratios=(1.25, 1.0), left=0.02, right=0.985, top=0.85, bottom=0.07, wspace=0.13, hspace=0.6)
    grid = figure.add_axes((0.02, 0.13, 0.53, 0.77))
    panels = [figure.add_subplot(layout[0, 1])]
    panels += [figure.add_subplot(layout[row, 1], sharex=panels[0]) for row in (1, 2)]
    hours = env.hours_of_day()
    if not hours:
        day, whole, title = env.day, None, "before the first hour"
        draw_grid(grid, env.community.network, day, None)
        reached = 0
    else:
        played, reached = hours[-1], len(hours)
        whole = env.day_outcome()
        day = whole_day_of(env)
        hour_day, _ = first_hour(played.tail, played.plan)
        draw_grid(grid, env.community.network, hour_day, played.outcome, first_period=reached - 1)
        charges = charge_of_hours(env.game, [each.outcome for each in hours])
        earned = sum(each.outcome.settlement.profit_eur for each in hours)
        title = f"{clock_time(reached - 1, day)} at {_posted(charges[-1])} EUR/kWh, {earned:,.2f} EUR so far"
    draw_power(panels[0], day, whole)
    draw_prices(panels[1], day, whole)
    if hours:
        _draw_charges(panels[1], day.period_hours, charges)
    if beside is not None:
        _draw_beside(panels[1], day.period_hours, beside)
    panels[1].set_xlabel("")
    panels[1].tick_params(labelbottom=False)
    _draw_stored(panels[2], day, whole)
    panels[2].set_xlabel(hour_axis(env.community.time_zone))
    for panel in panels:
        if 0 < reached < day.n_periods:
            panel.axvspan(reached * day.period_hours, day.n_periods * day.period_hours, color=QUIET, alpha=0.18, lw=0)
    date = env.community.date(_index(env))
    told = "" if beside is None else f"\n{_said_of(beside)}"
    figure.suptitle(f"{env.community.name} on {date}: {title}{told}", x=0.02, ha="left", fontsize=12, fontweight="bold")


def whole_day_of(env: HourlyEnv) -> Day:
    """Return the day the last hour belongs to."""
    return env.day_of(env.scenario._replace(day=_index(env)))


def _index(env: HourlyEnv) -> int:
    """Return the day index of the last hour carried out, of the first to come where there is none."""
    between_days = env.played and env.state.hour == 0
    return env.scenario.day - (1 if between_days else 0)


def _draw_charges(axes: Axes, period_hours: float, charges: Array) -> None:
    """Draw what was posted, one line a coefficient where they are few, else their range."""
    edges = np.arange(len(charges) + 1) * period_hours
    if charges.shape[1] <= 2:
        for k, values in enumerate(charges.T):
            axes.stairs(values, edges, baseline=None, color=_COLOURS[k], lw=2.2, label="charge" if len(charges.T) == 1 else f"charge {k}")
    else:
        axes.stairs(charges.max(axis=1), edges, baseline=charges.min(axis=1), fill=True, color=_COLOURS[0], alpha=0.5, label="charges")
    head(axes, "Prices and charge in EUR/kWh")


def _draw_beside(axes: Axes, period_hours: float, beside: Beside) -> None:
    """Draw the mean coefficient of the charges beside the leader's, dotted."""
    edges = np.arange(len(beside.charges) + 1) * period_hours
    axes.stairs(beside.charges.mean(axis=1), edges, baseline=None, color=INK, lw=1.6, ls=":", label=beside.name)
    head(axes, "Prices and charges in EUR/kWh")


def _said_of(beside: Beside) -> str:
    """Return what the charges beside the leader's earn, and what is proved."""
    bound = f", no leader more than {beside.upper_bound_eur:,.2f} EUR" if np.isfinite(beside.upper_bound_eur) else ""
    return f"dotted, {beside.name}: {beside.earned_eur:,.2f} EUR over the day{bound}"


def _draw_stored(axes: Axes, day: Day, whole: Outcome[Any] | None) -> None:
    """Draw the energy of every store over its capacity, and their total."""
    edges = np.arange(day.n_periods + 1) * day.period_hours
    owners = np.flatnonzero(day.has_storage)
    if whole is not None and len(owners):
        stored = whole.clearing.stored_energy[:, owners] / np.maximum(day.storage_capacity[owners], 1e-12) * 100.0
        axes.plot(edges, stored, color=QUIET, lw=0.8)
        total = whole.clearing.stored_energy[:, owners].sum(axis=1) / max(float(day.storage_capacity[owners].sum()), 1e-12) * 100.0
        axes.plot(edges, total, color=INK, lw=2.0, label="all stores")
        head(axes, "Stored energy in % of capacity")
    else:
        axes.set_title("Stored energy in % of capacity", loc="left", fontsize=10, fontweight="bold")
    axes.set_ylim(0.0, 100.0)


def _posted(charge: Array) -> str:
    least, most = float(charge.min()), float(charge.max())
    return f"{least:.3g}" if least == most else f"{least:.3g} to {most:.3g}"
