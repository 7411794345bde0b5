"""The market cleared by the compiled kernel: the same program, certificate and answer as :class:`..market.P2PMarket`, many times faster."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...day import Array, Day
from ...machine import available_cores
from ..market import Market, P2PMarket
from ..market_data import read_charges
from ..solution import TOLERANCE, Certificate, Clearing
from .kernel import clear_cold, clear_warm
from .program import Program, program_of

SOLVER = "gridtoll's structured interior point, polished"
_PATIENCE_S = 3.0  # a first call that takes longer than this compiles

_log = logging.getLogger(__name__)
_ready = False


class StructuredMarket:
    """The exact clearing by compiled loops over the market's structure.

    The first clearing on a machine compiles the loops, which takes about half a minute and is announced by a log message; the machine code
    is kept on disk, where later processes find it in a fraction of a second.

    Args:
        fallback: What clears a day the kernel cannot; a :class:`..market.P2PMarket` made on first use where absent.
        threads: How many days :meth:`clear_many` clears at once; as many as there are cores where absent.

    Attributes:
        clearings: Days cleared so far.
        fallbacks: How many of them the fallback had to clear.
    """

    def __init__(self, fallback: Market | None = None, *, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise ValueError(f"`threads` must be at least 1, got {threads}.")
        self.clearings = 0
        self.fallbacks = 0
        self._fallback = fallback
        self._threads = threads
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[StructuredMarket], tuple[Market | None]]:
        """Pickle and copy what it is made of, without its counters and lock."""
        return type(self), (self._fallback,)

    def clear(self, day: Day, charges: ArrayLike, *, start: Clearing | None = None) -> Clearing:
        """Clear the market; see :meth:`..market.P2PMarket.clear` for arguments, result and errors."""
        with _announced():
            found = _clear(day, charges, start)
        return self._finish(day, charges, found)

    def clear_many(self, days: Sequence[Day], charges: Array) -> list[Clearing]:
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
        n_threads = min(self._threads or available_cores(), len(days))
        with _announced():
            found = list(map(_clear, days[:1], charges[:1]))  # alone, should it have to be compiled
        if n_threads > 1:
            with ThreadPoolExecutor(n_threads) as pool:
                found += pool.map(_clear, days[1:], charges[1:])
        else:
            found += map(_clear, days[1:], charges[1:])
        return list(map(self._finish, days, charges, found))

    def _finish(self, day: Day, charges: ArrayLike, found: Clearing) -> Clearing:
        """Count a clearing, and return it where it holds, or what the fallback finds where it does not."""
        with self._lock:
            self.clearings += 1
            if found.certificate.holds():
                return found
            self.fallbacks += 1
            if self._fallback is None:
                self._fallback = P2PMarket()
            return replace(self._fallback.clear(day, charges), fallback=True)


@contextmanager
def _announced() -> Iterator[None]:
    """Tell whoever waits for the first clearing of this process what takes so long, if it does."""
    global _ready  # noqa: PLW0603 - compiling is the process's affair, not any one market's
    if _ready:
        yield
        return
    timer = threading.Timer(_PATIENCE_S, _log.warning, ("compiling the market's loops for this machine, once: about half a minute.",))
    timer.daemon = True
    timer.start()
    try:
        yield
        _ready = True
    finally:
        timer.cancel()


def _clear(day: Day, charges: ArrayLike, start: Clearing | None = None) -> Clearing:
    """Return what the kernel finds; whether it holds is for the caller to see."""
    began = time.perf_counter()
    program = program_of(day)
    array = np.array(charges, dtype=np.float64, order="C")
    if array.ndim == 2:
        array = array[None]
    n_hours, n, _, _ = program.sizes
    if array.shape not in ((1, n, n), (n_hours, n, n)):
        read_charges(day, charges)  # raises, and says what is wrong
    if start is not None:
        state = (start.renewable_used, start.stored_energy, start.nodal_price, start.storage_price)
        found = _clearing(day, charges, program, began, clear_warm(program, array, *state))
        if found.certificate.holds():
            return found
    return _clearing(day, charges, program, began, clear_cold(program, array, TOLERANCE))


def _clearing(day: Day, charges: ArrayLike, program: Program, began: float, result: Any) -> Clearing:
    valid, primal, dual, gap, value, steps, polishing, arrays = result
    if not valid:
        read_charges(day, charges)  # raises, and says what is wrong
    for array in arrays:
        array.setflags(write=False)
    demand, renewable, imported, exported, charge, discharge, stored, trade, nodal_price, storage_price = arrays
    return Clearing(
        demand=demand,
        renewable_used=renewable,
        grid_import=imported,
        grid_export=exported,
        storage_charge=charge,
        storage_discharge=discharge,
        stored_energy=stored,
        trade=trade,
        nodal_price=nodal_price,
        storage_price=storage_price,
        objective_eur=value * program.period_hours * program.power_unit * program.price_unit,
        certificate=Certificate(primal_residual=primal, dual_residual=dual, gap=gap),
        solver=SOLVER,
        iterations=(steps, polishing),
        seconds=time.perf_counter() - began,
    )
