"""Charges per hour without storage: hours decouple, so the sum of their optima is the day's, and its bound is one on all schedules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from builders import kernel, random_day, random_network

from gridtoll.agents.optimum import solve_hours, solve_optimum
from gridtoll.envs.account.settlement import settle
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.games.tail import hour_of

CAP = 0.6


@pytest.mark.parametrize("options", [{}, {"flows": "injections"}, {"objective": "welfare"}])
def test_no_random_schedule_of_charges_beats_the_bound_and_the_day_cleared_whole_agrees(options: dict[str, Any]) -> None:
    base = np.random.default_rng(3).normal(0.0, 1.0, (4, 5))
    day = random_day(3, n=4, periods=4, stores=0, import_fee=0.05, base_injection=base)
    network = random_network(3, n=4, limit_kw=1.0)
    tariff = make_tariff("distance", network, "hour")
    found = solve_hours(day, network, tariff, cap=CAP, market=kernel(), **options)
    assert found.relative_gap <= 1e-6
    assert found.recleared_eur == pytest.approx(found.goal_eur, rel=1e-10)
    assert found.upper_bound_eur >= found.goal_eur
    assert found.clearings == sum(hour.clearings for hour in found.hours) + 1
    random = np.random.default_rng(0)
    schedules = [found.charges, *random.uniform(0.0, CAP, (20, 4)), *np.clip(found.charges + random.normal(0.0, 0.01, (20, 4)), 0.0, CAP)]
    for charges in schedules:
        posted = tariff.charges(np.asarray(charges)[:, None])
        settled = settle(day, network, posted, kernel().clear(day, posted), flows=options.get("flows", "trades"))
        goal = settled.welfare_eur if options.get("objective") == "welfare" else settled.profit_eur
        assert goal <= found.upper_bound_eur + 1e-11


def test_charges_per_hour_earn_at_least_what_one_charge_does() -> None:
    day, network = random_day(5, n=4, periods=4, stores=0), random_network(5, n=4)
    one = solve_optimum(day, network, make_tariff("distance", network), cap=CAP, market=kernel())
    many = solve_hours(day, network, make_tariff("distance", network, "hour"), cap=CAP, market=kernel())
    assert many.goal_eur >= one.profit_eur - 1e-6 * one.revenue_eur
    for hour in many.hours:
        assert hour.certificate is not None
        hour.certificate.verify(market=kernel())


def test_an_hour_is_the_day_s_own_row() -> None:
    day = random_day(5, stores=0, base_injection=np.random.default_rng(0).normal(size=(6, 6)))
    for period in range(day.n_periods):
        hour = hour_of(day, period)
        assert hour.n_periods == 1
        for name in ("demand_min", "renewable", "export_price", "loss_price", "base_injection"):
            np.testing.assert_array_equal(getattr(hour, name)[0], getattr(day, name)[period])


def test_storage_is_refused_with_the_reason() -> None:
    network = random_network(2)
    with pytest.raises(ValueError, match="ties hours together; 2 of 5 prosumers have"):
        solve_hours(random_day(2), network, make_tariff("distance", network, "hour"), cap=CAP)


def test_several_coefficients_an_hour_are_refused() -> None:
    network = random_network(2)
    with pytest.raises(ValueError, match="one coefficient a period"):
        solve_hours(random_day(2, stores=0), network, make_tariff("zonal", network, "hour"), cap=CAP)
