"""Tails of a day: what they hold, and that what the market reads of them is what it would make of each alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders import random_day

from gridtoll.envs.community.day import Day
from gridtoll.envs.community.tails import TAILS, Tails, changed
from gridtoll.envs.games.tail import forecast_of
from gridtoll.envs.market.exact.compiled import StructuredMarket
from gridtoll.envs.market.exact.compiled.program import Program, program_of


def own_prices(day: Day) -> Day:
    """The day with retail prices that differ between prosumers."""
    each = np.linspace(1.0, 1.5, day.n_prosumers)
    return replace(day, import_price=day.own_import_price * each, export_price=day.own_export_price / each)


def dear_later(day: Day) -> Day:
    """The day with units that change from hour to hour: a dear last hour, one prosumer far greater than the others in the second half."""
    price, demand = day.import_price.copy(), day.demand_max.copy()
    price[-1] *= 100.0
    demand[day.n_periods // 2 :, 0] *= 1e3
    return replace(day, import_price=price, demand_max=demand)


def forecast(day: Day) -> Day:
    """The day as it may be forecast."""
    return forecast_of(day, np.random.default_rng(1).uniform(0.6, 1.4, (3, day.n_periods)))


def require_same(one: Program, other: Program) -> None:
    """Require that every number is the same to the last bit, and every array of the same kind to compiled code."""
    for name, value in one._asdict().items():
        found = getattr(other, name)
        if isinstance(value, np.ndarray):
            assert (value.dtype, value.shape, value.flags.c_contiguous, value.flags.writeable) == (
                found.dtype,
                found.shape,
                True,
                True,
            ), name
            assert value.tobytes() == found.tobytes(), name
        else:
            assert value == found, name


@pytest.mark.parametrize("form", [lambda day: day, own_prices, dear_later], ids=["ordinary", "own prices", "units that change"])
@pytest.mark.parametrize("sure", [True, False])
def test_the_market_reads_of_a_tail_what_it_would_make_of_it_alone(form, sure: bool) -> None:  # type: ignore[no-untyped-def]
    day = form(random_day(3, n=7, stores=3))
    whole, rng = Tails(day, None if sure else forecast(day)), np.random.default_rng(0)
    for hour in range(day.n_periods):
        for _ in range(2):  # the second one finds what was kept for the first
            tail = whole.at(hour, rng.uniform(0.0, 1.0, day.n_prosumers) * day.storage_capacity)
            alone = replace(tail)
            assert tail in TAILS
            assert alone not in TAILS
            require_same(program_of(alone), program_of(tail))


def test_a_tail_is_cleared_as_the_same_day_made_otherwise() -> None:
    day, market = random_day(5, n=6, stores=2), StructuredMarket(threads=1)
    tail = Tails(day, forecast(day)).at(2, 0.3 * day.storage_capacity)
    charges = 0.1 * (1.0 - np.eye(6))
    one, other = market.clear(tail, charges), market.clear(replace(tail), charges)
    for name in one.by_period:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.certificate == other.certificate


def test_a_tail_leaves_nothing_behind_when_it_is_no_longer_used() -> None:
    whole, before = Tails(random_day(1)), len(TAILS)
    tail = whole.at(1, whole.day.storage_start)
    assert len(TAILS) == before + 1
    del tail
    assert len(TAILS) == before


def test_a_changed_day_is_a_replaced_one_without_what_was_worked_out_for_it() -> None:
    day = random_day(2)
    assert day.turnover_eur > 0
    values: dict[str, Any] = {"label": "other", "demand_max": 2.0 * day.demand_max}
    made, expected = changed(day, values), replace(day, **values)
    assert vars(made).keys() == vars(expected).keys()
    for name, value in vars(expected).items():
        assert value is getattr(made, name), name
    assert made.turnover_eur == expected.turnover_eur > day.turnover_eur
