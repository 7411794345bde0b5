"""Settlement: who pays whom adds up, on ordinary and degenerate days, and the operator's terms are what model.md says they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import NamedTuple

import numpy as np
import pytest
from builders import DEGENERATE, kernel, pair_day, pair_network, random_basis, random_day, random_network

from gridtoll.envs.account.settlement import Flows, Settlement, base_flow, flow_kw, settle, settle_many
from gridtoll.envs.community.day import Array, Day
from gridtoll.envs.grid.network import Network
from gridtoll.envs.market.exact import Clearing
from gridtoll.envs.market.exact.compiled import StructuredMarket

EXACT = 1e-9


class Case(NamedTuple):
    """A settled day."""

    day: Day
    network: Network
    charges: Array
    clearing: Clearing
    settlement: Settlement


def settled(day: Day, network: Network, level: float, *, flows: Flows = "trades") -> Case:
    """Clear and settle a day at charges that differ by hour and pair."""
    n = day.n_prosumers
    by_hour = np.random.default_rng(n).uniform(0.5, 1.5, (day.n_periods, 1, 1))
    basis = random_basis(n, n) if n > 1 else np.zeros((1, 1))
    charges = level * by_hour * basis
    clearing = kernel().clear(day, charges)
    return Case(day, network, charges, clearing, settle(day, network, charges, clearing, flows=flows, charge_base=basis))


def money_scale(case: Case) -> float:
    """The day's turnover in EUR, beside which identities hold to rounding."""
    day, clearing = case.day, case.clearing
    prices = max(float(np.abs(x).max()) for x in (day.import_price, day.export_price, day.utility_slope, clearing.nodal_price))
    energy = day.period_hours * float((clearing.demand + clearing.renewable_used).sum() + clearing.trade.sum())
    return max(prices * energy, 1e-9)


ORDINARY: dict[str, Callable[[], Day]] = {f"random day {seed}": lambda seed=seed: random_day(seed) for seed in range(6)}  # type: ignore[misc]


@pytest.mark.parametrize("level", [0.0, 0.03, 0.3])
@pytest.mark.parametrize("name", [name for name in {**ORDINARY, **DEGENERATE} if name != "one prosumer"])
def test_the_identities_of_the_model_hold(name: str, level: float) -> None:
    day = {**ORDINARY, **DEGENERATE}[name]()
    case = settled(day, random_network(2, n=day.n_prosumers), level)
    settlement, scale = case.settlement, money_scale(case)
    assert abs(settlement.payment_eur.sum()) <= EXACT * scale
    assert abs(settlement.surplus_eur.sum() + case.clearing.objective_eur) <= EXACT * scale
    assert abs(settlement.surplus_eur.sum() + settlement.revenue_eur - settlement.gross_welfare_eur) <= EXACT * scale
    assert abs(settlement.charge_eur.sum() - settlement.revenue_eur) <= EXACT * scale
    assert abs(settlement.welfare_eur - (settlement.profit_eur - case.clearing.objective_eur)) <= EXACT * scale
    terms = settlement.revenue_eur + settlement.import_fee_eur - settlement.loss_cost_eur - settlement.overload_cost_eur
    assert abs(settlement.profit_eur - terms) <= EXACT * scale


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("level", [0.0, 0.03])
def test_where_a_trade_is_inside_its_bounds_prices_differ_by_its_charge_and_friction(seed: int, level: float) -> None:
    case = settled(random_day(seed), random_network(seed), level)
    trade, price = case.clearing.trade, case.clearing.nodal_price
    inside = (trade > 1e-7) & (trade < case.day.trade_limit - 1e-7)
    assert inside.any()
    difference = price[:, None, :] - price[:, :, None]
    np.testing.assert_allclose(difference[inside], (case.charges + case.day.trade_friction * trade)[inside], rtol=0, atol=EXACT)


