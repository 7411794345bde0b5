"""Pictures of a report, each small enough for the width of a phone, as SVG with the same bytes for the same rows.

Every algorithm has one colour, marker and line style throughout, so that it can be told in grey print as well.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..statistics.comparisons import Profile, performance_profile
from .board import LeaderboardLine
from .details import AXES, SEASONS, by_season, path_of
from .scores import Group, Scored

_FIXED: Final = {"optimum": ("#000000", "*", "-"), "zero": ("#777777", "v", ":"), "random": ("#999999", "^", "-.")}
_COLOURS: Final = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),  # Okabe and Ito's
    *("#332288", "#882255", "#999933", "#661100"),  # Tol's, for more than six algorithms
)
_MARKERS: Final = ("o", "s", "D", "P", "X", "<", ">", "h", "p")
_LINES: Final = ("-", "--", "-.", (0, (1, 1)))
_PROFILE_RESAMPLES: Final = 1000
_LINEAR: Final = 0.4  # decades that the part of an axis below 1% is as long as
_COLUMNS: Final = 3
_BEHIND: Final = "#c4c4c4"
_MOST_NAMED: Final = 6  # beside the exact solver
_LEAST_APART: Final = 0.052  # of the height of the axes: a line of text
_HALF: Final = (4.9, 3.9)  # inches: half of the page's width, and all of a phone's at a readable size

Look = Mapping[str, Any]


def looks(names: Sequence[str]) -> dict[str, Look]:
    """Return colour, marker and line style of each algorithm, no two alike."""
    found: dict[str, Look] = {}
    for name in dict.fromkeys(names):
        place = len(found) - sum(known in found for known in _FIXED)
        fresh = (_COLOURS[place % len(_COLOURS)], _MARKERS[place % len(_MARKERS)], _LINES[(place // len(_COLOURS)) % len(_LINES)])
        colour, marker, line = _FIXED.get(name, fresh)
        found[name] = {"color": colour, "marker": marker, "linestyle": line}
    return found


def svg_of(figure: Figure) -> bytes:
    """Return a figure as SVG without date, and with ids that depend on its content only."""
    stream = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "gridtoll", "svg.fonttype": "path"}):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue().encode()


def board_figure(entries: Sequence[LeaderboardLine], styles: Mapping[str, Look]) -> Figure:
    """Draw the interquartile mean of each algorithm of a group with its interval."""
    figure = Figure(figsize=(_HALF[0], 0.9 + 0.28 * len(entries)), layout="constrained")
    axes = figure.subplots()
    for place, entry in enumerate(entries):
        look = styles[entry.algorithm]
        if entry.iqm.has_ends:
            axes.plot([100 * entry.iqm.low, 100 * entry.iqm.high], [place, place], color=look["color"], linewidth=2)
        axes.plot([100 * entry.iqm.centre], [place], marker=look["marker"], color=look["color"], markersize=7, clip_on=False, zorder=3)
    axes.set_yticks(range(len(entries)), [entry.algorithm for entry in entries], fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("symlog", linthresh=1.0, linscale=_LINEAR)
    axes.set_xlim(left=min(0.0, *(100 * entry.iqm.centre for entry in entries), 0.0))
    _percents(axes, [100 * (entry.iqm.high if entry.iqm.has_ends else entry.iqm.centre) for entry in entries])
    axes.set_xlabel("normalised regret in %: IQM and 95% interval (100 = no charge)", fontsize=8)
    _tidy(axes)
    return figure


def profiles_figure(group: Group, styles: Mapping[str, Look], seed: int) -> Figure:
    """Draw the share of seeds × days on which normalised regret exceeds τ, with a pointwise 95% band: a panel for each algorithm.

    The lines of the others stand behind it in grey, so that panels can be compared.
    """
    rows = -(-len(group.players) // _COLUMNS)
    figure = Figure(figsize=(_HALF[0], 0.5 + 1.25 * rows), layout="constrained")
    panels = figure.subplots(rows, _COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
    most = max(1.0, *(float(np.quantile(each.normalised, 0.95)) for each in group.players))
    levels = np.concatenate([[0.0], np.geomspace(1e-3, most, 40)])
    profiles: list[Profile] = []
    for scored in group.players:
        generator = group.generator(seed, "profile", scored.name)
        profiles.append(performance_profile(scored.distinct, levels, generator, n_resamples=_PROFILE_RESAMPLES, blocks=group.weeks))
    for axes, scored, profile in zip(panels, group.players, profiles, strict=False):
        for other in profiles:
            axes.plot(100 * levels, other.share, color=_BEHIND, linewidth=0.6, zorder=1)
        colour = styles[scored.name]["color"]
        if scored.has_enough_seeds and group.has_weeks:
            axes.fill_between(100 * levels, profile.low, profile.high, color=colour, alpha=0.3, linewidth=0, zorder=2)
        axes.plot(100 * levels, profile.share, color=colour, linewidth=1.6, zorder=3)
        axes.set_xscale("symlog", linthresh=0.1)
        axes.set(xlim=(0, 100 * most), ylim=(-0.02, 1.02))
        axes.set_xticks([0, 0.1, 1, 10, 100], ["0", "0.1", "1", "10", "100"])
        axes.set_title(scored.name, fontsize=8, color=colour, pad=3)
        _tidy(axes)
        axes.tick_params(labelsize=7)
    for axes in panels[len(group.players) :]:
        axes.set_visible(False)
    figure.supxlabel("τ: normalised regret (%)", fontsize=8)
    figure.supylabel("share of seeds × days above τ", fontsize=8)
    return figure


def effort_figure(group: Group, axis: str, styles: Mapping[str, Look]) -> Figure:
    """Draw regret against effort: lines on validation days while learning, markers on test days in the end, the exact solver at 0.

    Only some algorithms are coloured and named, see :func:`named`; the others are grey.
    """
    figure = Figure(figsize=_HALF, layout="constrained")
    axes = figure.subplots()
    drawn: list[float] = []
    labels: list[Label] = []
    front = named(group, axis)
    for scored in sorted(group.algorithms, key=lambda each: each.name in front):  # grey ones below
        look, is_named = styles[scored.name], scored.name in front
        colour = look["color"] if is_named else _BEHIND
        path, spent = path_of(scored, axis), scored.cost(axis)
        drawn += [spent, *([] if path is None else path.effort.tolist())]
        if path is not None and not scored.clairvoyant and path.effort.size:
            if is_named:
                axes.fill_between(path.effort, 100 * path.low, 100 * path.high, color=colour, alpha=0.12, linewidth=0)
            axes.plot(path.effort, 100 * path.middle, linewidth=1.4 if is_named else 0.8, color=colour)
        if np.isfinite(spent):
            size = 11 if scored.clairvoyant else 6 if is_named else 3.5
            marker = look["marker"] if is_named else "o"
            axes.plot([spent], [100 * scored.iqm], marker=marker, color=colour, markersize=size, linestyle="none",
                      markeredgecolor="black" if is_named else colour, markeredgewidth=0.5, clip_on=False, zorder=3)  # fmt: skip
            if is_named:
                labels.append(Label(scored.name, spent, 100 * scored.iqm, colour))
    axes.set_xscale("symlog", linthresh=_decade_below(drawn), linscale=_LINEAR)
    axes.set_xlim(left=0)
    axes.set_yscale("symlog", linthresh=1.0, linscale=_LINEAR)
    axes.set_ylim(bottom=0)
    _percents(axes, [100 * scored.iqm for scored in group.algorithms], vertical=True)
    axes.set_xlabel(AXES[axis], fontsize=8)
    axes.set_ylabel("normalised regret (%)", fontsize=8)
    _tidy(axes)
    draw_labels(axes, labels)
    return figure


def named(group: Group, axis: str) -> frozenset[str]:
    """Return the algorithms that a picture of regret against effort names: the exact solver, and six others at most.

    First come those that no other beats in both regret and effort, then the best of the rest.
    """
    players = sorted((each for each in group.players if np.isfinite(each.cost(axis))), key=lambda each: each.iqm)
    unbeaten = [each.name for place, each in enumerate(players) if all(other.cost(axis) > each.cost(axis) for other in players[:place])]
    chosen = list(dict.fromkeys([*unbeaten, *(each.name for each in players)]))[:_MOST_NAMED]
    return frozenset(chosen) | {each.name for each in group.algorithms if each.clairvoyant}


def seasons_figure(group: Group, styles: Mapping[str, Look]) -> Figure:
    """Draw the mean normalised regret of each algorithm in each season."""
    figure, axes = _axes(len(group.players))
    found = by_season(group)
    present = [name for name in SEASONS if name in found[""]]
    spread = np.linspace(-0.3, 0.3, max(2, len(group.players)))
    for place, scored in enumerate(group.players):
        look, values = styles[scored.name], [100 * found[scored.name][name] for name in present]
        at = np.arange(len(present)) + spread[place]
        axes.plot(at, values, marker=look["marker"], color=look["color"], linestyle="none", label=scored.name, clip_on=False, zorder=3)
    axes.set_xticks(range(len(present)), [f"{name}\n({found[''][name]:.0f} days)" for name in present], fontsize=8)
    axes.set_yscale("symlog", linthresh=1.0, linscale=_LINEAR)
    axes.set_ylim(bottom=0)
    _percents(axes, [100 * value for each in group.players for value in found[each.name].values()], vertical=True)
    axes.set_ylabel("mean normalised regret (%)", fontsize=8)
    return _with_legend(figure, axes)


@dataclass(frozen=True)
class Described:
    """What a picture shows, in words for those who cannot see it."""

    board: str
    profiles: str
    effort: Mapping[str, str]
    seasons: str


def described(group: Group, entries: Sequence[LeaderboardLine]) -> Described:
    """Return the alternative texts of a group's pictures."""
    ranked = ", ".join(f"{entry.algorithm} {100 * entry.iqm.centre:.2f}%" for entry in entries)
    players: list[Scored] = group.players
    names = ", ".join(each.name for each in players)
    exact = ["and the exact solver"] if group.always_proved else [each.name for each in group.algorithms if each.clairvoyant]
    return Described(
        board=f"Normalised regret (IQM) with 95% intervals, {group.title}: {ranked}.",
        profiles=f"Performance profiles, {group.title}: share of seeds and days above each regret, for {names}.",
        effort={
            axis: f"Normalised regret against {words}, {group.title}, for {', '.join([names, *exact])}." for axis, words in AXES.items()
        },
        seasons=f"Mean normalised regret by season, {group.title}, for {names}; the table has the numbers.",
    )


