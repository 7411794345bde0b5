"""``solve_scenarios``: one call for one charge, and going on from what was kept of it."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from builders import random_day, random_network

from gridtoll.agents.optimum import Risk, solve_scenarios, standing_games
from gridtoll.agents.optimum.standing.kept import as_arrays, go_on_from
from gridtoll.agents.optimum.standing.parts import StandingGame
from gridtoll.agents.optimum.standing.search import StandingDays
from gridtoll.envs.account.objective import ExactObjective
from gridtoll.envs.account.settlement import settle
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.market.exact.compiled import StructuredMarket

CAP = 0.5
NETWORK = random_network(1, n=4, limit_kw=2.0)
MARKET = StructuredMarket(threads=1)


def scenarios(count: int = 4, goals: tuple[ExactObjective, ...] = ("profit",)) -> list[StandingGame]:
    days = [random_day(70 + number, n=4, periods=4) for number in range(count)]
    return standing_games(days, NETWORK, make_tariff("distance", NETWORK), cap=CAP, goals=goals)


class KilledError(Exception):
    """Stands for the end of the process."""


def test_a_search_that_was_killed_goes_on_and_finds_what_it_would_have_found() -> None:
    whole = solve_scenarios(scenarios(), market=MARKET)
    kept: list[dict[str, Any]] = []

    def keep(days: StandingDays) -> None:
        kept.append(as_arrays(days))
        if len(kept) == 3:
            raise KilledError

    with pytest.raises(KilledError):
        solve_scenarios(scenarios(), market=MARKET, keep=keep)
    days = StandingDays(scenarios(), market=MARKET)
    go_on_from(days, kept[-1])
    before = days.clearings
    found = days.greatest("profit")
    assert 0 < before < found.clearings
    assert found.value_eur == pytest.approx(whole.value_eur, abs=1e-6 * abs(whole.value_eur))
    assert found.upper_bound_eur >= whole.value_eur - 1e-12
    assert found.relative_gap <= 1.1e-6


def test_the_answer_is_the_same_to_the_last_bit_in_whatever_order_scenarios_are_refined_and_wherever() -> None:
    def backwards(function: Any, items: Any, label: str | None = None) -> list[Any]:
        """The last first, each after a journey as between processes."""
        del label
        return [pickle.loads(pickle.dumps(function(pickle.loads(pickle.dumps(item))))) for item in reversed(list(items))][::-1]

    here, there = solve_scenarios(scenarios(), market=MARKET), solve_scenarios(scenarios(), market=MARKET, run=backwards)
    for name in ("charge", "value_eur", "upper_bound_eur", "clearings", "parts"):
        assert getattr(here, name) == getattr(there, name), name


def test_what_is_known_and_finished_answers_again_without_a_clearing() -> None:
    days = StandingDays(scenarios(), market=MARKET)
    found = days.greatest("profit")
    again = StandingDays(scenarios(), market=MARKET)
    go_on_from(again, as_arrays(days))
    same = again.greatest("profit")
    assert (same.charge, same.clearings) == (found.charge, found.clearings)


def test_what_was_kept_of_other_days_or_is_damaged_is_refused() -> None:
    days = StandingDays(scenarios(), market=MARKET)
    days.begin()
    arrays = as_arrays(days)
    with pytest.raises(ValueError, match="must be of 3 days, got 4"):
        go_on_from(StandingDays(scenarios(3), market=MARKET), arrays)
    arrays["upper"][0] *= 0.5
    with pytest.raises(ValueError, match="without holes"):
        go_on_from(StandingDays(scenarios(), market=MARKET), arrays)


def test_weights_are_divided_by_their_sum_only_when_that_is_asked_for() -> None:
    weights = np.array([1.0, 1.0, 0.0, 2.0])
    with pytest.raises(ValueError, match="sum 4"):
        solve_scenarios(scenarios(), weights, market=MARKET)
    found = solve_scenarios(scenarios(), weights, renormalise=True, market=MARKET)
    assert found.value_eur == pytest.approx(solve_scenarios(scenarios(), weights / 4.0, market=MARKET).value_eur, rel=2e-6)
    with pytest.raises(ValueError, match="sum above 0"):
        solve_scenarios(scenarios(), np.zeros(4), renormalise=True, market=MARKET)


def test_welfare_is_greatest_among_charges_whose_mean_profit_recovers_a_cost() -> None:
    both = scenarios(goals=("profit", "welfare"))
    cost = 0.5 * solve_scenarios(both, market=MARKET).value_eur
    found = solve_scenarios(both, objective="welfare", recover_eur=cost, market=MARKET)
    free = solve_scenarios(both, objective="welfare", market=MARKET)
    assert found.account.profit_eur >= cost - 1e-10
    assert found.account.welfare_eur <= free.upper_bound_eur
    with pytest.raises(ValueError, match="recovered on average"):
        solve_scenarios(both, recover_eur=cost, risk=Risk(0.5), market=MARKET)
    with pytest.raises(ValueError, match="none does"):
        solve_scenarios(both, objective="welfare", recover_eur=1e6, market=MARKET)


def test_scenarios_that_are_all_alike_have_the_optimum_of_one_whatever_their_weights() -> None:
    [one] = scenarios(1)
    alone = solve_scenarios([one], market=MARKET)
    for weights in (None, np.array([0.7, 0.3, 0.0])):
        alike = solve_scenarios([one] * 3, weights, market=MARKET)
        assert alike.value_eur == pytest.approx(alone.value_eur, rel=2e-6)
        assert alike.upper_bound_eur >= alone.value_eur - 1e-12
        assert alike.relative_gap <= 1.1e-6


def test_no_scenario_and_a_part_that_is_none_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one day, got none"):
        solve_scenarios([], market=MARKET)
    for part in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="above 0 and at most 1, got"):
            Risk(part)


def test_random_sets_and_weights_never_beat_the_bound_on_a_grid_cleared_here() -> None:
    random = np.random.default_rng(11)
    for _ in range(3):
        count = int(random.integers(1, 5))
        days = [random_day(int(random.integers(1000)), n=4, periods=2) for _ in range(count)]
        games = standing_games(days, NETWORK, make_tariff("distance", NETWORK), cap=CAP)
        weights, risk = random.dirichlet(np.ones(count)), Risk(float(random.random()))
        found = solve_scenarios(games, weights, risk=risk, market=MARKET)
        for charge in np.linspace(0.0, CAP, 61):
            posted = [charge * each.basis for each in games]
            cleared = MARKET.clear_many(days, posted)
            goals = [settle(*each).profit_eur for each in zip(days, [NETWORK] * count, posted, cleared, strict=True)]
            assert risk.of(np.array(goals), weights) <= found.upper_bound_eur + 1e-12
