"""Decentralised clearing and bilateral negotiation: what they promise whenever the rounds end, and where they lead when they go on."""

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
from gridtoll.envs.grid.network import Network
from gridtoll.envs.market.admm import Admm
from gridtoll.envs.market.bilateral import Bilateral
from gridtoll.envs.market.call_auction.plans import plan_alone
from gridtoll.envs.market.mechanism import Allocated, Mechanism, make_mechanism
from gridtoll.envs.market.negotiation.terms import NegotiationEvidence
from gridtoll.envs.market.solvers import make_market

EXACT = make_market("structured")
NAMED = [("simbench-rural", 180, 0.2), ("simbench-rural", 180, 0.0), ("ieee9", 200, 0.02), ("ieee39", 12, 0.05), ("case33bw", 200, 0.05)]


def held(mechanism: Admm | Bilateral, day: Day, charges: Array) -> Allocated[NegotiationEvidence]:
    [found] = mechanism.clear_many([day], [charges])
    return found


def named(community: str, number: int, charge: float) -> tuple[Day, Network, Array]:
    whose = load_community(community)
    day, tariff = whose.day(number, price_path=0), make_tariff("distance", whose.network, "day")
    return day, whose.network, tariff.charges(tariff.read(np.array([charge]), whose.n_periods, 1.0))


def efficiency(day: Day, charges: Array, found: Allocated[Any]) -> float:
    alone, best = plan_alone(day).objective_eur, EXACT.clear(day, charges).objective_eur
    return (alone - found.objective_eur) / (alone - best) if alone - best > 1e-6 * day.turnover_eur else 1.0


def require_promises(day: Day, network: Network, charges: Array, found: Allocated[NegotiationEvidence]) -> None:
    """Nobody loses; energy, payments and the operator's revenue add up; the exact clearing is at least as good."""
    rounding = 1e-9 * day.turnover_eur
    settled, alone = settle(day, network, charges, found), settle(day, network, charges, plan_alone(day))
    assert (settled.surplus_eur >= alone.surplus_eur - rounding).all()
    assert settled.payment_eur.sum() == pytest.approx(0.0, abs=rounding)
    assert settled.revenue_eur == pytest.approx(day.period_hours * (charges * found.trade).sum(), abs=rounding)
    assert settled.surplus_eur.sum() == pytest.approx(-found.objective_eur, abs=rounding)
    assert found.objective_eur >= EXACT.clear(day, charges).objective_eur - rounding
    supply = found.renewable_used + found.grid_import - found.grid_export + found.storage_discharge - found.storage_charge - found.demand
    np.testing.assert_allclose(supply, found.trade.sum(axis=2) - found.trade.sum(axis=1), atol=1e-9 * max(1.0, day.demand_max.mean()))
    assert (found.trade <= day.trade_limit).all()
    assert not found.trade[:, ~day.can_trade].any()


@given(
    seed=st.integers(0, 100_000),
    charge=st.sampled_from([0.0, 0.02, 0.1]),
    rounds=st.sampled_from([1, 2, 3, 5, 10, 40]),
    pairwise=st.booleans(),
    hours=st.sampled_from([0.25, 1.0]),
)
@settings(max_examples=40)
def test_the_promises_hold_whenever_the_rounds_end(seed: int, charge: float, rounds: int, pairwise: bool, hours: float) -> None:
    day = random_day(seed, stores=3, hours=hours)
    charges = np.broadcast_to(charges_of(day, charge), (6, 5, 5)) if seed % 2 else np.full((6, 5, 5), charge)
    mechanism = Bilateral(rounds=rounds) if pairwise else Admm(rounds=rounds)
    require_promises(day, random_network(seed), charges, held(mechanism, day, charges))


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("mechanism", [Admm(rounds=3), Admm(rounds=2000), Bilateral(rounds=20)])
def test_the_promises_hold_on_degenerate_days(name: str, mechanism: Admm | Bilateral) -> None:
    day = DEGENERATE[name]()
    charges = np.broadcast_to(charges_of(day, 0.02), (day.n_periods, day.n_prosumers, day.n_prosumers))
    found = held(mechanism, day, charges)
    if day.n_prosumers > 1:
        require_promises(day, random_network(3, n=day.n_prosumers), charges, found)
    else:
        np.testing.assert_allclose(found.demand, plan_alone(day).demand, atol=1e-9)


