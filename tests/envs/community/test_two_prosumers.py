"""The closed-form community is what its description says."""

from __future__ import annotations

import numpy as np
import pytest

from gridtoll.envs.community.sources import load_community


def test_one_line_carries_what_the_seller_sells() -> None:
    community = load_community("two-prosumers")
    grid = community.network.grid
    assert grid.flow([2.5, -2.5]) == pytest.approx([2.5])
    assert community.network.distance.tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert community.network.zone.tolist() == [0, 1]
    assert community.network.zone_borders[0, 1] == 1.0


def test_the_seller_has_the_sun_the_buyer_the_load_and_nobody_storage() -> None:
    community = load_community("two-prosumers")
    assert community.renewable_kind == ("solar", "none")
    assert community.load_kw.mean(axis=0) == pytest.approx([1.0, 3.0], rel=0.01)
    assert not community.storage_capacity.any()


def test_summer_has_more_sun_than_winter_and_days_differ() -> None:
    by_day = load_community("two-prosumers").renewable_kw[:, 0].reshape(366, 24).sum(axis=1)
    assert by_day[150:240].mean() > 2.5 * by_day[:60].mean()
    assert by_day[150:240].std() > 0.2 * by_day[150:240].mean()
    assert len(np.unique(by_day)) > 360


def test_surplus_at_noon_can_overload_the_line() -> None:
    community = load_community("two-prosumers")
    surplus = np.minimum(community.renewable_kw[:, 0] - 0.6 * community.load_kw[:, 0], 1.4 * community.load_kw[:, 1])
    overloaded = (surplus > community.network.grid.branch_limit_kw[0]).mean()
    assert 0.005 < overloaded < 0.25
