"""The market of many prosumers against the definition, on days small enough for the latter; and the sparse factor against SciPy's."""

from __future__ import annotations

import functools
import logging
import subprocess
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from builders import DEGENERATE, charges_of, market, random_day
from kkt import PRICES, PRIMAL
from referee import distance
from scipy.sparse import csc_array, random_array
from scipy.sparse.linalg import spsolve

from gridtoll.envs.community.day import Array, Day
from gridtoll.envs.community.sources import load_community
from gridtoll.envs.market.exact import Clearing, verify
from gridtoll.envs.market.exact.compiled import StructuredMarket
from gridtoll.envs.market.exact.compiled import market as structured_module
from gridtoll.envs.market.exact.compiled.program import program_of
from gridtoll.envs.market.exact.sparse import clear as sparse
from gridtoll.envs.market.exact.sparse import interior_point, layout
from gridtoll.envs.market.exact.sparse import matrix as matrix_module
from gridtoll.envs.market.exact.sparse.numeric import factorise, solve
from gridtoll.envs.market.exact.sparse.symbolic import analyse


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> StructuredMarket:
    """A market that clears days of any size as those of many prosumers; the definition stands by."""
    monkeypatch.setattr(sparse, "LEAST", 1)
    monkeypatch.setattr(structured_module, "clear_cold", mock.Mock(side_effect=AssertionError("the dense kernel was asked")))
    return StructuredMarket(market(), threads=2)


def neighbours(n: int, reach: int) -> Array:
    """Who may trade if all stand in a row: with those at most so far away."""
    apart = np.abs(np.arange(n)[:, None] - np.arange(n))
    return np.asarray((apart > 0) & (apart <= reach), dtype=np.float64)


def few_partners(seed: int, n: int = 12, reach: int = 2, **changes: Any) -> Day:
    """A random day on which everybody may trade with a few others only."""
    day = random_day(seed, n=n, stores=4)
    return random_day(seed, n=n, stores=4, **({"trade_limit": day.trade_limit * neighbours(n, reach)} | changes))


def assert_same_answer(day: Day, charges: Array, ours: Clearing) -> None:
    assert not ours.fallback
    assert verify(day, charges, ours).holds()
    definition = market().clear(day, charges)
    for name in PRIMAL:
        np.testing.assert_allclose(getattr(ours, name), getattr(definition, name), atol=1e-8, err_msg=name)
    assert ours.objective_eur == pytest.approx(definition.objective_eur, rel=1e-9)


# --- the same answer ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("share", [0.0, 0.05, 0.4])
def test_days_with_few_partners_clear_as_the_definition_says(many: StructuredMarket, seed: int, share: float) -> None:
    day = few_partners(seed)
    charges = charges_of(day, share)
    assert_same_answer(day, charges, many.clear(day, charges))


