"""Where the numbers of a sparse Cholesky factor stand: the elimination tree, and columns that are treated as one.

Columns whose factors have the same rows are a *supernode*: a dense block with a row for each of its columns and for each row below them.
A few zeros are stored where that makes blocks larger, as CHOLMOD does. The blocks are eliminated one after the other, children of the tree
before their parents. What each leaves to later ones waits on a stack.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ....machine_code import kept
from .stamp import SOURCE

_OPTIONS = {"nogil": True, "error_model": "numpy"}
_MOST_ZEROS = ((4, 1.0), (16, 0.8), (48, 0.1), (1 << 60, 0.05))
"""Up to how many columns two supernodes become one, if at most which share of the block is then zero; CHOLMOD's numbers."""


class Symbolic(NamedTuple):
    """The factor's places. Columns are numbered as they are eliminated, S supernodes in the same order.

    Attributes:
        label: Number of each column of the matrix given, shape (n,).
        first: First column of each supernode and, behind the last, n; shape (S + 1,).
        pointer: Where each supernode's rows begin in ``row``, shape (S + 1,).
        row: Rows of the supernodes, their own columns first, in ascending order.
        children: How many supernodes have this one as their parent, shape (S,).
        panel: Where each supernode's block begins among the factor's numbers, shape (S + 1,).
        widest: Most rows of a supernode.
        stacked: Most numbers that wait on the stack.
    """

    label: NDArray[np.int64]
    first: NDArray[np.int64]
    pointer: NDArray[np.int64]
    row: NDArray[np.int64]
    children: NDArray[np.int64]
    panel: NDArray[np.int64]
    widest: int
    stacked: int


@kept(stamp=SOURCE, **_OPTIONS)
def analyse(pointer, row):
    """Return the :class:`Symbolic` of a symmetric matrix.

    Args:
        pointer: Where each column's rows begin in ``row``, shape (n + 1,).
        row: Rows of the lower triangle, the diagonal among them.
    """
    n = len(pointer) - 1
    start, column = _by_rows(pointer, row)
    parent = _tree(start, column)
    post = _postorder(parent)
    label = np.empty(n, dtype=np.int64)
    for p in range(n):
        label[post[p]] = p
    first, owner = _supernodes(post, label, parent, _counts(start, column, parent))
    n_supers = len(first) - 1
    above, children = np.full(n_supers, -1, dtype=np.int64), np.zeros(n_supers, dtype=np.int64)
    for s in range(n_supers):
        up = parent[post[first[s + 1] - 1]]
        if up >= 0:
            above[s] = owner[label[up]]
            children[above[s]] += 1
    size, rows_at, rows = _rows(start, column, post, label, first, owner, above)
    panel, widest = np.zeros(n_supers + 1, dtype=np.int64), 0
    for s in range(n_supers):
        panel[s + 1] = panel[s] + size[s] * (first[s + 1] - first[s])
        widest = max(widest, size[s])
    return Symbolic(label, first, rows_at, rows, children, panel, widest, _stacked(size, first, above))


@njit(**_OPTIONS)
def _by_rows(pointer, row):
    """Return where each row's columns left of the diagonal begin, and these columns."""
    n = len(pointer) - 1
    start = np.zeros(n + 1, dtype=np.int64)
    for j in range(n):
        for p in range(pointer[j], pointer[j + 1]):
            start[row[p] + 1] += row[p] > j
    for i in range(n):
        start[i + 1] += start[i]
    column, at = np.empty(start[n], dtype=np.int64), start[:n].copy()
    for j in range(n):
        for p in range(pointer[j], pointer[j + 1]):
            if row[p] > j:
                column[at[row[p]]] = j
                at[row[p]] += 1
    return start, column


@njit(**_OPTIONS)
def _tree(start, column):
    """Return the parent of each column in the elimination tree, −1 for roots (Liu's algorithm)."""
    n = len(start) - 1
    parent, ancestor = np.full(n, -1, dtype=np.int64), np.full(n, -1, dtype=np.int64)
    for i in range(n):
        for p in range(start[i], start[i + 1]):
            j = column[p]
            while j != -1 and j < i:
                following = ancestor[j]
                ancestor[j] = i
                if following == -1:
                    parent[j] = i
                j = following
    return parent


