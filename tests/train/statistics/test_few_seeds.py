"""Few seeds say so: no interval over seeds and no test below five, ends within what is possible, each seed's mean to be seen."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
import pandas as pd
import pytest

from gridtoll.train.ground.text import with_interval
from gridtoll.train.reports.board import duels_of, leaderboard, parts_of
from gridtoll.train.reports.results import CellResult
from gridtoll.train.reports.scores import Group, Scored
from gridtoll.train.reports.sections import _board, _duels, _few
from gridtoll.train.reports.writing import csv_of, text_of
from gridtoll.train.statistics.intervals import FEW_SEEDS, hierarchical_bootstrap, over_weeks
from gridtoll.train.statistics.resampling import Interval

DAYS = 28


def cell(algorithm: str, seed: int) -> CellResult:
    content = {"schema": 1, "community": "c", "information": "public", "algorithm": algorithm, "seed": seed, "status": "done"}
    return CellResult.of(content, "test")


def scored(name: str, table: np.ndarray) -> Scored:
    return Scored(name, tuple(cell(name, seed) for seed in range(len(table))), table, table, clairvoyant=False)


def group_of(n_seeds: int, *, n_weeks: int = 4) -> Group:
    """A best learner, one that collapses with its last seed, and no charge."""
    random = np.random.default_rng(0)
    good = 0.05 + 0.01 * random.random((n_seeds, DAYS))
    bad = good + 0.02
    bad[-1] = 1.0
    day = np.arange(DAYS) % (7 * n_weeks)
    days = pd.DataFrame({"day": day, "excluded": np.zeros(DAYS, dtype=bool), "date": ["2016-01-04"] * DAYS})
    return Group("c", "public", days, (scored("good", good), scored("bad", bad), scored("zero", np.ones((n_seeds, DAYS)))))


@pytest.mark.parametrize("n_seeds", [1, 2, FEW_SEEDS - 1])
def test_below_five_seeds_there_is_no_interval_over_seeds_and_no_test(n_seeds: int) -> None:
    group = group_of(n_seeds)
    entries = {entry.algorithm: entry for entry in leaderboard([group])}
    assert {name: entry.iqm.has_ends for name, entry in entries.items()} == {"good": False, "bad": False, "zero": True}
    duels, parts = duels_of(group), parts_of(group)
    assert duels is not None
    assert parts is not None
    assert not duels.corrected
    assert all(math.isnan(each.sign_flip_p) and not each.difference.has_ends for each in duels.comparisons.values())
    assert not parts.splits["bad"].learning.has_ends
    assert "[" not in "".join(row[1] for row in _board(group, list(entries.values())).rows if row[0] != "zero")
    assert {text for row in _duels(group, duels).rows for text in row[3:]} == {"too few"}
    assert _few(group, list(entries.values())) == ["Too few seeds for an interval or a test, fewer than 5: good, bad."]
    assert "no interval: fewer than 5 seeds" in text_of(list(entries.values()))
    for row in csv.DictReader(io.StringIO(csv_of(list(entries.values())))):
        assert (row["ci95_low"] == "") == (row["ci95_high"] == "") == (row["algorithm"] != "zero")


def test_from_five_seeds_on_there_are_intervals_and_tests() -> None:
    group = group_of(FEW_SEEDS)
    duels = duels_of(group)
    assert duels is not None
    assert set(duels.corrected) == {"bad", "zero"}
    assert all(entry.iqm.has_ends for entry in leaderboard([group]))
    assert _few(group, leaderboard([group])) == []


def test_days_of_one_week_alone_give_no_interval() -> None:
    group = group_of(FEW_SEEDS, n_weeks=1)
    entries = leaderboard([group])
    assert not any(entry.iqm.has_ends for entry in entries)
    assert "one week" in _few(group, entries)[0]
    interval = over_weeks([1.0, 2.0, 4.0], np.random.default_rng(0), [3, 3, 3])
    assert interval.centre == pytest.approx(7 / 3)
    assert not interval.has_ends
    assert with_interval(interval, 2) == "2.33"


def test_the_mean_of_each_seed_shows_which_one_collapsed() -> None:
    group = group_of(3)
    entries = {entry.algorithm: entry for entry in leaderboard([group])}
    assert np.argmax(entries["bad"].seed_means) == 2
    assert entries["bad"].seed_means[2] == 1.0
    row = next(row for row in csv.DictReader(io.StringIO(csv_of(list(entries.values())))) if row["algorithm"] == "bad")
    assert tuple(map(float, row["seed_means"].split())) == entries["bad"].seed_means
    assert entries["bad"].values()["seed_means"] == list(entries["bad"].seed_means)
    assert "100.00" in next(line for line in text_of(list(entries.values())).splitlines() if line.startswith("bad"))


def test_an_interval_of_a_regret_does_not_go_below_zero() -> None:
    assert Interval(0.1142, -0.1515, 0.3861).of_regret() == Interval(0.1142, 0.0, 0.3861)
    assert Interval(-1e-9, -0.1, 0.1).of_regret() == Interval(-1e-9, -1e-9, 0.1)  # what a proof has left open
    assert not Interval(0.1, 0.0, 0.2).without_ends().of_regret().has_ends
    table = np.full((6, DAYS), 0.01)
    table[0] = 1.0
    plain = hierarchical_bootstrap(table, np.random.default_rng(0))
    assert plain.low < 0 == plain.of_regret().low
