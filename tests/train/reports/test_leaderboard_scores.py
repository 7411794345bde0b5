"""Scores of a group: which week a day belongs to, what a seed cost, and that whole weeks are drawn in every interval of a report."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from gridtoll.envs.community.calendar import split_days
from gridtoll.train.reports.board import RESAMPLES, duels_of, leaderboard, parts_of
from gridtoll.train.reports.results import CellResult
from gridtoll.train.reports.scores import Group, Scored
from gridtoll.train.statistics.comparisons import compare, split_regret
from gridtoll.train.statistics.intervals import hierarchical_bootstrap, interquartile_mean

DAYS = split_days("test", 364)


def cell(algorithm: str, seed: int, *, failed: bool = False, clearings: float = 100.0) -> CellResult:
    return CellResult(
        community="two-prosumers",
        information="public",
        algorithm=algorithm,
        seed=seed,
        kind=algorithm,
        clairvoyant=False,
        failed=failed,
        error="it broke" if failed else None,
        steps=0.0 if failed else 50.0,
        clearings=0.0 if failed else clearings,
        validation_clearings=math.nan,
        seconds=0.0 if failed else 2.0,
        settings={},
        task=None,
        curve=(),
        versions={},
        commit=None,
    )


def scored(name: str, level: float) -> Scored:
    """An algorithm whose regret is the same on all counted days of a week, but for a little."""
    random = np.random.default_rng(len(name))
    weeks = random.exponential(level, size=(1, 16))
    normalised = (weeks[:, np.arange(112) // 7] + random.normal(0, 0.01, size=(5, 112)))[:, 1:]
    return Scored(name, tuple(cell(name, seed) for seed in range(5)), normalised, np.zeros((5, 112)), clairvoyant=False)


@pytest.fixture
def group() -> Group:
    days = pd.DataFrame({"day": DAYS, "excluded": np.arange(112) == 0})
    return Group("two-prosumers", "public", days, (scored("supervised", 0.2), scored("sac", 0.4)))


def test_the_week_of_a_day_is_that_the_splits_are_made_of(group: Group) -> None:
    assert len(group.weeks) == len(group.counted) == 111
    assert len(set(group.weeks)) == 16
    assert np.bincount(np.unique(group.weeks, return_inverse=True)[1]).tolist() == [6] + [7] * 15


def test_every_interval_of_a_report_draws_whole_weeks(group: Group) -> None:
    first, second = (each.distinct for each in group.algorithms)
    board = {entry.algorithm: entry.iqm for entry in leaderboard([group])}
    generator = group.generator(0, "leaderboard", "sac")
    drawn = hierarchical_bootstrap(second, generator, statistic=interquartile_mean, n_resamples=RESAMPLES, blocks=group.weeks)
    assert board["sac"] == drawn.of_regret()
    plain = hierarchical_bootstrap(second, group.generator(0, "leaderboard", "sac"), statistic=interquartile_mean, n_resamples=RESAMPLES)
    assert board["sac"].high - board["sac"].low > 1.8 * (plain.high - plain.low)
    duels, parts = duels_of(group), parts_of(group)
    assert duels is not None
    assert parts is not None
    generator = group.generator(0, "duel", "sac")
    assert duels.comparisons["sac"] == compare(second, first, generator, n_resamples=RESAMPLES, blocks=group.weeks)
    generator = group.generator(0, "split", "sac")
    assert parts.splits["sac"] == split_regret(second, first, generator, n_resamples=RESAMPLES, blocks=group.weeks)


def test_the_effort_of_an_algorithm_is_that_of_its_finished_seeds() -> None:
    cells = (cell("sac", 0), cell("sac", 1, failed=True), cell("sac", 2, clearings=300.0))
    some = Scored("sac", cells, np.ones((3, 4)), np.ones((3, 4)), clairvoyant=False)
    assert some.cost("clearings") == 200.0
    assert some.cost("seconds") == 2.0
    assert math.isnan(some.cost("validation_clearings"))
    none = Scored("sac", cells[1:2], np.ones((1, 4)), np.ones((1, 4)), clairvoyant=False)
    assert math.isnan(none.cost("steps"))
