"""Two processes beside the page: one works out curves, one leaders. What nobody waits for any more is given up at its next clearing.

Every page has a number, and counts what it asks for. A job carries both; it ends as soon as its page has asked for something newer in the
same process. So the page stays quick while a slider is drawn, and what it ends on is what is worked out.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import count
from typing import Any, Final, Literal, TypeVar

import numpy as np

from ...ground.processes import single_threaded_children, start_worker
from ..model.played import play
from ..model.problem import Problem
from .proofs import Check

MOST_PAGES: Final = 64
"""Pages told apart; of more, two share what counts as newest."""
_BACK: Final = 10  # how far both processes step back for the page, in steps of `nice`
Kind = Literal["curves", "leaders"]
KINDS: Final[tuple[Kind, ...]] = ("curves", "leaders")
Answer = TypeVar("Answer")

_newest: Any = None  # of the process: for each page, the number of what it asked for last


class SupersededError(Exception):
    """Raised within a job whose page has asked for something newer."""


class Background:
    """Both processes; they start with the first job and end with :meth:`close`, or when this process is gone."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._newest = {kind: context.Array("q", MOST_PAGES, lock=False) for kind in KINDS}
        self._ours, self._theirs = context.Pipe()
        self._pools = {
            kind: ProcessPoolExecutor(1, mp_context=context, initializer=_begin, initargs=(self._theirs, self._newest[kind]))
            for kind in KINDS
        }
        self._pages = count()

    def page(self) -> int:
        """Return the number of a new page."""
        return next(self._pages) % MOST_PAGES

    def newer(self, kind: Kind, page: int) -> None:
        """Give up what a page asked for so far."""
        self._newest[kind][page] += 1

    def ask(self, kind: Kind, page: int, job: Callable[..., Answer], *arguments: Any) -> Future[Answer]:
        """Have a job done, ``job(*arguments, check)``, after those asked for before; what it is made of must pickle.

        The future ends with :class:`SupersededError` where the page asks for something newer first.
        """
        with single_threaded_children():
            return self._pools[kind].submit(_do, page, self._newest[kind][page], job, arguments)

    def warm_up(self, problem: Problem) -> None:
        """Have this process and both others clear a day, so that all is loaded when the page opens."""
        page = self.page()
        ready = [self.ask(kind, page, _clear, problem) for kind in KINDS]
        play(problem, np.zeros(1))
        for each in ready:
            each.result()

    def close(self) -> None:
        """End both processes at once."""
        self._ours.close()
        for pool in self._pools.values():
            pool.shutdown(cancel_futures=True)
        self._theirs.close()


def _begin(line: Any, newest: Any) -> None:
    """Make a process one of these."""
    global _newest  # noqa: PLW0603 - shared memory goes to a process as it begins, and no later
    _newest = newest
    if sys.platform != "win32":  # where a process cannot step back; with few cores a page would wait for its own curves
        os.nice(_BACK)
    try:
        start_worker(line)
    except BrokenPipeError:  # the page has ended before this process began
        os._exit(0)


def _do(page: int, number: int, job: Callable[..., Answer], arguments: tuple[Any, ...]) -> Answer:
    def check() -> None:
        if _newest[page] != number:
            raise SupersededError

    check()
    return job(*arguments, check)


def _clear(problem: Problem, check: Check) -> None:
    check()
    play(problem, np.zeros(1))
