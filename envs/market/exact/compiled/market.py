"""The market cleared by the compiled kernel: the same program, certificate and answer as :class:`..market.P2PMarket`, many times faster."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock
from numpy.typing import ArrayLike

from ....community.day import Array, Day
from ....files import do_without_cache
from ....machine import available_cores
from ....machine_code import compile_only, folder_of, is_whole, mark_whole, remove_damaged
from ...mechanism import ExactResponse
from ..market import P2PMarket
from ..market_data import read_charges
from ..solution import TOLERANCE, Certificate, Clearing, keeping_pairs
from ..sparse import clear as sparse
from ..sparse.stamp import SOURCE as SPARSE_SOURCE
from ..sparse.symbolic import analyse
from ..trades import PairTrades
from .kernel import COMPILED_TOGETHER, FILES, SOURCE, approach, clear_cold, clear_warm
from .program import PROGRAMS, Program, program_of

SOLVER = "gridtoll's structured interior point, polished"

_LONGEST_WAIT = 600.0  # seconds for another process to compile; several times what it takes
_ANNOUNCED = "compiling the market's loops for this machine, once: half a minute, or a whole one on one core."
_ANNOUNCED_FOR_MANY = "compiling the market's loops for many prosumers, once: half a minute."

_log = logging.getLogger(__name__)
_ready = False
_ready_for_many = False
_compiling = threading.Lock()


class StructuredMarket:
    """The exact clearing by compiled loops over the market's structure.

    The first clearing on a machine compiles the loops, which takes half a minute to a minute and is announced by a log message. The machine
    code is kept on disk, where later processes find it in a fraction of a second; where it cannot be kept, each process compiles.

    Args:
        fallback: What clears a day the kernel cannot; a :class:`..market.P2PMarket` made on first use where absent.
        threads: How many days :meth:`clear_many` clears at once; as many as there are cores where absent.

    Attributes:
        clearings: Days cleared so far.
        fallbacks: How many of them the fallback had to clear.
    """

    def __init__(self, fallback: ExactResponse | None = None, *, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise ValueError(f"`threads` must be at least 1, got {threads}.")
        self.clearings = 0
        self.fallbacks = 0
        self._fallback = fallback
        self._threads = threads
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[StructuredMarket], tuple[ExactResponse | None]]:
        """Pickle and copy what it is made of, without its counters and lock."""
        return type(self), (self._fallback,)

    def clear(self, day: Day, charges: ArrayLike, *, start: Clearing | None = None) -> Clearing:
        """Clear the market; see :meth:`..market.P2PMarket.clear` for arguments, result and errors."""
        see_to_machine_code()
        return self._finish(day, charges, _clear(day, charges, start))

    def clear_many(self, days: Sequence[Day], charges: Array | Sequence[Array]) -> list[Clearing]:
        """Clear many days at once, in threads; the results are those of :meth:`clear`, bit for bit.

        Args:
            days: K days; they may differ in everything.
            charges: Charges of each day in EUR/kWh, shape (K, T, N, N) or (K, N, N), or K arrays of such shapes.

        Returns:
            K clearings in the order of the days.

        Raises:
            ValueError: If there are not as many charges as days, or some of them are invalid.
            ClearingError: As :meth:`clear`.
        """
        if len(charges) != len(days):
            raise ValueError(f"each day must have its charges, got {len(days)} days and {len(charges)} arrays of charges.")
        n_threads = min(self._threads or available_cores(), len(days)) if len(days) > 1 else 1
        see_to_machine_code()
        found = _clear_in_threads(days, charges, n_threads) if n_threads > 1 else list(map(_clear, days, charges))
        return list(map(self._finish, days, charges, found))

    def _finish(self, day: Day, charges: ArrayLike, found: Clearing) -> Clearing:
        """Count a clearing, and return it where it holds, or what the fallback finds where it does not."""
        holds = found.certificate.holds()
        with self._lock:
            self.clearings += 1
            if holds:
                return found
            self.fallbacks += 1
            if self._fallback is None:
                self._fallback = P2PMarket()
            return replace(self._fallback.clear(day, charges), fallback=True)


class KeptLoops(NamedTuple):
    """KeptLoops that are compiled together.

    Attributes:
        folder: Where their machine code is kept, None where it cannot be.
        mark: Name of the file there that says they are compiled.
        programs: What processes of their own have to run, side by side.
        announced: What is said before they do.
    """

    folder: Path | None
    mark: str
    programs: tuple[str, ...]
    announced: str


def see_to_machine_code() -> None:
    """See to it that the loops are compiled and kept on disk before this process first calls them; a progress bar begins after that.

    That is done by a process of its own. One that has just compiled runs other machine code than those that read it from disk (functions
    compiled on the way stand in for their inlined copies), and its answers differ from theirs in the last bit. Machine code that is not as
    it was written is removed, and compiled anew.
    """
    global _ready  # noqa: PLW0603 - compiling is the process's affair, not any one market's
    if not _ready:
        with _compiling:
            if not _ready:  # no other thread has seen to it meanwhile
                calls = [f"(*{names!r})" for names in COMPILED_TOGETHER]
                _compile_once(_loops(approach, SOURCE, "compiled.kernel", calls, _ANNOUNCED))
            _ready = True


def _see_to_loops_for_many() -> None:
    """See to it that the loops of :mod:`..sparse` are compiled; they are only when somebody first clears that many prosumers."""
    global _ready_for_many  # noqa: PLW0603 - as above
    if not _ready_for_many:
        with _compiling:
            if not _ready_for_many:
                _compile_once(_loops(analyse, SPARSE_SOURCE, "sparse.clear", ["()"], _ANNOUNCED_FOR_MANY))
            _ready_for_many = True


def _loops(entry: Any, source: int, module: str, calls: Sequence[str], announced: str) -> KeptLoops:
    """Return what is to be compiled: the folder is that of an entry point, and calls are the arguments of a module's ``compile_loops``."""
    module = f"{__package__.rpartition('.')[0]}.{module}"
    programs = tuple(
        f"import sys; sys.path[:] = {sys.path!r}; from {compile_only.__module__} import compile_only; compile_only(); "
        f"import {module} as loops; loops.compile_loops{call}"
        for call in calls
    )
    return KeptLoops(folder_of(entry), f"gridtoll-{source:x}-numba-{version('numba')}", programs, announced)


