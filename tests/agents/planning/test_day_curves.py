"""Curves of days and their weighted optima: what the market says, and what no denser search can better."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from gridtoll.agents.optimum import solve_scenarios
from gridtoll.agents.optimum.standing.parts import StandingGame
from gridtoll.agents.planning.curves import ProfitCurves
from gridtoll.agents.planning.day_curve import DayCurve, day_curve
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.market.solvers import make_market
from gridtoll.train.references.curves import games_of
from gridtoll.train.task import environment_of

Array = NDArray[np.float64]
TASK = GameSpec(community="two-prosumers")
SCENARIOS = [Scenario(day, day % 4) for day in (3, 50, 120, 180, 200, 300)]
ONES = np.ones(len(SCENARIOS))


@pytest.fixture(scope="module")
def games() -> list[StandingGame]:
    return games_of(TASK, SCENARIOS)


@pytest.fixture(scope="module")
def known(games: list[StandingGame]) -> list[DayCurve]:
    market = make_market("structured")
    return [day_curve(game, market, clearings=24) for game in games]


def goals(number: int, charges: Array) -> Array:
    """Return what a day earns when it is cleared."""
    environment = environment_of(TASK)
    earned = []
    for charge in charges:
        environment.reset(options=SCENARIOS[number]._asdict())
        earned.append(environment.step([charge])[1])
    return np.array(earned)


def test_a_curve_costs_no_more_clearings_than_were_allowed_and_covers_every_charge(known: list[DayCurve]) -> None:
    for each in known:
        assert 2 <= each.clearings <= 25
        assert (each.edges[0], each.edges[-1]) == (0.0, 1.0)
        assert (np.diff(each.edges) > 0).all()
        assert len(each.quadratics) == len(each.excess) == len(each.edges) - 1


def test_the_market_earns_what_the_curve_says_where_quadratics_meet_and_never_more_than_it_allows(known: list[DayCurve]) -> None:
    random = np.random.default_rng(1)
    for number, each in enumerate(known):
        curve = ProfitCurves([each], np.ones(1), np.ones(1))
        ends = np.array(each.edges)[np.arange(0, len(each.edges), 4)]  # of parts: responses are known there
        charges = np.concatenate([random.choice(ends, 4), random.uniform(0.0, 1.0, 8)])
        true, said = goals(number, charges), curve.at(charges)[0]
        np.testing.assert_allclose(said[:4], true[:4], atol=1e-7)
        place = np.clip(np.searchsorted(each.edges, charges, "right") - 1, 0, len(each.excess) - 1)
        assert (true <= said + np.array(each.excess)[place] + 1e-9).all()


def test_no_charge_is_better_for_weighted_days_than_the_exact_optimum(known: list[DayCurve]) -> None:
    random = np.random.default_rng(2)
    unit, worth = random.uniform(0.1, 0.4, len(known)), random.uniform(0.5, 2.0, len(known))
    curves = ProfitCurves(known, unit, worth)
    for _ in range(5):
        weights, most = random.dirichlet(ONES) * (random.random(len(known)) < 0.7), random.uniform(1.0, 5.0)
        weights[0] += 0.1
        best = curves.best(weights, most=most)
        dense = np.linspace(0.0, most, 40_001)
        sampled = weights @ curves.at(dense)
        assert 0.0 <= best.multiple <= most
        assert best.value == pytest.approx(float(weights @ curves.at(np.array([best.multiple]))[:, 0]), abs=1e-12)
        assert float(sampled.max()) <= best.value + 1e-12
        assert best.bound >= best.value


def test_the_weighted_optimum_agrees_with_the_certified_search(games: list[StandingGame], known: list[DayCurve]) -> None:
    weights = np.array([0.1, 0.3, 0.05, 0.25, 0.2, 0.1])
    proved, best = solve_scenarios(games, weights), ProfitCurves(known, ONES, ONES).best(weights, most=1.0)
    assert best.bound >= proved.value_eur - 1e-9
    assert best.value == pytest.approx(proved.value_eur, rel=5e-3)
    there = sum(weight * goals(number, np.array([best.multiple]))[0] for number, weight in enumerate(weights))
    assert proved.upper_bound_eur >= there >= 0.995 * proved.value_eur


def test_weights_that_are_negative_for_some_days_lead_near_the_top_of_a_dense_search(known: list[DayCurve]) -> None:
    curves, weights = ProfitCurves(known, ONES, ONES), np.array([0.6, -0.2, 0.4, -0.1, 0.2, 0.1])
    best = curves.best(weights, most=0.8)
    sampled = weights @ curves.at(np.linspace(0.0, 0.8, 20_001))
    assert best.value == pytest.approx(float(sampled.max()), abs=1e-3)
    assert best.bound == np.inf


@pytest.mark.parametrize("spoil", [lambda w: 0.0 * w, lambda w: np.nan * w], ids=["all 0", "no numbers"])
def test_weights_that_say_nothing_are_refused(known: list[DayCurve], spoil: Callable[[Array], Array]) -> None:
    with pytest.raises(ValueError, match="weights of days must be numbers and not all 0"):
        ProfitCurves(known, ONES, ONES).best(spoil(ONES), most=1.0)
