"""``gridtoll demo``: training, evaluation and a picture in one go."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..ground.locks import writing_into
from ..ground.text import Report
from ..reports.demo import DEMO, demo
from ..workers import Workers
from .options import add_report_options, add_work_options, natural, positive

DESCRIPTION = f"""\
Train a leader on {DEMO.task.community}, score it with zero, random, constant and optimal charges on test days it has not seen, and
draw the result.

Takes some minutes on two cores. Everything is written to one folder: the run, the rows behind each number (rows.csv), the table (table.txt)
and the picture (demo.png). Started again, it goes on where it was interrupted.
"""
EXAMPLES = """\
  gridtoll demo
  gridtoll demo --out runs/seed1 --seed 1
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), metavar="DIR", help="folder for everything (default: %(default)s)")
    parser.add_argument("--steps", type=positive, default=DEMO.steps, metavar="N", help="training days to play (default: %(default)s)")
    parser.add_argument("--days", type=positive, default=40, metavar="N", help="test days (default: %(default)s)")
    parser.add_argument("--seed", type=natural, default=0, metavar="S", help="seed of everything drawn at random (default: %(default)s)")
    add_work_options(parser)
    add_report_options(parser)


def run(options: argparse.Namespace) -> Report:
    """Run the demo."""
    with writing_into(options.out), Workers(options.jobs, quiet=options.quiet) as workers:
        return demo(options.out, workers, steps=options.steps, days=options.days, seed=options.seed)
