"""What a word that names a community means: one that comes with gridtoll, or a folder.

A word with a separator in it is a folder (``./ieee9``, ``data/mine``), and so is every :class:`~pathlib.Path`. A bare word is a community
that comes with gridtoll, else a folder here. A bare word that is both is refused: nobody can tell which of the two was meant.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from ...errors import two_readings, unknown_name

FILES: Final = ("settings.csv", "buses.csv", "branches.csv", "prosumers.csv", "load_kw.csv", "renewable_kw.csv", "prices.csv")
"""The files of a community folder."""
_MOST_NAMED: Final = 8


def is_path(text: str) -> bool:
    """Return whether a word has a separator in it, and so can only be a path."""
    return any(separator in text for separator in {"/", os.sep, os.altsep} if separator)


def folder_of(community: str | Path, names: Sequence[str]) -> Path | None:
    """Return the folder that a community is read from, None for one that comes with gridtoll.

    Args:
        community: A name, or a folder.
        names: Those of the communities that come with gridtoll.

    Raises:
        ValueError: If it is neither, or a bare word that is both.
    """
    text = os.fspath(community)
    if not text.strip():
        raise ValueError(f"a community must be a name or a folder, got {text!r}.")
    path = Path(text)
    if text in names and not isinstance(community, Path):
        if holds_a_community(path):
            raise two_readings(text, f"a community that comes with gridtoll and a folder in {Path.cwd()}", f"./{text}")
        return None
    if not path.is_dir():
        raise _missing(path, names, bare=not isinstance(community, Path) and not is_path(text))
    return path


def as_path(folder: Path) -> str:
    """Return a folder as a word with a separator in it, which can only be read as a path."""
    return str(folder) if is_path(str(folder)) else f"./{folder}"


def holds_a_community(folder: Path) -> bool:
    """Return whether a folder holds any file of a community."""
    return any((folder / file).is_file() for file in FILES)


def _missing(path: Path, names: Sequence[str], *, bare: bool) -> ValueError:
    """Return the error for what is no folder, with folders of like names."""
    if path.exists():
        return ValueError(f"a community folder must be a folder, got {str(path)!r}, which is a file. Name the folder that the file is in.")
    near = _near(path)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    if bare:
        error = unknown_name("community (or a folder)", str(path), names)
        return ValueError(f"{error} There is no folder of that name in {Path.cwd()} either.{hint}")
    parent = path.absolute().parent
    where = f"there is none of that name in {parent}" if parent.is_dir() else f"there is no folder {parent} either"
    return ValueError(
        f"a community folder must exist, got {str(path)!r}: {where}.{hint} `gridtoll communities export NAME DIR` writes one as a template."
    )


def _near(path: Path) -> list[str]:
    """Return community folders beside where a path would be whose names are like its own, as paths to write in its place."""
    try:
        found = [entry.name for entry in path.parent.iterdir() if entry.is_dir() and holds_a_community(entry)]
    except OSError:
        return []
    near = get_close_matches(path.name, sorted(found)[: 100 * _MOST_NAMED], n=3, cutoff=0.5)
    return [as_path(path.parent / name) for name in near]
