"""The picture of what is contractual and what is physical: losses and peak loading against the charge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from matplotlib.figure import Figure

from .tables import Row, only

LINES: Final = (
    ("trades", "trades (contractual)", "#56B4E9", "--"),
    ("injections", "injections, linear", "#E69F00", "-."),
    ("ac", "AC of all injections", "#D55E00", "-"),
)


def wires_figure(system: str, rows: Sequence[Row]) -> Figure:
    """Draw losses and peak loading of a system against the charge, by each account and by AC."""
    figure = Figure(figsize=(8.5, 3.4), layout="constrained")
    draw_wires(figure.subplots(1, 2), only(rows, system=system))
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(f"{system}: contractual and physical", fontsize=11)
    return figure


def draw_wires(panels: Any, rows: Sequence[Row]) -> None:
    """Draw into two panels: losses in kWh a day (AC's are all of the grid, iron losses included), and the peak loading in percent."""
    charges = [row["charge"] for row in rows]
    for axes, (name, label, factor) in zip(
        panels, (("loss_kwh", "losses (kWh/day)", 1.0), ("peak_loading", "peak loading (%)", 100.0)), strict=True
    ):
        for account, text, colour, style in LINES:
            values = [row[f"{account}_{name}"] for row in rows]
            there = [(charge, factor * value) for charge, value in zip(charges, values, strict=True) if value is not None]
            axes.plot(*zip(*there, strict=True) if there else ([], []), color=colour, linestyle=style, label=text)
            if not there:
                axes.text(0.97, 0.06, f"{text.partition(' ')[0]}: no solution", transform=axes.transAxes, ha="right", fontsize=8)
        axes.set_xlabel("charge (EUR/kWh)")
        axes.set_ylabel(label)
        axes.set_ylim(bottom=0)
