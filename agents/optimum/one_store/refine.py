"""Which boxes to begin with, and which to split: those on whose account the bound is what it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ....envs.arrays import IntArray
from ....envs.community.day import Array
from .bound import BoxBound, ChargeBoxes, first_edges
from .hours import Lines, StoreHours

_SLABS = 160
_EVEN_CELLS, _CLOSE_CELLS = 2000, 400  # cells of energy: over the whole store, and near the path
_NEAR = 0.04  # of the capacity: how far from the path they are close
_CLOSER = 1.5  # power by which they widen away from the path: in the last rounds cells next to it are what a bound loses by
_MOST_LINES, _MOST_SLABS = 350, 350  # split at a time, slabs over all hours
_COUNTED = 0.1  # of the mean over hours of what is lost: hours that lose less are left alone


class TracedPrices:
    """The prices of stored energy that were traced, in all hours; grows.

    Args:
        hours: The day's hours.
        n: How many to begin with.
        run: Does a function for every item of a list, such as ``map``.
        kept: Prices to begin with instead, EUR/kWh, shape (lines,).
    """

    def __init__(self, hours: StoreHours, *, n: int, run: Callable[..., list[Lines]], kept: Array | None = None) -> None:
        day, self._hours, self._run = hours.day, hours, run
        low, high = float(min(day.own_export_price.min(), 0.0)) - 0.2, float(day.own_import_price.max())
        usual = np.linspace(min(low + 0.2, 0.0), high * 1.3, n)
        dear = np.geomspace(high * 1.3, 16.0 * (high + hours.cap), n // 4)
        self.price = np.unique(np.concatenate([[low, 0.0], usual, dear])) if kept is None else kept
        self.lines = run(self._traced(self.price), range(hours.n_periods))

    def add(self, price: Array) -> None:
        """Trace more prices in EUR/kWh, shape (lines,)."""
        more = np.setdiff1d(price, self.price)
        if not len(more):
            return
        added = self._run(self._traced(more), range(self._hours.n_periods))
        order = np.argsort(np.concatenate([self.price, more]), kind="stable")
        self.lines = [_merged(old, new, order) for old, new in zip(self.lines, added, strict=True)]
        self.price = np.concatenate([self.price, more])[order]

    def _traced(self, price: Array) -> Callable[[int], Lines]:
        return lambda hour: self._hours.lines(hour, price)


def _merged(old: Lines, new: Lines, order: IntArray) -> Lines:
    """Return the lines of both in an order of the old and then the new ones."""
    parts = [each.rows[a:b] for each in (old, new) for a, b in zip(each.first[:-1], each.first[1:], strict=True)]
    parts = [parts[i] for i in order]
    return Lines(rows=np.concatenate(parts), first=np.cumsum([0, *map(len, parts)]), over=old.over | new.over, gap=max(old.gap, new.gap))


def first_boxes(hours: StoreHours, price: Array, path: Array, capacity: float) -> ChargeBoxes:
    """Return the boxes to begin with, close cells near a path of energies in kWh, shape (T + 1,)."""
    edges = first_edges(hours.cap, _SLABS)
    used = np.ones((hours.n_periods, len(edges) - 1), dtype=np.bool_)
    return ChargeBoxes(price=price, low=edges[:-1], high=edges[1:], used=used, cells=cells_near(path, capacity))


def cells_near(path: Array, capacity: float) -> tuple[Array, ...]:
    """Return edges of cells of energy, kWh, T + 1 arrays of shape (edges,), the closer the nearer to a path, shape (T + 1,)."""
    even, away = np.linspace(0.0, capacity, _EVEN_CELLS + 1), _NEAR * capacity * np.linspace(0.0, 1.0, _CLOSE_CELLS // 2 + 1) ** _CLOSER
    return tuple(np.unique(np.clip(np.concatenate([even, e - away, e + away]), 0.0, capacity)) for e in path)


def split(boxes: ChargeBoxes, found: BoxBound, slack: float, lost: Array) -> tuple[ChargeBoxes, Array]:
    """Return boxes of which those are split that hold the bound, and prices to trace, EUR/kWh, shape (lines,).

    Those come first by which most can be won: what is lost in the hour, less what the box itself comes to below the bound. Nothing is split
    in hours where next to nothing is lost. There may be hundreds of slabs there that all reach the bound: where nobody trades, every charge
    earns the same.

    Args:
        boxes: The boxes.
        found: The bound that they gave.
        slack: How close a slab or a cell of prices must come to the bound near its path, EUR.
        lost: What the bound loses in every hour, EUR, shape (T,).
    """
    t, _ = boxes.used.shape
    counted = lost[:, None] >= _COUNTED / t * lost.sum()
    slabs, strips = (np.where(counted & (each >= -slack), each + lost[:, None], -np.inf) for each in (found.slab_margin, found.line_margin))
    wanted = np.argwhere(boxes.used & np.isfinite(slabs))
    by_margin = np.argsort(-slabs[tuple(wanted.T)], kind="stable")[:_MOST_SLABS]
    used, old = boxes.used.copy(), {pair: i for i, pair in enumerate(zip(boxes.low.tolist(), boxes.high.tolist(), strict=True))}
    more: dict[tuple[float, float], list[int]] = {}
    for hour, slab in wanted[by_margin]:
        used[hour, slab] = False
        a, b = float(boxes.low[slab]), float(boxes.high[slab])
        middle = 0.5 * (a + b)
        for half in ((a, middle), (middle, b)):
            if half in old:
                used[hour, old[half]] = True
            else:
                more.setdefault(half, []).append(int(hour))
    halves = list(more)
    low, high = np.concatenate([boxes.low, [a for a, _ in halves]]), np.concatenate([boxes.high, [b for _, b in halves]])
    added = np.zeros((t, len(halves)), dtype=np.bool_)
    for i, half in enumerate(halves):
        added[more[half], i] = True
    used = np.hstack([used, added])
    alive = used.any(axis=0)
    order = np.flatnonzero(alive)[np.lexsort((high[alive], low[alive]))]
    counts = strips.max(axis=0)
    lines = np.argsort(-counts, kind="stable")[:_MOST_LINES]
    lines = lines[np.isfinite(counts[lines])]
    between = 0.5 * (boxes.price[lines] + boxes.price[lines + 1])
    return replace(boxes, low=low[order], high=high[order], used=used[:, order]), between
