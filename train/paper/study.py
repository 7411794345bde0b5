"""The whole study: ask everything of every system's days, make the tables, draw, and write the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure

from ...envs.calendar import Scenario
from ...envs.errors import unknown_name
from ..plots import save_figure
from ..report import Report
from ..runs import commit, versions, write_text
from ..workers import Workers
from . import accounts, charge_models, limits, network_costs, regimes, scaling, storage, sweeps
from .cases import community_of
from .cells import Answered, Question, answer_all
from .claims import claim_rows
from .curves import costs_figure, overview_figure, scaling_figure, sweep_figure
from .effort import Effort
from .figures import accounts_figure, charge_models_figure, limits_figure, prosumers_figure, regimes_figure
from .page import page
from .tables import Row, write_csv

SYSTEMS: Final = ("ieee9", "ieee39", "ieee57", "ieee118", "case33bw", "simbench-rural")
"""What ``all`` means: the paper's systems, and two distribution grids."""
SMALLEST: Final = "two-prosumers"
"""Also accepted, for a quick look."""

Tables = dict[str, list[Row]]
_VERDICT: Final = {True: "holds", False: "does not hold", None: "cannot be told"}


def study(systems: Sequence[str], folder: Path, workers: Workers, effort: Effort) -> Report:
    """Run the study into a folder; what it holds already is gone on with.

    Args:
        systems: Names of ``SYSTEMS``, ``two-prosumers``, or ``"all"``.
        folder: Takes tables (CSV), pictures (PNG), ``index.html`` and the answers to single questions (``cells``).
        workers: Answer the questions.
        effort: How much is asked.

    Raises:
        ValueError: If a system is unknown.
        ClearingError: If a day could not be solved to its tolerance.
    """
    chosen = chosen_systems(systems)
    tables = tables_of(chosen, folder / "cells", workers, effort)
    for name, rows in tables.items():
        write_csv(folder / f"{name}.csv", rows, regimes.COLUMNS if name == "regimes" else None)
    pictures = {}
    for name, figure in _figures(chosen, tables).items():
        pictures[name] = folder / f"{name}.png"
        save_figure(figure, pictures[name])
    overview = folder / "overview.png"
    save_figure(overview_figure(tables["regime_details"]), overview)
    config: dict[str, Any] = {"systems": list(chosen), "effort": asdict(effort), "versions": versions(), "commit": commit()}
    write_text(folder / "index.html", page(config=config, tables=tables, pictures=pictures, overview=overview, regimes=regimes.COLUMNS))
    claims = tables["claims"]
    lines = [f"{row['system']}: {row['claim']}: {_VERDICT[row['holds']]}: {row['in_words']}" for row in claims]
    values = {"folder": str(folder), "page": str(folder / "index.html"), "claims": claims, "regimes": tables["regimes"]}
    return Report(values, "\n".join([*lines, f"\nwritten to {folder}: index.html, {len(tables)} tables, {len(pictures) + 1} pictures"]))


def chosen_systems(names: Sequence[str]) -> tuple[str, ...]:
    """Return the systems named, each once, ``"all"`` spelt out.

    Raises:
        ValueError: If one is unknown.
    """
    known = (*SYSTEMS, SMALLEST)
    for name in names:
        if name not in (*known, "all"):
            raise unknown_name("a system of the study", name, (*known, "all"))
    spelt = [system for name in names for system in (SYSTEMS if name == "all" else (name,))]
    return tuple(dict.fromkeys(spelt))


_Ask = Callable[[str, Sequence[Scenario], Effort], Sequence[Question]]

_PARTS: Final[Mapping[str, _Ask]] = {
    "regimes": lambda system, scenarios, _: regimes.questions(system, scenarios),
    "sweeps": sweeps.questions,
    "storage": lambda system, scenarios, _: storage.questions(system, scenarios),
    "charge models": charge_models.questions,
    "limits": limits.questions,
    "accounts": lambda system, scenarios, _: accounts.questions(system, scenarios),
    "scaling": scaling.questions,
    "losses": lambda system, scenarios, _: network_costs.loss_questions(system, scenarios),
    "recovery": network_costs.recovery_questions,
}


def tables_of(systems: Sequence[str], cells: Path, workers: Workers, effort: Effort) -> Tables:
    """Ask everything and return the tables by name."""
    parts: list[str] = []
    questions: list[Question] = []
    for system in systems:
        scenarios = community_of(system).scenarios("test", effort.days)
        for part, ask in _PARTS.items():
            asked = ask(system, scenarios, effort)
            parts += [part] * len(asked)
            questions += asked
    answered: dict[str, list[Answered]] = {part: [] for part in _PARTS}
    for part, answer in zip(parts, answer_all(questions, cells, workers), strict=True):
        answered[part].append(answer)
    return _tables(answered)


def _tables(answered: Mapping[str, list[Answered]]) -> Tables:
    daily = regimes.daily_rows(answered["regimes"])
    details, prosumers = regimes.regime_rows(daily, "system"), regimes.prosumer_rows(answered["regimes"])
    tables = {
        "regimes": [{name: row[name] for name in regimes.COLUMNS} for row in details],
        "regime_details": details,
        "regimes_daily": daily,
        "welfare_charge": regimes.welfare_charge_rows(answered["regimes"], details),
        "prosumers": prosumers,
        "fairness": regimes.fairness_rows(answered["regimes"], prosumers),
        "curves": sweeps.rows(answered["sweeps"]),
        "storage": storage.rows(answered["storage"]),
        "charge_models": charge_models.rows(answered["charge models"]),
        "limits": limits.rows(answered["limits"]),
        "accounts": accounts.rows(answered["accounts"]),
        "scaling": scaling.rows(answered["scaling"]),
        "loss_shares": network_costs.loss_rows(answered["losses"]),
        "cost_recovery": network_costs.recovery_rows(answered["recovery"]),
    }
    tables["claims"] = claim_rows(tables)
    return tables


def _figures(systems: Sequence[str], tables: Tables) -> dict[str, Figure]:
    """Return the pictures by name, drawn from the tables alone."""
    figures: dict[str, Figure] = {}
    for system in systems:
        figures |= {
            f"{system}-regimes": regimes_figure(system, tables["regime_details"]),
            f"{system}-prosumers": prosumers_figure(system, tables["prosumers"], tables["fairness"]),
            f"{system}-charge": sweep_figure(system, tables["curves"], tables["storage"]),
            f"{system}-charge-models": charge_models_figure(system, tables["charge_models"]),
            f"{system}-limits": limits_figure(system, tables["limits"]),
            f"{system}-accounts": accounts_figure(system, tables["accounts"]),
            f"{system}-scaling": scaling_figure(system, tables["scaling"]),
            f"{system}-costs": costs_figure(system, tables["loss_shares"], tables["cost_recovery"]),
        }
    return figures