@pytest.mark.parametrize("stores", [0, 3, 9])
def test_days_on_which_all_trade_with_all_clear_as_the_definition_says(many: StructuredMarket, stores: int) -> None:
    day = random_day(1, n=9, periods=8, stores=stores)
    charges = charges_of(day, 0.05)
    assert_same_answer(day, charges, many.clear(day, charges))


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_days_clear_or_are_left_to_the_kernel(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(sparse, "LEAST", 1)
    day = DEGENERATE[name]()
    charges = charges_of(day, 0.05)
    clearing = StructuredMarket(market()).clear(day, charges)
    assert verify(day, charges, clearing).holds()
    assert clearing.objective_eur == pytest.approx(market().clear(day, charges).objective_eur, rel=1e-9, abs=1e-12)


def test_power_reaches_those_without_any_through_several_hands(many: StructuredMarket) -> None:
    """Only the first of a row has sun. Its cheapest offer reaches the last by trades of neighbours, each of them worth its charge."""
    sun = np.zeros((6, 7))
    sun[:, 0] = 60.0
    day = few_partners(2, n=7, reach=1, renewable=sun, export_limit=80.0, import_limit=80.0)
    clearing = many.clear(day, np.zeros((7, 7)))
    assert clearing.trade[:, 5, 6].max() > 0.1
    assert_same_answer(day, np.zeros((7, 7)), clearing)


def test_trades_that_are_not_worth_their_charge_are_dropped_and_nothing_is_lost(
    many: StructuredMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[int] = []
    made = matrix_module.Matrix

    def matrix(place: layout.Layout, present: Any) -> Any:
        kept.append(int(present.sum()))
        return made(place, present)

    monkeypatch.setattr(interior_point, "_CLEAR", 1e-2)
    monkeypatch.setattr(interior_point, "_PRICED_OUT", 1e2)
    monkeypatch.setattr(interior_point, "Matrix", matrix)
    day = random_day(4, n=12, stores=2)
    charges = charges_of(day, 0.3)
    assert_same_answer(day, charges, many.clear(day, charges))
    assert min(kept) < max(kept) / 2


@pytest.mark.parametrize("share", [0.02, 0.1, 0.4])
@pytest.mark.parametrize("uniform", [False, True])
def test_a_beginning_with_the_trades_charged_least_leads_to_the_same(
    many: StructuredMarket, monkeypatch: pytest.MonkeyPatch, share: float, uniform: bool
) -> None:
    kept: list[int] = []
    made = matrix_module.Matrix

    def matrix(place: layout.Layout, present: Any) -> Any:
        kept.append(int(present.sum()))
        return made(place, present)

    monkeypatch.setattr(interior_point, "_MANY", 1)
    monkeypatch.setattr(interior_point, "_CHARGED", 0.0)
    monkeypatch.setattr(interior_point, "_PARTNERS", 1)
    monkeypatch.setattr(interior_point, "Matrix", matrix)
    day = random_day(5, n=12, stores=3)
    charges = np.full((12, 12), share) * (1.0 - np.eye(12)) if uniform else charges_of(day, share)
    assert_same_answer(day, charges, many.clear(day, charges))
    assert kept[0] <= 2 * 12 * day.n_periods
    if share < 0.1:
        assert kept[1] > kept[0]


def test_many_days_clear_as_one_by_one_to_the_last_bit(many: StructuredMarket) -> None:
    days = [few_partners(seed) for seed in range(4)]
    charges = [charges_of(day, 0.05) for day in days]
    for together, day, each in zip(many.clear_many(days, charges), days, charges, strict=True):
        alone = many.clear(day, each)
        for name in (*PRIMAL, *PRICES):
            np.testing.assert_array_equal(getattr(together, name), getattr(alone, name), err_msg=name)


def test_a_start_spares_the_interior_point_and_leads_to_the_same(many: StructuredMarket) -> None:
    day = few_partners(0)
    charges = charges_of(day, 0.05)
    near = many.clear(day, charges_of(day, 0.0501))
    warm = many.clear(day, charges, start=near)
    assert warm.iterations[0] == 0
    assert_same_answer(day, charges, warm)


def test_charges_are_refused_in_the_words_of_the_definition(many: StructuredMarket) -> None:
    day = few_partners(0)
    for start in (None, many.clear(day, np.zeros((12, 12)))):
        with pytest.raises(ValueError, match="must be at least 0"):
            many.clear(day, np.full((12, 12), -1.0), start=start)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("first", [1, 100])
def test_the_referee_finds_no_distance_from_the_optimum(
    many: StructuredMarket, monkeypatch: pytest.MonkeyPatch, seed: int, first: int
) -> None:
    """Random rows of neighbours and markets of all with all, from all trades at once or from few."""
    monkeypatch.setattr(interior_point, "_MANY", first)
    monkeypatch.setattr(interior_point, "_CHARGED", 0.0)
    monkeypatch.setattr(interior_point, "_PARTNERS", 2)
    random = np.random.default_rng(seed)
    n = int(random.integers(5, 15))
    day = few_partners(seed, n=n, reach=int(random.integers(1, n)), hours=float(random.choice([0.25, 1.0])))
    charges = random.uniform(0.0, random.choice([1e-3, 0.05, 0.5]), (n, n))
    found = distance(day, charges, many.clear(day, charges))
    assert found.objective_share < 1e-9
    assert found.revenue_share < 1e-6
    assert found.misplaced == 0.0


# --- when ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ieee118", "simbench-rural3"])
def test_the_largest_communities_of_the_package_are_cleared_by_dense_blocks_as_before(name: str) -> None:
    assert load_community(name).n_prosumers < sparse.LEAST


@pytest.mark.parametrize(("n", "here"), [(149, False), (150, True)])
def test_from_150_prosumers_on_days_are_cleared_here(n: int, here: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = mock.Mock(wraps=sparse.clear_sparse)
    monkeypatch.setattr(sparse, "clear_sparse", asked)
    day = random_day(0, n=n, periods=1, stores=0)
    assert StructuredMarket(threads=1).clear(day, np.full((n, n), 0.1)).certificate.holds()
    assert asked.called is here


def test_what_does_not_hold_is_cleared_by_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse, "LEAST", 1)
    day = few_partners(0)
    found = sparse.clear_sparse(program_of(day), np.zeros((1, 12, 12)), 1e-9)
    missed = (True, 1.0, *found[2:])  # by its own account
    monkeypatch.setattr(sparse, "clear_sparse", lambda *_: missed)
    charges = charges_of(day, 0.05)
    assert_same_answer(day, charges, StructuredMarket(market()).clear(day, charges))


def test_loops_for_many_are_compiled_apart_once_and_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    programs: list[str] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        programs.append(command[-1])
        return subprocess.CompletedProcess(command, 0, "", "")

    entry = mock.Mock()
    entry.stats.cache_path = str(tmp_path)
    monkeypatch.setattr(structured_module, "analyse", entry)
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(sparse, "LEAST", 1)
    day = few_partners(0)
    with caplog.at_level(logging.DEBUG, logger=structured_module.__name__):
        for _ in range(2):  # as two processes would, one after the other
            monkeypatch.setattr(structured_module, "_ready_for_many", False)
            for _ in range(2):
                StructuredMarket().clear(day, np.zeros((12, 12)))
    assert ["sparse.clear" in program for program in programs] == [True]
    assert sum("many prosumers" in record.getMessage() for record in caplog.records) == 1


# --- the factor ------------------------------------------------------------------------------------------------------------------------


def lower_of(matrix: csc_array) -> tuple[Any, ...]:
    columns, rows = map(np.ascontiguousarray, np.nonzero(np.triu(matrix.toarray())))  # of the lower triangle, its rows in order
    pointer = np.concatenate([[0], np.cumsum(np.bincount(columns, minlength=matrix.shape[0]))])
    return pointer, rows, matrix.toarray()[rows, columns]


@functools.cache
def example(size: int, density: float, seed: int) -> csc_array:
    part = np.asarray(random_array((size, size), density=density, rng=np.random.default_rng(seed)).todense())
    whole = part + part.T
    return csc_array(whole + np.diag(1.0 + whole.sum(axis=0)))


@pytest.mark.parametrize(("size", "density"), [(1, 0.0), (30, 0.0), (60, 0.02), (200, 0.01), (150, 0.3), (90, 1.0)])
def test_the_factor_solves_sparse_and_dense_matrices(size: int, density: float) -> None:
    matrix, right = example(size, density, 0), np.random.default_rng(1).random(size)
    pointer, row, values = lower_of(matrix)
    places = analyse(pointer, row)
    panels = np.empty(places.panel[-1])
    assert factorise(places, pointer, row, values, panels)
    np.testing.assert_allclose(solve(places, panels, right), spsolve(matrix, right), rtol=1e-10)


@pytest.mark.parametrize("size", [20, 80])
def test_a_matrix_that_is_not_positive_definite_has_no_factor(size: int) -> None:
    pointer, row, values = lower_of(example(size, 1.0, 0))
    places = analyse(pointer, row)
    values[-1] = -1.0
    assert not factorise(places, pointer, row, values, np.empty(places.panel[-1]))


def test_few_partners_are_ordered_by_minimum_degree_and_many_period_by_period() -> None:
    few, all_with_all = (layout.layout_of(program_of(day)) for day in (few_partners(0, n=30, reach=1), random_day(0, n=12, stores=4)))
    assert list(all_with_all.place[0, :12]) == list(range(12))
    assert list(few.place[0, :30]) != list(range(30))
