"""What a gap is measured by: what is at stake, above 0 on every day, and the same for every method."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from builders import DEGENERATE, random_day, random_network, retail_bill

from gridtoll.agents.optimum import smallest_recovering_charge, solve_hours, solve_optimum, solve_several
from gridtoll.agents.optimum.agreement import EXACTNESS, require_agreement
from gridtoll.agents.optimum.one_charge.line import ChargeLine
from gridtoll.envs.account.objective import LEAST_SHARE, OBJECTIVES
from gridtoll.envs.account.settlement import settle
from gridtoll.envs.account.social import solve_social
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.errors import ClearingError
from gridtoll.envs.market.exact.compiled import StructuredMarket

TOLERANCE = 1e-6


@dataclass(frozen=True)
class Account:
    revenue_eur: float = 0.0
    import_fee_eur: float = 0.0
    loss_cost_eur: float = 0.0
    overload_cost_eur: float = 0.0


def test_the_yardstick_is_the_greatest_of_what_is_at_stake() -> None:
    day = random_day(1)
    assert OBJECTIVES["profit"].yardstick_eur(day, Account(revenue_eur=2.0, loss_cost_eur=0.1)) == 2.0
    assert OBJECTIVES["profit"].yardstick_eur(day, Account(revenue_eur=2.0, loss_cost_eur=-3.0)) == 3.0
    assert OBJECTIVES["profit"].yardstick_eur(day, Account(revenue_eur=2.0, overload_cost_eur=77.0)) == 77.0
    assert OBJECTIVES["profit"].yardstick_eur(day, Account(revenue_eur=2.0, import_fee_eur=4.0)) == 4.0
    assert OBJECTIVES["profit"].yardstick_eur(day, Account()) == LEAST_SHARE * retail_bill(day)
    assert OBJECTIVES["profit"].yardstick_eur(day, None) == LEAST_SHARE * retail_bill(day)
    assert OBJECTIVES["welfare"].yardstick_eur(day, Account(revenue_eur=0.1)) == retail_bill(day)
    assert OBJECTIVES["welfare"].yardstick_eur(day, Account(overload_cost_eur=1e4)) == 1e4


@pytest.mark.parametrize("kind", DEGENERATE)
def test_a_day_has_a_turnover_above_zero_and_an_ordinary_one_its_retail_bill(kind: str) -> None:
    day = DEGENERATE[kind]()
    assert day.turnover_eur > 0.0
    if retail_bill(day) > 0.0:
        assert day.turnover_eur == pytest.approx(retail_bill(day), rel=1e-15)


def test_one_prosumers_utility_does_not_stretch_the_turnover() -> None:
    free = random_day(1, import_price=0.0, export_price=0.0)
    slope = free.utility_slope.copy()
    slope[:, 0] = 1e8
    assert replace(free, utility_slope=slope).turnover_eur <= 3.0 * free.turnover_eur
    assert replace(free, import_price=np.full(6, 1e-12)).turnover_eur == pytest.approx(free.turnover_eur)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("objective", ["profit", "welfare"])
def test_days_without_any_price_have_a_proved_optimum_that_verifies(seed: int, objective: Any) -> None:
    day = random_day(seed, import_price=0.0, export_price=0.0, loss_price=0.0)
    network = random_network(seed)
    tariff = make_tariff("distance", network)
    optimum = solve_optimum(day, network, tariff, cap=1.0, market=StructuredMarket(), objective=objective)
    assert optimum.relative_gap <= TOLERANCE
    assert optimum.clearings < 500
    assert optimum.certificate is not None
    optimum.certificate.verify(market=StructuredMarket())
    assert abs(solve_social(day, network).relative_gap) <= 1e-8
    recovery = smallest_recovering_charge(day, network, tariff, 1e6, cap=1.0, market=StructuredMarket())
    assert recovery.is_recoverable is False


def test_charges_of_hours_and_zones_are_found_where_imports_cost_nothing() -> None:
    day, network = random_day(2, stores=0, import_price=[0.3, 0.0, 0.0, 0.3, 0.2, 0.0], export_price=0.0), random_network(2)
    hourly = replace(make_tariff("distance", network), per="hour")
    assert solve_hours(day, network, hourly, cap=1.0, market=StructuredMarket()).relative_gap <= TOLERANCE
    free = replace(day, import_price=np.zeros(6))
    zonal = make_tariff("zonal", network)
    bracket = solve_several(free, network, zonal, cap=1.0, market=StructuredMarket(), max_clearings=100, max_nodes=10)
    assert np.isfinite(bracket.relative_gap)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("limit_kw", [1e-3, 0.3])
def test_overload_that_dwarfs_revenue_neither_keeps_the_search_open_nor_fails_it(seed: int, limit_kw: float) -> None:
    """With revenue as the yardstick, gaps of a millionth of it were asked of sums 1e5 times as great."""
    day, network = random_day(seed, overload_price=1e3), random_network(seed, limit_kw=limit_kw)
    options: dict[str, Any] = {"cap": 0.6, "market": StructuredMarket(), "flows": "injections"}
    optimum = solve_optimum(day, network, make_tariff("distance", network), **options)
    assert optimum.clearings < 300
    charges = optimum.charge * network.distance
    settled = settle(day, network, charges, StructuredMarket().clear(day, charges), flows="injections")
    assert settled.overload_cost_eur > 100.0 * settled.revenue_eur
    assert optimum.relative_gap <= TOLERANCE
    gap = optimum.upper_bound_eur - optimum.profit_eur
    assert optimum.relative_gap == pytest.approx(gap / settled.overload_cost_eur, rel=1e-6, abs=1e-12)


def test_what_does_not_come_out_when_cleared_again_is_an_error() -> None:
    day = random_day(1)
    allowed = 1e-6 * 2.0 + EXACTNESS * day.turnover_eur
    require_agreement(day, 1.0, 1.0 + 0.9 * allowed, yardstick=2.0, tolerance=1e-6)
    for off in (1.1 * allowed, -1.1 * allowed, np.nan):
        with pytest.raises(ClearingError, match="must earn the same when they are cleared again"):
            require_agreement(day, 1.0, 1.0 + off, yardstick=2.0, tolerance=1e-6)


def test_the_search_does_not_return_a_profit_that_the_settlement_contradicts(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a grid whose flows are not what its search reckoned with."""
    day, network = random_day(1), random_network(1)
    real = ChargeLine._line_point

    def richer(line: ChargeLine, *arguments: Any) -> Any:
        point = real(line, *arguments)
        return replace(point, profit_eur=point.profit_eur + 1e-3, goal_eur=point.goal_eur + 1e-3, loss_eur=point.loss_eur - 1e-3)

    monkeypatch.setattr(ChargeLine, "_line_point", richer)
    with pytest.raises(ClearingError, match="must earn the same when they are cleared again"):
        solve_optimum(day, network, make_tariff("distance", network), cap=0.6, market=StructuredMarket())
