"""Which days are asked for, and what is done with their charges whichever way they were found."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from ....envs.community.calendar import Scenario
from ....envs.games.spec import GameSpec
from ...data.prosumers import Posted, write_prosumers
from ...references.solved import Settings, Solved
from ...task import environment_of
from ...workers import Workers


def scenarios_of(options: argparse.Namespace, task: GameSpec) -> list[Scenario]:
    """Return the days that are asked for."""
    if options.split is not None:
        return environment_of(task).community.scenarios(options.split, options.days)
    scenario = Scenario(options.day, options.price_path or 0)
    environment_of(task).day_of(scenario)  # refuses days that are not there
    return [scenario]


def tolerance_of(options: argparse.Namespace) -> float:
    """Return the relative gap at which the exact methods end."""
    return Settings.tolerance if options.tolerance is None else float(options.tolerance)


def shown(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return numbers for reading."""
    return {name: " ".join(f"{item:.4f}" for item in value) if name == "charges" else value for name, value in values.items()}


def keep_prosumers(
    options: argparse.Namespace, task: GameSpec, found: Sequence[tuple[Scenario, Solved | None]], workers: Workers | None = None
) -> None:
    """Write who pays and who gains where that is asked for, each day at its own best charges; days without any are left out."""
    posted = [Posted(task, scenario, solved.charges) for scenario, solved in found if solved is not None and isfinite(sum(solved.charges))]
    if options.prosumers is not None:
        write_prosumers(options.prosumers, posted, workers)