@pytest.mark.parametrize("flows", ["trades", "injections"])
def test_every_term_is_the_sum_the_model_writes_down(flows: Flows) -> None:
    """A copy of the sums, loop by loop, as slow and as plain as they can be."""
    rng = np.random.default_rng(8)
    day = random_day(5, import_fee=0.08, hours=0.5, base_injection=rng.uniform(-4.0, 4.0, (6, 6)), n_buses=0)
    network = random_network(5, meshed=True, limit_kw=2.0)
    case = settled(day, network, 0.02, flows=flows)
    c, s, grid, hours = case.clearing, case.settlement, network.grid, day.period_hours
    basis = random_basis(5, 5)
    revenue = fee = loss = overload = charged = 0.0
    surplus = np.zeros(5)
    for t in range(day.n_periods):
        injection = day.base_injection[t].copy()
        for i in range(5):
            sold, bought = c.trade[t, i].sum(), c.trade[t, :, i].sum()
            wires = c.renewable_used[t, i] + c.storage_discharge[t, i] - c.storage_charge[t, i] - c.demand[t, i]
            injection[network.prosumer_bus[i]] += sold - bought if flows == "trades" else wires
            fee += hours * day.import_fee * c.grid_import[t, i]
            d, m, x = c.demand[t, i], c.grid_import[t, i], c.grid_export[t, i]
            surplus[i] += hours * (day.utility_slope[t, i] * d - 0.5 * day.utility_curvature[t, i] * d * d)
            surplus[i] += hours * (day.export_price[t] * x - day.import_price[t] * m - 0.5 * day.grid_friction[i] * (m * m + x * x))
            surplus[i] -= hours * 0.5 * day.storage_wear[i] * (c.storage_charge[t, i] ** 2 + c.storage_discharge[t, i] ** 2)
            for j in range(5):
                power, price = c.trade[t, i, j], 0.5 * (c.nodal_price[t, i] + c.nodal_price[t, j])
                revenue += hours * case.charges[t, i, j] * power
                charged += hours * basis[i, j] * power
                half = 0.5 * (case.charges[t, i, j] * power + 0.5 * day.trade_friction[i, j] * power * power)
                surplus[i] += hours * (price * power - half)
                surplus[j] -= hours * (price * power + half)
        flow, base = grid.ptdf @ injection, grid.ptdf @ day.base_injection[t]
        for branch in range(grid.n_branches):
            w = grid.branch_resistance_pu[branch] / grid.base_power_kw
            loss += hours * day.loss_price[t] * w * (flow[branch] ** 2 - base[branch] ** 2)
            overload += hours * day.overload_price * max(0.0, abs(flow[branch]) - grid.branch_limit_kw[branch])
    np.testing.assert_allclose(s.surplus_eur, surplus, rtol=1e-11)
    computed = (s.revenue_eur, s.import_fee_eur, s.loss_cost_eur, s.overload_cost_eur, s.charged_kwh)
    np.testing.assert_allclose(computed, (revenue, fee, loss, overload, charged), rtol=1e-11)
    assert overload > 0
    assert not s.network_secure


def test_losses_of_the_base_injection_alone_are_not_charged_to_the_community() -> None:
    base = np.tile([0.0, 3.0, 0.0, 0.0, -2.0, 0.0], (6, 1))
    day = random_day(1, base_injection=base, n_buses=0, trade_limit=0.0)
    settlement = settled(day, random_network(1), 0.0).settlement
    assert settlement.loss_cost_eur == 0.0
    assert np.abs(settlement.flow_kw).max() > 1.0


def test_trade_that_relieves_the_base_injection_earns_the_operator_its_losses() -> None:
    against = pair_day(base_injection=[[0.0, 5.0]], n_buses=0)  # flows from east to west, trade the other way
    settlement = settled(against, pair_network(), 0.0).settlement
    assert settlement.traded_kwh > 0
    assert settlement.loss_cost_eur < 0
    assert settlement.profit_eur == -settlement.loss_cost_eur


def test_injections_equal_exports_less_imports_plus_net_trade() -> None:
    case = settled(random_day(2), random_network(2), 0.02, flows="injections")
    c = case.clearing
    net = c.grid_export - c.grid_import + c.traded_kw
    flow, base = flow_kw(case.day, case.network, c, flows="injections"), base_flow(case.day, case.network)
    np.testing.assert_allclose(flow, case.network.grid.flow(case.network.injection(net)), atol=1e-9)
    assert not base.any()


def test_the_loss_price_and_not_the_export_price_pays_for_losses() -> None:
    day = pair_day(loss_price=0.5)
    settlement = settled(day, pair_network(), 0.0).settlement
    trade = settlement.traded_kwh
    assert settlement.loss_kwh == pytest.approx(trade**2 / 100.0, rel=1e-9)  # w = 1 / 100 kW, one hour
    assert settlement.loss_cost_eur == pytest.approx(0.5 * settlement.loss_kwh, rel=1e-12)


def test_overload_is_paid_above_the_limit_only_and_shows_as_insecure() -> None:
    wide, narrow = (settled(pair_day(), pair_network(limit_kw=limit), 0.0).settlement for limit in (100.0, 1.0))
    assert wide.overload_cost_eur == 0.0
    assert wide.network_secure
    assert narrow.overload_kwh == pytest.approx(narrow.traded_kwh - 1.0, rel=1e-9)
    assert narrow.peak_loading == pytest.approx(narrow.traded_kwh, rel=1e-9)
    assert not narrow.network_secure


def test_charged_energy_is_counted_by_coefficient_and_in_total() -> None:
    case = settled(random_day(3), random_network(3), 0.02)
    bases = np.stack([random_basis(seed, 5) for seed in range(3)])
    by = settle(case.day, case.network, case.charges, case.clearing, charge_base=bases)
    energy = case.day.period_hours * case.clearing.trade.sum(axis=0)
    np.testing.assert_allclose(by.charged_kwh_by_coefficient, [(base * energy).sum() for base in bases], rtol=1e-12)
    assert by.charged_kwh == pytest.approx((bases.sum(axis=0) * energy).sum(), rel=1e-12)
    one = settle(case.day, case.network, case.charges, case.clearing, charge_base=bases[0])
    assert one.charged_kwh_by_coefficient.shape == (1,)
    plain = settle(case.day, case.network, case.charges, case.clearing)
    assert plain.charged_kwh == pytest.approx(plain.traded_kwh, rel=1e-12)


