"""Compiled loops whose machine code is kept on disk where that can be done, and which work all the same where it cannot.

Numba's own ``cache=True`` raises where no folder can be written, when the function is defined, and where a file it kept is cut short, in
every process until somebody removes the file. Machine code is a convenience: here its files are read and written where that works, made
anew where they are damaged, and done without where neither can be, which is said once.
"""

# mypy: disable-error-code="misc"

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from numba import config, njit
from numba.core.caching import FunctionCache

from .files import do_without_cache, write_atomically

LOOPS: Final[dict[str, object]] = {"nogil": True, "error_model": "numpy"}
"""Options of loops in which nothing is reordered: the same numbers give the same bits in every process."""
INNER: Final[dict[str, object]] = {}
"""Further options of functions that compiled ones call. Empty, but in a process that only compiles: see :func:`compile_only`."""
_FOR_PYTHON: Final[dict[str, object]] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_KIND: Final = "machine code of compiled loops"
_REMEDY: Final = "Set NUMBA_CACHE_DIR to a folder that can be written, or loops are compiled by every process"


def stamp_of(files: Iterable[Path]) -> int:
    """Return a number made from files, as the ``stamp`` of functions that call those in them."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return int.from_bytes(digest.digest()[:7], "big")


_OWN: Final = stamp_of([Path(__file__)])
"""Of this file, with its options: Numba would not see them change."""


def compile_only() -> None:
    """Have modules imported from now on compile inner functions without what Python would call them by: a tenth less to compile.

    Python must not call one of these in this process, which would crash. Those of :func:`kept` have all they need.
    """
    INNER.update(_FOR_PYTHON)


def kept(*, stamp: object = 0, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator like ``numba.njit(cache=True, **options)`` that never fails for want of a file.

    Args:
        stamp: What was compiled under another stamp is not used. Numba looks only at a function's own file; one that calls functions of
            other files takes a number made from these.
        options: Of ``numba.njit``, but ``cache``.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        """Return the function compiled at its first call for each kind of arguments, or as it is where Numba is told to compile nothing."""
        loops = njit(**{name: value for name, value in options.items() if name not in _FOR_PYTHON})(function)
        if not config.DISABLE_JIT:
            try:
                loops._cache = _Forgiving(function, stamp)  # noqa: SLF001 - what `enable_caching` does, with a cache of our own
            except (RuntimeError, OSError) as error:  # no folder for it
                do_without_cache(_KIND, error, remedy=_REMEDY)
        return loops

    return decorate


class _Forgiving(FunctionCache):
    """Numba's files of one function; a damaged one is begun anew, one that cannot be written is done without."""

    def __init__(self, function: Callable[..., Any], stamp: object) -> None:
        super().__init__(function)
        self._stamp = stamp

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return (*super()._index_key(sig, codegen), self._stamp, _OWN)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the machine code kept for arguments of some types, None where it has to be compiled.

        A file that cannot be read is said so of once, and all that is kept of this function begun anew: nothing is raised for it.

        Args:
            sig: Numba's types of the arguments.
            target_context: Numba's description of the processor to compile for.
        """
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # noqa: BLE001 - unpickling a damaged file raises anything
            do_without_cache(_KIND, error, remedy="They are compiled anew")
            self._begin_anew()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the machine code of arguments of some types where that can be done; where it cannot, that is said once.

        Args:
            sig: Numba's types of the arguments.
            data: What Numba has compiled for them.
        """
        try:
            super().save_overload(sig, data)
        except Exception as error:  # noqa: BLE001 - as above: saving reads the index first
            do_without_cache(_KIND, error, remedy=_REMEDY)

    def _begin_anew(self) -> None:
        try:
            self.flush()
        except OSError:
            self.disable()


def folder_of(loops: Any) -> Path | None:
    """Return the folder in which a function's machine code is kept, None where it is not."""
    path = loops.stats.cache_path
    return None if path is None else Path(path)


def mark_whole(mark: Path, pattern: str) -> None:
    """Write down which files of machine code there are and what they hold.

    Args:
        mark: The file to write, in their folder.
        pattern: Of their names, without the endings.
    """
    content = {file.name: _digest(file) for file in mark.parent.glob(f"{pattern}.nbc")}
    write_atomically(mark, lambda file: file.write(json.dumps(content).encode()))


def is_whole(mark: Path, pattern: str) -> bool:
    """Return whether the files that a mark names are as they were, and their indices can be read.

    Indices are not compared: those of a folder that machines of several kinds share grow, one entry for each kind.
    """
    try:
        named = json.loads(mark.read_bytes() or b"{}")
        for name, digest in named.items():
            if _digest(mark.parent / name) != digest:
                return False
        for index in mark.parent.glob(f"{pattern}.nbi"):
            with index.open("rb") as file:
                pickle.load(file)  # noqa: S301 - Numba reads the same files
                pickle.loads(file.read())  # noqa: S301
    except Exception:  # noqa: BLE001 - whatever cannot be read is not whole
        return False
    return True


def remove_damaged(mark: Path, pattern: str) -> None:
    """Remove a mark and the files it is about.

    Raises:
        OSError: If they cannot be removed.
    """
    mark.unlink(missing_ok=True)
    for ending in ("nbi", "nbc"):
        for file in mark.parent.glob(f"{pattern}.{ending}"):
            file.unlink(missing_ok=True)


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
