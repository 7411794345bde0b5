"""One process at a time in a folder that is written piece by piece: a run, a comparison, a study, a page.

The lock is the operating system's, on a file ``.lock`` in the folder, and works on Windows as on Linux (``filelock``). It belongs to the
process: from one that is killed it is taken away, and the file it leaves behind means nothing. The file is not removed, because a process
that waits for it would then hold a file that the next one does not see.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

LOCK: Final = ".lock"
"""The file in the folder."""

_log = logging.getLogger(__name__)


@contextmanager
def writing_into(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold a folder, which is made where it is missing; one made here is removed after an error that leaves nothing in it.

    Args:
        folder: What is written into.
        wait: Whether to wait for whoever holds it.

    Raises:
        ValueError: If another process holds it and there is no waiting.
        OSError: If it cannot be made or written to.
    """
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        raise ValueError(
            f"only one process at a time may write into a folder, and another is at work in {folder}. Wait for it, or end it."
        ) from None
    except NotImplementedError:
        _log.warning("the file system of %s has no locks: see to it yourself that no other process writes into it meanwhile.", folder)
    try:
        yield
    except BaseException:
        lock.release()
        if is_new and is_bare(folder):
            _remove(folder)
        raise
    lock.release()


def is_bare(folder: Path) -> bool:
    """Return whether there is nothing in a folder but a lock and files that a killed process had not finished."""
    return all(is_left_over(entry) for entry in folder.iterdir())


def is_left_over(entry: Path) -> bool:
    """Return whether a file is a lock, or one that a killed process had not finished."""
    return entry.name == LOCK or (entry.name.startswith(".") and entry.suffix == ".part")


def _remove(folder: Path) -> None:
    with contextlib.suppress(OSError):  # another process may have come meanwhile
        for entry in folder.iterdir():
            entry.unlink()
        folder.rmdir()
