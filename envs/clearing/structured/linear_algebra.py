"""Normal equations of the market: T blocks of N×N in a chain, factorised and solved in compiled loops.

Every variable v enters the balance of one or two prosumers or the storage equation of one owner, with signs that are the same for every
day. Weighting each variable by w_v, the normal matrix in (μ, σ) is

    hour t:        K_t  (N×N)   Σ w over the variables at a prosumer; a graph Laplacian of the w of trades
    owner j:       C_t  (N×J)   −(η·w_c + w_s/η) between μ of the owner and σ; one entry a column
                   S_t  (J×J)   η²·w_c + w_s/η² + w_e + w_e of the hour before, diagonal
    t to t + 1:    −w_e         between σ_t and σ_{t+1}, diagonal

and is solved by eliminating the prices of each hour (Cholesky of K_t) and then the chain of J×J Schur complements. Without storage the
hours fall apart. Variables lie in one row per hour: d, r, m, x (N each), c, s, e (J each), p (K).
"""

from __future__ import annotations

import numpy as np
from numba import njit

OPTIONS = {"cache": True, "nogil": True, "fastmath": {"contract", "nsz", "reassoc"}, "error_model": "numpy"}
"""Sums may be reordered to vectorise, always in the same way; nothing is assumed about NaN or infinity, so that a broken solve is seen."""


@njit(**OPTIONS)
def factorise(sizes, seller, buyer, owner, eta, weight, shift, hour_factor, coupling, chain_factor, chain_link):
    """Factorise the normal matrix of ``weight`` (T, W), in place of the four output arrays.

    Args:
        sizes: (T, N, J, K).
        seller: Seller of each pair, shape (K,); likewise ``buyer``, and ``owner`` of shape (J,).
        eta: Efficiency of each owner, shape (J,).
        weight: w of every variable, 0 for held ones.
        shift: Added to the diagonal.
        hour_factor: Receives the Cholesky factors of K_t, shape (T, N, N), lower triangles.
        coupling: Receives L⁻¹·C_t, shape (T, J, N), a row per owner.
        chain_factor: Receives the Cholesky factors of the chain's Schur complements, shape (T, J, J).
        chain_link: Receives the chain's factor rows towards the hour before, shape (T, J, J).

    Returns:
        Whether every pivot was positive.
    """
    n_hours, n, n_owners, n_pairs = sizes
    at_charge = 4 * n
    at_discharge = at_charge + n_owners
    at_stored = at_discharge + n_owners
    at_trade = at_stored + n_owners
    column = np.empty(max(n, n_owners))
    fine = True
    for t in range(n_hours):
        matrix, w = hour_factor[t], weight[t]
        matrix[:] = 0.0
        for i in range(n):
            matrix[i, i] = w[i] + w[n + i] + w[2 * n + i] + w[3 * n + i] + shift
        for j in range(n_owners):
            matrix[owner[j], owner[j]] += w[at_charge + j] + w[at_discharge + j]
        for k in range(n_pairs):
            stiffness = w[at_trade + k]
            if stiffness != 0.0:
                i, j = seller[k], buyer[k]
                matrix[i, i] += stiffness
                matrix[j, j] += stiffness
                if i > j:
                    matrix[i, j] -= stiffness
                else:
                    matrix[j, i] -= stiffness
        fine &= _cholesky(matrix, n, column)
        for j in range(n_owners):
            row = coupling[t, j]
            row[:] = 0.0
            row[owner[j]] = -(eta[j] * w[at_charge + j] + w[at_discharge + j] / eta[j])
            _forward(matrix, n, row, owner[j])
        schur = chain_factor[t]
        for j in range(n_owners):
            for i in range(j + 1):
                total = 0.0
                for k in range(max(owner[i], owner[j]), n):
                    total += coupling[t, i, k] * coupling[t, j, k]
                schur[j, i] = -total
            schur[j, j] += eta[j] ** 2 * w[at_charge + j] + w[at_discharge + j] / eta[j] ** 2 + w[at_stored + j] + shift
        if t > 0:
            # Row j of the link: the solution of L_{t−1} z = −w_e at owner j, so that link·linkᵀ is what elimination subtracts.
            link = chain_link[t]
            for j in range(n_owners):
                before = weight[t - 1, at_stored + j]
                schur[j, j] += before
                link[j, :] = 0.0
                link[j, j] = -before
                _forward(chain_factor[t - 1], n_owners, link[j], j)
            for j in range(n_owners):
                for i in range(j + 1):
                    total = 0.0
                    for k in range(j, n_owners):
                        total += link[i, k] * link[j, k]
                    schur[j, i] -= total
        fine &= _cholesky(schur, n_owners, column)
    return fine


@njit(**OPTIONS)
def solve(sizes, hour_factor, coupling, chain_factor, chain_link, mu, sigma):
    """Solve in place: ``mu`` (T, N) and ``sigma`` (T, J) hold the right-hand side and receive the solution."""
    n_hours, n, n_owners, _ = sizes
    for t in range(n_hours):
        _forward(hour_factor[t], n, mu[t], 0)
        for j in range(n_owners):
            total = 0.0
            for k in range(n):
                total += coupling[t, j, k] * mu[t, k]
            if t > 0:
                for k in range(n_owners):
                    total += chain_link[t, j, k] * sigma[t - 1, k]
            sigma[t, j] -= total
        _forward(chain_factor[t], n_owners, sigma[t], 0)
    for t in range(n_hours - 1, -1, -1):
        if t + 1 < n_hours:
            for j in range(n_owners):
                for k in range(n_owners):
                    sigma[t, k] -= chain_link[t + 1, j, k] * sigma[t + 1, j]
        _backward(chain_factor[t], n_owners, sigma[t])
        for j in range(n_owners):
            for k in range(n):
                mu[t, k] -= coupling[t, j, k] * sigma[t, j]
        _backward(hour_factor[t], n, mu[t])


@njit(**OPTIONS)
def _cholesky(matrix, n, column):
    """Factorise the lower triangle in place, by columns: the inner loop runs along rows and vectorises."""
    for k in range(n):
        pivot = matrix[k, k]
        if not pivot > 0.0:
            return False
        pivot = np.sqrt(pivot)
        matrix[k, k] = pivot
        inverse = 1.0 / pivot
        for i in range(k + 1, n):
            matrix[i, k] *= inverse
            column[i] = matrix[i, k]
        for i in range(k + 1, n):
            factor = column[i]
            if factor != 0.0:
                for j in range(k + 1, i + 1):
                    matrix[i, j] -= factor * column[j]
    return True


@njit(**OPTIONS)
def _forward(factor, n, vector, start):
    """Solve L z = vector in place; entries before ``start`` are known to be zero."""
    for i in range(start, n):
        total = vector[i]
        for k in range(start, i):
            total -= factor[i, k] * vector[k]
        vector[i] = total / factor[i, i]


@njit(**OPTIONS)
def _backward(factor, n, vector):
    """Solve Lᵀ z = vector in place, by rows of L."""
    for i in range(n - 1, -1, -1):
        value = vector[i] / factor[i, i]
        vector[i] = value
        for k in range(i):
            vector[k] -= factor[i, k] * value
