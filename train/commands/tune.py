"""``gridtoll tune``: choose an algorithm's settings on validation days."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from ...envs.games.spec import GameName
from ..ground.text import Report, lines
from ..tuning.space import read_space, shipped_space
from ..tuning.study import FIRST_SEED, STARTUP_TRIALS, TuneConfig
from ..tuning.tune import Tuned, tune
from ..workers import Workers
from .options import add_backend_options, add_game_options, add_report_options, natural, positive, task_from

_BUDGETS: Final[dict[GameName, tuple[int, int]]] = {"day-ahead": (4000, 56), "hourly": (1600, 16)}
"""Training days of a trial, and days of each validation, by game."""

DESCRIPTION = f"""\
Choose an algorithm's settings with Optuna, on validation days.

Every trial is given the same number of training days. A learner ends with the round it is in, PPO with its rollout. A trial is judged by
its mean reward on validation days, and stopped early where it falls behind the others. The first trial has the algorithm's own settings,
the next {STARTUP_TRIALS - 1} are drawn at random. Trials train with seeds from {FIRST_SEED} on. Comparisons use other seeds unless
told to, so that no training that chose settings is scored. A trial that raises an error is recorded in trials.csv, and the study goes on.

The values to try are checked against the budget before the first trial. warmup_days must leave a quarter of the training days to learn
from, and PPO's rollout must fit into them.

Trials are kept in SQLite in the study's folder. If the command is killed, run it again and it goes on. Several machines can share a study
with --storage and a URL that Optuna takes, like postgresql://me@host/name. Each ends when all trials have.

Written into the folder: tuned.toml, which `gridtoll compare` reads as settings; trials.csv; and for stable-baselines3's algorithms
zoo.yml, in the form of rl-baselines3-zoo.
"""
EXAMPLES = """\
  gridtoll tune --algorithm sac --trials 40 --out runs/tune-sac
  gridtoll tune --algorithm supervised --information full --space my-space.toml --out runs/tune-supervised
  gridtoll tune --env hourly --algorithm recurrent-ppo --out runs/tune-hourly
  gridtoll tune --algorithm sac --out runs/tune-sac --storage postgresql://me@host/studies
"""


def _by_game(which: int) -> str:
    """Return a default in words."""
    return f"{_BUDGETS['day-ahead'][which]}, with --env hourly {_BUDGETS['hourly'][which]}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the study's folder; a study that is there goes on")
    parser.add_argument("--algorithm", required=True, metavar="A", help="a name as in `gridtoll compare`, or module:Class")
    parser.add_argument("--space", type=Path, metavar="FILE", help="TOML file of the values to try (default: the package's own)")
    parser.add_argument("--trials", type=positive, default=40, metavar="N", help="trials of the study in all (default: %(default)s)")
    parser.add_argument("--steps", type=positive, metavar="N", help=f"training days of a trial, for each seed (default: {_by_game(0)})")
    parser.add_argument(
        "--seeds",
        type=positive,
        default=1,
        metavar="N",
        help=f"how many seeds each trial trains with, {FIRST_SEED} and up (default: %(default)s)",
    )
    parser.add_argument("--validation-days", type=positive, metavar="N", help=f"days of each validation (default: {_by_game(1)})")
    parser.add_argument("--seed", type=natural, default=0, metavar="S", help="seed of the values tried (default: %(default)s)")
    parser.add_argument("--storage", metavar="URL", help="where trials are kept (default: SQLite, DIR/study.db)")
    add_game_options(parser)
    add_backend_options(parser)
    add_report_options(parser)


def run(options: argparse.Namespace) -> Report:
    """Tune."""
    task = task_from(options)
    steps, validation_days = _BUDGETS[task.env]
    config = TuneConfig(
        algorithm=options.algorithm,
        space=shipped_space(options.algorithm, task.env) if options.space is None else read_space(options.space),
        task=task,
        steps=options.steps or steps,
        seeds=options.seeds,
        validation_days=options.validation_days or validation_days,
        trials=options.trials,
        seed=options.seed,
    )
    with Workers(options.jobs, backend=options.backend, quiet=options.quiet) as workers:
        tuned = tune(config, options.out, workers, storage=options.storage)
    return _report(tuned, options.out)


def _report(tuned: Tuned, folder: Path) -> Report:
    """Say what came out of a study."""
    values = {
        "folder": str(folder),
        "trials": tuned.trials,
        "pruned": tuned.pruned,
        "failed": tuned.failed,
        "best_validation_eur": tuned.validation_eur,
        "settings": dict(tuned.settings),
    }
    return Report(values, f"{lines(values)}\nNext: name {folder / 'tuned.toml'} in a plan of `gridtoll compare`")
