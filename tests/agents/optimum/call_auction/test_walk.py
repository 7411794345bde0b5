"""The leader's optimum under the call auction: all breakpoints, proved; no charge that is played earns more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders import random_day, random_network

from gridtoll.agents.optimum.call_auction import AuctionOptimum, solve_call_auction, stretches_of
from gridtoll.agents.optimum.call_auction.check import verify
from gridtoll.agents.optimum.call_auction.stretches import MatchingStretch
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.community.day import Day
from gridtoll.envs.games.setting import Setting
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.games.transition import Rules, transition
from gridtoll.envs.market.call_auction import CallAuction
from gridtoll.envs.market.call_auction.orders import Orders, orders_of
from gridtoll.envs.market.call_auction.plans import plan_alone
from gridtoll.train.task import environment_of


def game(**fields: Any) -> tuple[Setting, CallAuction]:
    environment = environment_of(GameSpec(mechanism="call-auction", **fields))
    mechanism: Any = environment.mechanism
    return environment.setting, mechanism


def solved(day: Day, setting: Setting, mechanism: CallAuction) -> AuctionOptimum:
    return solve_call_auction(day, setting.rules, setting.tariff, mechanism, cap=setting.charge_cap)


def played(day: Day, rules: Rules, mechanism: CallAuction, basis: Any, charge: float) -> float:
    return transition(rules, mechanism, day, np.broadcast_to(charge * basis, (day.n_periods, *basis.shape))).reward_eur


@pytest.mark.parametrize(
    ("fields", "number"),
    [
        ({"community": "simbench-rural"}, 180),
        ({"community": "simbench-rural", "tariff": "unique"}, 100),
        ({"community": "ieee9"}, 30),
        ({"community": "two-prosumers", "flows": "injections", "import_fee": 0.02}, 120),
        ({"community": "two-prosumers", "objective": "welfare"}, 120),
    ],
    ids=lambda value: " ".join(map(str, value.values())) if isinstance(value, dict) else str(value),
)
def test_no_charge_on_a_grid_earns_more_and_the_bound_is_met(fields: dict[str, Any], number: int) -> None:
    setting, mechanism = game(**fields)
    day, basis = setting.day_of(Scenario(number, 0)), setting.tariff.basis[0]
    best = solved(day, setting, mechanism)
    [charge] = best.charges
    assert 0 <= best.relative_gap <= 1e-7
    assert best.best_eur == played(day, setting.rules, mechanism, basis, charge)
    around = charge * np.array([0.5, 0.9, 0.999, 1.001, 1.1])
    for other in [*np.linspace(0.0, setting.charge_cap, 40), *around[around <= setting.charge_cap]]:
        assert played(day, setting.rules, mechanism, basis, float(other)) <= best.upper_bound_eur * (1 + 1e-12)
    assert verify(day, best.orders, basis, best.stretches, cap=setting.charge_cap) <= 1e-8


@pytest.mark.parametrize("seed", range(6))
def test_random_days_are_walked_whole_and_no_charge_drawn_at_random_earns_more(seed: int) -> None:
    day, network = random_day(seed), random_network(seed)
    tariff = make_tariff("distance" if seed % 2 else "unique", network, "day")
    rules = Rules(network=network, basis=tariff.basis, flows="trades", objective="profit")
    mechanism, basis, cap = CallAuction(steps=1 + seed % 4), tariff.basis[0], 0.5
    best = solve_call_auction(day, rules, tariff, mechanism, cap=cap)
    assert best.relative_gap <= 1e-6
    assert verify(day, best.orders, basis, best.stretches, cap=cap) <= 1e-8
    random = np.random.default_rng(seed)
    for charge in [*random.uniform(0, cap, 40), *random.uniform(0, 0.1 * cap, 40)]:
        assert played(day, rules, mechanism, basis, float(charge)) <= best.upper_bound_eur + 1e-9 * day.turnover_eur


def test_what_a_stretch_trades_is_what_the_auction_trades_within_it() -> None:
    setting, mechanism = game(community="simbench-rural")
    day, basis = setting.day_of(Scenario(180, 0)), setting.tariff.basis[0]
    orders = orders_of(day, plan_alone(day), mechanism.steps)
    stretches, matchings = stretches_of(day, orders, basis, cap=setting.charge_cap)
    assert matchings < 150, "periods are walked side by side"
    random = np.random.default_rng(1)
    for charge in random.uniform(0.0, 0.6, 8):
        [found] = mechanism.clear_many([day], [np.broadcast_to(charge * basis, (24, 13, 13))])
        for period, each in enumerate(stretches):
            stretch = next(stretch for stretch in each if charge <= stretch.high.charge)
            np.testing.assert_allclose(found.trade[period], stretch.high.trade, atol=1e-5)


@pytest.fixture(scope="module")
def walked() -> tuple[Day, Orders, Any, list[list[MatchingStretch]]]:
    setting, mechanism = game(community="ieee9")
    day, basis = setting.day_of(Scenario(30, 0)), setting.tariff.basis[0]
    orders = orders_of(day, plan_alone(day), mechanism.steps)
    return day, orders, basis, stretches_of(day, orders, basis, cap=1.0)[0]


def test_a_list_with_a_stretch_left_out_or_moved_is_refused(walked: tuple[Day, Orders, Any, list[list[MatchingStretch]]]) -> None:
    day, orders, basis, stretches = walked
    period = max(range(24), key=lambda each: len(stretches[each]))
    own = stretches[period]
    assert len(own) > 10
    for changed in (own[:3] + own[4:], own[1:], own[:-1], []):
        with pytest.raises(ValueError, match="stretches must"):
            verify(day, orders, basis, [*stretches[:period], changed, *stretches[period + 1 :]], cap=1.0)
    joined = [*own[:3], MatchingStretch(low=own[3].low, high=own[4].high), *own[5:]]  # one matching for two stretches
    with pytest.raises(ValueError, match="must be the best within it"):
        verify(day, orders, basis, [*stretches[:period], joined, *stretches[period + 1 :]], cap=1.0)


@pytest.mark.parametrize("name", ["energy_kw", "worth", "trade", "ask_filled", "seller_price", "buyer_price"])
def test_a_changed_number_is_found(walked: tuple[Day, Orders, Any, list[list[MatchingStretch]]], name: str) -> None:
    day, orders, basis, stretches = walked
    period = max(range(24), key=lambda each: len(stretches[each]))
    own = list(stretches[period])
    high = own[3].high
    changed = high._replace(**{name: getattr(high, name) * 1.01})
    own[3] = replace(own[3], high=changed)
    with pytest.raises(ValueError, match=r"must be the best within it|a matching must trade"):
        verify(day, orders, basis, [*stretches[:period], own, *stretches[period + 1 :]], cap=1.0)


def test_several_coefficients_are_refused() -> None:
    setting, mechanism = game(community="two-prosumers", tariff="zonal")
    with pytest.raises(ValueError, match="breakpoints are those of one coefficient for the day, got a zonal tariff per day"):
        solved(setting.day_of(Scenario(0, 0)), setting, mechanism)
