"""What prices add to the slope of every variable, and what variables add up to in the balances: the market's one sparse matrix.

Variables of an hour stand in rows, as :mod:`.program` says: own ones up to stored energy (2N + 3J), up to the backstop (4N + 3J), or with
the trades of listed pairs behind them. Every function reads from the width of the rows which of the three it is given.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .linear_algebra import OPTIONS


@njit(**OPTIONS)
def of_pairs(program, charges):
    """Return the dimensionless charges of the pairs that may trade, shape (T, K), and whether all are finite and at least 0."""
    n_hours, n, _, n_pairs = program.sizes
    charge, valid = np.empty((n_hours, n_pairs)), True
    for t in range(charges.shape[0]):
        for i in range(n):
            for j in range(n):
                valid &= 0.0 <= charges[t, i, j] < np.inf
    for t in range(n_hours):
        hour = min(t, charges.shape[0] - 1)
        for k in range(n_pairs):
            charge[t, k] = charges[hour, program.seller[k], program.buyer[k]] / program.price_unit
    return charge, valid


@njit(**OPTIONS)
def price_of(program, pairs, mu, sigma, out):
    """Write aᵀy, what prices ``mu`` (T, N or wider) and ``sigma`` (T, J) add to the slope of every variable, to ``out``.

    ``pairs`` lists the pairs whose trades are among the variables.
    """
    n_hours, n, n_owners, _ = program.sizes
    owner, eta, seller, buyer = program.owner, program.eta, program.seller, program.buyer
    at_charge, at_discharge, at_stored, at_import = 2 * n, 2 * n + n_owners, 2 * n + 2 * n_owners, 2 * n + 3 * n_owners
    at_export, at_trade = at_import + n, at_import + 2 * n
    for t in range(n_hours):
        for i in range(n):
            out[t, i] = mu[t, i]
            out[t, n + i] = -mu[t, i]
        for j in range(n_owners):
            own, stored = mu[t, owner[j]], sigma[t, j]
            out[t, at_charge + j] = own - eta[j] * stored
            out[t, at_discharge + j] = stored / eta[j] - own
            out[t, at_stored + j] = stored - (sigma[t + 1, j] if t + 1 < n_hours else 0.0)
        if out.shape[1] > at_import:
            for i in range(n):
                out[t, at_import + i] = -mu[t, i]
                out[t, at_export + i] = mu[t, i]
        if out.shape[1] > at_trade:
            for b, k in enumerate(pairs):
                out[t, at_trade + b] = mu[t, seller[k]] - mu[t, buyer[k]]


@njit(**OPTIONS)
def gather(program, pairs, values, net, storage):
    """Add what variables sum up to in the balances to ``net`` (T, N or wider), and in the storage equations to ``storage`` (T, J)."""
    n_hours, n, n_owners, _ = program.sizes
    owner, eta, seller, buyer = program.owner, program.eta, program.seller, program.buyer
    at_charge, at_discharge, at_stored, at_import = 2 * n, 2 * n + n_owners, 2 * n + 2 * n_owners, 2 * n + 3 * n_owners
    at_export, at_trade = at_import + n, at_import + 2 * n
    for t in range(n_hours):
        for i in range(n):
            net[t, i] += values[t, n + i] - values[t, i]
        for j in range(n_owners):
            charge, discharge, stored = values[t, at_charge + j], values[t, at_discharge + j], values[t, at_stored + j]
            net[t, owner[j]] += discharge - charge
            storage[t, j] += stored - eta[j] * charge + discharge / eta[j]
            if t + 1 < n_hours:
                storage[t + 1, j] -= stored
        if values.shape[1] > at_import:
            for i in range(n):
                net[t, i] += values[t, at_import + i] - values[t, at_export + i]
        if values.shape[1] > at_trade:
            for b, k in enumerate(pairs):
                traded = values[t, at_trade + b]
                net[t, buyer[k]] += traded
                net[t, seller[k]] -= traded


@njit(**OPTIONS)
def weigh(program, pairs, w, matrix, t):
    """Add the weights of hour ``t`` to its matrix, laid out as ``Factors.hour`` in :mod:`.linear_algebra`.

    A pair's weight goes below the diagonal; stored energy of the hour before counts when the chain is factorised.
    """
    _, n, n_owners, _ = program.sizes
    owner, eta, seller, buyer = program.owner, program.eta, program.seller, program.buyer
    at_charge, at_discharge, at_stored, at_import = 2 * n, 2 * n + n_owners, 2 * n + 2 * n_owners, 2 * n + 3 * n_owners
    at_export, at_trade = at_import + n, at_import + 2 * n
    for i in range(n):
        matrix[i, i] += w[t, i] + w[t, n + i]
    for j in range(n_owners):
        charge, discharge, i = w[t, at_charge + j], w[t, at_discharge + j], owner[j]
        matrix[i, i] += charge + discharge
        matrix[n + j, i] -= eta[j] * charge + discharge / eta[j]
        matrix[n + j, n + j] += eta[j] ** 2 * charge + discharge / eta[j] ** 2 + w[t, at_stored + j]
    if w.shape[1] > at_import:
        for i in range(n):
            matrix[i, i] += w[t, at_import + i] + w[t, at_export + i]
    if w.shape[1] > at_trade:
        for b, k in enumerate(pairs):
            i, j, weight = seller[k], buyer[k], w[t, at_trade + b]
            matrix[i, i] += weight
            matrix[j, j] += weight
            matrix[max(i, j), min(i, j)] -= weight


@njit(**OPTIONS)
def copy_to(target, source):
    """Write numbers of shape (T, N), or as many as both have, into ``target``.

    ``target[:] = source`` would compile code for shapes that do not fit, with its messages: a second for each function that calls it.
    """
    for t in range(target.shape[0]):
        for i in range(min(target.shape[1], source.shape[1])):
            target[t, i] = source[t, i]


@njit(**OPTIONS)
def greatest(values):
    """Return the greatest of (T, N) numbers in absolute value, NaN if one is."""
    found = 0.0
    for t in range(values.shape[0]):
        for i in range(values.shape[1]):
            found = worse(found, abs(values[t, i]))
    return found


@njit(**OPTIONS)
def worse(a, b):
    """Return the greater, and NaN if either is: comparisons with NaN are false."""
    return b if b > a or np.isnan(b) else a
