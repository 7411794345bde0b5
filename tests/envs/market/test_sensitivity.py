"""The affine piece of the clearing around a charge: its derivative, its ends, and what lies beyond them."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import kkt
import numpy as np
import pytest
from builders import DEGENERATE, market, pair_day, random_basis, random_day
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from oracles import pair_of

from gridtoll.envs.community.day import Day
from gridtoll.envs.market.exact.convert import clearing_of, point_of
from gridtoll.envs.market.exact.derivatives.sensitivity import Response, respond_along
from gridtoll.envs.market.exact.market_data import MarketData, Structure, read_charges, scale
from gridtoll.envs.market.exact.point import Point, certify

Array = NDArray[np.float64]

UNIQUE = ("demand", "renewable", "imported", "exported", "charge", "discharge", "stored", "trade")
CAP = 1.5


def basis_of(day: Day) -> Array:
    return random_basis(1, day.n_prosumers) if day.n_prosumers > 1 else np.zeros((1, 1))


def data_at(day: Day, charge: float) -> MarketData:
    return scale(day, read_charges(day, charge * basis_of(day)), Structure.of(day))


def response_at(day: Day, charge: float) -> Response:
    """The piece around a charge, with steps in EUR/kWh from it, for charges from 0 to ``CAP``."""
    data = data_at(day, charge)
    point = point_of(data, market().clear(day, charge * basis_of(day)))
    direction = data_at(day, 1.0).charge
    return respond_along(data, point, direction, reach=(-charge, CAP - charge))


def referee(day: Day, charge: float, point: Point) -> float:
    """What the independent checker finds wrong with a point at a charge."""
    data = data_at(day, charge)
    clearing = clearing_of(day, data, point, certify(data, point), solver="test")
    return kkt.residuals(day, charge * basis_of(day), clearing).worst


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("charge", [0.0, 0.04, 0.25])
def test_a_piece_is_the_clearing_from_end_to_end_on_difficult_days(name: str, charge: float) -> None:
    day = DEGENERATE[name]()
    piece = response_at(day, charge)
    assert piece.step_min <= 0 <= piece.step_max
    for share in (0.0, 0.3, 1.0):
        step = piece.step_min + share * (piece.step_max - piece.step_min)
        assert certify(data_at(day, charge + step), piece.at(step)).worst <= 1e-10
        assert referee(day, charge + step, piece.at(step)) <= 1e-10


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), charge=st.floats(0.0, 0.5), share=st.floats(0.0, 1.0))
def test_a_piece_foretells_what_clearing_again_finds(seed: int, charge: float, share: float) -> None:
    day = random_day(seed)
    piece = response_at(day, charge)
    step = piece.step_min + share * (piece.step_max - piece.step_min)
    again = point_of(piece.data, market().clear(day, (charge + step) * basis_of(day)))
    foretold = piece.at(step)
    for name in UNIQUE:
        assert getattr(foretold, name) == pytest.approx(getattr(again, name), abs=1e-10), name


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000), charge=st.floats(0.01, 0.4))
def test_the_derivative_is_the_finite_difference_inside_the_piece(seed: int, charge: float) -> None:
    day = random_day(seed)
    piece = response_at(day, charge)
    low, high = charge + 0.8 * piece.step_min, charge + 0.8 * piece.step_max
    ends = [point_of(piece.data, market().clear(day, at * basis_of(day))) for at in (low, high)]
    for name in UNIQUE:
        change = getattr(ends[1], name) - getattr(ends[0], name)
        assert change == pytest.approx(getattr(piece.slope, name) * (high - low), abs=1e-11), name


def test_prices_move_as_the_derivative_says_where_they_are_unique() -> None:
    day = random_day(3, stores=0)
    piece = response_at(day, 0.05)
    half = 0.5 * min(piece.step_max, -piece.step_min)
    ahead, behind = (point_of(piece.data, market().clear(day, (0.05 + by) * basis_of(day))) for by in (half, -half))
    moved = (ahead.nodal_price - behind.nodal_price) / (2 * half)
    unique = (ahead.demand > day.demand_min / piece.data.power_unit) & (ahead.demand < day.demand_max / piece.data.power_unit)
    assert unique.any()
    assert moved[unique] == pytest.approx(piece.slope.nodal_price[unique], abs=1e-8)


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000), charge=st.floats(0.0, 0.4))
def test_beyond_either_end_another_piece_begins(seed: int, charge: float) -> None:
    day = random_day(seed)
    piece = response_at(day, charge)
    width = piece.step_max - piece.step_min
    for end, outwards in ((piece.step_min, -1.0), (piece.step_max, 1.0)):
        beyond = charge + end + outwards * max(0.5 * width, 1e-3)
        if not 0 <= beyond <= CAP or charge + end in (0.0, CAP):
            continue
        assert certify(data_at(day, beyond), piece.at(beyond - charge)).worst > 1e-9  # the affine piece is not the clearing there
        other = response_at(day, beyond)
        edge = other.step_min if outwards > 0 else other.step_max
        assert outwards * (beyond + edge - charge - end) >= -1e-9  # nor does the piece found there reach into this one


@pytest.mark.parametrize("seed", range(4))
def test_pieces_join_without_a_step(seed: int) -> None:
    """At a kink two active sets are right at once; whichever is taken, the clearing is the same and the piece contains the kink."""
    day = random_day(seed)
    piece = response_at(day, 0.05)
    for step in (piece.step_min, piece.step_max):
        kink = 0.05 + step
        if not 0 < kink < CAP:
            continue
        at_kink = response_at(day, kink)
        for name in UNIQUE:
            assert getattr(at_kink.point, name) == pytest.approx(getattr(piece.at(step), name), abs=1e-10), name
        for end in (at_kink.step_min, at_kink.step_max):
            assert referee(day, kink + end, at_kink.at(end)) <= 1e-10


def test_the_reach_bounds_the_piece() -> None:
    day = random_day(0)
    data = data_at(day, 0.05)
    clearing = market().clear(day, 0.05 * basis_of(day))
    direction = data_at(day, 1.0).charge
    whole = respond_along(data, point_of(data, clearing), direction, reach=(-0.05, 1.0))
    part = respond_along(data, point_of(data, clearing), direction, reach=(0.5 * whole.step_min, 0.25 * whole.step_max))
    assert (part.step_min, part.step_max) == (0.5 * whole.step_min, 0.25 * whole.step_max)
    still = respond_along(data, point_of(data, clearing), 0.0 * direction, reach=(-7.0, 11.0))
    assert (still.step_min, still.step_max) == (-7.0, 11.0)
    assert not any(getattr(still.slope, field.name).any() for field in fields(Point))


def test_one_prosumer_or_no_trade_responds_to_no_charge() -> None:
    for name in ("one prosumer", "nobody may trade"):
        piece = response_at(DEGENERATE[name](), 0.1)
        assert (piece.step_min, piece.step_max) == (-0.1, CAP - 0.1)


@pytest.mark.parametrize("exports", [True, False])
def test_two_prosumers_have_two_pieces_trade_and_no_trade(exports: bool) -> None:
    day = pair_day(exports=exports)
    form = pair_of(day, exports=exports)
    data = scale(day, read_charges(day, 0.1 * (1 - np.eye(2))), Structure.of(day))
    direction = replace(data, charge=data.charge / 0.1).charge
    point = point_of(data, market().clear(day, 0.1 * (1 - np.eye(2))))
    piece = respond_along(data, point, direction, reach=(-0.1, CAP))
    assert 0.1 + piece.step_min == 0.0
    assert 0.1 + piece.step_max == pytest.approx(form.choke_charge, rel=1e-12)
    assert piece.slope.trade[0, 0] * data.power_unit == pytest.approx(-1 / form.stiffness, rel=1e-12)
    assert piece.at(piece.step_max).trade[0, 0] == pytest.approx(0.0, abs=1e-12)


def test_a_piece_ends_where_a_trade_meets_its_cap() -> None:
    free, capped = pair_day(), pair_day(trade_limit=3.0)
    form = pair_of(free, exports=True)
    data = scale(capped, read_charges(capped, 0.25 * (1 - np.eye(2))), Structure.of(capped))
    point = point_of(data, market().clear(capped, 0.25 * (1 - np.eye(2))))
    piece = respond_along(data, point, data.charge / 0.25, reach=(-0.25, 1.0))
    meets = form.choke_charge - 3.0 * form.stiffness
    assert 0.25 + piece.step_min == pytest.approx(meets, rel=1e-12)
    # From the other side: the trade stays at its cap down to no charge at all.
    low = 0.5 * meets
    data = scale(capped, read_charges(capped, low * (1 - np.eye(2))), Structure.of(capped))
    point = point_of(data, market().clear(capped, low * (1 - np.eye(2))))
    piece = respond_along(data, point, data.charge / low, reach=(-low, 1.0))
    assert low + piece.step_min == 0.0
    assert low + piece.step_max == pytest.approx(meets, rel=1e-12)
    assert not piece.slope.trade.any()


@pytest.mark.parametrize(
    ("changes", "held", "prosumer", "price"),
    [
        ({"export_limit": 3.0}, "exported", 0, 0.12 - 0.01 * 3.0),
        ({"import_limit": 6.0}, "imported", 1, 0.32 + 0.01 * 6.0),
        ({"demand_max": np.array([[10.0, 8.3]])}, "demand", 1, 1.2 - 0.1 * 8.3),
    ],
)
def test_a_piece_ends_where_any_variable_meets_its_bound(changes: dict[str, Any], held: str, prosumer: int, price: float) -> None:
    """The closed form gives the charge at which the prosumer's nodal price is the one that fills the bound."""
    day, form = pair_day(**changes), pair_of(pair_day(), exports=True)
    trade = abs(form.slope[prosumer] * price - form.intercept[prosumer])
    kink = form.choke_charge - trade * form.stiffness
    moves = []
    for charge in (kink - 0.005, kink + 0.005):
        data = scale(day, read_charges(day, charge * (1 - np.eye(2))), Structure.of(day))
        point = point_of(data, market().clear(day, charge * (1 - np.eye(2))))
        piece = respond_along(data, point, data.charge / charge, reach=(-charge, 1.0))
        end = piece.step_max if charge < kink else piece.step_min
        assert charge + end == pytest.approx(kink, rel=1e-10)
        moves.append(bool(getattr(piece.slope, held)[0, prosumer]))
    assert moves == ([False, True] if held == "demand" else [True, False])


