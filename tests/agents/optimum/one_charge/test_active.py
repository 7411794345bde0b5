"""The compiled equations of an active set, held against the sparse ones that polishing and sensitivities use."""

from __future__ import annotations

import numpy as np
import pytest
from builders import kernel, random_basis, random_day
from structured_days import GROUPS, drawn_day

from gridtoll.agents.optimum.one_charge import flat, free_set
from gridtoll.agents.optimum.one_charge.flat import FlatMarket
from gridtoll.agents.optimum.one_charge.free_set import FreeSet
from gridtoll.agents.optimum.one_charge.loops.active import adopted
from gridtoll.agents.optimum.one_charge.loops.factor import BoolArray, factorised
from gridtoll.envs.community.day import Array, Day
from gridtoll.envs.errors import ClearingError
from gridtoll.envs.market.exact.convert import point_of
from gridtoll.envs.market.exact.market_data import Structure, read_charges, scale
from gridtoll.envs.market.exact.polish import adopt

TRADING = [name for name, group in GROUPS.items() if group.n > 1]
Masks = tuple[FlatMarket, Array, BoolArray]


def flat_of(day: Day, charge: float) -> Masks:
    """The program of a day, and at the clearing of a charge its variables and which of them are free."""
    basis = random_basis(1, day.n_prosumers)
    structure = Structure.of(day)
    data = scale(day, read_charges(day, 0.0 * basis), structure)
    direction = read_charges(day, basis)[:, structure.seller, structure.buyer] / data.price_unit
    program = FlatMarket(data, direction, counts_own_exchange=False)
    x, free = adopted(program.lines, charge, *program.known(kernel().clear(day, charge * basis)))
    return program, x, free


def sparse_twin(program: FlatMarket, free: BoolArray, monkeypatch: pytest.MonkeyPatch) -> FreeSet:
    """The same equations, factorised as those of many prosumers are."""
    with monkeypatch.context() as patch:
        patch.setattr(free_set, "_MOST", 0)
        return FreeSet(program, free)


def require_same_derivative(program: FlatMarket, free: BoolArray, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Hold both derivatives against each other and each against the equations; return whether anything moves.

    Prices that nothing determines are left out: there the sparse factorisation leaves rounding over its shift.
    """
    change, prices = FreeSet(program, free).derivative()
    expected, expected_prices = sparse_twin(program, free, monkeypatch).derivative()
    fastest, steepest = np.abs(expected / program.scale).max(initial=0.0), np.abs(prices).max(initial=0.0)
    np.testing.assert_allclose(change / program.scale, expected / program.scale, atol=1e-7 * max(fastest, 1e-3))
    slopes = program.charge_cost + program.price_terms(prices)
    slopes[: program.n_curved] += change[: program.n_curved]
    slopes[program.n_curved :] = program.price_terms(prices)[program.n_curved :]
    assert np.abs(slopes[free]).max(initial=0.0) <= 1e-9 * max(np.abs(program.charge_cost).max(initial=0.0), 1.0)
    assert np.all(change[~free] == 0.0)
    assert np.abs(program.onto_equations(change)).max(initial=0.0) <= 1e-9 * max(fastest, 1e-3)
    assert np.isfinite(expected_prices).all()
    return bool(fastest > 0.0 and steepest > 0.0)


@pytest.mark.parametrize("name", TRADING)
def test_the_derivative_is_that_of_the_sparse_equations_on_degenerate_days(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    moving = 0
    for seed in range(12):
        day = drawn_day(GROUPS[name], seed)
        for charge in (0.0, 0.03 * float(np.abs(day.import_price).max())):
            try:
                program, _, free = flat_of(day, charge)
            except ClearingError:  # a day without an interior
                continue
            moving += require_same_derivative(program, free, monkeypatch)
    assert moving > 3 or name == "nobody may trade"


@pytest.mark.parametrize("seed", range(6))
def test_it_is_that_of_any_active_set_that_a_kink_may_leave(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables are freed and held at random around a clearing, as the sides of a kink do: chains break, prices lose what ties them."""
    random = np.random.default_rng(seed)
    program, _, free = flat_of(random_day(seed, stores=1 + seed % 3), 0.05)
    movable = program.lower < program.upper
    imported, exported = (slice(*program.edges[at : at + 2]) for at in (1, 2))
    for share in (0.005, 0.02, 0.1, 0.5):
        other = np.where(random.random(free.shape) < share, ~free & movable, free)
        other[exported] &= ~other[imported]  # nobody does both, which the sparse equations take for granted
        require_same_derivative(program, other, monkeypatch)
    require_same_derivative(program, movable & False, monkeypatch)
    movable[exported] = False
    require_same_derivative(program, movable, monkeypatch)


@pytest.mark.parametrize("seed", range(6))
def test_relief_prices_are_those_of_the_sparse_equations(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    program, _, free = flat_of(random_day(seed, stores=seed % 3), 0.05)
    gradient = np.random.default_rng(seed).normal(size=program.size) * program.gain
    balances = FreeSet(program, free).direct(gradient)
    mine, theirs = FreeSet(program, free).prices_against(balances), sparse_twin(program, free, monkeypatch).prices_against(balances)
    np.testing.assert_allclose(mine, theirs, atol=1e-4 * np.abs(theirs).max())


@pytest.mark.parametrize("name", TRADING)
def test_variables_are_put_where_polishing_puts_them(name: str) -> None:
    for seed in range(6):
        day, basis = drawn_day(GROUPS[name], seed), random_basis(1, GROUPS[name].n)
        try:
            clearing = kernel().clear(day, 0.02 * basis)
        except ClearingError:
            continue
        program, x, free = flat_of(day, 0.02)
        data = scale(day, read_charges(day, 0.02 * basis), Structure.of(day))
        point = point_of(data, clearing)
        active = adopt(data, point)
        np.testing.assert_allclose(x / program.scale, program.pack(point) / program.scale, atol=2e-11)
        mask = np.concatenate([getattr(active, family).ravel() for family in flat.FAMILIES])
        away = np.minimum(x - program.lower, program.upper - x) > 1e-9 * program.scale
        np.testing.assert_array_equal(free[away], mask[away])  # on a bound rounding decides


def test_equations_with_a_lost_pivot_are_left_to_the_sparse_ones() -> None:
    program, _, free = flat_of(random_day(1), 0.05)
    assert factorised(program.lines, free).regular
    broken = program.lines._replace(first_weight=np.full_like(program.lines.first_weight, np.nan))
    assert not factorised(broken, free).regular