def test_charges_that_stand_all_day_may_be_given_once() -> None:
    day, network = random_day(4), random_network(4)
    once = 0.05 * random_basis(4, 5)
    clearing = kernel().clear(day, once)
    a, b = (settle(day, network, charges, clearing) for charges in (once, np.broadcast_to(once, (6, 5, 5))))
    assert a.profit_eur == b.profit_eur
    np.testing.assert_array_equal(a.surplus_eur, b.surplus_eur)


def test_a_pair_trades_at_the_mean_of_its_nodal_prices() -> None:
    case = settled(pair_day(), pair_network(), 0.02)
    price = case.clearing.trade_price
    np.testing.assert_allclose(price[0, 0, 1], case.clearing.nodal_price[0].mean(), rtol=1e-12)
    expected = price[0, 0, 1] * case.settlement.traded_kwh
    np.testing.assert_allclose(case.settlement.payment_eur, [expected, -expected], rtol=1e-9)


def test_the_order_of_prosumers_does_not_matter() -> None:
    day, network = random_day(6), random_network(6)
    case = settled(day, network, 0.0)
    order = np.random.default_rng(0).permutation(5)
    by_n = {
        name: value[..., order]
        for name, value in day.arrays().items()
        if isinstance(value, np.ndarray) and value.shape[-1:] == (5,) and value.ndim <= 2
    }
    by_n |= {name: getattr(day, name)[np.ix_(order, order)] for name in ("trade_limit", "trade_friction")}
    shuffled = settle(
        replace(day, **by_n),  # type: ignore[arg-type]
        replace(network, prosumer_bus=network.prosumer_bus[order]),
        np.zeros((5, 5)),
        replace(
            case.clearing,
            **{
                name: getattr(case.clearing, name)[:, order]
                for name in ("demand", "renewable_used", "grid_import", "grid_export", "storage_charge", "storage_discharge", "nodal_price")
            },
            trade=case.clearing.trade[:, order][:, :, order],
        ),
    )
    np.testing.assert_allclose(shuffled.surplus_eur, case.settlement.surplus_eur[order], rtol=1e-12)
    assert shuffled.profit_eur == pytest.approx(case.settlement.profit_eur, rel=1e-12)


def test_an_unknown_account_of_flows_is_refused() -> None:
    case = settled(pair_day(), pair_network(), 0.0)
    with pytest.raises(ValueError, match=r"the account of `flows` must be one of injections, trades; got 'trade'. Did you mean 'trades'\?"):
        settle(case.day, case.network, case.charges, case.clearing, flows="trade")  # type: ignore[arg-type]


@pytest.mark.parametrize("flows", ["trades", "injections"])
@pytest.mark.parametrize(("n", "periods"), [(2, 1), (2, 24), (5, 6), (13, 24)])
def test_many_days_settle_together_as_each_does_alone_to_the_last_bit(n: int, periods: int, flows: Flows) -> None:
    solver = StructuredMarket()
    days = [random_day(seed, n=n, periods=periods, stores=1, import_fee=0.01 * seed) for seed in range(5)]
    network, basis = random_network(1, n=n), np.stack([random_basis(seed, n) for seed in range(3)])
    charges = np.stack([np.broadcast_to(0.03 * (1 + seed) * basis[0], (periods, n, n)) for seed in range(5)])
    clearings = [solver.clear(day, charge) for day, charge in zip(days, charges, strict=True)]
    alone = [
        settle(day, network, charge, clearing, flows=flows, charge_base=basis)
        for day, charge, clearing in zip(days, charges, clearings, strict=True)
    ]
    for n_rows in (1, 2, 5, 40):  # the last takes more than one go for the larger days
        chosen = np.random.default_rng(n_rows).integers(0, 5, n_rows)
        together = settle_many(
            [days[k] for k in chosen], network, charges[chosen], [clearings[k] for k in chosen], flows=flows, charge_base=basis
        )
        assert len(together) == n_rows
        for row, k in enumerate(chosen):
            for field in fields(Settlement):
                one, other = getattr(together.row(row), field.name), getattr(alone[k], field.name)
                assert type(one) is type(other)
                np.testing.assert_array_equal(one, other, strict=isinstance(one, np.ndarray), err_msg=field.name)


def test_one_clearing_settled_twice_gives_two_full_rows() -> None:
    case = settled(random_day(3), random_network(2), 0.03)
    twice = settle_many([case.day] * 2, case.network, np.stack([case.charges] * 2), [case.clearing] * 2)
    assert {name: len(values) for name, values in twice.values.items()} == dict.fromkeys(twice.values, 2)
    assert twice.row(1).peak_loading == twice.row(0).peak_loading == case.settlement.peak_loading
