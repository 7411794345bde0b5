"""The best charges of each day of a split, and those of the hourly game."""

from __future__ import annotations

import argparse
import time

from ....envs.games.spec import GameSpec
from ...ground.text import Report, lines
from ...references import hours_table
from ...references.ends import find_hourly
from ...references.one_store import require_one_store, save_store
from ...references.optima import find_optima
from ...references.optima_table import summary_of, summary_table, write_rows
from ...references.solved import Settings
from ...task import environment_of
from ..options import workers_from
from ..options.games import effort_from, title_of
from .asked import keep_prosumers, scenarios_of, shown


def solve_hourly(options: argparse.Namespace, task: GameSpec) -> Report:
    """Search the best sequences of charges of the hourly game."""
    began = time.perf_counter()
    effort, scenarios = effort_from(options, seed=options.seed), scenarios_of(options, task)
    for name in ("tolerance", "certificate"):
        if getattr(options, name) is not None:
            require_one_store(task, scenarios[0], f"--{name}")
    with workers_from(options) as workers:
        found = find_hourly(task, scenarios, workers, effort, recompute=options.recompute)
    if options.out is not None:
        hours_table.write_rows(options.out, found)
    if options.split is not None:
        summary = hours_table.summary_of(found, seconds=time.perf_counter() - began)
        text = f"{title_of(task)}, {options.split} days\n{hours_table.summary_table(summary)}"
        return Report(summary, text, exit_code=2 if summary["failed"] else 0)
    [entry] = found
    if entry.solved is None:
        raise ValueError(f"the search must clear every plan, but {entry.error}.")
    values = hours_table.values_of(entry.solved) | {"from_store": entry.was_stored}
    told = "These charges are optimal." if entry.solved.certified else "The best found; the optimum lies between it and the bound."
    if options.certificate is not None:
        proved = save_store(options.certificate, task, entry.scenario)
        told += f"\n{options.certificate} has the proof; gridtoll verify checks it."
        if proved.upper_bound_eur > entry.solved.upper_bound_eur:
            told += f" It proves {proved.upper_bound_eur:.6g} EUR. The lesser bound above is that for any belief, which has no file."
    label = environment_of(task).day_of(entry.scenario).label
    return Report(values, f"{label}, {title_of(task)}\n{lines(shown(values))}\n{told}")


def solve_split(options: argparse.Namespace, task: GameSpec, settings: Settings) -> Report:
    """Solve the days of a split into the store."""
    began = time.perf_counter()
    scenarios = scenarios_of(options, task)
    try:
        with workers_from(options) as workers:
            found = find_optima(task, scenarios, workers, settings, recompute=options.recompute)
            keep_prosumers(options, task, [(entry.scenario, entry.solved) for entry in found], workers)
    except ImportError as error:  # no day can be solved without the package
        raise ValueError(str(error)) from error
    if options.out is not None:
        write_rows(options.out, found)
    summary = summary_of(found, seconds=time.perf_counter() - began)
    title = f"{title_of(task)}, {len(found)} {options.split} days"
    return Report(summary, f"{title}\n{summary_table(summary)}", exit_code=2 if summary["failed"] else 0)
