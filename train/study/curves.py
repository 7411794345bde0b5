"""Pictures of a study that are curves: against the charge, scaling, who pays for losses, cost recovery, all systems together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .figures import REGIME_STYLE, scaled
from .tables import Row, only

_WITH, _WITHOUT = ("#0072B2", "-", "o"), ("#D55E00", "--", "s")
_CLEAR: Final[dict[str, Any]] = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
_AT_MOST: Final = 24
"""Prosumers whose shares are drawn: more cannot be told apart."""
_METHOD_STYLE: Final = {
    "pro rata": ("#56B4E9", "o"),
    "marginal": ("#009E73", "^"),
    "proportional sharing": ("#E69F00", "D"),
    "shapley": ("#CC79A7", "v"),
}


def sweep_figure(system: str, curves: Sequence[Row]) -> Figure:
    """Draw operator profit, welfare, losses and trade against the charge, with storage and without; lines mark the greatest profit."""
    figure = Figure(figsize=(7.5, 5.8), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True).ravel()
    fields = (
        ("operator_profit_eur", "operator profit", "EUR/day"),
        ("welfare_eur", "welfare less that at charge 0", "EUR/day"),
        ("loss_kwh", "losses caused", "kWh/day"),
        ("traded_kwh", "energy traded", "kWh/day"),
    )
    lines = {there: only(curves, system=system, storage=there) for there in (True, False)}
    for axes, (name, label, unit) in zip(panels, fields, strict=True):
        base = {there: rows[0][name] if name == "welfare_eur" else 0.0 for there, rows in lines.items()}
        numbers, word = scaled([row[name] - base[there] for there, rows in lines.items() for row in rows], unit)
        for there, (colour, stroke, marker) in ((True, _WITH), (False, _WITHOUT)):
            count = len(lines[there])
            values = numbers[:count] if there else numbers[-count:]
            charges = [row["charge"] for row in lines[there]]
            text = "with storage" if there else "without storage"
            axes.plot(charges, values, stroke, color=colour, marker=marker, markersize=3, linewidth=1.4, label=text)
            best = max(lines[there], key=lambda row: float(row["operator_profit_eur"]))["charge"]
            axes.axvline(best, color=colour, linestyle=stroke, linewidth=0.9, alpha=0.7)
        axes.set_ylabel(f"{label}\n({word})")
        axes.grid(alpha=0.25)
        axes.set_xlim(left=0)
    panels[0].axhline(0, color="black", linewidth=0.6)
    panels[0].legend(fontsize=8)
    for axes in panels[2:]:
        axes.set_xlabel("charge at mean distance (EUR/kWh)")
    figure.suptitle(
        f"{system}: everything against the charge, means over days\n(vertical lines: where the mean profit is greatest)", fontsize=10
    )
    return figure


def scaling_figure(system: str, scaling: Sequence[Row]) -> Figure:
    """Draw the equilibrium charge, profit and trade per prosumer against the renewable share and the size of the community."""
    figure = Figure(figsize=(9.5, 5.4), layout="constrained")
    panels = figure.subplots(2, 3)
    fields = (
        ("charge", "equilibrium charge", "EUR/kWh"),
        ("operator_profit_eur_per_prosumer", "profit per prosumer", "EUR/day"),
        ("traded_kwh_per_prosumer", "traded per prosumer", "kWh/day"),
    )
    for line, (along, across, label, factor) in zip(
        panels,
        (("renewable", "renewable_share", "solar and wind over load (%)", 100.0), ("size", "prosumers", "prosumers", 1.0)),
        strict=True,
    ):
        rows = only(scaling, system=system, along=along)
        at = [factor * row[across] for row in rows]
        for axes, (name, title, unit) in zip(line, fields, strict=True):
            optimal, free = [row[name] for row in rows], [row[f"free_{name}"] for row in rows if f"free_{name}" in row]
            values, word = scaled([*optimal, *free], unit)
            axes.plot(at, values[: len(at)], "-o", color="#D55E00", markersize=5, linewidth=1.4, label="Optimal P2P")
            if free:
                axes.plot(at, values[len(at) :], "--s", color="#0072B2", markersize=4, linewidth=1.2, label="Free P2P")
                axes.legend(fontsize=8)
            axes.set(xlabel=label, ylabel=f"{title}\n({word})")
            axes.set_ylim(0, 1.1 * max((value for value in values if value > 0), default=1.0))
            axes.set_xlim(0, 1.05 * max(at, default=1.0))
            axes.grid(alpha=0.25)
    figure.suptitle(f"{system}: the equilibrium as renewables (above) and the community (below) grow, means over days", fontsize=10)
    return figure


def costs_figure(system: str, losses: Sequence[Row], recovery: Sequence[Row]) -> Figure:
    """Draw each prosumer's share of the losses by method beside its share of the charges, and the least charge that recovers a cost."""
    figure = Figure(figsize=(10.5, 3.8), layout="constrained")
    shares, least = figure.subplots(1, 2, width_ratios=(1.8, 1))
    _draw_shares(shares, only(losses, system=system))
    rows = only(recovery, system=system)
    at = [100 * row["cost_share_of_retail_bill"] for row in rows]
    charges = [np.nan if row["least_charge"] is None else row["least_charge"] for row in rows]
    least.plot(at, charges, "-o", color="#0072B2", markersize=5)
    for place, row, charge in zip(at, rows, charges, strict=True):
        above = charge if np.isfinite(charge) else 0.0
        text = f"{row['days_recovered']}/{row['days']} days"
        least.annotate(text, (place, above), xytext=(-5, 5), textcoords="offset points", ha="right", fontsize=7)
    least.set(xlabel="cost (% of the day's retail bill)", ylabel="least charge that recovers it\n(EUR/kWh, mean of days where one does)")
    least.set_xscale("log")
    least.set_xticks(at, [f"{place:g}" for place in at])
    least.minorticks_off()
    least.set_ylim(0, 1.25 * max((charge for charge in charges if charge > 0), default=1.0))
    least.margins(x=0.3)
    least.grid(alpha=0.25)
    figure.suptitle(f"{system}: who pays for losses at the equilibrium, and what the charge can recover", fontsize=10)
    return figure


