"""Workers that play and solve days side by side, here or on a Ray cluster, and the progress bar over them.

A clearing keeps one core busy for a while and needs nothing from its neighbours, so days are shared out over processes. Results do not
depend on how many processes there are, nor on where they run: a task carries all it needs, and everything kept is kept by the process that
asked. Local processes are *spawned*: a forked child would inherit the threads of PyTorch and BLAS in whatever state they were. Of a Ray
cluster every node must have gridtoll installed, and see the folder of a community that is a folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from itertools import pairwise
from types import ModuleType, TracebackType
from typing import Any, Final, Literal, Protocol, TypeVar, get_args

from ..envs.errors import known_name
from ..envs.machine import available_cores
from ..envs.market.exact.compiled import see_to_machine_code
from .ground.processes import LocalPool, ManyAtOnce, of_several
from .ground.progress import progress

Backend = Literal["local", "ray"]
Item = TypeVar("Item")
Result = TypeVar("Result")

_FEW: Final = 16
"""Items up to which such work is done in this process: others take two seconds to start."""
_AT_ONCE: Final = 8
"""Items of such work that a process is handed at a time; fewer towards the end, so that all processes end at about the same time."""
_ROUND: Final = 8
"""Tasks of each worker that are handed to joblib's Ray backend at once. It returns results only when all of them are there: fewer would
let workers wait for the slowest more often, more would lose more to an interruption."""


class _Pool(Protocol):
    """Runs a function on items, whatever it runs them on."""

    def results(self, function: Callable[[Item], Result], todo: Sequence[Item]) -> Iterator[tuple[int, Result]]:
        """Yield ``(place, function(todo[place]))`` of every item once, as they are done and so in any order.

        Whoever stops asking leaves what is running to :meth:`close`.

        Args:
            function: Called once with each item; it and the items must pickle.
            todo: At least one item.

        Raises:
            Exception: The first that the function raises; items not done by then have no result.
            BrokenProcessPool: If a process ended without a word, killed for its memory say.
        """

    def close(self, *, now: bool) -> None:
        """Drop what has not begun and end the processes; nothing can be asked of this pool afterwards.

        Args:
            now: Whether what is running is ended too; it is waited for otherwise.
        """


class Workers:
    """A context that maps functions over items, several at a time; with one local job everything runs in this process.

    The processes start with the first call and stay until the context ends, so that the community each of them has loaded and the program
    it has compiled serve every later call. Functions and items must pickle, so functions stand at the top level of a module. Where the
    context ends with an error or an interruption, what still runs is ended.

    Attributes:
        jobs: How many at a time; None for as many as there are cores, of the whole cluster with Ray.
        backend: ``"local"`` for processes of this machine, ``"ray"`` for the Ray cluster in ``RAY_ADDRESS``, or one started here.
        quiet: Whether to hide progress bars (they go to stderr).
        apart: Whether even one local job has a process of its own, so that what is computed does not depend on how many there are: a
            process of its own has one thread, and has computed nothing else.

    Raises:
        ValueError: If there are no jobs, no such backend, or the packages of the backend cannot be imported.
    """

    def __init__(self, jobs: int | None = 1, *, backend: Backend = "local", quiet: bool = True, apart: bool = False) -> None:
        if jobs is not None and jobs < 1:
            raise ValueError(f"`jobs` must be at least 1, got {jobs}.")
        known_name("`backend`", backend, get_args(Backend))
        for name in ("ray", "joblib") if backend == "ray" else ():  # now, before anything is computed that would be handed to them
            _optional_package(name)
        self.jobs = available_cores() if jobs is None and backend == "local" else jobs
        self.backend = backend
        self.quiet = quiet
        self.apart = apart
        self._local: LocalPool | None = None
        self._cluster: _RayPool | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close(now=error is not None)

    def close(self, *, now: bool = False) -> None:
        """End the processes; work not yet begun is dropped, and with ``now`` also what is running."""
        for pool in (self._local, self._cluster):
            if pool is not None:
                pool.close(now=now)
        self._local = self._cluster = None

    def map(self, function: Callable[[Item], Result], items: Iterable[Item], label: str | None = None) -> list[Result]:
        """Return ``[function(item) for item in items]``.

        Args:
            function: Called in the workers; the first error it raises is raised here.
            items: What it is called on.
            label: Name of the progress bar; None for no bar.

        Raises:
            ValueError: If a script starts processes while they import it.
        """
        found = dict(self.each(function, items, label))
        return [found[place] for place in range(len(found))]

    def each(self, function: Callable[[Item], Result], items: Iterable[Item], label: str | None = None) -> Iterator[tuple[int, Result]]:
        """Yield the position and the result of every item as they come in, in any order; arguments and errors as :meth:`map`."""
        todo = list(items)
        hidden = self.quiet or label is None or not todo
        if not hidden and self.backend == "local":
            see_to_machine_code()  # which takes up to a minute: a bar would expect every task to take as long
        with progress(label or "", len(todo), quiet=hidden, leave=False) as bar:
            for found in self._results(function, todo):
                bar.update()
                yield found

    def each_together(
        self, function: ManyAtOnce[Item, Result], items: Iterable[Item], label: str | None = None
    ) -> Iterator[tuple[int, Result]]:
        """Yield the position and the result of every item as they come in, of a function that takes many items at once.

        One job, or up to :data:`_FEW` items on this machine, are left to threads of this process: others that start would take longer.
        Of more items processes make more in the same time, for threads share one interpreter. This process is one of them: it has all that
        is needed, and works while others start. All take a few items at a time.

        Args:
            function: Called with items, and how many threads it may use; it yields positions and results. It and the items must pickle.
            items: What it is called on.
            label: Name of the progress bar; None for no bar.

        Raises:
            ValueError: As :meth:`map`.
        """
        todo = list(items)
        hidden = self.quiet or label is None or not todo
        if not hidden and self.backend == "local":
            see_to_machine_code()
        with progress(label or "", len(todo), quiet=hidden, leave=False) as bar:
            for found in self._together(function, todo):
                bar.update()
                yield found

    def _together(self, function: ManyAtOnce[Item, Result], todo: Sequence[Item]) -> Iterator[tuple[int, Result]]:
        here = self.backend == "local" and not self.apart
        if todo and here and (self.jobs == 1 or len(todo) <= _FEW):
            yield from function(todo, threads=self.jobs or 1)
            return
        starts = _starts(len(todo), self.jobs or 1)
        parts = [todo[start:end] for start, end in pairwise((*starts, len(todo)))]
        if here:
            see_to_machine_code()  # by one process, not by each of those that start
            self._local = self._local or LocalPool(self.jobs or 1)
            found = self._local.shared(function, parts, others=min((self.jobs or 1) - 1, len(parts) - 1))
        else:
            found = ((place, inner) for place, results in self._results(partial(of_several, function), parts) for inner in results)
        for place, (inner, result) in found:
            yield starts[place] + inner, result

    def _results(self, function: Callable[[Item], Result], todo: Sequence[Item]) -> Iterator[tuple[int, Result]]:
        if not todo:
            return
        if self.backend == "local" and not self.apart and (self.jobs == 1 or len(todo) < 2):
            yield from enumerate(map(function, todo))
            return
        yield from self._pool().results(function, todo)

    def _pool(self) -> _Pool:
        """Return what runs functions, started where it has not been."""
        if self.backend == "ray":
            self._cluster = self._cluster or _RayPool(self.jobs)
            return self._cluster
        self._local = self._local or LocalPool(self.jobs or 1)
        return self._local


def _starts(n_items: int, jobs: int) -> list[int]:
    """Return where the parts begin that items are handed out in: :data:`_AT_ONCE` each, or the half of a job's share of what is left."""
    starts, left = [0], n_items
    while left > (size := min(_AT_ONCE, max(left // (2 * jobs), 1))):
        starts.append(starts[-1] + size)
        left -= size
    return starts


class _RayPool:
    """Actors of a Ray cluster, by joblib's Ray backend; a cluster that was started here ends with the workers."""

    def __init__(self, jobs: int | None) -> None:
        self._ray, joblib = _optional_package("ray"), _optional_package("joblib")
        _optional_package("ray.util.joblib").register_ray()
        self._is_ours = not self._ray.is_initialized()
        if self._is_ours:
            local: dict[str, Any] = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": jobs, "include_dashboard": False}
            self._ray.init(log_to_driver=False, logging_level="error", **local)
        self._jobs = jobs or int(self._ray.cluster_resources()["CPU"])
        self._delayed = joblib.delayed
        self._context = ExitStack()
        self._parallel = self._context.enter_context(joblib.Parallel(n_jobs=self._jobs, batch_size=1, backend="ray"))

    def results(self, function: Callable[[Item], Result], todo: Sequence[Item]) -> Iterator[tuple[int, Result]]:
        size = _ROUND * self._jobs
        for first in range(0, len(todo), size):
            yield from enumerate(self._parallel(self._delayed(function)(item) for item in todo[first : first + size]), first)

    def close(self, *, now: bool) -> None:
        if not (now and self._is_ours):
            self._context.close()
        if self._is_ours:
            self._ray.shutdown()


def _optional_package(name: str) -> ModuleType:
    """Import a package of the extra ``[ray]``."""
    try:
        return import_module(name)
    except ImportError as error:
        raise ValueError(
            f'the backend "ray" needs the packages `ray` and `joblib`, and `{name}` cannot be imported here ({error}). '
            'In your clone of gridtoll, run `pip install ".[ray]"`, or use the backend "local".'
        ) from error
