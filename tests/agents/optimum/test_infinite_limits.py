"""A branch without a limit, F = inf, is one whose limit nothing reaches: every method has the same answer for both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders import kernel, random_day, random_network
from numpy.typing import NDArray
from three_buses import line_of_three, seller_and_buyer

from gridtoll.agents.optimum import profit_curve, smallest_recovering_charge, solve_hours, solve_optimum, solve_several
from gridtoll.agents.optimum.hourly_game.bound import bound_hourly
from gridtoll.agents.optimum.one_charge.chord import Chord
from gridtoll.agents.optimum.one_charge.line import ChargeLine
from gridtoll.envs.account.gradient import settlement_gradient
from gridtoll.envs.account.settlement import settle
from gridtoll.envs.account.settlement_cotangent import flows_at_kink
from gridtoll.envs.account.social import solve_social
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.community.day import Day
from gridtoll.envs.errors import ClearingError
from gridtoll.envs.grid.network import Network
from gridtoll.envs.market.exact.compiled import StructuredMarket

Array = NDArray[np.float64]

OUT_OF_REACH = 1e4  # kW, of prosumers of a few kW
TOLERANCE = 1e-6


def with_limit(network: Network, limit_kw: Any, *, lossless: bool = False) -> Network:
    grid = network.grid
    limit = np.broadcast_to(np.asarray(limit_kw, dtype=np.float64), grid.branch_limit_kw.shape)
    resistance = np.zeros_like(grid.branch_resistance_pu) if lossless else grid.branch_resistance_pu
    return replace(network, grid=replace(grid, branch_limit_kw=limit, branch_resistance_pu=resistance))


@pytest.mark.parametrize("limit_kw", [OUT_OF_REACH, np.inf])
@pytest.mark.parametrize("hard_limits", [False, True])
def test_the_peak_inside_a_piece_is_found_whatever_the_limits(limit_kw: float, hard_limits: bool) -> None:
    day, network = seller_and_buyer(), line_of_three(limit_kw)
    tariff = make_tariff("distance", network)
    optimum = solve_optimum(day, network, tariff, cap=1.0, market=kernel(), hard_limits=hard_limits)
    assert optimum.charge == pytest.approx(0.335009436, abs=1e-9)
    assert optimum.profit_eur == pytest.approx(0.316117856, abs=1e-9)
    for charge in np.linspace(0.0, 1.0, 41):
        charges = charge * network.distance
        assert settle(day, network, charges, kernel().clear(day, charges)).profit_eur <= optimum.upper_bound_eur + 1e-12
    recovery = smallest_recovering_charge(day, network, tariff, 0.25, cap=1.0, market=kernel())
    assert recovery.charge == pytest.approx(0.181806376, abs=1e-9)


def both(*, stores: int = 1, lossless: bool = False) -> tuple[Day, list[Network]]:
    day, network = random_day(3, n=3, periods=2, stores=stores), random_network(3, n=3, meshed=True)
    return day, [with_limit(network, limit, lossless=lossless) for limit in (OUT_OF_REACH, np.inf)]


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("objective", ["profit", "welfare"])
@pytest.mark.parametrize("flows", ["trades", "injections"])
def test_one_charge_has_the_same_optimum_and_curve(lossless: bool, objective: Any, flows: Any) -> None:
    day, networks = both(lossless=lossless)
    found = []
    for network in networks:
        tariff = make_tariff("distance", network)
        optimum = solve_optimum(day, network, tariff, cap=1.0, market=StructuredMarket(), objective=objective, flows=flows)
        assert optimum.certificate is not None
        found.append((optimum, profit_curve(optimum.certificate, n=20, market=StructuredMarket())))
    (one, its_curve), (other, other_curve) = found
    assert (other.charge, other.upper_bound_eur) == pytest.approx((one.charge, one.upper_bound_eur), rel=1e-9, abs=1e-12)
    for mine, theirs in zip(its_curve.band(), other_curve.band(), strict=True):
        assert theirs == pytest.approx(mine, rel=1e-9, abs=1e-12)


def test_a_limit_on_one_branch_is_kept_beside_branches_without() -> None:
    day, network = random_day(3, n=3, periods=2, stores=1), random_network(3, n=3, meshed=True)
    free = settle(day, network, np.zeros((3, 3)), kernel().clear(day, np.zeros((3, 3))))
    tight = 0.5 * float(np.abs(free.flow_kw[:, 0]).max())
    assert tight > 0
    answers = []
    for others in (OUT_OF_REACH, np.inf):
        limited = with_limit(network, [tight, *[others] * 4])
        tariff = make_tariff("distance", limited)
        soft, hard = (solve_optimum(day, limited, tariff, cap=1.0, market=kernel(), hard_limits=hard) for hard in (False, True))
        assert hard.secure
        answers.append((soft.charge, soft.upper_bound_eur, hard.charge, hard.upper_bound_eur))
    assert answers[0] == pytest.approx(answers[1], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("lossless", [False, True])
def test_several_charges_and_whole_days_have_the_same_bounds(lossless: bool) -> None:
    day, networks = both(lossless=lossless)
    found = []
    for network in networks:
        zonal, hourly = make_tariff("zonal", network), replace(make_tariff("distance", network), per="hour")
        bracket = solve_several(day, network, zonal, cap=1.0, market=StructuredMarket(), max_nodes=10, max_clearings=100)
        by_hour = solve_hours(replace(day, storage_power=np.zeros(3)), network, hourly, cap=1.0, market=StructuredMarket())
        social = solve_social(day, network)
        numbers = (bracket.best_eur, bracket.upper_bound_eur, by_hour.upper_bound_eur, social.upper_bound_eur)
        found.append((*numbers, bound_hourly(day, network).bound_eur))
    assert found[0] == pytest.approx(found[1], rel=1e-7)


def test_the_slopes_of_a_settlement_are_the_same() -> None:
    day, networks = both()
    charges = 0.1 * networks[0].distance
    clearing = kernel().clear(day, charges)
    weights = {"profit_eur": 1.0, "overload_cost_eur": 1.0}
    slopes = [settlement_gradient(day, network, charges, clearing, weights=weights) for network in networks]
    assert slopes[1] == pytest.approx(slopes[0], rel=1e-12)
    without = settlement_gradient(day, networks[1], charges, clearing, weights={"peak_loading": 1.0})
    assert not without.any()
    assert not flows_at_kink(day, networks[1], clearing, {"peak_loading": 1.0})


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_bound_that_is_no_number_is_an_error_and_not_a_certificate(monkeypatch: pytest.MonkeyPatch, broken: float) -> None:
    """Comparisons drop NaN: without the check the search would end with an answer and a proof."""
    day, network = seller_and_buyer(), line_of_three(OUT_OF_REACH)
    monkeypatch.setattr(np, "vdot", lambda *_: broken)
    with pytest.raises(ClearingError, match="must consist of finite numbers"):
        solve_optimum(day, network, make_tariff("distance", network), cap=1.0, market=kernel())


def test_overload_of_branches_without_limits_is_nothing() -> None:
    day, network = seller_and_buyer(), line_of_three(np.inf)
    line = ChargeLine(day, network, network.distance, flows="trades", market=kernel())
    assert Chord(line, line.cleared(0.1), line.cleared(0.4)).overload_kw(0.5) == (0.0, 0.0)
