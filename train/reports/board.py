"""The numbers of a report: leaderboard, regret in two parts, paired comparisons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..statistics.comparisons import Comparison, Split, compare, holm, split_regret
from ..statistics.intervals import hierarchical_bootstrap, interquartile_mean
from ..statistics.resampling import Interval
from .scores import Group, Scored

RESAMPLES: Final = 4000
"""Of each interval: its ends then move by about 2% of its width from one seed to another, and a report takes a minute, not several."""
PREDICTORS: Final = (
    "supervised",
    "prescriptive",
    "prescriptive-neighbours",
    "prescriptive-kernel",
    "blended",
    "certainty-equivalent",
    "scenario",
)
"""Algorithms that predict the optimal charge from public observations: what the best of them leaves of regret is taken as not knowable."""
EXACT: Final = "the exact solver"
"""What predicts the optimal charge where the whole day is observed."""


@dataclass(frozen=True)
class LeaderboardLine:
    """One line of the leaderboard; regrets are normalised.

    Attributes:
        algorithm: Its name in the plan.
        information: Class.
        community: Name.
        iqm: Interquartile mean of all seeds and days, with its 95% interval; without one below :data:`~..statistics.intervals.FEW_SEEDS`
        seeds. mean: Mean of them. worst_decile: Mean of the worst tenth of the days, each the mean of its seeds. seed_means: Mean of each
        seed, failed ones among them. seeds: Trainings, failed ones among them. failed: How many of these failed, and count as the worst.
        days: Test days that count. steps: Training days played, mean of the finished seeds. clearings: Clearings learned from, mean of the
        finished seeds; of a clairvoyant, those that solved the test days to proof. validation_clearings: Clearings that only chose among
        policies, mean of the finished seeds. seconds: Wall time of learning, mean of the finished seeds. clairvoyant: Whether it looks at
        the days it is scored on.
    """

    algorithm: str
    information: str
    community: str
    iqm: Interval
    mean: float
    worst_decile: float
    seed_means: tuple[float, ...]
    seeds: int
    failed: int
    days: int
    steps: float
    clearings: float
    validation_clearings: float
    seconds: float
    clairvoyant: bool

    def values(self) -> dict[str, Any]:
        """Return what ``gridtoll report --json`` says of it."""
        return {
            "algorithm": self.algorithm,
            "information_class": self.information,
            "community": self.community,
            "iqm": self.iqm.centre,
            "ci95": [self.iqm.low, self.iqm.high],
            "seeds": self.seeds,
            "seed_means": list(self.seed_means),
            "days": self.days,
            "clearings": None if math.isnan(self.clearings) else round(self.clearings),
        }


@dataclass(frozen=True)
class RegretParts:
    """Regret of the algorithms of a group in an information and a learning part.

    Attributes:
        predictor: Which algorithm's regret is the information part: :data:`EXACT`, whose regret is zero, with full information.
        named: Whether that is the predictor of the optimal charge; else there is none, and the best of all stands in for it.
        splits: By algorithm.
        best: The algorithm with the least regret: where that is not the predictor, it is the new best known.
    """

    predictor: str
    named: bool
    splits: dict[str, Split]
    best: str


@dataclass(frozen=True)
class Duels:
    """Every algorithm of a group against one.

    Attributes:
        against: That one: the least interquartile mean of those that are not clairvoyant.
        comparisons: By algorithm; differences are that algorithm's regret less this one's. Without ends where one of the two has too few
            seeds.
        corrected: p-values of both tests by algorithm, ``(bootstrap, sign flips)``, after Holm's correction for those that are tested; none
            for algorithms with too few seeds, and none at all where :attr:`against` has.
    """

    against: str
    comparisons: dict[str, Comparison]
    corrected: dict[str, tuple[float, float]]


def leaderboard(groups: Sequence[Group], *, seed: int = 0) -> list[LeaderboardLine]:
    """Return one entry for each algorithm of each group, the least regret first; ``seed`` seeds the bootstrap."""
    return [_entry(group, scored, seed) for group in groups for scored in group.algorithms]


def parts_of(group: Group, *, seed: int = 0) -> RegretParts | None:
    """Return the regret of a group in two parts, None where no algorithm learns from observations, or the best is not proved."""
    players = group.players
    if not players or not group.always_proved:
        return None
    if group.information == "full":  # the observation is the day, so that the optimal charge is a function of it
        found = {each.name: Split(0.0, _interval(group, each, seed)) for each in players}
        return RegretParts(EXACT, True, found, players[0].name)
    predictors = [each for each in players if each.cells[0].kind in PREDICTORS]
    predictor = (predictors or players)[0]  # by rising regret: the best of them
    splits = {each.name: _split(group, each, predictor, seed) for each in players}
    splits[predictor.name] = Split(predictor.iqm, Interval(0.0, 0.0, 0.0))
    return RegretParts(predictor.name, bool(predictors), splits, players[0].name)


def duels_of(group: Group, *, seed: int = 0) -> Duels | None:
    """Return every algorithm of a group against its best, None where there are not two."""
    if len(group.players) < 2:
        return None
    best, *others = group.players
    comparisons = {
        each.name: compare(
            each.distinct, best.distinct, group.generator(seed, "duel", each.name), n_resamples=RESAMPLES, blocks=group.weeks
        )
        for each in others
    }
    tested = [each.name for each in others if each.has_enough_seeds and best.has_enough_seeds and group.has_weeks]
    bootstrap = holm({name: comparisons[name].bootstrap_p for name in tested})
    flips = holm({name: comparisons[name].sign_flip_p for name in tested})
    shown = {name: each if name in tested else each.without_ends() for name, each in comparisons.items()}
    return Duels(best.name, shown, {name: (bootstrap[name], flips[name]) for name in tested})


def _split(group: Group, scored: Scored, predictor: Scored, seed: int) -> Split:
    generator = group.generator(seed, "split", scored.name)
    found = split_regret(scored.distinct, predictor.distinct, generator, n_resamples=RESAMPLES, blocks=group.weeks)
    enough = scored.has_enough_seeds and predictor.has_enough_seeds and group.has_weeks
    return found if enough else Split(found.information, found.learning.without_ends())


def _entry(group: Group, scored: Scored, seed: int) -> LeaderboardLine:
    return LeaderboardLine(
        algorithm=scored.name,
        information=group.information,
        community=group.community,
        iqm=_interval(group, scored, seed),
        mean=scored.mean,
        worst_decile=scored.worst_decile,
        seed_means=scored.seed_means,
        seeds=len(scored.cells),
        failed=sum(cell.failed for cell in scored.cells),
        days=scored.normalised.shape[1],
        **{name: scored.cost(name) for name in ("steps", "clearings", "validation_clearings", "seconds")},
        clairvoyant=scored.clairvoyant,
    )


def _interval(group: Group, scored: Scored, seed: int) -> Interval:
    """Return the interquartile mean of an algorithm with its interval, without ends where there are too few seeds or one week alone."""
    generator = group.generator(seed, "leaderboard", scored.name)
    found = hierarchical_bootstrap(scored.distinct, generator, statistic=interquartile_mean, n_resamples=RESAMPLES, blocks=group.weeks)
    if not (scored.has_enough_seeds and group.has_weeks):
        return found.without_ends()
    return found.of_regret() if group.always_proved else found  # which may be below zero where the best found is exceeded
