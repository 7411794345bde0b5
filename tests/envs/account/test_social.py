"""Social P2P: proved optimal, at least every cleared charge, and Free P2P itself where the network costs nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders import DEGENERATE, charges_of, kernel, random_day, random_network, retail_bill
from hypothesis import given, settings
from hypothesis import strategies as st

from gridtoll.envs.account.settlement import Flows, settle
from gridtoll.envs.account.social import GAP_TOLERANCE, solve_social

ACCOUNTS: tuple[Flows, ...] = ("trades", "injections")


@pytest.mark.parametrize("flows", ACCOUNTS)
@pytest.mark.parametrize("fee", [0.0, 0.08])
def test_it_is_at_least_the_welfare_of_every_cleared_charge(flows: Flows, fee: float) -> None:
    for seed in range(3):
        day, network = random_day(seed, import_fee=fee, loss_price=2.0), random_network(seed, meshed=True, limit_kw=1.5)
        social = solve_social(day, network, flows=flows)
        slack = GAP_TOLERANCE * retail_bill(day)
        cleared = []
        for charge in (0.0, 0.01, 0.05, 0.2, 1.0):
            charges = charges_of(day, charge)
            cleared.append(settle(day, network, charges, kernel().clear(day, charges), flows=flows).welfare_eur)
        assert max(cleared) <= social.upper_bound_eur + 1e-12 * retail_bill(day)
        assert max(cleared) <= social.welfare_eur + slack
        assert social.welfare_eur > max(cleared) + 1e-4  # no one charge weighs every branch and hour


@pytest.mark.parametrize("flows", ACCOUNTS)
def test_where_the_network_costs_nothing_it_is_free_p2p(flows: Flows) -> None:
    for seed in range(3):
        day, network = random_day(seed, loss_price=0.0, overload_price=0.0), random_network(seed)
        free = np.zeros((5, 5))
        clearing = kernel().clear(day, free)
        social = solve_social(day, network, flows=flows)
        assert social.welfare_eur == pytest.approx(-clearing.objective_eur, abs=GAP_TOLERANCE * retail_bill(day))
        assert social.trade == pytest.approx(clearing.trade, abs=1e-4)
        assert social.operator_profit_eur == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("name", sorted(DEGENERATE))
def test_degenerate_days_are_proved_as_well(name: str) -> None:
    day = DEGENERATE[name]()
    if day.n_prosumers == 1:
        pytest.skip("a network has two prosumers or more")
    network = random_network(3, n=day.n_prosumers, meshed=day.n_prosumers > 2, limit_kw=1.0)
    for flows in ACCOUNTS:
        social = solve_social(day, network, flows=flows)
        assert abs(social.relative_gap) <= GAP_TOLERANCE
        assert social.primal_residual <= 1e-9


@settings(max_examples=15)
@given(st.integers(0, 500), st.sampled_from(ACCOUNTS), st.floats(0.0, 3.0), st.floats(0.3, 5.0))
def test_the_two_bounds_meet_on_any_day(seed: int, flows: Flows, overload_price: float, limit_kw: float) -> None:
    day = random_day(seed, overload_price=overload_price, loss_price=0.5)
    social = solve_social(day, random_network(seed, meshed=True, limit_kw=limit_kw), flows=flows)
    assert -1e-11 <= social.relative_gap <= GAP_TOLERANCE


def test_totals_add_up_and_are_those_of_its_trades() -> None:
    day, network = random_day(1, import_fee=0.08), random_network(1, limit_kw=1.0)
    social = solve_social(day, network, charge_base=network.distance)
    assert social.welfare_eur == pytest.approx(social.operator_profit_eur + social.prosumer_surplus_eur)
    assert social.operator_profit_eur == pytest.approx(social.import_fee_eur - social.loss_cost_eur - social.overload_cost_eur)
    net = social.trade.sum(axis=2) - social.trade.sum(axis=1)
    assert social.flow_kw == pytest.approx(net @ network.prosumer_ptdf.T)
    assert social.loss_kwh == pytest.approx(float(np.sum(network.grid.loss_coefficient * social.flow_kw**2)))
    assert social.traded_kwh == pytest.approx(social.trade.sum())
    assert social.charged_kwh == pytest.approx(float(np.sum(network.distance * social.trade)))


def test_a_dear_overload_is_avoided_and_its_price_is_that_of_the_branch() -> None:
    day, network = random_day(2, overload_price=50.0), random_network(2, limit_kw=0.5)
    social = solve_social(day, network)
    free = settle(day, network, np.zeros((5, 5)), kernel().clear(day, np.zeros((5, 5))))
    assert free.peak_loading > 2.0
    assert social.peak_loading <= 1.0 + 1e-6
    at_limit = np.abs(social.flow_kw) >= 0.5 * (1.0 - 1e-6)
    assert at_limit.any()
    losses_only = 2.0 * day.loss_price[:, None] * network.grid.loss_coefficient * social.flow_kw
    beyond = np.abs(social.flow_price - losses_only)
    assert beyond[~at_limit].max() < 1e-3 < beyond[at_limit].max()


def test_base_injection_takes_up_room_on_the_wires() -> None:
    base = np.zeros((6, 6))
    base[:, 3] = 4.0
    day, network = random_day(3, base_injection=base), random_network(3, meshed=True, limit_kw=3.0)
    social = solve_social(day, network)
    alone = solve_social(replace(day, base_injection=np.zeros((6, 6))), network)
    assert abs(social.relative_gap) <= GAP_TOLERANCE
    assert social.welfare_eur < alone.welfare_eur


def test_an_unknown_account_is_refused() -> None:
    with pytest.raises(ValueError, match="account of `flows`"):
        solve_social(random_day(0), random_network(0), flows="wires")  # type: ignore[arg-type]
