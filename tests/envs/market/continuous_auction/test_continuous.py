"""The continuous auction as a mechanism: what it promises, on random, degenerate and named days, and in every environment."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders import DEGENERATE, charges_of, random_day, random_network
from hypothesis import given, settings
from hypothesis import strategies as st
from promises import require_an_hour_each_time, require_mechanism, require_rows_like_the_single_environment

from gridtoll.envs.account.settlement import settle
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.community.day import Array, Day
from gridtoll.envs.community.sources import load_community
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.grid.network import Network
from gridtoll.envs.market.call_auction.plans import plan_alone
from gridtoll.envs.market.continuous_auction import BookEvidence, ContinuousAuction
from gridtoll.envs.market.mechanism import Allocated, make_mechanism
from gridtoll.envs.market.solvers import make_market
from gridtoll.train.task import exact_market_of

EXACT = make_market("structured")


def held(day: Day, charges: Array, **parameters: Any) -> Allocated[BookEvidence]:
    [found] = ContinuousAuction(**parameters).clear_many([day], [charges])
    return found


def require_promises(day: Day, network: Network, charges: Array, found: Allocated[BookEvidence]) -> None:
    """Nobody loses; energy, payments and the operator's revenue add up; the exact clearing is at least as good; nobody left could trade."""
    rounding = 1e-8 * day.turnover_eur
    settled = settle(day, network, charges, found)
    alone = settle(day, network, charges, plan_alone(day))
    assert (settled.surplus_eur >= alone.surplus_eur - rounding).all()
    assert settled.payment_eur.sum() == pytest.approx(0.0, abs=rounding)
    assert settled.revenue_eur == pytest.approx(day.period_hours * (charges * found.trade).sum(), abs=rounding)
    assert found.objective_eur >= EXACT.clear(day, charges).objective_eur - rounding
    supply = found.renewable_used + found.grid_import - found.grid_export + found.storage_discharge - found.storage_charge - found.demand
    np.testing.assert_allclose(supply, found.trade.sum(axis=2) - found.trade.sum(axis=1), atol=1e-7)
    assert (found.trade <= day.trade_limit).all()
    evidence = found.evidence
    assert evidence.left_gain_eur_per_kwh < 0
    assert evidence.gain_eur >= -rounding
    assert evidence.plans.certificate.holds()
    orders = evidence.orders
    assert (orders.left_kw >= 0).all()
    filled = np.where(orders.is_bid, 1.0, -1.0) * (orders.kw - orders.left_kw)
    assert filled.sum() == pytest.approx(0.0, abs=1e-9 * max(1.0, orders.kw.sum())), "what is bought is sold"
    assert ((orders.price <= orders.limit_price) | ~orders.is_bid).all()
    assert ((orders.price >= orders.limit_price) | orders.is_bid).all()


@given(
    seed=st.integers(0, 10_000),
    charge=st.sampled_from([0.0, 0.02, 0.1]),
    steps=st.integers(1, 7),
    traders=st.sampled_from(["truthful", "zero-intelligence"]),
)
@settings(max_examples=25)
def test_the_promises_hold_on_random_days(seed: int, charge: float, steps: int, traders: Any) -> None:
    day = random_day(seed)
    charges = np.broadcast_to(charges_of(day, charge), (6, 5, 5)) if seed % 2 else np.full((6, 5, 5), charge)
    require_promises(day, random_network(seed), charges, held(day, charges, steps=steps, traders=traders, seed=seed))


@pytest.mark.parametrize("name", DEGENERATE)
def test_the_promises_hold_on_degenerate_days(name: str) -> None:
    day = DEGENERATE[name]()
    charges = np.broadcast_to(charges_of(day, 0.02), (day.n_periods, day.n_prosumers, day.n_prosumers))
    found = held(day, charges)
    if day.n_prosumers > 1:
        require_promises(day, random_network(3, n=day.n_prosumers), charges, found)
    else:
        np.testing.assert_allclose(found.demand, plan_alone(day).demand)


def test_it_keeps_the_promises_of_every_mechanism() -> None:
    days = [random_day(1), random_day(4)]
    require_mechanism(ContinuousAuction(), days, [np.broadcast_to(charges_of(day, 0.02), (6, 5, 5)) for day in days])


