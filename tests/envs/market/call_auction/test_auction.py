"""The call auction as a mechanism: what it promises, on random, degenerate and named days, and in every environment."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders import DEGENERATE, charges_of, pair_day, pair_network, random_day, random_network
from hypothesis import given, settings
from hypothesis import strategies as st
from promises import require_an_hour_each_time, require_rows_like_the_single_environment

from gridtoll.envs.account.settlement import settle
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.community.day import Array, Day
from gridtoll.envs.community.sources import load_community
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.grid.network import Network
from gridtoll.envs.market.call_auction import AuctionEvidence, CallAuction
from gridtoll.envs.market.call_auction.orders import orders_of
from gridtoll.envs.market.call_auction.plans import plan_alone
from gridtoll.envs.market.mechanism import Allocated, Mechanism, make_mechanism
from gridtoll.envs.market.solvers import make_market
from gridtoll.train.task import exact_market_of

EXACT = make_market("structured")


def held(day: Day, charges: Array, **parameters: Any) -> Allocated[AuctionEvidence]:
    [found] = CallAuction(**parameters).clear_many([day], [charges])
    return found


def efficiency(day: Day, charges: Array, found: Allocated[AuctionEvidence]) -> float:
    """The share of what the exact clearing gains that the auction keeps; 1 where there is nothing to gain."""
    alone, best = plan_alone(day).objective_eur, EXACT.clear(day, charges).objective_eur
    return (alone - found.objective_eur) / (alone - best) if alone - best > 1e-6 * day.turnover_eur else 1.0


def require_promises(day: Day, network: Network, charges: Array, found: Allocated[AuctionEvidence]) -> None:
    """Nobody loses; energy, payments and the operator's revenue add up; the exact clearing is at least as good."""
    rounding = 1e-8 * day.turnover_eur
    settled = settle(day, network, charges, found)
    alone = settle(day, network, charges, plan_alone(day))
    assert (settled.surplus_eur >= alone.surplus_eur - rounding).all()
    assert settled.payment_eur.sum() == pytest.approx(0.0, abs=rounding)
    assert settled.revenue_eur == pytest.approx(day.period_hours * (charges * found.trade).sum(), abs=rounding)
    assert settled.surplus_eur.sum() == pytest.approx(-found.objective_eur, abs=rounding)
    assert found.objective_eur >= EXACT.clear(day, charges).objective_eur - rounding
    supply = found.renewable_used + found.grid_import - found.grid_export + found.storage_discharge - found.storage_charge - found.demand
    np.testing.assert_allclose(supply, found.trade.sum(axis=2) - found.trade.sum(axis=1), atol=1e-7)
    orders, filled = found.evidence.orders, found.evidence.matching
    assert (filled.ask_filled <= orders.ask_kw).all()
    assert (filled.bid_filled <= orders.bid_kw).all()
    assert (found.trade <= day.trade_limit * (1 + 1e-12)).all()
    assert abs(found.evidence.matching_gap) <= 1e-9
    assert found.evidence.plans.certificate.holds()


@given(
    seed=st.integers(0, 10_000),
    charge=st.sampled_from([0.0, 0.02, 0.1]),
    steps=st.integers(1, 7),
    pricing=st.sampled_from(["uniform", "pair"]),
)
@settings(max_examples=25)
def test_the_promises_hold_on_random_days(seed: int, charge: float, steps: int, pricing: Any) -> None:
    day = random_day(seed)
    charges = np.broadcast_to(charges_of(day, charge), (6, 5, 5)) if seed % 2 else np.full((6, 5, 5), charge)
    require_promises(day, random_network(seed), charges, held(day, charges, steps=steps, pricing=pricing))


@pytest.mark.parametrize("name", DEGENERATE)
def test_the_promises_hold_on_degenerate_days(name: str) -> None:
    day = DEGENERATE[name]()
    shape = (day.n_periods, day.n_prosumers, day.n_prosumers)
    charges = np.broadcast_to(charges_of(day, 0.02), shape)
    network = random_network(3, n=max(2, day.n_prosumers))
    found = held(day, charges)
    if day.n_prosumers > 1:
        require_promises(day, network, charges, found)
    else:
        np.testing.assert_allclose(found.demand, plan_alone(day).demand)


def test_two_prosumers_in_closed_form() -> None:
    """The seller keeps 1 kW of 4, the buyer needs 2 kW: one step each, at the mean of what it replaces."""
    fixed = np.array([[1.0, 2.0]])
    day = pair_day(demand_min=fixed, demand_max=fixed, renewable=[[4.0, 0.0]])  # ε_g = 0.01, ε = 0.04
    charges = np.full((1, 2, 2), 0.05)
    bid = 0.32 + 0.01 * 1.0 - 0.5 * 0.04 * 1.0
    ask = 0.12 - 0.01 * 1.5 + 0.5 * 0.04 * 1.5
    pair, one = held(day, charges, steps=1, pricing="pair"), held(day, charges, steps=1)
    assert pair.evidence.orders.bid_kw[0, :, 0] == pytest.approx([0.0, 2.0])
    assert pair.evidence.orders.ask_kw[0, :, 0] == pytest.approx([3.0, 0.0])
    assert pair.trade[0, 0, 1] == pytest.approx(2.0)
    assert pair.trade_price[0, 0, 1] == pytest.approx(0.5 * (bid + ask))
    assert one.trade_price[0, 0, 1] == pytest.approx(ask + 0.025)  # the ask is filled in part, so that it is the margin
    settled = settle(day, pair_network(), charges, pair)
    paid = 2.0 * (0.5 * (bid + ask) + 0.025) + 0.25 * 0.04 * 4.0
    utility = 1.2 * 2.0 - 0.5 * 0.1 * 4.0
    assert settled.surplus_eur[1] == pytest.approx(utility - paid)
    assert settled.revenue_eur == pytest.approx(0.10)


