"""``gridtoll evaluate``: a leader's score on days of a split."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...envs.community.calendar import Scenario
from ...envs.games.spec import GameSpec
from ..compare.row_files import require_row_format, save_rows
from ..data.trained_game import trained_game
from ..ground.plots import draw_regret_per_day, require_format, save_figure
from ..ground.text import Report
from ..scoring.evaluate import Leader, evaluate_leader
from ..scoring.evaluation import Evaluation, summary_table
from ..scoring.leader_words import leader_place
from ..scoring.leaders import CLAIRVOYANTS, LEADER_NAMES, make_leader
from ..scoring.regret import NORMALISATION_FLOOR
from ..scoring.transfer import evaluate_held_out, held_out_report
from ..task import environment_of
from ..workers import Workers
from .options import add_backend_options, add_game_options, add_report_options, existing_parent, natural, positive, workers_from
from .options.games import add_effort_options, effort_from, game_from, title_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DESCRIPTION = f"""\
Score a leader on days of a split: its profit beside the exact optimum of each day and the certified upper bound.

Regret is what the optimum earns more than the leader, in EUR a day (profit, or welfare with that objective). Normalised regret in %:
0 = optimum, 100 = no charge. On some days the optimum earns hardly more than no charge: less than {NORMALISATION_FLOOR:g} of the
community's mean daily retail bill. Those days are listed and left out of normalised numbers. Intervals are 95% bootstrap intervals;
normalised_regret_ci95 is that of the interquartile mean (IQM). No leader can earn more than the upper bound: if one does, the evaluation
fails. An optimum takes some seconds the first time, and is kept in the user's cache folder. `gridtoll optimum --split test` fills it.

With --held-out a leader that was made for --community plays communities on which nothing is trained or chosen. It is scored in each and
over all together. It must observe public information, which has one size everywhere.

With --env hourly, or for a run that was trained on it, the leader posts a new charge every hour. With a tariff of several coefficients it
posts all of them. There regret is stated twice: to the best charges found for the day, and to a bound that no leader exceeds. The table
says on how many days the two have met. docs/hourly.md and docs/several.md explain them.

Leaders by name are {", ".join(LEADER_NAMES)}.
best-constant is proved on all training days, where optima are; grid-constant searches a grid of constant charges on 200 training days.
prescriptive weights training days by a forest (extra `research`) or by neighbours or a kernel, and posts their exact optimum.
optimum leads only where it is proved, best-schedule and day-ahead only with --env hourly.

Run folders and ONNX files are safe to read: they hold no pickles. Options that you do not give are as in the leader's training. A model
saved by stable-baselines3 (.zip) holds pickles, which run code when they are read, so it needs --trust. If it learned behind a
VecNormalize, it needs the statistics of that as well, which are also a pickle.
"""
EXAMPLES = """\
  gridtoll evaluate zero --days 16
  gridtoll evaluate constant:0.25 --days 16 --json
  gridtoll evaluate best-constant --split validation
  gridtoll evaluate runs/first --rows first.csv --plot first.png
  gridtoll evaluate policy.onnx --rows first.parquet
  gridtoll evaluate model.zip --trust --vecnormalize vecnormalize.pkl
  gridtoll evaluate runs/first --held-out --days 16
  gridtoll evaluate best-schedule --env hourly --days 16 --rows hourly.csv
  gridtoll evaluate best-constant --env hourly --held-out --days 16
  gridtoll evaluate grid-constant --tariff zonal --days 4
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("policy", metavar="POLICY", help=f"a run folder, an ONNX file, or {', '.join(LEADER_NAMES)}")
    parser.add_argument("--split", default="test", metavar="S", help="train, validation or test (default: %(default)s)")
    parser.add_argument("--days", type=positive, metavar="N", help="days, spread evenly over the split (default: all)")
    parser.add_argument(
        "--seed",
        type=natural,
        default=0,
        metavar="S",
        help="seed of random charges, forests, the sample of grid-constant and the bootstrap (default: 0)",
    )
    parser.add_argument("--held-out", action="store_true", help="play the held-out communities instead of the leader's own")
    parser.add_argument(
        "--trust", action="store_true", help="read the pickles of a .zip model, which can run any code: only from people you trust"
    )
    parser.add_argument(
        "--vecnormalize",
        type=Path,
        metavar="FILE",
        help="statistics of a .zip model that learned behind a VecNormalize (default: vecnormalize.pkl beside the model, if it is there)",
    )
    parser.add_argument("--rows", type=Path, metavar="FILE", help="write one row a day to this file (.csv or .parquet)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the regret of each day into this file (.png, .svg or .pdf)")
    add_effort_options(parser)
    add_game_options(parser)
    add_backend_options(parser)
    add_report_options(parser)


