"""Fairness: what changes for whom, and that nobody is worse off for a market they may leave alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders import charges_of, kernel, random_day, random_network
from hypothesis import given
from hypothesis import strategies as st

from gridtoll.envs.account.fairness import fairness, gini
from gridtoll.envs.account.settlement import Settlement, settle


def settled(seed: int, charge: float, *, traded: bool = True) -> Settlement:
    day, network = random_day(seed), random_network(seed)
    day = day if traded else replace(day, trade_limit=np.zeros_like(day.trade_limit))
    charges = charges_of(day, charge)
    return settle(day, network, charges, kernel().clear(day, charges))


@pytest.mark.parametrize("charge", [0.0, 0.02, 0.1])
def test_nobody_is_worse_off_than_without_the_market(charge: float) -> None:
    for seed in range(3):
        found = fairness(settled(seed, charge), settled(seed, 0.0, traded=False))
        assert found.worst_off_eur >= -1e-9
        assert found.losers == 0
        assert 0.0 <= found.gini <= 1.0 - 1.0 / 5.0


def test_changes_are_differences_of_surpluses_and_name_the_worst_off() -> None:
    now, before = settled(0, 0.02), settled(1, 0.02)
    found = fairness(now, before)
    assert found.change_eur == pytest.approx(now.surplus_eur - before.surplus_eur)
    assert found.worst_off_eur == found.change_eur[found.worst_off] == found.change_eur.min()
    assert found.losers == np.count_nonzero(found.change_eur < 0) > 0


def test_the_best_off_takes_a_share_of_a_whole_that_is_above_zero() -> None:
    now, before = settled(0, 0.02), settled(0, 0.0, traded=False)
    found = fairness(now, before)
    assert found.best_off_share == pytest.approx(found.change_eur.max() / (now.surplus_eur - before.surplus_eur).sum())
    assert np.isnan(fairness(before, now).best_off_share)
    assert np.isnan(fairness(before, now).gini)


@given(st.lists(st.floats(0.01, 100.0), min_size=1, max_size=8))
def test_the_gini_coefficient_is_half_the_mean_absolute_difference_over_the_mean(values: list[float]) -> None:
    array = np.array(values)
    pairs = np.abs(array[:, None] - array[None, :]).mean()
    assert gini(values) == pytest.approx(0.5 * pairs / array.mean(), abs=1e-12)


def test_settlements_of_different_communities_are_refused() -> None:
    day, network = random_day(0, n=3, stores=1), random_network(0, n=3)
    charges = charges_of(day, 0.0)
    other = settle(day, network, charges, kernel().clear(day, charges))
    with pytest.raises(ValueError, match="same prosumers must be compared, got 5 and 3"):
        fairness(settled(0, 0.0), other)
