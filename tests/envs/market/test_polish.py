"""Polishing takes a nearly optimal point to the exact optimum, or says how far it got; its linear system is what it claims to be."""

from __future__ import annotations

from dataclasses import fields, replace

import kkt
import numpy as np
import pytest
from builders import DEGENERATE, random_basis, random_day
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.community.day import Day
from gridtoll.envs.community.sources import load_community
from gridtoll.envs.market.exact import P2PMarket
from gridtoll.envs.market.exact.compiled import StructuredMarket
from gridtoll.envs.market.exact.convert import clearing_of
from gridtoll.envs.market.exact.kkt import ActiveSet, KktSystem
from gridtoll.envs.market.exact.market_data import MarketData, Structure, read_charges, scale
from gridtoll.envs.market.exact.point import (
    Point,
    balance_residual,
    boxes,
    certify,
    gap_by_prosumer,
    objective,
    respond,
    storage_residual,
    stored_slope,
)
from gridtoll.envs.market.exact.polish import adopt, polish
from gridtoll.envs.market.exact.problem import CompiledMarket

Array = NDArray[np.float64]

_COMPILED: dict[object, CompiledMarket] = {}


def data_of(day: Day, charge: float = 0.05) -> MarketData:
    basis = random_basis(1, day.n_prosumers) if day.n_prosumers > 1 else np.zeros((1, 1))
    return scale(day, read_charges(day, charge * basis), Structure.of(day))


def interior(data: MarketData, tolerance: float = 1e-8) -> Point:
    """Clarabel's answer, unpolished."""
    key = data.structure.key
    if key not in _COMPILED:
        _COMPILED[key] = CompiledMarket(data.structure)
    point, _ = _COMPILED[key].solve(data, tolerance=tolerance)
    return point


def copy_of(point: Point) -> Point:
    return Point(**{field.name: getattr(point, field.name).copy() for field in fields(Point)})


@pytest.mark.parametrize("tolerance", [1e-4, 1e-6, 1e-8])
def test_polishing_turns_an_interior_point_answer_into_the_optimum(tolerance: float) -> None:
    data = data_of(random_day(0))
    point = interior(data, tolerance)
    assert certify(data, point).worst > 1e-9  # which is why there is polishing
    steps = polish(data, point)
    assert certify(data, point).worst <= 1e-12
    assert steps <= 10


@pytest.mark.parametrize("name", DEGENERATE)
def test_difficult_days_are_polished_in_few_steps(name: str) -> None:
    data = data_of(DEGENERATE[name]())
    point = interior(data)
    assert polish(data, point) <= 12
    assert certify(data, point).worst <= 1e-12


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), noise=st.sampled_from([1e-8, 1e-6, 1e-4]))
def test_polishing_finds_the_optimum_again_from_a_disturbed_one(seed: int, noise: float) -> None:
    day = random_day(seed)
    data = data_of(day)
    point = interior(data)
    polish(data, point)
    expected = copy_of(point)
    random = np.random.default_rng(seed)
    for name in ("nodal_price", "storage_price", "stored", "renewable"):
        setattr(point, name, getattr(point, name) + noise * random.standard_normal(getattr(point, name).shape))
    polish(data, point)
    assert certify(data, point).worst <= 1e-12
    for name in ("demand", "renewable", "imported", "exported", "charge", "discharge", "stored", "trade"):
        assert getattr(point, name) == pytest.approx(getattr(expected, name), abs=1e-10), name


def test_only_prices_stored_energy_and_renewable_use_matter_to_polishing() -> None:
    data = data_of(random_day(0))
    point = interior(data)
    stripped = replace_all(point, ("demand", "imported", "exported", "charge", "discharge", "trade"), np.nan)
    polish(data, point)
    polish(data, stripped)
    assert all(np.array_equal(getattr(point, field.name), getattr(stripped, field.name)) for field in fields(Point))


def replace_all(point: Point, names: tuple[str, ...], value: float) -> Point:
    return replace(copy_of(point), **{name: np.full_like(getattr(point, name), value) for name in names})


def test_held_variables_lie_exactly_on_their_bounds() -> None:
    data = data_of(random_day(0))
    point = interior(data)
    polish(data, point)
    for box in boxes(data, point):
        lower, upper = np.broadcast_to(box.lower, box.value.shape), np.broadcast_to(box.upper, box.value.shape)
        assert np.all((box.value >= lower) & (box.value <= upper))
        near = (box.value < lower + 1e-9) | (box.value > upper - 1e-9)
        assert np.all((box.value == lower) | (box.value == upper) | ~near)


