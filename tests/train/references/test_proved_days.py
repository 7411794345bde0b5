"""Of the test days of a plan some are proved: those asked for, and what was proved stands where the search's answer stood."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from found_by_search import FOUND

from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.compare.grid import _spread
from gridtoll.train.compare.plan_file import read_plan
from gridtoll.train.references.ends import hourly_references, prove_days
from gridtoll.train.references.hours import HourlyEnds, SearchEffort, prove_day, search_day
from gridtoll.train.workers import Workers

TASK = GameSpec(community="ieee9-pooled", env="hourly")
EFFORT = SearchEffort(plans=1, starts=0, clearings=1, seconds=9.0)


def test_a_day_is_proved_until_it_is_close_and_the_others_are_searched_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDTOLL_CACHE", str(tmp_path))
    asked: list[tuple[Scenario, float]] = []

    def proved(task: GameSpec, scenario: Scenario, ends: HourlyEnds, effort: SearchEffort) -> HourlyEnds:
        asked.append((scenario, effort.seconds))
        return replace(ends, upper_bound_eur=1.25 if len(asked) == 1 else 1.005, method="boxes")

    monkeypatch.setattr("gridtoll.train.references.ends.search_day", lambda *_: FOUND)
    monkeypatch.setattr("gridtoll.train.references.ends.prove_day", proved)
    monkeypatch.setattr("gridtoll.train.references.ends._say_how_long", lambda *_: None)
    first, second = Scenario(5, 0), Scenario(13, 1)
    with Workers(1, quiet=True) as workers:
        for _ in range(3):
            prove_days(TASK, [second], workers, EFFORT)
        one, other = hourly_references(TASK, [first, second], workers, replace(EFFORT, seconds=0.0))
    assert asked == [(second, 9.0)] * 2  # the first left 25%, the second half a per cent
    assert (one.method, one.upper_bound_eur) == ("search", 9.0)
    assert (other.method, other.upper_bound_eur) == ("boxes", 1.005)


def test_days_to_be_proved_are_spread_evenly_over_the_test_days() -> None:
    days = [Scenario(day, 0) for day in range(10)]
    assert [each.day for each in _spread(days, 4)] == [0, 3, 6, 9]
    assert _spread(days, 20) == days


def test_a_plan_says_how_many_days_are_proved_and_searches_the_others_without_a_proof() -> None:
    text = b'communities = ["ieee9-pooled"]\nseeds = 1\nproved_days = 3\n[game]\nenv = "hourly"\n[effort]\nplans = 7\n[algorithms.zero]\n'
    plan = read_plan(text, source="plan")
    assert plan.facts() == read_plan(text.replace(b"= 3", b"= 9"), source="plan").facts()
    [cell] = plan.cells()
    assert cell.effort == SearchEffort(plans=7, seconds=0.0)
    assert plan.effort == SearchEffort(plans=7)
    with pytest.raises(ValueError, match="`proved_days` must stand beside"):
        read_plan(b'communities = ["ieee9"]\nproved_days = 3\n[algorithms.zero]\n', source="plan")


@pytest.mark.long
def test_a_proof_has_a_bound_and_earns_no_less_than_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDTOLL_CACHE", str(tmp_path))
    effort = SearchEffort(plans=50, starts=0, clearings=30, seconds=0.0)
    searched = search_day(TASK, Scenario(189, 0), effort)
    assert searched.method == "search"
    proved = prove_day(TASK, Scenario(189, 0), searched, replace(effort, seconds=1.0))
    assert proved.method == "boxes"
    assert searched.best_eur <= proved.best_eur <= proved.upper_bound_eur < searched.upper_bound_eur
    assert np.isfinite(proved.upper_bound_eur)
    storeless = GameSpec(community="two-prosumers", env="hourly")
    assert prove_day(storeless, Scenario(5, 0), searched, effort) is searched
