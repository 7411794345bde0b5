"""Results that take long to compute and can be computed again, kept in the user's cache folder by the content of the question.

A key holds everything an answer depends on, the software included (:func:`software`): an answer is never served to another question, and
old answers need no clearing out to stay correct. A file appears whole or not at all, so any number of processes may read and write at
once and be killed while they do; what a killed one leaves is never read, and is removed some time later. Deleting the folder is always
safe.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
import time
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from ...envs.files import do_without_cache, user_cache_dir, write_atomically
from .meaning import source_of

_ROOT: Final = Path(__file__).resolve().parents[2]
_CLEARING: Final = ("envs/market/exact/compiled/market.py", "envs/account/settlement.py", "envs/account/objective.py")
_SOURCES: Final[dict[str, tuple[str, ...]]] = {
    "optima": ("agents/optimum/one_charge/search.py", "agents/optimum/one_charge/hours.py", *_CLEARING),
    "standing": ("agents/optimum/standing/kept.py", *_CLEARING),
    "brackets": ("agents/optimum/many_charges/several.py", *_CLEARING),
    "breakpoints": ("agents/optimum/call_auction/hours.py", "envs/market/solvers.py"),
    "played": ("agents/optimum/played.py", "envs/market/solvers.py", "envs/games/transition.py"),
    "one-store": ("train/references/one_store.py",),
    "hourly": ("train/references/hours.py", "train/references/hours_played.py"),
    "best-schedule": ("agents/fixed/hourly.py", "agents/fixed/day_ahead.py", "train/ground/playing.py"),
    "grid-constant": ("agents/fixed/day_ahead.py", "train/ground/playing.py"),
    "best-constant": ("agents/optimum/standing/search.py", *_CLEARING),
    "curves": ("agents/planning/day_curve.py", *_CLEARING),
}
"""Where each kind of answer comes from: these modules, and all that they import. How days are cut from data is not among the sources of
optima, because their keys hold the data of the day itself."""
_BEHIND: Final = ("clarabel", "llvmlite")
"""Packages that answers depend on and no module imports: the solver that CVXPY calls, and the compiler that Numba does."""
_KIND: Final = "answers computed before"
_LEFT_OVER_S: Final = 3600.0
"""Age in seconds at which an unfinished file belongs to a process that was killed: writing one takes milliseconds."""


def stored(kind: str, key: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the answer kept for a key, None if there is none; a file that cannot be read counts as none.

    Args:
        kind: Which question, the name of a folder.
        key: JSON values.
    """
    try:
        content = json.loads(file_of(kind, key).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        do_without_cache(_KIND, error)
        return None
    if not isinstance(content, dict) or content.get("key") != _canonical(key):
        return None
    value = content.get("value")
    if not isinstance(value, dict) or content.get("sha256") != _digest(value):
        do_without_cache(_KIND, ValueError(f"{file_of(kind, key)} is not as it was written"), remedy="They are computed anew")
        return None
    return value


def store(kind: str, key: Mapping[str, Any], value: Mapping[str, Any]) -> None:
    """Keep an answer, whole or not at all; several processes may do so at once, and the last one's stays.

    Where it cannot be written, that is said once, and the answer is still the caller's.
    """
    value = _canonical(value)
    text = json.dumps({"key": _canonical(key), "value": value, "sha256": _digest(value)}, allow_nan=False)
    try:
        path = file_of(kind, key)
        write_atomically(path, lambda file: file.write(text.encode()))
        _remove_left_overs(path.parent)
    except OSError as error:
        do_without_cache(_KIND, error)


@cache
def software(kind: str) -> str:
    """Return a hash of the software that gives a kind of answer: an answer of one model is not that of another.

    It covers what the modules in ``_SOURCES`` and all modules they import, directly or not, mean (:mod:`.meaning`), and the versions of the
    packages those import; a kind that is not listed there, all of gridtoll's source.
    """
    meaning, packages = _meant(kind)
    digest = hashlib.sha256(meaning.encode())
    for package in sorted({*packages, *_BEHIND}):
        digest.update(f"\n{package} {_version(package)}".encode())
    return digest.hexdigest()


def _meant(kind: str) -> tuple[str, list[str]]:
    """Return the digest of what a kind's modules mean, and the packages they import.

    Reading a hundred syntax trees takes 0.4 s, and reading all of the source 0.02 s. So what was found is kept for as long as no byte of
    the source has changed.
    """
    every = sorted(file for folder in ("agents", "envs", "train") for file in (_ROOT / folder).rglob("*.py"))
    given = _SOURCES.get(kind)
    content = hashlib.sha256(f"{sys.version} {given}".encode())  # syntax trees depend on the version
    for file in every:
        content.update(f"\n{file.relative_to(_ROOT).as_posix()} {hashlib.sha256(file.read_bytes()).hexdigest()}".encode())
    path, written = user_cache_dir() / "meaning" / f"{kind}.json", content.hexdigest()
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        known = json.loads(path.read_text(encoding="utf-8"))
        if known["source"] == written and known["sha256"] == _digest({"meaning": known["meaning"], "packages": known["packages"]}):
            return known["meaning"], known["packages"]
    source = source_of(every if given is None else [_ROOT / name for name in given])
    meaning, packages = source.digest(), sorted(source.packages)
    found = {"meaning": meaning, "packages": packages}
    text = json.dumps({"source": written, **found, "sha256": _digest(found)})
    with contextlib.suppress(OSError):  # it is found again, by every process
        write_atomically(path, lambda file: file.write(text.encode()))
    return meaning, packages


def _version(package: str) -> str:
    """Return the version of an installed package; optional ones may be absent."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _remove_left_overs(folder: Path) -> None:
    """Remove what processes that were killed while writing left behind."""
    for draft in folder.glob(".*.part"):
        with contextlib.suppress(OSError):  # another process may be tidying up as well
            if time.time() - draft.stat().st_mtime > _LEFT_OVER_S:
                draft.unlink()


def _digest(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(dict(value), sort_keys=True, allow_nan=False).encode()).hexdigest()


def _canonical(key: Mapping[str, Any]) -> Any:
    return json.loads(json.dumps(dict(key), allow_nan=False))


def file_of(kind: str, key: Mapping[str, Any], *, ending: str = "json") -> Path:
    """Return where the answer to a key is kept: its name is a hash of the key and of what the software means.

    Args:
        kind: Which question, the name of a folder.
        key: JSON values.
        ending: Of the file's name.
    """
    text = json.dumps({"software": software(kind), **key}, sort_keys=True, allow_nan=False)
    name = hashlib.sha256(text.encode()).hexdigest()
    return user_cache_dir() / kind / name[:2] / f"{name}.{ending}"
