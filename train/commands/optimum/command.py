"""``gridtoll optimum``: the best charges of one day with what is proved of them, or those of a whole split into the store."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final, get_args

from ....agents.optimum.miqp import MiqpSolver, require_solver
from ...ground.plots import require_format
from ...ground.text import Report
from ...references.hours import SearchEffort
from ...references.solve import resolved
from ...references.solved import Method, Settings
from ...task import n_charges
from ..options import (
    add_backend_options,
    add_game_options,
    add_prosumers_option,
    add_report_options,
    decimal,
    existing_parent,
    natural,
    positive,
    prosumers_path,
    whole,
)
from ..options.games import add_effort_options, game_from, refuse
from .asked import tolerance_of
from .days import solve_hourly, solve_split
from .one_day import solve_day
from .standing import solve_standing

DESCRIPTION = """\
Find the charges that earn the operator most on one day (--day), with a bound that no charge up to the cap exceeds. With --split it solves
all days of a split and keeps the answers in the store, from which every command takes them.

Which method: tariffs with one coefficient for the day (unique and distance) are solved exactly. So are charges for each hour where nobody
has storage. All other games are searched: you get the best charges found, and an upper bound. closed says whether the two have met (to
1e-6). Only then are the charges optimal. --method miqp checks small communities by mixed-integer programming.

The charges are cleared again from scratch: recleared_profit_eur is what the operator earns then. relative_gap is (upper bound - profit) /
what is at stake, which is the greatest of charge revenue, import fee, losses and overload. With --objective welfare the charges are those
of greatest welfare, and the bound is on welfare. With --hard-limits only charges count that keep every branch within its limit. If no
charge does, charge is null and secure is false; that is proved. docs/optimum.md and docs/several.md explain what is proved and how.

With another --mechanism: a call auction with one coefficient is solved exactly, by trying all charges at which it jumps (breakpoints). For
others the best charge of a grid is given (played), and nothing is proved. docs/mechanisms.md explains both.

Nothing can be proved under --power-flow ac, whose losses are no sum of squares: there too the best charge of a grid is given. --resettle ac
proves the optimum of the linear model instead and says what it comes to in the wires, beside the best of a grid. docs/wires.md explains it.

With --standing you get the one charge that is best on average over a period, proved over all its days. --recover then says which charge
recovers a cost per year: the lowest one, and the one that is best for prosumers and operator together. Or it says that none does, and how
much the days can bring in. With --hard-limits only charges count that keep every branch within its limit on a --secure-share of the days.
docs/answers.md has examples.

With --env hourly you get the best sequence of charges found for a day of the hourly game, and a bound that no leader exceeds. Without
storage the two meet, and the sequence is optimal. With one store the optimum is proved to --tolerance, in about eight minutes at most;
what an interrupted proof had come to is gone on from, and --certificate keeps it for gridtoll verify. docs/hourly.md has the proofs.

Answers are kept in the user's cache folder, under a hash of the day's data, the game and the software. A split that was interrupted goes
on where it was. Days that fail are listed, the others are kept, and the exit code is 2.
"""
EXAMPLES = """\
  gridtoll optimum --day 180
  gridtoll optimum --community ieee9 --day 12 --tariff unique --json
  gridtoll optimum --day 180 --plot day180.png --curve day180.csv
  gridtoll optimum --day 180 --hard-limits --certificate day180.json --verify
  gridtoll optimum --day 180 --recover 10
  gridtoll optimum --day 180 --flows injections --resettle ac
  gridtoll optimum --day 180 --tariff zonal
  gridtoll optimum --split test --jobs 2 --out optima.csv
  gridtoll optimum --split train --days 40 --backend ray
  gridtoll optimum --split test --days 28 --standing --prosumers who.xlsx
  gridtoll optimum --community ./mine --standing --recover 2000
  gridtoll optimum --split test --days 28 --standing --certificate period.json
  gridtoll optimum --split test --days 28 --standing --hard-limits --secure-share 0.95
  gridtoll optimum --split test --days 28 --standing --with-community ieee9 --charge-cap 1
  gridtoll optimum --env hourly --day 180
  gridtoll optimum --env hourly --community simbench-rural-pooled --day 180 --tolerance 0.3 --certificate hourly.json
  gridtoll optimum --env hourly --belief announced --split test --days 60
