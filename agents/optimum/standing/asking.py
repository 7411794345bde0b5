"""What to ask of each day so that the sum over all of them rules charges out.

In a cell of charges the sum of the days' bounds is to come down to ``enough``. By their chords the days earn less there, or not. Where
they earn less, the bounds may stay that far above the chords, summed over days. Where they do not, or not by much, a round asks for a part
of what is open, and the next one for more. The days that leave most open are cut to one level; the others may stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from ....envs.community.day import Array
from .parts import Known
from .sums import Summed

_BOLD: Final = 0.9  # of what may be left open at a charge that the days' chords put below what is enough
_STEP: Final = 0.3  # of what is left open that a round leaves where the chords do not rule a charge out yet
_WIDE: Final = 128  # cells of charges of equal width
_NARROW: Final = 4  # cells to each halving of the distance from the best charge
_OCTAVES: Final = 36  # halvings


def cells_around(charge: float, cap: float) -> Array:
    """Return edges of cells from 0 to the cap, EUR/kWh, shape (K + 1,): of equal width, and ever narrower ones around a charge."""
    near = cap * 2.0 ** -(np.arange(1, _NARROW * _OCTAVES + 1) / _NARROW)
    every = np.concatenate([np.linspace(0.0, cap, _WIDE + 1), charge + near, charge - near, [charge]])
    return np.unique(every[(every >= 0.0) & (every <= cap)])


def by_cell(sums: Summed, edges: Array, goal: int) -> tuple[Array, Array]:
    """Return the greatest bound and the greatest sum of the chords in each of K cells, EUR, both of shape (K,)."""
    cell = np.searchsorted(edges, sums.lower, "right") - 1
    bound, along = np.full(len(edges) - 1, -np.inf), np.full(len(edges) - 1, -np.inf)
    np.maximum.at(bound, cell, sums.peaks(goal)[1])
    np.maximum.at(along, cell, sums.peaks(goal, chord=True)[1])
    return bound, along


def allowance(known: Sequence[Known], weights: Array, sums: Summed, edges: Array, *, goal: int, enough: float, least: float) -> Array:
    """Return the excess of bound over chord that each day may keep in each of K cells, EUR, shape (K,); infinite where enough is known.

    Args:
        known: What is known of each of S days.
        weights: Of the days, shape (S,).
        sums: Over the days.
        edges: Of the cells, EUR/kWh, shape (K + 1,).
        goal: Number of the goal.
        enough: What the sum of the bounds is to come down to, EUR.
        least: The least excess asked for, EUR.
    """
    bound, along = by_cell(sums, edges, goal)
    target = np.maximum(_BOLD * (enough - along), np.maximum(_STEP * (bound - enough), least))
    level = _levels(_excesses(known, edges, goal), weights, target)
    return np.where(bound > enough, np.maximum(np.where(np.isfinite(level), level, target), least), np.inf)


def _excesses(known: Sequence[Known], edges: Array, goal: int) -> Array:
    """Return how far each day's bound is above its chords, at most of three charges of each cell, EUR, shape (S, K)."""
    charges = np.concatenate([edges[:-1], edges[:-1] + 0.5 * np.diff(edges), edges[1:]])
    found = np.zeros((len(known), len(edges) - 1))
    for number, each in enumerate(known):
        low = np.array([part.lower for part in each.parts])
        high = np.array([part.upper for part in each.parts])
        over = np.array([part.bound[goal] - part.chord[goal] for part in each.parts])
        at = np.clip(np.searchsorted(low, charges, "right") - 1, 0, len(low) - 1)
        t = np.clip((charges - low[at]) / (high - low)[at], 0.0, 1.0)
        value = over[at, 0] + over[at, 1] * t + over[at, 2] * t * t
        found[number] = np.maximum(value.reshape(3, -1).max(axis=0), 0.0)
    return found


def _levels(excess: Array, weights: Array, target: Array) -> Array:
    """Return to what level the excesses of each cell must be cut for their weighted sum to come to its target, EUR, shape (K,)."""
    low, high = np.zeros(len(target)), excess.max(axis=0, initial=0.0)
    for _ in range(50):
        middle = 0.5 * (low + high)
        fits = weights @ np.minimum(excess, middle) <= target
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    return np.where(weights @ excess <= target, np.inf, low)
