"""The compiled kernel against the definition: StructuredMarket and P2PMarket on hundreds of random days, and what it promises beside.

:mod:`structured_days` draws the days.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import logging
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numba
import numpy as np
import pytest
from builders import DEGENERATE, charges_of, market, random_day, random_network, retail_bill
from filelock import FileLock
from kkt import PRICES, PRIMAL, assert_same
from structured_days import GROUPS, Array, drawn_charges, drawn_day

from gridtoll.envs.account.settlement import settle
from gridtoll.envs.community.day import Day
from gridtoll.envs.errors import ClearingError
from gridtoll.envs.market.exact import TOLERANCE, Clearing, P2PMarket, verify
from gridtoll.envs.market.exact.compiled import StructuredMarket, kernel
from gridtoll.envs.market.exact.compiled import market as structured_module

Mask = np.ndarray[Any, np.dtype[np.bool_]]
ARRAYS = (*PRIMAL, *PRICES)


MISSES = {
    ("one prosumer, one hour", 766),
    ("storage everywhere", 775),
    ("nobody may trade", 335),
    ("nobody may trade", 595),
    ("few one-way pairs", 25),
    ("few one-way pairs", 317),
    ("nine prosumers", 218),
    ("nine prosumers", 260),
}
"""All of the first 1,000 days of each group, 12,000 together, that needed the fallback before polishing bounded its steps of prices; half
of them still do. Most have a connection that carries the least demand and nothing beyond, where the program has no interior."""


@functools.cache
def shared() -> StructuredMarket:
    """The kernel all tests here share, with a fallback whose compiled programs are those of the definition."""
    return StructuredMarket(market(), threads=1)


def anchored(day: Day, clearing: Clearing) -> Mask:
    """Where the nodal price is unique: something at the prosumer, or at one it trades with, is off its bounds. By 1e-6 of the mean."""
    margin = 1e-6 * (float(day.demand_max.mean()) or 1.0)

    def inside(value: Array, low: Any, high: Any) -> Mask:
        return np.asarray((value > low + margin) & (value < high - margin), dtype=np.bool_)

    known = inside(clearing.demand, day.demand_min, day.demand_max)
    known |= inside(clearing.grid_import, 0.0, day.import_limit) | inside(clearing.grid_export, 0.0, day.export_limit)
    joined = inside(clearing.trade, 0.0, day.trade_limit)
    joined |= joined.transpose(0, 2, 1)
    for _ in range(day.n_prosumers):
        known |= (joined & known[:, None, :]).any(axis=2)
    return known


def assert_same_outcome(day: Day, charges: Array, ours: Clearing, definition: Clearing) -> None:
    """Everything that is unique is the same: the point, its value, prices off their bounds, and what the operator earns."""
    power = max(float(day.demand_max.max()), float(day.renewable.max()), 1e-9)
    price = max(float(np.abs(each).max()) for each in (day.import_price, day.export_price, day.utility_slope))
    for name in PRIMAL:
        np.testing.assert_allclose(getattr(ours, name), getattr(definition, name), rtol=1e-9, atol=1e-9 * power, err_msg=name)
    known = anchored(day, definition)
    np.testing.assert_allclose(ours.nodal_price[known], definition.nodal_price[known], rtol=0.0, atol=1e-9 * price)
    turnover = power * price * day.period_hours
    assert ours.objective_eur == pytest.approx(definition.objective_eur, rel=1e-9, abs=1e-15 * turnover)
    if day.n_prosumers > 1:
        network, full = random_network(0, n=day.n_prosumers), np.broadcast_to(charges, (day.n_periods, *charges.shape[-2:]))
        mine, theirs = (settle(day, network, full, each) for each in (ours, definition))
        earned = max(theirs.revenue_eur, theirs.loss_cost_eur, theirs.overload_cost_eur)
        assert mine.profit_eur == pytest.approx(theirs.profit_eur, rel=0.0, abs=1e-9 * max(earned, turnover, retail_bill(day)))


# --- the same answer ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GROUPS)
def test_random_days_clear_as_the_definition_says(name: str) -> None:
    group, ours, missed = GROUPS[name], StructuredMarket(market(), threads=1), set()
    for seed in range(group.days):
        day = drawn_day(group, seed)
        charges = drawn_charges(day, seed)
        clearing = ours.clear(day, charges)
        assert verify(day, charges, clearing).holds(), seed
        assert_same_outcome(day, charges, clearing, market().clear(day, charges))
        missed |= {(name, seed)} if clearing.fallback else set()
    assert (ours.clearings, ours.fallbacks) == (group.days, len(missed))
    assert missed <= MISSES


@pytest.mark.parametrize(("name", "seed"), sorted(MISSES))
def test_days_the_kernel_misses_are_cleared_all_the_same(name: str, seed: int) -> None:
    day = drawn_day(GROUPS[name], seed)
    charges = drawn_charges(day, seed)
    assert verify(day, charges, shared().clear(day, charges)).holds()


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_days_clear_as_the_definition_says(name: str) -> None:
    day = DEGENERATE[name]()
    for charge in (0.0, 0.05, 0.3):
        charges = charges_of(day, charge)
        clearing = shared().clear(day, charges)
        assert not clearing.fallback
        assert verify(day, charges, clearing).holds()
        assert_same_outcome(day, charges, clearing, market().clear(day, charges))


# --- a kernel that misses -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the kernel return what it finds with a dual residual above tolerance."""
    solve = kernel.clear_cold

    def miss(*arguments: Any) -> tuple[Any, ...]:
        valid, primal, _, *rest = solve(*arguments)
        return valid, primal, 2.0 * TOLERANCE, *rest

    monkeypatch.setattr(structured_module, "clear_cold", miss)


