"""Voltages as rows of the linear flows: right to first order, and taken by everything that takes limits of branches."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

from gridtoll.agents.optimum import smallest_recovering_charge, solve_optimum
from gridtoll.agents.optimum.miqp import solve_miqp
from gridtoll.envs import load_community
from gridtoll.envs.account.social import solve_social
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.community.day import Array, Day
from gridtoll.envs.games.setting import Setting, make_setting
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.games.tail import hour_of
from gridtoll.envs.games.transition import transition
from gridtoll.envs.grid.ac import AcPowerFlow
from gridtoll.envs.grid.power_flow import DcPowerFlow
from gridtoll.envs.grid.voltage_rows import sensitivities, voltage_of, with_voltage_rows
from gridtoll.envs.market.exact.compiled import StructuredMarket

PRICED = GameSpec(community="two-prosumers", flows="injections", voltage_price=400.0, voltage_band=0.003, charge_cap=1.0)
DAY = 180


def setting_of(**changes: Any) -> Setting:
    return make_setting(PRICED.changed(**changes), split="train")


def played(setting: Setting, charge: float, day: Day | None = None) -> Any:
    chosen = setting.community.day(DAY) if day is None else day
    return transition(setting.rules, StructuredMarket(threads=1), chosen, setting.tariff.charges(setting.read([charge])))


@pytest.mark.parametrize("name", ["simbench-rural", "ieee9", "case33bw", "two-prosumers"])
def test_rows_are_the_ac_voltages_to_first_order(name: str) -> None:
    """The Jacobian's slope at a grid without prosumers: half the injections leave a quarter of the error."""
    network = load_community(name).network
    rows = with_voltage_rows(network, voltage_price=100.0, overload_price=1.0)
    ac, dc = AcPowerFlow(network, power_factor=1.0), DcPowerFlow(rows)
    base = np.zeros((1, 1, network.grid.n_buses))
    small = 0.02 * network.grid.branch_limit_kw.min() / network.n_prosumers
    net_kw: Array = small * np.random.default_rng(1).normal(size=(1, 1, network.n_prosumers))
    buses = rows.grid.branch_to[rows.grid.n_wires :]

    def error(share: float) -> float:
        truth = ac.of(share * net_kw, base).voltage_pu
        assert truth is not None
        return float(np.abs(voltage_of(rows.grid, dc.of(share * net_kw, base).branch_kw) - truth[..., buses]).max())

    assert error(1.0) < 2e-4
    assert error(0.5) == pytest.approx(0.25 * error(1.0), rel=0.1)


def test_reactive_power_has_the_slope_of_the_jacobian_too() -> None:
    network = load_community("simbench-rural").network
    idle, by_power, by_reactive = sensitivities(network.grid)
    drawn = np.zeros((1, 1, 13))
    drawn[0, 0, 4] = -1.0
    at = network.prosumer_bus[4]
    voltage = AcPowerFlow(network).of(drawn, np.zeros((1, 1, 15))).voltage_pu
    assert voltage is not None
    slope = -by_power[:, at] - np.tan(np.arccos(0.95)) * by_reactive[:, at]
    assert voltage[0, 0] - idle == pytest.approx(slope, abs=2e-3 * np.abs(slope).max())


def test_voltages_outside_the_band_cost_their_price_and_nothing_else_changes() -> None:
    with_price, without = setting_of(), setting_of(voltage_price=None, voltage_band=0.1)
    priced, free = played(with_price, 0.05), played(without, 0.05)
    assert np.array_equal(priced.clearing.trade, free.clearing.trade)
    grid = with_price.community.network.grid
    voltage = voltage_of(grid, priced.settlement.flow_kw)
    outside = np.maximum(0.0, np.abs(voltage - 1.0) - 0.003).sum()
    assert outside > 0
    cost = priced.settlement.overload_cost_eur - free.settlement.overload_cost_eur
    assert cost == pytest.approx(400.0 * outside, rel=1e-9)
    assert priced.settlement.loss_kwh == pytest.approx(free.settlement.loss_kwh, rel=1e-12)
    assert np.array_equal(with_price.community.network.distance, without.community.network.distance)