@pytest.mark.parametrize(("community", "number", "charge"), NAMED)
def test_decentralised_clearing_reaches_the_exact_one_within_300_rounds(community: str, number: int, charge: float) -> None:
    day, network, charges = named(community, number, charge)
    found, exact = held(Admm(rounds=300), day, charges), EXACT.clear(day, charges)
    require_promises(day, network, charges, found)
    assert found.evidence.converged
    assert found.objective_eur == pytest.approx(exact.objective_eur, rel=1e-6)
    revenue = (charges * exact.trade).sum()
    assert (charges * found.trade).sum() == pytest.approx(revenue, rel=1e-5)
    np.testing.assert_allclose(found.trade, exact.trade, atol=1e-4 * day.demand_max.mean() / 1.4)
    traded = exact.trade > 1e-3 * exact.trade.max()
    np.testing.assert_allclose(found.trade_price[traded], exact.trade_price[traded], atol=1e-4)


@pytest.mark.parametrize(("community", "number", "charge"), NAMED[:3])
def test_polished_from_where_it_ended_it_is_the_exact_clearing(community: str, number: int, charge: float) -> None:
    day, network, charges = named(community, number, charge)
    found, exact = held(Admm(polish="yes"), day, charges), EXACT.clear(day, charges)
    require_promises(day, network, charges, found)
    assert found.evidence.polished
    assert found.objective_eur == pytest.approx(exact.objective_eur, rel=1e-11)
    np.testing.assert_allclose(found.trade, exact.trade, atol=1e-9 * max(1.0, exact.trade.max()))
    np.testing.assert_allclose(found.trade_price, exact.trade_price, atol=1e-9)


@given(seed=st.integers(0, 100_000), charge=st.sampled_from([0.0, 0.05]))
@settings(max_examples=15)
def test_both_reach_the_exact_clearing_of_random_days(seed: int, charge: float) -> None:
    day = random_day(seed)
    charges = np.full((6, 5, 5), charge)
    exact = EXACT.clear(day, charges)
    for mechanism in (Admm(rounds=5000, tolerance=1e-8), Bilateral(rounds=100_000, tolerance=1e-8)):
        found = held(mechanism, day, charges)
        assert found.evidence.converged
        np.testing.assert_allclose(found.trade, exact.trade, atol=2e-5)


def test_efficiency_comes_to_1_with_the_rounds() -> None:
    day, _, charges = named("simbench-rural", 180, 0.1)
    for make, counts in ((Admm, (1, 5, 20, 300)), (Bilateral, (1, 10, 100, 1000))):
        shares = [efficiency(day, charges, held(make(rounds=rounds), day, charges)) for rounds in counts]
        assert max(shares) <= 1 + 1e-12
        assert shares == sorted(shares)
        assert shares[-1] > (1 - 1e-6 if make is Admm else 0.999)


@pytest.mark.parametrize("mechanism", [Admm(rounds=4), Admm(), Bilateral(rounds=20)])
def test_the_order_of_prosumers_does_not_matter(mechanism: Admm | Bilateral) -> None:
    day = random_day(5, n=6)
    charges = np.full((6, 6, 6), 0.02)
    order = np.random.default_rng(5).permutation(6)
    shapes = {name: np.shape(value) for name, value in day.arrays().items() if name not in {"base_injection", "import_price", "loss_price"}}
    changed: dict[str, Any] = {
        "utility_slope": day.utility_slope[:, order],
        "utility_curvature": day.utility_curvature[:, order],
        "demand_min": day.demand_min[:, order],
        "demand_max": day.demand_max[:, order],
        "renewable": day.renewable[:, order],
    }
    owned = ("import_limit", "export_limit", "grid_friction", "storage_power", "storage_capacity", "storage_efficiency", "storage_wear")
    changed |= {name: getattr(day, name)[order] for name in (*owned, "storage_start") if shapes[name] == (6,)}
    changed |= {name: getattr(day, name)[np.ix_(order, order)] for name in ("trade_limit", "trade_friction")}
    found, permuted = held(mechanism, day, charges), held(mechanism, replace(day, **changed), charges)
    assert found.trade.any()
    np.testing.assert_allclose(permuted.trade, found.trade[:, order][:, :, order], atol=1e-7)
    np.testing.assert_allclose(permuted.trade_price, found.trade_price[:, order][:, :, order], atol=1e-7)


