"""Losses shared out: every method sums to the total, agrees with a count by hand, and knows what it cannot do."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from builders import clear, pair_day, pair_network, random_day, random_network

from gridtoll.envs.account.loss_shares import LOSS_SHARES, allocate_losses, loss_charges
from gridtoll.envs.account.settlement import Flows, settle

ACCOUNTS: tuple[Flows, ...] = ("trades", "injections")


@pytest.mark.parametrize("flows", ACCOUNTS)
@pytest.mark.parametrize("method", LOSS_SHARES)
@pytest.mark.parametrize("meshed", [False, True])
def test_shares_sum_to_the_loss_of_the_settlement(method: str, flows: Flows, meshed: bool) -> None:
    for seed in range(3):
        day, network = random_day(seed), random_network(seed, meshed=meshed)
        charges, clearing = clear(day, 0.02)
        settlement = settle(day, network, charges, clearing, flows=flows)
        shares = allocate_losses(day, network, clearing, method=method, flows=flows)
        assert shares.sum() == pytest.approx(settlement.loss_kwh, rel=1e-12)
        assert loss_charges(day, network, clearing, method=method, flows=flows).sum() == pytest.approx(settlement.loss_cost_eur, rel=1e-12)


@pytest.mark.parametrize("method", ["pro rata", "marginal", "shapley"])
@pytest.mark.parametrize("flows", ACCOUNTS)
def test_with_base_injection_shares_sum_to_what_the_community_adds(method: str, flows: Flows) -> None:
    base = np.random.default_rng(0).normal(0.0, 2.0, (6, 6))
    day, network = random_day(2, base_injection=base), random_network(2, meshed=True)
    charges, clearing = clear(day, 0.02)
    total = settle(day, network, charges, clearing, flows=flows).loss_kwh
    assert allocate_losses(day, network, clearing, method=method, flows=flows).sum() == pytest.approx(total, rel=1e-11)


@pytest.mark.parametrize("flows", ACCOUNTS)
def test_shapley_is_the_mean_over_all_orders_of_joining(flows: Flows) -> None:
    day, network = random_day(4, n=4, periods=3, stores=1), random_network(4, n=4, meshed=True)
    _, clearing = clear(day, 0.02)
    ptdf, lossy = network.prosumer_ptdf, network.grid.loss_coefficient

    def loss(members: tuple[int, ...]) -> float:
        inside = np.zeros(4, dtype=bool)
        inside[list(members)] = True
        if flows == "trades":
            kept = clearing.trade * (inside[:, None] & inside[None, :])
            net = kept.sum(axis=2) - kept.sum(axis=1)
        else:
            net = inside * (clearing.renewable_used + clearing.storage_discharge - clearing.storage_charge - clearing.demand)
        return float(np.sum(lossy * (net @ ptdf.T) ** 2))

    added = np.zeros(4)
    orders = list(permutations(range(4)))
    for order in orders:
        for place, who in enumerate(order):
            added[who] += loss(order[: place + 1]) - loss(order[:place])
    assert allocate_losses(day, network, clearing, method="shapley", flows=flows) == pytest.approx(added / len(orders), abs=1e-12)


def test_of_injections_the_shapley_value_is_the_marginal_share() -> None:
    day, network = random_day(5), random_network(5, meshed=True)
    _, clearing = clear(day, 0.02)
    shapley = allocate_losses(day, network, clearing, method="shapley", flows="injections")
    marginal = allocate_losses(day, network, clearing, method="marginal", flows="injections")
    assert shapley == pytest.approx(marginal, abs=1e-12)
    of_trades = allocate_losses(day, network, clearing, method="shapley")
    assert not np.allclose(of_trades, allocate_losses(day, network, clearing, method="marginal"), atol=1e-6)


@pytest.mark.parametrize("method", LOSS_SHARES)
def test_of_two_prosumers_each_takes_half_of_what_their_trade_loses(method: str) -> None:
    day, network = pair_day(), pair_network()
    _, clearing = clear(day, 0.0)
    whole = network.grid.loss_coefficient[0] * clearing.trade.sum() ** 2
    assert allocate_losses(day, network, clearing, method=method) == pytest.approx([whole / 2, whole / 2])


def test_proportional_sharing_of_a_chain_agrees_with_a_count_by_hand() -> None:
    """West sends 4 kW east over the middle, which takes 1: the first branch carries 4, the second 3."""
    day = random_day(0, n=3, periods=1, stores=0)
    network = _chain()
    _, clearing = clear(day, 0.0)
    trade = np.zeros((1, 3, 3))
    trade[0, 0, 1], trade[0, 0, 2] = 1.0, 3.0
    object.__setattr__(clearing, "trade", trade)
    first, second = network.grid.loss_coefficient * np.array([16.0, 9.0])
    expected = [(first + second) / 2, first / 2 / 4, first / 2 * 3 / 4 + second / 2]
    assert allocate_losses(day, network, clearing, method="proportional sharing") == pytest.approx(expected)


def test_the_marginal_share_of_trades_does_not_depend_on_the_slack_bus() -> None:
    day = random_day(1, n=3, stores=1)
    _, clearing = clear(day, 0.02)
    shares = [allocate_losses(day, _chain(slack), clearing, method="marginal") for slack in range(3)]
    assert shares[0] == pytest.approx(shares[1])
    assert shares[0] == pytest.approx(shares[2])


def test_what_cannot_be_shared_out_is_refused() -> None:
    day, network = random_day(0), random_network(0)
    _, clearing = clear(day, 0.02)
    with pytest.raises(ValueError, match="proportional sharing"):
        allocate_losses(day, network, clearing, method="proportional")
    based = random_day(0, base_injection=np.ones((6, 6)))
    with pytest.raises(ValueError, match="a base injection belongs to nobody"):
        allocate_losses(based, network, clearing, method="proportional sharing")
    many, wide = random_day(0, n=13, periods=1), random_network(0, n=13)
    with pytest.raises(ValueError, match="at most 12 prosumers, got 13"):
        allocate_losses(many, wide, clear(many, 0.02)[1], method="shapley")


def _chain(slack: int = 0):  # type: ignore[no-untyped-def]
    from gridtoll.envs.grid.grid import make_grid
    from gridtoll.envs.grid.network import make_network

    grid = make_grid(
        "chain",
        bus_names=["west", "middle", "east"],
        branch_from=[0, 1],
        branch_to=[1, 2],
        branch_resistance_pu=[1.0, 0.5],
        branch_reactance_pu=1.0,
        branch_limit_kw=10.0,
        base_power_kw=100.0,
        slack_bus=slack,
    )
    return make_network(grid, [0, 1, 2])
