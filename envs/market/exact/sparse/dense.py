"""Eliminating the first columns of one dense block: LAPACK's way of doing it, in compiled loops around BLAS's product of matrices."""

from __future__ import annotations

import numpy as np
from numba import njit

from ..compiled.linear_algebra import OPTIONS, eliminate

_SMALL = 40  # rows up to which the kernel's own elimination is as fast
_BLOCK = 32  # columns eliminated at a time
_STRIP = 96  # columns updated at a time: what stands above the diagonal is updated as well, but only within a strip
ROOM = 2 * _BLOCK + _STRIP
"""Numbers of working room for each row."""


@njit(**OPTIONS)
def eliminate_block(front, width, work):
    """Eliminate the first ``width`` columns of a symmetric matrix in place, as :func:`..compiled.linear_algebra.eliminate` does.

    Args:
        front: The matrix, of which the lower triangle counts, shape (M, M).
        width: How many columns.
        work: Room for M · :data:`ROOM` numbers.

    Returns:
        Whether every pivot was positive.
    """
    size = front.shape[0]
    if size <= _SMALL:
        return eliminate(front, width, size)
    for k in range(0, width, _BLOCK):
        b = min(_BLOCK, width - k)
        if not eliminate(front[k : k + b, k : k + b], b, b):
            return False
        below = size - k - b
        if below > 0:
            rows = work[: below * b].reshape((below, b))
            solved = work[below * b : 2 * below * b].reshape((below, b))
            for r in range(below):
                for c in range(b):
                    rows[r, c] = front[k + b + r, k + c]
            np.dot(rows, _inverse(front, k, b).T, solved)
            for r in range(below):
                for c in range(b):
                    front[k + b + r, k + c] = solved[r, c]
            _update(front, k + b, solved, work[2 * below * b :])
    return True


@njit(**OPTIONS)
def _inverse(front, k, b):
    """Return the inverse of the triangular factor of b columns from k on, whose diagonal is inverted already."""
    inverse = np.zeros((b, b))
    for c in range(b):
        inverse[c, c] = front[k + c, k + c]
        for r in range(c + 1, b):
            total = 0.0
            for q in range(c, r):
                total += front[k + r, k + q] * inverse[q, c]
            inverse[r, c] = -total * front[k + r, k + r]
    return inverse


@njit(**OPTIONS)
def _update(front, start, solved, work):
    """Subtract what eliminating some columns leaves in the rows and columns from ``start`` on."""
    below = solved.shape[0]
    for c in range(0, below, _STRIP):
        strip = min(_STRIP, below - c)
        product = work[: (below - c) * strip].reshape((below - c, strip))
        np.dot(solved[c:], solved[c : c + strip].T, product)
        for r in range(below - c):
            for q in range(min(r + 1, strip)):
                front[start + c + r, start + c + q] -= product[r, q]
