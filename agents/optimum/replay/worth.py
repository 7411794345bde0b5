"""What can be earned from every energy on, one hour further back: the compiled loops of a replay."""

# Compiled functions take their arrays by position, and numba infers their types.
# ruff: noqa: PLR0917
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from ....envs.machine_code import LOOPS, kept


@kept(**LOOPS)
def raise_worth(
    cells, after, worth, slope, tilt, wide, place, stored, profit, middle, across, along, stray, more, jump, swing, held, before, value
):
    """Raise what can be earned from the middle of cells on to what the boxes over one slab allow.

    Args:
        cells: Edges of cells of energy before the hour, kWh, shape (cells + 1,); ``after`` those after it.
        after: See there.
        worth: What can be earned from the middle of each cell after it on, EUR, and ``slope`` by how much more from above, EUR/kWh.
        slope: See there.
        tilt: The slope in each cell before the hour, EUR/kWh, shape (cells,).
        wide: What energies may be off by, kWh.
        place: Of points in the slab, shape (strips, 2, points); so are ``stored`` in kWh and ``profit`` in EUR.
        stored: See there.
        profit: See there.
        middle: Of the plane of energies after the hour, kWh; ``across`` its rise from line to line and ``along`` that over the slab.
        across: See there.
        along: See there.
        stray: How far energies are below and above it, kWh, shape (2, strips).
        more: EUR that profits may be above those of points, shape (strips,).
        jump: kWh that energies stored may be off.
        swing: Least and greatest energy stored, kWh, shape (2, strips).
        held: Least and greatest energy after the hour, kWh, shape (2, strips).
        before: Least and greatest energy before it.
        value: Raised, EUR, shape (cells,).
    """
    last, points = cells.shape[0] - 2, place.shape[2]
    for s in range(place.shape[0]):
        bottom, top = before[0, s] - wide, before[1, s] + wide
        if bottom > top or top < cells[0] or bottom > cells[-1]:
            continue
        dearest = -np.inf
        for side in range(2):
            for v in range(points):
                dearest = max(dearest, profit[s, side, v])
        k = max(np.searchsorted(cells, bottom, side="left") - 1, 0)
        while k <= last and cells[k] <= top:
            lo = max(held[0, s] - wide, cells[k] + swing[0, s] - wide)
            hi = min(held[1, s] + wide, cells[k + 1] + swing[1, s] + wide)
            if lo <= hi:
                lo, hi = min(max(lo, after[0]), after[-1]), min(max(hi, after[0]), after[-1])
                first = min(max(np.searchsorted(after, lo, side="left") - 1, 0), after.shape[0] - 2)
                final = min(max(np.searchsorted(after, hi, side="right") - 1, 0), after.shape[0] - 2)
                rate, then, richest = slope[(first + final) // 2], -np.inf, -np.inf
                for c in range(first, final + 1):
                    for energy in (max(lo, after[c]), min(hi, after[c + 1])):
                        earns = worth[c] + slope[c] * (energy - 0.5 * (after[c] + after[c + 1]))
                        then, richest = max(then, earns - rate * energy), max(richest, earns)
                t, wedge = tilt[k], rate - tilt[k]
                together, apart = -np.inf, -np.inf
                for side in range(2):
                    for v in range(points):
                        own = profit[s, side, v] + t * stored[s, side, v]
                        plane = middle[s] + (side - 0.5) * across[s] + (place[s, side, v] - 0.5) * along[s]
                        together, apart = max(together, own + wedge * plane), max(apart, own)
                together += wedge * stray[1, s] if wedge > 0.0 else -wedge * stray[0, s]
                together = min(together, apart + max(wedge * lo, wedge * hi))
                earned = together + more[s] + abs(t) * jump[s] + then + t * 0.5 * (cells[k] + cells[k + 1])
                earned = min(earned, dearest + more[s] + richest + 0.5 * abs(t) * (cells[k + 1] - cells[k]))
                value[k] = max(value[k], earned)
            k += 1
