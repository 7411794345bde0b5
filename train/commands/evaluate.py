"""``gridtoll evaluate``: a leader's score on days of a split."""

from __future__ import annotations

import argparse
from pathlib import Path

from matplotlib.figure import Figure

from ..config import TrainConfig
from ..evaluate import NORMALISATION_FLOOR, Evaluation, evaluate, summary_table, write_rows
from ..leaders import make_leader
from ..plots import draw_regret_per_day, require_format, save_figure
from ..report import Report
from ..runs import RunFolder
from ..task import Task, environment_of
from .options import (
    add_backend_options,
    add_report_options,
    add_task_options,
    existing_parent,
    natural,
    positive,
    task_from,
    workers_from,
)

DESCRIPTION = f"""\
Score a leader on days of a split: its profit beside the exact optimum of each day and the certified upper bound.

Regret is the optimum's profit (or welfare, with that objective) less the leader's, in EUR a day. Normalised regret divides it by what the
optimum earns more than no charge would; days on which that is below {NORMALISATION_FLOOR:g} of the community's mean daily retail bill are
listed as excluded and left out of normalised numbers. Intervals are 95% bootstrap intervals; normalised_regret_ci95 is that of the
interquartile mean (IQM). A leader that earns more than the upper bound is a contradiction and fails the evaluation. Optima take some
seconds each the first time and are kept in the user's cache folder, which `gridtoll optimum --split test` fills beforehand.

Evaluating a run folder reads no pickled objects. What the options leave open is as the run was trained.
"""
EXAMPLES = """\
  gridtoll evaluate zero --days 16
  gridtoll evaluate constant:0.25 --days 16 --json
  gridtoll evaluate best-constant --split validation
  gridtoll evaluate runs/first --rows first.csv --plot first.png
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("policy", metavar="POLICY", help="a run folder, or zero, random, constant:G, best-constant, optimum")
    parser.add_argument("--split", default="test", metavar="S", help="train, validation or test (default: %(default)s)")
    parser.add_argument("--days", type=positive, metavar="N", help="days, spread evenly over the split (default: all)")
    parser.add_argument(
        "--seed", type=natural, default=0, metavar="S", help="of random charges, of the best constant's sample and of the bootstrap"
    )
    parser.add_argument("--rows", type=Path, metavar="FILE", help="write one row a day to this CSV file")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the regret of each day into this file (.png, .svg or .pdf)")
    add_task_options(parser, "community", "tariff", "charges-per", "flows", "objective", "information", "charge-cap", "import-fee")
    add_backend_options(parser)
    add_report_options(parser)


def run(options: argparse.Namespace) -> Report:
    """Score the leader."""
    for path in (options.rows, options.plot):
        existing_parent(path)
    if options.plot is not None:
        require_format(options.plot)
    task = task_from(options, _trained_task(options.policy))
    scenarios = environment_of(task).community.scenarios(options.split, options.days)
    with workers_from(options) as workers:
        leader = make_leader(options.policy, task, scenarios, workers, seed=options.seed)
        evaluation = evaluate(leader.policy, task, scenarios, workers, name=leader.name, split=options.split, seed=leader.seed)
    summary = evaluation.summary(options.seed)
    if options.rows is not None:
        write_rows(options.rows, [evaluation])
    if options.plot is not None:
        save_figure(_picture(evaluation, task, options.split), options.plot)
    title = f"{task.community}, {task.tariff} tariff per {task.charges_per}, {summary.days} {options.split} days"
    return Report(summary.values(), f"{title}\n{summary_table([summary])}")


def _trained_task(policy: str) -> Task | None:
    """Return the game a run folder was trained on, None for leaders that are not trained."""
    folder = Path(policy)
    return TrainConfig.from_json(RunFolder.open(folder).config.get("config", {})).task if folder.is_dir() else None


def _picture(evaluation: Evaluation, task: Task, split: str) -> Figure:
    figure = Figure(figsize=(9, 4), layout="constrained")
    days = [row.date for row in evaluation.rows]
    draw_regret_per_day(figure.subplots(), days, {evaluation.name: evaluation.regret_eur}, f"{task.community}, {len(days)} {split} days")
    return figure
