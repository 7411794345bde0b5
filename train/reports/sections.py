"""One community and information class in a report: leaderboard, effort, seasons, the two parts of regret, paired tests, worst days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from ..ground.text import with_interval
from ..statistics.intervals import FEW_SEEDS
from .board import EXACT, Duels, LeaderboardLine, RegretParts, duels_of, parts_of
from .both_ends import both_ends
from .details import AXES, by_season, worst_days
from .documents import Block, Heading, Paragraph, Picture, Pictures, Table
from .figures import Look, board_figure, described, effort_figure, profiles_figure, seasons_figure, svg_of
from .results import Results
from .scores import Group, Scored
from .wording import count, p_text, percent, with_ends
from .worst import WorstDay, charge_figure, clear_again, market_figure

N_WORST: Final = 2
"""Days drawn for each community and class."""

FEW: Final = "too few"
"""Stands for a p-value where there are too few seeds, or days of one week alone."""

_TESTS: Final = (
    "A difference below zero, or a probability above one half, speaks for the algorithm of the row. p-values are two-sided and corrected "
    "for the number of rows (Holm). The bootstrap takes seeds and weeks as drawn from many more. Sign flips flip whole seeds, then whole "
    "weeks; the greater p of the two is printed. It is exact, or nearly, for other seeds on these days or other weeks with these seeds. "
    "The algorithm compared with was chosen by these same scores, which flatters it a little."
)


def section(results: Results, group: Group, entries: Sequence[LeaderboardLine], styles: Mapping[str, Look], seed: int) -> list[Block]:
    """Return what a report says of one community and class.

    Args:
        results: Of the whole comparison.
        group: The community and class.
        entries: Its part of the leaderboard.
        styles: How each algorithm is drawn.
        seed: Of the bootstrap.
    """
    words = described(group, entries)

    def drawn(name: str, svg: bytes, alt: str) -> Picture:
        return Picture(f"{group.slug}-{name}", svg, alt)

    blocks: list[Block] = [Heading(group.title, 2), _board(group, entries)]
    blocks += [Paragraph(few) for few in _few(group, entries)]
    blocks += [Paragraph(text) for text in _proofs(group)]
    blocks.append(Paragraph(_excluded(group)))
    board = drawn("leaderboard", svg_of(board_figure(entries, styles)), words.board)
    if not group.players:
        return [*blocks, Pictures((board,), "The leaderboard drawn.")]
    profiles = drawn("profiles", svg_of(profiles_figure(group, styles, seed)), words.profiles)
    blocks.append(
        Pictures(
            (board, profiles),
            "First: IQM with its interval. Second: performance profiles, each with its 95% band and the others in grey; lower is better.",
        )
    )
    blocks += both_ends(group, styles, seed)
    effort = tuple(drawn(axis, svg_of(effort_figure(group, axis, styles)), words.effort[axis]) for axis in AXES)
    blocks += [Heading(f"Regret against effort, {group.title}", 3), Pictures(effort, _effort_caption(group))]
    seasons = drawn("seasons", svg_of(seasons_figure(group, styles)), words.seasons)
    blocks += [Heading(f"Regret by season, {group.title}", 3), _seasons(group), Pictures((seasons,), "The same, drawn.")]
    parts, duels = parts_of(group, seed=seed), duels_of(group, seed=seed)
    if parts is not None:
        blocks += [Heading(f"Information and learning, {group.title}", 3), Paragraph(_about(parts)), _parts(group, parts)]
    if duels is not None:
        blocks += [Heading(f"Paired comparisons, {group.title}", 3), _duels(group, duels), Paragraph(_TESTS)]
    if not group.always_proved:  # there is no one charge to draw profit against
        return blocks
    return [*blocks, Heading(f"Worst days, {group.title}", 3), *_worst(results, group)]


def _board(group: Group, entries: Sequence[LeaderboardLine]) -> Table:
    rows = tuple(
        (
            entry.algorithm + (" (clairvoyant)" if entry.clairvoyant else ""),
            with_ends(entry.iqm.centre, entry.iqm.low, entry.iqm.high),
            percent(entry.mean),
            percent(entry.worst_decile),
            percent(max(entry.seed_means)),
            f"{entry.seeds}" + (f" ({entry.failed} failed)" if entry.failed else ""),
            str(entry.days),
            count(entry.steps),
            count(entry.clearings),
            count(entry.validation_clearings),
            count(entry.seconds),
        )
        for entry in entries
    )
    header = (
        "algorithm", "IQM [95%] (%)", "mean (%)", "worst tenth (%)", "worst seed (%)", "seeds", "days",
        "steps", "clearings", "validation clearings", "seconds",
    )  # fmt: skip
    best = "optimum" if group.always_proved else "best charges found"
    caption = (
        f"Leaderboard, {group.title}: normalised regret on test days (0 = {best}, 100 = no charge), and the mean effort of a seed. "
        "The clearings of a clairvoyant solved the test days themselves."
    )
    return Table(f"{group.slug}-leaderboard", caption, header, rows)


def _proofs(group: Group) -> list[str]:
    """Return the sentence that says what regret is to, where not every optimum is proved."""
    if group.always_proved:
        return []
    days = group.days
    bounded = days[np.isfinite(days["upper_bound_eur"])]
    apart = (bounded["upper_bound_eur"] - bounded["optimum_eur"]).mean() if len(bounded) else 0.0
    text = (
        f"Regret is to the best charges found, which are proved optimal on {int(days['certified'].sum())} of {len(days)} test days. No "
        f"leader exceeds the upper bound; {len(bounded)} of the days have one, on average {apart:.2f} EUR a day above the best found."
    )
    return [text]


def _few(group: Group, entries: Sequence[LeaderboardLine]) -> list[str]:
    """Return the sentence that says why algorithms have no interval, where some have none."""
    names = [entry.algorithm for entry in entries if not entry.iqm.has_ends]
    if not names:
        return []
    if not group.has_weeks:
        return ["All test days that count are of one week, which says nothing about others: there are no intervals and no tests."]
    return [f"Too few seeds for an interval or a test, fewer than {FEW_SEEDS}: {', '.join(names)}."]


def _excluded(group: Group) -> str:
    if not group.excluded:
        return "No test day is excluded: on each there is something to win."
    listed = ", ".join(f"{row.day} ({row.date})" for row in group.days[group.days["excluded"]].itertuples())
    return f"Left out of normalised numbers, because the optimum earns hardly more than no charge: days {listed}."


def _effort_caption(group: Group) -> str:
    exact = [each.name for each in group.algorithms if each.clairvoyant]
    if exact and group.always_proved:
        star = f"The star is the exact solver. It proves all {len(group.days)} test days, and learns nothing for other days. "
    elif exact:
        star = f"{' and '.join(exact)} look at the test days themselves: their effort is the search on these, and serves no other day. "
    else:
        star = ""
    return (
        f"{star}Lines show the IQM on validation days while learning: that of the best policy so far, as a mean over seeds, with the range "
        "of the seeds shaded. Markers show the IQM on test days in the end, at what a seed had cost. Algorithms without a name are grey."
    )


def _seasons(group: Group) -> Table:
    found = by_season(group)
    days = found.pop("")
    rows = tuple((name, *(percent(value) for value in values.values())) for name, values in found.items())
    header = ("algorithm", *(f"{name} ({number:.0f} days)" for name, number in days.items()))
    return Table(f"{group.slug}-seasons", f"Mean normalised regret (%) by season, {group.title}.", header, rows)


def _about(parts: RegretParts) -> str:
    base = (
        "Regret has two parts. The information part is what the best known predictor of the optimal charge leaves from the same "
        "observation. The learning part is the rest."
    )
    if parts.predictor == EXACT:
        return (
            f"{base} With full information the observation is the whole day, and the best known predictor is the exact solver. So the "
            "information part is zero, and all regret is learning's. The learners that come with gridtoll read the public fields only, "
            "which have no forecast errors here."
        )
    if not parts.named:
        return f"{base} No such predictor was run; {parts.predictor}, which has the least regret here, stands in for it."
    if parts.best == parts.predictor:
        return f"{base} The predictor is {parts.predictor}, and no policy has a lower interquartile mean."
    gain = parts.splits[parts.best].learning
    if not gain.has_ends:
        return (
            f"{base} The predictor is {parts.predictor}. {parts.best} leaves less, with a learning part of {percent(gain.centre)}%; there "
            "are too few seeds or weeks to say whether it would again."
        )
    verdict = "beats it" if gain.is_clear_of_zero else "leaves less, though not clearly less"
    known = ", and is the new best known" if gain.is_clear_of_zero else ""
    return (
        f"{base} The predictor is {parts.predictor}. {parts.best} {verdict}, with a learning part of "
        f"{with_ends(gain.centre, gain.low, gain.high)}%{known}."
    )


def _parts(group: Group, parts: RegretParts) -> Table:
    best = next(each.iqm for each in group.players if each.name == parts.best)
    rows = tuple(
        (
            name,
            percent(split.information + split.learning.centre),
            percent(split.information),
            with_ends(split.learning.centre, split.learning.low, split.learning.high),
            percent(split.information + split.learning.centre - best),
        )
        for name, split in parts.splits.items()
    )
    header = ("algorithm", "regret (%)", "information part (%)", "learning part [95%] (%)", f"beyond the best known, {parts.best} (%)")
    return Table(f"{group.slug}-parts", f"Normalised regret (IQM) in two parts, {group.title}.", header, rows)


def _duels(group: Group, duels: Duels) -> Table:
    rows = tuple(
        (
            name,
            with_ends(each.difference.centre, each.difference.low, each.difference.high),
            with_interval(each.improvement, 2),
            *(map(p_text, duels.corrected[name]) if name in duels.corrected else (FEW, FEW)),
        )
        for name, each in duels.comparisons.items()
    )
    header = ("algorithm", "difference of means [95%] (%)", "probability of improvement [95%]", "p, bootstrap", "p, sign flips")
    return Table(f"{group.slug}-paired", f"Each algorithm against {duels.against}, day by day, {group.title}.", header, rows)


def _worst(results: Results, group: Group) -> list[Block]:
    """Return the worst days of the best leader whose cells did not all fail."""
    alive: list[Scored] = [each for each in group.players if not all(cell.failed for cell in each.cells)]
    if not alive:
        return [Paragraph("All cells failed, so that there is no day to show.")]
    found: list[WorstDay] = []
    for place in worst_days(group, alive[0], N_WORST):
        try:
            found.append(clear_again(results, group, alive[0], place))
        except (ValueError, OSError) as error:
            return [Paragraph(f"The worst days of {alive[0].name} cannot be shown: {error}")]
    return [_worst_table(group, found), *(_worst_pictures(group, place, worst) for place, worst in enumerate(found, start=1))]


def _worst_table(group: Group, found: Sequence[WorstDay]) -> Table:
    header = ("day", "charge by", "EUR/kWh", "profit (EUR)", "traded (kWh)", "losses (kWh)", "normalised regret (%)")
    rows = tuple(
        (
            worst.date,
            name,
            f"{market.charge:.4f}",
            f"{market.profit_eur:.2f}",
            f"{market.traded_kwh:.1f}",
            f"{market.loss_kwh:.2f}",
            percent(regret),
        )
        for worst in found
        for name, market, regret in (("optimum", worst.optimum, 0.0), (worst.algorithm, worst.chosen, worst.normalised_regret))
    )
    caption = (
        f"The days with the greatest mean regret of {found[0].algorithm}, {group.title}, each with the seed that did worst, cleared again."
    )
    return Table(f"{group.slug}-worst", caption, header, rows, words=(1,))


def _worst_pictures(group: Group, place: int, worst: WorstDay) -> Pictures:
    alt = (
        f"{worst.objective} against the charge on {worst.date}: {worst.algorithm} posts {worst.chosen.charge:.3f} EUR/kWh and gets "
        f"{worst.chosen.objective_eur:.2f} EUR, the optimum is {worst.optimum.charge:.3f} EUR/kWh with "
        f"{worst.optimum.objective_eur:.2f} EUR."
    )
    price = f"Mean {worst.chosen.price_of} price"
    hours = f"{price} and power traded by hour on {worst.date}, at the optimal charge and at that of {worst.algorithm}."
    return Pictures(
        (
            Picture(f"{group.slug}-worst-{place}-charge", svg_of(charge_figure(worst)), alt),
            Picture(f"{group.slug}-worst-{place}-market", svg_of(market_figure(worst)), hours),
        ),
        f"{worst.label}: day {worst.day} under price path {worst.price_path}. The curve is the {worst.objective} at "
        f"{worst.charges.size} charges.",
    )