@njit(**_OPTIONS)
def _postorder(parent):
    """Return the columns with children before their parents, each subtree in one piece."""
    n = len(parent)
    child, sibling = np.full(n, -1, dtype=np.int64), np.full(n, -1, dtype=np.int64)
    for j in range(n - 1, -1, -1):
        if parent[j] >= 0:
            sibling[j] = child[parent[j]]
            child[parent[j]] = j
    post, stack, count = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64), 0
    for root in range(n):
        if parent[root] >= 0:
            continue
        stack[0], depth = root, 1
        while depth > 0:
            j = stack[depth - 1]
            if child[j] >= 0:
                stack[depth], child[j] = child[j], sibling[child[j]]
                depth += 1
            else:
                post[count] = j
                count += 1
                depth -= 1
    return post


@njit(**_OPTIONS)
def _counts(start, column, parent):
    """Return how many rows each column of the factor has, its own among them."""
    n = len(parent)
    count, seen = np.ones(n, dtype=np.int64), np.full(n, -1, dtype=np.int64)
    for i in range(n):
        seen[i] = i
        for p in range(start[i], start[i + 1]):
            j = column[p]
            while seen[j] != i:
                count[j] += 1
                seen[j] = i
                j = parent[j]
    return count


@njit(**_OPTIONS)
def _supernodes(post, label, parent, count):
    """Return the first column of each supernode with n behind the last, and the supernode of each column, in numbers of elimination."""
    n = len(post)
    begin, below, zeros, n_supers = np.empty(n + 1, dtype=np.int64), np.empty(n, dtype=np.int64), np.zeros(n), 0
    for p in range(n):
        begin[n_supers], below[n_supers], zeros[n_supers] = p, count[post[p]] - 1, 0.0
        n_supers += 1
        while n_supers > 1:
            s, q = n_supers - 2, n_supers - 1  # whether the last two become one
            up = parent[post[begin[q] - 1]]
            if up < 0 or label[up] != begin[q]:
                break
            own, width = begin[q] - begin[s], p + 1 - begin[s]
            more = zeros[s] + zeros[q] + own * float(width - own + below[q] - below[s])
            if more > _allowed(width) * width * (0.5 * (width + 1) + below[q]):
                break
            below[s], zeros[s] = below[q], more
            n_supers -= 1
    begin[n_supers] = n
    owner = np.empty(n, dtype=np.int64)
    for s in range(n_supers):
        for p in range(begin[s], begin[s + 1]):
            owner[p] = s
    return begin[: n_supers + 1].copy(), owner


@njit(**_OPTIONS)
def _allowed(width):
    """Return which share of a supernode of so many columns may be zero."""
    for most, share in _MOST_ZEROS:
        if width <= most:
            return share
    return 0.0


@njit(**_OPTIONS)
def _rows(start, column, post, label, first, owner, above):
    """Return how many rows each supernode has, where they begin, and the rows."""
    n_supers = len(first) - 1
    size = np.empty(n_supers, dtype=np.int64)
    for s in range(n_supers):
        size[s] = first[s + 1] - first[s]
    _visit(start, column, post, label, owner, above, size, np.empty(0, dtype=np.int64))
    begin, at = np.zeros(n_supers + 1, dtype=np.int64), np.empty(n_supers, dtype=np.int64)
    for s in range(n_supers):
        begin[s + 1] = begin[s] + size[s]
    rows = np.empty(begin[n_supers], dtype=np.int64)
    for s in range(n_supers):
        at[s] = begin[s]
        for p in range(first[s], first[s + 1]):
            rows[at[s]] = p
            at[s] += 1
    _visit(start, column, post, label, owner, above, at, rows)
    return size, begin, rows


@njit(**_OPTIONS)
def _visit(start, column, post, label, owner, above, at, rows):
    """Go through the rows in the order of elimination and count them, or write them, at every supernode that has them."""
    seen = np.full(len(above), -1, dtype=np.int64)
    for r in range(len(post)):
        own = owner[r]
        for p in range(start[post[r]], start[post[r] + 1]):
            s = owner[label[column[p]]]
            while s != own and seen[s] != r:
                seen[s] = r
                if len(rows) > 0:
                    rows[at[s]] = r
                at[s] += 1
                s = above[s]


@njit(**_OPTIONS)
def _stacked(size, first, above):
    """Return the most numbers that wait on the stack of what supernodes leave to their parents."""
    n_supers = len(size)
    waiting, most, now = np.zeros(n_supers, dtype=np.int64), 0, 0
    for s in range(n_supers):
        now -= waiting[s]
        left = size[s] - (first[s + 1] - first[s])
        if above[s] >= 0:
            waiting[above[s]] += left * left
        now += left * left
        most = max(most, now)
    return most