def test_the_optimum_is_certified_verified_by_another_solver_and_no_charge_of_a_grid_beats_it() -> None:
    setting = setting_of()
    day = setting.community.day(DAY)
    found = solve_optimum(day, setting.community.network, setting.tariff, cap=1.0, flows="injections", market=StructuredMarket())
    assert found.relative_gap <= 1e-6
    assert found.certificate is not None
    found.certificate.verify()
    grid = [played(setting, charge).settlement.profit_eur for charge in np.linspace(0.0, 1.0, 101)]
    assert max(grid) <= found.upper_bound_eur + 1e-9
    assert found.recleared_profit_eur == pytest.approx(played(setting, found.charge).settlement.profit_eur)
    other = setting_of(voltage_price=None, voltage_band=0.1)
    unpriced = solve_optimum(day, other.community.network, other.tariff, cap=1.0, flows="injections", market=StructuredMarket())
    assert found.profit_eur < unpriced.profit_eur - 1.0, "voltages have a say"


def test_hard_limits_keep_voltages_in_the_band_or_prove_that_no_charge_does() -> None:
    wide = setting_of(voltage_band=0.02)
    day = wide.community.day(20)
    network, tariff = wide.community.network, wide.tariff
    inside = solve_optimum(day, network, tariff, cap=1.0, market=StructuredMarket(), hard_limits=True)
    assert inside.secure
    narrow = setting_of(voltage_band=1e-5)
    flows = [played(narrow, charge).settlement.network_secure for charge in (0.0, 0.5, 1.0)]
    found = solve_optimum(
        narrow.community.day(DAY),
        narrow.community.network,
        tariff,
        cap=1.0,
        flows="injections",
        market=StructuredMarket(),
        hard_limits=True,
    )
    assert not any(flows)
    assert found.secure is False


def test_gradients_are_the_differences_of_rewards() -> None:
    setting, step = setting_of(), 1e-6
    day = setting.community.day(DAY)
    at = played(setting, 0.05, day)
    slope = float((setting.rules.reward_gradient(day, at.charges, at.clearing) * setting.tariff.basis[0]).sum())
    higher, lower = (played(setting, 0.05 + side * step, day).reward_eur for side in (1, -1))
    assert slope == pytest.approx((higher - lower) / (2 * step), rel=1e-4)


def test_social_p2p_bounds_the_welfare_of_every_charge() -> None:
    setting = setting_of()
    day = setting.community.day(DAY)
    social = solve_social(day, setting.community.network, flows="injections")
    assert social.relative_gap <= 1e-8
    best = max(played(setting, charge).settlement.welfare_eur for charge in np.linspace(0.0, 1.0, 21))
    assert best <= social.upper_bound_eur + 1e-9
    blind = setting_of(voltage_price=None, voltage_band=0.1)
    assert social.welfare_eur < solve_social(day, blind.community.network, flows="injections").welfare_eur - 1e-3


def test_a_cost_is_recovered_net_of_what_voltages_cost() -> None:
    setting = setting_of()
    day, cost = setting.community.day(DAY), 0.02
    found = smallest_recovering_charge(
        day, setting.community.network, setting.tariff, cost, cap=1.0, flows="injections", market=StructuredMarket()
    )
    if found.charge is None:
        assert max(played(setting, charge).settlement.profit_eur for charge in np.linspace(0, 1, 51)) < cost
    else:
        assert played(setting, found.charge).settlement.profit_eur >= cost - 1e-6


def test_mixed_integer_programming_finds_the_same_optimum() -> None:
    pytest.importorskip("pyscipopt")
    setting = setting_of()
    day = hour_of(setting.community.day(DAY), 12)
    network = setting.community.network
    tariff = make_tariff("distance", network)
    exact = solve_optimum(day, network, tariff, cap=1.0, flows="injections", market=StructuredMarket())
    checked = solve_miqp(day, network, tariff, cap=1.0, flows="injections")
    assert checked.recleared_profit_eur == pytest.approx(exact.profit_eur, abs=1e-5)


LONG = GameSpec(community="simbench-rural-long", flows="injections", charge_cap=1.0)
COUNTED = {"voltage_price": 500.0, "voltage_band": 0.05}


