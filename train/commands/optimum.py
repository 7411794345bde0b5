"""``gridtoll optimum``: the best charges of one day with what is proved of them, or those of a whole split into the store."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, get_args

from matplotlib.figure import Figure

from ...agents.optimum import Certificate, CertificateError, profit_curve, smallest_recovering_charge
from ...agents.optimum.miqp import MiqpError, MiqpSolver, require_solver
from ...envs.community.calendar import Scenario
from ...envs.games.spec import GameSpec
from ..ground.errors import ModelMismatchError
from ..ground.plots import require_format, save_figure
from ..ground.profit_curves import draw_profit_curve
from ..ground.text import Report, lines
from ..references import hours_table
from ..references.ends import find_hourly
from ..references.hours import Effort
from ..references.optima import find_optima, find_optimum, keep
from ..references.optima_table import summary_of, summary_table, write_rows
from ..references.solve import Method, Settings, Solved, resolved, solve_scenario
from ..task import environment_of, exact_market_of, n_charges
from .games import add_effort_options, effort_from, game_from, refuse, title_of
from .options import (
    add_backend_options,
    add_game_options,
    add_report_options,
    decimal,
    existing_parent,
    natural,
    positive,
    whole,
    workers_from,
)

DESCRIPTION = """\
Find the charges that earn the operator most on one day, with a proof that none up to the cap earn more than the upper bound; or those of
all days of a split, into the store that every command takes optima from.

The exact method is for tariffs with one coefficient for the day (unique and distance), or one for each hour where nobody has storage. All
others go to the search: the best charges it found, and a bound that no charges exceed. closed says whether both have met (to 1e-6); only
then are the charges optimal. --method miqp solves small communities by mixed-integer programming, as an independent check.

The charges are cleared again from scratch; recleared_profit_eur is what the operator earns then. relative_gap is (upper bound - profit) /
what is at stake: the greatest of charge revenue, import fee, losses and overload. With --objective welfare, the charges are those of
greatest welfare, and the bound is on welfare. With --hard-limits only charges count that keep every branch within its limit; where there
is none, charge is null and secure is false, which is proved.
docs/optimum.md and docs/several.md explain what is proved and how.

With --env hourly: the best sequence of charges found for a day of the hourly game, and a bound that no leader exceeds whatever prosumers
believe; without storage both have met, and the sequence is optimal. docs/hourly.md has the proof.

Answers are kept in the user's cache folder under a hash of the day's data, the game and the software. A split that was interrupted goes on
where it was; days that fail are listed, the others are kept, and the exit code is 2.
"""
EXAMPLES = """\
  gridtoll optimum --day 180
  gridtoll optimum --community ieee9 --day 12 --tariff unique --json
  gridtoll optimum --day 180 --plot day180.png --curve day180.csv
  gridtoll optimum --day 180 --hard-limits --certificate day180.json --verify
  gridtoll optimum --day 180 --recover 10
  gridtoll optimum --day 180 --tariff zonal
  gridtoll optimum --split test --jobs 2 --out optima.csv
  gridtoll optimum --split train --days 40 --backend ray
  gridtoll optimum --env hourly --day 180
  gridtoll optimum --env hourly --belief announced --split test --days 60