@pytest.mark.parametrize(("community", "day"), [("two-prosumers", 0), ("simbench-rural", 180), ("ieee9", 30)])
def test_the_promises_hold_on_named_days(community: str, day: int) -> None:
    whose = load_community(community)
    today, tariff = whose.day(day, price_path=0), make_tariff("distance", whose.network, "day")
    charges = tariff.charges(tariff.read(np.array([0.1]), whose.n_periods, 1.0))
    for traders in ("truthful", "zero-intelligence"):
        require_promises(today, whose.network, charges, held(today, charges, traders=traders))


def test_the_same_seed_gives_the_same_day_and_another_seed_another() -> None:
    day = load_community("simbench-rural").day(180, price_path=0)
    charges = np.full((24, 13, 13), 0.02)
    first, again, other = held(day, charges), held(day, charges), held(day, charges, seed=1)
    assert np.array_equal(first.trade, again.trade)
    assert np.array_equal(first.trade_price, again.trade_price)
    assert not np.array_equal(first.trade, other.trade)


def test_other_charges_meet_the_same_arrivals_and_prices() -> None:
    day = load_community("simbench-rural").day(180, price_path=0)
    for traders in ("truthful", "zero-intelligence"):
        low, high = (held(day, np.full((24, 13, 13), charge), traders=traders).evidence.orders for charge in (0.0, 0.2))
        for name in ("period", "owner", "is_bid", "price", "kw"):
            assert np.array_equal(getattr(low, name), getattr(high, name))


def test_days_of_the_same_numbers_have_arrivals_of_their_own() -> None:
    day = load_community("simbench-rural").day(180, price_path=0)
    charges = np.full((24, 13, 13), 0.02)
    assert not np.array_equal(held(day, charges).trade, held(replace(day, label="another day"), charges).trade)


def test_truthful_traders_keep_more_of_the_gain_than_random_ones() -> None:
    """As a check of direction: on a day with much to win, prices drawn at random leave half of it."""
    day = load_community("simbench-rural").day(100, price_path=0)
    charges = np.zeros((24, 13, 13))
    alone = plan_alone(day).objective_eur
    truthful, random = (alone - held(day, charges, traders=who).objective_eur for who in ("truthful", "zero-intelligence"))
    assert truthful > 1.5 * random > 0


def test_charges_so_high_that_nothing_trades_leave_the_plans_alone() -> None:
    day = random_day(2)
    found = held(day, np.full((6, 5, 5), 5.0))
    assert not found.trade.any()
    assert found.objective_eur == pytest.approx(plan_alone(day).objective_eur)


def test_it_is_chosen_by_name_with_parameters() -> None:
    made = make_mechanism("continuous-auction:steps=3,traders=zero-intelligence,seed=7")
    assert made == ContinuousAuction(steps=3, traders="zero-intelligence", seed=7)
    assert pickle.loads(pickle.dumps(made)) == made


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("continuous-auction:steps=0", "`steps` of continuous-auction must be a whole number from 1, got 0"),
        ("continuous-auction:seed=-1", "`seed` of continuous-auction must be a whole number from 0, got -1"),
        ("continuous-auction:traders=truthfull", "must be one of truthful, zero-intelligence; got 'truthfull'. Did you mean 'truthful'"),
        ("continuous-auction:sed=1", "a parameter of mechanism 'continuous-auction' must be one of .*; got 'sed'. Did you mean 'seed'"),
    ],
)
def test_a_parameter_that_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_mechanism(text)


def test_the_certified_optimum_is_refused() -> None:
    with pytest.raises(ValueError, match="need `mechanism` 'exact', whose response is known exactly, got 'continuous-auction'"):
        exact_market_of(GameSpec(mechanism="continuous-auction"))


def test_rows_of_a_batch_equal_the_single_environment_to_the_last_bit() -> None:
    names = ["gain_eur", "fills", "left_gain_eur_per_kwh", "traded_kwh"]
    require_rows_like_the_single_environment("continuous-auction:seed=3", names)


def test_the_hourly_environment_holds_one_every_hour() -> None:
    require_an_hour_each_time("continuous-auction", lambda info: bool(info["left_gain_eur_per_kwh"] < 0))
