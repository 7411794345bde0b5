"""What a comparison has come to so far: its cells, and a first look at the results; ``gridtoll report`` has the whole."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...envs.arrays import Array
from ..ground.text import Report, table
from ..statistics.intervals import interquartile_mean
from .cells import STATES, Cell, State, community_name, read_result, state_of, why_not_run


@dataclass(frozen=True)
class _Group:
    """An algorithm in a community and information class, with all its seeds."""

    community: str
    information: str
    name: str


def summarise(root: Path, cells: Sequence[Cell]) -> Report:
    """Return how many cells are done, failed, not run and open, and what the algorithms leave of regret.

    A cell that could not run for want of a package has no score; it is listed with what is missing. A failed cell counts as the worst: on
    each day the greatest normalised regret of any algorithm there, and never less than no charge.
    """
    states = Counter(state_of(root / cell.place) for cell in cells)
    results = {cell: result for cell in cells if (result := read_result(root / cell.place)) is not None}
    board = _board(root, results)
    failed = [{"cell": cell.place.as_posix(), "error": result["error"]} for cell, result in results.items() if result["status"] == "failed"]
    counts = _counts(states)
    left_out = _not_run(root, cells)
    values = {"out": str(root), "cells": counts, "failed": failed, "not_run": left_out, "leaderboard": board}
    listed = "".join(f"\nfailed: {entry['cell']}: {entry['error'].splitlines()[0]}" for entry in failed)
    listed += "".join(f"\nnot run: {', '.join(names)}: {reason}" for reason, names in _by_reason(left_out).items())
    listed += _not_kept(results)
    title = f"{root}: " + ", ".join(f"{counts[state]} {'cells ' if state == 'done' else ''}{state}" for state in counts)
    return Report(values, f"{title}{listed}\n{_text(board)}", exit_code=2 if failed or left_out else 0)


def _counts(states: Counter[State]) -> dict[str, int]:
    """Return how many cells are in each state; those not run are counted where there are any."""
    return {state: states[state] for state in STATES if state != "not run" or states[state]}


def _not_run(root: Path, cells: Sequence[Cell]) -> list[dict[str, str]]:
    """Return the cells that could not run, with what is missing."""
    reasons = {cell: why_not_run(root / cell.place) for cell in cells}
    return [
        {"cell": cell.place.as_posix(), "algorithm": cell.name, "error": reason} for cell, reason in reasons.items() if reason is not None
    ]


def _by_reason(left_out: Sequence[dict[str, str]]) -> dict[str, list[str]]:
    """Return the names of the algorithms that each reason keeps from running."""
    reasons: dict[str, list[str]] = {}
    for entry in left_out:
        names = reasons.setdefault(entry["error"], [])
        names += [entry["algorithm"]] if entry["algorithm"] not in names else []
    return reasons


def _not_kept(results: dict[Cell, dict[str, Any]]) -> str:
    """Return a line for each reason why policies are not kept as ONNX."""
    reasons = dict.fromkeys(text for result in results.values() if (text := str(result.get("policy"))).startswith("not kept"))
    return "".join(f"\npolicy.onnx {reason.splitlines()[0]}" for reason in reasons)


def list_cells(root: Path, cells: Sequence[Cell]) -> Report:
    """Return every cell in the order they are run, with its state."""
    states: list[tuple[Cell, State]] = [(cell, state_of(root / cell.place)) for cell in cells]
    counts = Counter(state for _, state in states)
    values = {
        "out": str(root),
        "cells": _counts(counts),
        "list": [{"cell": cell.place.as_posix(), "state": state} for cell, state in states],
    }
    rows = [
        [community_name(cell.task.community), cell.task.information, cell.name, str(cell.seed), str(cell.steps), state]
        for cell, state in states
    ]
    return Report(values, table(["community", "information", "algorithm", "seed", "budget", "state"], rows))


def _board(root: Path, results: dict[Cell, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one entry for each algorithm in each community and information class, in the order of the plan."""
    groups: dict[_Group, list[Cell]] = {}
    for cell in results:
        groups.setdefault(_Group(community_name(cell.task.community), cell.task.information, cell.name), []).append(cell)
    regrets = {cell: _regrets(root / cell.place) for cell, result in results.items() if result["status"] == "done"}
    board = []
    for group, cells in groups.items():
        there = [regrets[cell] for cell in regrets if (community_name(cell.task.community), cell.task.information) == _where(group)]
        worst = np.maximum(np.max(there, axis=0), 1.0) if there else np.full(1, np.nan)  # no charge at all leaves 1
        scores = np.concatenate([regrets.get(cell, worst) for cell in cells])
        scores = scores[np.isfinite(scores)]
        board.append(
            {
                "community": group.community,
                "information": group.information,
                "algorithm": group.name,
                "normalised_regret_mean": float(scores.mean()) if scores.size else None,
                "normalised_regret_iqm": float(interquartile_mean(scores)) if scores.size else None,
                "steps": float(np.mean([results[cell]["steps"] for cell in cells])),
                "clearings": float(np.mean([results[cell]["clearings"] for cell in cells])),
                "seconds": float(np.mean([results[cell]["seconds"] for cell in cells])),
                "seeds": len(cells),
                "failed": sum(cell not in regrets for cell in cells),
            }
        )
    return board


def _where(group: _Group) -> tuple[str, str]:
    return group.community, group.information


def _regrets(folder: Path) -> Array:
    """Return the normalised regret of each test day, NaN where there is next to nothing to win."""
    with (folder / "rows.csv").open(encoding="utf-8", newline="") as file:
        return np.array([float(row["normalised_regret"]) for row in csv.DictReader(file)])


def _text(board: Sequence[dict[str, Any]]) -> str:
    """Return the entries as tables for reading, the least regret first."""
    parts = []
    for community, information in dict.fromkeys((entry["community"], entry["information"]) for entry in board):
        entries = [entry for entry in board if (entry["community"], entry["information"]) == (community, information)]
        entries.sort(key=lambda entry: np.inf if entry["normalised_regret_iqm"] is None else entry["normalised_regret_iqm"])
        rows = [
            [
                entry["algorithm"],
                *("-" if entry[key] is None else f"{entry[key]:.4f}" for key in ("normalised_regret_mean", "normalised_regret_iqm")),
                f"{entry['steps']:.0f}",
                f"{entry['clearings']:.0f}",
                f"{entry['seconds']:.1f}",
                str(entry["seeds"]),
                str(entry["failed"]),
            ]
            for entry in entries
        ]
        header = [f"{community}, {information}", "regret mean", "IQM", "days played", "clearings", "seconds", "seeds", "failed"]
        parts.append(table(header, rows))
    return "\n\n".join(parts)
