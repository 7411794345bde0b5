"""What is contractual and what is physical: losses and peak loading against the charge, on a winter and a summer day of every community.

    python benchmarks/wires.py --out docs/figures/wires.png

    python benchmarks/wires.py --voltages

It prints the tables of docs/wires.md and draws its picture. Days 15 (16 January) and 180 (29 June) under price path 0; charges are at mean
distance, from 0 to the community's cap.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.community.sources import COMMUNITY_NAMES
from gridtoll.envs.errors import PowerFlowError
from gridtoll.envs.games.setting import make_setting
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.grid.ac import AcPowerFlow
from gridtoll.envs.grid.power_flow import DcPowerFlow
from gridtoll.envs.grid.voltage_rows import voltage_of
from gridtoll.train.study.cases import Case, community_of, situation_of
from gridtoll.train.study.parts.wires import InTheWires
from gridtoll.train.study.tables import Row
from gridtoll.train.study.wires_figure import draw_wires

DAYS: Final = {"winter": 15, "summer": 180}
SHARES: Final = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
TABLED: Final = (0.0, 0.3, 1.0)


def main() -> None:
    """Print the table, and draw the picture."""
    parser = argparse.ArgumentParser(description="Compare the accounts of flows with AC.")
    parser.add_argument("--communities", nargs="*", default=COMMUNITY_NAMES, choices=COMMUNITY_NAMES, help="default: all")
    parser.add_argument("--out", type=Path, help="draw the picture into this file")
    parser.add_argument("--voltages", action="store_true", help="print how far the linear rows of voltages are from AC instead")
    options = parser.parse_args()
    if options.voltages:
        print_voltages(options.communities)
        return
    print("| community | season | charge | losses: trades | injections | AC | peak loading: trades | injections | AC | voltages (p.u.) |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    found: dict[tuple[str, str], Sequence[Row]] = {}
    for name in options.communities:
        cap = community_of(name).charge_cap
        for season, day in DAYS.items():
            question = InTheWires(Case.of(name, Scenario(day, 0)), tuple(share * cap for share in SHARES))
            found[name, season] = question.answer()["points"]
            for share, row in zip(SHARES, found[name, season], strict=True):
                if share in TABLED:
                    print(line(name, season, row), flush=True)
    if options.out is not None:
        picture(found, options.communities).savefig(options.out, dpi=80)


def print_voltages(names: Sequence[str]) -> None:
    """Print a row for each community and season: voltages without a charge, and the errors of rows, also at a tenth of all injections."""
    print(
        "| community | season | AC voltages (p.u.) | greatest change | error of rows | of it | error at a tenth of the injections | of it |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name in names:
        community = make_setting(GameSpec(community=name, voltage_price=100.0), split="train").community
        rows, ac = DcPowerFlow(community.network), AcPowerFlow(community_of(name).network)
        grid = community.network.grid
        buses = grid.branch_to[grid.n_wires :]
        idle = voltage_of(grid, rows.of(np.zeros((1, 1, community.n_prosumers)), np.zeros((1, 1, grid.n_buses))).branch_kw)
        for season, day in DAYS.items():
            free = situation_of(Case.of(name, Scenario(day, 0))).clear_at(0.0)[0]
            net = (free.renewable_used + free.storage_discharge - free.storage_charge - free.demand)[None]
            cells: list[str] = []
            for share in (1.0, 0.1):
                try:
                    truth = ac.of(share * net, np.zeros((1, 1, grid.n_buses))).voltage_pu
                except PowerFlowError:
                    cells += ["no solution", "–", "–", "–"] if share == 1.0 else ["–", "–"]
                    continue
                change = float(np.abs(truth[..., buses] - idle).max())
                error = float(
                    np.abs(truth[..., buses] - voltage_of(grid, rows.of(share * net, np.zeros((1, 1, grid.n_buses))).branch_kw)).max()
                )
                if share == 1.0:
                    cells += [f"{truth[..., buses].min():.3f} to {truth[..., buses].max():.3f}", f"{change:.4f}"]
                cells += [f"{error:.5f}", f"{error / change:.0%}"]
            print(f"| {name} | {season} | {' | '.join(cells)} |", flush=True)


def line(name: str, season: str, row: Row) -> str:
    """Return a row of the table."""
    losses = [row[f"{account}_loss_kwh"] for account in ("trades", "injections", "ac")]
    loadings = [row[f"{account}_peak_loading"] for account in ("trades", "injections", "ac")]
    voltages = "no solution" if row["voltage_min_pu"] is None else f"{row['voltage_min_pu']:.3f} to {row['voltage_max_pu']:.3f}"
    cells = [name, season, f"{row['charge']:.2g}"]
    cells += ["–" if loss is None else f"{loss:,.2f}" if loss < 1000 else f"{loss:,.0f}" for loss in losses]
    cells += ["–" if loading is None else f"{loading:.0%}" for loading in loadings]
    return f"| {' | '.join([*cells, voltages])} |"


def picture(found: dict[tuple[str, str], Sequence[Row]], names: Sequence[str]) -> Figure:
    """Return a row of panels for each community: losses and loading in winter, then in summer."""
    figure = Figure(figsize=(13, 2.0 * len(names) + 0.8), layout="constrained")
    panels = figure.subplots(len(names), 4, squeeze=False)
    for place, name in enumerate(names):
        for half, season in enumerate(DAYS):
            two = panels[place][2 * half : 2 * half + 2]
            draw_wires(two, found[name, season])
            two[0].set_title(f"{name}, {season}", fontsize=9, loc="left")
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    return figure


if __name__ == "__main__":
    main()
