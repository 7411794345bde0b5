"""The study's part on markets, by itself: ``gridtoll study --part mechanisms`` writes its tables, pictures and page."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from ..ground import page as pages
from ..ground.plots import save_figure
from ..ground.runs import commit, versions, write_text
from ..ground.text import Report
from ..workers import Workers
from .cases import community_of
from .cells import answer_all
from .naming import called, scenarios_of
from .page import picture, table
from .parts.mechanisms import MECHANISMS, cut_questions, matrix_rows, questions, rounds_rows, rows
from .tables import Row, only, write_csv

_OF_HOUSEHOLDS: Final = ("surplus_eur_per_household", "gain_eur_per_household")
_SHOWN: Final = {
    "mechanisms": (
        ("mechanism", "charge", "operator_profit_eur", "proved", "efficiency", *_OF_HOUSEHOLDS, "loss_kwh", "traded_kwh"),
        "Each market at its own best charge: means per day. Where nothing is proved the charge is the best that was found.",
    ),
    "mechanism_matrix": (
        ("charge_of", "played_under", "operator_profit_eur", "best_known_there_eur", "share_of_best_known"),
        "The charge that is best under one market, played under another.",
    ),
    "mechanism_rounds": (
        ("mechanism", "cut_after", "efficiency", "operator_profit_eur", "messages", "megabytes"),
        "Negotiations that are cut after so many rounds, at the exact market's best charge.",
    ),
}
_STYLE: Final = {"admm": ("#0072B2", "-", "o"), "bilateral": ("#D55E00", "--", "s")}


def study_markets(days: Mapping[str, int], folder: Path, workers: Workers) -> Report:
    """Compare markets on days of systems; what the folder holds already is gone on with.

    Args:
        days: How many of each system, by its name.
        folder: Takes tables (CSV), pictures (PNG), ``index.html`` and the answers to single questions (``cells``).
        workers: Answer the questions.

    Raises:
        OSError: If the folder cannot be written to; before anything is worked out.
        ClearingError: If a day could not be solved to its tolerance.
    """
    scenarios = {system: scenarios_of(community_of(system), count) for system, count in days.items()}
    best = [question for system, on in scenarios.items() for question in questions(system, on)]
    cut = [question for system, on in scenarios.items() for question in cut_questions(system, on[:1])]
    answered = answer_all([*best, *cut], folder / "cells", workers)
    of_best = answered[: len(best)]
    tables = {"mechanisms": rows(of_best), "mechanism_matrix": matrix_rows(of_best), "mechanism_rounds": rounds_rows(answered[len(best) :])}
    tables = {name: [{**row, "system": called(str(row["system"]))} for row in each] for name, each in tables.items()}
    for name, each in tables.items():
        write_csv(folder / f"{name}.csv", each)
    parts = ["<h1>What the choice of a market does to the charge that is best</h1>"]
    for system in map(called, days):
        path = folder / f"{system}-mechanisms.png"
        save_figure(markets_figure(system, tables), path)
        parts += [
            f"<h2>{html.escape(system)}</h2>",
            picture(path, "Left: what each row's charge earns of the best known under each column."),
        ]
        parts += [table(only(tables[name], system=system), columns, caption) for name, (columns, caption) in _SHOWN.items()]
    config = {"days": dict(days), "versions": versions(), "commit": commit()}
    parts.append(f"<h2>How it was made</h2>\n<pre>{html.escape(json.dumps(config, indent=1))}</pre>")
    write_text(folder / "index.html", pages.page("gridtoll study", "\n".join(parts)))
    values: dict[str, Any] = {"folder": str(folder), "page": str(folder / "index.html"), **tables}
    lines = [_in_words(row) for row in tables["mechanisms"]]
    return Report(values, "\n".join([*lines, f"\nwritten to {folder}: index.html, {len(tables)} tables, {len(days)} pictures"]))


def _in_words(row: Row) -> str:
    known = "proved" if row["proved"] else "the exact market's best, replayed" if row["replayed_days"] == 1.0 else "best found"
    earned = f"profit {row['operator_profit_eur']:.4g} EUR/day ({known})"
    return f"{row['system']}: {row['mechanism']}: charge {row['charge']:.4f} EUR/kWh, {earned}, efficiency {row['efficiency']:.1%}"


def markets_figure(system: str, tables: Mapping[str, Sequence[Row]]) -> Figure:
    """Draw what each market's charge earns in the others, the prosumers' gain, and what is kept of negotiations cut short."""
    figure = Figure(figsize=(11.0, 3.8), layout="constrained")
    matrix, gains, cut = figure.subplots(1, 3, width_ratios=(1.4, 1.0, 1.2))
    names = [name.partition(":")[0] for name in MECHANISMS]
    shares = {
        (row["charge_of"], row["played_under"]): row["share_of_best_known"] for row in only(tables["mechanism_matrix"], system=system)
    }
    values = np.array([[np.nan if shares[one, other] is None else shares[one, other] for other in MECHANISMS] for one in MECHANISMS])
    matrix.imshow(np.clip(values, 0.0, 1.0), vmin=0.0, vmax=1.0, cmap="cividis")
    for row, column in np.ndindex(values.shape):
        shown = "–" if np.isnan(values[row, column]) else f"{values[row, column]:.2f}"
        dark = not values[row, column] > 0.6  # where white reads better than black
        matrix.text(column, row, shown, ha="center", va="center", fontsize=8, color="white" if dark else "black")
    matrix.set_xticks(range(len(names)), names, rotation=30, ha="right", fontsize=8)
    matrix.set_yticks(range(len(names)), names, fontsize=8)
    matrix.set_xlabel("played under")
    matrix.set_ylabel("charge of")
    matrix.set_title("profit, share of the best known there", fontsize=9)
    own = {row["mechanism"]: row for row in only(tables["mechanisms"], system=system)}
    gains.barh(range(len(names)), [own[name]["gain_eur_per_household"] for name in MECHANISMS], color="#009E73", edgecolor="black")
    gains.set_yticks(range(len(names)), names, fontsize=8)
    gains.invert_yaxis()
    gains.set_xlabel("a household's gain by trade (EUR/day)")
    for name, (colour, stroke, marker) in _STYLE.items():
        each = only(tables["mechanism_rounds"], system=system, mechanism=name)
        cut.semilogx(
            [row["cut_after"] for row in each], [row["efficiency"] for row in each], stroke, color=colour, marker=marker, label=name
        )
    cut.set_xlabel("rounds")
    cut.set_ylabel("efficiency")
    cut.set_ylim(0, 1.03)
    cut.grid(alpha=0.25)
    cut.legend(fontsize=8)
    figure.suptitle(f"{system}: five markets, each at its own best charge", fontsize=10)
    return figure


def days_of(systems: Sequence[str], *, quick: bool, days: int | None) -> dict[str, int]:
    """Return how many days of each system are compared: 4, or 1 where it is large or quick is wanted."""
    large = 40
    return {system: days or (1 if quick or community_of(system).n_prosumers > large else 4) for system in systems}