def _compile_once(loops: KeptLoops) -> None:
    if loops.folder is None:
        _log.warning(loops.announced)
        return
    done = loops.folder / loops.mark
    if not _is_compiled(done):
        with _alone(done.with_name(f"{done.name}.lock")):
            if not _is_compiled(done):
                _compile_apart(done, loops)


def _is_compiled(done: Path) -> bool:
    """Return whether the loops have been compiled into the folder of a mark, and are there as they were."""
    if not done.exists():
        return False
    if is_whole(done, FILES):
        return True
    _log.warning("the machine code of the market's loops in %s is damaged, and is compiled anew.", done.parent)
    try:
        remove_damaged(done, FILES)
    except OSError as error:
        do_without_cache("machine code of compiled loops", error, remedy=f"Remove {done.parent} yourself")
    return False


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one process after the other do something: workers that start together would each compile, in half a gigabyte of memory."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=_LONGEST_WAIT)
    except (NotImplementedError, OSError):  # held for too long, perhaps by a process long gone, or a file system without locks
        yield  # several may compile, and the result is the same
        return
    try:
        yield
    finally:
        lock.release()


def _compile_apart(done: Path, loops: KeptLoops) -> None:
    """Compile in processes of their own, side by side, and say so in a mark where all of them did it."""
    _log.warning(loops.announced)
    with ThreadPoolExecutor(len(loops.programs)) as pool:
        failures = [reason for reason in pool.map(_compile, loops.programs) if reason is not None]
    if not failures:
        mark_whole(done, FILES)
        return
    # For example where no process may be started; the answers are as exact, but for their last bit.
    _log.warning("another process could not compile them, so this one does: %s", failures[0])


