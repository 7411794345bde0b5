"""Normal equations of the market: T blocks of N×N in a chain, factorised and solved in compiled loops.

Every variable v enters the balance of one or two prosumers or the storage equation of one owner, with signs that are the same for every
day. Weighting each variable by w_v, the normal matrix in (μ, σ) is::

    hour t:        K_t  (N×N)   Σ w over the variables at a prosumer; a graph Laplacian of the w of trades
    owner j:       C_t  (N×J)   −(η·w_c + w_s/η) between μ of the owner and σ; one entry a column
                   S_t  (J×J)   η²·w_c + w_s/η² + w_e + w_e of the hour before, diagonal
    t to t + 1:    −w_e         between σ_t and σ_{t+1}, diagonal

and is solved by eliminating the prices of each hour (Cholesky of K_t) and then the chain of J×J Schur complements. Without storage the
hours fall apart.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from ....community.day import Array
from ....machine_code import INNER

OPTIONS = {"nogil": True, "fastmath": {"contract", "nsz", "reassoc"}, "error_model": "numpy", **INNER}
"""Sums may be reordered to vectorise, always in the same way; nothing is assumed about NaN or infinity, so that a broken solve is seen."""
ONCE = {**OPTIONS, "inline": "always"}
"""For functions with one caller, which are then not compiled by themselves as well: a fifth less to compile, to the same bits. Inlining
functions with several callers costs more than it saves."""
SWEEP_OPTIONS = {"nogil": True, "fastmath": True, "error_model": "numpy", **INNER}
"""For loops over many like numbers, taken to hold no NaN; callers look at the sums for that.

A loop that sums up must not write: before it vectorises one that does both, LLVM has it look how far apart the arrays lie, and arrays that
come to lie close in memory would be summed in another order, so that the last bit depended on what was cleared before.
"""


@njit(**OPTIONS)
def largest(values):
    """Return the greatest of ``values``, or 0 if none is above.

    Floats from 0 on are ordered as the integers of the same bits, and the greatest integer is found eight at a time. A loop that takes the
    maximum of floats is not vectorised at all: LLVM must know that none is NaN, and Numba's ``fastmath`` does not tell it of maxima.
    """
    bits, most = values.view(np.int64), np.int64(0)
    for i in range(len(bits)):
        most = max(most, bits[i])
    return np.int64(most).view(np.float64)


class Factors(NamedTuple):
    """A factorised normal matrix; lower triangles, with the diagonals of Cholesky factors inverted.

    Attributes:
        hour: For each hour the matrix of its N nodal prices and, below them, its J storage prices: first N columns eliminated, so that the
            lower left block is C_tᵀ·L⁻ᵀ and the lower right one what is left of S_t. Shape (T, M, M), M = N + J + 1, or (M, M, T) for
            :mod:`.side_by_side`; the last row and column are the backstop's and mean nothing.
        chain: Cholesky factors of the chain's Schur complements, shape (T, J, J).
        link: The chain's factor rows towards the hour before, shape (T, J, J).
    """

    hour: Array
    chain: Array
    link: Array


@njit(**OPTIONS)
def blank_factors(sizes, side_by_side):
    """Return room for the factors of a market of these sizes, (T, N, J, K), with the hours of ``hour`` last if ``side_by_side``."""
    n_hours, n, n_owners, _ = sizes
    size, square = n + n_owners + 1, (n_hours, n_owners, n_owners)
    shape = (size, size, n_hours) if side_by_side else (n_hours, size, size)
    return Factors(np.empty(shape), np.empty(square), np.empty(square))


@njit(**OPTIONS)
def fold(matrix, n):
    """Turn the negative weights of an hour's trades into their graph Laplacian.

    Args:
        matrix: As ``Factors.hour`` of one hour, with nothing in it but the negative weights, each in one of its pair's two places. What
            stands above the diagonal is added to what stands below it, and the sums by prosumer become the diagonal.
        n: Number of prosumers, N.
    """
    last = matrix.shape[0] - 1
    for i in range(n):
        total = matrix[i, last] + matrix[last, i]
        for j in range(i):
            weight = matrix[i, j] + matrix[j, i]
            matrix[i, j] = weight
            matrix[j, j] -= weight
            total += weight
        matrix[i, i] = -total


@njit(**OPTIONS)
def eliminate_hour(matrix, n, n_owners, shift):
    """Shift the diagonal of an hour's matrix and eliminate the nodal prices.

    Args:
        matrix: As ``Factors.hour`` of one hour; of the balances' part the lower triangle is read.
        n: Number of nodal prices, N.
        n_owners: Number of storage prices, J.
        shift: Added to the diagonal.

    Returns:
        Whether every pivot was positive.
    """
    for i in range(n + n_owners):
        matrix[i, i] += shift
    return eliminate(matrix, n, n + n_owners)


@njit(**OPTIONS)
def remainder(matrix, n, chain):
    """Copy what :func:`eliminate_hour` has left of an hour's storage equations, a lower triangle, to ``chain`` (J, J)."""
    for j in range(len(chain)):
        for i in range(j + 1):
            chain[j, i] = matrix[n + j, n + i]


