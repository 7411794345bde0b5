"""``gridtoll train --env hourly``: what the options ask for, and what is reported."""

from __future__ import annotations

import argparse
from dataclasses import fields
from typing import Any, Final

from ...ground.runs import RunFolder
from ...ground.text import Report, lines
from ...hourly.learn import HourlyTraining, resume_hourly, train_hourly
from ...hourly.learners import HourlyLearner, with_settings
from ...workers import Workers
from ..games import game_from

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
        return _trained(train_hourly(HourlyTraining(task=game_from(options), learner=learner, **rest), options.out, workers))


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