def test_idle_storage_keeps_its_price_inside_the_band_in_which_it_is_idle() -> None:
    day = DEGENERATE["idle batteries"]()
    data = data_of(day)
    point = interior(data)
    polish(data, point)
    idle = (point.charge == 0) & (point.discharge == 0)
    assert idle.any()
    mu, eta = point.nodal_price[:, data.structure.owner], data.storage_efficiency
    assert np.all((point.storage_price * eta <= mu + 1e-12)[idle])  # charging does not pay
    assert np.all((mu <= point.storage_price / eta + 1e-12)[idle])  # nor does discharging
    clearing = clearing_of(day, data, point, certify(data, point), solver="test")
    assert kkt.residuals(day, 0.05 * random_basis(1, 5), clearing).worst <= 1e-11


def test_a_point_that_was_exact_already_takes_no_step() -> None:
    data = data_of(random_day(0))
    point = interior(data)
    polish(data, point)
    before = copy_of(point)
    assert polish(data, point) <= 1
    assert certify(data, point).worst <= certify(data, before).worst + 1e-14


def test_without_steps_the_point_is_only_put_on_its_bounds() -> None:
    data = data_of(random_day(0))
    point = interior(data, 1e-4)
    prices = point.nodal_price.copy()
    assert polish(data, point, max_steps=0) == 0
    assert np.array_equal(point.nodal_price, prices)
    assert not certify(data, point).holds()


@pytest.mark.parametrize("max_steps", [1, 2, 5, 60])
def test_from_a_hopeless_point_the_best_one_met_is_kept(max_steps: int) -> None:
    data = data_of(random_day(0))
    far = interior(data)
    random = np.random.default_rng(0)
    for name in ("nodal_price", "storage_price", "stored", "renewable"):
        setattr(far, name, 30.0 * random.standard_normal(getattr(far, name).shape))
    start = copy_of(far)
    adopt(data, start)
    assert polish(data, far, max_steps=max_steps) <= max_steps
    assert np.abs(balance_residual(data, far)).max() <= np.abs(balance_residual(data, start)).max()


def test_a_point_with_a_number_missing_is_given_up_and_not_certified() -> None:
    data = data_of(random_day(0))
    point = interior(data)
    point.nodal_price[0, 0] = np.nan
    assert polish(data, point) == 0
    assert np.isnan(certify(data, point).worst)


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000), noise=st.floats(1e-9, 0.1))
def test_the_certified_gap_is_primal_minus_dual_objective(seed: int, noise: float) -> None:
    """The certificate adds the gap up without cancellation; here it is the plain difference, at points that are far from optimal."""
    day = random_day(seed)
    data = data_of(day)
    point = interior(data, 1e-6)
    random = np.random.default_rng(seed)
    for field in fields(Point):
        setattr(point, field.name, getattr(point, field.name) + noise * random.standard_normal(getattr(point, field.name).shape))
    certificate = certify(data, point)
    clearing = clearing_of(day, data, point, certificate, solver="test")
    charges = 0.05 * random_basis(1, 5)
    shares = gap_by_prosumer(data, point)
    turnover = float(data.demand_max.sum()) * data.objective_unit
    plain = kkt.cost(day, charges, clearing) - kkt.dual_value(day, charges, clearing)
    assert shares.sum() * data.objective_unit == pytest.approx(plain, rel=1e-9, abs=1e-10 * turnover)
    own = shares / (day.n_periods * np.maximum(day.demand_max.mean(axis=0), day.renewable.mean(axis=0)) / day.demand_max.mean())
    assert abs(certificate.gap) == pytest.approx(np.abs(own).max(), rel=1e-9)
    assert objective(data, point) * data.objective_unit == pytest.approx(kkt.cost(day, charges, clearing), rel=1e-10)


def test_the_response_to_prices_is_the_best_of_every_box() -> None:
    data = data_of(random_day(0))
    point = interior(data, 1e-4)
    respond(data, point)
    for box in boxes(data, point):
        if np.ndim(box.curvature) == 0:  # renewable use and stored energy do not follow from prices
            continue
        low, high = box.value <= box.lower, box.value >= box.upper
        assert np.abs(box.slope[~low & ~high]).max(initial=0.0) <= 1e-13
        assert box.slope[low & ~high].min(initial=0.0) >= 0
        assert box.slope[high & ~low].max(initial=0.0) <= 0


