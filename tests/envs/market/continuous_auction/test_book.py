"""The book of the continuous auction: held to a second one written out in plain Python, and to the traps of public code, one by one."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from books import empty_day
from hypothesis import given, settings
from hypothesis import strategies as st

from gridtoll.envs.community.day import Array, Day
from gridtoll.envs.market.continuous_auction.auction import run
from gridtoll.envs.market.continuous_auction.outcome import Arrived, left_gain


class Order(NamedTuple):
    owner: int
    side: str
    price: float
    kw: float


def ask(owner: int, price: float, kw: float) -> Order:
    return Order(owner, "ask", price, kw)


def bid(owner: int, price: float, kw: float) -> Order:
    return Order(owner, "bid", price, kw)


def arrived(orders: list[Order]) -> Arrived:
    price, kw = np.array([each.price for each in orders], dtype=float), np.array([each.kw for each in orders], dtype=float)
    return Arrived(
        period=np.zeros(len(orders), dtype=np.int64),
        owner=np.array([each.owner for each in orders], dtype=np.int64),
        is_bid=np.array([each.side == "bid" for each in orders], dtype=np.bool_),
        price=price,
        limit_price=price,
        kw=kw,
        left_kw=kw,
    )


def held(orders: list[Order], charge: float | Array = 0.0, n: int = 4, **changes: Any) -> tuple[Day, Array, Arrived, Array, Array, int]:
    day = empty_day(n, **changes)
    charges = np.ascontiguousarray(np.broadcast_to(charge * (1.0 - np.eye(n)), (1, n, n)))
    done, trade, price, fills = run(day, charges, arrived(orders))
    return day, charges, done, trade[0], price[0], fills


def plain_book(
    orders: list[Order], charge: Array, limit: Array
) -> tuple[dict[tuple[int, int], float], dict[tuple[int, int], float], list[float]]:
    """The same rules as lists and dictionaries: traded and paid by pair, and what is left of each order."""
    left = [each.kw for each in orders]
    traded: dict[tuple[int, int], float] = {}
    paid: dict[tuple[int, int], float] = {}
    book: list[int] = []
    for new, order in enumerate(orders):
        while left[new] > 0:
            offers = []
            for place, other in enumerate(book):
                standing = orders[other]
                if standing.side == order.side or left[other] == 0:
                    continue
                pair = (standing.owner, order.owner) if order.side == "bid" else (order.owner, standing.owner)
                if traded.get(pair, 0.0) >= limit[pair]:
                    continue
                # mirrored, as rounding must not decide who is the best
                gain = (
                    order.price - (standing.price + charge[pair]) if order.side == "bid" else (standing.price - charge[pair]) - order.price
                )
                if gain >= 0:
                    offers.append((-gain, place, other, pair))
            if not offers:
                break
            _, _, other, pair = min(offers)
            quantity = min(left[new], left[other], limit[pair] - traded.get(pair, 0.0))
            sign = 1 if order.side == "bid" else -1
            paid[pair] = paid.get(pair, 0.0) + quantity * (orders[other].price + sign * 0.5 * charge[pair])
            traded[pair] = traded.get(pair, 0.0) + quantity
            left[new], left[other] = left[new] - quantity, left[other] - quantity
        book.append(new)
    return traded, paid, left


@given(seed=st.integers(0, 100_000))
@settings(max_examples=200, deadline=None)
def test_the_compiled_book_is_the_one_written_out(seed: int) -> None:
    random = np.random.default_rng(seed)
    n, count = int(random.integers(2, 7)), int(random.integers(0, 40))
    orders = [
        Order(int(random.integers(n)), ("ask", "bid")[int(random.integers(2))], random.integers(0, 12) / 64, float(random.integers(1, 6)))
        for _ in range(count)
    ]
    charge = random.integers(0, 4, (n, n)) / 64 * (1 - np.eye(n))
    limit = np.where(random.random((n, n)) < 0.3, random.integers(0, 4, (n, n)).astype(float), 1000.0)
    np.fill_diagonal(limit, 0.0)
    day, charges, done, trade, price, _ = held(orders, charge, n, trade_limit=limit)
    traded, paid, left = plain_book(orders, charge, day.trade_limit)
    assert list(done.left_kw) == left
    for pair in np.ndindex(n, n):
        assert trade[pair] == traded.get(pair, 0.0)
        assert price[pair] * trade[pair] == pytest.approx(paid.get(pair, 0.0), abs=1e-12)
    assert left_gain(done, charges, trade[None], day.trade_limit) < 0, "nobody who is left could still trade, not even without a gain"


def test_an_order_trades_at_the_price_that_stands() -> None:
    *_, done, _, price, _ = held([ask(0, 0.10, 2), bid(1, 0.20, 2)])
    assert price[0, 1] == 0.10
    assert not done.left_kw.any()
    *_, price, _ = held([bid(1, 0.20, 2), ask(0, 0.10, 2)])
    assert price[0, 1] == 0.20


def test_each_side_bears_half_of_the_charge_so_that_the_standing_order_gets_its_price() -> None:
    *_, price, _ = held([ask(0, 0.10, 1), bid(1, 0.20, 1)], 0.04)
    assert price[0, 1] - 0.02 == pytest.approx(0.10), "the seller keeps what it asked"
    *_, price, _ = held([bid(1, 0.20, 1), ask(0, 0.10, 1)], 0.04)
    assert price[0, 1] + 0.02 == pytest.approx(0.20), "the buyer pays what it bid"


def test_the_charge_is_taken_once_for_each_kwh_however_many_fills_there_are() -> None:
    asks = [ask(0, 0.10, 1), ask(0, 0.11, 1), ask(0, 0.12, 1)]
    *_, trade, price, fills = held([*asks, bid(1, 0.30, 3)], 0.04)
    assert (trade[0, 1], fills) == (3.0, 3)
    assert price[0, 1] == pytest.approx(0.11 + 0.02), "the mean of the fills, half a charge added to each once"


def test_cheap_asks_and_dear_bids_come_first() -> None:
    *_, trade, _, _ = held([ask(0, 0.15, 1), ask(1, 0.10, 1), bid(2, 0.30, 1)])
    assert trade[1, 2] == 1.0
    *_, trade, _, _ = held([bid(0, 0.15, 1), bid(1, 0.30, 1), ask(2, 0.10, 1)])
    assert trade[2, 1] == 1.0


def test_what_counts_is_the_price_net_of_the_charge() -> None:
    charge = np.zeros((4, 4))
    charge[1, 2] = 0.10
    *_, trade, _, _ = held([ask(0, 0.15, 1), ask(1, 0.10, 1), bid(2, 0.30, 1)], charge)
    assert trade[0, 2] == 1.0


def test_tied_sellers_trade_in_the_order_in_which_they_came() -> None:
    *_, trade, _, _ = held([ask(1, 0.10, 1), ask(0, 0.10, 1), bid(2, 0.20, 1.5)])
    assert (trade[1, 2], trade[0, 2]) == (1.0, 0.5)


def test_orders_that_meet_with_nothing_between_them_trade() -> None:
    *_, trade, _, _ = held([ask(0, 0.25, 1), bid(1, 0.25, 1)])
    assert trade[0, 1] == 1.0
    *_, trade, _, _ = held([ask(0, 0.25, 1), bid(1, 0.3125, 1)], 0.0625)
    assert trade[0, 1] == 1.0


def test_supply_that_meets_demand_exactly_is_all_traded() -> None:
    *_, done, trade, _, _ = held([ask(0, 0.1, 1), ask(1, 0.1, 2), bid(2, 0.2, 1.5), bid(3, 0.2, 1.5)])
    assert trade.sum() == 3.0
    assert not done.left_kw.any()


@pytest.mark.parametrize("orders", [[], [ask(0, 0.1, 1), ask(1, 0.2, 1)], [bid(0, 0.1, 1), bid(1, 0.2, 1)]], ids=["none", "asks", "bids"])
def test_an_empty_side_trades_nothing(orders: list[Order]) -> None:
    day, charges, done, trade, _, fills = held(orders)
    assert not trade.any()
    assert fills == 0
    assert left_gain(done, charges, trade[None], day.trade_limit) == -np.inf


def test_one_order_larger_than_all_others_is_filled_in_part_and_keeps_its_place() -> None:
    *_, done, trade, _, _ = held([ask(0, 0.10, 100), ask(1, 0.10, 1), bid(2, 0.20, 3), bid(3, 0.20, 2)])
    assert (trade[0, 2], trade[0, 3], trade[1, 2], trade[1, 3]) == (3.0, 2.0, 0.0, 0.0), "it is not sent behind the other by a fill"
    assert list(done.left_kw) == [95.0, 1.0, 0.0, 0.0]


def test_nobody_sells_more_than_offered_however_often_it_is_filled() -> None:
    orders = [ask(0, 0.1, 1.0), *(bid(1 + k % 3, 0.2, 0.3) for k in range(9))]
    *_, done, trade, _, _ = held(orders)
    assert trade[0].sum() == pytest.approx(1.0)
    assert done.left_kw[1:].sum() == pytest.approx(9 * 0.3 - 1.0)


def test_a_full_pair_lets_the_next_partner_trade() -> None:
    limit = np.full((4, 4), 9.0)
    limit[0, 2] = 0.5
    *_, trade, _, _ = held([ask(0, 0.10, 2), ask(1, 0.12, 2), bid(2, 0.20, 2)], trade_limit=limit)
    assert (trade[0, 2], trade[1, 2]) == (0.5, 1.5)


def test_nobody_trades_with_itself() -> None:
    *_, trade, _, _ = held([ask(0, 0.1, 1), bid(0, 0.2, 1)])
    assert not trade.any()
