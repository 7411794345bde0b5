"""What an hour's answers between two prices of stored energy and two charges are at most; the proof is in :mod:`..one_store.bound`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....envs.arrays import IntArray
from ....envs.community.day import Array
from .elements import HourElements
from .pieces import Pieces

_FURTHEST = 1e-3  # EUR/kWh below a slab from which its charged energy is bounded


@dataclass(frozen=True, eq=False, kw_only=True)
class Between:
    """Boxes between lines next to each other, over one slab of charges.

    Attributes:
        place: Where points are in the slab, from 0 to 1, on the lower and the upper line, shape (strips, 2, points).
        stored: kWh stored there, shape (strips, 2, points).
        profit: EUR, shape (strips, 2, points).
        corner: kWh stored at both ends of the lower and the upper line, shape (4, strips).
        stray: How far below and above the plane through them energies stored are, kWh, shape (2, strips).
        more: By how much a profit may exceed that of points between which it is, EUR, shape (strips,).
        jump: By how much energies stored may differ from theirs, kWh, shape (strips,).
        range: Least and greatest energy stored, kWh, shape (2, strips).
    """

    place: Array
    stored: Array
    profit: Array
    corner: Array
    stray: Array
    more: Array
    jump: Array
    range: Array


@dataclass(frozen=True, eq=False)
class _Cut:
    """Pieces of lines cut to a slab; beyond the last one all is as at its end."""

    count: IntArray
    start: Array
    end: Array
    name: IntArray
    bend: Array
    lean: Array
    charge: Array
    values: Array
    steep: Array


@dataclass(frozen=True, eq=False)
class _Strips:
    """Lower and upper lines, and how many of their pieces have the same limits from the left and from the right, and whether all."""

    cut: _Cut
    a: IntArray
    b: IntArray
    left: IntArray
    right: IntArray
    same: IntArray


def _cut(pieces: Pieces, low: float, high: float) -> _Cut:
    first, last = (pieces.end <= low).sum(axis=1), (pieces.start < high).sum(axis=1) - 1
    count = last - first + 1
    number = np.arange(count.max())
    which, real = np.minimum(first[:, None] + number, last[:, None]), number < count[:, None]
    line = np.arange(len(first))[:, None]
    start = np.where(real, np.maximum(pieces.start[line, which], low), high)
    end = np.where(real, np.minimum(pieces.end[line, which], high), high)
    charge = np.hstack([start, np.full((len(first), 1), high)])
    near = (pieces.end > low - min(low, _FURTHEST)) & (pieces.start < high)
    return _Cut(
        count=count,
        start=start,
        end=end,
        name=np.where(real, pieces.name[line, which], 0),
        bend=np.where(real, pieces.bend[line, which], 0.0),
        lean=np.where(real, pieces.lean[line, which], 0.0),
        charge=charge,
        values=pieces.at(charge, np.hstack([which, last[:, None]])),
        steep=np.where(near, -pieces.slope[1], 0.0).max(axis=1, initial=0.0),
    )


def between(hour: HourElements, pieces: Pieces, prices: Array, strip: IntArray, slab: tuple[float, float]) -> Between:
    """Bound an hour's answers.

    Args:
        hour: The hour.
        pieces: Its answers on lines.
        prices: Of stored energy on each line, EUR/kWh, shape (lines,).
        strip: Lower and upper line of each strip, shape (strips, 2).
        slab: Least and greatest charge, EUR/kWh.
    """
    low, high = slab
    cut, (a, b) = _cut(pieces, low, high), strip.T
    apart, width = prices[b] - prices[a], high - low
    place = (cut.charge - low) / width
    stored, charged, other = cut.values
    profit = cut.charge * charged + other
    ya, yb = stored[a], stored[b]
    corner = np.stack([ya[:, 0], ya[:, -1], yb[:, 0], yb[:, -1]])
    middle, across = corner.mean(axis=0), 0.5 * (corner[2] + corner[3] - corner[0] - corner[1])
    along = 0.5 * (corner[1] + corner[3] - corner[0] - corner[2])
    off = [y - middle[:, None] - along[:, None] * (place[line] - 0.5) for y, line in ((ya, a), (yb, b))]
    at_most = np.maximum(off[1].max(axis=1) - off[0].min(axis=1), 0.0)  # that stored energies differ at one charge
    strips = _Strips(cut, a, b, *_alike(cut, a, b))
    same, flows = strips.same, _flows_apart(strips, apart)
    both = np.concatenate([charged[a], charged[b]], axis=1)
    curved = 0.25 * width * (both.max(axis=1) - both.min(axis=1))
    area = apart * at_most
    bend = (cut.bend * (cut.end - cut.start) ** 2).max(axis=1)
    rises = _rises(hour, strips, area, slab)
    lost = np.maximum(_base(hour) - np.minimum(other[a].min(axis=1), other[b].min(axis=1)), 0.0)
    over = pieces.over.astype(bool)
    norm = sum(hour.overload * hour.stray(row[None]) for row in hour.flows[over]) + hour.stray(hour.brings[2:])
    away = (2.0 * hour.stray(np.sqrt(hour.loss)[:, None] * hour.flows) * np.sqrt(lost) + norm) * np.sqrt(area)
    away = np.minimum(away, lost)  # what an operator pays and does not take in is 0 at best
    unlike = curved + rises + np.maximum(0.25 * np.maximum(bend[a], bend[b]) + away, 0.25 * flows**2)
    half = 0.5 * across
    own = np.where(same, half, 0.0)[:, None]
    more = np.where(same, 0.0, np.abs(half))
    lifted = np.concatenate([off[0] + own, off[1] - own], axis=1)
    least, greatest = (np.concatenate([ya, yb], axis=1).min(axis=1), np.concatenate([ya, yb], axis=1).max(axis=1))
    return Between(
        place=np.stack([place[a], place[b]], axis=1),
        stored=np.stack([ya, yb], axis=1),
        profit=np.stack([profit[a], profit[b]], axis=1),
        corner=corner,
        stray=np.stack([np.maximum(more - lifted.min(axis=1), 0.0), np.maximum(more + lifted.max(axis=1), 0.0)]),
        more=np.where(same, curved + 0.25 * flows**2, unlike),
        jump=np.where(same, 0.0, at_most),
        range=np.stack([least, greatest]),
    )


def _base(hour: HourElements) -> float:
    fee = hour.brings[2]
    return float((hour.loss * hour.still**2).sum() + (fee[fee > 0.0] * hour.high[fee > 0.0]).sum())


def _alike(cut: _Cut, a: IntArray, b: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return how many pieces have the same limits from the left and then from the right, and whether all have, shapes (strips,)."""
    number = np.arange(cut.name.shape[1])
    fewer = np.minimum(cut.count[a], cut.count[b])
    within = number < fewer[:, None]
    left = np.cumprod(within & (cut.name[a] == cut.name[b]), axis=1).sum(axis=1)
    back = [np.take_along_axis(cut.name[line], _from_right(cut, line), axis=1) for line in (a, b)]
    right = np.minimum(np.cumprod(within & (back[0] == back[1]), axis=1).sum(axis=1), fewer - left)
    return left, right, (cut.count[a] == cut.count[b]) & (left == fewer)


