"""What a certificate of 1e-9 promises about profit: the measurement of docs/exactness.md in small, and the proof that it can fail."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import charges_of, market, random_day
from referee import distance, exact

from gridtoll.envs.community.day import Array, Day
from gridtoll.envs.market.exact import Clearing
from gridtoll.envs.market.exact.compiled import StructuredMarket
from gridtoll.envs.market.exact.market import verify
from gridtoll.envs.market.mechanism import ExactResponse

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
pytestmark = pytest.mark.skipif(not BENCHMARKS.exists(), reason="benchmarks are not part of the wheel")


@pytest.fixture(scope="module")
def profit() -> Any:
    sys.path.append(str(BENCHMARKS))
    try:
        return importlib.import_module("fuzzing.profit"), importlib.import_module("fuzzing.cases")
    finally:
        sys.path.remove(str(BENCHMARKS))


class _Wrong:
    """A market that shifts the greatest trade by a share of it."""

    def __init__(self, share: float) -> None:
        self._share, self._market = share, StructuredMarket(threads=1)

    def clear(self, day: Day, charges: Any, *, start: Clearing | None = None) -> Clearing:
        right = self._market.clear(day, charges, start=start)
        trade = right.trade.copy()
        trade[np.unravel_index(int(np.argmax(trade)), trade.shape)] *= 1.0 + self._share
        return replace(right, trade=trade)

    def clear_many(self, days: Sequence[Day], charges: Array | Sequence[Array]) -> list[Clearing]:
        return [self.clear(day, each) for day, each in zip(days, charges, strict=True)]


def in_double(clearing: Clearing) -> Clearing:
    arrays = {field.name: getattr(clearing, field.name) for field in fields(clearing)}
    changes: dict[str, Any] = {name: value.astype(float) for name, value in arrays.items() if isinstance(value, np.ndarray)}
    return replace(clearing, **changes)


def measured(profit: Any, count: int, seed: int, with_market: ExactResponse) -> list[Any]:
    module, cases = profit
    drawn = (cases.case_of(*cases.named(number, seed)) for number in range(count))
    return [module.exactness(case, case.network, with_market) for case in drawn if case.network is not None and not case.is_extreme]


def test_profit_of_certified_clearings_is_exact_to_the_stated_factor_times_the_tolerance(profit: Any) -> None:
    module, _ = profit
    found = measured(profit, 120, 11, StructuredMarket(threads=1))
    assert len(found) > 100
    assert None not in found
    for one in found:
        assert one.certificate <= module.TOLERANCE
        assert one.missed_eur <= module.FACTOR * module.TOLERANCE * one.stake_eur, one
        assert one.reference_eur <= 0.01 * module.TOLERANCE * one.money_eur, one
        assert one.on_piece_eur <= one.proved_eur * (1.0 + 1e-9), one


def test_the_measurement_sees_a_trade_that_is_off_by_a_hundred_thousandth(profit: Any) -> None:
    module, _ = profit
    found = measured(profit, 30, 11, _Wrong(1e-5))
    assert sum(one.missed_eur > module.FACTOR * module.TOLERANCE * one.stake_eur for one in found) > len(found) / 4


def test_the_worst_on_the_piece_is_no_less_than_what_points_with_such_a_certificate_miss(profit: Any) -> None:
    """The optimum at charges that differ by the tolerance is such a point: nothing but its slopes is off."""
    module, cases = profit
    with_market, seen = StructuredMarket(threads=1), 0
    for seed in range(12):
        case = cases.case_of("plain", seed)
        there = module.exactness(case, case.network, with_market)
        price = module.scale(case.day, module.read_charges(case.day, case.charges), module.Structure.of(case.day)).price_unit
        aside: Array = case.charges + 0.999 * module.TOLERANCE * price * (1.0 - np.eye(case.day.n_prosumers))
        optimum, other = exact(case.day, case.charges, with_market.clear(case.day, case.charges)), None
        if optimum is not None:
            other = exact(case.day, aside, optimum)
        assert optimum is not None
        assert other is not None
        assert verify(case.day, case.charges, in_double(other)).holds(module.TOLERANCE)
        earned = [module.account(case.day, case.network, case.charges, each, flows=case.flows).profit_eur for each in (optimum, other)]
        assert abs(earned[1] - earned[0]) <= 1.001 * there.on_piece_eur + 1e-15 * there.money_eur
        seen += abs(earned[1] - earned[0]) > 1e-12 * there.money_eur
    assert seen > 3


def test_the_optimum_in_long_double_is_proved_to_its_last_digits() -> None:
    for seed in range(6):
        day = random_day(seed)
        charges = charges_of(day, 0.05)
        found = exact(day, charges, market().clear(day, charges))
        assert found is not None
        assert found.trade.dtype == np.longdouble
        assert distance(day, charges, found).norm < 1e-14


def test_the_optimum_in_long_double_does_not_depend_on_where_newtons_method_starts() -> None:
    day = random_day(3)
    charges = charges_of(day, 0.05)
    near, far = (exact(day, charges, market().clear(day, factor * charges)) for factor in (1.0, 1.02))
    assert near is not None
    assert far is not None
    assert float(np.abs(near.trade - far.trade).max()) < 1e-15