"""
_OF_ONE_CHARGE: Final = ("hard_limits", "recover", "certificate", "verify", "curve", "plot")
_OF_ONE_DAY: Final = ("price_path", "recover", "certificate", "verify", "curve", "plot")
_OF_A_SPLIT: Final = ("days", "out")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--day", type=whole, metavar="K", help="one day of the data year, from 0")
    which.add_argument("--split", metavar="S", help="all days of a split: train, validation or test")
    parser.add_argument("--price-path", type=whole, metavar="P", help="with --day: which synthetic price path, from 0 (default: 0)")
    parser.add_argument("--days", type=positive, metavar="N", help="with --split: only so many days, spread evenly over it")
    parser.add_argument("--out", type=Path, metavar="FILE", help="with --split: write one row a day to this CSV file")
    parser.add_argument("--recompute", action="store_true", help="compute anew what the store has already")
    _add_method_options(parser)
    _add_proof_options(parser)
    add_effort_options(parser)
    add_game_options(parser, without=("information",))
    add_backend_options(parser)
    add_report_options(parser)


def _add_method_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the method")
    group.add_argument("--method", choices=get_args(Method), help="default: exact where it applies, search elsewhere")
    group.add_argument(
        "--tolerance", type=decimal, default=1e-6, metavar="R", help="relative gap at which exact and miqp end (default: %(default)s)"
    )
    group.add_argument("--hard-limits", action="store_true", help="keep every branch within its limit, or prove that no charge does")
    group.add_argument(
        "--starts", type=positive, metavar="N", help=f"starts of the search (default: {Settings.starts}; hourly {Effort.starts})"
    )
    group.add_argument("--seed", type=natural, default=0, metavar="S", help="of the search (default: %(default)s)")
    group.add_argument(
        "--solver", choices=get_args(MiqpSolver), default="scip", help="of miqp; gurobi needs a licence of one's own (default: %(default)s)"
    )
    group.add_argument("--time-limit", type=decimal, default=100.0, metavar="S", help="of miqp, in seconds (default: %(default)s)")
    group.add_argument("--force", action="store_true", help="let miqp try communities whose programs seldom finish")


def _add_proof_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("of one day with one charge")
    group.add_argument(
        "--recover",
        type=decimal,
        metavar="EUR",
        help="find also the least charge that recovers this cost of the day, or prove that none does",
    )
    group.add_argument(
        "--recover-of", default="profit", choices=("profit", "revenue"), help="what has to recover it (default: %(default)s)"
    )
    group.add_argument("--certificate", type=Path, metavar="FILE", help="keep the proof in this file (.json)")
    group.add_argument("--verify", action="store_true", help="check the proof with new clearings by CVXPY and Clarabel")
    group.add_argument(
        "--curve", type=Path, metavar="FILE", help="write profit against charge, exact pieces and bounds, into this file (.csv)"
    )
    group.add_argument("--plot", type=Path, metavar="FILE", help="draw profit against charge into this file (.png, .svg or .pdf)")


def run(options: argparse.Namespace) -> Report:
    """Solve the day, or the days."""
    task = game_from(options)
    refuse(options, *((_OF_A_SPLIT, "a split (--split)") if options.split is None else (_OF_ONE_DAY, "one day (--day)")))
    for path in (options.curve, options.certificate, options.out):
        existing_parent(path)
    if task.env == "hourly":
        refuse(options, ("plot",), "--env day-ahead")
        return _hourly(options, task)
    settings = resolved(task, _settings(options))
    if settings.method == "miqp":
        _require_solver(settings)
    if existing_parent(options.plot) is not None:
        require_format(options.plot)
    if options.split is not None:
        return _split(options, task, settings)
    if settings.method != "exact" or n_charges(task) != 1:
        refuse(options, _OF_ONE_CHARGE, "one charge for the day and the exact method")
    return _one_day(options, task, settings)


def _hourly(options: argparse.Namespace, task: GameSpec) -> Report:
    """Search the best sequences of charges of the hourly game."""
    began = time.perf_counter()
    with workers_from(options) as workers:
        found = find_hourly(task, _scenarios(options, task), workers, effort_from(options, seed=options.seed), recompute=options.recompute)
    if options.out is not None:
        hours_table.write_rows(options.out, found)
    if options.split is not None:
        summary = hours_table.summary_of(found, seconds=time.perf_counter() - began)
        text = f"{title_of(task)}, {options.split} days\n{hours_table.summary_table(summary)}"
        return Report(summary, text, exit_code=2 if summary["failed"] else 0)
    [entry] = found
    if entry.solved is None:
        raise ValueError(f"the search must clear every plan, but {entry.error}.")
    values = hours_table.values_of(entry.solved) | {"from_store": entry.was_stored}
    told = "These charges are optimal." if entry.solved.certified else "The best found; the optimum lies between it and the bound."
    label = environment_of(task).day_of(entry.scenario).label
    return Report(values, f"{label}, {title_of(task)}\n{lines(_shown(values))}\n{told}")


def _scenarios(options: argparse.Namespace, task: GameSpec) -> list[Scenario]:
    """Return the days that are asked for."""
    if options.split is not None:
        return environment_of(task).community.scenarios(options.split, options.days)
    scenario = Scenario(options.day, options.price_path or 0)
    environment_of(task).day_of(scenario)  # refuses days that are not there
    return [scenario]


def _shown(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return numbers for reading."""
    return {name: " ".join(f"{item:.4f}" for item in value) if name == "charges" else value for name, value in values.items()}