@njit(**OPTIONS)
def factorise_chain(program, w, factors):
    """Factorise what the elimination of nodal prices has left of the storage equations.

    Args:
        program: The day.
        w: Weights, shape (T, 2N + 3J) or wider.
        factors: With what is left in ``chain``, lower triangles (see :func:`remainder`), and room for ``link``.

    Returns:
        Whether every pivot was positive.
    """
    n_hours, n, n_owners, _ = program.sizes
    at_stored, fine = 2 * n + 2 * n_owners, True
    for t in range(n_hours if n_owners > 0 else 0):
        schur = factors.chain[t]
        if t > 0:
            # Row j of the link: the solution of L_{t−1} z = −w_e at owner j, so that link·linkᵀ is what elimination subtracts.
            link = factors.link[t]
            for j in range(n_owners):
                before = w[t - 1, at_stored + j]
                schur[j, j] += before
                link[j, :] = 0.0
                link[j, j] = -before
                forward(factors.chain[t - 1], link[j], j, n_owners)
            for j in range(n_owners):
                for i in range(j + 1):
                    total = 0.0
                    for k in range(j, n_owners):
                        total += link[i, k] * link[j, k]
                    schur[j, i] -= total
        fine &= eliminate(schur, n_owners, n_owners)
    return fine


@njit(**OPTIONS)
def solve(program, factors, mu, sigma):
    """Solve in place: ``mu`` (T, N or wider) and ``sigma`` (T, J) hold the right-hand side and receive the solution."""
    n_hours, n, n_owners, _ = program.sizes
    hour = factors.hour
    for t in range(n_hours):
        forward(hour[t], mu[t], 0, n)
        for j in range(n_owners):
            total = 0.0
            for k in range(n):
                total += hour[t, n + j, k] * mu[t, k]
            sigma[t, j] -= total
    solve_chain(program, factors, sigma)
    for t in range(n_hours):
        for j in range(n_owners):
            for k in range(n):
                mu[t, k] -= hour[t, n + j, k] * sigma[t, j]
        backward(hour[t], mu[t], n)


@njit(**OPTIONS)
def solve_chain(program, factors, sigma):
    """Solve for the storage prices (T, J) in place, once nodal prices are eliminated from their right-hand side."""
    n_hours, _, n_owners, _ = program.sizes
    link = factors.link
    for t in range(n_hours if n_owners > 0 else 0):
        if t > 0:
            for j in range(n_owners):
                total = 0.0
                for k in range(n_owners):
                    total += link[t, j, k] * sigma[t - 1, k]
                sigma[t, j] -= total
        forward(factors.chain[t], sigma[t], 0, n_owners)
    for t in range(n_hours - 1 if n_owners > 0 else -1, -1, -1):
        if t + 1 < n_hours:
            for j in range(n_owners):
                for k in range(n_owners):
                    sigma[t, k] -= link[t + 1, j, k] * sigma[t + 1, j]
        backward(factors.chain[t], sigma[t], n_owners)


