"""A small comparison made for tests: real rows of quick leaders, in the folders that ``gridtoll compare`` leaves behind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.ground.runs import sha256
from gridtoll.train.references.ends import references
from gridtoll.train.scoring.evaluate import evaluate
from gridtoll.train.scoring.rows import write_rows
from gridtoll.train.task import environment_of
from gridtoll.train.workers import Workers

Information = Literal["public", "full"]

SHARES = {"zero": 0.0, "random": 3.0, "best-constant": 0.7, "supervised": 0.12, "first-order": 0.1, "sac": 0.15, "optimum": 0.0}
"""How far each leader strays: relative spread of its charges about the best ones, but for zero and random."""


@dataclass
class Replayed:
    """A leader that posts charges written down for it, day after day."""

    charges: NDArray[np.float64]
    place: int = 0

    def predict(
        self, observation: object, state: object = None, episode_start: object = None, deterministic: bool = False
    ) -> tuple[NDArray[np.float64], None]:
        """Post the next one."""
        self.place += 1
        return np.array([self.charges[self.place - 1]]), None


def make_comparison(
    folder: Path,
    *,
    community: str = "two-prosumers",
    information: Sequence[Information] = ("public",),
    algorithms: Sequence[str] = tuple(SHARES),
    seeds: int = 3,
    days: int = 12,
    failed: Sequence[tuple[str, int]] = (("sac", 1),),
) -> Path:
    """Write a comparison and return its folder; ``failed`` are algorithms and seeds without rows."""
    with Workers(1) as workers:
        for each in information:
            task = GameSpec(community=community, information=each)
            scenarios = environment_of(task).community.scenarios("test", days)
            for name in algorithms:
                for seed in range(seeds):
                    _write_cell(folder, task, scenarios, name, seed, workers, failed=(name, seed) in failed)
    config = {"schema": 1, "versions": {"gridtoll": "0"}, "commit": None, "communities": {community: "abc"}, "splits": {community: "def"}}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def _write_cell(
    folder: Path, task: GameSpec, scenarios: Sequence[Scenario], name: str, seed: int, workers: Workers, *, failed: bool
) -> None:
    place = folder / "cells" / Path(task.community).name / task.information / name / str(seed)
    place.mkdir(parents=True, exist_ok=True)
    policy = Replayed(_charges(task, scenarios, name, seed, workers))
    if not failed:
        write_rows(place / "rows.csv", evaluate(policy, task, scenarios, workers, name=name, split="test", seed=seed).rows)
    content: dict[str, Any] = {
        "schema": 1,
        "community": Path(task.community).name,
        "information": task.information,
        "algorithm": name,
        "seed": seed,
        "class": name,
        "clairvoyant": name == "optimum",
        "status": "failed" if failed else "done",
        "error": "ValueError: the network forgot <everything> & 100% of it" if failed else None,
        "settings": {"learning_rate": 1e-3} if name == "sac" else {},
        "task": asdict(task),
        **_effort(name, seed),
        "versions": {"gridtoll": "0", "numpy": "2"},
        "commit": None,
        "rows_sha256": None if failed else sha256(place / "rows.csv"),
    }
    (place / "cell.json").write_text(json.dumps(content))


def _charges(task: GameSpec, scenarios: Sequence[Scenario], name: str, seed: int, workers: Workers) -> NDArray[np.float64]:
    best = np.array([solved.charges[0] for solved in references(task, scenarios, workers)])
    random = np.random.default_rng([seed, len(name)])
    cap = environment_of(task).charge_cap
    match name:
        case "zero":
            return np.zeros(len(best))
        case "best-constant":
            return np.full(len(best), float(np.median(best)))
        case "random":
            return random.uniform(0, cap, len(best))
        case _:
            return np.clip(best * (1 + SHARES[name] * random.normal(size=len(best))), 0, cap)


def _effort(name: str, seed: int) -> dict[str, Any]:
    last = {"optimum": 0, "zero": 0, "random": 0, "best-constant": 0, "first-order": 200}.get(name, 4000)
    at = [0] if last == 0 else [last // 8, last // 4, last // 2, last]
    curve = [
        {
            "steps": steps,
            "clearings": 2 * steps,
            "validation_clearings": 14 * (place + 1),
            "seconds": 0.01 * steps + 1 + seed,
            "validation_eur": (1.0, 2.0, 4.0, 3.0)[place],
            "validation_regret": 0.6 / (1 + place) + 0.01 * seed,
            "validation_regret_iqm": 0.5 / (1 + place) + 0.01 * seed,
        }
        for place, steps in enumerate(at)
    ]
    if name == "optimum":
        return {"steps": 0, "clearings": 700, "validation_clearings": 0, "seconds": 12.0, "curve": []}
    return {key: curve[-1][key] for key in ("steps", "clearings", "validation_clearings", "seconds")} | {"curve": curve}
