"""Trades kept pair by pair: the same numbers as in the array, in whatever order they are asked for."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from builders import charges_of, random_day

from gridtoll.envs.community.day import Day
from gridtoll.envs.market.exact import Clearing
from gridtoll.envs.market.exact.compiled import StructuredMarket
from gridtoll.envs.market.exact.sparse import clear as sparse
from gridtoll.envs.market.exact.trades import PairTrades


@pytest.fixture
def day() -> Day:
    apart = np.abs(np.arange(9)[:, None] - np.arange(9))
    return random_day(3, n=9, stores=3, trade_limit=5.0 * ((apart > 0) & (apart <= 2)))


@pytest.fixture
def clearing(day: Day, monkeypatch: pytest.MonkeyPatch) -> Clearing:
    monkeypatch.setattr(sparse, "LEAST", 1)
    return StructuredMarket(threads=1).clear(day, charges_of(day, 0.05))


def test_a_market_of_many_keeps_trades_pair_by_pair_and_makes_the_array_when_it_is_read(day: Day, clearing: Clearing) -> None:
    kept = clearing.trades
    assert kept is not None
    assert kept.power_kw.shape == (day.n_periods, np.count_nonzero(day.trade_limit))
    assert clearing.trade.shape == (day.n_periods, 9, 9)
    assert "trade" not in vars(clearing)
    np.testing.assert_array_equal(clearing.trade[:, kept.seller, kept.buyer], kept.power_kw)
    assert np.count_nonzero(clearing.trade) == np.count_nonzero(kept.power_kw) > 0


def test_a_market_of_few_keeps_the_array(day: Day) -> None:
    clearing = StructuredMarket(threads=1).clear(day, charges_of(day, 0.05))
    assert clearing.trades is None
    assert vars(clearing)["trade"] is clearing.trade


def test_pairs_may_be_asked_for_in_any_order_and_without_being_listed(clearing: Clearing) -> None:
    seller, buyer = np.random.default_rng(0).permutation(np.stack(np.nonzero(~np.eye(9, dtype=bool))), axis=1)
    np.testing.assert_array_equal(clearing.trades_of(seller, buyer), clearing.trade[:, seller, buyer])
    with_array = replace(clearing, trade=clearing.trade)
    np.testing.assert_array_equal(with_array.trades_of(seller, buyer), clearing.trade[:, seller, buyer])


def test_nobody_trades_where_no_pair_is_listed() -> None:
    nothing = PairTrades(3, np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp), np.empty((2, 0)))
    assert not nothing.of(np.array([0, 1]), np.array([1, 2])).any()
    assert not nothing.dense().any()
    assert nothing.net_kw().shape == (2, 3)


def test_sums_are_those_of_the_array(day: Day, clearing: Clearing) -> None:
    with_array = replace(clearing, trade=clearing.trade)
    np.testing.assert_allclose(clearing.traded_kw, with_array.traded_kw, atol=1e-12)
    for pairs in (day.can_trade, ~day.can_trade, np.zeros((9, 9), dtype=bool)):
        assert clearing.most_traded_kw(pairs) == with_array.most_traded_kw(pairs)


def test_a_copy_with_other_trades_has_those(clearing: Clearing) -> None:
    changed = replace(clearing, trade=2.0 * clearing.trade)
    assert changed.trades is None
    np.testing.assert_array_equal(changed.trade, 2.0 * clearing.trade)
    np.testing.assert_array_equal(clearing.first_period().trade, clearing.trade[:1])


def test_a_clearing_is_pickled_with_its_pairs(clearing: Clearing) -> None:
    again = pickle.loads(pickle.dumps(clearing))
    assert again.trades is not None
    np.testing.assert_array_equal(again.trade, clearing.trade)
