"""The matching of a call auction: the best one, proved by independent arithmetic, and the mistakes of public code that it must not make."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest
from books import book, empty_day

from gridtoll.envs.community.day import Array, Day
from gridtoll.envs.market.call_auction.matching import Matching, dual_bound, gain, match
from gridtoll.envs.market.call_auction.orders import Orders
from gridtoll.envs.market.call_auction.prices import trade_prices


def matched(orders: Orders, charge: float | Array = 0.0, **changes: Any) -> tuple[Day, Array, Matching]:
    n = orders.ask_kw.shape[1]
    day = empty_day(n, **changes)
    charges = np.broadcast_to(charge * (1.0 - np.eye(n)), (1, n, n))
    return day, charges, match(day, charges, orders, power=1.0, price=0.3)


def independent_bound(day: Day, charges: Array, orders: Orders, x: Array, y: Array) -> float:
    """Weak duality, written out as loops."""
    bound = 0.0
    for t, i, k in np.ndindex(orders.ask_kw.shape):
        bound += float(orders.ask_kw[t, i, k]) * max(0.0, float(x[t, i] - orders.ask_price[t, i, k]))
        bound += float(orders.bid_kw[t, i, k]) * max(0.0, float(orders.bid_price[t, i, k] - y[t, i]))
        for j in range(day.n_prosumers) if k == 0 else ():
            bound += float(day.trade_limit[i, j]) * max(0.0, float(y[t, j] - x[t, i] - charges[t, i, j]))
    return day.period_hours * bound


def random_book(seed: int, n: int = 6, steps: int = 3) -> tuple[Orders, Array]:
    """Whole cents and kW, so that prices tie often and a combinatorial algorithm is exact."""
    random = np.random.default_rng(seed)
    prices = random.integers(5, 30, (2, 1, n, steps)) / 100
    kw = random.integers(0, 4, (2, 1, n, steps)).astype(float)
    kw[0, :, n // 2 :], kw[1, :, : n // 2] = 0.0, 0.0
    charges = random.integers(0, 8, (1, n, n)) / 100 * (1 - np.eye(n))
    return Orders(ask_price=np.sort(prices[0], axis=-1), ask_kw=kw[0], bid_price=-np.sort(-prices[1], axis=-1), bid_kw=kw[1]), charges


def best_gain_by_flows(orders: Orders, charges: Array) -> float:
    """The gain in EUR by a network simplex in whole cents."""
    graph = nx.DiGraph()
    n = charges.shape[1]
    graph.add_edge("source", "sink", weight=0, capacity=1000)
    graph.add_node("source", demand=-1000)
    graph.add_node("sink", demand=1000)
    for i, k in np.ndindex(orders.ask_kw.shape[1:]):
        graph.add_edge("source", ("a", i, k), weight=round(100 * orders.ask_price[0, i, k]), capacity=int(orders.ask_kw[0, i, k]))
        graph.add_edge(("a", i, k), ("s", i), weight=0, capacity=1000)
        graph.add_edge(("b", i, k), "sink", weight=-round(100 * orders.bid_price[0, i, k]), capacity=int(orders.bid_kw[0, i, k]))
        graph.add_edge(("d", i), ("b", i, k), weight=0, capacity=1000)
    for i, j in np.ndindex(n, n):
        if i != j:
            graph.add_edge(("s", i), ("d", j), weight=round(100 * charges[0, i, j]), capacity=1000)
    cents: float = nx.min_cost_flow_cost(graph)
    return -cents / 100


@pytest.mark.parametrize("seed", range(40))
def test_no_matching_gains_more_as_a_network_simplex_and_the_multipliers_say(seed: int) -> None:
    orders, charges = random_book(seed)
    day = empty_day(6)
    found = match(day, charges, orders, power=1.0, price=0.3)
    gained = gain(day, charges, orders, found)
    assert gained == pytest.approx(best_gain_by_flows(orders, charges), abs=1e-8)
    bound = independent_bound(day, charges, orders, found.seller_price, found.buyer_price)
    assert bound == pytest.approx(gained, abs=1e-8)
    assert dual_bound(day, charges, orders, seller_price=found.seller_price, buyer_price=found.buyer_price) == pytest.approx(bound)
    wrong = independent_bound(day, charges, orders, found.seller_price + 0.02, found.buyer_price + 0.02)
    assert wrong >= gained - 1e-9


@pytest.mark.parametrize("seed", range(20))
def test_nobody_sells_more_than_offered_and_orders_are_filled_in_their_order(seed: int) -> None:
    orders, charges = random_book(seed)
    found = match(empty_day(6), charges, orders, power=1.0, price=0.3)
    for filled, kw, total in (
        (found.ask_filled, orders.ask_kw, found.trade.sum(axis=2)),
        (found.bid_filled, orders.bid_kw, found.trade.sum(axis=1)),
    ):
        assert (total <= kw.sum(axis=-1) * (1 + 1e-12)).all()
        assert filled.sum(axis=-1) == pytest.approx(total, abs=1e-9)
        later_begun = filled[..., 1:] > 1e-9
        assert (filled[..., :-1] >= kw[..., :-1] - 1e-9)[later_begun].all()


def test_cheap_asks_and_dear_bids_come_first() -> None:
    orders = book(
        6, asks={0: [(0.25, 1.0)], 1: [(0.05, 1.0)], 2: [(0.15, 1.0)]}, bids={3: [(0.10, 1.0)], 4: [(0.30, 1.0)], 5: [(0.20, 1.0)]}
    )
    day, charges, found = matched(orders)
    assert found.trade.sum(axis=2)[0] == pytest.approx([0, 1, 1, 0, 0, 0])
    assert found.trade.sum(axis=1)[0] == pytest.approx([0, 0, 0, 0, 1, 1])
    assert gain(day, charges, orders, found) == pytest.approx(0.30 + 0.20 - 0.05 - 0.15)


def test_a_bid_that_meets_an_ask_with_nothing_between_them_is_filled() -> None:
    for charge in (0.0, 0.05):
        _, _, found = matched(book(2, asks={0: [(0.15, 2.0)]}, bids={1: [(0.15 + charge, 2.0)]}), charge)
        assert found.trade[0, 0, 1] == pytest.approx(2.0)


def test_sellers_who_ask_the_same_share_alike() -> None:
    orders = book(4, asks={0: [(0.1, 2.0)], 1: [(0.1, 2.0)], 2: [(0.1, 2.0)]}, bids={3: [(0.3, 3.0)]})
    _, _, found = matched(orders, 0.02)
    assert found.trade[0, :3, 3] == pytest.approx([1.0, 1.0, 1.0], abs=1e-8)


def test_of_tied_pairs_the_operator_is_paid_the_most() -> None:
    charges = np.array([[0.0, 0.05, 0.02], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])[None]
    orders = book(3, asks={0: [(0.1, 1.0)]}, bids={1: [(0.25, 1.0)], 2: [(0.22, 1.0)]})
    found = match(empty_day(3), charges, orders, power=1.0, price=0.3)
    assert found.trade[0, 0] == pytest.approx([0.0, 1.0, 0.0], abs=1e-8)


def test_supply_that_meets_demand_exactly_is_all_traded() -> None:
    orders = book(4, asks={0: [(0.1, 1.5)], 1: [(0.12, 1.0)]}, bids={2: [(0.3, 2.0)], 3: [(0.25, 0.5)]})
    _, _, found = matched(orders, 0.05)
    assert found.trade.sum() == pytest.approx(2.5)


@pytest.mark.parametrize(("asks", "bids"), [({}, {1: [(0.3, 1.0)]}), ({0: [(0.1, 1.0)]}, {}), ({}, {})])
def test_an_empty_side_trades_nothing_and_is_proved(asks: dict[int, Any], bids: dict[int, Any]) -> None:
    orders = book(2, asks=asks, bids=bids)
    day, charges, found = matched(orders)
    assert not found.trade.any()
    assert independent_bound(day, charges, orders, found.seller_price, found.buyer_price) == 0.0


def test_one_order_larger_than_all_others_is_filled_in_part() -> None:
    orders = book(3, asks={0: [(0.1, 100.0)]}, bids={1: [(0.3, 1.0)], 2: [(0.25, 0.5)]})
    _, _, found = matched(orders, 0.05)
    assert found.ask_filled[0, 0, 0] == pytest.approx(1.5)
    assert found.bid_filled[0, [1, 2], 0] == pytest.approx([1.0, 0.5])


def test_nothing_trades_where_the_charge_is_above_what_is_between_all_orders() -> None:
    orders, _ = random_book(3)
    assert not matched(orders, 0.5)[2].trade.any()


def test_the_charge_is_taken_once_however_many_orders_fill_a_trade() -> None:
    orders = book(2, asks={0: [(0.10, 1.0), (0.12, 1.0), (0.14, 1.0)]}, bids={1: [(0.30, 1.5), (0.28, 1.5)]})
    day, charges, found = matched(orders, 0.05)
    assert found.trade[0, 0, 1] == pytest.approx(3.0)
    assert gain(day, charges, orders, found) == pytest.approx(1.5 * (0.30 + 0.28) - 0.36 - 0.05 * 3.0)


def test_limits_of_trades_hold_and_their_multiplier_is_part_of_the_proof() -> None:
    orders = book(2, asks={0: [(0.1, 3.0)]}, bids={1: [(0.3, 3.0)]})
    day, charges, found = matched(orders, 0.05, trade_limit=2.0)
    assert found.trade[0, 0, 1] == pytest.approx(2.0)
    assert independent_bound(day, charges, orders, found.seller_price, found.buyer_price) == pytest.approx(2.0 * 0.15)


def test_each_pair_pays_its_own_charge_and_shares_the_rest_by_k() -> None:
    charges = np.zeros((1, 4, 4))
    charges[0, 0, 2], charges[0, 1, 3], charges[0, 0, 3], charges[0, 1, 2] = 0.02, 0.10, 0.5, 0.5
    orders = book(4, asks={0: [(0.1, 1.0)], 1: [(0.1, 1.0)]}, bids={2: [(0.3, 1.0)], 3: [(0.3, 1.0)]})
    day = empty_day(4)
    found = match(day, charges, orders, power=1.0, price=0.3)
    price, uniform = trade_prices(day, charges, orders, found, uniform=True, k=0.5)
    assert not uniform.any()  # no one price can honour two charges
    assert price[0, 0, 2] == pytest.approx(0.2) == price[0, 1, 3]
    price, _ = trade_prices(day, charges, orders, found, uniform=True, k=0.25)
    assert price[0, 0, 2] - 0.01 == pytest.approx(0.1 + 0.25 * 0.18)
    assert price[0, 1, 3] + 0.05 == pytest.approx(0.3 - 0.75 * 0.10)


def test_one_price_is_between_the_marginal_orders() -> None:
    orders = book(4, asks={0: [(0.10, 1.0)], 1: [(0.16, 1.0)]}, bids={2: [(0.30, 1.0)], 3: [(0.15, 1.0)]})
    day, charges, found = matched(orders, 0.04)
    price, uniform = trade_prices(day, charges, orders, found, uniform=True, k=0.5)
    # sellers get at least 0.13, what the bid left over would give them, and buyers pay at most 0.20, what the ask left over would cost
    assert uniform.tolist() == [True]
    assert price[0, 0, 2] == pytest.approx(0.5 * ((0.15 - 0.02) + (0.16 + 0.02)))


def test_one_price_is_that_of_an_order_filled_in_part() -> None:
    orders = book(3, asks={0: [(0.10, 3.0)]}, bids={1: [(0.30, 1.0)], 2: [(0.25, 1.0)]})
    day, charges, found = matched(orders, 0.04)
    price, _ = trade_prices(day, charges, orders, found, uniform=True, k=0.5)
    assert price[0, 0, 1:] == pytest.approx([0.12, 0.12])


def test_where_limits_leave_no_one_price_each_pair_has_its_own() -> None:
    limits = np.full((4, 4), 9.0)
    limits[0, 3] = limits[1, 2] = 0.0
    orders = book(4, asks={0: [(0.05, 1.0)], 1: [(0.20, 1.0)]}, bids={2: [(0.15, 1.0)], 3: [(0.30, 1.0)]})
    day, charges, found = matched(orders, 0.0, trade_limit=limits)
    price, uniform = trade_prices(day, charges, orders, found, uniform=True, k=0.5)
    assert not uniform.any()
    assert price[0, [0, 1], [2, 3]] == pytest.approx([0.10, 0.25])