def test_a_miss_is_cleared_by_the_definition_counted_and_flagged(missing: None) -> None:
    day, ours = random_day(0), StructuredMarket(market())
    charges = charges_of(day, 0.05)
    clearing = ours.clear(day, charges)
    assert clearing.fallback
    assert (ours.clearings, ours.fallbacks) == (1, 1)
    assert "Clarabel" in clearing.solver
    assert_same(market().clear(day, charges), clearing, rel=0.0)
    assert [each.fallback for each in ours.clear_many([day, day], np.stack([charges, charges]))] == [True, True]
    assert (ours.clearings, ours.fallbacks) == (3, 3)


def test_a_market_without_a_given_fallback_makes_one(missing: None) -> None:
    day, ours = random_day(0, n=2, periods=1, stores=0), StructuredMarket()
    assert ours.clear(day, np.zeros((2, 2))).fallback


def test_the_fallback_clears_communities_as_large_as_the_kernel_does(missing: None) -> None:
    """76,608 trades; with memory that grows with their square CVXPY would need 47 GB."""
    day, ours = random_day(0, n=57, periods=24, stores=19), StructuredMarket()
    clearing = ours.clear(day, charges_of(day, 0.02))
    assert clearing.fallback
    assert clearing.certificate.holds()
    assert verify(day, charges_of(day, 0.02), clearing).holds()
    assert (clearing.trade > 0).sum() > 1000


def test_what_the_fallback_cannot_clear_is_an_error(missing: None) -> None:
    class Hopeless(P2PMarket):
        def clear(self, day: Day, charges: Any, *, start: Clearing | None = None) -> Clearing:
            raise ClearingError("no")

    with pytest.raises(ClearingError, match="no"):
        StructuredMarket(Hopeless()).clear(random_day(0), np.zeros((5, 5)))


def test_a_program_without_an_answer_is_not_called_cleared() -> None:
    impossible = random_day(0, n=2, stores=0)
    object.__setattr__(impossible, "import_limit", np.zeros(2))  # no day that `make_day` passes is infeasible
    object.__setattr__(impossible, "renewable", np.zeros((6, 2)))
    with pytest.raises(ClearingError, match="infeasible"):
        shared().clear(impossible, np.zeros((2, 2)))


# --- many days at once ----------------------------------------------------------------------------------------------------------------


def mixed() -> tuple[list[Day], Any]:
    """Days of many sizes with charges of both shapes."""
    days = [drawn_day(group, seed) for seed in range(3) for group in GROUPS.values()]
    return days, [drawn_charges(day, seed) for seed, day in enumerate(days)]


def same_bits(one: Clearing, other: Clearing) -> bool:
    pairs = ((getattr(one, name), getattr(other, name)) for name in ARRAYS)
    return one.objective_eur == other.objective_eur and all(a.tobytes() == b.tobytes() for a, b in pairs)


@pytest.mark.parametrize("threads", [1, 2, None])
def test_many_days_clear_as_one_by_one_to_the_last_bit(threads: int | None) -> None:
    days, charges = mixed()
    ours = StructuredMarket(market(), threads=threads)
    at_once = ours.clear_many(days, charges)
    assert (ours.clearings, ours.fallbacks) == (len(days), 0)
    for day, each, clearing in zip(days, charges, at_once, strict=True):
        assert same_bits(clearing, shared().clear(day, each))


