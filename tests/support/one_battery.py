"""Two prosumers of whom one has a battery: the smallest community with one store, and boxes so coarse that a proof takes seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from gridtoll.agents.optimum.one_store import refine, solve
from gridtoll.envs.community.sources import export_community, load_community
from gridtoll.envs.games.spec import GameSpec

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
