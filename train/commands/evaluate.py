"""``gridtoll evaluate``: a leader's score on days of a split."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from ...envs.community.calendar import Scenario
from ...envs.games.spec import GameSpec
from ..compare.row_files import require_row_format, save_rows
from ..data.trained_game import trained_game
from ..ground.plots import draw_regret_per_day, require_format, save_figure
from ..ground.text import Report
from ..scoring.evaluate import NORMALISATION_FLOOR, Leader, evaluate_leader
from ..scoring.evaluation import Evaluation, summary_table
from ..scoring.leader_words import leader_place
from ..scoring.leaders import CLAIRVOYANTS, LEADER_NAMES, make_leader
from ..scoring.transfer import evaluate_held_out, held_out_report
from ..task import environment_of
from ..workers import Workers
from .games import add_effort_options, effort_from, game_from, title_of
from .options import add_backend_options, add_game_options, add_report_options, existing_parent, natural, positive, workers_from

DESCRIPTION = f"""\
Score a leader on days of a split: its profit beside the exact optimum of each day and the certified upper bound.

Regret is the optimum's profit (or welfare, with that objective) less the leader's, in EUR a day. Normalised regret divides it by what the
optimum earns more than no charge would; days on which that is below {NORMALISATION_FLOOR:g} of the community's mean daily retail bill are
listed as excluded and left out of normalised numbers. Intervals are 95% bootstrap intervals; normalised_regret_ci95 is that of the
interquartile mean (IQM). A leader that earns more than the upper bound is a contradiction and fails the evaluation. Optima take some
seconds each the first time and are kept in the user's cache folder, which `gridtoll optimum --split test` fills beforehand.

With --held-out the leader made for --community plays the communities that nothing is trained or chosen on, the same leader in each, and is
scored in each and over all of them together; it must observe public information, which has one size everywhere.

With --env hourly, or a run folder trained on it, the leader re-prices every hour; with a tariff of several coefficients it posts all of
them. There regret has two ends: to the best charges found for the day, and to a bound that no leader exceeds, which is said with the days
on which both have met. docs/hourly.md and docs/several.md explain them. Leaders by name are {", ".join(LEADER_NAMES)};
optimum only where it is proved, best-schedule and day-ahead only from hour to hour.

Evaluating a run folder or an ONNX file reads no pickled objects, and what the options leave open is as in its training. A model saved by
stable-baselines3 (.zip) holds pickles, which run code when they are read: it is refused without --trust. Where it learned behind a
VecNormalize, it is shown observations normalised with the same statistics, which are a pickle as well.
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
  gridtoll evaluate best-constant --tariff zonal --days 4
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("policy", metavar="POLICY", help=f"a run folder, an ONNX file, or {', '.join(LEADER_NAMES)}")
    parser.add_argument("--split", default="test", metavar="S", help="train, validation or test (default: %(default)s)")
    parser.add_argument("--days", type=positive, metavar="N", help="days, spread evenly over the split (default: all)")
    parser.add_argument(
        "--seed", type=natural, default=0, metavar="S", help="of random charges, of the best constant's sample and of the bootstrap"
    )
    parser.add_argument("--held-out", action="store_true", help="play the held-out communities instead of the leader's own")
    parser.add_argument("--trust", action="store_true", help="read the pickles of a .zip model: only of people you trust with your machine")
    parser.add_argument(
        "--vecnormalize",
        type=Path,
        metavar="FILE",
        help="statistics of a .zip model that learned behind a VecNormalize (default: vecnormalize.pkl beside the model, where it is)",
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
    figure = Figure(figsize=(9, 4), layout="constrained")
    days = [row.date for row in evaluation.rows]
    draw_regret_per_day(figure.subplots(), days, {evaluation.name: evaluation.regret_eur}, f"{task.community}, {len(days)} {split} days")
    return figure
