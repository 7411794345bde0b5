"""What a study may be asked about: systems by name, folders of one's own, and which of their days."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ...envs.community.calendar import Scenario, count_split_days, evenly_spread
from ...envs.community.community import Community
from ...envs.errors import unknown_name
from .cases import community_of

SYSTEMS: Final = ("ieee9", "ieee39", "ieee57", "ieee118", "case33bw", "simbench-rural")
"""What ``all`` means: the paper's systems, and two distribution grids."""
SMALLEST: Final = "two-prosumers"
"""Also accepted, for a quick look."""
LONG_LINES: Final = "simbench-rural-long"
"""Also accepted: where voltage binds."""


def chosen_systems(names: Sequence[str], *, all_of: Sequence[str] = SYSTEMS) -> tuple[str, ...]:
    """Return the systems named, each once, ``"all"`` spelt out; a folder of one's own is its path.

    Args:
        names: As they were given.
        all_of: What ``"all"`` means, the only communities that may be named, beside :data:`SMALLEST` and :data:`LONG_LINES`.

    Raises:
        ValueError: If one is unknown, a folder's data are not valid, or two would have the same name in tables and pictures.
    """
    known = tuple(dict.fromkeys((*all_of, SMALLEST, LONG_LINES)))
    for name in names:
        if is_folder(name):
            community_of(name)
        elif name not in (*known, "all"):
            raise unknown_name("a system of the study", name, (*known, "all", "./a-folder-of-your-own"))
    spelt = tuple(dict.fromkeys(system for name in names for system in (all_of if name == "all" else (name,))))
    twice = sorted({called(system) for system in spelt if [called(other) for other in spelt].count(called(system)) > 1})
    if twice:
        listed = ", ".join(map(repr, twice))
        raise ValueError(f"systems of a study must have different names, got {listed} more than once. Rename a folder.")
    return spelt


def is_folder(system: str) -> bool:
    """Return whether a system is a folder of one's own, which is named by a path."""
    return "/" in system or "\\" in system


def called(system: str) -> str:
    """Return what tables and pictures call a system: its name, or that of its folder."""
    return Path(system).resolve().name if is_folder(system) else system


def scenarios_of(community: Community, count: int) -> list[Scenario]:
    """Return the days studied, spread evenly over the test split, or over all days of data too short to have one.

    Raises:
        ValueError: If there are not so many.
    """
    if count_split_days(community.n_days)["test"]:
        return community.scenarios("test", count)
    return [Scenario(day, day % community.n_price_paths) for day in evenly_spread(range(community.n_days), count)]
