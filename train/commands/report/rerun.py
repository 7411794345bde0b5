"""A comparison that was run again beside the one that was kept: which cells came out the same, and how far others are off.

Cells are matched by community, information class, algorithm and seed, rows by day and price path. What a leader charged and what came of
it is compared, in EUR/kWh and EUR; what says by which software and how fast is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pandas as pd

from ...ground.text import table
from ...reports.results import CELL, Results

TOLERANCE: Final = 1e-6
"""EUR, and EUR/kWh of charges, to which two rows are the same unless told otherwise."""
_COMPARED: Final = ("charge", "profit_eur", "welfare_eur", "optimum_eur", "zero_eur")
_DAY: Final = ["day", "price_path"]
Verdict = Literal["same", "differs", "other days", "other data", "failed", "not in the kept one"]


@dataclass(frozen=True, kw_only=True)
class CellCheck:
    """One cell of a rerun beside the kept one.

    Attributes:
        community: Name.
        information: Class.
        algorithm: Its name.
        seed: Of the training.
        verdict: What came of it.
        days: Rows compared.
        greatest_difference: In EUR, or EUR/kWh where it is of charges; NaN where rows could not be compared.
        column: Which column has it.
        day: On which day.
    """

    community: str
    information: str
    algorithm: str
    seed: int
    verdict: Verdict
    days: int = 0
    greatest_difference: float = float("nan")
    column: str = ""
    day: int = -1

    @property
    def is_known(self) -> bool:
        """Whether there is a kept cell to compare it with."""
        return self.verdict != "not in the kept one"


def check_rerun(again: Results, kept: Results, *, tolerance: float = TOLERANCE) -> list[CellCheck]:
    """Compare every cell of a rerun with the kept one of the same name.

    Args:
        again: The rerun.
        kept: What it is compared with.
        tolerance: EUR, and EUR/kWh, to which numbers are the same.

    Raises:
        ValueError: If the tolerance is negative or no number, or no cell of the rerun is among the kept ones.
    """
    if not tolerance >= 0.0:
        raise ValueError(f"`tolerance` must be a number of at least 0, got {tolerance!r}.")
    before, after = _by_cell(kept), _by_cell(again)
    failed_before = {cell.key for cell in kept.failed}
    found = []
    for cell in again.cells:
        name: dict[str, Any] = dict(zip(CELL, cell.key, strict=True))
        if cell.key not in before and cell.key not in failed_before:
            found.append(CellCheck(**name, verdict="not in the kept one"))
        elif cell.failed or cell.key in failed_before:
            both = cell.failed and cell.key in failed_before
            found.append(CellCheck(**name, verdict="same" if both else "failed"))
        else:
            found.append(CellCheck(**name, **_compared(after[cell.key], before[cell.key], tolerance)))
    if not any(each.is_known for each in found):
        have = ", ".join(sorted({f"{key[2]} on {key[0]}" for key in before})[:6])
        raise ValueError(f"a rerun must have cells in common with what it is compared with, got none. There are {have} and others.")
    return found


def _by_cell(results: Results) -> dict[tuple[Any, ...], pd.DataFrame]:
    return {tuple(key): group for key, group in results.rows.groupby(list(CELL), sort=False)}


def _compared(again: pd.DataFrame, kept: pd.DataFrame, tolerance: float) -> dict[str, Any]:
    """Return the verdict on a cell's rows, and where they are farthest apart."""
    left, right = again.set_index(_DAY).sort_index(), kept.set_index(_DAY).sort_index()
    common = left.index.intersection(right.index)
    if not len(common) or len(common) < len(left):
        return {"verdict": "other days", "days": len(common)}
    left, right = left.loc[common], right.loc[common]
    if (left["scenario_hash"] != right["scenario_hash"]).any():
        return {"verdict": "other data", "days": len(common)}
    apart = {name: _apart(left[name], right[name]) for name in _COMPARED}
    column = max(apart, key=lambda name: float(apart[name].max()))
    place = int(np.argmax(apart[column]))
    greatest = float(apart[column][place])
    verdict = "same" if greatest <= tolerance else "differs"
    return {"verdict": verdict, "days": len(common), "greatest_difference": greatest, "column": column, "day": int(common[place][0])}


def _apart(left: pd.Series[Any], right: pd.Series[Any]) -> np.ndarray[Any, Any]:
    """Return how far two columns are apart, row by row; words are numbers separated by spaces, infinite where their numbers differ."""
    found = []
    for one, other in zip(left, right, strict=True):
        a, b = (np.array([float(part) for part in str(each).split()]) for each in (one, other))
        same = a.shape == b.shape
        found.append(float(np.max(np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b)), initial=0.0)) if same else np.inf)
    return np.asarray(np.nan_to_num(np.array(found), nan=np.inf))


def rerun_text(found: list[CellCheck], tolerance: float) -> str:
    """Return what came of every cell, for reading."""
    rows = [
        [
            f"{each.algorithm}, seed {each.seed} ({each.community}, {each.information})",
            each.verdict,
            str(each.days),
            f"{each.greatest_difference:.3g}" if each.column else "",
            f"{each.column}, day {each.day}" if each.column else "",
        ]
        for each in found
    ]
    known = [each for each in found if each.is_known]
    same = sum(each.verdict == "same" for each in known)
    told = f"{same} of {len(known)} cells came out the same to {tolerance:g} EUR (EUR/kWh for charges)"
    new = len(found) - len(known)
    if new:
        told += f"; {new} have no kept one"
    return f"{table(['cell', 'verdict', 'days', 'greatest difference', 'where'], rows)}\n{told}"


def rerun_values(found: list[CellCheck], tolerance: float) -> Mapping[str, Any]:
    """Return the same for ``--json``."""
    known = [each for each in found if each.is_known]
    return {"same": all(each.verdict == "same" for each in known), "tolerance": tolerance, "cells": [vars(each) for each in found]}
