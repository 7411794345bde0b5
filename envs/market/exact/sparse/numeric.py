"""The numbers of a sparse Cholesky factor, and solving with it: one dense block after the other (the multifrontal method)."""

from __future__ import annotations

import numpy as np
from numba import njit

from ....machine_code import kept
from ..compiled.linear_algebra import OPTIONS
from .dense import ROOM, eliminate_block
from .stamp import SOURCE


@kept(stamp=SOURCE, **OPTIONS)
def factorise(symbolic, pointer, row, values, panels):
    """Write the factor of a symmetric matrix to ``panels``.

    Args:
        symbolic: The factor's places.
        pointer: Where each column's rows begin in ``row``, shape (n + 1,).
        row: Rows of the lower triangle.
        values: The numbers there.
        panels: Receives each supernode's rows of the factor, with the diagonal inverted.

    Returns:
        Whether every pivot was positive.
    """
    label, first, rows_at, rows = symbolic.label, symbolic.first, symbolic.pointer, symbolic.row
    n = len(label)
    column = np.empty(n, dtype=np.int64)
    for j in range(n):
        column[label[j]] = j
    local, stack = np.empty(n, dtype=np.int64), np.empty(symbolic.stacked)
    tops, depth, top = np.empty(len(first), dtype=np.int64), 0, 0  # supernodes that wait on the stack
    whole, work = np.empty(symbolic.widest * symbolic.widest), np.empty(symbolic.widest * ROOM)
    for s in range(len(first) - 1):
        begin, size, width = rows_at[s], rows_at[s + 1] - rows_at[s], first[s + 1] - first[s]
        front = whole[: size * size].reshape((size, size))
        front[:] = 0.0
        for r in range(size):
            local[rows[begin + r]] = r
        for c in range(width):
            j = column[first[s] + c]
            for p in range(pointer[j], pointer[j + 1]):
                front[local[label[row[p]]], c] = values[p]
        for _ in range(symbolic.children[s]):
            depth -= 1
            top = _add(front, local, rows, rows_at, first, tops[depth], stack, top)
        if not eliminate_block(front, width, work):
            return False
        at = symbolic.panel[s]
        for r in range(size):
            for c in range(min(r + 1, width)):
                panels[at + r * width + c] = front[r, c]
        tops[depth] = s
        depth += 1
        left = size - width
        for r in range(left):
            for c in range(r + 1):
                stack[top + r * left + c] = front[width + r, width + c]
        top += left * left
    return True


@njit(**OPTIONS)
def _add(front, local, rows, rows_at, first, s, stack, top):
    """Take what supernode ``s`` has left from the top of the stack, and add it to its parent's front; return the new top."""
    begin = rows_at[s] + first[s + 1] - first[s]
    left = rows_at[s + 1] - begin
    top -= left * left
    for r in range(left):
        to, at = local[rows[begin + r]], top + r * left
        for c in range(r + 1):
            front[to, local[rows[begin + c]]] += stack[at + c]
    return top


@kept(stamp=SOURCE, **OPTIONS)
def solve(symbolic, panels, right):
    """Return the solution for a right-hand side, both of shape (n,) in the matrix's own numbers."""
    label, first, rows_at, rows = symbolic.label, symbolic.first, symbolic.pointer, symbolic.row
    n, n_supers = len(label), len(first) - 1
    x, out, part = np.empty(n), np.empty(n), np.empty(symbolic.widest)
    for j in range(n):
        x[label[j]] = right[j]
    for s in range(n_supers):
        begin, size, width, at = rows_at[s], rows_at[s + 1] - rows_at[s], first[s + 1] - first[s], symbolic.panel[s]
        own = x[first[s] : first[s + 1]]
        for r in range(size):
            total, depth = 0.0, min(r, width)
            for c in range(depth):
                total += panels[at + r * width + c] * own[c]
            if r < width:
                own[r] = (own[r] - total) * panels[at + r * width + r]
            else:
                x[rows[begin + r]] -= total
    for s in range(n_supers - 1, -1, -1):
        begin, size, width, at = rows_at[s], rows_at[s + 1] - rows_at[s], first[s + 1] - first[s], symbolic.panel[s]
        own = x[first[s] : first[s + 1]]
        part[:width] = 0.0
        for r in range(width, size):
            value = x[rows[begin + r]]
            for c in range(width):
                part[c] += panels[at + r * width + c] * value
        for r in range(width - 1, -1, -1):
            value = (own[r] - part[r]) * panels[at + r * width + r]
            own[r] = value
            for c in range(r):
                part[c] += panels[at + r * width + c] * value
    for j in range(n):
        out[j] = x[label[j]]
    return out
