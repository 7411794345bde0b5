"""Random sets of scenarios, weights, risks, shares and costs: no charge of a grid that CVXPY clears is better than what was proved."""

from __future__ import annotations

import numpy as np
import pytest
from builders import random_day, random_network

from gridtoll.agents.optimum.agreement import EXACTNESS
from gridtoll.agents.optimum.standing.parts import StandingGame
from gridtoll.agents.optimum.standing.recovery import best_welfare_recovering, least_recovering
from gridtoll.agents.optimum.standing.risk import MEAN, Risk
from gridtoll.agents.optimum.standing.search import StandingDays, standing_games
from gridtoll.agents.optimum.standing.secure import best_secure
from gridtoll.envs.account.settlement import Settlement, settle
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.community.day import Array
from gridtoll.envs.market.exact import P2PMarket
from gridtoll.envs.market.exact.compiled import StructuredMarket

CAP, CHARGES, EXACT_EUR = 0.5, 25, 1e-8
MARKET = StructuredMarket(threads=1)


def drawn(random: np.random.Generator) -> tuple[list[StandingGame], Array]:
    """One or two communities, one to four scenarios, weights of which some are 0."""
    games: list[StandingGame] = []
    for _ in range(int(random.integers(1, 3))):
        network = random_network(int(random.integers(100)), n=3, limit_kw=float(random.choice([0.3, 0.8, 3.0])))
        days = [random_day(int(random.integers(10_000)), n=3, periods=2) for _ in range(int(random.integers(1, 3)))]
        games += standing_games(days, network, make_tariff("distance", network), cap=CAP, goals=("profit", "welfare"), hard_limits=True)
    weights = random.dirichlet(np.ones(len(games))) * (random.random(len(games)) < 0.8)
    return games, np.full(len(games), 1.0 / len(games)) if weights.sum() == 0.0 else weights / weights.sum()


def grid(games: list[StandingGame]) -> list[list[Settlement]]:
    """Every scenario at every charge of a grid, cleared by CVXPY."""
    market, found = P2PMarket(), []
    for charge in np.linspace(0.0, CAP, CHARGES):
        posted = [charge * game.basis for game in games]
        found.append([settle(game.day, game.network, each, market.clear(game.day, each)) for game, each in zip(games, posted, strict=True)])
    return found


@pytest.mark.long
@pytest.mark.parametrize("seed", range(12))
def test_no_charge_of_a_grid_that_cvxpy_clears_is_better_than_what_was_proved(seed: int) -> None:
    random = np.random.default_rng((19, seed))
    games, weights = drawn(random)
    settled = grid(games)
    profit, welfare, secure = (
        np.array([[getattr(each, name) for each in row] for row in settled]) for name in ("profit_eur", "welfare_eur", "network_secure")
    )
    risk = Risk(float(random.choice([1.0, 0.0, random.random()])))
    days = StandingDays(games, weights=weights, risk=risk, market=MARKET)
    for goal, values in (("profit", profit), ("welfare", welfare)):
        found = days.greatest(goal)  # type: ignore[arg-type]
        assert max(risk.of(each, weights) for each in values) <= found.upper_bound_eur + EXACT_EUR
        stake = days.yardstick_eur(found.account, goal)  # type: ignore[arg-type]
        assert found.upper_bound_eur - found.value_eur <= 1.001e-6 * stake + EXACTNESS * days.turnover_eur
    share = float(random.uniform(0.2, 1.0))
    held = best_secure(days, "profit", share=share)
    fits = secure @ weights >= share - 1e-9
    bound = -np.inf if held.best is None else held.best.upper_bound_eur
    assert max((risk.of(each, weights) for each in profit[fits]), default=-np.inf) <= bound + EXACT_EUR
    mean = StandingDays(games, weights=weights, risk=MEAN, market=MARKET)
    greatest = mean.greatest("profit")
    cost = float(random.uniform(0.1, 0.9)) * greatest.value_eur
    least = least_recovering(mean, cost, greatest=greatest)
    recovers = profit @ weights >= cost + EXACT_EUR
    assert (np.linspace(0.0, CAP, CHARGES)[recovers] >= least.charge_lower_bound - 1e-12).all()
    good = best_welfare_recovering(mean, cost, least=least)
    assert (welfare[recovers] @ weights <= good.upper_bound_eur + EXACT_EUR).all()
