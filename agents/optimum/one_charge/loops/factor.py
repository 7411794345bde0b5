"""The equations of one active set, factorised in compiled loops.

On an active set every free, strictly convex variable k follows the prices, and has the column a_k of A. With F the set of them, prices y
that answer to a right-hand side b obey

    K·y + C·z = b,      K = Σ_F a_k·a_kᵀ / unit,      Cᵀ·y = 0,

z being the free renewable use and stored energy, which have no curvature: where renewable use is free the nodal price stands still, and
where the energy at the end of a period is free the storage prices before and after it move alike. So these variables are left out together
with the prices that they tie. A store then has one price for each *stretch* of periods, and what is left of K is positive semidefinite::

    period t:      N nodal prices, dense, as trades join whoever trades
    stretches:     J at a time; one that goes on into the next period joins both

Each period's nodal prices are eliminated, then the stretches that end there. That is as much work as T dense matrices of N + J rows. Prices
that nothing determines make K singular. It is shifted as that of :mod:`gridtoll.envs.market.exact.kkt`, and refinement takes the shift back
out, so that such prices stay where they are.
"""

# Compiled functions take their arrays by position, and numba infers their types.
# ruff: noqa: PLR0917
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .....envs.community.day import Array
from .....envs.machine_code import LOOPS, kept, stamp_of

SHIFT: Final = 1e-7
"""Of the diagonal; see envs.market.exact.kkt."""
_SOURCE: Final = stamp_of([Path(__file__)])
BoolArray = NDArray[np.bool_]


class Factor(NamedTuple):
    """The factorised equations of an active set.

    Attributes:
        free: Which variables are off their bounds, shape (V,).
        level: Which nodal prices stand still, shape (T, N).
        ends: Which stretches of storage prices end with a period, shape (T, J).
        still: Which storage prices stand still, those of a stretch at whose end energy is worth nothing, shape (T, J).
        nodes: K between the nodal prices of a period, shape (T, N, N).
        across: K between the price of a store and that of its owner's node, shape (T, J).
        stores: The diagonal of K at storage prices, shape (T, J).
        rows: What elimination leaves, a row for each price, shape (T, N + J, N + J).
        inverse: One over each pivot, shape (T, N + J).
        regular: Whether all pivots were above 0.
    """

    free: BoolArray
    level: BoolArray
    ends: BoolArray
    still: BoolArray
    nodes: Array
    across: Array
    stores: Array
    rows: Array
    inverse: Array
    regular: bool


@kept(stamp=_SOURCE, **LOOPS)
def factorised(lines, free):
    """Return the factorised equations of an active set, a :class:`Factor`.

    Args:
        lines: The program.
        free: Which variables are off their bounds, shape (V,).
    """
    n_hours, n, n_owners = lines.shape
    at_stored = free.shape[0] - n_hours * n_owners
    level = free[lines.n_curved : at_stored].reshape((n_hours, n))
    ends, still = np.empty((n_hours, n_owners), dtype=np.bool_), np.empty((n_hours, n_owners), dtype=np.bool_)
    for t in range(n_hours - 1, -1, -1):
        for j in range(n_owners):
            goes_on = free[at_stored + t * n_owners + j]
            last = t == n_hours - 1
            ends[t, j] = last or not goes_on
            still[t, j] = goes_on and (last or still[t + 1, j])
    nodes, across, stores = np.zeros((n_hours, n, n)), np.zeros((n_hours, n_owners)), np.zeros((n_hours, n_owners))
    _add_up(lines, free, nodes, across, stores)
    rows, inverse = np.zeros((n_hours, n + n_owners, n + n_owners)), np.zeros((n_hours, n + n_owners))
    front, regular = np.zeros((n_owners, n_owners)), True
    for t in range(n_hours):
        _fill(rows[t], front, level[t], still[t], nodes[t], across[t], stores[t], lines.first[lines.moved[0, t * n_owners :]], t * n)
        for pivot in range(n + n_owners):
            if pivot < n or ends[t, pivot - n]:
                regular = _eliminate(rows[t], inverse[t], pivot, n) and regular
        for j in range(n_owners):
            for i in range(n_owners):
                front[j, i] = 0.0 if ends[t, j] or ends[t, i] else rows[t, n + j, n + i]
    return Factor(free, level, ends, still, nodes, across, stores, rows, inverse, regular)


