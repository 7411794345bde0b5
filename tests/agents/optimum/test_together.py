"""Searches that advance together find what each finds alone, to the last bit, and none of them spoils another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders import random_day, random_network
from numpy.typing import ArrayLike

from gridtoll.agents.optimum import Optimum, solve_optimum
from gridtoll.agents.optimum.one_charge.search import OneCharge, solve_optima
from gridtoll.agents.optimum.together import Search, ToClear, side_by_side, together
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.community.day import Day
from gridtoll.envs.errors import ClearingError
from gridtoll.envs.market.exact import Clearing
from gridtoll.envs.market.exact.compiled import StructuredMarket

DAYS = [random_day(seed, stores=seed % 3) for seed in range(5)]
NETWORK = random_network(0)
TARIFF = make_tariff("distance", NETWORK)
CAP = 0.3


class Counting:
    """A market that notes how many days each call clears, and refuses one day."""

    def __init__(self, refused: Day | None = None) -> None:
        self.calls: list[int] = []
        self._refused, self._market = refused, StructuredMarket(threads=1)

    def clear(self, day: Day, charges: ArrayLike, *, start: Clearing | None = None) -> Clearing:
        if day is self._refused:
            raise ClearingError("not today")
        return self._market.clear(day, charges, start=start)

    def clear_many(self, days: Sequence[Day], charges: Any) -> list[Clearing]:
        self.calls.append(len(days))
        return [self.clear(*each) for each in zip(days, charges, strict=True)]


def numbers(found: Optimum) -> dict[str, Any]:
    """Everything of an optimum but its wall time and its proof's own data."""
    proof = found.certificate
    assert proof is not None
    return {**vars(replace(found, seconds=0.0, certificate=None)), "pieces": proof.pieces, "gaps": proof.gaps}


@pytest.mark.parametrize("at_once", [2, 16])
def test_optima_found_together_are_those_found_alone_to_the_last_bit(at_once: int) -> None:
    market = StructuredMarket(threads=1)
    alone = [solve_optimum(day, NETWORK, TARIFF, cap=CAP, market=market) for day in DAYS]
    counted = Counting()
    found = dict(solve_optima(DAYS, OneCharge(NETWORK, TARIFF, cap=CAP), market=counted, at_once=at_once))
    assert sorted(found) == list(range(len(DAYS)))
    for place, expected in enumerate(alone):
        optimum = found[place]
        assert isinstance(optimum, Optimum)
        assert repr(numbers(optimum)) == repr(numbers(expected))
    assert max(counted.calls) == min(at_once, len(DAYS))
    assert sum(counted.calls) == sum(each.clearings for each in alone)


def test_a_day_that_cannot_be_cleared_or_searched_fails_by_itself() -> None:
    question = OneCharge(NETWORK, TARIFF, cap=CAP)
    found = dict(solve_optima(DAYS[:3], question, market=Counting(refused=DAYS[1])))
    assert isinstance(found[1], ClearingError)
    assert isinstance(found[0], Optimum)
    assert isinstance(found[2], Optimum)
    [(_, failure)] = solve_optima(DAYS[:1], replace(question, cap=-1.0), market=Counting())
    assert isinstance(failure, ValueError)
    assert "charge cap" in str(failure)
    assert list(solve_optima([], question, market=Counting())) == []


def test_fewer_searches_advance_together_where_each_keeps_more() -> None:
    assert side_by_side(24, 13) == 16
    assert side_by_side(24, 40) == 10
    assert side_by_side(24, 99) == 1


def test_a_search_that_ends_makes_room_for_the_next() -> None:
    def asks(times: int) -> Search[int]:
        for _ in range(times):
            yield ToClear(DAYS[0], np.zeros((5, 5)))
        return times

    market = Counting()
    searches = [lambda times=times: asks(times) for times in (3, 0, 1, 2)]
    assert sorted(together(searches, market, at_once=2)) == [(0, 3), (1, 0), (2, 1), (3, 2)]
    assert [size for size in market.calls if size] == [1, 2, 2, 1]
