"""The best charges of each hour under the call auction: every hour by itself, proved, whoever has storage where matchings say it all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gridtoll.agents.optimum.call_auction import AuctionOptimum, solve_auction_hours, solve_call_auction
from gridtoll.agents.optimum.call_auction.check import verify
from gridtoll.envs.arrays import Array
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.community.day import Day
from gridtoll.envs.games.setting import Setting
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.games.transition import transitions
from gridtoll.envs.market.call_auction import CallAuction
from gridtoll.train.task import environment_of

AUCTION = CallAuction()


def situation(number: int, *, stores: bool = True, **fields: Any) -> tuple[Day, Setting]:
    setting = environment_of(GameSpec(mechanism="call-auction", charges_per="hour", **fields)).setting
    day = setting.day_of(Scenario(number, 0))
    if not stores:
        nothing = np.zeros(day.n_prosumers)
        day = replace(day, storage_power=nothing, storage_capacity=nothing, storage_start=nothing, storage_end=None)
    return day, setting


def solved(day: Day, setting: Setting) -> AuctionOptimum:
    return solve_auction_hours(day, setting.rules, setting.tariff, AUCTION, cap=setting.charge_cap)


def earned(day: Day, setting: Setting, charges: Array) -> Array:
    """Return what sequences of charges earn, shape (R,), for charges of shape (R, T)."""
    posted = np.stack([setting.tariff.charges(each[:, None]) for each in charges])
    return transitions(setting.rules, AUCTION, [day] * len(charges), posted).rewards_eur


@pytest.mark.parametrize(
    ("number", "fields"),
    [
        (120, {"community": "two-prosumers"}),
        (180, {"community": "simbench-rural", "tariff": "unique"}),
        (120, {"community": "two-prosumers", "import_fee": 0.02, "stores": False}),
        (120, {"community": "two-prosumers", "objective": "welfare", "stores": False}),
    ],
    ids=lambda value: " ".join(map(str, value.values())) if isinstance(value, dict) else str(value),
)
def test_the_bound_is_met_and_nothing_played_earns_more(number: int, fields: dict[str, Any]) -> None:
    day, setting = situation(number, **fields)
    best = solved(day, setting)
    assert 0 <= best.relative_gap <= 1e-7
    assert best.charges.shape == (24,)
    [again] = earned(day, setting, best.charges[None])
    assert again == best.best_eur
    assert verify(day, best.orders, setting.tariff.basis[0], best.stretches, cap=setting.charge_cap) <= 1e-8
    random = np.random.default_rng(number)
    near = np.clip(
        best.charges + setting.charge_cap * random.normal(scale=[[0.001]] * 4 + [[0.1]] * 4, size=(8, 24)), 0, setting.charge_cap
    )
    assert earned(day, setting, near).max() <= best.upper_bound_eur + 1e-9 * day.turnover_eur


def test_one_charge_for_the_day_earns_less() -> None:
    day, setting = situation(120, community="two-prosumers")
    one = solve_call_auction(day, setting.rules, replace(setting.tariff, per="day"), AUCTION, cap=setting.charge_cap)
    assert one.best_eur < 0.95 * solved(day, setting).best_eur


def test_hours_of_one_account_solved_as_days_of_their_own_are_the_same_charges() -> None:
    day, setting = situation(120, community="two-prosumers", stores=False)
    whole = solved(day, setting)
    fee = solve_auction_hours(replace(day, import_fee=1e-12), setting.rules, setting.tariff, AUCTION, cap=setting.charge_cap)
    assert fee.best_eur == pytest.approx(whole.best_eur, abs=1e-9)
    np.testing.assert_allclose(fee.charges, whole.charges, atol=1e-7)


def test_hours_that_storage_ties_together_are_refused_with_what_can_be_had() -> None:
    day, setting = situation(120, community="simbench-rural", import_fee=0.02)
    with pytest.raises(
        ValueError, match=r"hours are apart under a call auction where profit .* 5 prosumers with storage\. The best charges"
    ):
        solved(day, setting)
    with pytest.raises(ValueError, match="breakpoints of each hour are those of one coefficient an hour, got a zonal tariff per hour"):
        solved(*situation(120, community="two-prosumers", tariff="zonal"))
