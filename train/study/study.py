"""The whole study: ask everything of every system's days, make the tables, draw, and write the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure

from ...envs.community.calendar import Scenario, count_split_days
from ...envs.community.community import Community
from ..ground.plots import save_figure
from ..ground.runs import commit, versions, write_text
from ..ground.text import Report
from ..workers import Workers
from .cases import community_of
from .cells import Answered, Question, answer_all
from .claims import claim_rows, conclusion_rows
from .curves import costs_figure, overview_figure, scaling_figure, sweep_figure
from .effort import StudySize, spread
from .figures import accounts_figure, charge_models_figure, limits_figure, prosumers_figure, regimes_figure
from .naming import called, scenarios_of
from .page import page
from .parts import accounts, charge_models, limits, network_costs, regimes, scaling, storage, sweeps, wires
from .tables import Row, write_csv
from .wires_figure import wires_figure

Tables = dict[str, list[Row]]
_VERDICT: Final = {True: "holds", False: "does not hold", None: "cannot be told"}


def study(efforts: Mapping[str, StudySize], folder: Path, workers: Workers) -> Report:
    """Run the study into a folder; what it holds already is gone on with.

    Args:
        efforts: How much is asked of each system, by its name (:func:`chosen_systems`, :func:`efforts_of`).
        folder: Takes tables (CSV), pictures (PNG), ``index.html`` and the answers to single questions (``cells``).
        workers: Answer the questions.

    Raises:
        OSError: If the folder cannot be written to; before anything is worked out.
        ClearingError: If a day could not be solved to its tolerance.
    """
    names = {system: called(system) for system in efforts}
    chosen = tuple(names.values())
    tables = tables_of(efforts, folder / "cells", workers)
    for name, rows in tables.items():
        write_csv(folder / f"{name}.csv", rows, regimes.COLUMNS if name == "regimes" else None)
    pictures = {}
    for name, figure in _figures(chosen, tables).items():
        pictures[name] = folder / f"{name}.png"
        save_figure(figure, pictures[name])
    overview = folder / "overview.png"
    save_figure(overview_figure(tables["regime_details"]), overview)
    config: dict[str, Any] = {"systems": list(chosen), "versions": versions(), "commit": commit()}
    words = {names[system]: effort.in_words(_split_of(community_of(system))) for system, effort in efforts.items()}
    write_text(
        folder / "index.html",
        page(config=config, tables=tables, pictures=pictures, overview=overview, regimes=regimes.COLUMNS, efforts=words),
    )
    claims = tables["claims"]
    lines = [f"{row['system']}: {row['claim']}: {_VERDICT[row['holds']]}: {row['in_words']}" for row in claims]
    lines += ["", *(f"{system}: {text}" for system, text in words.items())]
    values = {"folder": str(folder), "page": str(folder / "index.html"), "claims": claims, "regimes": tables["regimes"]}
    return Report(values, "\n".join([*lines, f"\nwritten to {folder}: index.html, {len(tables)} tables, {len(pictures) + 1} pictures"]))


_Ask = Callable[[str, Sequence[Scenario], StudySize], Sequence[Question]]

_ON_ALL_DAYS: Final[Mapping[str, _Ask]] = {
    "regimes": lambda system, scenarios, _: regimes.questions(system, scenarios),
    "welfare charge": lambda system, scenarios, _: regimes.welfare_questions(system, scenarios),
    "storage": lambda system, scenarios, _: storage.questions(system, scenarios),
    "losses": lambda system, scenarios, _: network_costs.loss_questions(system, scenarios),
    "sweeps": sweeps.questions,
}
_ON_SOME_DAYS: Final[Mapping[str, _Ask]] = {
    "charge models": charge_models.questions,
    "limits": limits.questions,
    "accounts": lambda system, scenarios, _: accounts.questions(system, scenarios),
    "scaling": scaling.questions,
    "recovery": network_costs.recovery_questions,
    "wires": wires.curve_questions,
    "promises": lambda system, scenarios, _: wires.promise_questions(system, scenarios),
}


def efforts_of(systems: Sequence[str], *, quick: bool = False, days: int | None = None) -> dict[str, StudySize]:
    """Return how much is asked of each system, by its size, with another number of days where one is given.

    Data with fewer days than that are asked about all they have.
    """
    efforts = {}
    for system in systems:
        community = community_of(system)
        effort = StudySize.of(community.n_prosumers, quick=quick)
        there = count_split_days(community.n_days)["test"] or community.n_days
        efforts[system] = effort.with_days(min(effort.days, there) if days is None else days)
    return efforts


def _split_of(community: Community) -> str:
    return "the test split" if count_split_days(community.n_days)["test"] else "all days"


def tables_of(efforts: Mapping[str, StudySize], cells: Path, workers: Workers) -> Tables:
    """Ask everything of the systems and return the tables by name."""
    parts: list[str] = []
    questions: list[Question] = []
    for system, effort in efforts.items():
        scenarios = scenarios_of(community_of(system), effort.days)
        some = spread(scenarios, effort.variant_days)
        for asking, on in ((_ON_ALL_DAYS, scenarios), (_ON_SOME_DAYS, some)):
            for part, ask in asking.items():
                asked = ask(system, on, effort)
                parts += [part] * len(asked)
                questions += asked
    answered: dict[str, list[Answered]] = {part: [] for part in (*_ON_ALL_DAYS, *_ON_SOME_DAYS)}
    for part, answer in zip(parts, answer_all(questions, cells, workers), strict=True):
        answered[part].append(answer)
    tables = _tables(answered)
    tables["effort"] = [{"system": system, **_flat(effort)} for system, effort in efforts.items()]
    return {
        name: [{**row, "system": called(str(row["system"]))} if "system" in row else row for row in rows] for name, rows in tables.items()
    }


def _flat(effort: StudySize) -> Row:
    """Return an effort as words and numbers; several numbers are one word."""
    return {name: " ".join(f"{part:g}" for part in value) if isinstance(value, tuple) else value for name, value in asdict(effort).items()}


def _tables(answered: Mapping[str, list[Answered]]) -> Tables:
    daily = regimes.daily_rows(answered["regimes"])
    details, prosumers = regimes.regime_rows(daily, "system"), regimes.prosumer_rows(answered["regimes"])
    tables = {
        "regimes": [{name: row[name] for name in regimes.COLUMNS} for row in details],
        "regime_details": details,
        "regimes_daily": daily,
        "welfare_charge": regimes.welfare_charge_rows(answered["welfare charge"], details),
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
        "wires": wires.curve_rows(answered["wires"]),
        "promises": wires.promise_rows(answered["promises"]),
    }
    tables["account_conclusions"] = conclusion_rows(tables["accounts"])
    tables["claims"] = claim_rows(tables)
    return tables


def _figures(systems: Sequence[str], tables: Tables) -> dict[str, Figure]:
    """Return the pictures by name, drawn from the tables alone."""
    figures: dict[str, Figure] = {}
    for system in systems:
        figures |= {
            f"{system}-regimes": regimes_figure(system, tables["regime_details"]),
            f"{system}-prosumers": prosumers_figure(system, tables["prosumers"], tables["fairness"]),
            f"{system}-charge": sweep_figure(system, tables["curves"]),
            f"{system}-charge-models": charge_models_figure(system, tables["charge_models"]),
            f"{system}-limits": limits_figure(system, tables["limits"]),
            f"{system}-accounts": accounts_figure(system, tables["accounts"]),
            f"{system}-scaling": scaling_figure(system, tables["scaling"]),
            f"{system}-costs": costs_figure(system, tables["loss_shares"], tables["cost_recovery"]),
            f"{system}-wires": wires_figure(system, tables["wires"]),
        }
    return figures
