"""The market clearing is the optimum of the followers' program, says how exactly, and refuses to pass anything else off as it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import kkt
import numpy as np
import pytest
from builders import DEGENERATE, charges_of, clear, day_fields, market, pair_day, random_basis, random_day
from hypothesis import given, settings
from hypothesis import strategies as st
from kkt import PRICES, PRIMAL, assert_same
from numpy.typing import NDArray
from oracles import pair_of, plain_clearing

from gridtoll.envs.community.day import Day, make_day
from gridtoll.envs.market.exact import TOLERANCE

Array = NDArray[np.float64]


def cleared_cost(day: Day, charges: Array) -> float:
    return market().clear(day, charges).objective_eur


# --- exactness ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("charge", [0.0, 0.07, 0.25])
def test_the_referee_finds_the_clearing_optimal_on_difficult_days(name: str, charge: float) -> None:
    day = DEGENERATE[name]()
    charges, clearing = clear(day, charge)
    found = kkt.residuals(day, charges, clearing)
    assert found.worst <= 1e-11, found
    assert clearing.certificate.worst <= 1e-11


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), charge=st.floats(0.0, 1.0), log_friction=st.floats(-4.0, 0.0))
def test_the_referee_finds_the_clearing_optimal_on_ordinary_days(seed: int, charge: float, log_friction: float) -> None:
    day = random_day(seed, trade_friction=10.0**log_friction)
    charges, clearing = clear(day, charge)
    assert kkt.residuals(day, charges, clearing).worst <= TOLERANCE
    assert kkt.cost(day, charges, clearing) == pytest.approx(clearing.objective_eur, rel=1e-12)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), charge=st.sampled_from([0.0, 0.05, 0.1, 0.25]))
def test_ties_between_round_numbers_do_not_mislead_the_active_set(seed: int, charge: float) -> None:
    fields = day_fields(seed)
    for name in ("demand_min", "demand_max", "renewable", "utility_slope", "export_price", "import_limit", "export_limit", "trade_limit"):
        fields[name] = np.round(fields[name], 1)
    fields |= {"demand_max": fields["demand_max"] + 0.1, "utility_curvature": 0.25, "import_limit": 10.0, "import_price": 0.3}
    day = make_day(**fields)
    charges = charge * (1 - np.eye(5))
    assert kkt.residuals(day, charges, market().clear(day, charges)).worst <= 1e-11


# --- conservation ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DEGENERATE)
def test_energy_is_conserved_and_nothing_runs_in_a_circle(name: str) -> None:
    day = DEGENERATE[name]()
    _, clearing = clear(day, 0.03)
    unit = kkt.units(day)[0]
    supply = clearing.renewable_used.sum() + clearing.grid_import.sum() + clearing.storage_discharge.sum()
    use = clearing.demand.sum() + clearing.grid_export.sum() + clearing.storage_charge.sum()
    assert supply == pytest.approx(use, abs=1e-11 * unit * day.demand_max.size)
    both_ways = np.minimum(clearing.trade, clearing.trade.transpose(0, 2, 1))
    assert both_ways.max() <= 1e-12 * unit
    assert np.minimum(clearing.grid_import, clearing.grid_export).max() <= 1e-12 * unit


def test_trade_stops_where_its_margin_is_used_up() -> None:
    day = random_day(0, trade_limit=0.7)
    charges, clearing = clear(day, 0.05)
    margin = clearing.nodal_price[:, None, :] - clearing.nodal_price[:, :, None] - charges - day.trade_friction * clearing.trade
    inside = (clearing.trade > 1e-9) & (clearing.trade < 0.7 - 1e-9)
    capped = (clearing.trade > 0.7 - 1e-9) & day.can_trade
    assert inside.any()
    assert capped.any()
    assert np.abs(margin[inside]).max() <= 1e-12
    assert margin[capped].min() >= -1e-12
    assert margin[~inside & ~capped].max() <= 1e-12


# --- closed forms and oracles ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exports", [True, False])
@pytest.mark.parametrize("charge", [0.0, 0.05, 0.2, 0.34, 0.36, 0.59])
def test_two_prosumers_trade_and_price_as_the_closed_form_says(exports: bool, charge: float) -> None:
    day = pair_day(exports=exports)
    form = pair_of(day, exports=exports)
    clearing = market().clear(day, charge * (1 - np.eye(2)))
    trade = form.trade(charge)
    assert clearing.trade[0].tolist() == [[0.0, pytest.approx(trade, abs=1e-12)], [0.0, 0.0]]
    assert clearing.nodal_price[0] == pytest.approx(form.nodal_prices(charge), abs=1e-12)
    assert clearing.renewable_used[0] == pytest.approx(day.renewable[0])
    demand = (day.utility_slope[0] - np.array(form.nodal_prices(charge))) / day.utility_curvature[0]
    assert clearing.demand[0] == pytest.approx(demand, abs=1e-12)
    left = day.renewable[0, 0] - demand[0] - trade
    assert clearing.grid_export[0] == pytest.approx([left if exports else 0.0, 0.0], abs=1e-12)
    assert clearing.grid_import[0] == pytest.approx([0.0, demand[1] - trade if exports else 0.0], abs=1e-12)


@pytest.mark.parametrize("name", ["quarter hours", "negative prices", "prices of both signs", "trades at their cap", "two prosumers"])
def test_the_plain_statement_of_the_program_has_the_same_solution(name: str) -> None:
    day = DEGENERATE[name]()
    charges, clearing = clear(day, 0.05)
    plain = plain_clearing(day, charges)
    assert clearing.objective_eur == pytest.approx(plain.objective_eur, rel=1e-7)
    assert clearing.objective_eur <= plain.objective_eur + 1e-9 * abs(plain.objective_eur) + 1e-8
    for mine, theirs in (
        (clearing.demand, plain.demand),
        (clearing.grid_import, plain.grid_import),
        (clearing.grid_export, plain.grid_export),
        (clearing.stored_energy, plain.stored_energy),
        (clearing.trade, plain.trade),
        (clearing.nodal_price, plain.nodal_price),
    ):
        assert mine == pytest.approx(theirs, abs=1e-3)


# --- duals are derivatives of the cost ------------------------------------------------------------------------------------------------


def test_the_nodal_price_is_what_one_more_kilowatt_costs() -> None:
    step, hours = 1e-4, 0.25
    fixed = day_fields(4, hours=hours)
    fixed["demand_min"] = fixed["demand_max"]
    day = make_day(**fixed)
    charges, clearing = clear(day, 0.03)
    for where in ((0, 0), (2, 3), (5, 1)):
        cost = []
        for sign in (1.0, -1.0):
            moved = day.demand_max.copy()
            moved[where] += sign * step
            cost.append(cleared_cost(make_day(**(fixed | {"demand_min": moved, "demand_max": moved})), charges))
        d, a, b = day.demand_max[where], day.utility_curvature[where], day.utility_slope[where]
        rate = (cost[0] - cost[1]) / (2 * step * hours)
        assert rate == pytest.approx(a * d - b + clearing.nodal_price[where], abs=1e-7)


def test_the_nodal_price_is_what_one_more_kilowatt_of_sun_saves() -> None:
    step = 1e-4
    day = random_day(4)
    charges, clearing = clear(day, 0.03)
    period, prosumer = (int(i) for i in np.argwhere((day.renewable > 0.5) & (clearing.nodal_price > 0.02))[0])
    cost = []
    for sign in (1.0, -1.0):
        moved = day.renewable.copy()
        moved[period, prosumer] += sign * step
        cost.append(cleared_cost(random_day(4, renewable=moved), charges))
    assert (cost[1] - cost[0]) / (2 * step) == pytest.approx(clearing.nodal_price[period, prosumer], abs=1e-7)


def test_the_storage_price_is_what_one_more_stored_kilowatt_hour_is_worth() -> None:
    step, hours = 1e-4, 0.25
    # More energy at the start must also be left at the end: its worth is the first price less the last, which e_T ≥ e_0 has to bear.
    start = np.array([0.1, 0.1, 0.0, 0.0, 0.0])
    day = random_day(4, hours=hours, storage_start=start)
    charges, clearing = clear(day, 0.03)
    assert clearing.stored_energy[-1, 0] == pytest.approx(start[0], abs=1e-12)
    ahead, behind = (
        cleared_cost(random_day(4, hours=hours, storage_start=start + by * (np.arange(5) == 0)), charges) for by in (step, -step)
    )
    worth = clearing.storage_price[0, 0] - clearing.storage_price[-1, 0]
    assert worth != pytest.approx(0.0, abs=1e-3)
    assert (behind - ahead) / (2 * step) == pytest.approx(worth, abs=1e-6)


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), low=st.floats(0.0, 0.3), width=st.floats(1e-4, 0.3))
def test_cost_is_concave_in_the_charge_and_charged_energy_is_its_slope_and_falls(seed: int, low: float, width: float) -> None:
    day, basis = random_day(seed, hours=0.5), random_basis(seed, 5)
    charges = np.array([low, low + 0.5 * width, low + width])
    clearings = [market().clear(day, charge * basis) for charge in charges]
    cost = np.array([clearing.objective_eur for clearing in clearings])
    charged = np.array([0.5 * float((basis * clearing.trade).sum()) for clearing in clearings])
    rounding = 1e-11 * np.abs(cost).max()
    assert np.diff(charged).max() <= 1e-10 * charged.max()
    assert cost[1] >= 0.5 * (cost[0] + cost[2]) - rounding
    chord = np.diff(cost)  # the slope of a concave function lies between those of its ends
    assert np.all(chord <= charged[:-1] * np.diff(charges) + rounding)
    assert np.all(chord >= charged[1:] * np.diff(charges) - rounding)


# --- symmetries -----------------------------------------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), order=st.permutations(range(5)))
def test_renumbering_prosumers_renumbers_the_outcome(seed: int, order: list[int]) -> None:
    day = random_day(seed, trade_limit=np.random.default_rng(seed).uniform(0.5, 3.0, (5, 5)))
    charges, clearing = clear(day, 0.05)
    fields: dict[str, Any] = day.arrays()
    per_prosumer = {name for name, value in fields.items() if np.ndim(value) and np.shape(value)[-1] == 5}
    moved = {name: np.asarray(value)[..., order] for name, value in fields.items() if name in per_prosumer}
    moved |= {name: np.asarray(fields[name])[np.ix_(order, order)] for name in ("trade_limit", "trade_friction")}
    again = market().clear(make_day(**(fields | moved)), charges[np.ix_(order, order)])
    expected = {name: getattr(clearing, name)[..., order] for name in (*PRIMAL, *PRICES) if name != "trade"}
    expected["trade"] = clearing.trade[:, order][:, :, order]
    assert_same(replace(clearing, **expected), again)
    assert again.objective_eur == pytest.approx(clearing.objective_eur, rel=1e-11)


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), log_power=st.floats(-4, 5), log_price=st.floats(-4, 5))
def test_other_units_of_power_and_money_give_the_same_outcome(seed: int, log_power: float, log_price: float) -> None:
    power, price = 10.0**log_power, 10.0**log_price
    fields = random_day(seed).arrays()
    units = {
        **dict.fromkeys(("demand_min", "demand_max", "renewable", "import_limit", "export_limit", "storage_power"), power),
        **dict.fromkeys(("storage_capacity", "storage_start", "trade_limit"), power),
        **dict.fromkeys(("utility_slope", "import_price", "export_price", "loss_price", "overload_price", "import_fee"), price),
        **dict.fromkeys(("utility_curvature", "grid_friction", "storage_wear", "trade_friction"), price / power),
    }
    scaled = make_day(**(fields | {name: np.asarray(fields[name]) * unit for name, unit in units.items()}))
    charges, clearing = clear(random_day(seed), 0.05)
    again = market().clear(scaled, charges * price)
    assert_same(clearing, again, power=power, price=price, energy=power)
    assert again.objective_eur == pytest.approx(clearing.objective_eur * power * price, rel=1e-10)


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), hours=st.floats(0.05, 6.0))
def test_the_same_powers_over_longer_periods_cost_in_proportion(seed: int, hours: float) -> None:
    charges, clearing = clear(random_day(seed), 0.05)
    longer = market().clear(random_day(seed, hours=hours), charges)
    assert_same(clearing, longer, energy=hours)
    assert longer.objective_eur == pytest.approx(hours * clearing.objective_eur, rel=1e-10)


def test_charges_of_every_period_may_stand_once() -> None:
    day = random_day(0)
    charges, clearing = clear(day, 0.05)
    assert_same(clearing, market().clear(day, np.tile(charges, (6, 1, 1))), rel=0.0)


def test_a_charge_on_a_trade_nobody_may_make_changes_nothing() -> None:
    limit = np.full((5, 5), 4.0)
    limit[0, 1] = 0.0
    day, charges = random_day(0, trade_limit=limit), charges_of(random_day(0), 0.05)
    dear = charges.copy()
    dear[0, 1] = 50.0
    np.fill_diagonal(dear, 7.0)
    assert_same(market().clear(day, charges), market().clear(day, dear), rel=0.0)


def test_a_prohibitive_charge_is_no_trade() -> None:
    day = random_day(0)
    alone = market().clear(random_day(0, trade_limit=0.0), np.zeros((5, 5)))
    dear = market().clear(day, 50.0 * (1 - np.eye(5)))
    assert not dear.trade.any()
    assert_same(alone, dear, rel=1e-11)
