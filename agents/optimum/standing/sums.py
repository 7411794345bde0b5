"""What is known of many days, brought to the same cells of charges and summed there.

In a cell of charges every day has a quadratic and a number: its goal does not exceed the quadratic through ``low``, ``middle`` and
``high`` at the least, middle and greatest charge of the cell, plus ``over``. Quadratics and numbers add up, whatever parts each day has, so
that the work grows with days times cells. Little is lost: cells narrow around the best charge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ....envs.community.day import Array
from .loops.cells import into_cells
from .parts import Known
from .risk import Risk

_EPS: Final = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Cells:
    """What is known of a day in each of K cells, EUR; of S days the last three dimensions are (S, G, K).

    Attributes:
        bound: What the goal does not exceed at the least, middle and greatest charge of the cell, less ``over``, shape (3, G, K).
        over: By how much more than the quadratic through them it may be anywhere in the cell, shape (G, K).
        chord: The same three of what the goal would be along the chords, shape (3, G, K).
        excess: How far the bound is above the chords at most, shape (G, K).
    """

    bound: Array
    over: Array
    chord: Array
    excess: Array


def cells_of(known: Known, edges: Array) -> Cells:
    """Bring what is known of a day to cells.

    Args:
        known: What is known of it.
        edges: Edges of the cells, EUR/kWh, rising from 0 to the cap, shape (K + 1,).
    """
    slices = known.parts[0].bound.shape[1]
    first = np.array([part.lower for part in known.parts])
    last = np.array([part.upper for part in known.parts])
    step = (last - first) / slices
    start = (first[:, None] + step[:, None] * np.arange(slices)).ravel()
    bound = np.concatenate([part.bound for part in known.parts], axis=1)  # (G, parts · M, 3)
    chord = np.concatenate([part.chord for part in known.parts], axis=1)
    return Cells(*into_cells(start, np.repeat(step, slices), bound, chord, edges, _EPS))


def middles_of(edges: Array) -> Array:
    """Return the middle of each cell, EUR/kWh, shape (K,)."""
    return np.asarray(edges[:-1] + 0.5 * np.diff(edges))


def peaks_of(values: Array) -> tuple[Array, Array]:
    """Return where quadratics are greatest, as a share of their interval, and how great.

    Args:
        values: At both ends and in the middle, which is the second axis, shape (G, 3, K).

    Returns:
        Both of shape (G, K).
    """
    start, middle, end = values[:, 0], values[:, 1], values[:, 2]
    bend = 2.0 * (start - 2.0 * middle + end)
    slope = end - start - bend
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(bend < 0.0, np.clip(-slope / (2.0 * bend), 0.0, 1.0), np.where(end > start, 1.0, 0.0))
    t = np.where(np.isfinite(t), t, 0.0)
    return t, np.maximum(start + slope * t + bend * t * t, np.maximum(start, end))


@dataclass(frozen=True, eq=False)
class Summed:
    """What is known of all days together: of their weighted mean, or of the mean of their worst part.

    Attributes:
        edges: Edges of K cells, EUR/kWh, shape (K + 1,).
        days: Of each of S days, EUR; see :class:`Cells`.
        bound: What is not exceeded by the whole at the three charges of each cell, and ``over`` above the quadratic through them, EUR,
            shape (G, K): where it peaks is closed-form.
        chord: What the whole would be along the chords at the three charges, EUR, shape (3, G, K).
        tail: How much each day counts in each cell by its chords, shape (S, G, K).
    """

    edges: Array
    days: Cells
    bound: Array
    chord: Array
    tail: Array

    def peaks(self, goal: int, *, chord: bool = False) -> tuple[Array, Array]:
        """Return where the whole is greatest in each cell, EUR/kWh, and what it does not exceed, EUR, both of shape (K,)."""
        if not chord:
            return middles_of(self.edges), self.bound[goal]
        share, peak = peaks_of(self.chord[:, goal][None])
        return self.edges[:-1] + share[0] * np.diff(self.edges), peak[0]

    def chord_at(self, charge: float) -> Array:
        """Return what each goal of the whole would be along the chords at one of the edges, EUR, shape (G,)."""
        place = int(np.searchsorted(self.edges, charge))
        return self.chord[2, :, -1] if place == len(self.edges) - 1 else self.chord[0, :, place]


def stacked(known: Sequence[Known], edges: Array) -> Cells:
    """Return what is known of each of S days in cells; arrays have S before G, as shape (S, G, K)."""
    shape = (len(known), known[0].parts[0].bound.shape[0], len(edges) - 1)
    # Written in place: of 10,000 days a second copy would be hundreds of MB.
    whole = Cells(bound=np.empty((3, *shape)), over=np.empty(shape), chord=np.empty((3, *shape)), excess=np.empty(shape))
    for s, each in enumerate(known):
        found = cells_of(each, edges)
        whole.bound[:, s], whole.over[s], whole.chord[:, s], whole.excess[s] = found.bound, found.over, found.chord, found.excess
    return whole


def summed(known: Sequence[Known], risk: Risk, weights: Array, edges: Array) -> Summed:
    """Return what is known of all days together.

    The worst part of the days is that of least goals. Any choice of days of that weight has a mean that is not less, so that one choice
    serves a whole cell: those that are worst at its least, middle or greatest charge, whichever bounds closest.

    Args:
        known: What is known of each of S days; each covers the same charges.
        risk: What counts.
        weights: Of the days, shape (S,).
        edges: Edges of the cells, EUR/kWh, shape (K + 1,).
    """
    days = stacked(known, edges)
    tails = [risk.counts(corner, weights) for corner in (days.bound if risk.part < 1.0 else days.bound[:1])]
    found = [peaks_of(np.einsum("sgk,csgk->gck", tail, days.bound))[1] + np.einsum("sgk,sgk->gk", tail, days.over) for tail in tails]
    along = np.stack([np.einsum("sgk,sgk->gk", risk.counts(corner, weights), corner) for corner in days.chord])
    return Summed(edges, days, np.min(found, axis=0), along, risk.counts(days.chord[1], weights))