def _draw_shares(axes: Axes, rows: Sequence[Row]) -> None:
    methods = list(dict.fromkeys(row["method"] for row in rows))
    everybody = sorted(only(rows, method=methods[0]), key=lambda row: -(row["charge_eur"] or 0.0))
    paid = np.array([row["charge_eur"] for row in everybody])
    order = [row["prosumer"] for row in everybody[:_AT_MOST]]
    shares = 100 * paid[: len(order)] / (paid.sum() or 1.0)
    axes.bar(range(len(order)), shares, 0.7, color="#DDDDDD", edgecolor="black", linewidth=0.5, label="charges paid")
    for place, method in enumerate(methods):
        by = {row["prosumer"]: row["loss_kwh"] for row in only(rows, method=method)}
        total = sum(by.values()) or 1.0
        colour, marker = _METHOD_STYLE[method]
        at = np.arange(len(order)) + 0.15 * (place - (len(methods) - 1) / 2)
        axes.plot(
            at,
            [100 * by[who] / total for who in order],
            marker,
            color=colour,
            markeredgecolor="black",
            markersize=5,
            label=method.replace("shapley", "Shapley value"),
        )
    axes.set_xticks(range(len(order)), [str(who) for who in order], fontsize=8)
    which = "" if len(order) == len(everybody) else f" (the {len(order)} of {len(everybody)} that pay most)"
    axes.set(xlabel=f"prosumer, by charges paid{which}", ylabel="share of losses caused,\nand of charges (%)")
    axes.axhline(0, color="black", linewidth=0.8)
    axes.legend(fontsize=8)


def overview_figure(details: Sequence[Row]) -> Figure:
    """Draw how much of Social P2P's welfare gain Free and Optimal P2P keep, and who has it, for all systems."""
    systems = list(dict.fromkeys(row["system"] for row in details))
    figure = Figure(figsize=(10, 1.6 + 0.42 * len(systems)), layout="constrained")
    kept, split = figure.subplots(1, 2, sharey=True)
    for place, system in enumerate(systems):
        rows = {row["regime"]: row for row in only(details, system=system)}
        gain = rows["social"]["welfare_eur"] - rows["no"]["welfare_eur"]
        for shift, regime in ((-0.2, "free"), (0.2, "optimal")):
            label, colour, hatch = REGIME_STYLE[regime]
            share = rows[regime]["share_of_social_gain"]
            value = np.nan if share is None else 100 * share
            text = label if place == 0 else None
            kept.barh(place + shift, value, 0.36, color=colour, hatch=hatch, edgecolor="black", linewidth=0.6, label=text)
            kept.annotate(
                f"{value:.1f}", (value, place + shift), xytext=(3, 0), textcoords="offset points", va="center", fontsize=7, bbox=_CLEAR
            )
        left = 0.0
        for name, colour, hatch, label in (
            ("operator_profit_eur", "#D55E00", "xx", "operator"),
            ("prosumer_surplus_eur", "#56B4E9", "//", "prosumers"),
        ):
            width = 100 * (rows["optimal"][name] - rows["no"][name]) / gain if gain > 0 else np.nan
            text = label if place == 0 else None
            split.barh(place, width, 0.5, left=left, color=colour, hatch=hatch, edgecolor="black", linewidth=0.6, label=text)
            left += width
    kept.set_yticks(range(len(systems)), systems)
    kept.invert_yaxis()
    kept.set_xlim(0, 115)
    kept.set_xlabel("share of Social P2P's welfare gain kept (%)")
    split.set_xlabel("who has it under Optimal P2P (% of Social's gain)")
    for axes in (kept, split):
        axes.axvline(100, color="black", linestyle="--", linewidth=0.8)
        axes.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    return figure