@njit(**LOOPS)
def _add_up(lines, free, nodes, across, stores):
    """Add the columns of free, strictly convex variables into K, in place."""
    n_hours, n, n_owners = lines.shape
    n_nodes = n_hours * n
    for k in range(lines.n_curved):
        if not free[k]:
            continue
        first, second, a, b = lines.first[k], lines.second[k], lines.first_weight[k], lines.second_weight[k]
        t = first // n
        i = first - t * n
        nodes[t, i, i] += a * a / lines.unit
        if b == 0.0:
            continue
        if second < n_nodes:
            j = second - t * n
            nodes[t, j, j] += b * b / lines.unit
            nodes[t, i, j] += a * b / lines.unit
            nodes[t, j, i] += a * b / lines.unit
        else:
            j = second - n_nodes - t * n_owners
            across[t, j] += a * b / lines.unit
            stores[t, j] += b * b / lines.unit


@njit(**LOOPS)
def _fill(block, front, level, still, nodes, across, stores, owner, first):
    """Write the matrix of a period's prices, those of stretches that began earlier included; prices that stand still stand alone."""
    n, n_owners = nodes.shape[0], front.shape[0]
    for i in range(n):
        if level[i]:
            block[i, i] = 1.0
            continue
        for j in range(i, n):
            block[i, j] = 0.0 if level[j] else nodes[i, j]
        block[i, i] += SHIFT
    for j in range(n_owners):
        if still[j]:
            block[n + j, n + j] = 1.0
            continue
        for i in range(n_owners):
            block[n + j, n + i] = front[j, i]
        block[n + j, n + j] += stores[j] + SHIFT
        if not level[owner[j] - first]:
            block[owner[j] - first, n + j] += across[j]


@njit(**LOOPS)
def _eliminate(block, inverse, pivot, n):
    """Take a price out of the rows that are left; return whether its pivot is above 0.

    Of the N nodal prices, which go first and in their order, only what is right of the diagonal is kept. Of the stretches all is: which of
    them end is another matter.
    """
    size = block.shape[0]
    if not 0.0 < block[pivot, pivot] < np.inf:
        return False
    inverse[pivot] = 1.0 / block[pivot, pivot]
    for i in range(pivot + 1 if pivot < n else n, size):
        if inverse[i] != 0.0 or block[pivot, i] == 0.0:  # out before, or the pivot itself
            continue
        factor = block[pivot, i] * inverse[pivot]
        for j in range(min(i, n), size):
            block[i, j] -= factor * block[pivot, j]
        if pivot >= n:
            block[i, pivot] = 0.0
    return True


@njit(**LOOPS)
def solved(factor, right):
    """Return the prices of a right-hand side, both of shape (P,), by the shifted matrix."""
    n_hours, n, n_owners = factor.nodes.shape[0], factor.nodes.shape[1], factor.ends.shape[1]
    n_nodes, found, carried = n_hours * n, np.empty(right.shape[0]), np.zeros(n_owners)
    work = np.empty((n_hours, n + n_owners))
    for t in range(n_hours):
        for i in range(n):
            work[t, i] = 0.0 if factor.level[t, i] else right[t * n + i]
        for j in range(n_owners):
            work[t, n + j] = 0.0 if factor.still[t, j] else carried[j] + right[n_nodes + t * n_owners + j]
        _forward(factor.rows[t], factor.inverse[t], work[t], n)
        for j in range(n_owners):
            carried[j] = 0.0 if factor.ends[t, j] else work[t, n + j]
    for t in range(n_hours - 1, -1, -1):
        for j in range(n_owners):
            if not factor.ends[t, j]:
                work[t, n + j] = carried[j]  # what it is in the next period
        _backward(factor.rows[t], factor.inverse[t], work[t], n)
        for i in range(n):
            found[t * n + i] = work[t, i]
        for j in range(n_owners):
            carried[j] = work[t, n + j]
            found[n_nodes + t * n_owners + j] = work[t, n + j]
    return found


@njit(**LOOPS)
def _forward(rows, inverse, z, n):
    """Take what elimination took from the matrix of a period from its right-hand side, in place."""
    for pivot in range(z.shape[0]):
        share = z[pivot] * inverse[pivot]
        if share != 0.0:
            for i in range(pivot + 1 if pivot < n else n, z.shape[0]):
                if i != pivot:
                    z[i] -= rows[pivot, i] * share


@njit(**LOOPS)
def _backward(rows, inverse, z, n):
    """Solve for the prices that were taken out of a period, in place; the others are known."""
    for pivot in range(z.shape[0] - 1, -1, -1):
        if inverse[pivot] != 0.0:
            total = z[pivot]
            for i in range(pivot + 1 if pivot < n else n, z.shape[0]):
                if i != pivot:
                    total -= rows[pivot, i] * z[i]
            z[pivot] = total * inverse[pivot]
