"""Worker processes that play days side by side, and the progress bar over them.

A clearing keeps one core busy for a while and needs nothing from its neighbours, so days are shared out over processes. Results come back
in the order of the items and do not depend on how many processes there are. Processes are *spawned*: a forked child would inherit the
threads of PyTorch and BLAS in whatever state they were.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
Result = TypeVar("Result")

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Workers:
    """A context that maps functions over items in ``jobs`` processes; with one job everything runs in this process.

    The processes start with the first :meth:`map` and stay until the context ends, so that the community each of them has loaded and the
    program it has compiled serve every later call. Functions and items must pickle, so functions stand at the top level of a module.

    Attributes:
        jobs: Number of processes, at least 1.
        quiet: Whether to hide progress bars (they go to stderr).
    """

    def __init__(self, jobs: int = 1, *, quiet: bool = True) -> None:
        if jobs < 1:
            raise ValueError(f"`jobs` must be at least 1, got {jobs}.")
        self.jobs = jobs
        self.quiet = quiet
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the processes; work not yet begun is dropped."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def map(self, function: Callable[[Item], Result], items: Iterable[Item], label: str | None = None) -> list[Result]:
        """Return ``[function(item) for item in items]``.

        Args:
            function: Called in the workers; the first error it raises is raised here.
            items: What it is called on.
            label: Name of the progress bar; None for no bar.
        """
        todo = list(items)
        hidden = self.quiet or label is None
        with tqdm(total=len(todo), desc=label, disable=hidden, leave=False, unit="", dynamic_ncols=True) as bar:
            results: list[Result] = []
            for result in self._results(function, todo):
                results.append(result)
                bar.update()
        return results

    def _results(self, function: Callable[[Item], Result], todo: Sequence[Item]) -> Iterator[Result]:
        if self.jobs == 1 or len(todo) < 2:
            yield from map(function, todo)
            return
        if self._pool is None:
            self._pool = ProcessPoolExecutor(self.jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker)
        with _single_threaded_children():
            yield from self._pool.map(function, todo)


@contextmanager
def _single_threaded_children() -> Iterator[None]:
    """Let processes started meanwhile use one thread each: they already fill the cores, and more threads only wait for each other."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _start_worker() -> None:
    """Leave interrupts to the parent, and end with it: a killed training would otherwise leave processes waiting for work for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
