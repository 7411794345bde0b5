"""The proof of a standing charge, kept and checked by arithmetic of its own; what was changed in it is found."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from builders import random_day, random_network

from gridtoll.agents.optimum import CertificateError, Risk, standing_games
from gridtoll.agents.optimum.standing.parts import StandingGame
from gridtoll.agents.optimum.standing.proofs.certificate import StandingCertificate, standing_certificate, standing_certificate_of
from gridtoll.agents.optimum.standing.search import StandingDays
from gridtoll.agents.optimum.verification.stated import Stated, greatest
from gridtoll.envs.account.objective import ExactObjective
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.market.exact.compiled import StructuredMarket

CAP = 0.5
NETWORK = random_network(1, n=4, limit_kw=2.0)
MARKET = StructuredMarket(threads=1)


def games(seed: int, goal: ExactObjective = "profit") -> list[StandingGame]:
    days = [random_day(10 * seed + number, n=4, periods=2) for number in range(3)]
    return standing_games(days, NETWORK, make_tariff("distance", NETWORK), cap=CAP, goals=(goal,))


@cache
def proof(seed: int, goal: ExactObjective = "profit", part: float = 1.0) -> StandingCertificate:
    days = StandingDays(games(seed, goal), weights=np.array([0.5, 0.3, 0.2]), risk=Risk(part), market=MARKET)
    return standing_certificate(days, days.greatest(goal))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("goal", "part"), [("profit", 1.0), ("welfare", 1.0), ("profit", 0.4), ("profit", 0.0)])
def test_a_right_proof_holds_after_it_was_kept_as_text(seed: int, goal: ExactObjective, part: float) -> None:
    certificate = proof(seed, goal, part)
    kept = json.loads(json.dumps(certificate.content()))
    found = standing_certificate_of(kept, games(seed, goal), source="text").verify(market=MARKET)
    assert found.greatest_difference_eur <= found.tolerance_eur
    assert found.greatest_bound_excess_eur <= 1e-9
    assert found.clearings >= sum(len(each) for each in certificate.edges)


def raised_bound(content: dict[str, Any]) -> None:
    """The upper bound is lowered to what was found, which no bound of a scenario follows."""
    content["upper_bound_eur"] = content["value_eur"] = content["value_eur"] * (1 - 1e-4)


def lowered_part(content: dict[str, Any]) -> None:
    """All bounds of a scenario are lowered, and the upper bound with them."""
    each = content["scenarios"][0]
    each["bounds_eur"] = (np.array(each["bounds_eur"]) - 1e-3).tolist()


def raised_part(content: dict[str, Any]) -> None:
    content["scenarios"][0]["bounds_eur"][3][1] += 1.0


def other_weights(content: dict[str, Any]) -> None:
    content["scenarios"][0]["weight"], content["scenarios"][1]["weight"] = 0.3, 0.5


def greater_weight(content: dict[str, Any]) -> None:
    content["scenarios"][0]["weight"] = 0.6


def other_charge(content: dict[str, Any]) -> None:
    content["charge"] *= 0.9


def dropped_interval(content: dict[str, Any]) -> None:
    for each in content["scenarios"]:
        each["knots"], each["bounds_eur"] = each["knots"][1:], each["bounds_eur"][1:]


def fewer_edges(content: dict[str, Any]) -> None:
    """What is stated stands, but is not checked everywhere."""
    content["scenarios"][0]["edges"] = content["scenarios"][0]["edges"][:3]


def no_number(content: dict[str, Any]) -> None:
    content["scenarios"][1]["bounds_eur"][0][0] = float("nan")


def below_its_value(content: dict[str, Any]) -> None:
    content["upper_bound_eur"] = content["value_eur"] - 1.0


@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        (raised_bound, "may bring the scenarios more than"),
        (lowered_part, "may not exceed what is stated"),
        (raised_part, "may bring the scenarios more than"),
        (other_weights, "more than|must bring"),
        (greater_weight, "sum to 1"),
        (other_charge, "must bring"),
        (dropped_interval, "must cover every charge"),
        (fewer_edges, "without holes"),
        (no_number, "finite numbers"),
        (below_its_value, "must not be below"),
    ],
)
def test_what_was_changed_in_a_proof_is_found(tamper: Callable[[dict[str, Any]], None], words: str) -> None:
    content = copy.deepcopy(proof(0).content())
    tamper(content)
    with pytest.raises(CertificateError, match=words):
        standing_certificate_of(content, games(0), source="text").verify(market=MARKET)


def test_a_scenario_that_was_swapped_or_is_missing_is_found() -> None:
    content = copy.deepcopy(proof(0).content())
    content["scenarios"][0], content["scenarios"][1] = content["scenarios"][1], content["scenarios"][0]
    with pytest.raises(ValueError, match=r"other data for those numbered 0, 1"):
        standing_certificate_of(content, games(0), source="text")
    with pytest.raises(ValueError, match="about these 2 scenarios"):
        standing_certificate_of(proof(0).content(), games(0)[:2], source="text")


@pytest.mark.parametrize("content", [{}, {"format": "x", "scenarios": 3}, {**proof(0).content(), "format": "other"}])
def test_what_is_no_proof_of_a_standing_charge_is_refused(content: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"proof of a standing charge|must be of format"):
        standing_certificate_of(content, games(0), source="text")


@pytest.mark.parametrize("part", [1.0, 0.5, 0.0])
def test_the_greatest_sum_is_above_every_sum_and_touches_one(part: float) -> None:
    """Against the definition: the least mean over choices of scenarios, at many charges."""
    random = np.random.default_rng(5)
    stated = [Stated(np.array([0.0, *sorted(random.random(3)), 1.0]), random.normal(size=(4, 3))) for _ in range(4)]
    weights = random.dirichlet(np.ones(4))
    most = -np.inf
    for lower, upper in pairwise(np.unique(np.concatenate([each.knots for each in stated])).tolist()):
        pieces = [int(np.searchsorted(each.knots, lower, "right")) - 1 for each in stated]
        for charge in np.linspace(lower, upper, 1001):
            values = np.array([float(each.at(charge, piece)) for each, piece in zip(stated, pieces, strict=True)])
            most = max(most, Risk(part).of(values, weights))
    found = greatest(stated, weights, part, target=most + 0.01)
    assert most <= found + 1e-12
    assert found <= most + 0.01
    assert greatest(stated, weights, part, target=most - 0.1) >= most - 1e-12
