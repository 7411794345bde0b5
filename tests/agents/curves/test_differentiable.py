"""The settlement inside PyTorch: the numbers of `settle`, gradients that `gradcheck` accepts, and a network that learns from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from builders import DEGENERATE, kernel, random_day, random_network

from gridtoll.agents.curves.differentiable import differentiable_settlement
from gridtoll.envs.account.settlement import Flows, settle
from gridtoll.envs.account.settlement_cotangent import QUANTITIES
from gridtoll.envs.account.tariff import TARIFF_NAMES, Tariff, make_tariff
from gridtoll.envs.community.day import Day
from gridtoll.envs.grid.network import Network


def days(count: int) -> list[Day]:
    return [replace(random_day(seed, n=5, stores=2), import_fee=0.08) for seed in range(1, count + 1)]


@pytest.fixture
def network() -> Network:
    return random_network(2, n=5, meshed=True, limit_kw=0.7)


def posted(tariff: Tariff, count: int, seed: int = 0) -> torch.Tensor:
    n = tariff.n_coefficients(6)
    values = np.random.default_rng(seed).uniform(0.03, 0.1, (count, n)) / tariff.n_basis
    return torch.tensor(values, requires_grad=True)


def test_forward_returns_the_columns_of_the_settlement(network: Network) -> None:
    tariff = make_tariff("zonal", network)
    charges = posted(tariff, 3)
    columns = differentiable_settlement(charges, days(3), network, tariff, quantities=("surplus_eur", "profit_eur"), market=kernel())
    assert columns.shape == (3, 6)
    assert columns.dtype == torch.float64
    for day, row, action in zip(days(3), columns.detach().numpy(), charges.detach().numpy(), strict=True):
        tau = tariff.charges(tariff.read(action, 6, 1.0))
        settlement = settle(day, network, tau, kernel().clear(day, tau), charge_base=tariff.basis)
        np.testing.assert_array_equal(row, [*settlement.surplus_eur, settlement.profit_eur])


@pytest.mark.parametrize("flows", ["trades", "injections"])
@pytest.mark.parametrize("kind", TARIFF_NAMES)
def test_gradcheck_accepts_several_days_and_quantities(kind: str, flows: Flows, network: Network) -> None:
    tariff = make_tariff(kind, network)
    names = ("profit_eur", "welfare_eur", "payment_eur", "overload_cost_eur")

    def settled(charges: torch.Tensor) -> torch.Tensor:
        return differentiable_settlement(charges, days(2), network, tariff, quantities=names, flows=flows, market=kernel())

    assert torch.autograd.gradcheck(settled, (posted(tariff, 2),), eps=1e-6, atol=1e-6, rtol=1e-6)


def test_gradcheck_accepts_charges_by_hour_and_every_quantity(network: Network) -> None:
    tariff = make_tariff("distance", network, "hour")

    def settled(charges: torch.Tensor) -> torch.Tensor:
        return differentiable_settlement(charges, days(1), network, tariff, quantities=QUANTITIES, market=kernel())

    assert torch.autograd.gradcheck(settled, (posted(tariff, 1),), eps=1e-6, atol=1e-6, rtol=1e-6)


def test_a_quantity_asked_for_twice_counts_twice(network: Network) -> None:
    tariff = make_tariff("distance", network)
    once, twice = posted(tariff, 1), posted(tariff, 1)
    differentiable_settlement(once, days(1), network, tariff, market=kernel()).sum().backward()  # type: ignore[no-untyped-call]
    names = ("profit_eur", "surplus_eur", "profit_eur")
    columns = differentiable_settlement(twice, days(1), network, tariff, quantities=names, market=kernel())
    (columns[:, 0] + columns[:, -1]).sum().backward()  # type: ignore[no-untyped-call]
    assert once.grad is not None
    torch.testing.assert_close(twice.grad, 2 * once.grad)


def test_single_precision_goes_in_and_its_gradient_comes_back(network: Network) -> None:
    tariff = make_tariff("distance", network)
    charges = torch.full((2, 1), 0.05, requires_grad=True)
    profit = differentiable_settlement(charges, days(2), network, tariff, market=kernel())
    assert profit.dtype == torch.float64
    profit.sum().backward()  # type: ignore[no-untyped-call]
    assert charges.grad is not None
    assert charges.grad.dtype == torch.float32
    assert charges.grad.abs().min() > 0


def test_gradients_flow_through_a_policy_network_and_one_step_raises_profit(network: Network) -> None:
    tariff, some_days = make_tariff("zonal", network), days(4)
    observations = torch.tensor(np.array([[*day.export_price, *day.renewable.sum(axis=1)] for day in some_days]), dtype=torch.float32)
    cap = 0.5  # EUR/kWh
    with torch.random.fork_rng():
        torch.manual_seed(0)
        policy = torch.nn.Sequential(torch.nn.Linear(12, 16), torch.nn.Tanh(), torch.nn.Linear(16, tariff.n_basis), torch.nn.Sigmoid())
    optimiser = torch.optim.SGD(policy.parameters(), lr=1e-3)

    def profit() -> torch.Tensor:
        return differentiable_settlement(cap * policy(observations), some_days, network, tariff, market=kernel()).mean()

    before = profit()
    (-before).backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in policy.parameters())
    slope = sum(float((parameter.grad**2).sum()) for parameter in policy.parameters() if parameter.grad is not None)
    optimiser.step()
    gained = profit().item() - before.item()
    assert gained > 0
    assert gained == pytest.approx(1e-3 * slope, rel=0.1)  # what the gradient promised of so small a step


def test_at_a_kink_the_gradient_is_that_of_rising_charges() -> None:
    day, network = DEGENERATE["ties between sellers and between buyers"](), random_network(2, n=5, meshed=True)
    tariff = make_tariff("distance", network)
    charges = torch.zeros((1, 1), dtype=torch.float64, requires_grad=True)
    differentiable_settlement(charges, [day], network, tariff, market=kernel()).sum().backward()  # type: ignore[no-untyped-call]

    def profit(charge: float) -> float:
        tau = charge * tariff.basis[0]
        return settle(day, network, tau, kernel().clear(day, tau)).profit_eur

    step = 1e-6
    expected = (4 * profit(step) - 3 * profit(0.0) - profit(2 * step)) / (2 * step)
    assert charges.grad is not None
    assert charges.grad.item() == pytest.approx(expected, rel=1e-6)


def test_gradients_of_gradients_are_refused(network: Network) -> None:
    tariff = make_tariff("distance", network)
    charges = posted(tariff, 1)
    profit = differentiable_settlement(charges, days(1), network, tariff, market=kernel()).sum()
    with pytest.raises(RuntimeError, match="can be differentiated once"):
        torch.autograd.grad(profit, charges, create_graph=True)


def test_what_cannot_be_settled_is_refused(network: Network) -> None:
    tariff = make_tariff("zonal", network)
    good = torch.full((1, 2), 0.05)
    with pytest.raises(ValueError, match=r"a row for each day and a column for each coefficient, \(1, 2\), got \(2, 1\)"):
        differentiable_settlement(torch.zeros(2, 1), days(1), network, tariff)
    with pytest.raises(ValueError, match=r"at least 0 EUR/kWh .*, got 1 that are not, the first -0\.\d+ on day 0 at coefficient 1"):
        differentiable_settlement(good - torch.tensor([[0.0, 0.1]]), days(1), network, tariff)
    with pytest.raises(ValueError, match="got 2 that are not, the first nan on day 0 at coefficient 0"):
        differentiable_settlement(good * torch.nan, days(1), network, tariff)
    with pytest.raises(ValueError, match="at least one day to settle, got none"):
        differentiable_settlement(good[:0], [], network, tariff)
    with pytest.raises(ValueError, match=r"a quantity to differentiate must be one of .*; got 'profit'"):
        differentiable_settlement(good, days(1), network, tariff, quantities=("profit",))
    with pytest.raises(ValueError, match="the account of `flows` must be one of"):
        differentiable_settlement(good, days(1), network, tariff, flows="trade")  # type: ignore[arg-type]
