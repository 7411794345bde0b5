"""``gridtoll train``: a leader learned into a run folder."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, get_args

from ...agents.learned.settings import ALGORITHM_NAMES, SBX, LearnerSettings, Sees
from ...envs.games.spec import GameSpec
from ...envs.written import whole_number
from ..ground.config import DEFAULT_TRAININGS, TrainConfig, training_of
from ..ground.runs import RunFolder
from ..ground.text import Report, lines
from ..learning.learn import resume, train
from ..workers import Workers
from .options import add_game_options, add_report_options, add_work_options, decimal, natural, positive
from .options.games import game_from

_DEFAULT, _HOURLY = DEFAULT_TRAININGS["day-ahead"], DEFAULT_TRAININGS["hourly"]
_LEARNER: Final = tuple(entry.name for entry in fields(LearnerSettings) if entry.name not in ("algorithm", "hidden"))
_NUMBERS: Final = ("seed", "steps", "parallel_days", "validate_every", "validation_days")
_SETTINGS: Final = {entry.name for kind in (TrainConfig, LearnerSettings, GameSpec) for entry in fields(kind)}

DESCRIPTION = f"""\
Train a leader with stable-baselines3 on the training days of a community.

A day is one step, so this is a contextual bandit. The learner sees the day's observation, posts charges between 0 and the cap, and is
rewarded with the day's profit. It acts between -1 and 1; policies are saved and evaluated in EUR/kWh. After every
{_DEFAULT.validate_every} days it plays validation days, and the policy that earned most there is kept.
Watch with `tensorboard --logdir runs`.

With --env hourly an episode is a day of hourly charges: a Markov decision process with the discount 1. There is one more algorithm,
recurrent-ppo, whose memory helps with what public observations do not show. This game has other defaults: {_HOURLY.steps} training days,
{_HOURLY.parallel_days} of them side by side, and {_HOURLY.validation_days} validation days after every {_HOURLY.validate_every}.

docs/learners.md lists every setting of every algorithm with its default.

A run can be killed at any moment and resumed from its last checkpoint. The result is the same as without the break. Checkpoints contain
pickles: resume only runs of your own.
"""
EXAMPLES = """\
  gridtoll train --out runs/first
  gridtoll train --out runs/ppo --algorithm ppo --steps 8000 --seed 1
  gridtoll train --out runs/jax --algorithm sbx-sac
  gridtoll train --community ieee9 --tariff unique --out runs/ieee9
  gridtoll train --env hourly --algorithm recurrent-ppo --out runs/hourly
  gridtoll train --resume runs/first
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--out", type=Path, metavar="DIR", help="start a run in this folder, which must be new or empty")
    place.add_argument("--resume", type=Path, metavar="DIR", help="go on with the run in this folder; other settings are its own")
    learning = parser.add_argument_group("learning (not with --resume)")
    learning.add_argument(
        "--algorithm",
        metavar="A",
        help=f"{', '.join(ALGORITHM_NAMES)}, each with {SBX} before it to learn in JAX (extra jax), and recurrent-ppo with --env hourly "
        f"(default: {_DEFAULT.learner.algorithm})",
    )
    learning.add_argument(
        "--seed", type=natural, metavar="S", help=f"seed of weights, exploration and scenarios (default: {_DEFAULT.seed})"
    )
    learning.add_argument("--steps", type=positive, metavar="N", help=f"training days to play (default: {_DEFAULT.steps})")
    learning.add_argument(
        "--parallel-days", type=positive, metavar="N", help=f"days played between updates (default: {_DEFAULT.parallel_days})"
    )
    learning.add_argument(
        "--validate-every", type=positive, metavar="N", help=f"training days between validations (default: {_DEFAULT.validate_every})"
    )
    learning.add_argument(
        "--validation-days", type=positive, metavar="N", help=f"days of each validation (default: {_DEFAULT.validation_days})"
    )
    learning.add_argument("--learning-rate", type=decimal, metavar="R", help="learning rate of Adam")
    learning.add_argument("--batch-size", type=positive, metavar="N", help="days in one gradient step")
    learning.add_argument(
        "--updates", type=positive, metavar="N", help="gradient steps in each round (SAC, TD3), or epochs over each rollout (PPO)"
    )
    learning.add_argument(
        "--warmup-days",
        type=positive,
        metavar="N",
        help="days with random charges before learning begins (SAC, TD3), or days in a rollout (PPO)",
    )
    learning.add_argument("--exploration", type=decimal, metavar="S", help="noise of TD3, initial noise of PPO, in the learner's unit")
    learning.add_argument(
        "--sees",
        choices=get_args(Sees),
        help="day: the learner sees features of the day and posts a charge relative to it, which takes one charge a day; everything: it "
        "sees observations as they are and posts charges in EUR/kWh",
    )
    learning.add_argument("--discount", type=decimal, metavar="G", help="with --env hourly: discount of the next hour's value (default: 1)")
    learning.add_argument("--hidden", metavar="U,U", help="units of each hidden layer, separated by commas")
    add_game_options(parser)
    add_work_options(parser)
    add_report_options(parser)


def run(options: argparse.Namespace) -> Report:
    """Train."""
    given = _given(options)
    if options.resume is not None and given:
        named = ", ".join("--" + name.replace("_", "-") for name in given)
        raise ValueError(f"a resumed run keeps its own settings, got {named} as well. Leave them out.")
    with Workers(options.jobs, quiet=options.quiet) as workers:
        done = train(_config(options), options.out, workers) if options.resume is None else resume(options.resume, workers)
    return _report(done)


def _given(options: argparse.Namespace) -> dict[str, Any]:
    """Return the settings the command line states."""
    return {name: value for name, value in vars(options).items() if name in _SETTINGS and value is not None}


def _config(options: argparse.Namespace) -> TrainConfig:
    """Return the training the options ask for; what they leave open is as the game and the algorithm have it."""
    given, task = _given(options), game_from(options)
    learner = {name: given[name] for name in _LEARNER if name in given}
    if "hidden" in given:
        learner["hidden"] = _units(given["hidden"])
    return training_of(task, given.get("algorithm"), learner, **{name: given[name] for name in _NUMBERS if name in given})


def _units(text: str) -> tuple[int, ...]:
    try:
        return tuple(whole_number(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"hidden layers must be whole numbers of units separated by commas, got {text!r}.") from None


def _report(done: RunFolder) -> Report:
    """Say what came out of a run."""
    progress, best = done.progress(), done.load("best")
    values = {
        "env": TrainConfig.of(done).task.env,
        "run": str(done.path),
        "steps": progress[-1]["step"],
        "seconds": sum(row["seconds"] for row in progress),
        "best_step": best.step if best else None,
        "best_validation_objective_eur": best.facts["objective_eur"] if best else None,
    }
    return Report(values, f"{lines(values)}\nNext: gridtoll evaluate {done.path}")