def _axes(n: int) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_HALF[0], _HALF[1] + 0.16 * ((n + 2) // 3)), layout="constrained")
    return figure, figure.subplots()


def _with_legend(figure: Figure, axes: Axes) -> Figure:
    _tidy(axes)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=7.5, frameon=False, handlelength=2.4)
    return figure


def _tidy(axes: Axes) -> None:
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _decade_below(values: Sequence[float]) -> float:
    """Return the power of ten just below the smallest value above one: where an axis that begins at zero may turn logarithmic."""
    return float(10.0 ** np.floor(np.log10(min([value for value in values if value > 1], default=1.0))))


def _percents(axes: Axes, values: Sequence[float], *, vertical: bool = False) -> None:
    """Mark an axis that is linear below 1% and logarithmic above, in plain numbers."""
    most = max([2.0, *(value for value in values if np.isfinite(value))])
    marks = [mark for mark in (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if mark <= 1.3 * most]
    side = axes.yaxis if vertical else axes.xaxis
    side.set_ticks(marks, [f"{mark:g}" for mark in marks])
    side.set_minor_locator(mpl.ticker.NullLocator())


@dataclass(frozen=True)
class Label:
    """A name and the point of the drawing that it belongs to.

    Attributes:
        text: The name.
        x: Of the point, in the units of the axes.
        y: Of the point, in the units of the axes.
        colour: Of the text and of the line to the point.
    """

    text: str
    x: float
    y: float
    colour: str


def draw_labels(axes: Axes, labels: Sequence[Label]) -> None:
    """Write names to the right of the axes, from top to bottom in the order of their points, each with a thin line to its point.

    The limits and scales of the axes must be set before.
    """
    if not labels:
        return
    to_axes = axes.transData + axes.transAxes.inverted()
    points = to_axes.transform([(label.x, label.y) for label in labels])
    for label, height, (x, y) in zip(labels, spread(points[:, 1]), points, strict=True):
        axes.plot(
            [min(x, 1.0), 1.01, 1.035],
            [y, height, height],
            transform=axes.transAxes,
            color=label.colour,
            linewidth=0.5,
            alpha=0.7,
            clip_on=False,
        )
        axes.text(1.045, height, label.text, transform=axes.transAxes, color=label.colour, fontsize=7.5, va="center")


def spread(heights: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return heights, shape (n,), moved as little as a sweep needs so that no two are closer than a line of text, within 0 to 1."""
    wanted = np.asarray(heights, dtype=float)
    order = np.argsort(-wanted, kind="stable")
    placed = wanted[order].clip(0.0, 1.0)
    for place in range(1, len(placed)):
        placed[place] = min(placed[place], placed[place - 1] - _LEAST_APART)
    below = max(0.0, -float(placed[-1])) if len(placed) else 0.0
    placed += below  # what was pushed below the axes goes up again
    for place in range(len(placed) - 2, -1, -1):
        placed[place] = max(min(placed[place], 1.0), placed[place + 1] + _LEAST_APART)
    found = np.empty_like(placed)
    found[order] = placed
    return found
