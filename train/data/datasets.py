"""Datasets for offline learning, in the format of Minari: what was observed, charged and earned, and what the optimum would have earned.

An episode is one day: of one step in the day-ahead game (a contextual bandit), of 24 in the hourly one. Actions are in EUR/kWh and rewards
in EUR, exactly those of the environment: charges are rounded to the single precision of its action space before they are played. ``infos``
hold what :data:`INFO_UNITS` names, the same for the reset and for every step: these are facts of the day. Each episode's ``options`` are
those of ``reset``, so that it can be replayed.

A dataset of days of the training split is for learning, one of validation days for choosing; there are none of test days, and none of
held-out communities.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from ... import __version__
from ...agents.policy import Policy, State
from ...envs import DAY_AHEAD_ID, HOURLY_ID
from ...envs.community.calendar import Scenario, split_hash
from ...envs.games.spec import GameSpec
from ...envs.packages import require_research_packages, research_package
from ..ground.held_out import require_not_held_out
from ..ground.rounds import training_scenarios
from ..ground.runs import commit, versions, write_text
from ..references.ends import references
from ..scoring.leader_words import leader_place
from ..scoring.leaders import LEADER_NAMES, make_leader
from ..task import as_options, batch_of, environment_of, n_charges, n_steps
from ..workers import Workers
from .dataset_config import DatasetConfig

SCHEMA: Final = 1
"""Version of what the metadata under ``gridtoll`` and the infos mean."""
INFO_UNITS: Final = {
    "day": "1",
    "price_path": "1",
    "behaviour": "1",
    "optimum_charge": "EUR/kWh",
    "optimum_eur": "EUR",
    "upper_bound_eur": "EUR",
    "zero_eur": "EUR",
}
"""Unit of each of an episode's infos: its scenario, which behaviour played it (counted from 0), the best charges known (one number, or as
many as are posted in a day) and what they earn, the bound no charges exceed, and what no charge earns. The best is the optimum where it has
met the bound."""
_SIDE_BY_SIDE: Final = 32
"""Days played in one batch."""

_LICENSE: Final = (
    "Made with gridtoll (MIT) from SimBench, a database under the Open Database License (ODbL 1.0), which asks that databases derived from "
    "it name it and keep that license."
)
_CITATIONS: Final = (
    "Yang, Chen, Hu, Spanos: Optimal Network Charge for Peer-to-Peer Energy Trading: A Grid Perspective. IEEE Trans. Power Systems, 2023.",
    "Meinecke et al.: SimBench, a benchmark dataset of electric power systems. Energies 13(12), 2020.",
    "Thurner et al.: pandapower, an open-source Python tool for power system modelling. IEEE Trans. Power Systems 33(6), 2018.",
)


@dataclass(frozen=True, eq=False, kw_only=True)
class PlayedTransitions:
    """D days of S steps played.

    Attributes:
        scenarios: Which, length D.
        observations: What the leader saw before each step and after the last, shape (D, S + 1, observed).
        actions: What it charged in EUR/kWh, shape (D, S, coefficients), single precision.
        rewards: What it earned in EUR, shape (D, S).
        infos: By the names of :data:`INFO_UNITS`, shape (D,) each, or (D, charges of a day) of the best ones where those are several.
    """

    scenarios: tuple[Scenario, ...]
    observations: NDArray[np.float32]
    actions: NDArray[np.float32]
    rewards: NDArray[np.float64]
    infos: dict[str, NDArray[Any]]


def play_dataset(config: DatasetConfig, workers: Workers, *, trust: bool = False) -> PlayedTransitions:
    """Play the days of a dataset.

    Args:
        config: What it is made of.
        workers: Clear the days and find the optima; what comes out does not depend on them.
        trust: Whether the files of behaviours may be unpickled.

    Raises:
        ValueError: If the community is held out, a behaviour unknown, or the market is not the exact one.
        ClearingError: If a day could not be cleared.
    """
    require_not_held_out(config.task, "a dataset to learn from")
    task, random = config.task, np.random.default_rng(config.seed)
    scenarios = _scenarios(config, random)
    for name in config.behaviours:
        leader_place(name, LEADER_NAMES)
    leaders = [make_leader(name, task, scenarios, workers, seed=config.seed, trust=trust) for name in config.behaviours]
    played_by = random.integers(len(leaders), size=len(scenarios))
    policies = [leaders[which].on(scenario) for which, scenario in zip(played_by, scenarios, strict=True)]
    noise = config.noise * random.standard_normal((len(scenarios), n_steps(task), n_charges(task)))
    parts = [
        _together(task, policies[start : start + _SIDE_BY_SIDE], scenarios[start : start + _SIDE_BY_SIDE], noise[start:], workers)
        for start in range(0, len(scenarios), _SIDE_BY_SIDE)
    ]
    observations, actions, rewards = (np.concatenate(part) for part in zip(*parts, strict=True))
    found = references(task, scenarios, workers)
    best = np.array([solved.charges for solved in found])
    infos: dict[str, NDArray[Any]] = {
        "day": np.array([scenario.day for scenario in scenarios]),
        "price_path": np.array([scenario.price_path for scenario in scenarios]),
        "behaviour": played_by,
        "optimum_charge": best[:, 0] if best.shape[1] == 1 else best,
        "optimum_eur": np.array([solved.best_eur for solved in found]),
        "upper_bound_eur": np.array([solved.upper_bound_eur for solved in found]),
        "zero_eur": np.array([solved.zero_eur for solved in found]),
    }
    return PlayedTransitions(scenarios=tuple(scenarios), observations=observations, actions=actions, rewards=rewards, infos=infos)


def write_dataset(config: DatasetConfig, played: PlayedTransitions, out: Path) -> Path:
    """Write a dataset below a folder of Minari's, whole or not at all.

    Args:
        config: What it is made of.
        played: Its days.
        out: What ``MINARI_DATASETS_PATH`` names for whoever loads it.

    Returns:
        The folder of the dataset.

    Raises:
        ValueError: If Minari is missing, or there is a dataset of this id.
    """
    minari = research_package("minari", "a Minari dataset")
    storage = research_package("minari.dataset.minari_storage", "a Minari dataset").MinariStorage
    research_package("h5py", "a Minari dataset")
    out = out.absolute()  # Minari looks for the files of a relative folder in the wrong place
    target = require_new_dataset(config, out)
    out.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=out, prefix=".dataset-"))  # Minari lists no hidden folders
    try:
        space = environment_of(config.task)
        written = storage.new(draft / "data", space.observation_space, space.action_space, _specification(config.task, config.split))
        written.update_metadata({"dataset_id": config.dataset_id, "minari_version": minari.__version__, **_metadata(config, played)})
        written.update_episodes(_buffers(played, minari.data_collector.EpisodeBuffer))
        draft.chmod(0o755)  # temporary folders are private
        _make_namespaces(out, config.namespace)
        for file in (draft / "data").iterdir():
            _reach_disk(file)
        draft.replace(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return target


def require_new_dataset(config: DatasetConfig, out: Path) -> Path:
    """Return the folder a dataset will have, before its days are played.

    Raises:
        ValueError: If it is there already, or a package is missing that writing it needs.
    """
    require_research_packages(("minari", "h5py"), "a Minari dataset")
    target = out / config.dataset_id
    if target.exists():
        raise ValueError(f"a dataset is never written over, but {target} exists. Choose another --name or --out, or remove it.")
    return target


def _scenarios(config: DatasetConfig, random: np.random.Generator) -> list[Scenario]:
    """Return the days to play: every scenario once before any comes twice, in an order drawn for each pass."""
    task = config.task
    every = training_scenarios(task) if config.split == "train" else environment_of(task).community.scenarios(config.split)
    wanted = config.episodes or len(every)
    order = np.concatenate([random.permutation(len(every)) for _ in range(-(-wanted // len(every)))])
    return [every[place] for place in order[:wanted]]


def _together(
    task: GameSpec, policies: Sequence[Policy], scenarios: Sequence[Scenario], noise: NDArray[np.float64], workers: Workers
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float64]]:
    """Play days side by side: what was seen, what was charged with noise, in single precision and no higher than the cap, and rewards."""
    envs, cap = batch_of(task, len(scenarios), threads=workers.jobs), environment_of(task).charge_cap
    seen, _ = envs.reset(options=as_options(scenarios))
    observations, actions, rewards = [seen], [], []
    memories: list[State | None] = [None] * len(policies)
    for step in range(n_steps(task)):
        posted = []
        for row, policy in enumerate(policies):
            start = np.full(1, step == 0)
            action, memories[row] = policy.predict(observations[-1][row], memories[row], start, deterministic=True)
            posted.append(action)
        charged = np.clip(np.array(posted) + noise[: len(policies), step], 0.0, cap).astype(np.float32)
        seen, earned, *_ = envs.step(charged)
        observations.append(seen)
        actions.append(charged)
        rewards.append(earned)
    return np.stack(observations, axis=1), np.stack(actions, axis=1), np.stack(rewards, axis=1)


def _buffers(played: PlayedTransitions, buffer: Any) -> list[Any]:
    """Return one of Minari's buffers for each day."""
    steps = played.rewards.shape[1]
    last = np.arange(steps) == steps - 1
    return [
        buffer(
            id=place,
            options=scenario._asdict(),
            observations=played.observations[place],
            actions=played.actions[place],
            rewards=played.rewards[place],
            terminations=last,
            truncations=np.zeros(steps, dtype=np.bool_),
            infos={name: np.repeat(values[place : place + 1], steps + 1, axis=0) for name, values in played.infos.items()},
        )
        for place, scenario in enumerate(played.scenarios)
    ]