def test_one_array_holds_the_charges_of_days_of_one_size() -> None:
    days = [random_day(seed) for seed in range(4)]
    charges = np.random.default_rng(0).uniform(0.0, 0.3, (4, 6, 5, 5))
    shapes: list[Any] = [charges, charges[:, 0], np.asfortranarray(charges), charges.astype(np.float32)]
    for given in shapes:
        for day, each, clearing in zip(days, given, shared().clear_many(days, given), strict=True):
            assert same_bits(clearing, shared().clear(day, each))


def test_no_days_are_no_clearings() -> None:
    assert shared().clear_many([], np.zeros((0, 6, 5, 5))) == []


@pytest.mark.parametrize("count", [1, 3])
def test_every_day_must_have_its_charges(count: int) -> None:
    with pytest.raises(ValueError, match=rf"each day must have its charges, got 2 days and {count} arrays of charges"):
        shared().clear_many([random_day(0), random_day(1)], np.zeros((count, 5, 5)))


def test_threads_are_at_least_one() -> None:
    with pytest.raises(ValueError, match="`threads` must be at least 1, got 0"):
        StructuredMarket(threads=0)


# --- bad charges ----------------------------------------------------------------------------------------------------------------------


def bad_charges() -> Iterator[Any]:
    """Charges nobody may post; pair (0, 2) of the day below may not trade, and (1, 1) is nobody's."""
    for where in ((0, 1), (0, 2), (1, 1), (2, 0)):
        for value in (-1e-9, np.nan, np.inf, -np.inf):
            charges = np.full((3, 3), 0.1)
            charges[where] = value
            yield charges
            by_hour = np.full((4, 3, 3), 0.1)
            by_hour[3][where] = value
            yield by_hour
    yield from (np.zeros((2, 2)), np.zeros((3, 3, 3)), np.zeros((4, 3)), np.zeros(3), 0.1, np.zeros((1, 4, 3, 3)))


def clear_two(day: Day, charges: Any) -> list[Clearing]:
    return shared().clear_many([day, day], charges)


def test_charges_are_refused_in_the_words_of_the_definition() -> None:
    allowed = 4.0 * np.array([[0, 1, 0], [1, 0, 1], [1, 1, 0]])
    day = random_day(3, n=3, periods=4, stores=1, trade_limit=allowed)
    start = shared().clear(day, np.full((3, 3), 0.1))
    for charges in bad_charges():
        with pytest.raises(ValueError, match="`charges` must ") as expected:
            market().clear(day, charges)
        for attempt in (
            lambda charges=charges: shared().clear(day, charges),
            lambda charges=charges: shared().clear(day, charges, start=start),
            lambda charges=charges: clear_two(day, [np.zeros((3, 3)), charges]),
        ):
            with pytest.raises(ValueError, match="`charges` must ") as caught:
                attempt()
            assert str(caught.value) == str(expected.value)


def test_charges_of_one_hour_are_not_those_of_a_day() -> None:
    with pytest.raises(ValueError, match=r"must have shape \(6, 5, 5\) or \(5, 5\), got \(1, 5, 5\)"):
        shared().clear(random_day(0), np.zeros((1, 5, 5)))


# --- warm starts ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DEGENERATE)
def test_a_start_changes_the_way_and_not_the_outcome(name: str) -> None:
    day = DEGENERATE[name]()
    charges = charges_of(day, 0.05)
    cold = shared().clear(day, charges)
    for nearby in (0.05, 0.0501, 0.2):
        warm = shared().clear(day, charges, start=shared().clear(day, charges_of(day, nearby)))
        known = anchored(day, cold)
        assert_same(
            *(replace(each, nodal_price=np.where(known, each.nodal_price, 0.0)) for each in (cold, warm)),
            rel=1e-10,
        )
        assert warm.objective_eur == pytest.approx(cold.objective_eur, rel=1e-10, abs=1e-15)
        assert verify(day, charges, warm).holds()


def test_a_good_start_spares_the_interior_point() -> None:
    day = random_day(0)
    charges = charges_of(day, 0.05)
    cold = shared().clear(day, charges)
    assert cold.iterations[0] > 0
    for start in (cold, market().clear(day, charges)):
        assert shared().clear(day, charges, start=start).iterations[0] == 0