@pytest.mark.parametrize("name", ["nine prosumers", "idle batteries", "nobody may trade", "nobody has storage", "one prosumer"])
def test_the_linear_system_is_the_derivative_of_the_conditions(name: str) -> None:
    """Its solution moves the conditions by what was asked for, as long as the active set stays."""
    data = data_of(DEGENERATE[name]())
    point = interior(data)
    polish(data, point)
    active = adopt(data, point)
    system = KktSystem(data, active)
    assert abs(system._matrix - system._matrix.T).max() <= 1e-12 * abs(system._matrix).max()
    random = np.random.default_rng(0)
    move = {key: random.standard_normal(getattr(point, key).shape) for key in ("nodal_price", "storage_price", "stored", "renewable")}
    move["stored"] *= active.stored
    move["renewable"] *= active.renewable
    wanted = changes(data, active, *move.values())  # singular systems are solvable for right-hand sides like these only
    for mine, theirs in zip(wanted, changes(data, active, *system.solve_exactly(*wanted)), strict=True):
        assert theirs == pytest.approx(mine, rel=1e-9, abs=1e-9)


def changes(data: MarketData, active: ActiveSet, mu: Array, sigma: Array, stored: Array, renewable: Array) -> tuple[Array, ...]:
    """What a move of the unknowns changes, by the formulas of the responses: bought less needed, negated storage equation, slopes."""
    owner, seller, buyer, eta = data.structure.owner, data.structure.seller, data.structure.buyer, data.storage_efficiency
    charge = active.charge * (eta * sigma - mu[:, owner]) / data.storage_wear
    discharge = active.discharge * (mu[:, owner] - sigma / eta) / data.storage_wear
    balance = renewable + active.demand * mu / data.utility_curvature + (active.imported | active.exported) * mu / data.grid_friction
    balance[:, owner] += discharge - charge
    trade = active.trade * (mu[:, buyer] - mu[:, seller]) / data.trade_friction
    for pair in range(len(seller)):
        balance[:, seller[pair]] -= trade[:, pair]
        balance[:, buyer[pair]] += trade[:, pair]
    storage = np.diff(stored, axis=0, prepend=0.0) - eta * charge + discharge / eta
    return balance, -storage, -stored_slope(sigma) * active.stored, mu * active.renewable


def test_storage_equations_begin_with_the_energy_at_the_start_of_the_day() -> None:
    data = data_of(random_day(0))
    point = interior(data)
    polish(data, point)
    moved = replace(data, storage_start=data.storage_start + 0.25)
    assert storage_residual(moved, point)[0] == pytest.approx(storage_residual(data, point)[0] - 0.25)
    assert storage_residual(moved, point)[1:] == pytest.approx(storage_residual(data, point)[1:])


@pytest.mark.parametrize("make_market", [P2PMarket, StructuredMarket])
def test_a_last_bit_of_energy_with_nowhere_obvious_to_go_finds_its_buyer(make_market: type[P2PMarket | StructuredMarket]) -> None:
    # At 13:00 a prosumer has everything on its bounds but a hundred-thousandth of its sun, which a trade just below its threshold takes.
    # Its price has no step of Newton's, and once leapt by a hundred times the greatest price.
    community = load_community("ieee9")
    charges = 0.05002501250625312 * make_tariff("distance", community.network).basis[0]
    clearing = make_market().clear(community.day(113, price_path=1), charges)
    assert clearing.certificate.worst < 1e-12
    assert not clearing.fallback


CYCLING = (("ieee39", 162, 2, 0.22254688259217908), ("ieee39", 230, 2, 0.22808602022387492))


@pytest.mark.parametrize(("community", "day", "price_path", "charge"), CYCLING)
def test_shorter_steps_end_a_cycle_of_full_ones(community: str, day: int, price_path: int, charge: float) -> None:
    # A battery at its power limit has 1e-5 too much to take. Newton's step leads across all prices at which it takes less, and back.
    whose = load_community(community)
    found = whose.day(day, price_path=price_path)
    charges = charge * make_tariff("distance", whose.network).basis[0]
    data = scale(found, read_charges(found, charges), Structure.of(found))
    for tolerance in (1e-8, 1e-10, 1e-12, 1e-6):
        point = interior(data, tolerance)
        assert polish(data, point) <= 30
        assert certify(data, point).worst <= 1e-12
    clearing = StructuredMarket().clear(found, charges)
    assert clearing.certificate.worst <= 1e-11
    assert kkt.residuals(found, charges, clearing).worst <= 1e-9
