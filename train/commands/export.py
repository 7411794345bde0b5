"""``gridtoll export``: rows as Parquet, datasets for offline learning, policies as ONNX."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from ...agents.learned.onnx_policy import EXPORTERS
from ...envs.packages import require_research_packages
from ..compare.row_files import gather_rows, require_row_format, save_rows
from ..data.dataset_config import DATASET_SPLITS, DatasetConfig
from ..data.datasets import play_dataset, require_new_dataset, write_dataset
from ..data.onnx_files import Exportable, save_onnx
from ..ground.config import TrainConfig
from ..ground.runs import RunFolder
from ..ground.text import Report, lines
from ..learning.algorithms import make_algorithm, settings_of
from ..scoring.leaders import LEADER_NAMES, learned_policy, model_of, planned_network
from .options import (
    add_backend_options,
    add_game_options,
    add_report_options,
    decimal,
    existing_parent,
    game_given,
    natural,
    positive,
    task_from,
    workers_from,
)

DESCRIPTION = """\
Write results in formats that other software reads, none of which runs code when it is read.

rows: the rows of all finished cells of a comparison as one file, Parquet or CSV by its ending. Failed and missing cells are listed.

dataset: days played by leaders of your choice, with the best charges known of each day, as a dataset of Minari. An episode is a day: one
step in the day-ahead game (a contextual bandit), a step an hour with --env hourly. To load it, set MINARI_DATASETS_PATH to the folder.
Days come from the training split, or from the validation split.

policy: the best policy of a run as an ONNX file that maps observations to charges in EUR/kWh. A model of stable-baselines3 (.zip) is
exported too, together with the statistics of its VecNormalize. It holds pickles, so it needs --trust, and you must state the game it was
trained on. prescriptive, prescriptive-neighbours and prescriptive-kernel are planned for the game you state, and exported as networks.

Needs the extra `research`: in your clone of gridtoll, run pip install ".[research]".
"""
EXAMPLES = """\
  gridtoll export rows results/first --out rows.parquet
  gridtoll export dataset --behaviour random --episodes 400 --out datasets
  gridtoll export dataset --behaviour runs/first --noise 0.05 --behaviour optimum --name mine --out datasets
  gridtoll export policy runs/first --out policy.onnx
  gridtoll export policy model.zip --trust --tariff unique --out policy.onnx
  gridtoll export policy prescriptive-kernel --community ieee9 --out policy.onnx
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    rows = actions.add_parser("rows", help="the rows of a comparison as one file")
    rows.add_argument("folder", type=Path, metavar="DIR", help="a folder written by `gridtoll compare`")
    rows.add_argument("--out", type=Path, required=True, metavar="FILE", help="what to write (.parquet or .csv)")
    policy = actions.add_parser("policy", help="the best policy of a run, or a leader that plans, as an ONNX file")
    policy.add_argument("run", metavar="RUN", help="a finished run folder, a model of stable-baselines3 (.zip), or the name of a leader")
    policy.add_argument("--out", type=Path, required=True, metavar="FILE", help="what to write (.onnx)")
    policy.add_argument("--trust", action="store_true", help="read the pickles of a .zip model: only of people you trust")
    policy.add_argument("--vecnormalize", type=Path, metavar="FILE", help="its statistics (default: vecnormalize.pkl beside it)")
    policy.add_argument("--seed", type=natural, metavar="S", help="of the forest of `prescriptive` (default: 0)")
    add_game_options(policy)
    add_backend_options(policy)
    _add_dataset_arguments(actions.add_parser("dataset", help="days played by leaders, as a dataset of Minari"))
    for action in (rows, policy):
        add_report_options(action)


def _add_dataset_arguments(dataset: argparse.ArgumentParser) -> None:
    dataset.add_argument("--out", type=Path, required=True, metavar="DIR", help="Minari's folder of datasets, MINARI_DATASETS_PATH")
    dataset.add_argument(
        "--behaviour",
        action="append",
        metavar="LEADER",
        help="who plays: what `gridtoll evaluate` takes; several times for a mixture, drawn day by day (default: random)",
    )
    dataset.add_argument("--name", metavar="NAME", help="what the dataset's id calls the players (default: their own name, or mixture)")
    dataset.add_argument("--split", default="train", choices=DATASET_SPLITS, metavar="S", help="train or validation (default: %(default)s)")
    dataset.add_argument("--episodes", type=positive, metavar="N", help="days to play, in shuffled passes (default: one pass)")
    dataset.add_argument("--noise", type=decimal, default=0.0, metavar="EUR", help="standard deviation added to charges (default: 0)")
    dataset.add_argument(
        "--seed", type=natural, default=0, metavar="S", help="seed of days, mixture, noise and random charges (default: 0)"
    )
    dataset.add_argument("--trust", action="store_true", help="read the pickles of .zip models: only of people you trust")
    add_game_options(dataset)
    add_backend_options(dataset)
    add_report_options(dataset)