def test_a_useless_start_does_no_harm() -> None:
    day = random_day(0)
    charges = charges_of(day, 0.05)
    cold = shared().clear(day, charges)
    for value in (0.0, 1e6, np.nan):
        junk: dict[str, Any] = {name: frozen(np.full_like(getattr(cold, name), value)) for name in ARRAYS}
        assert_same(cold, shared().clear(day, charges, start=replace(cold, **junk)), rel=1e-10)


# --- travelling, repeating, announcing --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_a_market_survives_copying_and_pickling(way: Callable[[StructuredMarket], StructuredMarket]) -> None:
    day = random_day(0)
    charges = charges_of(day, 0.05)
    ours = StructuredMarket(P2PMarket())
    clearing = ours.clear(day, charges)
    twin = way(ours)
    assert (twin.clearings, twin.fallbacks) == (0, 0)
    assert same_bits(twin.clear(day, charges), clearing)


def digest() -> str:
    """Every bit of the mixed days' clearings."""
    found = hashlib.sha256()
    for day, charges in zip(*mixed(), strict=True):
        clearing = shared().clear(day, charges)
        for name in ARRAYS:
            found.update(getattr(clearing, name).tobytes())
    return found.hexdigest()


def test_the_same_days_clear_to_the_same_bits_again_and_in_another_process() -> None:
    first = digest()
    assert digest() == first
    program = f"import sys; sys.path[:] = {sys.path!r}; import test_structured; sys.stdout.write(test_structured.digest())"
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert other.stdout == first


def test_bits_do_not_depend_on_where_arrays_come_to_lie() -> None:
    """A compiled loop that sums up and writes may sum in another order where arrays are neighbours in memory."""
    days, charges = mixed()
    first = shared().clear_many(days, charges)
    random, ballast = np.random.default_rng(0), []
    for k in random.integers(len(days), size=20 * len(days)):
        ballast.append(np.empty(random.integers(1, 400)))
        if len(ballast) > 200:
            del ballast[: random.integers(150)]
        assert same_bits(shared().clear(days[k], charges[k]), first[k])


@pytest.mark.parametrize("shape", [(1, 9, 3), (8, 9, 3), (24, 4, 0), (24, 32, 11), (24, 33, 11), (8, 1, 0)])
def test_few_prosumers_and_many_clear_as_the_definition_says(shape: tuple[int, int, int]) -> None:
    """Hours are eliminated side by side from 8 on and up to 32 prosumers, otherwise one by one."""
    periods, n, stores = shape
    day = random_day(3, n=n, periods=periods, stores=stores)
    charges = charges_of(day, 0.03)
    clearing = shared().clear(day, charges)
    assert not clearing.fallback
    assert clearing.iterations[0] < 30
    assert_same_outcome(day, charges, clearing, market().clear(day, charges))


APART = len(kernel.COMPILED_TOGETHER)
"""Processes that compile, side by side."""


