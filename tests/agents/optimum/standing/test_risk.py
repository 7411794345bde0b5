"""What counts of many scenarios: their mean, the mean of their worst part, the worst; of one community or of several."""

from __future__ import annotations

import numpy as np
import pytest
from builders import random_day, random_network
from scipy.optimize import linprog

from gridtoll.agents.optimum.standing.risk import Risk, read_risk
from gridtoll.agents.optimum.standing.search import StandingDays, standing_games
from gridtoll.envs.account.settlement import settle
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.community.day import Array
from gridtoll.envs.market.exact.compiled import StructuredMarket

CAP = 0.5
MARKET = StructuredMarket(threads=1)
PLACES = [(random_network(1, n=4, limit_kw=2.0), 4), (random_network(2, n=3), 3)]
"""Two communities, and how many prosumers each has."""


def worst_by_linear_program(goals: Array, weights: Array, part: float) -> float:
    """The definition of CVaR as the least expectation over the envelope, solved as it stands."""
    found = linprog(goals, A_eq=np.ones((1, len(goals))), b_eq=[1.0], bounds=[(0.0, weight / part) for weight in weights])
    assert found.fun is not None
    return float(found.fun)


@pytest.mark.parametrize("part", [0.05, 0.3, 0.77, 1.0])
def test_the_mean_of_the_worst_part_is_what_its_linear_program_says(part: float) -> None:
    generator = np.random.default_rng(3)
    goals, weights = generator.normal(size=9), generator.dirichlet(np.ones(9))
    assert Risk(part).of(goals, weights) == pytest.approx(worst_by_linear_program(goals, weights, part), abs=1e-12)


def test_the_worst_scenario_is_the_least_one_that_has_a_weight() -> None:
    assert Risk(0.0).of(np.array([-9.0, 3.0, 2.0]), np.array([0.0, 0.5, 0.5])) == 2.0


def region(seed: int) -> StandingDays:
    games = []
    for number, (network, n) in enumerate(PLACES):
        days = [random_day(100 * seed + 10 * number + k, n=n, periods=3) for k in range(3)]
        games += standing_games(days, network, make_tariff("distance", network), cap=CAP)
    return StandingDays(games, market=MARKET)


def profits(days: StandingDays, charge: float) -> Array:
    found = []
    for game in days.games:
        posted = charge * game.basis
        found.append(settle(game.day, game.network, posted, MARKET.clear(game.day, posted)).profit_eur)
    return np.array(found)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("part", [1.0, 0.4, 0.0])
def test_no_charge_of_a_grid_takes_the_worst_part_of_a_region_above_the_bound(seed: int, part: float) -> None:
    days, risk = region(seed), Risk(part)
    days = StandingDays(days.games, risk=risk, market=MARKET)
    found = days.greatest("profit")
    weights = days.weights
    grid = max(risk.of(profits(days, float(charge)), weights) for charge in np.linspace(0.0, CAP, 101))
    assert grid <= found.upper_bound_eur + 1e-12
    assert risk.of(profits(days, found.charge), weights) == pytest.approx(found.value_eur, abs=1e-9)
    assert found.value_eur >= grid - 1e-6 * days.yardstick_eur(found.account, "profit")
    assert found.relative_gap <= 1.1e-6


@pytest.mark.parametrize("text", ["cvar", "cvar:0", "cvar:1.5", "cvar:x", "median", "worst:1", "cvar:nan"])
def test_a_risk_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"mean, worst, or cvar:A"):
        read_risk(text)


def test_scenarios_of_different_caps_are_refused() -> None:
    network, n = PLACES[0]
    tariff, day = make_tariff("distance", network), random_day(1, n=n, periods=3)
    games = [*standing_games([day], network, tariff, cap=0.5), *standing_games([day], network, tariff, cap=0.6)]
    with pytest.raises(ValueError, match=r"one cap, got \[0.5, 0.6\]"):
        StandingDays(games, market=MARKET)