def _from_right(cut: _Cut, line: IntArray) -> IntArray:
    return np.asarray(np.maximum(cut.count[line][:, None] - 1 - np.arange(cut.name.shape[1]), 0))


def _flows_apart(strips: _Strips, apart: Array) -> Array:
    """Return √Σ loss·(change of flow)² between the furthest ends of a trapezoid, at most, shape (strips,)."""
    cut = strips.cut
    found, number = np.zeros(len(apart)), np.arange(cut.name.shape[1])
    for count, order in ((strips.left, None), (strips.right, _from_right)):
        columns = []
        for line in (strips.a, strips.b):
            each = [cut.start[line], cut.end[line], cut.bend[line], cut.lean[line]]
            columns.append(each if order is None else [np.take_along_axis(x, order(cut, line), axis=1) for x in each])
        (ua, va, bend_a, lean_a), (ub, vb, bend_b, lean_b) = columns
        wide = np.maximum(va, vb) - np.minimum(ua, ub)
        most = wide * np.sqrt(np.maximum(bend_a, bend_b)) + apart[:, None] * np.sqrt(np.maximum(lean_a, lean_b))
        found = np.maximum(found, np.where(number < count[:, None], most, 0.0).max(axis=1))
    return found


def _rises(hour: HourElements, strips: _Strips, area: Array, slab: tuple[float, float]) -> Array:
    """Return by how much the charge times the charged energy may exceed that of both lines at the same charge, EUR, shape (strips,)."""
    cut, a, b, left, right = strips.cut, strips.a, strips.b, strips.left, strips.right
    high, reach = slab[1], min(slab[0], _FURTHEST)
    some, steep = area > 0.0, np.maximum(cut.steep[a], cut.steep[b])
    if reach > 0.0:
        falls = steep > 0.0
        back = np.where(falls, np.minimum(reach, np.sqrt(0.25 * area / np.where(falls, steep, 1.0))), reach)
        rises = np.where(some, high * (0.25 * area / np.where(some, back, 1.0) + back * steep), 0.0)
    else:
        rises = np.where(some, high * float((hour.brings[1] * hour.high)[hour.brings[1] > 0.0].sum()), 0.0)
    rows, number = np.arange(len(a)), np.arange(cut.charge.shape[1])
    until = np.maximum(cut.charge[a, cut.count[a] - right], cut.charge[b, cut.count[b] - right])
    drop = np.zeros(len(a))
    for line in (a, b):
        charged = cut.values[1][line]
        reached = (number >= left[:, None]) & ((cut.charge[line] >= until[:, None]) | (number >= cut.count[line][:, None]))
        drop = np.maximum(drop, charged[rows, left] - charged[rows, reached.argmax(axis=1)])
    return np.where(left > 0, np.minimum(rises, high * drop), rises)