class Compiling:
    """Stands in for what compiles, and keeps the marks of a machine where nothing has been compiled in a folder of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, returncode: int = 0) -> None:
        self.programs: list[str] = []
        self._returncode = returncode
        shared().clear(random_day(0), np.zeros((5, 5)))  # whatever there is to compile is compiled
        self.loops = compiled = mock.Mock()
        compiled.stats.cache_path = str(folder)
        monkeypatch.setattr(structured_module, "approach", compiled)
        monkeypatch.setattr(subprocess, "run", self._run)

    def _run(self, command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        self.programs.append(command[-1])
        return subprocess.CompletedProcess(command, self._returncode, "", "no compiler here")


@pytest.mark.parametrize("returncode", [0, 1])
def test_compiling_is_announced_done_apart_and_remembered_where_it_worked(
    returncode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    compiling = Compiling(tmp_path, monkeypatch, returncode)
    caplog.clear()  # of a compilation that the test itself needed
    for _ in range(2):  # as two processes would, one after the other
        monkeypatch.setattr(structured_module, "_ready", False)
        with caplog.at_level(logging.DEBUG, logger=structured_module.__name__):
            for _ in range(2):
                assert shared().clear(random_day(0), np.zeros((5, 5))).certificate.holds()
    assert len(compiling.programs) == APART * (1 + returncode)
    assert all("compile_loops" in program for program in compiling.programs)
    messages = [record.getMessage() for record in caplog.records]
    assert sum("compiling the market's loops" in message for message in messages) == 1 + returncode
    assert sum("no compiler here" in message for message in messages) == 2 * returncode
    assert len([path for path in tmp_path.iterdir() if path.suffix != ".lock"]) == 1 - returncode


def test_damaged_machine_code_is_compiled_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    code = tmp_path / "kernel.approach-1.py311.1.nbc"

    class Writing(Compiling):
        def _run(self, command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
            code.write_bytes(b"machine code")
            return super()._run(command)

    compiling = Writing(tmp_path, monkeypatch)
    for n_compiled, content in enumerate([b"", b"machine", b"other code!!"], start=1):
        code.write_bytes(content)
        for _ in range(2):
            monkeypatch.setattr(structured_module, "_ready", False)
            structured_module.see_to_machine_code()
        assert len(compiling.programs) == APART * n_compiled
        assert code.read_bytes() == b"machine code"
    assert sum("is damaged, and is compiled anew" in record.getMessage() for record in caplog.records) == 2


def test_loops_whose_machine_code_can_be_kept_nowhere_are_announced_and_compiled_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    compiling = Compiling(tmp_path, monkeypatch)
    compiling.loops.stats.cache_path = None
    monkeypatch.setattr(structured_module, "_ready", False)
    structured_module.see_to_machine_code()
    assert compiling.programs == []
    assert "half a minute" in caplog.text


def test_who_waited_for_another_to_compile_does_not_compile_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiling = Compiling(tmp_path, monkeypatch)
    monkeypatch.setattr(structured_module, "_ready", False)
    structured_module.see_to_machine_code()
    [mark] = [path for path in tmp_path.iterdir() if path.suffix != ".lock"]
    mark.unlink()

    class Elsewhere(FileLock):
        def acquire(self, *args: Any, **options: Any) -> Any:
            mark.touch()  # what another process did while this one waited
            return super().acquire(*args, **options)

    monkeypatch.setattr(structured_module, "FileLock", Elsewhere)
    monkeypatch.setattr(structured_module, "_ready", False)
    structured_module.see_to_machine_code()
    assert len(compiling.programs) == APART


def test_a_lock_that_is_never_released_does_not_keep_the_loops_from_being_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiling = Compiling(tmp_path, monkeypatch)
    monkeypatch.setattr(structured_module, "_ready", False)
    monkeypatch.setattr(structured_module, "_LONGEST_WAIT", 0.1)
    locks: list[FileLock] = []

    def held(path: Path) -> FileLock:
        locks.extend([FileLock(path), FileLock(path)])
        locks[0].acquire()
        return locks[1]

    monkeypatch.setattr(structured_module, "FileLock", held)
    structured_module.see_to_machine_code()
    locks[0].release()
    assert len(compiling.programs) == APART


def test_what_is_compiled_apart_is_all_that_is_called() -> None:
    assert sorted(name for names in kernel.COMPILED_TOGETHER for name in names) == sorted(kernel.ENTRY_POINTS)
    for names in kernel.COMPILED_TOGETHER:
        kernel.compile_loops(*names)


def test_days_of_all_kinds_share_one_compilation() -> None:
    """A second kind of argument would compile everything again, for half a minute."""
    day = random_day(0)
    clearing = shared().clear(day, np.zeros((5, 5)))
    days, charges = mixed()
    shared().clear_many(days, charges)
    shared().clear(day, np.zeros((5, 5)).tolist())
    shared().clear(day, np.broadcast_to(0.1, (6, 5, 5)))
    for start in (clearing, market().clear(day, np.zeros((5, 5)))):
        shared().clear(day, np.zeros((5, 5)), start=start)
    entries: list[Any] = list(kernel.ENTRY_POINTS.values())
    assert [len(entry.signatures) for entry in entries] == [1] * len(entries)


def test_a_start_from_another_process_needs_no_compilation_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds: list[list[str]] = []

    def look(*arguments: Any) -> Any:
        kinds.append([str(numba.typeof(argument)) for argument in arguments])
        return finish(*arguments)

    finish = kernel.finish
    day = random_day(0)
    clearing = shared().clear(day, np.zeros((5, 5)))
    monkeypatch.setattr(kernel, "finish", look)
    for start in (clearing, pickle.loads(pickle.dumps(clearing))):
        shared().clear(day, np.zeros((5, 5)), start=start)
    assert kinds[0] == kinds[1]


def frozen(array: Array) -> Array:
    """A read-only copy, as clearings hold them."""
    twin = array.copy()
    twin.setflags(write=False)
    return twin


def test_a_start_of_another_size_is_refused() -> None:
    other = random_day(0, n=2, periods=1, stores=0)
    start = shared().clear(other, np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"`start` must be a clearing of the same day, of shape \(6, 5\), got \(1, 2\)"):
        shared().clear(random_day(0), np.zeros((5, 5)), start=start)
