"""Where communities come from: by name, or from a folder of CSV files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, Literal

from ..community import Community
from .folder import export_community
from .folder_reading import read_folder
from .ieee import IEEE_NAMES, ieee
from .place import folder_of
from .pooled import POOLED_NAMES, pooled
from .simbench import SIMBENCH_NAMES, simbench_grid
from .two_prosumers import two_prosumers

__all__ = ["COMMUNITY_NAMES", "DEFAULT_COMMUNITY", "HELD_OUT_COMMUNITIES", "export_community", "load_community"]

_NAMED: Final[dict[str, Callable[[int | Literal["all"] | None], Community]]] = {
    **{name: partial(simbench_grid, name) for name in SIMBENCH_NAMES},
    **{name: partial(ieee, name) for name in IEEE_NAMES},
    **{name: partial(pooled, name) for name in POOLED_NAMES},
    "two-prosumers": two_prosumers,
}
COMMUNITY_NAMES: Final[tuple[str, ...]] = tuple(_NAMED)
"""The communities that come with gridtoll."""
DEFAULT_COMMUNITY: Final = "simbench-rural"
HELD_OUT_COMMUNITIES: Final[tuple[str, ...]] = ("simbench-rural2", "simbench-rural3", "simbench-semiurb4", "simbench-urban6", "case33bw")
"""Communities that no leader may be trained, tuned or chosen on: what is learned elsewhere is tested there, with public observations."""


def load_community(name: str | Path, *, partners: int | Literal["all"] | None = None) -> Community:
    """Return a community by name, or from a folder of CSV files.

    Named communities of real data are extracted from SimBench and pandapower once (about 15 s) and kept in the user's cache folder.

    Args:
        name: One of :data:`COMMUNITY_NAMES`, or a folder. A path with a separator in it, such as ``"./ieee9"``, is always a folder; a bare
            word that is the name of a community and of a folder of one here is refused.
        partners: With how many electrically nearest each prosumer may trade, ``"all"``, or None for the community's own rule: all up to
            45 prosumers and 20 beyond; a folder's settings.

    Raises:
        ValueError: If there is no such community, or its folder has faults; each is named with file, row and column.
    """
    if partners not in ("all", None) and not (isinstance(partners, int) and partners >= 1):
        raise ValueError(f"`partners` must be a whole number from 1, 'all', or None for the community's own rule, got {partners!r}.")
    folder = folder_of(name, COMMUNITY_NAMES)
    return _NAMED[str(name)](partners) if folder is None else read_folder(folder, partners=partners)
