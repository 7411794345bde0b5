"""Two prosumers of whom one has a battery: the smallest community with one store, and boxes so coarse that a proof takes seconds."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from gridtoll.agents.optimum.one_store import refine, solve
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.community.sources import export_community, load_community
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.references import store
from gridtoll.train.references.hours import SearchEffort, search_day

COARSE = (
    *((solve, "_PRICES", 24), (solve, "_PLANS", 1), (refine, "_SLABS", 12), (refine, "_MOST_SLABS", 60), (refine, "_MOST_LINES", 30)),
    *((refine, "_EVEN_CELLS", 60), (refine, "_CLOSE_CELLS", 30)),
)
"""Module, name and value of what makes boxes coarse."""


def one_battery(folder: Path) -> GameSpec:
    """Write the community into a folder, and return its hourly game."""
    community = replace(
        load_community("two-prosumers"),
        name="one battery",
        storage_power=np.array([1.0, 0.0]),
        storage_capacity=np.array([2.0, 0.0]),
        storage_start=np.array([1.0, 0.0]),
    )
    return GameSpec(env="hourly", community=str(export_community(community, folder)))


def prove_coarsely(what: tuple[str, str]) -> None:
    """Prove a day in boxes so coarse that a round takes a moment, which ends after four rounds or so; for a process of its own.

    Args:
        what: The folder of the community, and that in which proofs are kept; the file ``pid`` there says which process is at work.
    """
    community, folder = what[0], Path(what[1])
    for module, name, value in (*COARSE, (store, "user_cache_dir", lambda: folder)):  # machine code is kept where it always is
        setattr(module, name, value)
    folder.mkdir(exist_ok=True)
    (folder / "pid").write_text(str(os.getpid()), encoding="utf-8")
    effort = SearchEffort(starts=0, plans=40, clearings=4, tolerance=2.3, seconds=1e6)
    search_day(GameSpec(env="hourly", community=community), Scenario(170, 0), effort)