def test_messages_are_counted_as_the_manual_says() -> None:
    day, _, charges = named("two-prosumers", 0, 0.05)
    prosumers, periods = day.n_prosumers, day.n_periods
    links = prosumers * (prosumers - 1)
    clear, talk = held(Admm(rounds=3, tolerance=1e-12), day, charges).evidence, held(Bilateral(rounds=3), day, charges).evidence
    assert (clear.rounds, clear.messages, clear.requests) == (3, 4 * links, 0)
    assert clear.bytes == 8 * periods * links * (1 + 3 * 2)
    pairs = int(day.can_trade.sum())
    assert (talk.rounds, talk.messages) == (3, 4 * links)
    assert talk.bytes == 8 * periods * (links + 3 * 2 * pairs)


def test_charges_so_high_that_nothing_trades_leave_the_plans_alone() -> None:
    day = random_day(2)
    found = held(Admm(), day, np.full((6, 5, 5), 5.0))
    assert not found.trade.any()
    np.testing.assert_allclose(found.demand, plan_alone(day).demand, atol=1e-9)


@pytest.mark.parametrize("mechanism", [Admm(rounds=30), Admm(polish="yes"), Bilateral(rounds=10)])
def test_they_keep_what_every_mechanism_promises(mechanism: Mechanism[Any]) -> None:
    days = [random_day(seed) for seed in (1, 2)]
    require_mechanism(mechanism, days, [np.full((6, 5, 5), 0.02), np.full((6, 5, 5), 0.05)])
    assert pickle.loads(pickle.dumps(mechanism)) == mechanism


def test_they_are_chosen_by_name_with_parameters() -> None:
    assert make_mechanism("admm:rounds=50,relaxation=1,momentum=no") == Admm(rounds=50, relaxation=1, momentum="no")
    assert make_mechanism("bilateral:rounds=50,step=0.3") == Bilateral(rounds=50, step=0.3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("admm:rounds=0", "`rounds` of admm must be a whole number from 1, got 0"),
        ("bilateral:rounds=2.5", "`rounds` of bilateral must be a whole number from 1, got 2.5"),
        ("admm:rouns=5", "a parameter of mechanism 'admm' must be one of .*; got 'rouns'. Did you mean 'rounds'"),
        ("admm:relaxation=1.5", "`relaxation` of admm must be a number above 0 and below 4/3, what momentum bears, got 1.5"),
        ("admm:tolerance=0", "`tolerance` of admm must be a number above 0 and below 1, got 0"),
        ("admm:momentum=yess", "`momentum` of admm must be one of no, yes; got 'yess'. Did you mean 'yes'"),
        ("bilateral:step=0.5", "`step` of bilateral must be a number above 0 and below 0.5, got 0.5"),
        ("bilaterl", "`mechanism` must be one of .*bilateral.*; got 'bilaterl'. Did you mean 'bilateral'"),
    ],
)
def test_a_parameter_that_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_mechanism(text)


def test_rows_of_a_batch_equal_the_single_environment_to_the_last_bit() -> None:
    names = ["rounds", "messages", "bytes", "primal_residual", "dual_residual", "converged"]
    require_rows_like_the_single_environment("admm:rounds=40", names)


@pytest.mark.parametrize("mechanism", ["admm", "bilateral:rounds=30"])
def test_the_hourly_environment_negotiates_every_hour_anew(mechanism: str) -> None:
    require_an_hour_each_time(mechanism, lambda info: bool(info["rounds"] >= 1))
