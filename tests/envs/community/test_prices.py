"""Prices are synthetic, seeded and bounded, and differ between days as much as between hours."""

from __future__ import annotations

import numpy as np
import pytest

from gridtoll.envs.community import parameters
from gridtoll.envs.community.community import Community
from gridtoll.envs.community.prices import loss_price_paths, spot_price_paths
from gridtoll.envs.community.sources import load_community


@pytest.fixture(scope="module")
def community() -> Community:
    return load_community("simbench-rural")


def _profiles(n_hours: int = 24 * 50) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.uniform(0.5, 1.5, n_hours), rng.uniform(0, 1, n_hours), rng.uniform(0, 1, n_hours)


def test_one_seed_gives_one_price_and_paths_and_seeds_differ() -> None:
    profiles = _profiles()
    price = spot_price_paths(*profiles)
    assert np.array_equal(price, spot_price_paths(*profiles))
    assert len(np.unique(price[:, 0])) == parameters.N_PRICE_PATHS
    assert not np.array_equal(price, spot_price_paths(*profiles, seed=1))


def test_a_path_does_not_depend_on_how_many_there_are() -> None:
    profiles = _profiles()
    assert np.array_equal(spot_price_paths(*profiles, n_paths=2), spot_price_paths(*profiles, n_paths=5)[:2])


def test_units_of_the_profiles_do_not_matter() -> None:
    load, solar, wind = _profiles()
    assert np.array_equal(spot_price_paths(load, solar, wind), spot_price_paths(1024 * load, solar / 8, wind * 2))


def test_more_load_raises_and_more_sun_and_wind_lower_the_price() -> None:
    load, solar, wind = _profiles()
    bump = np.zeros_like(load)
    bump[100] = 1.0
    base = spot_price_paths(load, solar, wind)[:, 100]
    assert (spot_price_paths(load + bump, solar, wind)[:, 100] > base).all()
    assert (spot_price_paths(load, solar + bump, wind)[:, 100] < base).all()
    assert (spot_price_paths(load, solar, wind + bump)[:, 100] < base).all()


def test_prices_of_the_default_community_are_within_their_range_and_below_the_retail_price(community: Community) -> None:
    spot = community.export_price
    assert spot.shape == (parameters.N_PRICE_PATHS, 366 * 24)
    assert parameters.SPOT_LOW <= spot.min() < 0.0
    assert 0.25 < spot.max() <= parameters.SPOT_HIGH
    assert (community.import_price == parameters.IMPORT_PRICE).all()
    assert np.array_equal(community.loss_price, np.maximum(spot, parameters.LOSS_PRICE_FLOOR))
    assert np.array_equal(community.loss_price, loss_price_paths(spot))


def test_prices_differ_from_day_to_day_as_much_as_within_a_day(community: Community) -> None:
    by_day = community.export_price.reshape(4, 366, 24)
    between = by_day.mean(axis=2).std()
    within = by_day.std(axis=2).mean()
    assert between > 0.06
    assert within > 0.03
    assert between > within


def test_noon_is_near_zero_on_some_days_and_winter_evenings_are_dear_on_some(community: Community) -> None:
    by_day = community.export_price.reshape(4, 366, 24)
    noon, evening = by_day[:, 120:240, 12], by_day[:, :60, 18]
    assert 0.15 < (noon < 0.02).mean() < 0.7  # not on every day: the best charge would hardly move
    assert 0.15 < (evening > 0.2).mean() < 0.95