@njit(**OPTIONS)
def eliminate(matrix, n, size):
    """Eliminate the first ``n`` of ``size`` columns of a symmetric matrix in place, reading and writing its lower triangle.

    The first n rows become their Cholesky factor with the diagonal inverted, which spares later solves their divisions; the block below
    them its continuation; the rest the Schur complement. Two rows are taken with two columns at a time: four inner products for four
    loads instead of eight, twice as fast from 20 prosumers on.

    Returns:
        Whether every pivot was positive.
    """
    for i in range(0, size, 2):
        other = min(i + 1, size - 1)  # of an odd size the last row is taken with itself
        inner = min(i, n)
        for j in range(0, inner - 1, 2):
            aa, ab, ba, bb = _products(matrix, i, other, j, j + 1, j)
            matrix[i, j] = (matrix[i, j] - aa) * matrix[j, j]
            matrix[i, j + 1] = (matrix[i, j + 1] - ab - matrix[i, j] * matrix[j + 1, j]) * matrix[j + 1, j + 1]
            if other > i:
                matrix[other, j] = (matrix[other, j] - ba) * matrix[j, j]
                matrix[other, j + 1] = (matrix[other, j + 1] - bb - matrix[other, j] * matrix[j + 1, j]) * matrix[j + 1, j + 1]
        if inner % 2 == 1:  # only below the first n rows
            j = inner - 1
            for row in range(i, other + 1):
                total = matrix[row, j]
                for k in range(j):
                    total -= matrix[row, k] * matrix[j, k]
                matrix[row, j] = total * matrix[j, j]
        for j in range(inner, i, 2):  # the Schur complement left of the diagonal
            aa, ab, ba, bb = _products(matrix, i, other, j, j + 1, n)
            matrix[i, j] -= aa
            if j + 1 < i:
                matrix[i, j + 1] -= ab
            if other > i:
                matrix[other, j] -= ba
                if j + 1 < i:
                    matrix[other, j + 1] -= bb
        if not _diagonal(matrix, i, other, n):
            return False
    return True


@njit(**OPTIONS)
def _products(matrix, a, b, c, d, n):
    """Return the inner products of rows a and b with rows c and d over their first ``n`` entries."""
    ac, ad, bc, bd = 0.0, 0.0, 0.0, 0.0
    for k in range(n):
        ac += matrix[a, k] * matrix[c, k]
        ad += matrix[a, k] * matrix[d, k]
        bc += matrix[b, k] * matrix[c, k]
        bd += matrix[b, k] * matrix[d, k]
    return ac, ad, bc, bd


@njit(**OPTIONS)
def _diagonal(matrix, i, other, n):
    """Finish the two rows ``i`` and ``other`` of :func:`eliminate` at the diagonal; return whether their pivots were positive."""
    depth = min(i, n)
    ii, io, _, oo = _products(matrix, i, other, i, other, depth)
    if i >= n:
        matrix[i, i] -= ii
        if other > i:
            matrix[other, i] -= io
            matrix[other, other] -= oo
        return True
    pivot = matrix[i, i] - ii
    if not pivot > 0.0:
        return False
    matrix[i, i] = 1.0 / np.sqrt(pivot)
    if other > i:
        matrix[other, i] = (matrix[other, i] - io) * matrix[i, i]
        pivot = matrix[other, other] - oo - matrix[other, i] * matrix[other, i]
        if other < n:
            if not pivot > 0.0:
                return False
            pivot = 1.0 / np.sqrt(pivot)
        matrix[other, other] = pivot
    return True


@njit(**OPTIONS)
def forward(factor, vector, start, n):
    """Solve L z = vector in place for the first ``n`` entries; those before ``start`` are known to be zero."""
    for i in range(start, n):
        total = vector[i]
        for k in range(start, i):
            total -= factor[i, k] * vector[k]
        vector[i] = total * factor[i, i]


@njit(**OPTIONS)
def backward(factor, vector, n):
    """Solve Lᵀ z = vector in place for the first ``n`` entries, by rows of L."""
    for i in range(n - 1, -1, -1):
        value = vector[i] * factor[i, i]
        vector[i] = value
        for k in range(i):
            vector[k] -= factor[i, k] * value
