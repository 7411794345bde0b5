"""The followers' optimum near a clearing, to the last digits: Newton's method on the verifier's own program, in long double.

Where frictions are 1e-5 of the price, slopes that are right to 1e-12 still leave trades, and what the leader earns at a kink, wrong by 1e-8
and more. What a clearing earns is compared with stated numbers, so that it is put right first. With E·v = b the balances and storage
equations and multipliers y, the followers' slope is z = Q·v + k + γ·B + Eᵀ·y. A quantity with curvature is where its slope says,

    v_k = −(k + γ·B + Eᵀ·y)_k / Q_k within [l_k, u_k].

Unknown are y and u, the quantities without curvature that are off their bounds, such that E·v(y, u) = b and z_u = 0. What is left of both
is reckoned in long double and the step that removes it in double, so that each step gains the digits that double precision has. No proof
rests on how a point was found: :mod:`.response` checks what comes of it as it checks a clearing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import block_array, csc_array, diags_array, eye_array
from scipy.sparse.linalg import splu

from ....envs.community.day import Array
from .program import FollowersProgram
from .repair import equations

_STEPS = 20
_ARRIVED = 1e-13  # of the mean load, or of the greatest price: what is left of equations and slopes
_DONE = 1e-17  # likewise: nothing more is to be gained
_SHIFT = 1e-9  # of the greatest diagonal: multipliers that nothing determines stay where they are
_EASE = 20.0  # mean loads at the greatest price: how far a slope pushes a quantity without curvature, to tell which bounds hold


def polished(program: FollowersProgram, charge: float, start: tuple[Array, Array, Array], size: float) -> tuple[Array, Array, Array] | None:
    """Return the followers' optimum in double precision: v, shape (V,), prices of balances and of stored energy, shape (T, N) both.

    Args:
        program: The program.
        charge: γ, EUR/kWh.
        start: Where to start: v, of which only what has no curvature is read, and the prices.
        size: The mean load in kW, that distances are measured by.

    Returns:
        The optimum, or None where Newton's method does not arrive at one.
    """
    longer: list[Any] = [part.astype(np.longdouble) for part in start]
    vector, nodal, stored = longer
    fixed = program.cost + np.longdouble(charge) * program.charged
    price = float(max(np.abs(nodal).max(initial=0.0), np.abs(stored).max(initial=0.0))) or 1.0
    worth = price * program.day.period_hours
    curved, matrix = program.curvature > 0.0, equations(program)
    stiff = np.where(curved, program.curvature, 1.0)
    least, found = np.inf, longer
    solved: Any = None
    solve: Any = None
    for _ in range(_STEPS):
        slope = fixed + program.worth(nodal, stored)
        wish = np.where(curved, -slope / stiff, vector - _EASE * size / worth * slope)
        free = (wish > program.lower) & (wish < program.upper)
        vector = np.where(curved | ~free, np.clip(wish, program.lower, program.upper), vector)
        loose = free & ~curved
        missed, left = np.concatenate([part.ravel() for part in program.residuals(vector)]), slope[loose].astype(np.float64)
        error = max(float(np.abs(missed).max()) / size, float(np.abs(left).max(initial=0.0)) / worth)
        settled = solved is not None and np.array_equal(solved, free) and error > 0.5 * least  # rounding of the data is what is left
        if error < least:
            least, found = error, [vector, nodal, stored]
        if not np.isfinite(error) or error <= _DONE or (settled and least <= _ARRIVED):
            break
        if solved is None or not np.array_equal(solved, free):
            solved, solve = free, _solver(matrix, np.where(free & curved, 1.0 / stiff, 0.0), np.flatnonzero(loose))
        multipliers, moved = solve(missed, left)
        balance, storage = multipliers.reshape(2, *nodal.shape)
        nodal, stored = nodal - balance / program.day.period_hours, stored + storage
        vector = vector.copy()
        vector[loose] += moved
    if not least <= _ARRIVED:
        return None
    v, balances, energies = (np.asarray(part, dtype=np.float64) for part in found)
    return v, balances, energies


def _solver(matrix: Any, weight: Array, loose: Any) -> Any:
    """Return what solves E·W·Eᵀ·y − E_u·u = missed, E_uᵀ·y = −left, W the inverse curvatures of what is off its bounds."""
    normal = matrix @ diags_array(weight) @ matrix.T
    beside = matrix.tocsc()[:, loose]
    size = float(normal.diagonal().max(initial=0.0)) or 1.0
    shift = _SHIFT * size * eye_array(normal.shape[0])
    factor = splu(csc_array(block_array([[normal + shift, -beside], [-beside.T, -_SHIFT / size * eye_array(len(loose))]])))
    count = normal.shape[0]

    def solve(missed: Array, left: Array) -> tuple[Array, Array]:
        step = factor.solve(np.concatenate([missed, left]))
        return step[:count], step[count:]

    return solve