def _settings(options: argparse.Namespace) -> Settings:
    return Settings(
        method=options.method,
        tolerance=options.tolerance,
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


def _split(options: argparse.Namespace, task: GameSpec, settings: Settings) -> Report:
    """Solve the days of a split into the store."""
    began = time.perf_counter()
    scenarios = _scenarios(options, task)
    try:
        with workers_from(options) as workers:
            found = find_optima(task, scenarios, workers, settings, recompute=options.recompute)
    except ImportError as error:  # no day can be solved without the package
        raise ValueError(str(error)) from error
    if options.out is not None:
        write_rows(options.out, found)
    summary = summary_of(found, seconds=time.perf_counter() - began)
    title = f"{title_of(task)}, {len(found)} {options.split} days"
    return Report(summary, f"{title}\n{summary_table(summary)}", exit_code=2 if summary["failed"] else 0)


def _one_day(options: argparse.Namespace, task: GameSpec, settings: Settings) -> Report:
    """Solve one day, with its proof where something is to be done with it."""
    [scenario] = _scenarios(options, task)
    label = environment_of(task).day_of(scenario).label
    was_stored, checked = False, dict[str, Any]()
    if options.verify or any(path is not None for path in (options.certificate, options.curve, options.plot)):
        optimum = solve_scenario(task, scenario, tolerance=settings.tolerance, hard_limits=settings.hard_limits)
        solved = keep(task, scenario, settings, optimum)
        if optimum.certificate is not None:  # what was solved now has its proof
            checked = _checked(options, optimum.certificate)
            _draw(options, optimum.certificate, task, label)
    else:
        solved, was_stored = _found(options, task, scenario, settings)
    values = _numbers(solved) | _recovery(options, task, scenario) | checked
    values |= {"method": solved.method, "closed": solved.closed, "proof": solved.proof, "from_store": was_stored}
    title = f"{label}, {task.tariff} tariff{' per hour' if task.charges_per == 'hour' else ''}"
    return Report(values, f"{title}\n{lines(_shown(values))}{_verdict(solved, options.method)}")


def _found(options: argparse.Namespace, task: GameSpec, scenario: Scenario, settings: Settings) -> tuple[Solved, bool]:
    """Return the best charges of the day and whether they were stored; errors of the cross-check are put into this command's words."""
    try:
        return find_optimum(task, scenario, settings, recompute=options.recompute)
    except (ImportError, MiqpError) as error:
        raise ValueError(str(error)) from error
    except ValueError as error:
        if settings.method == "miqp" and not settings.force and "force=True" in str(error):
            raise ValueError(f"{error} On the command line these are --method exact or search, and --force.") from error
        raise


def _numbers(solved: Solved) -> dict[str, Any]:
    charges: dict[str, Any] = {"charge": solved.charges[0]} if len(solved.charges) == 1 else {"charges": list(solved.charges)}
    values: dict[str, Any] = charges | {
        "charge_cap": solved.charge_cap,
        "profit_eur": solved.profit_eur,
        "upper_bound_eur": solved.upper_bound_eur,
        "relative_gap": solved.relative_gap,
        "recleared_profit_eur": solved.recleared_profit_eur,
        "clearings": solved.clearings,
        "seconds": solved.seconds,
    }
    if solved.objective == "welfare":
        values |= {"welfare_eur": solved.welfare_eur, "recleared_welfare_eur": solved.recleared_welfare_eur}
    if solved.hard_limits:
        values["secure"] = solved.secure
    return values


def _verdict(solved: Solved, asked_for: Method | None) -> str:
    """Say in words what the search has shown; of the other methods the numbers say it."""
    if solved.method != "search":
        return ""
    best = solved.recleared_welfare_eur if solved.objective == "welfare" else solved.recleared_profit_eur
    chosen = "" if asked_for else "the exact method does not take several coefficients, so these were searched for: "
    ends = f"{solved.objective} in [{best:.6g}, {solved.upper_bound_eur:.6g}] EUR (bound: {solved.proof})"
    return f"\n{chosen}{'proved optimal' if solved.closed else 'best found, not proved optimal'}, {ends}"


def _recovery(options: argparse.Namespace, task: GameSpec, scenario: Scenario) -> dict[str, Any]:
    """Return the least charge that recovers a cost, where one is asked for."""
    if options.recover is None:
        return {}
    game = environment_of(task)
    found = smallest_recovering_charge(
        game.day_of(scenario),
        game.community.network,
        game.tariff,
        options.recover,
        cap=game.charge_cap,
        of=options.recover_of,
        flows=task.flows,
        market=exact_market_of(task),
    )
    return {
        "recovering_charge": found.charge,
        "recovering_charge_lower_bound": found.charge_lower_bound,
        "recovered_eur": found.earned_eur,
        "recoverable": found.is_recoverable,
    }


def _checked(options: argparse.Namespace, certificate: Certificate) -> dict[str, Any]:
    """Keep and check the proof as asked for."""
    if options.certificate is not None:
        certificate.save(options.certificate)
    if not options.verify:
        return {}
    try:
        found = certificate.verify()
    except CertificateError as error:
        raise ModelMismatchError(f"the proof does not hold: {error}") from error
    return {"verified": True, "verifying_clearings": found.clearings, "verified_by": found.solver}


def _draw(options: argparse.Namespace, certificate: Certificate, task: GameSpec, label: str) -> None:
    """Write and draw the curve as asked for."""
    if options.curve is None and options.plot is None:
        return
    curve = profit_curve(certificate, market=exact_market_of(task))
    if options.curve is not None:
        curve.write_csv(options.curve)
    if options.plot is not None:
        figure = Figure(figsize=(7, 4.5), layout="constrained")
        draw_profit_curve(figure.subplots(), curve, title=label)
        save_figure(figure, options.plot)
