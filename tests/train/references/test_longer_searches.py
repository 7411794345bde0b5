"""Test days with several stores are searched longer: from what was found on the others, once, and the same after a kill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from found_by_search import FOUND

from gridtoll.agents.optimum.hourly_game.search import HourlyDay, search_longer
from gridtoll.envs import HourlyEnv
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.compare.plan_file import read_plan
from gridtoll.train.references import store
from gridtoll.train.references.ends import hourly_references, search_days_on
from gridtoll.train.references.hours import HourlyEnds, SearchEffort, search_day, search_on
from gridtoll.train.workers import Workers

TASK = GameSpec(community="ieee9", env="hourly")
EFFORT = SearchEffort(plans=1, starts=0, clearings=1)
DAYS = [Scenario(5, 0), Scenario(13, 1), Scenario(40, 2)]
Asked = list[tuple[Scenario, int, list[tuple[float, ...]]]]


def usual(task: GameSpec, scenario: Scenario, effort: SearchEffort) -> HourlyEnds:
    return replace(FOUND, charges=(float(scenario.day),) * 24)


def watch(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Asked:
    """Return the longer searches that are asked for from now on: the day, the plans, and what was found elsewhere."""
    asked: Asked = []

    def longer(
        task: GameSpec, scenario: Scenario, ends: HourlyEnds, effort: SearchEffort, elsewhere: Sequence[tuple[float, ...]]
    ) -> HourlyEnds:
        asked.append((scenario, effort.plans, [*elsewhere]))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return replace(ends, best_eur=2.0, charges=(0.7,) * 24, plans=ends.plans + 10)  # which is fewer than it could have had

    monkeypatch.setattr(store, "user_cache_dir", lambda: folder)
    monkeypatch.setattr("gridtoll.train.references.ends.search_day", usual)
    monkeypatch.setattr("gridtoll.train.references.ends.search_on", longer)
    monkeypatch.setattr("gridtoll.train.references.ends._say_how_long", lambda *_: None)
    return asked


def test_a_search_that_was_killed_goes_on_as_if_it_had_not_been_and_no_day_is_searched_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = watch(monkeypatch, tmp_path)
    with Workers(1, quiet=True) as workers:
        with pytest.raises(KeyboardInterrupt):
            search_days_on(TASK, DAYS, workers, EFFORT, plans=200)
        for _ in range(2):
            search_days_on(TASK, DAYS, workers, EFFORT, plans=200)
        known = hourly_references(TASK, DAYS, workers, EFFORT)
    assert [(scenario, plans) for scenario, plans, _ in asked] == [(DAYS[0], 200), (DAYS[1], 200), (DAYS[1], 200), (DAYS[2], 200)]
    for scenario, _, elsewhere in asked:  # of the usual searches, also where a longer one has ended
        assert elsewhere == [(float(other.day),) * 24 for other in DAYS if other != scenario]
    assert [each.best_eur for each in known] == [2.0] * 3


def test_days_with_one_store_or_none_and_other_beliefs_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = watch(monkeypatch, tmp_path)
    with Workers(1, quiet=True) as workers:
        for task in (TASK.changed(community="ieee9-pooled"), TASK.changed(community="two-prosumers"), TASK.changed(belief="learned")):
            search_days_on(task, DAYS, workers, EFFORT, plans=200)
    assert asked == []


def test_a_plan_says_how_long_and_what_learners_learn_does_not_depend_on_it() -> None:
    text = b'communities = ["ieee9"]\nproved_days = 3\nlonger_plans = 9\n[game]\nenv = "hourly"\n[algorithms.zero]\n'
    plan = read_plan(text, source="plan")
    assert plan.longer_plans == 9
    assert plan.facts() == read_plan(text.replace(b"longer_plans = 9\n", b""), source="plan").facts()
    with pytest.raises(ValueError, match="`longer_plans` must stand beside `proved_days`"):
        read_plan(text.replace(b"proved_days = 3\n", b""), source="plan")
    with pytest.raises(ValueError, match="longer_plans"):
        read_plan(text.replace(b"= 9", b"= 0"), source="plan")


def test_a_longer_search_earns_no_less_than_what_it_began_with_and_no_more_than_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "user_cache_dir", lambda: tmp_path)
    known = search_day(TASK, Scenario(189, 0), EFFORT)
    found = search_on(TASK, Scenario(189, 0), known, replace(EFFORT, plans=300), [(0.0,) * 24, (0.15,) * 24])
    assert known.best_eur < found.best_eur <= found.upper_bound_eur <= known.upper_bound_eur
    assert known.plans + 250 < found.plans < known.plans + 400


def test_a_longer_search_climbs_from_the_best_of_other_days() -> None:
    env = HourlyEnv("ieee9")
    day = HourlyDay(env.game, Scenario(189, 0), env.mechanism)
    good, bad = np.full(day.shape, 0.2), [np.full(day.shape, charge) for charge in (0.9, 0.95, 1.0)]
    best = day.walk(good).goal_eur
    assert best > max(day.walk(each).goal_eur for each in bad)
    found = search_longer(day, bad[0], elsewhere=[*bad, good], max_plans=400)
    assert found.goal_eur >= best
