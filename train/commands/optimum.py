"""``gridtoll optimum``: the exact optimal charge of one day."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ...agents.optimum import Certificate, CertificateError, Optimum, profit_curve, smallest_recovering_charge, solve_hours
from ...envs.calendar import Scenario
from ..curves import draw_profit_curve
from ..errors import ModelMismatchError
from ..optima import solve_scenario
from ..plots import require_format, save_figure
from ..report import Report, lines
from ..task import Task, environment_of
from .options import add_report_options, add_scenario_options, add_task_options, existing_parent, task_from

DESCRIPTION = """\
Find the charge that earns the operator most on one day, with a proof that no charge up to the cap earns more than the upper bound.

The search is exact for tariffs with one coefficient for the day (unique and distance). The optimal charge is then cleared again from
scratch; recleared_profit_eur is what the operator earns then. relative_gap is (upper bound - profit) / charge revenue at the optimum. With
--objective welfare, the charge is that of greatest welfare, and the bound is on welfare. With --hard-limits only charges count that keep
every branch within its limit; where there is none, charge is null and secure is false, which is proved. With --charges-per hour every hour
has its own charge, which is exact where nobody has storage. docs/optimum.md explains what is proved and how.
"""
EXAMPLES = """\
  gridtoll optimum --day 180
  gridtoll optimum --community ieee9 --day 12 --tariff unique --json
  gridtoll optimum --day 180 --plot day180.png --curve day180.csv
  gridtoll optimum --day 180 --hard-limits --certificate day180.json --verify
  gridtoll optimum --day 180 --recover 10
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_scenario_options(parser)
    parser.add_argument(
        "--tolerance", type=float, default=1e-6, metavar="R", help="relative gap at which the search ends (default: %(default)s)"
    )
    parser.add_argument("--hard-limits", action="store_true", help="keep every branch within its limit, or prove that no charge does")
    parser.add_argument(
        "--recover",
        type=float,
        metavar="EUR",
        help="find also the least charge that recovers this cost of the day, or prove that none does",
    )
    parser.add_argument(
        "--recover-of", default="profit", choices=("profit", "revenue"), help="what has to recover it (default: %(default)s)"
    )
    parser.add_argument("--certificate", type=Path, metavar="FILE", help="keep the proof in this file (.json)")
    parser.add_argument("--verify", action="store_true", help="check the proof with new clearings by CVXPY and Clarabel")
    parser.add_argument(
        "--curve", type=Path, metavar="FILE", help="write profit against charge, exact pieces and bounds, into this file (.csv)"
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw profit against charge into this file (.png, .svg or .pdf)")
    add_task_options(parser, "community", "tariff", "charges-per", "flows", "objective", "charge-cap", "import-fee")
    add_report_options(parser)


def run(options: argparse.Namespace) -> Report:
    """Solve the day."""
    task, scenario = task_from(options), Scenario(options.day, options.price_path)
    if existing_parent(options.plot) is not None:
        require_format(options.plot)
    existing_parent(options.curve)
    existing_parent(options.certificate)
    if task.charges_per == "hour":
        return _each_hour(options, task, scenario)
    optimum = solve_scenario(task, scenario, tolerance=options.tolerance, hard_limits=options.hard_limits)
    values = _numbers(optimum) | _recovery(options, task)
    certificate = optimum.certificate
    label = environment_of(task).day.label
    if certificate is not None:  # what was solved now has its proof
        values |= _checked(options, certificate)
        _draw(options, certificate, task, label)
    return Report(values, f"{label}, {task.tariff} tariff\n{lines(values)}")


def _numbers(optimum: Optimum) -> dict[str, Any]:
    values: dict[str, Any] = {
        "charge": optimum.charge,
        "charge_cap": optimum.charge_cap,
        "profit_eur": optimum.profit_eur,
        "upper_bound_eur": optimum.upper_bound_eur,
        "relative_gap": optimum.relative_gap,
        "recleared_profit_eur": optimum.recleared_profit_eur,
        "clearings": optimum.clearings,
        "seconds": optimum.seconds,
    }
    if optimum.hard_limits:
        values["secure"] = optimum.secure
    return values


def _recovery(options: argparse.Namespace, task: Task) -> dict[str, Any]:
    """Return the least charge that recovers a cost, where one is asked for; the environment stands at the day just solved."""
    if options.recover is None:
        return {}
    game = environment_of(task)
    found = smallest_recovering_charge(
        game.day,
        game.community.network,
        game.tariff,
        options.recover,
        cap=game.charge_cap,
        of=options.recover_of,
        flows=task.flows,
        market=game.market,
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


def _draw(options: argparse.Namespace, certificate: Certificate, task: Task, label: str) -> None:
    """Write and draw the curve as asked for."""
    if options.curve is None and options.plot is None:
        return
    curve = profit_curve(certificate, market=environment_of(task).market)
    if options.curve is not None:
        curve.write_csv(options.curve)
    if options.plot is not None:
        figure = Figure(figsize=(7, 4.5), layout="constrained")
        draw_profit_curve(figure.subplots(), curve, title=label)
        save_figure(figure, options.plot)


def _each_hour(options: argparse.Namespace, task: Task, scenario: Scenario) -> Report:
    """Solve a day whose hours have charges of their own."""
    asked = ("hard_limits", "recover", "certificate", "verify", "curve", "plot")
    refused = [f"--{name.replace('_', '-')}" for name in asked if getattr(options, name) not in (None, False)]
    if refused:
        raise ValueError(f"{', '.join(refused)} must go with one charge for the day, and these are charges per hour.")
    game = environment_of(task)
    game.reset(options=scenario._asdict())
    found = solve_hours(
        game.day,
        game.community.network,
        game.tariff,
        cap=game.charge_cap,
        flows=task.flows,
        objective=task.objective,
        market=game.market,
        tolerance=options.tolerance,
    )
    values = {
        "charge": [float(charge) for charge in found.charges],
        "charge_cap": found.charge_cap,
        f"{task.objective}_eur": found.goal_eur,
        "upper_bound_eur": found.upper_bound_eur,
        "relative_gap": found.relative_gap,
        f"recleared_{task.objective}_eur": found.recleared_eur,
        "clearings": found.clearings,
        "seconds": found.seconds,
    }
    shown = values | {"charge": " ".join(f"{charge:.4f}" for charge in found.charges)}
    return Report(values, f"{game.day.label}, {task.tariff} tariff per hour\n{lines(shown)}")