def test_sun_unused_partly_used_and_fully_used_are_three_pieces() -> None:
    """Paid to import, the seller leaves the sun alone until the buyer wants more than the connection carries.

    With imports at their limit of 2 kW the seller's price is 0.7 − τ − 0.14·2: zero at τ = 0.42, from where sun is used, at a price of 0,
    until all of it is, at 3 kW and τ = 0.7 − 0.14·3 = 0.28.
    """
    day = pair_day(
        exports=False,
        demand_max=np.array([[0.0, 10.0]]),
        renewable=[[1.0, 0.0]],
        import_limit=[2.0, 0.0],
        import_price=-0.05,
        export_price=-0.3,
    )
    ends = {}
    for charge in (0.1, 0.35, 0.425):
        data = scale(day, read_charges(day, charge * (1 - np.eye(2))), Structure.of(day))
        point = point_of(data, market().clear(day, charge * (1 - np.eye(2))))
        piece = respond_along(data, point, data.charge / charge, reach=(-charge, 1.0))
        ends[charge] = (charge + piece.step_min, charge + piece.step_max)
    assert ends[0.1] == pytest.approx((0.0, 0.28), abs=1e-12)
    assert ends[0.35] == pytest.approx((0.28, 0.42), abs=1e-12)
    assert ends[0.425] == pytest.approx((0.42, 0.45), abs=1e-12)  # where imports leave their limit: −0.05 + 0.01·2 = 0.7 − τ − 0.14·2
