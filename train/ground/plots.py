"""Pictures of a result: profit against charge, regret per day, the learning curve.

Each function draws on axes it is given, so that a picture can hold several; :func:`save_figure` writes one, whole or not at all. Colours
are Okabe and Ito's, which readers with any common colour vision tell apart; series differ in marker or line style as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import ArrayLike

from ...envs.errors import unknown_name
from ...envs.files import write_atomically
from ..statistics.intervals import Interval

if TYPE_CHECKING:  # half a second, which commands that draw nothing need not wait for
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS: Final = ("pdf", "png", "svg")

_STYLE: Final[dict[str, tuple[str, str]]] = {
    "optimum": ("#000000", "*"),
    "learned": ("#0072B2", "o"),
    "grid constant": ("#D55E00", "s"),
    "random": ("#CC79A7", "^"),
    "zero": ("#777777", "v"),
}
_OTHERS: Final = (("#009E73", "D"), ("#56B4E9", "P"), ("#E69F00", "X"))


def style(name: str, place: int = 0) -> tuple[str, str]:
    """Return colour and marker of a leader: its own where it has one, else one by its place in the list."""
    return _STYLE.get(name, _OTHERS[place % len(_OTHERS)])


def draw_profit_against_charge(
    axes: Axes,
    charges: ArrayLike,
    profits: ArrayLike,
    *,
    chosen: Mapping[str, tuple[float, float]],
    upper_bound_eur: float | None = None,
    title: str = "",
    objective: str = "profit",
) -> None:
    """Draw the operator's profit, or welfare, over the charge of one day, marking what was chosen.

    Args:
        axes: Where to draw.
        charges: EUR/kWh, rising, shape (n,).
        profits: EUR, shape (n,).
        chosen: Charge in EUR/kWh and profit in EUR by the leader's name, the optimum among them.
        upper_bound_eur: Certified bound to draw across.
        title: Which day it is.
        objective: What is drawn, ``"profit"`` or ``"welfare"``.
    """
    axes.plot(charges, profits, color="#444444", linewidth=1.2, zorder=1)
    if upper_bound_eur is not None:
        axes.axhline(upper_bound_eur, color="#444444", linewidth=0.8, linestyle=":", label="certified upper bound")
    for place, (name, (charge, profit)) in enumerate(chosen.items()):
        colour, marker = style(name, place)
        axes.plot([charge], [profit], marker, color=colour, markersize=11 if marker == "*" else 7, label=name, zorder=3)
    axes.set(xlabel="charge (EUR/kWh)", ylabel=f"{objective} (EUR/day)", title=title)
    axes.set_xlim(left=0)
    axes.legend(fontsize=8)
    axes.grid(alpha=0.25)


def draw_regret_per_day(axes: Axes, days: Sequence[str], regret_eur: Mapping[str, ArrayLike], title: str = "") -> None:
    """Draw each leader's regret on each test day.

    Args:
        axes: Where to draw.
        days: What to call each day, in order.
        regret_eur: EUR by leader, each of shape (days,).
        title: Which test it was.
    """
    places = np.arange(len(days))
    for place, (name, regret) in enumerate(regret_eur.items()):
        colour, marker = style(name, place)
        axes.plot(places, np.asarray(regret), marker, color=colour, markersize=5, alpha=0.9, label=name)  # no line: days are apart
    step = max(1, len(days) // 10)
    axes.set_xticks(places[::step], [days[place] for place in places[::step]], rotation=45, ha="right", fontsize=7)
    axes.set_ylabel("regret (EUR/day)")
    axes.set_title(title)
    axes.axhline(0, color="#444444", linewidth=0.6)
    axes.legend(fontsize=8)
    axes.grid(alpha=0.25)


def draw_intervals(axes: Axes, intervals: Mapping[str, Interval], label: str) -> None:
    """Draw a central value with its 95% interval for each leader, one line each, labelled with its number.

    Args:
        axes: Where to draw.
        intervals: By leader.
        label: What the values are, with their unit.
    """
    for place, (name, interval) in enumerate(intervals.items()):
        colour, marker = style(name, place)
        axes.plot([interval.low, interval.high], [place, place], color=colour, linewidth=2)
        axes.plot([interval.centre], [place], marker, color=colour, markersize=7)
        axes.annotate(
            f"{interval.centre:.2f}",
            (interval.high if interval.has_ends else interval.centre, place),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axes.set_yticks(range(len(intervals)), list(intervals))
    axes.invert_yaxis()
    axes.margins(x=0.15, y=0.2)
    axes.set_xlabel(label)
    axes.grid(alpha=0.25, axis="x")


def draw_learning_curve(axes: Axes, steps: ArrayLike, regret_eur: ArrayLike, *, references: Mapping[str, float], title: str = "") -> None:
    """Draw mean regret on the validation days over training days played.

    Args:
        axes: Where to draw.
        steps: Training days played at each validation, shape (n,).
        regret_eur: Mean regret in EUR at each, shape (n,).
        references: Mean regret in EUR of other leaders on the same days, drawn across.
        title: Which run it is.
    """
    colour, marker = style("learned")
    at, regret = np.asarray(steps), np.asarray(regret_eur)
    axes.plot(at, regret, marker=marker, color=colour, markersize=4, linewidth=1.2, label="learned")
    best = int(np.argmin(regret))
    axes.plot(at[best], regret[best], "o", markersize=10, markerfacecolor="none", color=colour, label="checkpoint kept")
    for place, (name, level) in enumerate(references.items()):
        axes.axhline(level, color=style(name, place)[0], linestyle="--", linewidth=1, label=name)
    axes.set(xlabel="training days played", ylabel="mean regret (EUR/day)", title=title)
    axes.set_ylim(bottom=min(0.0, float(regret.min())))
    axes.legend(fontsize=8)
    axes.grid(alpha=0.25)


def require_format(path: Path) -> str:
    """Return the format a picture's name asks for.

    Raises:
        ValueError: If its ending is not one of ``FORMATS``.
    """
    ending = path.suffix.lstrip(".").lower()
    if ending not in FORMATS:
        raise unknown_name("the ending of a picture's name", ending or path.name, FORMATS)
    return ending


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure, whole or not at all; the format follows the ending of the name.

    Raises:
        ValueError: If the ending is unknown.
    """
    ending = require_format(path)
    write_atomically(path, lambda file: figure.savefig(file, format=ending, dpi=150))
