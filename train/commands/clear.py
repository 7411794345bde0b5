"""``gridtoll clear``: one day's market at one charge."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from ...envs.account.physical import INFO_OF_WIRES
from ...envs.account.settlement import Settlement
from ...envs.community.calendar import Scenario
from ...envs.community.day import Array, Day
from ...envs.files import write_atomically
from ...envs.games.spec import GameSpec
from ...envs.market.mechanism import Allocation
from ...envs.written import charges_from
from ..data.prosumers import Posted, write_prosumers
from ..ground.text import Report, lines
from ..scoring.kept import Kept, kept
from ..task import environment_of
from .options import (
    OF_HOURS,
    add_game_options,
    add_prosumers_option,
    add_report_options,
    add_scenario_options,
    existing_parent,
    prosumers_path,
    task_from,
)

DESCRIPTION = """\
Clear the peer-to-peer market of one day at a network charge, and settle it.

The prosumers' response is the one solution of a convex program, solved exactly: the residuals and the gap printed are recomputed from the
answer alone, scaled, and below 1e-9. With --npz every input and output array is written, so that anyone can verify the answer with another
solver. Another --mechanism prints its own evidence instead. `efficiency` compares it with the exact clearing at the same charges: it is the
share of the exact clearing's gain over no trade. With --power-flow ac the losses and loadings are those of the AC power flow, and voltages
stand beside them; with --flows injections that is what the wires carry. With --prosumers a table says who pays and who gains.
"""
EXAMPLES = """\
  gridtoll clear --day 180 --charge 0.2
  gridtoll clear --community ieee9 --day 12 --tariff zonal --charge 0.1,0.3 --json
  gridtoll clear --day 180 --charge 0.2 --npz day180.npz
  gridtoll clear --day 180 --charge 0.2 --mechanism admm:rounds=50 --json
  gridtoll clear --day 180 --charge 0.2 --prosumers day180.csv
  gridtoll clear --day 180 --charge 0.2 --flows injections --power-flow ac --json
"""


_SETTLED: Final = (
    "profit_eur",
    "revenue_eur",
    "loss_cost_eur",
    "overload_cost_eur",
    "welfare_eur",
    "traded_kwh",
    "charged_kwh",
)
"""Fields of the settlement that are printed."""
_WIRES: Final = ("loss_kwh", "peak_loading", "network_secure", *INFO_OF_WIRES)
"""Those printed besides under a power flow with voltages."""


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
    add_prosumers_option(parser)
    add_game_options(parser, without=(*OF_HOURS, "objective", "information"))
    add_report_options(parser)


def run(options: argparse.Namespace) -> Report:
    """Clear the day."""
    task = task_from(options)
    existing_parent(options.npz)
    prosumers = prosumers_path(options)
    environment = environment_of(task)
    environment.reset(options=Scenario(options.day, options.price_path)._asdict())
    setting, day = environment.setting, environment.day
    charges = setting.tariff.charges(setting.read(charges_from(options.charge)))
    began = time.perf_counter()
    [clearing] = environment.mechanism.clear_many([day], [charges])
    seconds = time.perf_counter() - began
    settlement = setting.rules.settled(day, charges, clearing).settlement
    worth = kept(setting.rules, day, charges, settlement, task.mechanism)
    if options.npz is not None:
        arrays = verification_arrays(task, day, charges, clearing, settlement) | _arrays_of(worth)
        write_atomically(options.npz, lambda file: np.savez_compressed(file, **arrays))
    if prosumers is not None:
        write_prosumers(prosumers, [Posted(task, environment.scenario, charges_from(options.charge))])
    evidence = {name: value for name, value in clearing.evidence.info().items() if name != "fallback"}  # who cleared it says `solver`
    settled = {name: getattr(settlement, name) for name in (*_SETTLED, *(() if settlement.voltage_min_pu is None else _WIRES))}
    values = {**settled, "mechanism": task.mechanism, "efficiency": worth.efficiency, **evidence, "seconds": seconds}
    return Report(
        values,
        f"{day.label}, {setting.tariff.kind} tariff per {setting.tariff.per}, charge {options.charge} EUR/kWh\n{lines(values)}",
    )


def verification_arrays(task: GameSpec, day: Day, charges: Array, clearing: Allocation, settlement: Settlement) -> dict[str, Any]:
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
        **{name: value for name, value in vars(clearing).items() if isinstance(value, np.ndarray)},
        "trade_price": clearing.trade_price,
        **clearing.evidence.arrays(),
        "flow": settlement.flow_kw,
    }


def _arrays_of(worth: Kept) -> dict[str, Array]:
    return {"surplus_eur": worth.surplus_eur, "surplus_without_trade_eur": worth.surplus_without_trade_eur}
