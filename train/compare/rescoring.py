"""Scoring finished cells again: what is known of their test days may be more than when they were scored.

A longer search, or a tighter proof, changes neither what a leader charged nor what it earned; only what that is compared with. Clairvoyants
look at the days themselves: their cells are begun anew where more is known.

Where the data of a day are others than when it was scored, in last digits say, the charge that was posted is cleared again. If it earns
what it earned, the cell stays, with rows of today's data; if it does not, the leader might charge otherwise today, and its cell is begun
anew.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...agents.fixed.day_ahead import ConstantPolicy
from ...envs.community.calendar import Scenario
from ...envs.games.spec import GameSpec
from ..ground.runs import sha256
from ..learning.algorithms import CLAIRVOYANTS
from ..references.ends import Ends, references
from ..references.hours import SearchEffort
from ..references.optima import scenario_hash
from ..scoring.evaluate import Leader, evaluate_leader
from ..scoring.regret import normalised_regret
from ..scoring.rows import Row, write_rows
from ..task import environment_of
from ..workers import Workers
from .carried import earns_the_same
from .cells import Cell, read_result, write_result
from .row_files import load_rows


def score_again(root: Path, cells: Sequence[Cell], workers: Workers) -> int:
    """Score the finished cells of a comparison against what is known of their test days now, and return how many changed.

    Args:
        root: Folder of the comparison, at which no other process is at work.
        cells: Of its plan.
        workers: Find what is not in the store.

    Raises:
        ClearingError: If a reference could not be found, or a day not cleared again.
    """
    changed = 0
    known: dict[tuple[GameSpec, SearchEffort | None, tuple[Scenario, ...]], tuple[Sequence[Ends], list[str]]] = {}
    for cell in cells:
        folder = root / cell.place
        result = read_result(folder)
        if result is None or result["status"] != "done":
            continue
        rows = load_rows(folder / "rows.csv")
        scenarios = tuple(Scenario(row.day, row.price_path) for row in rows)
        question = (cell.task.changed(information="public"), cell.effort, scenarios)  # what leaders observe is no part of it
        if question not in known:
            found = references(question[0], scenarios, workers, cell.effort)
            known[question] = found, [scenario_hash(question[0], scenario) for scenario in scenarios]
        ends, hashes = known[question]
        same_data = [row.scenario_hash for row in rows] == hashes
        scored = _scored(cell, rows, ends) if same_data else _cleared_again(cell, rows, ends, workers)
        if repr(scored) == repr(rows):  # NaN differs from itself
            continue
        changed += 1
        (folder / "cell.json").unlink()  # so that a kill leaves a cell that is not complete
        if cell.algorithm in CLAIRVOYANTS or scored is None:
            shutil.rmtree(folder)
        else:
            write_rows(folder / "rows.csv", scored)
            write_result(folder, {**result, "rows_sha256": sha256(folder / "rows.csv")})
    return changed


def _cleared_again(cell: Cell, rows: Sequence[Row], ends: Sequence[Ends], workers: Workers) -> list[Row] | None:
    """Return rows of the charges that were posted, cleared on the days as they are now; None where the cell must be begun anew."""
    if cell.task.env != "day-ahead" or cell.algorithm in CLAIRVOYANTS:
        return None
    posted = {Scenario(row.day, row.price_path): ConstantPolicy([float(word) for word in row.charge.split()]) for row in rows}
    leader = Leader(rows[0].algorithm, posted.__getitem__, rows[0].seed)
    again = evaluate_leader(leader, cell.task, list(posted), workers, split=rows[0].split, scale=ends).rows
    same = all(earns_the_same(new.objective_eur, old.objective_eur) for new, old in zip(again, rows, strict=True))
    return list(again) if same else None


def _scored(cell: Cell, rows: Sequence[Row], ends: Sequence[Ends]) -> list[Row]:
    normalised = normalised_regret(environment_of(cell.task).community, ends, np.array([row.objective_eur for row in rows]))
    return [
        replace(
            row,
            optimum_eur=each.best_eur,
            upper_bound_eur=each.upper_bound_eur,
            zero_eur=each.zero_eur,
            regret_eur=each.best_eur - row.objective_eur,
            normalised_regret=float(share),
            excluded=bool(np.isnan(share)),
            optimum_charge=each.charges[0] if len(each.charges) == 1 else float("nan"),
            optimum_relative_gap=each.relative_gap,
            certified=each.certified,
        )
        for row, each, share in zip(rows, ends, normalised, strict=True)
    ]
