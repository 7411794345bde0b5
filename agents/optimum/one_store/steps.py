"""What an hour answers in its slabs, and one step of the dynamic program over boxes; see :mod:`.bound`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....envs.arrays import IntArray
from ....envs.community.day import Array
from .boxes import hold

_STEEPEST = 0.6  # EUR/kWh: no slope is taken to be steeper


@dataclass(frozen=True, eq=False, kw_only=True)
class SlabAnswer:
    """What an hour answers in some slabs; see :mod:`.boxes`.

    Attributes:
        part: Which slabs, shape (slabs,).
        strip: The two lines of each strip, shape (strips, 2).
        low: Least charges of the slabs, EUR/kWh, shape (slabs,).
        high: Greatest, EUR/kWh, shape (slabs,).
        start: Where points of each line and slab begin, shape (lines·slabs + 1,).
        points: What :func:`.boxes.points_of` wrote, kWh and EUR, shape (points, 7).
        corner: Energy stored at the corners of boxes, kWh, shape (4, strips, slabs).
        stray: How far it strays below and above, kWh, shape (2, strips, slabs).
        extra: What else :func:`.boxes.between_lines` wrote, EUR and kWh, shape (4, strips, slabs).
    """

    part: IntArray
    strip: IntArray
    low: Array
    high: Array
    start: IntArray
    points: Array
    corner: Array
    stray: Array
    extra: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Step:
    """One step back; see :func:`.boxes.step_back`.

    Attributes:
        value: What can be earned from the middle of every cell on, EUR, shape (cells,).
        choice: Slab, strip and cell after by which, shape (cells, 3).
        gained: Charge in EUR/kWh, and EUR that stray, lie between points and lie where limits differ, shape (cells, 4).
        by_slab: What slabs earn near the path, EUR, shape (slabs, cells watched).
        by_strip: What strips earn there, EUR, shape (strips, cells watched).
        watched: First and last cell + 1 of those.
    """

    value: Array
    choice: IntArray
    gained: Array
    by_slab: Array
    by_strip: Array
    watched: tuple[int, int]


def hold_part(full: float, held: tuple[Array, Array, Array], answer: SlabAnswer) -> None:
    """Go one hour back with the energy held, kWh, shapes (4, strips, slabs) and twice (2, strips, slabs), in the slabs of an answer."""
    own = [np.ascontiguousarray(each[:, :, answer.part]) for each in held]
    hold(full, *own, answer.corner, answer.stray, answer.extra)
    for whole, part in zip(held, own, strict=True):
        whole[:, :, answer.part] = part


def slope_of(at: Array, value: Array, near: float) -> Array:
    """Return the slope of values over stretches about places, all of shape (cells,)."""
    finite = np.isfinite(value)
    if np.count_nonzero(finite) < 2:
        return np.zeros(len(at))
    left, right = np.clip(at - near, at[0], at[-1]), np.clip(at + near, at[0], at[-1])
    rise = np.interp(right, at[finite], value[finite]) - np.interp(left, at[finite], value[finite])
    return np.clip(rise / (right - left), -_STEEPEST, _STEEPEST)


def path_of(cells: tuple[Array, ...], steps: list[Step], cell: int) -> tuple[IntArray, Array, Array, Array]:
    """Return slabs, energies in kWh, charges in EUR/kWh and what is lost in EUR on the path; shapes (T,), (T + 1,), (T,), (T, 3)."""
    n = len(steps)
    slab, energy, charge, lost = np.zeros(n, np.intp), np.empty(n + 1), np.empty(n), np.empty((n, 3))
    for hour, step in enumerate(steps):
        energy[hour] = cells[hour][cell : cell + 2].mean()
        charge[hour], *lost[hour] = step.gained[cell]
        slab[hour], _, cell = step.choice[cell]
    energy[-1] = cells[-1][cell : cell + 2].mean()
    return slab, energy, charge, lost
