"""Processes of this machine that work side by side, and this one beside them.

They are *spawned*: a forked child would inherit the threads of PyTorch and BLAS in whatever state they were.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures import wait as until_done
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing.connection import Connection, wait
from queue import SimpleQueue
from typing import Final, Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Item_contra = TypeVar("Item_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)
_Done = tuple[int, Future[list[tuple[int, Result]]]]

_THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_NO_GUARD: Final = (
    "the processes of several jobs ended before they began. Each of them imports the script that starts them, so a script must do its work "
    'below `if __name__ == "__main__":`; or there is no memory for so many. Put the work there, or ask for one job.'
)


class ManyAtOnce(Protocol[Item_contra, Result_co]):
    """Works on many items at once."""

    def __call__(self, items: Sequence[Item_contra], /, *, threads: int) -> Iterator[tuple[int, Result_co]]:
        """Yield the position and the result of every item, as they are done.

        Args:
            items: At least one.
            threads: How many threads to use.
        """


def of_several(function: ManyAtOnce[Item, Result], items: Sequence[Item]) -> list[tuple[int, Result]]:
    """Return what a function yields of items, in a process that has one thread."""
    return list(function(items, threads=1))


class LocalPool:
    """Processes of this machine, as a pool of :class:`~gridtoll.train.workers.Workers`.

    They end when this process closes its end of a pipe, or is gone: even a killed one leaves none behind.
    """

    def __init__(self, jobs: int) -> None:
        if getattr(multiprocessing.current_process(), "_inheriting", False):  # this is a worker that runs the user's script again
            raise SystemExit(1)  # without a word: the parent has one
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._line, self._far_end = ours, theirs  # the far end stays open here, for processes not yet started
        self._pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=start_worker, initargs=(theirs,))

    def results(self, function: Callable[[Item], Result], todo: Sequence[Item]) -> Iterator[tuple[int, Result]]:
        """Yield the place of an item and its result, as each is done.

        Raises:
            ValueError: If no process could start, because the user's script has no main guard.
            BrokenProcessPool: If one was killed.
        """
        with single_threaded_children():  # processes start as tasks are handed in
            places = {self._pool.submit(function, item): place for place, item in enumerate(todo)}
        for future in as_completed(places):
            yield places[future], self._unless_broken(future)

    def shared(
        self, function: ManyAtOnce[Item, Result], parts: Sequence[Sequence[Item]], *, others: int
    ) -> Iterator[tuple[int, tuple[int, Result]]]:
        """Yield the place of a part, and the position and result of each of its items: this process takes parts as others do.

        Args:
            function: Called with the items of a part and a number of threads, one; it and the items must pickle.
            parts: Of the items.
            others: How many processes work beside this one.

        Raises:
            ValueError: As :meth:`results`.
            BrokenProcessPool: As :meth:`results`.
        """
        waiting = iter(enumerate(parts))  # for whoever has finished a part
        done: SimpleQueue[_Done[Result] | None] = SimpleQueue()
        with single_threaded_children():  # processes start as their first parts are handed in
            begun = [(place, self._pool.submit(of_several, function, part)) for place, part in islice(waiting, others)]

        def keep_busy(place: int, future: Future[list[tuple[int, Result]]]) -> None:
            try:
                until_done([future])
                done.put((place, future))
                for following, part in waiting:
                    future = self._pool.submit(of_several, function, part)
                    until_done([future])
                    done.put((following, future))
            finally:
                done.put(None)

        hands = ThreadPoolExecutor(max(others, 1))
        keeping = [hands.submit(keep_busy, *each) for each in begun]
        left = len(keeping)
        try:
            for place, part in waiting:
                for found in function(part, threads=1):
                    yield place, found
                    while left and not done.empty():
                        each = done.get()
                        left -= each is None
                        yield from self._of(each)
            while left:
                each = done.get()
                left -= each is None
                yield from self._of(each)
            for task in keeping:
                task.result()
        finally:
            for _ in waiting:  # nothing more is handed out
                pass
            hands.shutdown(wait=False)

    def _of(self, done: _Done[Result] | None) -> Iterator[tuple[int, tuple[int, Result]]]:
        if done is not None:
            place, future = done
            for found in self._unless_broken(future):
                yield place, found

    def _unless_broken(self, future: Future[Result]) -> Result:
        try:
            return future.result()
        except BrokenProcessPool:
            if not self._line.poll():  # no process has come as far as `start_worker`
                raise ValueError(_NO_GUARD) from None
            raise

    def close(self, *, now: bool) -> None:
        """End the processes, at once or when they have done what they are at."""
        if now:
            self._line.close()
        self._pool.shutdown(cancel_futures=True)
        self._line.close()
        self._far_end.close()


@contextmanager
def single_threaded_children() -> Iterator[None]:
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


def start_worker(line: Connection) -> None:
    """Leave interrupts to the parent, and end with it: a killed training would otherwise leave processes waiting for work for ever."""
    line.send_bytes(b"started")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, args=(line,), daemon=True).start()


def _follow_parent(line: Connection) -> None:
    """End this process as soon as the parent hangs up or is gone."""
    parent = multiprocessing.parent_process()
    sentinel = [] if parent is None else [parent.sentinel]
    wait([line, *sentinel])
    os._exit(1)
