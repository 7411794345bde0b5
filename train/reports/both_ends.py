"""What leaders leave where the optimum of a day is not always proved: regret in EUR a day to both ends that it lies between.

The regret of a leader is at least that to the best charges found, and at most that to the bound. Where the two are close the optimum is as
good as known, and those days have a table of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from ...envs.arrays import Array
from ...envs.community.calendar import week_of
from ..ground.text import with_interval
from ..statistics.intervals import hierarchical_bootstrap
from ..statistics.resampling import Interval
from .board import RESAMPLES
from .documents import Block, Heading, Paragraph, Picture, Pictures, Table
from .figures import Look, svg_of
from .scores import Group, Scored

CLOSE: Final = 0.05
"""Where the bound is at most this share above the best charges found, a day counts as one whose optimum is known."""
_CENT: Final = 0.01  # EUR: of less no share is taken


@dataclass(frozen=True)
class EndsLine:
    """One algorithm on some of the days, in EUR a day.

    Attributes:
        algorithm: Its name in the plan.
        earned: What it earns.
        to_best: What the best charges found earn more. The regret is at least that.
        to_bound: What the bound is above it. The regret is at most that. None where one of the days has no bound.
        above: The share of seeds and days on which it earns more than the best charges found, by more than a hundredth of a cent.
        clairvoyant: Whether it looks at the days it is scored on.
    """

    algorithm: str
    earned: Interval
    to_best: Interval
    to_bound: Interval | None
    above: float
    clairvoyant: bool


def gaps_of(group: Group) -> Array:
    """Return how far the bound of each day is above its best charges found, as a share of what these earn, shape (A,)."""
    best, bound = (group.days[name].to_numpy(dtype=np.float64) for name in ("optimum_eur", "upper_bound_eur"))
    return np.asarray(np.maximum(bound - best, 0.0) / np.maximum(np.abs(best), _CENT))


def ends_of(group: Group, days: NDArray[np.bool_], *, seed: int = 0) -> list[EndsLine]:
    """Return what every algorithm leaves on some days, the least regret first.

    Args:
        group: The community and class.
        days: Which of its days, shape (A,).
        seed: Of the bootstrap.
    """
    found = [_line(group, scored, days, seed) for scored in group.algorithms]
    return sorted(found, key=lambda line: line.to_best.centre)


def _line(group: Group, scored: Scored, days: NDArray[np.bool_], seed: int) -> EndsLine:
    best, bound = (group.days[name].to_numpy(dtype=np.float64)[days] for name in ("optimum_eur", "upper_bound_eur"))
    every = scored.regret_eur[:, days]
    regret = every[:1] if np.ptp(scored.regret_eur, axis=0).max(initial=0.0) == 0 else every
    weeks = week_of(group.days["day"].to_numpy()[days])

    def interval(table: Array) -> Interval:
        generator = group.generator(seed, "ends", scored.name)
        found = hierarchical_bootstrap(table, generator, n_resamples=RESAMPLES, blocks=weeks)
        return found if scored.has_enough_seeds and np.unique(weeks).size > 1 else found.without_ends()

    return EndsLine(
        algorithm=scored.name,
        earned=interval(best - regret),
        to_best=interval(regret),
        to_bound=interval(bound - best + regret) if np.isfinite(bound).all() else None,
        above=float((regret < -1e-4).mean()),
        clairvoyant=scored.clairvoyant,
    )


def both_ends(group: Group, styles: Mapping[str, Look], seed: int) -> list[Block]:
    """Return what a report says of both ends: nothing where every optimum is proved.

    Args:
        group: The community and class.
        styles: How each algorithm is drawn.
        seed: Of the bootstrap.
    """
    if group.always_proved:
        return []
    gaps = gaps_of(group)
    close, bounded, every = gaps <= CLOSE, np.isfinite(gaps), np.ones(gaps.size, dtype=np.bool_)
    blocks: list[Block] = [Heading(f"Regret to both ends, {group.title}", 3)]
    if close.any():
        text = (
            f"On {close.sum()} of {gaps.size} test days the bound is at most {CLOSE:.0%} above the best charges found, on average "
            f"{gaps[close].mean():.1%} and at most {gaps[close].max():.1%}. There the optimum is as good as known."
        )
        blocks.append(Paragraph(text))
    parts = (
        ("known", close, f"the {close.sum()} days whose optimum is known"),
        ("bounded", bounded & ~bounded.all(), f"the {bounded.sum()} days with a bound"),
        ("ends", every, f"all {gaps.size} test days"),
    )
    before = 0
    for name, days, words in parts:  # each among those of the next
        if days.sum() > before:
            before = int(days.sum())
            lines = ends_of(group, days, seed=seed)
            blocks += [_table(group, name, words, lines), _drawn(group, name, f"Regret on {words}", lines, styles)]
    return blocks


def _table(group: Group, name: str, days: str, lines: list[EndsLine]) -> Table:
    header = (
        "algorithm",
        "earns [95%] (EUR a day)",
        "regret to best found [95%]",
        "regret to bound [95%]",
        "seeds × days above best found (%)",
    )
    rows = tuple(
        (
            line.algorithm + (" (clairvoyant)" if line.clairvoyant else ""),
            *(_word(each) for each in (line.earned, line.to_best, line.to_bound)),
            f"{100 * line.above:.1f}",
        )
        for line in lines
    )
    return Table(f"{group.slug}-{name}", f"Earnings and regret in EUR a day on {days}, {group.title}.", header, rows)


def _word(interval: Interval | None) -> str:
    return "no bound" if interval is None else with_interval(interval, 2).replace("-", "−")


def _drawn(group: Group, name: str, what: str, lines: list[EndsLine], styles: Mapping[str, Look]) -> Pictures:
    ranked = ", ".join(
        f"{line.algorithm} {line.to_best.centre:.2f}" + ("" if line.to_bound is None else f" to {line.to_bound.centre:.2f}")
        for line in lines
    )
    picture = Picture(f"{group.slug}-{name}", svg_of(ends_figure(lines, styles)), f"{what} in EUR a day: {ranked}.")
    caption = f"{what}. The mark is the regret to the best charges found, with its 95% interval."
    if all(line.to_bound is not None for line in lines):
        caption += " The bar where the thin line ends is the regret to the bound. The regret to the optimum lies between mark and bar."
    return Pictures((picture,), caption)


def ends_figure(lines: list[EndsLine], styles: Mapping[str, Look]) -> Figure:
    """Draw the regret of each algorithm in EUR a day between its two ends; logarithmic beyond 1 EUR where the ends are far apart."""
    figure = Figure(figsize=(4.9, 0.9 + 0.28 * len(lines)), layout="constrained")
    axes = figure.subplots()
    for place, line in enumerate(lines):
        look = styles[line.algorithm]
        if line.to_bound is not None:
            axes.plot([line.to_best.centre, line.to_bound.centre], [place, place], color=look["color"], linewidth=0.9)
            axes.plot([line.to_bound.centre], [place], marker="|", markersize=9, color=look["color"], clip_on=False, zorder=3)
        if line.to_best.has_ends:
            axes.plot([line.to_best.low, line.to_best.high], [place, place], color=look["color"], linewidth=3, alpha=0.5)
        axes.plot([line.to_best.centre], [place], marker=look["marker"], markersize=6, color=look["color"], clip_on=False, zorder=4)
    axes.set_yticks(range(len(lines)), [line.algorithm for line in lines], fontsize=8)
    axes.invert_yaxis()
    least = min(line.to_best.centre for line in lines)
    most = max((line.to_bound.centre for line in lines if line.to_bound is not None), default=0.0)
    if most > 100 * max(1.0, float(np.median([line.to_best.centre for line in lines]))):
        axes.set_xscale("symlog", linthresh=1.0, linscale=0.4)
        marks = [mark for mark in (0, 1, 10, 100, 1000, 10000, 100000) if mark <= 1.3 * most]
        axes.set_xticks(marks, [f"{mark:,}" for mark in marks])
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(left=min(0.0, least))
    axes.set_xlabel("regret (EUR a day)", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