def _compile(program: str) -> str | None:
    """Have a process compile something; return why it did not, None where it did."""
    try:
        compiled = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        return str(error)
    return None if compiled.returncode == 0 else compiled.stderr.strip()[-300:]


def _clear_in_threads(days: Sequence[Day], charges: Array | Sequence[Array], n_threads: int) -> list[Clearing]:
    """Return what :func:`_clear` does of each day; a task for each thread, for a task for each day takes as long as a tenth of a small one.

    Raises:
        ValueError: If charges are invalid, of the first day whose are.
    """
    found: list[Any] = [None] * len(days)
    waiting = iter(range(len(days)))  # for whoever has finished a day

    def work() -> None:
        for number in waiting:
            try:
                found[number] = _clear(days[number], charges[number])
            except ValueError as error:
                found[number] = error

    with ThreadPoolExecutor(n_threads) as pool:
        for task in [pool.submit(work) for _ in range(n_threads)]:
            task.result()
    for each in found:
        if isinstance(each, ValueError):
            raise each
    return found


def _clear(day: Day, charges: ArrayLike, start: Clearing | None = None) -> Clearing:
    """Return what the kernel finds; whether it holds is for the caller to see."""
    began = time.perf_counter()
    program = PROGRAMS.get(day) or program_of(day)
    array = np.require(charges, np.float64, ("C", "W"))  # writable: compiled code is made anew for every other kind of array
    n_hours, n, _, _ = program.sizes
    if array.shape not in ((n, n), (n_hours, n, n)):
        read_charges(day, charges)  # raises, and says what is wrong
    array = array.reshape(-1, n, n)
    many = n >= sparse.LEAST  # by their number alone, so that a community is always cleared the same way
    if many:
        _see_to_loops_for_many()
    if start is not None:
        if start.nodal_price.shape != (n_hours, n):
            raise ValueError(f"`start` must be a clearing of the same day, of shape {(n_hours, n)}, got {start.nodal_price.shape}.")
        found = _clearing(day, charges, program, began, (sparse.clear_near if many else clear_warm)(program, array, start))
        if found.certificate.holds():
            return found
    if many:
        found = _clearing(day, charges, program, began, sparse.clear_sparse(program, array, TOLERANCE))
        if found.certificate.holds():
            return found
    return _clearing(day, charges, program, began, clear_cold(program, array, TOLERANCE))


def _clearing(day: Day, charges: ArrayLike, program: Program, began: float, result: Any) -> Clearing:
    valid, *found = result
    if not valid:
        read_charges(day, charges)  # raises, and says what is wrong
    return certified(program, found, began)


def certified(program: Program, found: Sequence[Any], began: float, *, solver: str = SOLVER) -> Clearing:
    """Return what :func:`.kernel.clear_cold` found of a day, without its first entry, as a clearing.

    Args:
        program: The day.
        found: Primal residual, dual residual, gap, objective, steps of the interior point and of polishing, and the arrays in units.
        began: When, as :func:`time.perf_counter` says it.
        solver: What is said to have found it.
    """
    primal, dual, gap, value, steps, polishing, arrays = found
    table, stored, trade = arrays
    pairs = trade if isinstance(trade, PairTrades) else None
    kept = trade if pairs is None else pairs.power_kw
    for array in (table, stored, kept):
        array.setflags(write=False)
    demand, renewable, imported, exported, charge, discharge, nodal_price, storage_price = table
    cleared = Clearing(
        demand=demand,
        renewable_used=renewable,
        grid_import=imported,
        grid_export=exported,
        storage_charge=charge,
        storage_discharge=discharge,
        stored_energy=stored,
        trade=kept,
        nodal_price=nodal_price,
        storage_price=storage_price,
        objective_eur=value * program.period_hours * program.power_unit * program.price_unit,
        certificate=Certificate(primal_residual=primal, dual_residual=dual, gap=gap),
        solver=solver,
        iterations=(steps, polishing),
        seconds=time.perf_counter() - began,
    )
    return cleared if pairs is None else keeping_pairs(cleared, pairs)
