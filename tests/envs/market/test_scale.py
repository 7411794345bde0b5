"""1e-9 means the same for each: no entry stretches the units of the others, and what cannot be proved is refused by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders import charges_of, day_fields, market, random_network

from gridtoll.agents.optimum import solve_optimum
from gridtoll.envs.account.settlement import settle
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.community.day import Day, make_day
from gridtoll.envs.errors import ClearingError
from gridtoll.envs.market.exact import verify
from gridtoll.envs.market.exact.compiled import StructuredMarket
from gridtoll.envs.market.exact.market_data import LEAST_SIZE, MOST_POWER, MOST_PRICE, power_unit, price_unit
from gridtoll.envs.market.exact.out_of_scale import out_of_scale
from gridtoll.envs.market.mechanism import ExactResponse

MARKETS: dict[str, Callable[[], ExactResponse]] = {"structured": StructuredMarket, "cvxpy": market}
LAST = 3


def insatiable(slope: float, seed: int) -> Day:
    """Four prosumers, the last of whom takes all of `demand_max` whatever it costs."""
    fields = day_fields(seed, n=4, periods=4, stores=2 * (seed % 2))
    slopes = np.array(fields["utility_slope"])
    slopes[:, LAST] = slope
    return make_day(**fields | {"utility_slope": slopes})


def factory(times: float, seed: int, **changes: Any) -> Day:
    """Four prosumers, the last of whom is as many times larger, and trades with nobody."""
    fields = day_fields(seed, n=4, periods=4, stores=2)
    limit = np.array(fields["trade_limit"])
    limit[LAST] = limit[:, LAST] = 0.0
    larger: dict[str, Any] = {"trade_limit": limit, "grid_friction": np.array([0.005] * LAST + [0.005 / times])}
    for name in ("demand_min", "demand_max", "renewable", "import_limit", "export_limit"):
        larger[name] = np.array(fields[name])
        larger[name][..., LAST] *= times
    larger["utility_curvature"] = np.array(fields["utility_curvature"])
    larger["utility_curvature"][:, LAST] /= times
    return make_day(**fields | larger | changes)


def profit(day: Day, seed: int, charge: float, with_market: ExactResponse) -> float:
    charges = charges_of(day, charge)
    return settle(day, random_network(seed, n=4), charges, with_market.clear(day, charges)).profit_eur


@pytest.mark.parametrize("slope", [1e3, 1e5, 1e7, 1e8])
@pytest.mark.parametrize("solver", MARKETS)
def test_how_much_somebody_would_pay_who_pays_less_changes_no_profit(solver: str, slope: float) -> None:
    """The unit of prices once came from the greatest slope; at 1e8 a profit of 0.855 EUR became 0.699, certified."""
    with_market = MARKETS[solver]()
    for seed in range(2 if solver == "cvxpy" else 12):
        expected = profit(insatiable(100.0, seed), seed, 0.1, with_market)
        assert profit(insatiable(slope, seed), seed, 0.1, with_market) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("times", [1e3, 1e5, 1e7])
@pytest.mark.parametrize("solver", MARKETS)
def test_how_large_somebody_is_who_does_not_trade_changes_no_profit(solver: str, times: float) -> None:
    with_market = MARKETS[solver]()
    for seed in range(2 if solver == "cvxpy" else 12):
        expected = profit(factory(1.0, seed), seed, 0.1, with_market)
        assert profit(factory(times, seed), seed, 0.1, with_market) == pytest.approx(expected, rel=3e-9, abs=1e-12)


@pytest.mark.parametrize("times", [1e3, 1e5])
def test_the_optimum_beside_a_factory_is_proved_as_without_it(times: float) -> None:
    for seed in range(6):
        network, with_market = random_network(seed, n=4), StructuredMarket()
        tariff = make_tariff("distance", network)
        alone, beside = (solve_optimum(factory(each, seed), network, tariff, cap=0.5, market=with_market) for each in (1.0, times))
        assert beside.relative_gap <= 1e-6
        assert beside.recleared_profit_eur == pytest.approx(alone.recleared_profit_eur, rel=2e-6)


def test_the_factory_s_clearing_shows_an_error_at_the_house() -> None:
    """A millionth of a kilowatt is a millionth of the house's load, whatever the factory's is."""
    day = factory(1e5, 0)
    charges = charges_of(day, 0.1)
    found = StructuredMarket().clear(day, charges)
    moved = found.demand.copy()
    moved[2, 0] += 1e-6
    again = verify(day, charges, replace(found, demand=moved))
    assert again.primal_residual == pytest.approx(1e-6 / max(day.demand_max[:, 0].mean(), day.renewable[:, 0].mean()), rel=1e-6)
    moved = found.demand.copy()
    moved[2, LAST] += 1e-6
    assert verify(day, charges, replace(found, demand=moved)).primal_residual < 1e-9


def test_units_are_what_they_were_where_nothing_is_out_of_scale_and_typical_where_something_is() -> None:
    day = make_day(**day_fields(0))
    assert power_unit(day) == day.demand_max.mean()
    assert price_unit(day) == max(day.import_price.max(), day.utility_slope.max())
    assert price_unit(insatiable(1e6, 0)) == MOST_PRICE * 0.32
    small = np.median(factory(1e6, 0).demand_max.mean(axis=0))
    assert power_unit(factory(1e6, 0)) <= MOST_POWER * small
    assert LEAST_SIZE < 1


def test_one_dear_hour_of_two_is_no_unit_for_the_other() -> None:
    """The mean of both once was: at 1.8e6 EUR/kWh in an hour in which nobody imports, batteries were off by 0.005 kW, certified."""
    for seed in range(6):
        fields = day_fields(seed, n=4, periods=2, stores=2)
        sun = np.maximum(fields["renewable"], 1.5 * fields["demand_max"])  # so much that nobody has to import
        dear = make_day(**fields | {"renewable": sun, "import_price": np.array([1.8e6, 0.32])})
        plain = make_day(**fields | {"renewable": sun})
        assert price_unit(dear) <= MOST_PRICE * 0.32
        charges = charges_of(dear, 0.02)
        for with_market in (StructuredMarket(), market()):
            one, other = with_market.clear(dear, charges), with_market.clear(plain, charges)
            assert not other.grid_import.any()
            assert np.abs(one.storage_charge - other.storage_charge).max() <= 1e-9
            assert np.abs(one.trade - other.trade).max() <= 1e-9


def test_one_large_prosumer_of_two_is_no_unit_for_the_other() -> None:
    fields = day_fields(0, n=2, periods=4, stores=0)
    scaled = {name: np.array(fields[name]) * [1.0, 1e6] for name in ("demand_min", "demand_max", "renewable")}
    limits = {name: np.array(fields[name]) * [1.0, 1e6] for name in ("import_limit", "export_limit")}
    day = make_day(**fields | scaled | limits)
    assert power_unit(day) <= MOST_POWER * day.demand_max[:, 0].mean()


def test_nobody_can_import_and_the_day_clears() -> None:
    fields = day_fields(0, n=4, periods=4, stores=0)
    sun = np.maximum(fields["renewable"], 2.0 * fields["demand_max"])
    day = make_day(**fields | {"renewable": sun, "import_limit": 0.0})
    for with_market in (StructuredMarket(), market()):
        assert with_market.clear(day, charges_of(day, 0.1)).certificate.holds()


def test_a_price_that_is_out_of_scale_is_named_with_what_would_have_been_in_it() -> None:
    day = make_day(**day_fields(0, n=3, periods=4))
    prices = day.import_price.copy()
    prices[2] *= 1e5
    said = out_of_scale(replace(day, import_price=prices))
    assert re.fullmatch(
        r"Out of scale: `import_price` \S+ at period 2, which is \S+ times the typical price of \S+ EUR/kWh "
        r"\(at most 100 clears as a rule\)\. Bring these entries nearer to what is typical\.",
        said,
    )
    assert "farthest out: " in out_of_scale(day)
    assert "clears as a rule" not in out_of_scale(day)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"trade_friction": 1e-13, "grid_friction": 1e-13, "storage_wear": 1e-13}, r"Out of scale: `\w+` 1e-13 at"),
        ({"trade_friction": 1e-14}, r"`trade_friction` 1e-14 at seller 0, buyer 1"),
    ],
)
def test_a_refusal_names_the_entry_that_is_out_of_scale(changes: dict[str, float], named: str) -> None:
    refusals = []
    for seed in range(20):
        day = make_day(**day_fields(seed, n=5, periods=4) | changes)
        try:
            market().clear(day, charges_of(day, 0.05))
        except ClearingError as error:
            refusals.append(str(error))
        if len(refusals) == 3:  # each of which has every solver try
            break
    assert refusals
    assert all(re.search(named, refusal) for refusal in refusals)