def run(options: argparse.Namespace) -> Report:
    """Export."""
    match options.action:
        case "rows":
            return _rows(options)
        case "dataset":
            return _dataset(options)
        case _:
            return _policy(options)


def _rows(options: argparse.Namespace) -> Report:
    existing_parent(options.out)
    require_row_format(options.out)
    gathered = gather_rows(options.folder)
    save_rows(options.out, gathered.rows)
    values = {
        "file": str(options.out),
        "rows": len(gathered.rows),
        "cells": gathered.done,
        "failed_cells": gathered.failed,
        "missing_cells": gathered.missing,
    }
    shown = values | {name: ", ".join(values[name]) or "none" for name in ("failed_cells", "missing_cells")}  # type: ignore[arg-type]
    return Report(values, lines(shown))


def _dataset(options: argparse.Namespace) -> Report:
    config = DatasetConfig(
        task=task_from(options),
        behaviours=tuple(options.behaviour or ("random",)),
        name=options.name,
        split=options.split,
        episodes=options.episodes,
        noise=options.noise,
        seed=options.seed,
    )
    require_new_dataset(config, options.out)
    with workers_from(options) as workers:
        played = play_dataset(config, workers, trust=options.trust)
    folder = write_dataset(config, played, options.out)
    values = {
        "dataset_id": config.dataset_id,
        "folder": str(folder),
        "episodes": len(played.rewards),
        "mean_reward_eur": float(played.rewards.sum(axis=1).mean()),
        "mean_optimum_eur": float(played.infos["optimum_eur"].mean()),
    }
    return Report(values, f"{lines(values)}\nNext: with MINARI_DATASETS_PATH={options.out}, minari.load_dataset({config.dataset_id!r})")


def _policy(options: argparse.Namespace) -> Report:
    existing_parent(options.out)
    if options.out.suffix.lower() != ".onnx":
        raise ValueError(f"an ONNX file must end in .onnx, or `gridtoll evaluate` will not know it, got {options.out}.")
    require_research_packages(EXPORTERS, "exporting a policy")
    given = [name for name in ("trust", "vecnormalize") if getattr(options, name)]
    if options.run in LEADER_NAMES:
        return _planned(options, given)
    if options.seed is not None:
        raise ValueError(f"`seed` must go with the name of a leader, got it with {options.run}, which is trained already. Leave it out.")
    if Path(options.run).suffix.lower() == ".zip":
        return _model(options)
    given += game_given(options)
    if given:
        raise ValueError(
            f"{', '.join(f'`{name}`' for name in given)} must go with a .zip model: a run folder says itself what it was trained on."
        )
    folder = RunFolder.open(Path(options.run))
    config = TrainConfig.of(folder)
    if config.learner.has_memory:
        raise ValueError(
            f"a policy to export must map what is observed to charges, but {config.learner.algorithm} charges by what it remembers of the "
            f"day as well. Play it with `gridtoll evaluate {options.run}`."
        )
    policy, algorithm = learned_policy(folder, config.task), config.learner.algorithm
    save_onnx(options.out, policy, config.task, name=algorithm, seed=config.seed, config=config.to_json())
    return _written(options.out, algorithm, config.seed)


def _planned(options: argparse.Namespace, given: Sequence[str]) -> Report:
    """Export a leader that plans, in the game that is stated."""
    if given:
        raise ValueError(f"{', '.join(f'`{name}`' for name in given)} must go with a .zip model, got it with {options.run}. Leave it out.")
    name, task, seed = options.run, task_from(options), options.seed or 0
    with workers_from(options) as workers:
        policy = planned_network(name, task, workers, seed=seed)
    save_onnx(options.out, cast(Exportable, policy), task, name=name, seed=seed, config=settings_of(make_algorithm(name, {})))
    return _written(options.out, name, seed)


def _model(options: argparse.Namespace) -> Report:
    """Export a model of stable-baselines3."""
    task = task_from(options)
    policy, algorithm = model_of(Path(options.run), task, trust=options.trust, vecnormalize=options.vecnormalize)
    save_onnx(options.out, policy, task, name=algorithm, seed=0)
    return _written(options.out, algorithm)


def _written(file: Path, algorithm: str, seed: int | None = None) -> Report:
    values = {"file": str(file), "bytes": file.stat().st_size, "algorithm": algorithm, **({} if seed is None else {"seed": seed})}
    return Report(values, f"{lines(values)}\nNext: gridtoll evaluate {file}")
