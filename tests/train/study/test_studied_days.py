"""Which days a study takes: those of the test split, and of data too short for one all there are."""

from __future__ import annotations

from finer import cut

from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.community.sources import load_community
from gridtoll.train.study.study import studied_days


def test_a_study_takes_test_days_where_there_are_any_and_else_all_days() -> None:
    year = load_community("two-prosumers")
    assert studied_days(year, 8) == year.scenarios("test", 8)
    assert studied_days(cut(year, days=1, minutes=15), 8) == [Scenario(0, 0)]
    assert [each.day for each in studied_days(cut(year, days=14), 20)] == list(range(7, 14))
