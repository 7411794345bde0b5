"""Extracted data in the user's cache folder: checksummed, versioned, written atomically.

SimBench's CSV files take about 8 s to read and pandapower 3 s to import; what we use of them is a few arrays. A cache file is one line
of text (what it is, the sha256 of the rest) and then a NumPy archive. A file that is missing, damaged or of another version is
rebuilt without a word; two processes that rebuild at the same time both write complete files, and the last one stays. Where the folder
cannot be read or written, the data are extracted by every process, and that is said once.
"""

from __future__ import annotations

import hashlib
import io
import warnings
import zipfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...files import do_without_cache, user_cache_dir, write_atomically

Arrays = dict[str, NDArray[Any]]

SCHEMA: Final = 1
"""Raised whenever an extraction changes what it stores or how."""
_KIND: Final = "data extracted from pandapower and SimBench"


def cached_arrays(name: str, extract: Callable[[], Arrays]) -> Arrays:
    """Return named arrays from the cache, extracting and storing them first where that is needed.

    Args:
        name: File name without suffix.
        extract: Builds the arrays; numbers and text of any shape, no objects.
    """
    try:
        path: Path | None = user_cache_dir() / f"{name}.gridtoll"
    except OSError as error:
        do_without_cache(_KIND, error)
        path = None
    arrays = None if path is None else _read(path)
    if arrays is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations within the data packages, which users can do nothing about
            content = _archive(extract())
        header = f"{_title()} {hashlib.sha256(content).hexdigest()}\n".encode()
        if path is not None:
            _write(path, header + content)
        arrays = _unpack(content)  # the same object whether fresh or cached
    return arrays


def _write(path: Path, content: bytes) -> None:
    try:
        write_atomically(path, lambda file: file.write(content))
    except OSError as error:
        do_without_cache(_KIND, error)


def _read(path: Path) -> Arrays | None:
    """Return the arrays of a valid cache file, else None."""
    try:
        header, _, content = path.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        do_without_cache(_KIND, error)
        return None
    if header.decode(errors="replace") != f"{_title()} {hashlib.sha256(content).hexdigest()}":
        return None
    return _unpack(content)


def _title() -> str:
    """Return what a cache file of this version and of these data packages starts with."""
    return f"gridtoll-cache {SCHEMA} simbench={_version('simbench')} pandapower={_version('pandapower')}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _archive(arrays: Arrays) -> bytes:
    buffer = io.BytesIO()
    # Written entry by entry because numpy.savez stamps nothing but would pickle objects; here an object array raises.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w") as entry:
                np.lib.format.write_array(entry, np.asarray(array), allow_pickle=False)
    return buffer.getvalue()


def _unpack(content: bytes) -> Arrays:
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
