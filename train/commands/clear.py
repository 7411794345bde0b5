"""``gridtoll clear``: one day's market at one charge."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from ...envs.account.settlement import Settlement
from ...envs.community.calendar import Scenario
from ...envs.community.day import Day
from ...envs.files import write_atomically
from ...envs.games.spec import GameSpec
from ...envs.market.exact import Clearing
from ..ground.text import Report, lines
from ..task import environment_of, exact_market_of
from .options import add_report_options, add_scenario_options, add_task_options, charges_from, existing_parent, task_from

DESCRIPTION = """\
Clear the peer-to-peer market of one day at a network charge, and settle it.

The prosumers' response is the one solution of a convex program, solved exactly: the residuals and the gap printed are recomputed from the
answer alone, scaled, and below 1e-9. With --npz every input and output array is written, so that anyone can verify the answer with another
solver.
"""
EXAMPLES = """\
  gridtoll clear --day 180 --charge 0.2
  gridtoll clear --community ieee9 --day 12 --tariff zonal --charge 0.1,0.3 --json
  gridtoll clear --day 180 --charge 0.2 --npz day180.npz
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_scenario_options(parser)
    parser.add_argument(
        "--charge",
        required=True,
        metavar="G",
        help="EUR/kWh: one number, or as many as the tariff has coefficients, separated by commas (hour by hour with --charges-per hour)",
    )
    parser.add_argument("--npz", type=Path, metavar="FILE", help="write every input and output array to this file")
    add_task_options(parser, "community", "tariff", "charges-per", "flows", "charge-cap", "import-fee")
    add_report_options(parser)


def run(options: argparse.Namespace) -> Report:
    """Clear the day."""
    task = task_from(options)
    existing_parent(options.npz)
    environment = environment_of(task)
    environment.reset(options=Scenario(options.day, options.price_path)._asdict())
    played = environment.setting.transition(exact_market_of(task), environment.day, charges_from(options.charge))
    day, charges, clearing, settlement = environment.day, played.charges, played.clearing, played.settlement
    if options.npz is not None:
        arrays = verification_arrays(task, day, charges, clearing, settlement)
        write_atomically(options.npz, lambda file: np.savez_compressed(file, **arrays))
    values = {
        "profit_eur": settlement.profit_eur,
        "revenue_eur": settlement.revenue_eur,
        "loss_cost_eur": settlement.loss_cost_eur,
        "overload_cost_eur": settlement.overload_cost_eur,
        "welfare_eur": settlement.welfare_eur,
        "traded_kwh": settlement.traded_kwh,
        "charged_kwh": settlement.charged_kwh,
        "primal_residual": clearing.certificate.primal_residual,
        "dual_residual": clearing.certificate.dual_residual,
        "gap": clearing.certificate.gap,
        "solver": clearing.solver,
        "seconds": clearing.seconds,
    }
    return Report(
        values,
        f"{day.label}, {environment.tariff.kind} tariff per {environment.tariff.per}, charge {options.charge} EUR/kWh\n{lines(values)}",
    )


def verification_arrays(
    task: GameSpec, day: Day, charges: np.ndarray[Any, Any], clearing: Clearing, settlement: Settlement
) -> dict[str, Any]:
    """Return every input and output of a clearing by name, for ``--npz``; units and shapes are those of the classes they come from."""
    network = environment_of(task).community.network
    grid = network.grid
    inputs = {name: value for name, value in day.arrays().items() if name != "label"}
    return {
        **inputs,
        "flows": task.flows,
        "distance": network.distance,
        "ptdf": grid.ptdf,
        "loss_coefficient": grid.loss_coefficient,
        "branch_limit_kw": grid.branch_limit_kw,
        "prosumer_bus": network.prosumer_bus,
        "charge_per_kwh": charges,
        "demand": clearing.demand,
        "renewable_used": clearing.renewable_used,
        "grid_import": clearing.grid_import,
        "grid_export": clearing.grid_export,
        "storage_charge": clearing.storage_charge,
        "storage_discharge": clearing.storage_discharge,
        "stored_energy": clearing.stored_energy,
        "trade": clearing.trade,
        "nodal_price": clearing.nodal_price,
        "storage_price": clearing.storage_price,
        "flow": settlement.flow_kw,
    }
