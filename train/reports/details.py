"""What lies beneath a leaderboard: regret by season, regret against effort, the worst days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np

from ...envs.arrays import Array
from ...envs.community.calendar import season
from .scores import Group, Scored

SEASONS: Final = ("winter", "spring", "summer", "autumn")
AXES: Final = {"steps": "training days played", "clearings": "market clearings learned from", "seconds": "wall time of learning (s)"}
"""What effort is measured in."""


@dataclass(frozen=True, eq=False)
class Path:
    """Regret on validation days against effort: the interquartile mean of the policy that has earned most there so far.

    Attributes:
        effort: Rising, shape (K,).
        middle: Mean of the seeds that have been validated by then, shape (K,).
        low: Their least.
        high: Their greatest.
    """

    effort: Array
    middle: Array
    low: Array
    high: Array


def by_season(group: Group) -> dict[str, dict[str, float]]:
    """Return the mean normalised regret of each algorithm in each season that has test days, and how many days under ``""``."""
    seasons = np.array([season(date.fromisoformat(each)) for each in group.counted["date"]])
    present = [name for name in SEASONS if (seasons == name).any()]
    found = {each.name: {name: float(each.normalised[:, seasons == name].mean()) for name in present} for each in group.algorithms}
    return {"": {name: float((seasons == name).sum()) for name in present}} | found


def path_of(scored: Scored, axis: str) -> Path | None:
    """Return regret on validation days against one of :data:`AXES`, None where no cell recorded any."""
    curves = [curve for cell in scored.cells if (curve := _points(cell.curve, axis)).size]
    if not curves:
        return None
    starts = max(float(curve[0, 0]) for curve in curves)  # before, some seeds have no policy: means of others would not compare
    effort = np.unique(np.concatenate([curve[:, 0] for curve in curves]))
    effort = effort[effort >= starts]
    best = np.array([curve[np.searchsorted(curve[:, 0], effort, side="right") - 1, 1] for curve in curves])
    return Path(effort, best.mean(axis=0), best.min(axis=0), best.max(axis=0))


def worst_days(group: Group, scored: Scored, n: int) -> list[int]:
    """Return the places, in ``group.days``, of the n days that count with the greatest mean normalised regret, the worst first."""
    counted = np.flatnonzero(~group.days["excluded"].to_numpy(dtype=bool))
    order = np.argsort(-scored.normalised.mean(axis=0), kind="stable")[:n]
    return [int(place) for place in counted[order]]


def _points(curve: tuple[Mapping[str, Any], ...], axis: str) -> Array:
    """Return the effort of each validation of a cell and the regret of the policy that had earned most by then, shape (K, 2)."""
    said = [point for point in curve if point.get("validation_regret_iqm") is not None and axis in point]
    points = np.array([(point[axis], point["validation_eur"], point["validation_regret_iqm"]) for point in said]).reshape(-1, 3)
    before = np.maximum.accumulate(np.concatenate([[-np.inf], points[:, 1]]))[:-1]
    kept = np.maximum.accumulate(np.where(points[:, 1] > before, np.arange(len(points)), 0))
    return np.column_stack([points[:, 0], points[kept, 2]])
