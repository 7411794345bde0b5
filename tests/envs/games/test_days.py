"""Days are made once for as long as memory allows, and are those that would be made anew."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from gridtoll.envs import Scenario
from gridtoll.envs.community.day import Day
from gridtoll.envs.games.days import KeptDays
from gridtoll.envs.games.setting import Setting, make_setting
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.market.exact.compiled.program import program_of


@pytest.fixture(scope="module")
def setting() -> Setting:
    return make_setting(GameSpec(community="two-prosumers", import_fee=0.01), split="train")


def test_a_day_is_made_once_and_with_it_what_the_market_reads(setting: Setting) -> None:
    day = setting.day_of(Scenario(3, 0))
    again = setting.day_of(Scenario(3, 0))
    assert again is day
    assert program_of(again) is program_of(day)
    assert setting.day_of(Scenario(4, 0)) is not day


def test_a_kept_day_is_the_one_that_would_be_made_anew(setting: Setting) -> None:
    kept, anew = setting.day_of(Scenario(5, 0)).arrays(), copy.deepcopy(setting).day_of(Scenario(5, 0)).arrays()
    assert kept.keys() == anew.keys()
    for name, value in kept.items():
        np.testing.assert_array_equal(value, anew[name])


def test_days_used_longest_ago_go_first(setting: Setting) -> None:
    days, made = KeptDays(), []

    def make(scenario: Scenario):  # type: ignore[no-untyped-def]
        made.append(scenario.day)
        return setting.community.day(scenario.day)

    days.of(Scenario(0, 0), make)
    few = KeptDays(most_bytes=2 * days.bytes_kept)
    made.clear()
    for day in (0, 1, 0, 2, 0, 1):
        few.of(Scenario(day, 0), make)
    assert made == [0, 1, 2, 1]
    assert (len(few), few.bytes_kept) == (2, 2 * days.bytes_kept)


def test_the_last_day_is_kept_however_little_memory_there_is(setting: Setting) -> None:
    days = KeptDays(most_bytes=0)
    day = days.of(Scenario(0, 0), lambda scenario: setting.community.day(scenario.day))
    assert days.of(Scenario(0, 0), lambda _: pytest.fail("made again")) is day


def test_a_day_that_cannot_be_made_leaves_nothing_behind(setting: Setting) -> None:
    days = KeptDays()
    with pytest.raises(ValueError, match="day"):
        days.of(Scenario(10_000, 0), lambda scenario: setting.community.day(scenario.day))
    assert (len(days), days.bytes_kept) == (0, 0)


def test_pickles_leave_kept_days_behind(setting: Setting) -> None:
    days = KeptDays()
    days.of(Scenario(0, 0), lambda scenario: setting.community.day(scenario.day))
    assert len(pickle.loads(pickle.dumps(days))) == 0


def test_threads_that_ask_for_one_day_at_once_are_all_given_one(setting: Setting) -> None:
    days, both_making = KeptDays(), Barrier(2)

    def make(scenario: Scenario) -> Day:
        both_making.wait(timeout=60.0)
        return setting.community.day(scenario.day)

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: days.of(Scenario(0, 0), make), range(2))
    assert one is other
    alone = KeptDays()
    alone.of(Scenario(0, 0), lambda scenario: setting.community.day(scenario.day))
    assert (len(days), days.bytes_kept) == (1, alone.bytes_kept)