def _specification(task: GameSpec, split: str) -> Any:
    """Return what `recover_environment` makes the environment from."""
    specification = deepcopy(gymnasium.spec(HOURLY_ID if task.env == "hourly" else DAY_AHEAD_ID))
    told = {name: value for name, value in task.arguments().items() if value is not None}
    specification.kwargs = {**told, "split": split, "solver": "structured"}
    return specification


def _metadata(config: DatasetConfig, played: PlayedTransitions) -> dict[str, Any]:
    """Return Minari's own metadata and, under ``gridtoll``, everything a result from this dataset depends on."""
    community = environment_of(config.task).community
    own = {
        "schema": SCHEMA,
        "config": json.loads(json.dumps(asdict(config))),
        "versions": versions(),
        "commit": commit(),
        "community_hash": community.content_hash,
        "split_hash": split_hash(community.n_days),
        "units": {"actions": "EUR/kWh", "rewards": "EUR", "observations": "1", "infos": INFO_UNITS},
        "license": _LICENSE,
        "citations": list(_CITATIONS),
    }
    names = ", ".join(config.behaviours)
    hourly = config.task.env == "hourly"
    kind = "a step an hour" if hourly else "one step each (a contextual bandit)"
    best = "best charges known" if hourly else "exact optimum"
    return {
        "algorithm_name": names,
        "author": {"the gridtoll authors"},
        "description": (
            f"Network charges posted by {names} for {len(played.rewards)} {config.split} days of {community.name}, {kind}, "
            f"with the {best} of every day in the infos. Scores are normalised: no charge is 0, the {best} 1."
        ),
        "requirements": [f"gridtoll>={__version__}"],
        "eval_env_spec": _specification(config.task, "test").to_json(),
        "ref_min_score": float(played.infos["zero_eur"].mean()),
        "ref_max_score": float(played.infos["optimum_eur"].mean()),
        "num_episodes_average_score": len(played.rewards),
        "gridtoll": own,
    }


def _reach_disk(file: Path) -> None:
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())


def _make_namespaces(out: Path, namespace: str) -> None:
    """Give each level of the namespace the file by which Minari knows it."""
    place = out
    for part in namespace.split("/"):
        place /= part
        place.mkdir(exist_ok=True)
        if not (place / "namespace_metadata.json").exists():
            write_text(place / "namespace_metadata.json", "{}")
