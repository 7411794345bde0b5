"""One charge that keeps branches within their limits in a share of the scenarios, against grids cleared here."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from builders import random_day, random_network

from gridtoll.agents.optimum import CertificateError, solve_optimum, solve_scenarios
from gridtoll.agents.optimum.standing.kept import as_arrays, go_on_from
from gridtoll.agents.optimum.standing.parts import StandingGame
from gridtoll.agents.optimum.standing.proofs.certificate import secure_certificate, standing_certificate_of
from gridtoll.agents.optimum.standing.risk import Risk
from gridtoll.agents.optimum.standing.search import StandingDays, standing_games
from gridtoll.agents.optimum.standing.secure import SecureCharge, best_secure
from gridtoll.envs.account.settlement import settle
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.community.day import Array
from gridtoll.envs.market.exact.compiled import StructuredMarket

CAP = 0.5
MARKET = StructuredMarket(threads=1)
COUNT = 5


def games(seed: int, limit_kw: float) -> list[StandingGame]:
    network = random_network(1, n=4, limit_kw=limit_kw)
    days = [random_day(10 * seed + number, n=4, periods=3) for number in range(COUNT)]
    return standing_games(days, network, make_tariff("distance", network), cap=CAP, hard_limits=True)


@cache
def grid(seed: int, limit_kw: float) -> tuple[Array, Array]:
    """Profits and whether every branch keeps its limit, of each scenario at 101 charges."""
    profits, secure = [], []
    for charge in np.linspace(0.0, CAP, 101):
        settled = [
            settle(game.day, game.network, charge * game.basis, MARKET.clear(game.day, charge * game.basis))
            for game in games(seed, limit_kw)
        ]
        profits.append([each.profit_eur for each in settled])
        secure.append([each.network_secure for each in settled])
    return np.array(profits), np.array(secure)


def asked(seed: int, limit_kw: float, share: float, *, risk: Risk | None = None, weights: Array | None = None) -> SecureCharge:
    days = StandingDays(games(seed, limit_kw), weights=weights, risk=risk or Risk(), market=MARKET)
    return best_secure(days, "profit", share=share)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("limit_kw", [0.5])
@pytest.mark.parametrize("share", [0.4, 0.8, 1.0])
def test_no_charge_of_a_grid_that_is_secure_in_the_share_is_above_the_bound(seed: int, limit_kw: float, share: float) -> None:
    profits, secure = grid(seed, limit_kw)
    fits = secure.mean(axis=1) >= share - 1e-9
    found = asked(seed, limit_kw, share)
    if found.best is None:
        assert not fits.any()
        assert found.greatest_share >= secure.mean(axis=1).max() - 1e-9
        assert found.greatest_share < share
        return
    best = found.best
    assert best.account.secure_share >= share - 1e-9
    assert np.where(fits, profits.mean(axis=1), -np.inf).max() <= best.upper_bound_eur + 1e-12
    assert best.relative_gap <= 1.1e-6


def test_of_one_scenario_it_is_the_optimum_of_that_day_under_hard_limits() -> None:
    game = games(2, 0.5)[0]
    alone = solve_optimum(game.day, game.network, make_tariff("distance", game.network), cap=CAP, market=MARKET, hard_limits=True)
    found = best_secure(StandingDays([game], market=MARKET), "profit")
    assert (found.best is None) == (alone.secure is False)
    if found.best is not None:
        assert found.best.value_eur == pytest.approx(alone.recleared_profit_eur, rel=2e-6)


def test_weights_count_for_the_share_and_the_worst_part_is_of_all_scenarios() -> None:
    profits, secure = grid(1, 0.5)
    weights, risk = np.array([0.4, 0.3, 0.1, 0.1, 0.1]), Risk(0.5)
    found = asked(1, 0.5, 0.6, weights=weights, risk=risk)
    fits = secure @ weights >= 0.6 - 1e-9
    assert found.best is not None
    assert found.best.account.secure_share >= 0.6 - 1e-9
    assert max(risk.of(each, weights) for each in profits[fits]) <= found.best.upper_bound_eur + 1e-12


def test_a_share_that_no_charge_reaches_is_answered_with_what_is_possible_at_most() -> None:
    found = asked(0, 0.02, 1.0)
    assert found.best is None
    assert grid(0, 0.02)[1].mean(axis=1).max() - 1e-9 <= found.greatest_share < 1.0


def test_what_is_known_of_limits_is_kept_and_answers_again_without_a_clearing() -> None:
    days = StandingDays(games(1, 0.5), market=MARKET)
    found = best_secure(days, "profit", share=0.8)
    again = StandingDays(games(1, 0.5), market=MARKET)
    go_on_from(again, as_arrays(days))
    same = best_secure(again, "profit", share=0.8)
    assert found.best is not None
    assert same.best is not None
    assert (same.best.charge, same.clearings) == (found.best.charge, found.clearings)


def test_one_call_gives_the_secure_charge_or_says_that_there_is_none() -> None:
    found = solve_scenarios(games(1, 0.5), secure_share=0.8, market=MARKET)
    assert found.account.secure_share >= 0.8 - 1e-9
    with pytest.raises(ValueError, match="proved that none is in more than"):
        solve_scenarios(games(0, 0.02), secure_share=1.0, market=MARKET)
    with pytest.raises(ValueError, match="must not both be given"):
        solve_scenarios(games(0, 0.02), secure_share=1.0, recover_eur=1.0, market=MARKET)


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 1, got"):
        asked(0, 0.5, share)


def test_scenarios_made_without_hard_limits_are_refused() -> None:
    network = random_network(1, n=4, limit_kw=0.5)
    days = standing_games([random_day(1, n=4, periods=3)], network, make_tariff("distance", network), cap=CAP)
    with pytest.raises(ValueError, match="hard_limits=True"):
        best_secure(StandingDays(days, market=MARKET), "profit")


@pytest.mark.parametrize(("seed", "limit_kw", "share"), [(1, 0.5, 0.8), (2, 0.5, 1.0), (0, 0.02, 1.0)])
def test_the_proof_of_a_secure_charge_or_of_none_holds_after_it_was_kept_as_text(seed: int, limit_kw: float, share: float) -> None:
    days = StandingDays(games(seed, limit_kw), market=MARKET)
    proof = secure_certificate(days, "profit", best_secure(days, "profit", share=share))
    kept = standing_certificate_of(json.loads(json.dumps(proof.content(), allow_nan=False)), games(seed, limit_kw), source="text")
    assert kept.verify(market=MARKET).greatest_bound_excess_eur <= 1e-9
    tampered: list[tuple[str, Any, str]] = [
        ("secure_share", min(1.0, share + 0.2), "must be secure in a share|adds up to"),
        ("spans", [each[:0] for each in kept.spans], "must have a branch above its limit|not be below"),
        ("spans", kept.spans[1:], "charges for 5 scenarios"),
    ]
    for name, value, words in tampered:
        if not (name == "secure_share" and share == 1.0):
            with pytest.raises(CertificateError, match=words):
                replace(kept, **{name: value}).verify(market=MARKET)