def run(options: argparse.Namespace) -> Report:
    """Score the leader."""
    place = leader_place(options.policy, LEADER_NAMES)
    for path in (options.rows, options.plot):
        existing_parent(path)
    if options.rows is not None:
        require_row_format(options.rows)
    if options.plot is not None:
        require_format(options.plot)
    task = game_from(options, trained_game(place))
    with workers_from(options) as workers:
        return _in_held_out(options, task, workers) if options.held_out else _at_home(options, task, workers)


def _at_home(options: argparse.Namespace, task: GameSpec, workers: Workers) -> Report:
    """Score the leader in one community."""
    scenarios = environment_of(task).community.scenarios(options.split, options.days)
    leader = _leader(options, task, scenarios, workers)
    evaluation = evaluate_leader(leader, task, scenarios, workers, split=options.split, effort=effort_from(options))
    summary = evaluation.summary(options.seed)
    if options.rows is not None:
        save_rows(options.rows, evaluation.rows)
    if options.plot is not None:
        save_figure(_picture(evaluation, task, options.split), options.plot)
    proved = "" if summary.always_proved else f", {summary.certified_days} with a proved optimum"
    title = f"{title_of(task)}, {summary.days} {options.split} days{proved}"
    return Report(summary.values(), f"{title}\n{summary_table([summary])}{_charge_in_words(evaluation)}")


def _charge_in_words(evaluation: Evaluation) -> str:
    """Return a line that says what was charged, where that was the same every day."""
    posted = {row.charge for row in evaluation.rows}
    return f"\ncharge: {posted.pop()} EUR/kWh, every day" if len(posted) == 1 else ""


def _leader(options: argparse.Namespace, task: GameSpec, scenarios: Sequence[Scenario], workers: Workers) -> Leader:
    given = {"seed": options.seed, "trust": options.trust, "vecnormalize": options.vecnormalize, "effort": effort_from(options)}
    return make_leader(options.policy, task, scenarios, workers, **given)


def _in_held_out(options: argparse.Namespace, home: GameSpec, workers: Workers) -> Report:
    """Score the leader of one community in all that are held out."""
    if options.plot is not None:
        raise ValueError("--plot draws the days of one community, got it with --held-out. Leave one of them out.")

    def leader_for(task: GameSpec, scenarios: Sequence[Scenario]) -> Leader:
        own = task if options.policy in CLAIRVOYANTS else home  # only they are made for the days they play
        return _leader(options, own, scenarios, workers)

    evaluations = evaluate_held_out(home, leader_for, workers, split=options.split, days=options.days, effort=effort_from(options))
    if options.rows is not None:
        save_rows(options.rows, [row for evaluation in evaluations for row in evaluation.rows])
    return held_out_report(evaluations, seed=options.seed)


def _picture(evaluation: Evaluation, task: GameSpec, split: str) -> Figure:
    from matplotlib.figure import Figure  # noqa: PLC0415 - half a second, which only pictures need

    figure = Figure(figsize=(9, 4), layout="constrained")
    days = [row.date for row in evaluation.rows]
    draw_regret_per_day(figure.subplots(), days, {evaluation.name: evaluation.regret_eur}, f"{task.community}, {len(days)} {split} days")
    return figure
