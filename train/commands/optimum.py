"""``gridtoll optimum``: the exact optimal charge of one day."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ...envs.calendar import Scenario
from ..optima import solve_scenario
from ..plots import draw_profit_against_charge, require_format, save_figure
from ..report import Report, lines
from ..task import Episode, environment_of, play
from .options import add_report_options, add_scenario_options, add_task_options, existing_parent, task_from

DESCRIPTION = """\
Find the charge that earns the operator most on one day, with a proof that no charge up to the cap earns more than the upper bound.

The search is exact for tariffs with one coefficient for the day (unique and distance). The optimal charge is then cleared again from
scratch; recleared_profit_eur is what the operator earns then. relative_gap is (upper bound - profit) / charge revenue at the optimum. With
--objective welfare, the charge is that of greatest welfare, and the bound is on welfare.
"""
EXAMPLES = """\
  gridtoll optimum --day 180
  gridtoll optimum --community ieee9 --day 12 --tariff unique --json
  gridtoll optimum --day 180 --plot day180.png
"""
_POINTS = 101  # of the curve drawn


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_scenario_options(parser)
    parser.add_argument(
        "--tolerance", type=float, default=1e-6, metavar="R", help="relative gap at which the search ends (default: %(default)s)"
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw profit against charge into this file (.png, .svg or .pdf)")
    add_task_options(parser, "community", "tariff", "charges-per", "flows", "objective", "charge-cap", "import-fee")
    add_report_options(parser)


def run(options: argparse.Namespace) -> Report:
    """Solve the day."""
    task, scenario = task_from(options), Scenario(options.day, options.price_path)
    if existing_parent(options.plot) is not None:
        require_format(options.plot)
    optimum = solve_scenario(task, scenario, tolerance=options.tolerance)
    values = {
        "charge": optimum.charge,
        "charge_cap": optimum.charge_cap,
        "profit_eur": optimum.profit_eur,
        "upper_bound_eur": optimum.upper_bound_eur,
        "relative_gap": optimum.relative_gap,
        "recleared_profit_eur": optimum.recleared_profit_eur,
        "clearings": optimum.clearings,
        "seconds": optimum.seconds,
    }
    label = environment_of(task).day.label
    if options.plot is not None:
        grid = np.union1d(np.linspace(0.0, optimum.charge_cap, _POINTS), [optimum.charge])  # its top is a kink
        values_drawn = [play(Episode(task, scenario, (float(charge),))).objective_eur for charge in grid]
        figure = Figure(figsize=(7, 4.5), layout="constrained")
        draw_profit_against_charge(
            figure.subplots(),
            grid,
            values_drawn,
            chosen={"optimum": (optimum.charge, optimum.recleared_eur)},
            upper_bound_eur=optimum.upper_bound_eur,
            title=label,
            objective=task.objective,
        )
        save_figure(figure, options.plot)
    return Report(values, f"{label}, {task.tariff} tariff\n{lines(values)}")