"""
_OF_ONE_CHARGE: Final = ("hard_limits", "recover", "certificate", "verify", "curve", "plot")
_OF_ONE_DAY: Final = ("price_path", "resettle", "recover", "certificate", "verify", "curve", "plot")
_NOT_STANDING: Final = (
    "resettle",
    "day",
    "price_path",
    "out",
    "method",
    "starts",
    "force",
    "verify",
    "curve",
    "plot",
)
_OF_A_SPLIT: Final = ("days", "out")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--day", type=whole, metavar="K", help="one day of the data year, from 0")
    which.add_argument("--split", metavar="S", help="all days of a split: train, validation or test")
    parser.add_argument("--price-path", type=whole, metavar="P", help="with --day: which synthetic price path, from 0 (default: 0)")
    parser.add_argument("--days", type=positive, metavar="N", help="with --split or --standing: only this many days, spread evenly")
    parser.add_argument("--out", type=Path, metavar="FILE", help="with --split: write one row a day to this CSV file")
    parser.add_argument("--recompute", action="store_true", help="compute again what the store has already")
    _add_standing_options(parser)
    _add_method_options(parser)
    _add_proof_options(parser)
    add_effort_options(parser)
    add_prosumers_option(parser)
    add_game_options(parser, without=("information",))
    add_backend_options(parser)
    add_report_options(parser)


def _add_standing_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("one charge for a period")
    group.add_argument(
        "--standing",
        action="store_true",
        help="find the one charge that is best on average over the days of --split, or over all days of the data; "
        "--recover is then a cost per year of 365 days",
    )
    group.add_argument(
        "--risk",
        metavar="R",
        help="with --standing: what of the days is greatest: mean, cvar:A (mean of the worst part A, as 0.1), or worst (default: mean)",
    )
    group.add_argument(
        "--with-community",
        action="append",
        metavar="C",
        help="with --standing: days of this community count too, one charge for a region; may be given again",
    )
    group.add_argument(
        "--secure-share",
        type=decimal,
        metavar="P",
        help="with --standing --hard-limits: limits must hold on this share of the days, above 0 and at most 1 (default: 1, all of them)",
    )
    group.add_argument("--every-price-path", action="store_true", help="with --standing: count each day under every price path")


def _add_method_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the method")
    group.add_argument(
        "--method",
        choices=get_args(Method),
        help="default: the first that applies of exact, search, breakpoints (call auction), replayed (admm, bilateral) and played",
    )
    group.add_argument(
        "--tolerance",
        type=decimal,
        metavar="R",
        help=f"relative gap at which exact and miqp end (default: {Settings.tolerance:g}), "
        f"or the proof of an hourly day with one store (default: {SearchEffort.tolerance:g})",
    )
    group.add_argument("--hard-limits", action="store_true", help="keep every branch within its limit, or prove that no charge does")
    group.add_argument(
        "--starts",
        type=positive,
        metavar="N",
        help=f"how many starts the search has (default: {Settings.starts}; hourly {SearchEffort.starts})",
    )
    group.add_argument("--seed", type=natural, default=0, metavar="S", help="seed of the search (default: %(default)s)")
    group.add_argument(
        "--solver",
        choices=get_args(MiqpSolver),
        default="scip",
        help="solver of miqp; gurobi needs a licence of your own (default: %(default)s)",
    )
    group.add_argument(
        "--time-limit", type=decimal, default=100.0, metavar="S", help="time limit of miqp in seconds (default: %(default)s)"
    )
    group.add_argument("--force", action="store_true", help="let miqp try communities whose programs seldom finish")


def _add_proof_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("of one day with one charge")
    group.add_argument(
        "--resettle",
        metavar="P",
        help="settle the optimum of the linear model again under another power flow, such as ac, and give the best charge of a grid there",
    )
    group.add_argument(
        "--recover",
        type=decimal,
        metavar="EUR",
        help="find also the least charge that recovers this cost of the day (with --standing: per year), or prove that none does",
    )
    group.add_argument("--recover-of", default="profit", choices=("profit", "revenue"), help="what must recover it (default: %(default)s)")
    group.add_argument("--certificate", type=Path, metavar="FILE", help="keep the proof in this file (.json), for gridtoll verify")
    group.add_argument("--verify", action="store_true", help="check the proof with new clearings by CVXPY and Clarabel")
    group.add_argument(
        "--curve", type=Path, metavar="FILE", help="write profit against charge, exact pieces and bounds, into this file (.csv)"
    )
    group.add_argument("--plot", type=Path, metavar="FILE", help="draw profit against charge into this file (.png, .svg or .pdf)")


def run(options: argparse.Namespace) -> Report:
    """Solve the day, or the days."""
    task = game_from(options)
    _refuse_what_goes_elsewhere(options)
    for path in (options.curve, options.certificate, options.out):
        existing_parent(path)
    if options.standing:
        prosumers_path(options)
        return solve_standing(options, task)
    if task.env == "hourly":
        refuse(options, ("plot", "prosumers", "resettle"), "--env day-ahead")
        return solve_hourly(options, task)
    prosumers_path(options)
    settings = resolved(task, _settings(options))
    if settings.method == "miqp":
        _require_solver(settings)
    if existing_parent(options.plot) is not None:
        require_format(options.plot)
    if options.split is not None:
        return solve_split(options, task, settings)
    if settings.method != "exact" or n_charges(task) != 1:
        proved = ("certificate", "verify") if settings.method == "exact" else ()  # hour by hour
        refuse(options, [name for name in _OF_ONE_CHARGE if name not in proved], "one charge for the day and the exact method")
    return solve_day(options, task, settings)


def _refuse_what_goes_elsewhere(options: argparse.Namespace) -> None:
    """Refuse options of another question than the one that is asked: about one day, many days, or one charge for a period.

    Raises:
        ValueError: If no days are named, or an option goes with another question.
    """
    if options.standing:
        refuse(options, _NOT_STANDING, "one charge for each day (without --standing)")
        if options.env == "hourly" or options.recover_of != "profit":
            raise ValueError(
                "--standing must go with --env day-ahead and --recover-of profit: a charge that stands is that of the day-ahead game."
            )
    elif options.day is None and options.split is None:
        raise ValueError("the days must be named: --day K for one, --split S for those of a split, or --standing for a period.")
    elif options.split is None:
        refuse(options, _OF_A_SPLIT, "a split (--split)")
    else:
        refuse(options, _OF_ONE_DAY, "one day (--day)")
    if not options.standing:
        refuse(options, ("every_price_path", "risk", "with_community", "secure_share"), "one charge for a period (--standing)")


def _settings(options: argparse.Namespace) -> Settings:
    return Settings(
        method=options.method,
        tolerance=tolerance_of(options),
        hard_limits=options.hard_limits,
        starts=options.starts or Settings.starts,
        seed=options.seed,
        solver=options.solver,
        time_limit_s=options.time_limit,
        force=options.force,
    )


def _require_solver(settings: Settings) -> None:
    """Refuse a solver that is not here, before a day is looked at."""
    try:
        require_solver(settings.solver)
    except ImportError as error:
        raise ValueError(str(error)) from error
