"""The compiled loop that brings what is known of one day to cells of charges: :func:`..sums.cells_of` in one pass."""

# Compiled functions take their arrays by position, and numba infers their types.
# ruff: noqa: PLR0917
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from .....envs.machine_code import LOOPS, kept


@kept(**LOOPS)
def peak_of_three(start, middle, end):
    """Return how great the quadratic through three values, at both ends of an interval and in its middle, is at most."""
    bend = 2.0 * (start - 2.0 * middle + end)
    slope = end - start - bend
    most = max(start, end)
    if bend < 0.0:
        t = min(max(-slope / (2.0 * bend), 0.0), 1.0)
        most = max(most, start + slope * t + bend * t * t)
    return most


@kept(**LOOPS)
def at_of(quadratic, t):
    """Return a quadratic, lowest power first, at t."""
    return quadratic[0] + quadratic[1] * t + quadratic[2] * t * t


@kept(**LOOPS)
def share_of(charge, start, width):
    """Return where a charge lies in an interval, from 0 to 1."""
    return min(max((charge - start) / width, 0.0), 1.0)


@kept(**LOOPS)
def through(corner, share):
    """Return the quadratic through three values at a share of their interval."""
    bend = 2.0 * (corner[0] - 2.0 * corner[1] + corner[2])
    return corner[0] + (corner[2] - corner[0] - bend) * share + bend * share * share


@kept(**LOOPS)
def next_piece(a, end, start, j):
    """Return where the piece from a charge ends, its middle, and the number of its quadratic, from a number at or before it."""
    while j + 1 < start.shape[0] and start[j + 1] <= a:
        j += 1
    b = min(end, start[j + 1]) if j + 1 < start.shape[0] else end
    inside = a + 0.5 * (b - a)
    while j + 1 < start.shape[0] and start[j + 1] <= inside:
        j += 1
    return b, inside, j


@kept(**LOOPS)
def into_cells(start, width, bound, chord, edges, eps):
    """Return what a day does not exceed in each of K cells, as :class:`..sums.Cells` has it.

    Args:
        start: Where each of J quadratics begins, rising, EUR/kWh, shape (J,).
        width: How wide each is, EUR/kWh, shape (J,).
        bound: Quadratics of each of G goals, EUR, shape (G, J, 3).
        chord: The same along the chords.
        edges: Of the cells, EUR/kWh, shape (K + 1,).
        eps: Relative rounding of a charge.
    """
    goals, cells = bound.shape[0], edges.shape[0] - 1
    corner, along = np.zeros((3, goals, cells)), np.zeros((3, goals, cells))
    over, excess = np.zeros((goals, cells)), np.zeros((goals, cells))
    first = 0
    for k in range(cells):
        low, high = edges[k], edges[k + 1]
        middle = low + 0.5 * (high - low)
        first = next_piece(low, low, start, first)[2]
        for turn in range(2):  # first the quadratic of the cell, then how far each piece is above it
            j, a = first, low
            while a < high:
                b, inside, j = next_piece(a, middle if a < middle else high, start, j)
                t_a, t_m, t_b = share_of(a, start[j], width[j]), share_of(inside, start[j], width[j]), share_of(b, start[j], width[j])
                for g in range(goals):
                    blur = 4.0 * eps * (edges[-1] / width[j]) * (abs(bound[g, j, 1]) + 2.0 * abs(bound[g, j, 2]))
                    v_a, v_m, v_b = at_of(bound[g, j], t_a) + blur, at_of(bound[g, j], t_m) + blur, at_of(bound[g, j], t_b) + blur
                    if turn == 0:
                        c_a, c_b = at_of(chord[g, j], t_a), at_of(chord[g, j], t_b)
                        # Where the response bends much, a bound can be below the chord.
                        if a == low:
                            corner[0, g, k], along[0, g, k] = v_a, min(c_a, v_a)
                        if a == middle:
                            corner[1, g, k], along[1, g, k] = v_a, min(c_a, v_a)
                        if b == high:
                            corner[2, g, k], along[2, g, k] = v_b, min(c_b, v_b)
                        apart = bound[g, j] - chord[g, j]
                        excess[g, k] = max(excess[g, k], peak_of_three(at_of(apart, t_a), at_of(apart, t_m), at_of(apart, t_b)))
                    else:
                        c = corner[0, g, k], corner[1, g, k], corner[2, g, k]
                        v_a -= through(c, (a - low) / (high - low))
                        v_m -= through(c, (inside - low) / (high - low))
                        v_b -= through(c, (b - low) / (high - low))
                        over[g, k] = max(over[g, k], peak_of_three(v_a, v_m, v_b))
                a = b
    return corner, over, along, excess
