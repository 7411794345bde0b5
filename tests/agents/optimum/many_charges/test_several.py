"""Tariffs of several coefficients: a bracket whose lower end is cleared and whose upper end is proved."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from builders import DEGENERATE, Array, random_day, random_network, retail_bill
from oracles import plain_profit

from gridtoll.agents.optimum import solve_optimum
from gridtoll.agents.optimum.many_charges import several
from gridtoll.agents.optimum.many_charges.game import TariffGame
from gridtoll.agents.optimum.many_charges.relaxation_day import DayRelaxation, day_relaxation
from gridtoll.agents.optimum.many_charges.several import Bracket, solve_several
from gridtoll.envs.account.tariff import Tariff, make_tariff
from gridtoll.envs.community.day import Day
from gridtoll.envs.errors import ClearingError
from gridtoll.envs.grid.network import Network
from gridtoll.envs.market.exact.compiled import StructuredMarket

CAP = 0.5


def solve(day: Day, network: Network, tariff: Tariff, **options: Any) -> Bracket:
    wanted: dict[str, Any] = {"cap": CAP, "market": StructuredMarket(), "n_starts": 3, "max_clearings": 500, "max_nodes": 60}
    return solve_several(day, network, tariff, **(wanted | options))


def game_of(day: Day, network: Network, tariff: Tariff, **options: Any) -> TariffGame:
    wanted: dict[str, Any] = {"cap": CAP, "flows": "trades", "objective": "profit", "market": StructuredMarket()}
    return TariffGame(day, network, tariff, **(wanted | options))


def assert_consistent(bracket: Bracket, game: TariffGame) -> None:
    """The lower end is what the charges earn when cleared again, by the plain statement; the upper end is the least of the bounds."""
    charges = game.tariff.charges(bracket.coefficients)
    clearing = game.market.clear(game.day, charges)
    profit = plain_profit(game.day, game.network, charges, clearing, flows=game.flows)
    again = profit if game.objective == "profit" else profit - clearing.objective_eur
    assert bracket.best_eur == pytest.approx(again, rel=1e-9, abs=1e-9)
    assert (bracket.coefficients >= 0).all()
    assert (bracket.coefficients <= game.cap).all()
    assert np.array_equal(game.tariff.read(bracket.action, game.day.n_periods, game.cap), bracket.coefficients)
    assert bracket.best_eur <= bracket.upper_bound_eur
    assert bracket.upper_bound_eur == max(min(bound.bound_eur for bound in bracket.bounds), bracket.best_eur)
    assert bracket.proof in {bound.proof for bound in bracket.bounds}


@pytest.mark.parametrize("objective", ["profit", "welfare"])
def test_one_coefficient_is_the_certified_optimum(objective: Any) -> None:
    day, network = random_day(1, n=4, periods=3), random_network(1, n=4)
    tariff = make_tariff("distance", network)
    bracket = solve(day, network, tariff, objective=objective)
    optimum = solve_optimum(day, network, tariff, cap=CAP, objective=objective, market=StructuredMarket())
    assert bracket.best_eur == pytest.approx(optimum.recleared_eur, rel=1e-12)
    assert bracket.upper_bound_eur == pytest.approx(optimum.upper_bound_eur, rel=1e-12)
    assert bracket.closed
    assert str(bracket).startswith("optimal")
    assert_consistent(bracket, game_of(day, network, tariff, objective=objective))


@pytest.mark.parametrize("flows", ["trades", "injections"])
def test_hours_without_storage_are_the_sum_of_their_optima(flows: Any) -> None:
    day, network = random_day(2, n=4, periods=4, stores=0), random_network(1, n=4)
    bracket = solve(day, network, make_tariff("distance", network, per="hour"), flows=flows)
    best = bound = 0.0
    for period in range(day.n_periods):
        rows = slice(period, period + 1)
        names = (
            "demand_min",
            "demand_max",
            "utility_curvature",
            "utility_slope",
            "renewable",
            "import_price",
            "export_price",
            "loss_price",
        )
        hour = dataclasses.replace(day, base_injection=day.base_injection[rows], **{name: getattr(day, name)[rows] for name in names})
        optimum = solve_optimum(hour, network, make_tariff("distance", network), cap=CAP, flows=flows, market=StructuredMarket())
        best, bound = best + optimum.recleared_eur, bound + optimum.upper_bound_eur
    assert bracket.best_eur == pytest.approx(best, rel=1e-8)
    assert bracket.upper_bound_eur == pytest.approx(bound, rel=1e-8)
    assert bracket.closed
    assert bracket.proof == "hours apart"
    assert_consistent(bracket, game_of(day, network, make_tariff("distance", network, per="hour"), flows=flows))


@pytest.mark.parametrize("seed", [3, 4])
def test_no_point_of_a_grid_in_two_coefficients_beats_what_is_found(seed: int) -> None:
    day, network = random_day(seed, n=4, periods=2, stores=1), random_network(1, n=4)
    tariff = make_tariff("zonal", network)
    game = game_of(day, network, tariff)
    bracket = solve(day, network, tariff, max_nodes=300)
    ticks = CAP * np.linspace(0.0, 1.0, 21) ** 1.5
    grid = max(game.play(np.array([a, b])).goal_eur for a in ticks for b in ticks)
    assert grid <= bracket.best_eur + 1e-9
    assert {bound.proof for bound in bracket.bounds} == {"K0", "branch and bound"}
    assert_consistent(bracket, game)


def test_a_small_zonal_day_can_be_closed() -> None:
    """One hour of three: K0 leaves a gap, and triangles shrink to affine pieces until none is left."""
    day, network = random_day(5, n=3, periods=1, stores=0), random_network(1, n=3)
    bracket = solve(day, network, make_tariff("zonal", network), max_nodes=4000)
    assert bracket.closed
    assert bracket.proof == "branch and bound"
    assert bracket.bounds[0].bound_eur > bracket.best_eur * (1.0 + 1e-3)


def test_charges_by_hour_with_storage_are_bracketed_and_beat_one_charge() -> None:
    day, network = random_day(6, n=3, periods=6, stores=1), random_network(1, n=3)
    tariff = make_tariff("distance", network, per="hour")
    bracket = solve(day, network, tariff, max_clearings=1500)
    constant = solve_optimum(day, network, make_tariff("distance", network), cap=CAP, market=StructuredMarket())
    assert constant.recleared_eur < bracket.best_eur
    assert not bracket.closed
    assert str(bracket).startswith("bracket")
    assert "optimal" not in str(bracket)
    assert {bound.proof for bound in bracket.bounds} == {"K0", "storage priced"}
    rng = np.random.default_rng(0)
    game = game_of(day, network, tariff)
    near = np.clip(bracket.action + 0.02 * rng.standard_normal((300, 6)), 0.0, CAP)
    assert max(game.play(action).goal_eur for action in near) <= bracket.best_eur + 1e-9
    assert_consistent(bracket, game)


@pytest.mark.parametrize(("kind", "objective", "flows"), [("line", "profit", "trades"), ("zonal", "welfare", "injections")])
def test_other_tariffs_and_objectives_are_bracketed(kind: str, objective: Any, flows: Any) -> None:
    day, network = random_day(7, n=4, periods=3, stores=1), random_network(1, n=4)
    tariff = make_tariff(kind, network)
    bracket = solve(day, network, tariff, objective=objective, flows=flows)
    assert len(bracket.reached_eur) >= 3
    assert max(bracket.reached_eur) <= bracket.best_eur + 1e-9
    assert_consistent(bracket, game_of(day, network, tariff, objective=objective, flows=flows))


def test_one_seed_gives_one_bracket() -> None:
    day, network = random_day(8, n=3, periods=3, stores=1), random_network(1, n=3)
    tariff = make_tariff("distance", network, per="hour")
    first, second = (solve(day, network, tariff, seed=5, max_clearings=200, max_nodes=20) for _ in range(2))
    assert np.array_equal(first.action, second.action)
    assert [bound.bound_eur for bound in first.bounds] == [bound.bound_eur for bound in second.bounds]
    assert (first.best_eur, first.clearings) == (second.best_eur, second.clearings)


@pytest.mark.parametrize("name", ["nothing at all", "just enough connection", "zero prices", "nobody may trade", "fixed demand"])
@pytest.mark.parametrize(("kind", "per", "objective"), [("distance", "hour", "profit"), ("zonal", "day", "welfare")])
def test_degenerate_days_are_bracketed(name: str, kind: str, per: Any, objective: Any) -> None:
    day = DEGENERATE[name]()
    network = random_network(1, n=day.n_prosumers)
    tariff = make_tariff(kind, network, per=per)
    bracket = solve(day, network, tariff, objective=objective, n_starts=1, max_clearings=60, max_nodes=10)
    game = game_of(day, network, tariff, objective=objective)
    rng = np.random.default_rng(0)
    rounding = 1e-9 * retail_bill(day)
    for action in rng.uniform(0.0, CAP, (20, game.n_coefficients)):
        assert game.play(action).goal_eur <= bracket.upper_bound_eur + rounding


def test_a_bound_below_a_clearing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(game: TariffGame) -> DayRelaxation:
        return dataclasses.replace(day_relaxation(game), bound_eur=0.0)

    monkeypatch.setattr(several, "day_relaxation", wrong)
    day, network = random_day(1, n=3, periods=2), random_network(1, n=3)
    with pytest.raises(ClearingError, match="no charges may exceed a proved bound"):
        solve(day, network, make_tariff("zonal", network))


@pytest.mark.parametrize("objective", ["profit", "welfare"])
def test_a_segment_says_what_every_step_of_it_earns(objective: Any) -> None:
    day, network = random_day(9, n=4, periods=3, import_fee=0.05), random_network(1, n=4, limit_kw=1.0)
    game = game_of(day, network, make_tariff("distance", network, per="hour"), objective=objective)
    action, direction = np.array([0.05, 0.1, 0.08]), np.array([1.0, -0.7, 0.2])
    segment = game.segment(action, direction, reach=(-0.01, 0.01))
    steps = np.linspace(segment.lower, segment.upper, 7)
    goals: Array = np.array([game.play(action + step * direction).goal_eur for step in steps])
    assert segment.lower < segment.upper
    assert goals.max() <= segment.best_eur + 1e-10
    assert game.play(action + segment.best_step * direction).goal_eur == pytest.approx(segment.best_eur, rel=1e-9)
    small = 1e-3 * (segment.upper - segment.lower)
    ahead = game.play(action + (segment.lower + small) * direction).goal_eur
    behind = game.play(action + (segment.upper - small) * direction).goal_eur
    assert (ahead - goals[0]) / small == pytest.approx(segment.slope_lower, rel=1e-2, abs=1e-3)
    assert (goals[-1] - behind) / small == pytest.approx(segment.slope_upper, rel=1e-2, abs=1e-3)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"cap": 0.0}, "charge cap must be finite and > 0"),
        ({"cap": float("inf")}, "charge cap must be finite and > 0"),
        ({"n_starts": 0}, "`n_starts` and `max_clearings` must be at least 1"),
        ({"max_nodes": -1}, "`max_nodes` at least 0"),
        ({"objective": "revenue"}, "objective"),
        ({"flows": "wires"}, "flows"),
    ],
)
def test_what_cannot_be_bracketed_is_refused(options: dict[str, Any], match: str) -> None:
    day, network = random_day(1, n=3, periods=2), random_network(1, n=3)
    with pytest.raises(ValueError, match=match):
        solve(day, network, make_tariff("zonal", network), **options)