@pytest.mark.parametrize("day_number", [255, 166])
def test_on_long_lines_voltages_move_the_optimum_and_no_charge_of_a_grid_is_better(day_number: int) -> None:
    free, counted = (make_setting(LONG.changed(**changes), split="test") for changes in ({}, COUNTED))
    day = free.community.day(day_number)
    market = StructuredMarket(threads=1)

    def best(setting: Setting, *, hard: bool = False) -> Any:
        network = setting.community.network
        return solve_optimum(day, network, setting.tariff, cap=1.0, flows="injections", market=market, hard_limits=hard)

    without, soft, hard = best(free), best(counted), best(counted, hard=True)
    assert soft.charge < without.charge - 0.05
    at = {charge: played(counted, charge, day).settlement for charge in (without.charge, soft.charge, *np.linspace(0.0, 1.0, 51))}
    assert max(each.profit_eur for each in at.values()) <= soft.upper_bound_eur + 1e-9
    assert at[without.charge].profit_eur < soft.profit_eur - 1.0, "EUR lost by not minding voltages"
    assert not at[without.charge].network_secure
    secure = [each.profit_eur for each in at.values() if each.network_secure]
    if hard.secure:
        assert day_number == 255
        assert hard.charge < soft.charge - 0.05
        assert played(counted, hard.charge, day).settlement.network_secure
        assert max(secure) <= hard.profit_eur + 1e-9
    else:
        assert day_number == 166
        assert not secure, "no charge keeps 0.95 to 1.05 p.u."


def test_slopes_half_way_are_closer_to_ac_where_the_sun_lifts_voltages() -> None:
    community = make_setting(LONG.changed(**COUNTED), split="test").community
    bare = load_community("simbench-rural-long").network
    idle = with_voltage_rows(bare, voltage_price=500.0, overload_price=1.0, band_pu=0.05)
    sunny = community.day(164)
    clearing = StructuredMarket(threads=1).clear(sunny, np.zeros((13, 13)))
    net = (clearing.renewable_used + clearing.storage_discharge - clearing.storage_charge - clearing.demand)[None]
    nothing = np.zeros((1, 1, bare.grid.n_buses))
    truth = AcPowerFlow(bare).of(net, nothing).voltage_pu
    assert truth is not None
    said = [voltage_of(each.grid, DcPowerFlow(each).of(net, nothing).branch_kw).max() for each in (idle, community.network)]
    off = np.abs(np.array(said) - truth.max())
    assert off[0] > 0.004
    assert off[1] < 0.6 * off[0]
    at_rest = voltage_of(community.network.grid, DcPowerFlow(community.network).of(0.0 * net, nothing).branch_kw)
    without = AcPowerFlow(bare).of(0.0 * net, nothing).voltage_pu
    assert without is not None
    assert at_rest == pytest.approx(without[..., community.network.grid.branch_to[bare.grid.n_branches :]], abs=1e-9)


def test_slopes_half_way_to_more_than_the_wires_can_carry_are_those_without_prosumers() -> None:
    network = load_community("two-prosumers").network
    told: Any = {"voltage_price": 500.0, "overload_price": 1.0}
    far = with_voltage_rows(network, days_kw=np.full((1, 1, 2), -5000.0), **told)
    assert np.array_equal(far.grid.ptdf, with_voltage_rows(network, **told).grid.ptdf)


def test_under_ac_rows_are_the_true_voltages() -> None:
    env: Any = gymnasium.make(
        "gridtoll.envs:gridtoll/DayAhead-v0",
        solver="structured",
        power_flow="ac",
        flows="injections",
        voltage_price=500.0,
        voltage_band=0.04,
    ).unwrapped
    env.reset(options={"day": DAY})
    info = env.step([0.3])[4]
    rows = voltage_of(env.community.network.grid, env.outcome.settlement.flow_kw)
    assert rows.max() == pytest.approx(info["voltage_max_pu"], abs=1e-12)
    assert not info["network_secure"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"voltage_price": 0.0}, "`voltage_price` must be a finite number > 0"),
        ({"voltage_price": 1.0, "voltage_band": 1.5}, "`voltage_band` must be above 0 and below 1"),
        ({"voltage_band": 0.05}, "`voltage_band` must go with `voltage_price`"),
    ],
)
def test_prices_and_bands_that_cannot_be_are_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GameSpec(**changes)  # type: ignore[arg-type]
