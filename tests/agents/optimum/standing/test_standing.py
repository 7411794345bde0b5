"""One charge for many days: proved over all of them, against grids, against one day's proof, and by sums of independent arithmetic."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from builders import random_day, random_network

from gridtoll.agents.optimum import solve_optimum
from gridtoll.agents.optimum.standing.answers import Standing
from gridtoll.agents.optimum.standing.asking import cells_around
from gridtoll.agents.optimum.standing.parts import Asked, Known, StandingGame, refined
from gridtoll.agents.optimum.standing.recovery import best_welfare_recovering, least_recovering
from gridtoll.agents.optimum.standing.risk import MEAN, Risk
from gridtoll.agents.optimum.standing.search import StandingDays, standing_games
from gridtoll.agents.optimum.standing.sums import summed
from gridtoll.envs.account.objective import ExactObjective
from gridtoll.envs.account.settlement import settle
from gridtoll.envs.account.tariff import Tariff, make_tariff
from gridtoll.envs.community.day import Array, Day
from gridtoll.envs.grid.network import Network
from gridtoll.envs.market.exact.compiled import StructuredMarket

CAP = 0.5
NETWORK = random_network(1, n=4, limit_kw=2.0)
TARIFF = make_tariff("distance", NETWORK)
MARKET = StructuredMarket(threads=1)


def random_days(seed: int, count: int = 4) -> list[Day]:
    return [random_day(10 * seed + number, n=4, periods=4) for number in range(count)]


def means(days: list[Day], charge: float, *, weights: Array | None = None, network: Network = NETWORK, tariff: Tariff = TARIFF) -> Array:
    """Mean profit and welfare at a charge, cleared and settled here and added up in long double."""
    charges = charge * tariff.basis[0]
    settled = [settle(day, network, charges, MARKET.clear(day, charges)) for day in days]
    shares = np.full(len(days), 1.0 / len(days)) if weights is None else weights
    rows = np.array([[each.profit_eur, each.welfare_eur] for each in settled], dtype=np.longdouble)
    return np.asarray(shares @ rows, dtype=np.float64)


def standing(
    days: list[Day], *, weights: Array | None = None, goals: tuple[ExactObjective, ...] = ("profit",), risk: Risk = MEAN
) -> StandingDays:
    games = standing_games(days, NETWORK, TARIFF, cap=CAP, goals=goals)
    return StandingDays(games, weights=weights, risk=risk, market=MARKET)


@cache
def asked(seed: int) -> StandingDays:
    return standing(random_days(seed), goals=("profit", "welfare"))


@cache
def best(seed: int, goal: str = "profit") -> Standing:
    return asked(seed).greatest(goal)  # type: ignore[arg-type]


@cache
def grid(seed: int) -> tuple[Array, Array]:
    charges = np.linspace(0.0, CAP, 401)
    return charges, np.array([means(random_days(seed), float(charge)) for charge in charges])


SEEDS = range(5)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("goal", ["profit", "welfare"])
def test_no_charge_of_a_fine_grid_is_above_the_bound_and_the_answer_is_as_good_as_all(seed: int, goal: str) -> None:
    found, (_, values) = best(seed, goal), grid(seed)
    column = values[:, ("profit", "welfare").index(goal)]
    assert column.max() <= found.upper_bound_eur + 1e-12
    assert found.value_eur >= column.max() - 1e-6 * asked(seed).yardstick_eur(found.account, goal)  # type: ignore[arg-type]
    assert 0.0 <= found.relative_gap <= 1.1e-6


@pytest.mark.parametrize("seed", SEEDS)
def test_the_mean_is_what_clearing_every_day_again_and_adding_up_gives(seed: int) -> None:
    found = best(seed)
    profit, welfare = means(random_days(seed), found.charge)
    assert found.account.profit_eur == pytest.approx(profit, abs=1e-9)
    assert found.account.welfare_eur == pytest.approx(welfare, abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_bounds_are_above_the_mean_everywhere_and_close_to_it_near_the_best_charge(seed: int) -> None:
    charges, values = grid(seed)
    sums = summed(asked(seed).known, MEAN, asked(seed).weights, charges)
    assert (sums.bound >= np.maximum(values[:-1], values[1:]).T - 1e-12).all()
    close = cells_around(best(seed).charge, CAP)
    near = np.searchsorted(close, best(seed).charge)
    bound = summed(asked(seed).known, MEAN, asked(seed).weights, close).bound[0, near - 1 : near + 1]
    assert bound.max() <= best(seed).upper_bound_eur + 1e-12


def test_of_one_day_it_is_the_optimum_of_that_day() -> None:
    [day] = random_days(3, 1)
    alone = solve_optimum(day, NETWORK, TARIFF, cap=CAP, market=MARKET)
    found = standing([day]).greatest("profit")
    assert found.charge == pytest.approx(alone.charge, abs=1e-6)
    assert found.account.profit_eur == pytest.approx(alone.recleared_profit_eur, rel=1e-6)
    assert found.upper_bound_eur >= alone.recleared_profit_eur - 1e-12


def test_weights_count_days_and_a_day_of_weight_0_does_not_count() -> None:
    days = random_days(2)
    weights = np.array([0.5, 0.25, 0.25, 0.0])
    found = standing(days, weights=weights).greatest("profit")
    without = standing(days[:3], weights=weights[:3]).greatest("profit")
    assert found.account.profit_eur == pytest.approx(without.account.profit_eur, rel=2e-6)
    for charge in np.linspace(0.0, CAP, 101):
        assert means(days, float(charge), weights=weights)[0] <= found.upper_bound_eur + 1e-12


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("share", [0.3, 0.8, 0.999])
def test_every_grid_charge_below_the_least_one_recovers_less(seed: int, share: float) -> None:
    greatest, (charges, values) = best(seed), grid(seed)
    cost = share * greatest.account.profit_eur
    found = least_recovering(asked(seed), cost, greatest=greatest)
    assert found.is_recoverable
    assert means(random_days(seed), found.charge)[0] >= cost - 1e-10
    assert values[charges < found.charge_lower_bound, 0].max(initial=-np.inf) < cost
    assert 0.0 <= found.charge - found.charge_lower_bound <= 1e-4 * CAP


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_no_grid_charge_that_recovers_the_cost_is_better_for_all(seed: int, share: float) -> None:
    greatest, (_, values) = best(seed), grid(seed)
    cost = share * greatest.account.profit_eur
    least = least_recovering(asked(seed), cost, greatest=greatest)
    found = best_welfare_recovering(asked(seed), cost, least=least)
    assert values[values[:, 0] >= cost, 1].max() <= found.upper_bound_eur + 1e-12
    profit, welfare = means(random_days(seed), found.charge)
    assert profit >= cost - 1e-10
    assert found.account.welfare_eur == pytest.approx(welfare, abs=1e-9)
    assert found.relative_gap <= 1.1e-6


def test_a_cost_that_no_charge_recovers_is_proved_to_be_beyond_what_the_days_bear() -> None:
    greatest = best(0)
    found = least_recovering(asked(0), 1.01 * greatest.upper_bound_eur, greatest=greatest)
    assert found.is_recoverable is False
    assert found.account is None
    assert found.charge_lower_bound == np.inf
    assert found.greatest is greatest
    with pytest.raises(ValueError, match=r"EUR a day, and none does\."):
        best_welfare_recovering(asked(0), found.cost_eur, least=found)


def test_a_cost_between_the_best_found_and_the_bound_is_said_to_be_undecided() -> None:
    greatest = replace(best(0), upper_bound_eur=best(0).account.profit_eur + 0.2)
    found = least_recovering(asked(0), best(0).account.profit_eur + 0.1, greatest=greatest)
    assert found.is_recoverable is None
    assert np.isnan(found.charge_lower_bound)


def test_a_cost_of_nothing_is_recovered_by_the_first_charge_that_covers_losses() -> None:
    greatest = best(1)
    found = least_recovering(asked(1), -1e9, greatest=greatest)
    assert found.charge <= 1e-6 * CAP
    assert found.charge_lower_bound <= found.charge


def test_what_is_known_of_a_day_does_not_depend_on_whether_ends_were_kept() -> None:
    [day] = random_days(4, 1)
    game = StandingGame(day=day, network=NETWORK, basis=TARIFF.basis[0], flows="trades", goals=("profit",), cap=CAP)
    coarse = refined(game, Known(), Asked(edges=np.array([0.0, CAP]), allowed=np.array([[0.1]]), most=100), MARKET)
    fine = Asked(edges=np.array([0.0, CAP]), allowed=np.array([[1e-4]]), most=1000)
    kept = refined(game, coarse, fine, MARKET)
    dropped = refined(game, Known(tuple(replace(part, ends=None) for part in coarse.parts), coarse.clearings), fine, MARKET)
    for known in (kept, dropped):
        assert known.parts[0].lower == 0.0
        assert known.parts[-1].upper == CAP
        assert all(before.upper == after.lower for before, after in zip(known.parts, known.parts[1:], strict=False))
        over = [(part.bound - part.chord)[0] @ (1.0, t, t * t) for part in known.parts for t in np.linspace(0, 1, 3)]
        assert np.max(over) <= 1e-4 + 1e-12
    assert dropped.clearings > kept.clearings


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (np.array([0.5, 0.5]), "must be 4 numbers"),
        (np.array([0.5, 0.5, 0.5, -0.5]), "least -0.5"),
        (np.array([1.0, 1.0, 1.0, 1.0]), "sum 4"),
        (np.array([1.0, np.nan, 0.0, 0.0]), "sum nan"),
    ],
)
def test_weights_that_are_none_are_refused(weights: Array, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        standing(random_days(0), weights=weights)


def test_questions_that_cannot_be_asked_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one day"):
        standing([])
    with pytest.raises(ValueError, match="tariff of one coefficient"):
        standing_games(random_days(0), NETWORK, make_tariff("line", NETWORK), cap=CAP)
    only = standing(random_days(0))
    with pytest.raises(ValueError, match="one of profit"):
        only.greatest("welfare")
    with pytest.raises(ValueError, match="finite number of EUR"):
        least_recovering(asked(0), float("nan"), greatest=best(0))
