"""The hours' blocks of the normal equations with the hour as the innermost index, for markets of few prosumers.

A block of 9 × 9 is too small for vector instructions: its inner products end before they have begun, and its pivots wait for one another.
The same step in all hours at once is a loop over neighbouring numbers. Blocks too large to stay in a core's nearest cache together are
better off one by one, in :mod:`.linear_algebra`, whose notation holds here: ``matrix`` (M, M, T) is ``Factors.hour`` with its hours last.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .linear_algebra import OPTIONS

MOST_PROSUMERS = 32  # at 30 prosumers it saves a fifth, at 57 it loses a tenth
LEAST_HOURS = 8


@njit(**OPTIONS)
def suits(sizes):
    """Return whether a market of these sizes, (T, N, J, K), is better off side by side."""
    return sizes[0] >= LEAST_HOURS and sizes[1] <= MOST_PROSUMERS


@njit(**OPTIONS)
def fold_hours(matrix, n):
    """As :func:`.linear_algebra.fold`, of all hours."""
    last = matrix.shape[0] - 1
    for i in range(n):
        own, bought, sold = matrix[i, i], matrix[i, last], matrix[last, i]
        for t in range(len(own)):
            own[t] = -bought[t] - sold[t]
        for j in range(i):
            below, above, other = matrix[i, j], matrix[j, i], matrix[j, j]
            for t in range(len(own)):
                weight = below[t] + above[t]
                below[t] = weight
                own[t] -= weight
                other[t] -= weight


@njit(**OPTIONS)
def eliminate_hours(matrix, n, n_owners, shift):
    """As :func:`.linear_algebra.eliminate_hour`, of all hours; return whether every pivot was positive."""
    n_hours, fine = matrix.shape[2], True
    for i in range(n + n_owners):
        own = matrix[i, i]
        for t in range(n_hours):
            own[t] += shift
        for j in range(i + 1):
            target, depth = matrix[i, j], min(j, n)
            for k in range(0, depth - 1, 2):
                a, b, c, d = matrix[i, k], matrix[j, k], matrix[i, k + 1], matrix[j, k + 1]
                for t in range(n_hours):
                    target[t] -= a[t] * b[t] + c[t] * d[t]
            if depth % 2 == 1:
                a, b = matrix[i, depth - 1], matrix[j, depth - 1]
                for t in range(n_hours):
                    target[t] -= a[t] * b[t]
            if j < min(i, n):
                pivot = matrix[j, j]
                for t in range(n_hours):
                    target[t] *= pivot[t]
        if i < n:
            for t in range(n_hours):
                fine &= own[t] > 0.0
                own[t] = 1.0 / np.sqrt(own[t])
    return fine


@njit(**OPTIONS)
def forward_hours(matrix, n, n_owners, right, sigma):
    """Eliminate the nodal prices from the right-hand sides ``right`` (N, T) and ``sigma`` (T, J), in place."""
    n_hours = matrix.shape[2]
    for i in range(n):
        target, pivot = right[i], matrix[i, i]
        for k in range(i):
            a, b = matrix[i, k], right[k]
            for t in range(n_hours):
                target[t] -= a[t] * b[t]
        for t in range(n_hours):
            target[t] *= pivot[t]
    for j in range(n_owners):
        for k in range(n):
            a, b = matrix[n + j, k], right[k]
            for t in range(n_hours):
                sigma[t, j] -= a[t] * b[t]


@njit(**OPTIONS)
def backward_hours(matrix, n, n_owners, right, sigma):
    """Put the storage prices ``sigma`` (T, J) into what :func:`forward_hours` left, and solve for the nodal prices, in place."""
    n_hours = matrix.shape[2]
    for j in range(n_owners):
        for k in range(n):
            target, a = right[k], matrix[n + j, k]
            for t in range(n_hours):
                target[t] -= a[t] * sigma[t, j]
    for i in range(n - 1, -1, -1):
        value, pivot = right[i], matrix[i, i]
        for t in range(n_hours):
            value[t] *= pivot[t]
        for k in range(i):
            target, a = right[k], matrix[i, k]
            for t in range(n_hours):
                target[t] -= a[t] * value[t]