def test_no_part_of_a_curve_is_dropped() -> None:
    """All steps together reach from the plan alone to the retail price, however many there are."""
    day = random_day(4, trade_friction=1e-9)
    for steps in (1, 3, 11):
        orders = orders_of(day, plan_alone(day), steps)
        once = orders_of(day, plan_alone(day), 1)
        np.testing.assert_allclose(orders.ask_kw.sum(axis=-1), once.ask_kw.sum(axis=-1), atol=1e-6)
        np.testing.assert_allclose(orders.bid_kw.sum(axis=-1), once.bid_kw.sum(axis=-1), atol=1e-6)
        worth, whole = (orders.ask_kw * orders.ask_price).sum(axis=-1), (once.ask_kw * once.ask_price).sum(axis=-1)
        np.testing.assert_allclose(worth, whole, atol=1e-6)


def test_asks_rise_and_bids_fall() -> None:
    for seed in range(10):
        orders = orders_of(random_day(seed), plan_alone(random_day(seed)), 6)
        for price, kw, sign in ((orders.ask_price, orders.ask_kw, 1.0), (orders.bid_price, orders.bid_kw, -1.0)):
            for step in range(5):
                both = (kw[..., step] > 0) & (kw[..., step + 1] > 0)
                assert (sign * (price[..., step + 1] - price[..., step])[both] > 0).all()


@pytest.mark.parametrize("seed", [0, 1, 5])
def test_the_order_of_prosumers_does_not_matter(seed: int) -> None:
    day = random_day(seed, n=6)
    charges = np.full((6, 6, 6), 0.02)
    order = np.random.default_rng(seed).permutation(6)
    by_prosumer = ("demand_min", "demand_max", "utility_curvature", "utility_slope", "renewable")
    owned = [name for name, value in day.arrays().items() if name not in by_prosumer and np.shape(value) == (6,) and "price" not in name]
    changed: dict[str, Any] = {name: getattr(day, name)[:, order] for name in by_prosumer} | {
        name: getattr(day, name)[order] for name in owned
    }
    changed |= {name: getattr(day, name)[np.ix_(order, order)] for name in ("trade_limit", "trade_friction")}
    found, permuted = held(day, charges), held(replace(day, **changed), charges)
    np.testing.assert_allclose(permuted.trade, found.trade[:, order][:, :, order], atol=1e-6)
    np.testing.assert_allclose(permuted.trade_price, found.trade_price[:, order][:, :, order], atol=1e-6)
    assert found.trade.any()


def test_charges_so_high_that_nothing_trades_leave_the_plans_alone() -> None:
    day = random_day(2)
    found = held(day, np.full((6, 5, 5), 5.0))
    alone = plan_alone(day)
    assert not found.trade.any()
    assert found.objective_eur == pytest.approx(alone.objective_eur)
    np.testing.assert_allclose(found.demand, alone.demand, atol=1e-9)


@pytest.mark.parametrize(
    ("community", "day", "kept"), [("two-prosumers", 0, None), ("simbench-rural", 180, 0.3929), ("simbench-rural", 100, 0.7848)]
)
def test_efficiency_on_named_communities_is_what_the_documents_say(community: str, day: int, kept: float | None) -> None:
    whose = load_community(community)
    today, tariff = whose.day(day, price_path=0), make_tariff("distance", whose.network, "day")
    charges = tariff.charges(tariff.read(np.array([0.1]), whose.n_periods, 1.0))
    found = held(today, charges)
    require_promises(today, whose.network, charges, found)
    share = efficiency(today, charges, found)
    assert share <= 1 + 1e-9
    if kept is not None:
        assert share == pytest.approx(kept, abs=2e-3)


def test_it_is_chosen_by_name_with_parameters() -> None:
    assert make_mechanism("call-auction:steps=3,pricing=pair,k=0.25") == CallAuction(steps=3, pricing="pair", k=0.25)
    assert isinstance(CallAuction(), Mechanism)
    assert pickle.loads(pickle.dumps(CallAuction(steps=7))) == CallAuction(steps=7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("call-auction:steps=0", "`steps` of call-auction must be a whole number from 1, got 0"),
        ("call-auction:steps=2.5", "`steps` of call-auction must be a whole number from 1, got 2.5"),
        ("call-auction:k=1.5", "`k` of call-auction must be a number from 0 to 1, got 1.5"),
        ("call-auction:pricing=unifrm", "`pricing` of call-auction must be one of pair, uniform; got 'unifrm'. Did you mean 'uniform'"),
        ("call-auction:stps=5", "a parameter of mechanism 'call-auction' must be one of .*; got 'stps'. Did you mean 'steps'"),
        ("call-aution", "`mechanism` must be one of .*call-auction.*; got 'call-aution'. Did you mean 'call-auction'"),
    ],
)
def test_a_parameter_that_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_mechanism(text)


def test_the_certified_optimum_is_refused() -> None:
    with pytest.raises(ValueError, match="need `mechanism` 'exact', whose response is known exactly, got 'call-auction'"):
        exact_market_of(GameSpec(mechanism="call-auction"))


def test_rows_of_a_batch_equal_the_single_environment_to_the_last_bit() -> None:
    names = ["gain_eur", "gain_bound_eur", "matching_gap", "traded_kwh", "primal_residual"]
    require_rows_like_the_single_environment("call-auction:steps=5", names)


def test_the_hourly_environment_holds_one_every_hour() -> None:
    require_an_hour_each_time("call-auction", lambda info: abs(info["matching_gap"]) <= 1e-9)
