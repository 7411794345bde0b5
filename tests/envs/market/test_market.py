"""The market as a component: what it returns, how it starts, fails, compiles, and travels between processes."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from dataclasses import replace
from typing import Any

import kkt
import numpy as np
import pytest
from builders import DEGENERATE, charges_of, clear, day_fields, market, random_basis, random_day
from kkt import PRICES, PRIMAL, assert_same

from gridtoll.envs.community.day import make_day
from gridtoll.envs.errors import ClearingError
from gridtoll.envs.market.exact import TOLERANCE, P2PMarket, verify
from gridtoll.envs.market.exact import market as market_module
from gridtoll.envs.market.exact.market_data import Structure, read_charges, scale
from gridtoll.envs.market.exact.point import Point
from gridtoll.envs.market.exact.polish import polish
from gridtoll.envs.market.exact.problem import CompiledMarket

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
    monkeypatch.setattr(market_module, "INTERIOR_POINT_TOLERANCES", (1e-4,))
    with pytest.raises(ClearingError, match=r"the clearing must be exact to 1e-09, and is not") as caught:
        market().clear(day, charges_of(day, 0.25))
    words = str(caught.value)
    assert words.count("0 polishing steps left Certificate(") == 2
    assert "day 'random day 3'" in words
    assert "EUR/kWh" in words
    assert f"{charges_of(day, 0.25).max():.17g}" in words


def test_a_solver_that_fails_is_tried_at_every_tolerance_and_then_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from cvxpy.error import SolverError

    def fail(self: CompiledMarket, data: object, *, tolerance: float, quick: bool) -> tuple[Point, int]:
        raise SolverError("numerical trouble")

    monkeypatch.setattr(CompiledMarket, "solve", fail)
    with pytest.raises(ClearingError, match=r"Clarabel failed at tolerance 1e-06: numerical trouble.*1e-08.*1e-10.*1e-06.*'random day 0'"):
        market().clear(random_day(0), np.zeros((5, 5)))


def test_an_answer_only_a_looser_tolerance_gives_is_as_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    from cvxpy.error import SolverError

    day, solve = random_day(0), CompiledMarket.solve
    charges, expected = clear(day, 0.05)

    def fail_first(self: CompiledMarket, data: Any, *, tolerance: float, quick: bool) -> tuple[Point, int]:
        if tolerance < 1e-6 or quick:
            raise SolverError("numerical trouble")
        return solve(self, data, tolerance=tolerance)

    monkeypatch.setattr(CompiledMarket, "solve", fail_first)
    assert_same(expected, market().clear(day, charges), rel=1e-11)


def test_an_answer_clarabel_calls_inaccurate_is_made_exact_without_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    day = random_day(0)
    charges, expected = clear(day, 0.05)
    for name, value in (("QUICK_TOLERANCE", 1e-16), ("INTERIOR_POINT_TOLERANCES", (1e-16,))):  # no solver in double precision gets there
        monkeypatch.setattr(market_module, name, value)
    assert_same(expected, market().clear(day, charges), rel=1e-11)  # warnings are errors in this suite


def test_a_program_without_an_answer_is_an_error_that_says_so() -> None:
    impossible = random_day(0, n=2, stores=0)
    object.__setattr__(impossible, "import_limit", np.zeros(2))  # no day that `make_day` passes is infeasible
    object.__setattr__(impossible, "renewable", np.zeros((6, 2)))
    with pytest.raises(ClearingError, match="Clarabel failed at tolerance 1e-08: Clarabel ended with status 'infeasible'"):
        market().clear(impossible, np.zeros((2, 2)))


def test_a_program_larger_than_memory_is_an_error_that_says_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    def burst(self: CompiledMarket, data: object, *, tolerance: float, quick: bool) -> tuple[Point, int]:
        raise MemoryError

    monkeypatch.setattr(CompiledMarket, "solve", burst)
    with pytest.raises(ClearingError, match=r"5 prosumers, 6 periods and 20 pairs .* do not fit; .*`partners`.*`solver=\"structured\"`"):
        P2PMarket().clear(random_day(0), np.zeros((5, 5)))


def test_a_day_that_the_quick_settings_miss_is_cleared_by_the_careful_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    day, fresh = random_day(0, n=3, periods=2, stores=1), P2PMarket()
    charges = 0.05 * random_basis(0, 3)
    expected = fresh.clear(day, charges)
    [compiled] = fresh._compiled.values()
    assert compiled._careful._cache.param_prog is None  # an ordinary day does not need them
    monkeypatch.setattr(market_module, "QUICK_TOLERANCE", 0.5)
    monkeypatch.setattr(market_module, "polish", lambda data, point, max_steps: polish(data, point, max_steps=1))
    assert_same(expected, fresh.clear(day, charges), rel=1e-11)
    assert compiled._careful._cache.param_prog is not None


def test_what_was_cleared_before_changes_no_bit_of_a_clearing() -> None:
    """The solver is kept from day to day: also after an infeasible day, a day without prices, and one that fills in zeros."""
    used = P2PMarket()
    impossible = random_day(0, n=3, periods=2, stores=1)
    object.__setattr__(impossible, "import_limit", np.zeros(3))
    object.__setattr__(impossible, "renewable", np.zeros((2, 3)))
    free = random_day(2, n=3, periods=2, stores=1, import_price=np.zeros(2), export_price=np.zeros(2))
    basis = random_basis(0, 3)
    for number in range(4):
        day, charges = random_day(number, n=3, periods=2, stores=1), 0.1 * number * basis
        with pytest.raises(ClearingError):
            used.clear(impossible, charges)
        used.clear(free, 0.0 * basis)
        assert_same(P2PMarket().clear(day, charges), used.clear(day, charges), rel=0.0)


@pytest.mark.parametrize("friction", [1e-4, 1e-5, 1e-6])
def test_small_frictions_are_cleared(friction: float) -> None:
    """At a millionth of a EUR/kWh per kW the interior point has to come very close before the active set can be read off it."""
    day = random_day(0, trade_friction=friction, grid_friction=friction, storage_wear=friction)
    charges = 0.15 * random_basis(0, 5)
    assert kkt.residuals(day, charges, market().clear(day, charges)).worst <= TOLERANCE


def test_frictions_too_small_for_double_precision_are_a_clearing_error() -> None:
    """Whatever the linear algebra says about hopeless data, the user meets one kind of error."""
    cleared, refused = 0, 0
    for seed in range(12):
        fields = day_fields(seed, n=5, periods=4)
        random = np.random.default_rng(seed)
        day = make_day(
            **(fields | {"trade_friction": 10.0 ** random.uniform(-12, -8, (5, 5)), "grid_friction": 1e-10, "storage_wear": 1e-10})
        )
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


def test_every_pair_keeps_its_own_friction() -> None:
    """Frictions enter the compiled program through one sparse parameter, whose entries must stand at the pairs they belong to."""
    friction = 10.0 ** np.random.default_rng(0).uniform(-3, 0, (5, 5))
    day = random_day(0, trade_friction=friction)
    charges, clearing = clear(day, 0.02)
    data = scale(day, read_charges(day, charges), Structure.of(day))
    point, _ = CompiledMarket(data.structure).solve(data, tolerance=1e-9)
    traded = clearing.trade[:, data.structure.seller, data.structure.buyer] / data.power_unit
    assert (traded > 1e-3).sum() > 20
    np.testing.assert_allclose(point.trade, traded, atol=1e-5)


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
