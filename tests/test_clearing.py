"""The market clearing is the optimum of the followers' program, says how exactly, and refuses to pass anything else off as it."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from dataclasses import replace
from typing import Any

import kkt
import numpy as np
import pytest
from builders import DEGENERATE, day_fields, market, pair_day, random_basis, random_day
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from oracles import pair_of, plain_clearing

from gridtoll.envs.clearing import TOLERANCE, Certificate, Clearing, P2PMarket, verify
from gridtoll.envs.clearing import market as market_module
from gridtoll.envs.clearing.market_data import Structure
from gridtoll.envs.clearing.point import Point
from gridtoll.envs.clearing.problem import CompiledMarket
from gridtoll.envs.day import Day, make_day
from gridtoll.envs.errors import ClearingError

Array = NDArray[np.float64]

PRIMAL = (
    "demand",
    "renewable_used",
    "grid_import",
    "grid_export",
    "storage_charge",
    "storage_discharge",
    "stored_energy",
    "trade",
)
PRICES = ("nodal_price", "storage_price")


def charges_of(day: Day, charge: float) -> Array:
    """Charges of mean ``charge`` that differ from pair to pair."""
    return charge * random_basis(1, day.n_prosumers) if day.n_prosumers > 1 else np.zeros((1, 1))


def clear(day: Day, charge: float) -> tuple[Array, Clearing]:
    charges = charges_of(day, charge)
    return charges, market().clear(day, charges)


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


@pytest.mark.parametrize("name", [*PRIMAL, *PRICES])
def test_the_referee_and_the_certificate_refuse_a_perturbed_clearing(name: str) -> None:
    day = random_day(0)
    charges, clearing = clear(day, 0.05)
    whole = getattr(clearing, name)
    if name == "trade":
        variable = np.broadcast_to(day.can_trade, whole.shape)
    else:
        variable = np.broadcast_to(day.has_storage if name.startswith("stor") else True, whole.shape).copy()
        variable[0] &= name != "stored_energy"  # its first row is data
    places = np.argwhere(variable)
    for where in (tuple(places[0]), tuple(places[len(places) // 2]), tuple(places[-1])):
        for by in (1e-6, -1e-6):
            entries = whole.copy()
            entries[where] += by
            wrong = replace(clearing, **{name: entries})
            assert kkt.residuals(day, charges, wrong).worst > 1e-7
            certificate = verify(day, charges, wrong)
            assert not certificate.holds(), (name, where)
            assert certificate.worst > 1e-7


@pytest.mark.parametrize(
    ("name", "where", "value"),
    [
        ("trade", (0, 1, 1), 0.5),  # with oneself
        ("trade", (0, 2, 3), 0.5),  # between those who may not
        ("storage_charge", (1, 4), 0.5),  # where there is no storage
        ("storage_discharge", (1, 4), 0.5),
        ("storage_price", (1, 4), 0.5),
        ("stored_energy", (3, 4), 0.5),
        ("stored_energy", (0, 0), 0.0),  # a day that does not begin with its start
    ],
)
def test_verification_sees_what_stands_where_the_program_has_no_variable(name: str, where: Any, value: float) -> None:
    limit = np.full((5, 5), 4.0)
    limit[2, 3] = 0.0
    day = random_day(0, trade_limit=limit)
    charges, clearing = clear(day, 0.05)
    assert verify(day, charges, clearing).holds()
    entries = getattr(clearing, name).copy()
    entries[where] = value
    assert not verify(day, charges, replace(clearing, **{name: entries})).holds()


def test_verification_of_the_right_arrays_at_other_charges_or_on_another_day_fails() -> None:
    day = random_day(0)
    charges, clearing = clear(day, 0.05)
    assert verify(day, charges, clearing).worst == pytest.approx(clearing.certificate.worst, abs=1e-13)
    assert not verify(day, charges + 1e-6, clearing).holds()
    assert not verify(random_day(1), charges, clearing).holds()


def test_a_certificate_with_a_number_missing_holds_nowhere() -> None:
    assert Certificate(0.0, 0.0, 0.0).holds()
    assert Certificate(1e-9, -1e-9, -1e-9).holds()
    assert not Certificate(0.0, 0.0, -2e-9).holds()
    for values in ((np.nan, 0.0, 0.0), (0.0, np.nan, 0.0), (0.0, 0.0, np.nan)):
        certificate = Certificate(*values)
        assert np.isnan(certificate.worst)
        assert not certificate.holds(np.inf)
    assert not Certificate(np.inf, 0.0, 0.0).holds()


@pytest.mark.parametrize("name", [*PRIMAL, *PRICES])
def test_one_missing_number_anywhere_voids_the_certificate(name: str) -> None:
    day = random_day(0)
    charges, clearing = clear(day, 0.05)
    entries = getattr(clearing, name).copy()
    entries[(0,) * (entries.ndim - 1) + (1,)] = np.nan  # period 0, a seller, a buyer or an owner of storage
    if name == "stored_energy":
        entries[1, 1] = np.nan
    assert not verify(day, charges, replace(clearing, **{name: entries})).holds(1e9)


# --- conservation ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DEGENERATE)
def test_energy_is_conserved_and_nothing_runs_in_a_circle(name: str) -> None:
    day = DEGENERATE[name]()
    charges, clearing = clear(day, 0.03)
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
    ahead, behind = (cleared_cost(random_day(4, hours=hours, storage_start=start + by * (np.arange(5) == 0)), charges) for by in (step, -step))
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


def assert_same(one: Clearing, other: Clearing, *, power: float = 1.0, price: float = 1.0, energy: float = 1.0, rel: float = 1e-9) -> None:
    """The second clearing is the first in other units."""
    for name in (*PRIMAL, *PRICES):
        unit = price if name in PRICES else energy if name == "stored_energy" else power
        mine, theirs = getattr(one, name) * unit, getattr(other, name)
        if name == "storage_price":  # idle storage leaves its price undetermined
            continue
        assert theirs == pytest.approx(mine, rel=rel, abs=rel * max(np.abs(mine).max(), unit)), name


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), order=st.permutations(range(5)))
def test_renumbering_prosumers_renumbers_the_outcome(seed: int, order: list[int]) -> None:
    day = random_day(seed, trade_limit=np.random.default_rng(seed).uniform(0.5, 3.0, (5, 5)))
    charges, clearing = clear(day, 0.05)
    fields = day.arrays()
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


# --- what comes back ------------------------------------------------------------------------------------------------------------------


def test_a_clearing_has_the_shapes_it_documents_and_cannot_be_changed() -> None:
    day = random_day(0)
    _, clearing = clear(day, 0.05)
    for name in (*PRIMAL, *PRICES):
        array = getattr(clearing, name)
        assert array.shape == {"stored_energy": (7, 5), "trade": (6, 5, 5)}.get(name, (6, 5))
        assert not array.flags.writeable, name
    assert np.array_equal(clearing.stored_energy[0], day.storage_start)
    assert np.array_equal(clearing.traded_kw, clearing.trade.sum(axis=2) - clearing.trade.sum(axis=1))
    assert clearing.traded_kw.sum(axis=1) == pytest.approx(np.zeros(6), abs=1e-12)
    assert "Clarabel" in clearing.solver
    assert min(clearing.iterations) >= 0
    assert clearing.seconds > 0
    assert not clearing.fallback


def test_a_day_clears_the_same_to_the_last_bit_whatever_was_cleared_before() -> None:
    day = random_day(0)
    charges = charges_of(day, 0.05)
    fresh = P2PMarket().clear(day, charges)
    market().clear(random_day(1), charges)
    again = market().clear(day, charges)
    assert all(np.array_equal(getattr(fresh, name), getattr(again, name)) for name in (*PRIMAL, *PRICES))


def test_numpys_global_random_numbers_are_left_alone() -> None:
    before = pickle.dumps(np.random.get_state())  # noqa: NPY002 - that nothing touches it is the point
    clear(random_day(0), 0.05)
    assert pickle.dumps(np.random.get_state()) == before  # noqa: NPY002


# --- warm starts ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DEGENERATE)
def test_a_start_changes_the_way_and_not_the_outcome(name: str) -> None:
    day = DEGENERATE[name]()
    charges, cold = clear(day, 0.05)
    warm = market().clear(day, charges, start=clear(day, 0.051)[1])
    # Prices of a prosumer all of whose variables are at bounds are not unique; everything else is.
    assert_same(replace(cold, nodal_price=warm.nodal_price), warm, rel=1e-11)
    assert warm.objective_eur == pytest.approx(cold.objective_eur, rel=1e-12, abs=1e-15)
    assert kkt.residuals(day, charges, warm).worst <= 1e-11


def test_a_good_start_spares_the_interior_point() -> None:
    day = random_day(0)
    charges, clearing = clear(day, 0.05)
    again = market().clear(day, charges, start=clearing)
    assert again.iterations[0] == 0
    assert clearing.iterations[0] > 0
    assert_same(clearing, again, rel=1e-12)


def test_a_useless_start_does_no_harm() -> None:
    day = random_day(0)
    charges, clearing = clear(day, 0.05)
    for value in (0.0, 1e6, np.nan):
        junk = {name: np.full_like(getattr(clearing, name), value) for name in (*PRIMAL, *PRICES)}
        assert_same(clearing, market().clear(day, charges, start=replace(clearing, **junk)), rel=1e-11)


# --- bad input and failure ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("charges", "message"),
    [
        (np.zeros((4, 4)), r"`charges` must have shape \(6, 5, 5\) or \(5, 5\), got \(4, 4\)"),
        (np.zeros((5, 5, 5)), r"`charges` must have shape \(6, 5, 5\) or \(5, 5\), got \(5, 5, 5\)"),
        (0.1, r"`charges` must have shape \(6, 5, 5\) or \(5, 5\), got \(\)"),
        (np.diag([np.nan, np.inf, 0, 0, 0]), r"`charges` must be finite, got 2 entries that are not"),
        (np.diag([0, -0.25, 0, 0, 0]), r"`charges` must be at least 0 EUR/kWh, got -0\.25 at \(1, 1\)"),
    ],
)
def test_charges_that_no_operator_may_post_are_refused(charges: Any, message: str) -> None:
    day = random_day(0)
    with pytest.raises(ValueError, match=message):
        market().clear(day, charges)
    with pytest.raises(ValueError, match=message):
        verify(day, charges, clear(day, 0.0)[1])


def test_an_answer_that_cannot_be_polished_is_an_error_that_names_day_and_charges(monkeypatch: pytest.MonkeyPatch) -> None:
    day = random_day(3)
    monkeypatch.setattr(market_module, "polish", lambda data, point, max_steps: 0)
    monkeypatch.setattr(market_module, "INTERIOR_POINT_TOLERANCES", (1e-3, 1e-4))
    with pytest.raises(ClearingError, match=r"the clearing must be exact to 1e-09, and is not") as caught:
        market().clear(day, charges_of(day, 0.25))
    words = str(caught.value)
    assert words.count("0 polishing steps left Certificate(") == 2
    assert "day 'random day 3'" in words
    assert "EUR/kWh" in words
    assert f"{charges_of(day, 0.25).max():.17g}" in words


def test_a_solver_that_fails_is_tried_at_every_tolerance_and_then_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from cvxpy.error import SolverError

    def fail(self: CompiledMarket, data: object, *, tolerance: float) -> tuple[Point, int]:
        raise SolverError("numerical trouble")

    monkeypatch.setattr(CompiledMarket, "solve", fail)
    with pytest.raises(ClearingError, match="Clarabel failed at tolerance 1e-08: numerical trouble.*1e-10.*1e-06.*'random day 0'"):
        market().clear(random_day(0), np.zeros((5, 5)))


def test_an_answer_only_a_looser_tolerance_gives_is_as_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    from cvxpy.error import SolverError

    day, solve = random_day(0), CompiledMarket.solve
    charges, expected = clear(day, 0.05)

    def fail_first(self: CompiledMarket, data: Any, *, tolerance: float) -> tuple[Point, int]:
        if tolerance < 1e-6:
            raise SolverError("numerical trouble")
        return solve(self, data, tolerance=tolerance)

    monkeypatch.setattr(CompiledMarket, "solve", fail_first)
    assert_same(expected, market().clear(day, charges), rel=1e-11)


def test_an_answer_clarabel_calls_inaccurate_is_made_exact_without_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    day = random_day(0)
    charges, expected = clear(day, 0.05)
    monkeypatch.setattr(market_module, "INTERIOR_POINT_TOLERANCES", (1e-16,))  # no solver in double precision gets there
    assert_same(expected, market().clear(day, charges), rel=1e-11)  # warnings are errors in this suite


def test_a_program_without_an_answer_is_an_error_that_says_so() -> None:
    impossible = random_day(0, n=2, stores=0)
    object.__setattr__(impossible, "import_limit", np.zeros(2))  # no day that `make_day` passes is infeasible
    object.__setattr__(impossible, "renewable", np.zeros((6, 2)))
    with pytest.raises(ClearingError, match="Clarabel failed at tolerance 1e-08: Clarabel ended with status 'infeasible'"):
        market().clear(impossible, np.zeros((2, 2)))


def test_frictions_too_small_for_double_precision_are_a_clearing_error() -> None:
    """Whatever the linear algebra says about hopeless data, the user meets one kind of error."""
    cleared, refused = 0, 0
    for seed in range(12):
        fields = day_fields(seed, n=5, periods=4)
        random = np.random.default_rng(seed)
        day = make_day(**(fields | {"trade_friction": 10.0 ** random.uniform(-12, -8, (5, 5)), "grid_friction": 1e-10, "storage_wear": 1e-10}))
        try:
            charges, clearing = clear(day, 0.05)
        except ClearingError:
            refused += 1
        else:
            assert kkt.residuals(day, charges, clearing).worst <= 10 * TOLERANCE
            cleared += 1
    assert cleared + refused == 12


# --- compiled problems ----------------------------------------------------------------------------------------------------------------


def test_the_program_is_compiled_once_per_structure_and_only_filled_in_after_that() -> None:
    fresh = P2PMarket()
    day = random_day(0, n=3, periods=2, stores=1)
    basis = random_basis(0, 3)
    fresh.clear(day, 0.0 * basis)
    [compiled] = fresh._compiled.values()
    program = compiled.problem._cache.param_prog
    assert program is not None
    assert compiled.problem.is_dpp()
    fresh.clear(random_day(1, n=3, periods=2, stores=1, hours=0.25), 0.3 * basis)
    assert list(fresh._compiled.values()) == [compiled]
    assert compiled.problem._cache.param_prog is program
    fresh.clear(random_day(1, n=3, periods=2, stores=2), 0.3 * basis)
    assert len(fresh._compiled) == 2


@pytest.mark.parametrize("name", ["nine prosumers", "nobody may trade", "nobody has storage", "one prosumer"])
def test_every_structure_follows_the_rules_of_parametrised_programs(name: str) -> None:
    assert CompiledMarket(Structure.of(DEGENERATE[name]())).problem.is_dcp(dpp=True)


def test_a_program_that_breaks_those_rules_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    import cvxpy

    monkeypatch.setattr(cvxpy.Problem, "is_dpp", lambda self: False)
    with pytest.raises(AssertionError, match="DPP"):
        CompiledMarket(Structure.of(random_day(0)))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_market_survives_pickling(protocol: int) -> None:
    day = random_day(0)
    charges, clearing = clear(day, 0.05)
    twin = pickle.loads(pickle.dumps(market(), protocol))
    assert_same(clearing, twin.clear(day, charges), rel=0.0)


def test_a_market_survives_copying() -> None:
    day = random_day(0)
    charges, clearing = clear(day, 0.05)
    for twin in (copy.copy(market()), copy.deepcopy(market())):
        assert_same(clearing, twin.clear(day, charges), rel=0.0)


def test_a_clearing_survives_pickling_and_copying() -> None:
    _, clearing = clear(random_day(0), 0.05)
    for twin in (pickle.loads(pickle.dumps(clearing)), copy.deepcopy(clearing)):
        assert_same(clearing, twin, rel=0.0)
        assert twin.certificate == clearing.certificate


def test_a_spawned_process_clears_the_same() -> None:
    day = random_day(0, n=2, stores=1)
    charges = random_basis(0, 2) * 0.05
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        [theirs] = pool.starmap(market().clear, [(day, charges)])
    assert_same(market().clear(day, charges), theirs, rel=1e-12)
