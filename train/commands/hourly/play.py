"""``gridtoll train`` and ``evaluate`` with ``--env hourly``: what the options ask for, and what is reported."""

from __future__ import annotations

import argparse
from dataclasses import fields
from typing import Any, Final

from matplotlib.figure import Figure

from ....envs.games.spec import GameSpec
from ...ground.plots import draw_regret_per_day, require_format, save_figure
from ...ground.runs import RunFolder
from ...ground.text import Report, lines
from ...hourly.evaluate import HourlyEvaluation, evaluate_hourly, hourly_table, write_hourly_rows
from ...hourly.leaders import HOURLY_LEADER_NAMES, make_hourly_leader
from ...hourly.learn import HourlyTraining, hourly_training, resume_hourly, train_hourly
from ...hourly.learners import HourlyLearner, with_settings
from ...task import environment_of
from ...workers import Workers
from ..leader_words import leader_place
from ..options import existing_parent, task_from, workers_from
from .optimum import named
from .options import effort_from, require_hourly

_LEARNER: Final = tuple(field.name for field in fields(HourlyLearner) if field.name not in ("algorithm", "hidden"))
_TRAINING: Final = ("seed", "steps", "parallel_days", "validate_every", "validation_days")


def train_command(options: argparse.Namespace, hidden: tuple[int, ...] | None) -> Report:
    """Train a leader of the hourly game, or go on with one.

    Raises:
        ValueError: If a resumed run is given settings, or one cannot be.
    """
    with Workers(options.jobs, quiet=options.quiet) as workers:
        if options.resume is not None:
            return _trained(resume_hourly(options.resume, workers))
        settings: dict[str, Any] = {name: getattr(options, name) for name in _LEARNER if getattr(options, name, None) is not None}
        if hidden is not None:
            settings["hidden"] = hidden
        learner = with_settings(options.algorithm or HourlyLearner.algorithm, settings)
        rest = {name: getattr(options, name) for name in _TRAINING if getattr(options, name) is not None}
        return _trained(train_hourly(HourlyTraining(task=task_from(options), learner=learner, **rest), options.out, workers))


def _trained(run: RunFolder) -> Report:
    """Say what came out of a run."""
    progress, best = run.progress(), run.load("best")
    values = {
        "env": "hourly",
        "run": str(run.path),
        "steps": progress[-1]["step"],
        "seconds": sum(row["seconds"] for row in progress),
        "best_step": best.step if best else None,
        "best_validation_objective_eur": best.facts["objective_eur"] if best else None,
    }
    return Report(values, f"{lines(values)}\nNext: gridtoll evaluate {run.path}")


def evaluate_command(options: argparse.Namespace) -> Report:
    """Score a leader of the hourly game.

    Raises:
        ValueError: If there is no such leader, or options do not go together.
    """
    require_hourly(options, ("held_out", "trust", "vecnormalize"))
    for path in (options.rows, options.plot):
        existing_parent(path)
    if options.rows is not None and options.rows.suffix.lower() != ".csv":
        raise ValueError(f"rows of the hourly game are written as .csv, got {options.rows}.")
    if options.plot is not None:
        require_format(options.plot)
    folder = leader_place(options.policy, HOURLY_LEADER_NAMES)
    trained = hourly_training(RunFolder.open(folder)).task if folder is not None and folder.is_dir() else None
    task = task_from(options, trained)
    scenarios = environment_of(task).community.scenarios(options.split, options.days)
    effort = effort_from(options)
    with workers_from(options) as workers:
        leader = make_hourly_leader(options.policy, task, scenarios, workers, seed=options.seed, effort=effort)
        done = evaluate_hourly(
            leader.policies, task, scenarios, workers, name=leader.name, split=options.split, seed=leader.seed, effort=effort
        )
    summary = done.summary(options.seed)
    if options.rows is not None:
        write_hourly_rows(options.rows, [done])
    if options.plot is not None:
        save_figure(_picture(done, task, options.split), options.plot)
    title = f"{named(task)}, {summary.days} {options.split} days, {summary.certified_days} with a proved optimum"
    return Report(summary.values(), f"{title}\n{hourly_table([summary])}")


def _picture(evaluation: HourlyEvaluation, task: GameSpec, split: str) -> Figure:
    figure = Figure(figsize=(9, 4), layout="constrained")
    days = [row.date for row in evaluation.rows]
    regret = {evaluation.name: evaluation.column("regret_to_best_found")}
    draw_regret_per_day(figure.subplots(), days, regret, f"{task.community}, {len(days)} {split} days")
    return figure
