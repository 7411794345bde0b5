"""The exact market with the interior point of many days on one device, such as a GPU, and its last digits on the CPU.

The batch comes near the optima in double precision (:mod:`.interior_point`). From there every day is polished and certified by the loops of
:mod:`..exact.compiled`, whose certificate does not ask where a point came from. A day that is not proved so is cleared by
:class:`..exact.compiled.StructuredMarket`, with all its further attempts.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import ArrayLike

from ...community.day import Array, Day
from ...machine import available_cores
from ..exact.compiled import StructuredMarket, see_to_machine_code
from ..exact.compiled.kernel import finish
from ..exact.compiled.market import certified
from ..exact.compiled.program import Program, program_of
from ..exact.market_data import read_charges_of
from ..exact.solution import Clearing
from ..mechanism import ExactResponse
from .interior_point import approach
from .stack import Shape, Stack, shape_of

SOLVER = "gridtoll's interior point in lockstep (PyTorch), polished"
_POLISHING_STEPS = 30  # as in ..exact.compiled.kernel
_NUMBERS_PER_FLOW = 30
"""Numbers of double precision that a step keeps for each flow, seen on batches of 13 prosumers."""
_ROOM = {"cpu": 2.5e7, "cuda": 4e9}
"""Bytes of a batch: on a CPU what stays near its caches, on a GPU a share of the smallest that has double precision."""


class LockstepMarket:
    """The exact clearing of many days in lockstep.

    Its answers are those of :class:`..exact.compiled.StructuredMarket` to rounding. Their last bits may depend on the batch and on the
    device.

    Args:
        device: PyTorch's name, such as ``"cuda"`` or ``"cpu"``; a GPU where there is one, else the CPU, where absent.
        at_once: How many days a batch has at most; as many as have room where absent.
        threads: How many days are polished at once; as many as there are cores where absent.
        fallback: What clears a day that is not proved; a :class:`..exact.compiled.StructuredMarket` where absent.

    Attributes:
        clearings: Days cleared so far.
        fallbacks: How many of them the fallback had to clear.

    Raises:
        ValueError: If there is no such device, or a number is below 1.
    """

    def __init__(
        self, device: str | None = None, *, at_once: int | None = None, threads: int | None = None, fallback: ExactResponse | None = None
    ) -> None:
        for name, value in (("at_once", at_once), ("threads", threads)):
            if value is not None and value < 1:
                raise ValueError(f"`{name}` must be at least 1, got {value}.")
        self.clearings = 0
        self.fallbacks = 0
        self._device = _device(device)
        self._at_once = at_once
        self._threads = threads
        self._fallback = fallback
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[LockstepMarket], tuple[str]]:
        """Pickle and copy by device, without counters and lock."""
        return type(self), (str(self._device),)

    def clear(self, day: Day, charges: ArrayLike, *, start: Clearing | None = None) -> Clearing:
        """Clear one day; see :meth:`..exact.market.P2PMarket.clear` for arguments, result and errors. A start goes to the fallback."""
        if start is not None:
            return self._structured().clear(day, charges, start=start)
        return self.clear_many([day], [np.asarray(charges, dtype=np.float64)])[0]

    def clear_many(self, days: Sequence[Day], charges: Array | Sequence[Array]) -> list[Clearing]:
        """Clear many days at once.

        Args:
            days: K days; those of one shape are cleared in one batch, as far as there is room.
            charges: Charges of each day in EUR/kWh, shape (K, T, N, N) or (K, N, N), or K arrays of such shapes.

        Returns:
            K clearings in the order of the days.

        Raises:
            ValueError: If there are not as many charges as days, or some of them are invalid.
            ClearingError: As :meth:`clear`.
        """
        checked = [np.array(each, order="C") for each in read_charges_of(days, charges)]  # writable: loops are compiled anew for others
        see_to_machine_code()
        programs = [program_of(day) for day in days]
        alike: defaultdict[Shape, list[int]] = defaultdict(list)
        for number, program in enumerate(programs):
            alike[shape_of(program)].append(number)
        found: dict[int, Clearing] = {}
        with ThreadPoolExecutor(self._threads or available_cores()) as pool:
            for (sizes, *_), numbers in alike.items():
                for batch in _batches(numbers, self._at_once or _room(sizes, self._device)):
                    answers = self._batch(pool, [programs[each] for each in batch], [checked[each] for each in batch])
                    found.update(zip(batch, answers, strict=True))
        return [self._finish(day, each, found[number]) for number, (day, each) in enumerate(zip(days, charges, strict=True))]

    def _batch(self, pool: ThreadPoolExecutor, programs: Sequence[Program], charges: Sequence[Array]) -> list[Clearing]:
        """Return what comes of days of one shape; whether it holds is for the caller to see."""
        began = time.perf_counter()
        with torch.inference_mode():
            near = approach(Stack.of(programs, charges, self._device))
            boxes, mu, sigma, steps = (each.cpu().numpy() for each in (near.boxes, near.mu, near.sigma, near.steps))
        share = (time.perf_counter() - began) / len(programs)

        def last_digits(number: int) -> Clearing:
            began, program = time.perf_counter(), programs[number]
            own = np.zeros(program.cost.shape)
            own[:, : boxes.shape[2]] = boxes[number]
            start = own, mu[number].copy(), sigma[number].copy()
            _, *proof, polishing, arrays = finish(program, charges[number], *start, _POLISHING_STEPS)
            return certified(program, (*proof, int(steps[number]), polishing, arrays), began - share, solver=SOLVER)

        return list(pool.map(last_digits, range(len(programs))))

    def _finish(self, day: Day, charges: ArrayLike, found: Clearing) -> Clearing:
        holds = found.certificate.holds()
        with self._lock:
            self.clearings += 1
            self.fallbacks += not holds
        return found if holds else self._structured().clear(day, charges)

    def _structured(self) -> ExactResponse:
        with self._lock:
            if self._fallback is None:
                self._fallback = StructuredMarket(threads=1)
            return self._fallback


def _device(name: str | None) -> torch.device:
    """Return a device that double precision can be had on.

    Raises:
        ValueError: If there is none of that name.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, dtype=torch.float64, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ValueError(
            f"`device` must be a device of PyTorch that has double precision, such as 'cuda' or 'cpu', got {name!r}: {error}. "
            f"Here {'a GPU is' if torch.cuda.is_available() else 'no GPU is'} known to PyTorch."
        ) from error
    return device


def _room(sizes: tuple[int, int, int, int], device: torch.device) -> int:
    """Return how many days of T periods, N prosumers and J stores a batch has room for."""
    n_periods, n, n_stores, _ = sizes
    numbers = _NUMBERS_PER_FLOW * n_periods * (n + 1) ** 2 + 3 * (n_periods * n_stores) ** 2
    return max(1, int(_ROOM.get(device.type, _ROOM["cpu"]) / (8 * numbers)))


def _batches(numbers: Sequence[int], at_most: int) -> list[Sequence[int]]:
    return [numbers[first : first + at_most] for first in range(0, len(numbers), at_most)]
