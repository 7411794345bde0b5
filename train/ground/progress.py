"""How far work has come: a bar where somebody watches, a few plain lines where stderr goes into a file."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Final, Protocol, Self

from tqdm import tqdm

_LINES: Final = 10
"""How many lines there are at most, spread evenly over the work."""
_APART_S: Final = 10.0
"""Seconds between lines at least, but for the last."""


class Progress(Protocol):
    """Told of work as it is done; a context that ends with it."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

    def update(self, done: float = 1) -> object:
        """Add to what has been done, and show it where it is time to.

        Args:
            done: How much more, in the unit of the total: the sum of all calls, and what was done before, is what is shown.
        """


def progress(label: str, total: int | None, *, quiet: bool = False, done: float = 0, leave: bool = True) -> Progress:
    """Return what shows progress on stderr.

    Args:
        label: What is counted.
        total: How much there is; None where that is not known.
        quiet: Whether to show nothing.
        done: How much was done before.
        leave: Whether a bar stays when it is full.
    """
    if quiet or sys.stderr.isatty():
        return tqdm(total=total, initial=done, desc=label, disable=quiet, leave=leave, unit="", dynamic_ncols=True, smoothing=0.1)
    return _Lines(label, total, done)


class _Lines:
    """A line now and then."""

    def __init__(self, label: str, total: int | None, done: float) -> None:
        self._label, self._total, self._done, self._said = label, total, done, -1.0
        self._began = self._last = time.monotonic()
        self._next = done

    def __enter__(self) -> Self:
        self._next = self._done + (self._total or 0) / _LINES
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self._say()

    def update(self, done: float = 1) -> None:
        """Add to what has been done; a line is printed each tenth of the total, and not within ten seconds of the last one."""
        self._done += done
        now = time.monotonic()
        if self._total is not None and self._next <= self._done < self._total and now - self._last >= _APART_S:
            self._next = self._done + self._total / _LINES
            self._last = now
            self._say()

    def _say(self) -> None:
        if self._done == self._said:
            return
        self._said = self._done
        seconds = f"{time.monotonic() - self._began:.0f} s"
        if self._total:
            done = f"{100 * self._done / self._total:.0f}% ({self._done:.0f} of {self._total}, {seconds})"
        else:
            done = f"{self._done:.0f} ({seconds})"
        print(f"{self._label}: {done}", file=sys.stderr, flush=True)  # noqa: T201 - what a bar is elsewhere
