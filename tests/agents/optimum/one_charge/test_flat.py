"""The followers' program as one vector is the same program: variables, slopes, equations, derivative and certificate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from builders import DEGENERATE, market, random_basis, random_day, random_network
from numba.core.dispatcher import Dispatcher

from gridtoll.agents.optimum import solve_optimum
from gridtoll.agents.optimum.one_charge import bounds, flat, free_set, idle, line
from gridtoll.agents.optimum.one_charge.flat import FlatMarket
from gridtoll.agents.optimum.one_charge.free_set import FreeSet
from gridtoll.agents.optimum.one_charge.loops import account, active, factor, kernels, response, strays
from gridtoll.envs.account.settlement import settle
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.community.day import Day
from gridtoll.envs.market.exact.convert import point_of
from gridtoll.envs.market.exact.derivatives.sensitivity import respond_along
from gridtoll.envs.market.exact.market_data import Structure, read_charges, scale
from gridtoll.envs.market.exact.point import certify

CHARGE = 0.07


def program(day: Day, *, own: bool = False) -> tuple[FlatMarket, Any, Any, Any]:
    """The flat program, the dimensionless market and point at a charge, and the clearing."""
    basis = random_basis(1, day.n_prosumers)
    structure = Structure.of(day)
    clearing = market().clear(day, CHARGE * basis)
    data = scale(day, read_charges(day, CHARGE * basis), structure)
    direction = read_charges(day, basis)[:, structure.seller, structure.buyer] / data.price_unit
    return FlatMarket(data, direction, counts_own_exchange=own), data, point_of(data, clearing), clearing


@pytest.mark.parametrize("name", [name for name in DEGENERATE if name != "one prosumer"])
def test_the_flat_program_says_of_a_clearing_what_the_market_says(name: str) -> None:
    day = DEGENERATE[name]()
    program_, data, point, clearing = program(day)
    x, prices = program_.pack(point), program_.prices(point)
    slopes = program_.slopes(x, prices, CHARGE)
    mine, theirs = program_.certificate(x, prices, slopes, program_.residual(x))[0], certify(data, point)
    assert mine.primal_residual == pytest.approx(theirs.primal_residual, abs=1e-13)
    assert mine.dual_residual == pytest.approx(theirs.dual_residual, abs=1e-13)
    assert mine.gap == pytest.approx(theirs.gap, abs=1e-13)
    objective = program_.quantity(x) + CHARGE * float(program_.charge_cost @ x)
    assert objective == pytest.approx(clearing.objective_eur, rel=1e-11, abs=1e-11)


def test_a_point_that_is_not_optimal_is_measured_alike() -> None:
    program_, data, point, _ = program(random_day(3))
    random = np.random.default_rng(0)
    for name in ("demand", "trade", "stored", "nodal_price"):
        setattr(point, name, getattr(point, name) + random.normal(0.0, 1e-3, getattr(point, name).shape))
    x, prices = program_.pack(point), program_.prices(point)
    slopes = program_.slopes(x, prices, CHARGE)
    mine, theirs = program_.certificate(x, prices, slopes, program_.residual(x))[0], certify(data, point)
    assert theirs.worst > 1e-4
    assert mine.primal_residual == pytest.approx(theirs.primal_residual, rel=1e-9)
    assert mine.dual_residual == pytest.approx(theirs.dual_residual, rel=1e-9)
    assert mine.gap == pytest.approx(theirs.gap, rel=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_the_derivative_and_the_reach_of_a_piece_are_those_of_the_sensitivity(seed: int) -> None:
    day = random_day(seed, stores=seed % 3)
    network = random_network(seed)
    game = line.ChargeLine(day, network, random_basis(1, 5), flows="trades", market=market())
    piece = game.piece(CHARGE, cap=1.0)
    program_, data, point, _ = program(day)
    trades = slice(program_.edges[5], program_.edges[6])
    direction = (program_.charge_cost[trades] / program_.gain[trades]).reshape(data.charge.shape)
    expected = respond_along(data, point, direction, reach=(-CHARGE, 1 - CHARGE))
    assert piece.lower == pytest.approx(CHARGE + expected.step_min, abs=1e-9)
    assert piece.upper == pytest.approx(CHARGE + expected.step_max, abs=1e-9)
    np.testing.assert_allclose(piece.response.change, program_.pack(expected.slope), atol=1e-8 * np.abs(piece.response.change).max())
    assert max(piece.lower_end.worst, piece.upper_end.worst) <= 1e-9


@pytest.mark.parametrize("own", [False, True])
def test_injections_are_the_settlement_s_and_their_gradient_is_exact(own: bool) -> None:
    day, network = random_day(4), random_network(4)
    program_, _, point, clearing = program(day, own=own)
    x = program_.pack(point)
    settlement = settle(day, network, CHARGE * random_basis(1, 5), clearing, flows="injections" if own else "trades")
    np.testing.assert_allclose(program_.injection_kw(x) @ network.prosumer_ptdf.T, settlement.flow_kw, atol=1e-10)
    random = np.random.default_rng(0)
    potential, step = random.normal(size=(6, 5)), random.normal(size=x.shape)
    change = float(np.sum(potential * program_.injection_kw(step)))
    assert float(program_.injection_gradient(potential) @ step) == pytest.approx(change, rel=1e-12)


def test_balancing_leaves_rounding_where_there_is_room_and_stays_in_the_box() -> None:
    program_, _, point, _ = program(random_day(2))
    x = program_.pack(point)
    x[program_.edges[5] : program_.edges[6]] *= 1.0 - 1e-9  # trades
    own = slice(0, program_.edges[3])  # demand, imports and exports
    room = np.minimum(x - program_.lower, program_.upper - x)[own].reshape(3, -1).max(axis=0) > 1e-6
    before = np.abs(program_.residual(x))[: room.size]
    program_.balance(x)
    after = np.abs(program_.residual(x))[: room.size]
    assert before[room].max() > 1e-11
    assert after[room].max() < 1e-13
    assert np.all(after <= before + 1e-15)
    assert np.all((x >= program_.lower) & (x <= program_.upper))


def test_prices_against_a_gradient_cancel_what_free_variables_allow() -> None:
    """For the charges themselves they are the derivative of the prices."""
    program_, _, _, clearing = program(random_day(3))
    prices, loose = program_.known(clearing)
    equations = FreeSet(program_, active.adopted(program_.lines, CHARGE, prices, loose)[1])
    _, prices = equations.derivative()
    np.testing.assert_allclose(equations.prices_against(equations.direct(program_.charge_cost)), prices, atol=1e-4 * np.abs(prices).max())


def test_compiled_loops_are_ordinary_python_underneath(monkeypatch: pytest.MonkeyPatch) -> None:
    day, network = random_day(1, n=3, periods=3, stores=1), random_network(1, n=3, limit_kw=1.0)
    options: dict[str, Any] = {"cap": 0.6, "market": market(), "hard_limits": True}
    compiled = solve_optimum(day, network, make_tariff("distance", network), **options)
    for module in (kernels, account, active, factor, response, strays, bounds, flat, free_set, idle, line):
        for name, value in list(vars(module).items()):
            if isinstance(value, Dispatcher):
                monkeypatch.setattr(module, name, value.py_func)
    interpreted = solve_optimum(day, network, make_tariff("distance", network), **options)
    assert interpreted.charge == pytest.approx(compiled.charge, rel=1e-9)
    assert interpreted.upper_bound_eur == pytest.approx(compiled.upper_bound_eur, rel=1e-8)


def test_a_point_with_a_number_missing_has_no_certificate() -> None:
    program_, _, point, _ = program(random_day(3))
    x, prices = program_.pack(point), program_.prices(point)
    x[0] = np.nan
    certificate, _ = program_.certificate(x, prices, program_.slopes(x, prices, CHARGE), program_.residual(x))
    assert np.isnan(certificate.primal_residual)
    assert not certificate.holds()
