"""The weighted optimum of many days whose curves are known, exactly and in milliseconds.

With J_s the goal of day s over the charge, a unit u_s of charge and a worth v_s, the best multiple z of the unit is

    max  Σ_s w_s·J_s(min(z·u_s, cap))/v_s    over    0 ≤ z ≤ most,

each J_s being the piecewise quadratic of :mod:`.day_curve`. Cells of z are visited in the order of what they can hold at most, Σ w_s times
the peak of each day in the cell, until no cell can hold more than what was found. Within a cell the sum is a quadratic between any two
neighbouring edges of the days, so that its peak is closed-form: nothing is sampled.

Weights that are negative for some days, as those of kernel regression are, make the cells' bounds too loose for that. Then the best edge of
a cell is sought, and around it the top of parabolas through charges 0.1% apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from ...envs.arrays import Array, IntArray
from ..optimum.standing.sums import peaks_of
from .day_curve import DayCurve

N_CELLS: Final = 240
"""Cells of charges whose peaks are known beforehand; more are slower to prepare, fewer to search."""
_LEAST: Final = 1e-3
"""Where the second cell begins, as a share of the greatest charge: cells grow from there by one ratio."""
_CLOSER: Final = 32
"""Parabolas around the best edge where weights are negative."""


@dataclass(frozen=True, eq=False)
class WeightedBest:
    """The best charge for weighted days.

    Attributes:
        multiple: It, in units.
        value: The weighted goal there, in worths.
        bound: No charge up to the most allowed takes it higher: the curves' own excess is included. Infinite where weights are negative.
    """

    multiple: float
    value: float
    bound: float


class _Peaks(NamedTuple):
    """What each of D days reaches in each of C cells, in worths, shapes (D, C): by its quadratics, and at most."""

    along: Array
    at_most: Array


class ProfitCurves:
    """Curves of D days, counted in units and worths of their own.

    Args:
        curves: Of each day.
        unit: u, EUR/kWh, shape (D,).
        worth: v, EUR, shape (D,).

    Attributes:
        unit: u.
        edges: Of C cells of multiples, shape (C + 1,).
    """

    def __init__(self, curves: Sequence[DayCurve], unit: Array, worth: Array) -> None:
        counts = [len(each.quadratics) for each in curves]
        self._first = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
        self._last = self._first + np.array(counts) - 1
        self.unit: Array = unit
        self._start = np.concatenate([np.array(each.edges[:-1]) for each in curves])
        self._width = np.concatenate([np.diff(each.edges) for each in curves])
        day = np.repeat(np.arange(len(curves)), counts)
        self._quadratics = np.concatenate([np.array(each.quadratics) for each in curves]) / worth[day, None]
        self._excess = np.concatenate([np.array(each.excess) for each in curves]) / worth[day]
        self._cap = max(each.edges[-1] for each in curves)
        self._offset = 4.0 * self._cap * day  # days one after the other on one axis, so that one search serves all
        self._axis = self._start + self._offset
        most = self._cap / float(unit.min())
        self.edges: Array = np.concatenate([[0.0], np.geomspace(_LEAST * most, most, N_CELLS)])
        self._peaks, self._at_edges = self._peaks_of_cells(), self.at(self.edges)

    @property
    def n_days(self) -> int:
        """D."""
        return len(self._first)

    def at(self, multiples: Array, days: IntArray | None = None) -> Array:
        """Return the goals in worths of some days, all where absent, at multiples of shape (K,): shape (days, K)."""
        chosen = np.arange(self.n_days) if days is None else days
        charges = np.minimum(self.unit[chosen, None] * multiples, self._cap)
        place = np.searchsorted(self._axis, (charges + 4.0 * self._cap * chosen[:, None]).ravel(), "right").reshape(charges.shape) - 1
        place = np.clip(place, self._first[chosen, None], self._last[chosen, None])
        t = (charges - self._start[place]) / self._width[place]
        q = self._quadratics[place]
        return np.asarray(q[..., 0] + q[..., 1] * t + q[..., 2] * t * t)

    def best(self, weights: Array, *, most: float) -> WeightedBest:
        """Return the best multiple for weighted days.

        Args:
            weights: w, shape (D,).
            most: The greatest multiple allowed.

        Raises:
            ValueError: If the weights are not numbers, or none is above 0.
        """
        if not (np.isfinite(weights).all() and np.max(weights) > 0.0):
            raise ValueError(f"weights of days must be numbers and not all 0, got {np.min(weights):g} to {np.max(weights):g}.")
        (days,) = np.nonzero(weights)
        w = weights[days]
        if np.min(w) < 0.0:
            return self._signed(w, days, most)
        n = int(np.searchsorted(self.edges[:-1], most, "left"))
        reach = w @ self._peaks.along[days, :n]
        found = (0.0, float(w @ self.at(np.zeros(1), days)[:, 0]))
        for cell in np.argsort(-reach, kind="stable"):
            if reach[cell] <= found[1]:
                break
            here = self._peak(w, days, self.edges[cell], min(self.edges[cell + 1], most))
            found = max(found, here, key=lambda each: each[1])
        bound = max(float((w @ self._peaks.at_most[days, :n]).max(initial=found[1])), found[1])
        return WeightedBest(*found, bound)

    def _signed(self, w: Array, days: IntArray, most: float) -> WeightedBest:
        """Return the best multiple found for weights that may be negative."""
        allowed = self.edges < most
        at_edges = np.where(allowed, w @ self._at_edges[days], -np.inf)
        place = int(np.argmax(at_edges))
        low, high = self.edges[max(place - 1, 0)], min(self.edges[min(place + 1, len(self.edges) - 1)], most)
        knots = np.linspace(low, high, 2 * _CLOSER + 1)
        values = w @ self.at(knots, days)
        share, peak = peaks_of(np.stack([values[:-1:2], values[1::2], values[2::2]])[None])
        best = int(np.argmax(peak[0]))
        return WeightedBest(float(knots[2 * best] + share[0, best] * (knots[2 * best + 2] - knots[2 * best])), float(peak[0, best]), np.inf)

    def _peak(self, w: Array, days: IntArray, low: float, high: float) -> tuple[float, float]:
        """Return the best multiple from ``low`` to ``high``, and what it reaches."""
        inside = [knots[(knots > low) & (knots < high)] for knots in (self._knots(day) for day in days)]
        knots = np.unique(np.concatenate([[low, high], *inside]))
        middles = 0.5 * (knots[:-1] + knots[1:])
        at_knots, at_middles = w @ self.at(knots, days), w @ self.at(middles, days)
        share, peak = peaks_of(np.stack([at_knots[:-1], at_middles, at_knots[1:]])[None])
        place = int(np.argmax(peak[0]))
        return float(knots[place] + share[0, place] * (knots[place + 1] - knots[place])), float(peak[0, place])

    def _knots(self, day: int) -> Array:
        """Return where the quadratics of a day meet, the cap at the end, in its units, shape (M + 1,)."""
        return np.asarray(np.append(self._start[self._first[day] : self._last[day] + 1], self._cap) / self.unit[day])

    def _peaks_of_cells(self) -> _Peaks:
        """Return what each day reaches in each cell."""
        along, at_most = [], []
        for day in range(self.n_days):
            own = slice(self._first[day], self._last[day] + 1)
            starts = self._knots(day)
            knots = np.union1d(self.edges, starts[starts < self.edges[-1]])
            middles = 0.5 * (knots[:-1] + knots[1:])
            values, between = (self.at(each, np.array([day]))[0] for each in (knots, middles))
            peak = peaks_of(np.stack([values[:-1], between, values[1:]])[None])[1][0]
            place = np.clip(np.searchsorted(starts, middles, "right") - 1, 0, len(starts) - 2)
            firsts = np.searchsorted(knots[:-1], self.edges[:-1])
            along.append(np.maximum.reduceat(peak, firsts))
            at_most.append(np.maximum.reduceat(peak + self._excess[own][place], firsts))
        return _Peaks(np.array(along), np.array(at_most))
