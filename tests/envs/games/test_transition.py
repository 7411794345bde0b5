"""The transition is written once: what it returns is what its three steps return, for one day and for many, and everybody calls it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from builders import kernel

import gridtoll
from gridtoll.envs.account.objective import reward
from gridtoll.envs.account.settlement import Flows, settle
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.community.sources import load_community
from gridtoll.envs.games.transition import Rules, transition, transitions
from gridtoll.envs.market.exact.compiled import StructuredMarket


@pytest.mark.parametrize("objective", ["profit", "welfare"])
@pytest.mark.parametrize("flows", ["trades", "injections"])
def test_it_is_clearing_settlement_and_reward_one_after_the_other(objective: str, flows: Flows) -> None:
    community = load_community("two-prosumers")
    day, network, tariff = community.day(0), community.network, make_tariff("distance", community.network)
    charges, market = np.full((day.n_periods, 2, 2), 0.03), kernel()
    rules = Rules(network=network, basis=tariff.basis, flows=flows, objective=objective)
    played = transition(rules, market, day, charges)
    clearing = market.clear(day, charges)
    settlement = settle(day, network, charges, clearing, flows=flows, charge_base=tariff.basis)
    assert np.array_equal(played.clearing.trade, clearing.trade)
    assert played.settlement.profit_eur == settlement.profit_eur
    assert played.settlement.charged_kwh == settlement.charged_kwh
    assert played.reward_eur == reward(settlement, objective) == getattr(settlement, f"{objective}_eur")


@pytest.mark.parametrize("objective", ["profit", "welfare"])
def test_many_days_are_each_as_they_are_alone_to_the_last_bit(objective: str) -> None:
    community, market = load_community("ieee9"), StructuredMarket()
    tariff = make_tariff("distance", community.network)
    rules = Rules(network=community.network, basis=tariff.basis, flows="trades", objective=objective)
    days = [community.day(number) for number in (3, 180)]
    charges = np.stack([np.broadcast_to(charge * tariff.basis[0], (24, 9, 9)) for charge in (0.1, 0.3)])
    together = transitions(rules, market, days, charges)
    for row, day in enumerate(days):
        alone = transition(rules, market, day, charges[row])
        assert together.rewards_eur[row] == alone.reward_eur
        assert together.settlements.row(row).surplus_eur.tolist() == alone.settlement.surplus_eur.tolist()


def test_the_gradient_of_the_reward_is_its_slope() -> None:
    community, market = load_community("two-prosumers"), kernel()
    day, tariff = community.day(0), make_tariff("distance", community.network)
    rules = Rules(network=community.network, basis=tariff.basis, flows="trades", objective="profit")

    def earned(charge: float) -> float:
        return transition(rules, market, day, charge * tariff.basis[0]).reward_eur

    charge, step = 0.01, 1e-4
    cleared = transition(rules, market, day, charge * tariff.basis[0])
    slope = float(np.sum(rules.reward_gradient(day, cleared.charges, cleared.clearing) * tariff.basis[0]))
    assert slope == pytest.approx((earned(charge + step) - earned(charge - step)) / (2 * step), rel=1e-6)


def test_nobody_clears_and_settles_on_their_own() -> None:
    """Social P2P has no clearing: it settles a dispatch."""
    root = Path(gridtoll.__file__).resolve().parent
    calls = re.compile(r"(?<![\w.])settle(?:_many)?\(")
    found = {
        file.relative_to(root).as_posix()
        for folder in ("envs", "agents", "train")
        for file in (root / folder).rglob("*.py")
        if any(calls.search(line) and "def settle" not in line for line in file.read_text(encoding="utf-8").splitlines())
    }
    assert found == {"envs/account/settlement.py", "envs/account/social.py", "envs/games/transition.py"}
