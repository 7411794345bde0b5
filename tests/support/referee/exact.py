"""A clearing's optimum in long double: three more digits than whoever is judged by it has.

Newton's method on the optimality conditions, written for multipliers y and the variables without curvature, u. A variable with curvature is
the minimiser of the Lagrangian at y within its bounds. What is left of equations and of the slopes of free u is reckoned in long double,
the step that removes it in double, again and again: so each step gains the digits that double precision has, and the answer has those of
long double. Nothing is taken on trust: :func:`.certificate.distance` bounds how far this answer, too, can be from the optimum.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse import bmat, coo_array, csc_array, diags_array, eye_array
from scipy.sparse.linalg import splu

from gridtoll.envs.community.day import Day
from gridtoll.envs.market.exact import Clearing

from .program import Array, Program, point_of, program_of

_STEPS = 30
_EXACT = 1e-17  # of the greatest term of an equation, or of the greatest price
_SHIFT = 1e-9  # of the diagonal: prices that nothing determines stay where they are
_EASE = 20.0  # powers a price: how far a slope pushes a variable without curvature


def exact(day: Day, charges: Array, clearing: Clearing) -> Clearing | None:
    """Return the optimum that a clearing is near, its arrays in long double; None where Newton's method does not arrive.

    Args:
        day: The day.
        charges: EUR/kWh, shape (N, N) or (T, N, N).
        clearing: Where to start; its prices and its variables without curvature are read.
    """
    program = program_of(day, charges)
    found = _newton(program, *point_of(program, clearing))
    if found is None:
        return None
    v, y = found
    return _clearing_of(day, program, v, y, clearing)


def _newton(program: Program, v: Array, y: Array) -> tuple[Array, Array] | None:
    price = np.abs(y).max(initial=0) + np.abs(program.linear).max(initial=0) or np.longdouble(1)
    power = program.size_of(v).max(initial=0) or np.longdouble(1)
    best, kept, last = np.inf, None, None
    solve: Any = None
    for _ in range(_STEPS):
        v, free = _placed(program, v, y, _EASE * power / price)
        curved = free & (program.quadratic > 0)
        flat = free & ~curved
        missed, slope = program.times(v) - program.right, np.where(flat, program.slope(v, y), 0)
        error = max(float(np.abs(missed).max(initial=0) / power), float(np.abs(slope).max(initial=0) / price))
        if error < best:
            best, kept = error, (v, y)
        if error <= _EXACT:
            break
        if last is None or not (np.array_equal(last[0], curved) and np.array_equal(last[1], flat)):
            last, solve = (curved, flat), _solver(program, curved, flat)
        step = solve(np.concatenate([missed, -slope[flat]]).astype(np.float64))
        y = y + step[: len(y)]
        v = v.copy()
        v[flat] += step[len(y) :]
    return kept if best <= 1e3 * _EXACT else None


def _placed(program: Program, v: Array, y: Array, ease: Any) -> tuple[Array, Array]:
    """Return the variables where primal and dual say they belong, and which are off their bounds."""
    slope, q = program.slope(v, y), program.quadratic
    curved = q > 0
    wish = v - np.where(curved, slope / np.where(curved, q, 1), ease * slope)
    free = (wish > program.lower) & (wish < program.upper)
    bounded = np.clip(wish, program.lower, program.upper)
    return np.where(curved | ~free, bounded, v), free


def _solver(program: Program, curved: Array, flat: Array) -> Any:
    """Return what solves [K −A_u; A_uᵀ shift] z = b in double, K the equations' matrix weighted by 1/q of the free curved variables."""
    rows, columns = program.shape.row.ravel(), np.repeat(np.arange(len(program.lower)), 2)
    matrix = csc_array(coo_array((program.coefficient.astype(float).ravel(), (rows, columns)), shape=(program.n_equations, len(curved))))
    weight = np.where(curved, 1 / np.where(curved, program.quadratic, 1), 0).astype(float)
    normal = matrix @ diags_array(weight) @ matrix.T
    loose = matrix[:, np.flatnonzero(flat)]
    size = float(normal.diagonal().max(initial=0.0)) or 1.0
    # Free variables without curvature are scaled so that both blocks are of one size.
    shift = _SHIFT * size * eye_array(program.n_equations)
    below = -_SHIFT / size * eye_array(loose.shape[1])
    whole = csc_array(bmat([[normal + shift, -loose], [-loose.T, below]]))
    factor = splu(whole)
    count = program.n_equations

    def solve(wanted: Array) -> Array:
        found = factor.solve(np.concatenate([wanted[:count], -wanted[count:]]))
        return np.asarray(found)

    return solve


def _clearing_of(day: Day, program: Program, v: Array, y: Array, like: Clearing) -> Clearing:
    shape, hours = program.shape, np.longdouble(program.period_hours)
    t, n, owner = shape.hours, shape.prosumers, shape.owner

    def own(name: str) -> Array:
        return v[program.family(name)].reshape(t, n)

    def stores(name: str) -> Array:
        whole: Array = np.zeros((t, n), dtype=np.longdouble)
        whole[:, owner] = v[program.family(name)].reshape(t, -1)
        return whole

    energy: Array = np.tile(day.storage_start.astype(np.longdouble), (t + 1, 1))
    energy[1:, owner] = hours * stores("stored")[:, owner]
    trade: Array = np.zeros((t, n, n), dtype=np.longdouble)
    trade[:, shape.seller, shape.buyer] = v[program.family("trade")].reshape(t, -1)
    prices = y.reshape(t, -1)
    storage_price: Array = np.zeros((t, n), dtype=np.longdouble)
    storage_price[:, owner] = prices[:, n:]
    return replace(
        like,
        demand=own("demand"),
        renewable_used=own("renewable"),
        grid_import=own("import"),
        grid_export=own("export"),
        storage_charge=stores("charge"),
        storage_discharge=stores("discharge"),
        stored_energy=energy,
        trade=trade,
        nodal_price=-prices[:, :n],
        storage_price=storage_price,
        objective_eur=program.cost(v),
    )
