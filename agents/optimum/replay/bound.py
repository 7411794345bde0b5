"""The bound of a day with one store, worked out again from the prices and slabs that a proof says are enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ....envs.arrays import IntArray
from ....envs.community.day import Array, Day
from ....envs.errors import ClearingError
from ....envs.grid.network import Network
from .boxes import Between, between
from .elements import elements_of
from .pieces import Pieces, pieces_of
from .worth import raise_worth

_OFF = 1e-8  # of the capacity and of the day's turnover: what arithmetic may be off by
_CELLS, _CLOSE, _NEAR = 2000, 400, 0.04  # over the whole store, and within that share of it around the path
_WIDEN = 1.5  # power of the distance by which the latter widen
_STRETCH = 0.004  # of the capacity, over which slopes are taken
_STEEPEST = 0.6  # EUR/kWh
Slab = tuple[float, float]


@dataclass(eq=False)
class _Held:
    """Energy held after an hour over one slab of charges: at the corners of boxes, how far it strays from their planes, and its range."""

    corner: Array
    stray: Array
    range: Array

    def reach(self, *, within: bool = True) -> Array:
        """Return the least and the greatest energy of every box, kWh, shape (2, strips)."""
        *_, twist = _plane(self.corner)
        least, most = self.corner.min(axis=0) - twist - self.stray[0], self.corner.max(axis=0) + twist + self.stray[1]
        return np.stack([np.maximum(least, self.range[0]), np.minimum(most, self.range[1])] if within else [least, most])


def replayed_bound(
    day: Day,
    network: Network,
    basis: Array,
    *,
    flows: str,
    cap: float,
    prices: Sequence[float],
    slabs: Sequence[Sequence[float]],
    near: Sequence[float],
) -> float:
    """Return what no sequence of charges exceeds in EUR, from lines and slabs alone.

    Args:
        day: The day, with one store.
        network: Where its N prosumers sit.
        basis: What a charge of 1 EUR/kWh charges each trade, 1, shape (N, N).
        flows: Which account of flows the operator answers for.
        cap: Greatest charge, EUR/kWh.
        prices: Of stored energy, rising, one of them 0, EUR/kWh.
        slabs: Edges of each hour's slabs of charges, from 0 to the cap, EUR/kWh.
        near: Energies near which cells are close, kWh, T + 1 numbers.

    Raises:
        ClearingError: If an hour cannot be followed, or the prices do not bound all that there can be.
    """
    [owner] = np.flatnonzero(day.has_storage)
    full, begin = float(day.storage_capacity[owner]), float(day.storage_start[owner])
    end = begin if day.storage_end is None else float(day.storage_end[owner])
    fastest = float(day.storage_power[owner] * np.broadcast_to(day.storage_efficiency, day.storage_power.shape)[owner] * day.period_hours)
    line, zero = np.array(prices), int(np.searchsorted(prices, 0.0))
    order = np.insert(np.arange(len(line)), zero, zero)  # at a price of 0 the day may end with anything from what it must on
    strip = np.stack([order[:-1], order[1:]], axis=1)
    last = np.where(np.arange(len(order)) <= zero, full, end)
    low, high = last[:-1], last[1:]
    wide, loose = _OFF * full, _OFF * day.turnover_eur
    own = [list(pairwise(edges)) for edges in slabs]
    held = {
        slab: _Held(np.stack([low, low, high, high]), np.zeros((2, len(low))), np.stack([np.minimum(low, high), np.maximum(low, high)]))
        for slab in {slab for each in own for slab in each}
    }
    cells = [_cells(full, energy) for energy in near]
    worth, slope = np.zeros(len(cells[-1]) - 1), np.zeros(len(cells[-1]) - 1)
    for hour in range(day.n_periods - 1, -1, -1):
        elements = elements_of(day, network, basis, hour, flows=flows)
        pieces = pieces_of(elements, line, cap)
        _require_ends(pieces, fastest, wide=wide, hour=hour)
        boxes: dict[Slab, Between] = {}
        for slab in sorted({slab for each in own[: hour + 1] for slab in each}):
            boxes[slab] = between(elements, pieces, line, strip, slab)
        middle, later = (0.5 * (edges[:-1] + edges[1:]) for edges in (cells[hour], cells[hour + 1]))
        tilt = np.interp(middle, later, slope)
        for _ in range(2):
            value, used = np.full(len(middle), -np.inf), tilt
            for slab in own[hour]:
                box, after = boxes[slab], held[slab]
                raise_worth(
                    *(cells[hour], cells[hour + 1], worth, slope, used, wide, box.place, box.stored, box.profit),
                    *_plane(after.corner)[:3],
                    *(after.stray, box.more + loose, box.jump, box.range, after.reach(), _start(after, box, wide), value),
                )
            tilt = _slope(middle, value, _STRETCH * full)
        worth, slope = value + loose, used
        for slab, box in boxes.items():
            held[slab] = _before(held[slab], box, full, wide)
    cell = min(max(int(np.searchsorted(cells[0], begin)) - 1, 0), len(worth) - 1)
    return float(worth[cell] + slope[cell] * (begin - 0.5 * (cells[0][cell] + cells[0][cell + 1])))


def _cells(full: float, energy: float) -> Array:
    ticks = np.linspace(-1.0, 1.0, _CLOSE + 1)
    close = energy + np.sign(ticks) * np.abs(ticks) ** _WIDEN * _NEAR * full
    inside = close[(close > 0.0) & (close < full)]
    return np.unique(np.concatenate([np.linspace(0.0, full, _CELLS + 1), inside]))


def _require_ends(pieces: Pieces, fastest: float, *, wide: float, hour: int) -> None:
    """Raise unless the store only gives on the first line, and fills as fast as it can on the last."""
    real = np.isfinite(pieces.start)
    begun, width = pieces.value[0], np.where(real, pieces.end, 0.0) - np.where(real, pieces.start, 0.0)
    ends = np.stack([begun, begun + pieces.slope[0] * width])
    most, least = ends[:, 0][:, real[0]].max(), ends[:, -1][:, real[-1]].min()
    if most > wide or least < fastest - 100.0 * wide:
        raise ClearingError(
            f"prices of stored energy must reach from where the store only gives to where it fills at {fastest} kWh an hour; in hour "
            f"{hour} it gains {most} and {least}."
        )


def _plane(corner: Array) -> tuple[Array, Array, Array, Array]:
    """Return the middle of the plane through four corners, its rises across and along, and by how much corners miss it, (strips,)."""
    a, b, c, d = corner
    return corner.mean(axis=0), 0.5 * (c + d - a - b), 0.5 * (b + d - a - c), 0.25 * np.abs(d - c - b + a)


def _start(held: _Held, box: Between, wide: float) -> Array:
    """Return the least and the greatest energy before an hour in every box, kWh, shape (2, strips)."""
    start, (low, high) = _Held(held.corner - box.corner, held.stray + box.stray[::-1] + wide, held.range), box.range
    least, most = start.reach(within=False)
    return np.stack([np.maximum(least, held.range[0] - high), np.minimum(most, held.range[1] - low)])


def _before(held: _Held, box: Between, full: float, wide: float) -> _Held:
    """Return what is held before an hour: energy after it less what is stored, within what the store holds."""
    corner = held.corner - box.corner
    below, above = held.stray[0] + box.stray[1] + wide, held.stray[1] + box.stray[0] + wide
    *_, twist = _plane(corner)
    least, most = corner.min(axis=0), corner.max(axis=0)
    lowest, highest = least - twist - below, most + twist + above
    over, under = np.maximum(most - full, 0.0), np.maximum(-least, 0.0)
    a, b = np.clip(least, 0.0, full), np.clip(most, 0.0, full)
    cut_above = np.minimum(above + 1.25 * over + 0.25 * under + np.maximum(-lowest, 0.0), np.minimum(highest, full) - a + 0.5 * (b - a))
    cut_below = np.minimum(
        below + 1.25 * under + 0.25 * over + np.maximum(highest - full, 0.0), b + 0.5 * (b - a) - np.maximum(lowest, 0.0)
    )
    outside, inside = (lowest >= full) | (highest <= 0.0), (lowest >= 0.0) & (highest <= full)
    above = np.where(outside, 0.0, np.where(inside, above, cut_above))
    below = np.where(outside, 0.0, np.where(inside, below, cut_below))
    corner = np.clip(corner, 0.0, full)
    *_, twist = _plane(corner)
    reach = np.clip(np.stack([held.range[0] - box.range[1], held.range[1] - box.range[0]]), 0.0, full)
    stray = np.stack([np.minimum(below, b + twist - reach[0]), np.minimum(above, reach[1] - a + twist)])
    return _Held(corner, stray, reach)


def _slope(at: Array, value: Array, near: float) -> Array:
    """Return slopes of what can be earned over stretches, EUR/kWh, shape (cells,); any slope gives a bound."""
    known: IntArray = np.flatnonzero(np.isfinite(value))
    if len(known) < 2:
        return np.zeros(len(at))
    right, left = np.minimum(at + near, at[-1]), np.maximum(at - near, at[0])
    rise = np.interp(right, at[known], value[known]) - np.interp(left, at[known], value[known])
    return np.asarray(np.clip(rise / (right - left), -_STEEPEST, _STEEPEST))
