"""Writing files so that a reader never sees half of one, and where gridtoll keeps what it can rebuild."""

from __future__ import annotations

import io
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Final

_log = logging.getLogger(__name__)
_told: Final[set[str]] = set()  # kinds of caches that this process has said to do without


def write_atomically(path: str | Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file completely or not at all.

    The content goes to a temporary file in the same folder, reaches the disk, and takes the name in one step; whoever opens ``path``
    meanwhile, another process included, finds the old content or the new. After an error nothing is left behind.

    Args:
        path: The file to write; its folder is created if absent.
        write: Receives the open binary file and writes the content.

    Raises:
        OSError: If it cannot be written, because the disk is full say, whatever ``write`` makes of that.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    draft = Path(temporary)
    try:
        with _Draft(io.FileIO(descriptor, "wb")) as file:
            try:
                write(file)
            except Exception:
                if file.failure is not None:
                    raise file.failure from None
                raise
            file.flush()
            os.fsync(file.fileno())
        draft.chmod(0o666 & ~_umask())  # mkstemp makes files private, which a shared results folder would not expect
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from None
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


class _Draft(io.BufferedWriter):
    """Remembers why it could not be written: PyTorch and zipfile raise errors of their own instead."""

    failure: OSError | None = None

    def write(self, content: Any, /) -> int:
        """Write bytes into the draft, and return how many were taken.

        Args:
            content: Anything that gives bytes, as ``io.BufferedWriter.write`` takes it.

        Raises:
            OSError: If they cannot be written; it is kept as ``failure``, so that it is known when a caller has made something else of it.
        """
        try:
            return super().write(content)
        except OSError as error:
            self.failure = error
            raise


def user_cache_dir() -> Path:
    """Return the folder for data that can be rebuilt: ``$GRIDTOLL_CACHE``, else gridtoll's part of the user's cache folder.

    Raises:
        OSError: If there is none, because the user has no home; whoever asks goes on without.
    """
    chosen = os.environ.get("GRIDTOLL_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "gridtoll"
    except RuntimeError as error:
        raise FileNotFoundError(str(error)) from None


def do_without_cache(kind: str, error: Exception, *, remedy: str = "Set GRIDTOLL_CACHE to a folder that can be written") -> None:
    """Say, once for each kind, that something kept cannot be read or written; the work goes on without it.

    Args:
        kind: What is kept, in the plural.
        error: Why it cannot be.
        remedy: What to do, a sentence without its full stop.
    """
    if kind not in _told:
        _told.add(kind)
        _log.warning("%s cannot be kept or read (%s: %s). Results are the same without. %s.", kind, type(error).__name__, error, remedy)


def _umask() -> int:
    mask = os.umask(0)  # the only portable way to read it is to set it
    os.umask(mask)
    return mask
