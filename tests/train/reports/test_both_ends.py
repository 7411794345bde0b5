"""Regret to both ends: what is earned, the best found and the bound add up, on all days and on those whose optimum is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gridtoll.envs.arrays import Array
from gridtoll.train.reports.both_ends import CLOSE, both_ends, ends_figure, ends_of, gaps_of
from gridtoll.train.reports.documents import Pictures, Table
from gridtoll.train.reports.figures import looks
from gridtoll.train.reports.results import CellResult
from gridtoll.train.reports.scores import Group, Scored

BEST = np.array([10.0, 20.0, 0.0, 8.0])
GAP = np.array([0.4, 1.0, 0.0004, 4.0])  # 4%, 5%, 4% of a cent, 50%


def cells(name: str, n: int) -> tuple[CellResult, ...]:
    words = {"schema": 1, "community": "ieee9", "information": "public", "algorithm": name, "status": "done"}
    return tuple(CellResult.of({**words, "seed": seed}, "a test") for seed in range(n))


def group_of(gap: Array = GAP, *, always_proved: bool = False) -> Group:
    days = pd.DataFrame({"day": [3, 12, 40, 80], "optimum_eur": BEST, "upper_bound_eur": BEST + gap, "excluded": False})
    regret = {"learner": np.array([[1.0, 3.0, 0.0, -2.0], [2.0, 1.0, 0.5, 0.0]]).repeat(3, axis=0), "perfect": np.zeros((1, 4))}
    scored = tuple(Scored(name, cells(name, len(each)), each / 10, each, name == "perfect") for name, each in regret.items())
    return Group("ieee9", "public", days, scored, always_proved)


def test_what_is_earned_and_both_regrets_add_up_to_best_found_and_bound() -> None:
    group = group_of()
    for days in (np.array([True] * 4), np.array([True, False, True, False])):
        for line in ends_of(group, days):
            assert line.earned.centre + line.to_best.centre == pytest.approx(BEST[days].mean())
            assert line.to_bound is not None
            assert line.earned.centre + line.to_bound.centre == pytest.approx((BEST + GAP)[days].mean())
            assert line.to_best.low <= line.to_best.centre <= line.to_best.high or not line.to_best.has_ends


def test_lines_rise_by_regret_and_say_on_how_many_days_the_best_found_is_exceeded() -> None:
    first, second = ends_of(group_of(), np.array([True] * 4))
    assert (first.algorithm, first.clairvoyant, second.algorithm) == ("perfect", True, "learner")
    assert (first.above, second.above) == (0.0, 1 / 8)
    assert second.to_best.centre == pytest.approx(5.5 / 8)


def test_days_whose_bound_is_close_are_those_whose_optimum_is_known() -> None:
    assert (gaps_of(group_of()) <= CLOSE).tolist() == [True, True, True, False]
    blocks = both_ends(group_of(), looks(["learner", "perfect"]), 0)
    known, everywhere = (block for block in blocks if isinstance(block, Table))
    assert (known.name, everywhere.name) == ("ieee9-public-known", "ieee9-public-ends")
    assert "the 3 days whose optimum is known" in known.caption
    assert sum(isinstance(block, Pictures) for block in blocks) == 2
    assert "On 3 of 4 test days the bound is at most 5% above" in blocks[1].markdown()


def test_nothing_is_said_of_ends_where_they_have_always_met() -> None:
    assert both_ends(group_of(always_proved=True), looks(["learner", "perfect"]), 0) == []


def test_where_a_day_has_no_bound_the_table_says_so_and_has_all_days() -> None:
    blocks = both_ends(group_of(np.array([np.inf, 1.0, 4.0, 4.0])), looks(["learner", "perfect"]), 0)
    known, bounded, everywhere = (block for block in blocks if isinstance(block, Table))
    assert "the 1 days whose optimum is known" in known.caption
    assert "the 3 days with a bound" in bounded.caption
    assert "all 4 test days" in everywhere.caption
    assert {row[3] for row in everywhere.rows} == {"no bound"}
    assert "no bound" not in {row[3] for row in (*known.rows, *bounded.rows)}


def test_the_picture_is_logarithmic_only_where_the_bound_is_far_away() -> None:
    lines = {gap: ends_of(group_of(np.full(4, gap)), np.array([True] * 4)) for gap in (1.0, 500.0)}
    scales = {gap: ends_figure(each, looks(["learner", "perfect"])).axes[0].get_xscale() for gap, each in lines.items()}
    assert scales == {1.0: "linear", 500.0: "symlog"}
