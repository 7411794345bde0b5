"""A report in its order: what was asked, the leaderboard at a glance, each community and class, failures, how it was made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from .board import LeaderboardLine, leaderboard
from .documents import Block, Contents, Heading, Paragraph, Picture, Table, pictures_of
from .figures import looks
from .made import made
from .results import Results
from .scores import Group, groups_of
from .sections import section
from .wording import percent

TITLE: Final = "Learned network charges against the exact optimum"
TITLE_FOUND: Final = "Learned network charges against the best charges found"
BANDIT: Final = (
    "The day-ahead game has one step a day: an observation, one charge, one reward. No day depends on the day before. So it is a "
    "contextual bandit; only the hourly game is a Markov decision process."
)
_HOURLY: Final = (
    "In the hourly game a day is an episode with one charge an hour. What prosumers store ties the hours together, so it is a Markov "
    "decision process."
)
_CLASSES: Final = (
    "Leaders are compared within an information class. With public information they see what an operator sees before the day. With full "
    "information they see every private parameter as well."
)
_EXCLUDED: Final = "Days on which there is next to nothing to win are listed, and left out of normalised numbers."
_FOUND: Final = (
    "Regret is what the best charges found for a day earn more than a leader, both played in the same game. Unless it is said, they are "
    "not proved to be optimal: a leader may earn more, and its regret is then below zero. The true regret lies between this one and the "
    "regret to the upper bound, which no leader exceeds. Normalised regret in %: 0 = the best charges found, 100 = no charge. "
    f"{_EXCLUDED} {_CLASSES}"
)
_REGRET: Final = (
    "Regret is what the exact optimum of a day earns more than a leader, both cleared by the same market. Normalised regret in %: "
    f"0 = optimum, 100 = no charge. {_EXCLUDED} {_CLASSES}"
)
_STATISTICS: Final = (
    "IQM is the interquartile mean: the mean of the middle half of all seeds and days. Intervals are 95% intervals from a bootstrap. It "
    "draws seeds and, for all of them together, whole weeks, because days of a week are alike. Where all seeds are the same, it draws "
    "weeks. The intervals are stretched for the small number of seeds and weeks. Ends of intervals of regret are cut off at zero. "
    "Below five seeds there is no interval and no test: so few say next to nothing about others. Worst seed is the "
    "greatest of the seeds' means. Where one training in ten collapses, ten seeds often hold none, and no interval can know. "
    "Worst tenth is the mean of the worst tenth of the days. A failed seed counts as the worst of all finished cells of that day, "
    "community and class, and never as better than no charge. Checkpoints and settings were chosen on validation days; all scores are of "
    "test days."
)


_CUT: Final = "Ends of intervals of regret are cut off at zero. "


@dataclass(frozen=True, eq=False)
class Story:
    """A report before it is written.

    Attributes:
        entries: The leaderboard.
        blocks: Everything, in order.
        pictures: All pictures in it.
    """

    entries: tuple[LeaderboardLine, ...]
    blocks: tuple[Block, ...]
    pictures: tuple[Picture, ...]


def tell(results: Results, *, seed: int = 0) -> Story:
    """Return the report of a comparison; the same results and seed give the same report.

    Raises:
        ValueError: If there is nothing to report.
    """
    groups = groups_of(results)
    entries = leaderboard(groups, seed=seed)
    styles = looks([scored.name for group in groups for scored in sorted(group.algorithms, key=lambda each: each.name)])
    sections = [section(results, group, _of(entries, group), styles, seed) for group in groups]
    hourly = results.rows.iloc[0]["env"] == "hourly"
    title = TITLE if results.always_proved else TITLE_FOUND
    titles = ("At a glance", *(group.title for group in groups), "Failed and unfinished", "How it was made")
    blocks: list[Block] = [
        Heading(title, 1),
        Paragraph(_subject(results, groups)),
        Paragraph(_HOURLY if hourly else BANDIT),
        Paragraph(_REGRET if results.always_proved else _FOUND),
        Paragraph(_STATISTICS if results.always_proved else _STATISTICS.replace(_CUT, "")),
        Contents(titles),
        Heading("At a glance", 2),
        glance(groups, entries),
        *(block for section in sections for block in section),
        Heading("Failed and unfinished", 2),
        *_failures(results),
        Heading("How it was made", 2),
        *made(results, groups, seed),
    ]
    return Story(tuple(entries), tuple(blocks), pictures_of(blocks))


def _subject(results: Results, groups: Sequence[Group]) -> str:
    rows = results.rows
    setting = rows.iloc[0]
    names = list(dict.fromkeys(group.community for group in groups))
    seeds = sorted({len(scored.cells) for group in groups for scored in group.algorithms})
    many = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    return (
        f"{len({cell.algorithm for cell in results.cells})} algorithms, {many} seeds each, on {len(groups[0].days)} "
        f"{setting['split']} days "
        f"of {', '.join(names)}; {setting['tariff']} tariff, {_pace(setting)}, rewarded with {setting['objective']}."
    )


def _pace(setting: pd.Series) -> str:
    """Return in words how often the leader posts charges."""
    if setting["env"] == "hourly":
        error = f", forecast errors of {setting['forecast_error']:g}" if setting["forecast_error"] else ""
        return f"a new charge every hour, belief {setting['belief']}{error}"
    return f"one charge per {setting['charges_per']}"


def glance(groups: Sequence[Group], entries: Sequence[LeaderboardLine]) -> Table:
    """Return the table of every algorithm in every community and class."""
    names = list(dict.fromkeys(entry.algorithm for entry in sorted(entries, key=lambda entry: entry.iqm.centre)))
    found = {(entry.algorithm, entry.community, entry.information): percent(entry.iqm.centre) for entry in entries}
    rows = tuple((name, *(found.get((name, group.community, group.information), "") for group in groups)) for name in names)
    header = ("algorithm", *(f"{group.community}, {group.information}" for group in groups))
    return Table("glance", "Normalised regret (IQM, %) of every algorithm in every community and class.", header, rows)


def _failures(results: Results) -> list[Block]:
    blocks: list[Block] = []
    if results.failed:
        rows = tuple((cell.label, (cell.error or "no error recorded").splitlines()[0]) for cell in results.failed)
        blocks.append(Table("failed", "Cells that failed. They count as the worst.", ("cell", "error"), rows, words=(1,)))
    else:
        blocks.append(Paragraph("No cell failed."))
    for reason in dict.fromkeys(results.not_run.values()):
        places = [place for place, why in results.not_run.items() if why == reason]
        blocks.append(Paragraph(f"Not run, and not in any number: {_by_seeds(places)}. Why: {reason}."))
    unfinished = [place for place in results.unfinished if place not in results.not_run]
    if unfinished:
        blocks.append(Paragraph(f"Not finished, and not in any number: {_by_seeds(unfinished)}."))
    kept = [str(content.get("policy")) for content in results.contents]
    reasons = dict.fromkeys(text for text in kept if text.startswith("not kept"))
    return [*blocks, *(Paragraph(f"Policies of {kept.count(reason)} cells are {reason.splitlines()[0]}") for reason in reasons)]


def _by_seeds(places: Sequence[str]) -> str:
    """Return how many cells these are, and which, by their seeds."""
    seeds: dict[str, list[str]] = {}
    for place in places:
        group, _, seed = place.rpartition("/")
        seeds.setdefault(group, []).append(seed)
    listed = "; ".join(f"{group}: {', '.join(sorted(found, key=int))}" for group, found in sorted(seeds.items()))
    return f"{len(places)} cells, by their seeds ({listed})"


def _of(entries: Sequence[LeaderboardLine], group: Group) -> list[LeaderboardLine]:
    return [entry for entry in entries if (entry.community, entry.information) == (group.community, group.information)]
