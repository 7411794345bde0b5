"""The study's part on wires, by itself: ``gridtoll study --part wires`` writes its tables, pictures and page for any community."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ..ground import page as pages
from ..ground.plots import save_figure
from ..ground.runs import commit, versions, write_text
from ..ground.text import Report
from ..workers import Workers
from .cases import community_of
from .cells import answer_all
from .effort import StudySize
from .naming import called, scenarios_of
from .page import CAPTIONS, PROMISES, picture, table
from .parts.wires import FOR_ALL, FOR_OPERATOR, curve_questions, curve_rows, promise_questions, promise_rows
from .tables import Row, one, only, write_csv
from .wires_figure import wires_figure

_CAPTION: Final = (
    "What is promised by each account, and what the same charge comes to in the wires: means over the days on which every regime but "
    "Social P2P has an AC power flow."
)


def study_wires(efforts: Mapping[str, StudySize], folder: Path, workers: Workers) -> Report:
    """Ask what the wires make of it on days of systems; what the folder holds already is gone on with.

    Args:
        efforts: How much is asked of each system, by its name.
        folder: Takes tables (CSV), pictures (PNG), ``index.html`` and the answers to single questions (``cells``).
        workers: Answer the questions.

    Raises:
        OSError: If the folder cannot be written to; before anything is worked out.
        ClearingError: If a day could not be solved to its tolerance.
    """
    scenarios = {system: scenarios_of(community_of(system), effort.days) for system, effort in efforts.items()}
    curves = [question for system, on in scenarios.items() for question in curve_questions(system, on, efforts[system])]
    promises = [question for system, on in scenarios.items() for question in promise_questions(system, on)]
    answered = answer_all([*curves, *promises], folder / "cells", workers)
    tables = {"wires": curve_rows(answered[: len(curves)]), "promises": promise_rows(answered[len(curves) :])}
    tables = {name: [{**row, "system": called(str(row["system"]))} for row in rows] for name, rows in tables.items()}
    for name, rows in tables.items():
        write_csv(folder / f"{name}.csv", rows)
    parts, lines = ["<h1>What the wires make of it</h1>"], list[str]()
    for system in map(called, efforts):
        path, of_system = folder / f"{system}-wires.png", only(tables["promises"], system=system)
        save_figure(wires_figure(system, tables["wires"]), path)
        lines += in_words(system, of_system)
        parts += [f"<h2>{html.escape(system)}</h2>", picture(path, CAPTIONS["wires"]), table(of_system, PROMISES, _CAPTION)]
    config = {"days": {system: effort.days for system, effort in efforts.items()}, "versions": versions(), "commit": commit()}
    parts.append(f"<h2>How it was made</h2>\n<pre>{html.escape(json.dumps(config, indent=1))}</pre>")
    write_text(folder / "index.html", pages.page("gridtoll study", "\n".join(parts)))
    values: dict[str, Any] = {"folder": str(folder), "page": str(folder / "index.html"), "promises": tables["promises"]}
    return Report(values, "\n".join([*lines, f"\nwritten to {folder}: index.html, {len(tables)} tables, {len(efforts)} pictures"]))


def in_words(system: str, rows: list[Row]) -> list[str]:
    """Return what a system's regimes promised and earned, a line for each account and one for the best charge found in the wires."""
    best = one(rows, regime=FOR_OPERATOR)
    days = f"{best['days_compared']} of {best['days']} days"
    if not best["days_compared"]:
        return [f"{system}: the wires carry none of {best['days']} days at every charge that is compared"]
    lines = []
    for account in ("trades", "injections"):
        row = one(rows, regime=f"optimal by {account}")
        promised, earned = row["promised_profit_eur"], row["ac_profit_eur"]
        lines.append(
            f"{system}: best by {account}: charge {row['charge']:.4f} EUR/kWh, promised {promised:,.2f} EUR/day, earned {earned:,.2f} "
            f"({days})"
        )
    below = [one(rows, regime=f"{regime}, subsidies allowed")["days_below_zero"] for regime in (FOR_OPERATOR, FOR_ALL)]
    lines.append(
        f"{system}: best found in the wires: charge {best['charge']:.4f} EUR/kWh, earned {best['ac_profit_eur']:,.2f} EUR/day; a charge "
        f"below zero was better on {below[0]} days for the operator, on {below[1]} for all together"
    )
    return lines
