"""Splits are whole weeks, cover every day once, and hold every season."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridtoll.envs.community.calendar import SPLIT_NAMES, evenly_spread, season, split_days, split_hash, split_scenarios

YEAR = 366
YEAR_HASH = "67ec551c607fab5e6f27c6df1fba3aafb5846abb7101641487ffd0cc023300f0"
"""Changes only with a new SPLIT_VERSION; results before and after cannot be compared."""


def test_a_year_has_28_training_8_validation_and_16_test_weeks_and_the_left_over_days_train() -> None:
    counts = {split: len(split_days(split, YEAR)) for split in SPLIT_NAMES}
    assert counts == {"train": 28 * 7 + 2, "validation": 8 * 7, "test": 16 * 7}
    assert set(split_days("train", YEAR)[-2:]) >= {364, 365}


@given(st.integers(min_value=42, max_value=800))
def test_every_day_is_in_exactly_one_split_and_whole_weeks_stay_together(n_days: int) -> None:
    days = {split: split_days(split, n_days) for split in SPLIT_NAMES}
    assert sorted(np.concatenate(list(days.values())).tolist()) == list(range(n_days))
    for split in ("validation", "test"):
        weeks = Counter(int(day) // 7 for day in days[split])
        assert weeks
        assert set(weeks.values()) == {7}


def test_every_season_has_its_share_of_every_split() -> None:
    seasons = [season(date(2016, 1, 1) + timedelta(days=k)) for k in range(YEAR)]
    for split in SPLIT_NAMES:
        days = split_days(split, YEAR)
        count = Counter(seasons[day] for day in days)
        assert set(count) == {"winter", "spring", "summer", "autumn"}
        assert max(count.values()) <= 0.36 * len(days)
        assert min(count.values()) >= 0.12 * len(days)  # whole weeks cannot do better with 8 of them


def test_seasons_are_the_meteorological_ones() -> None:
    of_month = [season(date(2016, month, 15)) for month in range(1, 13)]
    assert of_month == ["winter"] * 2 + ["spring"] * 3 + ["summer"] * 3 + ["autumn"] * 3 + ["winter"]


def test_the_splits_are_the_ones_published() -> None:
    assert split_hash(YEAR) == YEAR_HASH
    assert split_hash(YEAR) != split_hash(YEAR - 1)


@given(st.data(), st.integers(min_value=1, max_value=300))
def test_days_are_spread_one_from_each_equal_part(data: st.DataObject, count: int) -> None:
    n = data.draw(st.integers(min_value=1, max_value=count))
    days = evenly_spread(range(count), n)
    assert len(days) == n
    for k, day in enumerate(days):
        assert k * count // n <= day < (k + 1) * count // n


@pytest.mark.parametrize("n", [16, 20, 28, 30, 40, 50, 56, 112])
def test_a_sample_of_test_days_has_every_weekday_and_every_price_path(n: int) -> None:
    sample = split_scenarios("test", YEAR, n)
    weekdays = Counter(scenario.day % 7 for scenario in sample)
    paths = Counter(scenario.price_path for scenario in sample)
    assert set(weekdays) == set(range(7))
    assert set(paths) == {0, 1, 2, 3}
    assert max(weekdays.values()) - min(weekdays.values()) <= 3
    assert max(paths.values()) - min(paths.values()) <= 3


def test_a_day_keeps_its_price_path_however_many_days_are_taken() -> None:
    every = dict(split_scenarios("test", YEAR))
    assert all(every[day] == path for day, path in split_scenarios("test", YEAR, 30))
    assert {scenario.price_path for scenario in split_scenarios("test", YEAR, n_price_paths=1)} == {0}


def test_unknown_splits_short_data_and_impossible_samples_are_errors() -> None:
    with pytest.raises(ValueError, match=r"split must be one of .*; got 'trian'\. Did you mean 'train'\?"):
        split_days("trian", YEAR)
    for split, least in (("validation", 42), ("test", 14)):
        with pytest.raises(ValueError, match=f"the {split} split needs data of at least {least} days .*, got {least - 1}"):
            split_days(split, least - 1)
        assert len(split_days(split, least)) > 0
    for n in (0, 113):
        with pytest.raises(ValueError, match=f"from 1 to 112, got {n}"):
            split_scenarios("test", YEAR, n)
