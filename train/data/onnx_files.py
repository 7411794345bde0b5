"""Learned leaders as ONNX files: what is written beside the network, and the game read back from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Protocol

import torch

from ...agents.learned.onnx_policy import OnnxPolicy, write_onnx
from ...envs.community.calendar import split_hash
from ...envs.files import write_atomically
from ...envs.games.spec import GameSpec
from ..ground.runs import commit, versions
from ..task import environment_of, n_charges

_FROM_THE_FIRST: Final = ("community", "tariff", "charges_per", "objective", "information", "flows", "charge_cap", "import_fee")
"""Fields of a game that every file says."""


class Exportable(Protocol):
    """A leader that is a network, as those of stable-baselines3 are and those learned from optima or gradients."""

    @property
    def network(self) -> torch.nn.Module:
        """Maps observations, shape (B, observed), to charges in EUR/kWh, shape (B, coefficients)."""
        ...


def save_onnx(path: Path, policy: Exportable, task: GameSpec, *, name: str, seed: int, config: Mapping[str, Any] | None = None) -> None:
    """Write a leader as an ONNX file with everything that a result depends on, whole or not at all.

    Args:
        path: The file.
        policy: The leader.
        task: The game it was made for.
        name: What rows and tables call it.
        seed: Of its training.
        config: Its settings, JSON values.

    Raises:
        ValueError: If a package is missing, or the network does not fit the game.
    """
    environment = environment_of(task)
    community = environment.community
    facts = {
        "name": name,
        "seed": seed,
        **asdict(task),
        "charge_cap": environment.charge_cap,
        "price_level": community.price_level,
        "n_charges": n_charges(task),
        "n_observed": environment.observer.size,
        "observation": [
            {"name": field.name, "size": field.size, "unit": field.unit, "centre": field.centre, "scale": field.scale}
            for field in environment.observer.fields
        ],
        "config": dict(config or {}),
        "versions": versions(),
        "commit": commit(),
        "community_hash": community.content_hash,
        "split_hash": split_hash(community.n_days),
    }
    write_atomically(path, lambda file: write_onnx(file, policy.network, facts))


def task_of(policy: OnnxPolicy) -> GameSpec:
    """Return the game an ONNX file was made for; what a game came to say later has its default in files of before.

    Raises:
        ValueError: If its metadata do not say what they said from the first.
    """
    names = [name for name in _FROM_THE_FIRST if name not in policy.facts]
    if names:
        raise ValueError(f"the metadata of an ONNX policy must name its game, but {', '.join(names)} are missing.")
    return GameSpec(**{name: policy.facts[name] for name in asdict(GameSpec()) if name in policy.facts})
