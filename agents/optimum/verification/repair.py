"""A clearing's quantities, put right to the last digits: on the bounds they are nearly on, and onto the balances and storage equations.

What an equation is missed by is charged for by every bound, and enters it under a root: 1e-12 kWh would cost a millionth of a EUR and more
beside a steep kink. Quantities that are off their bounds can take it up at a cost that counts for nothing. A prosumer's own demand,
renewable use or exchange does so where one of them has room. Else all that has room does, trades and stored energy included, by the least
step in the norm of the followers' costs. What nobody can take up stays missed, and is charged for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import coo_array, csr_array, diags_array
from scipy.sparse.linalg import splu

from ....envs.community.day import Array
from .program import BLOCKS, CHARGING, DEMAND, DISCHARGING, ENERGY, EXPORT, IMPORT, RENEWABLE, FollowersProgram

ROUNDING = 1e-12
"""Of the mean load, or of the greatest price: what is left of an equation, or of the slope of a quantity off its bounds, that is rounding.
A bound on a response pays the root of such a number, 1e-6 of it, and could not be lower than that beside a kink."""
_SNAP = 1e-11  # of the mean load: closer than this to a bound is on it; what that leaves of a balance is charged for
_ROOM = 1e-9  # of the mean load: off both bounds by that much, a quantity can take up what equations are missed by
_STEPS = 3
_RIDGE = 1e-12  # of the diagonal: equations in which nothing has room, alone or together, keep what they are missed by


def repaired(program: FollowersProgram, vector: Array, size: float) -> Array:
    """Return a vector within its bounds whose balances and storage equations hold to rounding where something has room for it.

    Args:
        program: The program.
        vector: Quantities, shape (V,).
        size: The mean load in kW, that distances are measured by.
    """
    return _onto_equations(program, _by_oneself(program, _snapped(program, vector, size)), size)


def _snapped(program: FollowersProgram, vector: Array, size: float) -> Array:
    """Return a vector within its bounds, with what is closest to one on it."""
    near = _SNAP * size
    vector = np.where(vector - program.lower <= near, program.lower, vector)
    return np.where(program.upper - vector <= near, program.upper, vector)


def _by_oneself(program: FollowersProgram, vector: Array) -> Array:
    """Return a vector whose balances hold to rounding where a prosumer's demand, exchange or renewable use has room for it."""
    vector = vector.copy()
    lower, upper = program.lower, program.upper
    kinds, signs = (DEMAND, RENEWABLE, IMPORT, EXPORT), (1.0, -1.0, -1.0, 1.0)
    for _ in range(2):
        balance, _ = program.residuals(vector)
        rooms = [np.minimum(program.block(vector - lower, kind), program.block(upper - vector, kind)) for kind in kinds]
        widest = np.argmax(rooms, axis=0)
        for number, (kind, sign) in enumerate(zip(kinds, signs, strict=True)):
            moved = (widest == number) & (rooms[number] >= np.abs(balance))
            program.block(vector, kind)[moved] += sign * balance[moved]
    return np.asarray(np.clip(vector, lower, upper))


def _onto_equations(program: FollowersProgram, vector: Array, size: float) -> Array:
    """Return the vector after the least steps, in the norm of the followers' costs, of what has room, onto the equations still missed."""
    solve: Any = None
    for _ in range(_STEPS):
        missed = np.concatenate([part.ravel() for part in program.residuals(vector)])
        if not np.abs(missed).max(initial=0.0) > ROUNDING * size:
            break
        if solve is None:
            room = np.minimum(vector - program.lower, program.upper - vector) > _ROOM * size
            curved = program.curvature > 0.0
            softest = program.curvature[curved].min(initial=1.0)  # what has no curvature moves as easily as what has the least
            weight = np.where(room, 1.0 / np.where(curved, program.curvature, softest), 0.0)
            matrix = equations(program)
            normal = matrix @ diags_array(weight) @ matrix.T
            diagonal = normal.diagonal()
            ridge = np.where(diagonal > 0.0, _RIDGE * diagonal, 1.0)
            solve = splu((normal + diags_array(ridge)).tocsc()).solve
        vector = np.clip(vector - weight * (matrix.T @ solve(missed)), program.lower, program.upper)
    return vector


def equations(program: FollowersProgram) -> csr_array:
    """Return the matrix of the balances and of the storage equations, shape (2·T·N, V).

    Its rows are in the order of :meth:`.program.FollowersProgram.residuals`.

    Args:
        program: The program of the day.
    """
    shape = program.day.demand_max.shape
    count = program.day.demand_max.size
    at = np.arange(count).reshape(shape)
    hours, eta = program.day.period_hours, np.broadcast_to(program.day.storage_efficiency, shape)
    trade = BLOCKS * count + np.arange(shape[0] * len(program.seller)).reshape(shape[0], -1)
    signs = {DEMAND: -1.0, RENEWABLE: 1.0, IMPORT: 1.0, EXPORT: -1.0, CHARGING: -1.0, DISCHARGING: 1.0}
    entries: list[tuple[Any, Any, Any]] = [(at, which * count + at, sign) for which, sign in signs.items()]
    entries += [(at[:, program.seller], trade, -1.0), (at[:, program.buyer], trade, 1.0)]
    entries += [(count + at, ENERGY * count + at, 1.0), (count + at[1:], ENERGY * count + at[:-1], -1.0)]
    entries += [(count + at, CHARGING * count + at, -hours * eta), (count + at, DISCHARGING * count + at, hours / eta)]
    row, column = (np.concatenate([entry[part].ravel() for entry in entries]) for part in (0, 1))
    value = np.concatenate([np.broadcast_to(number, where.shape).ravel() for where, _, number in entries])
    return csr_array(coo_array((value, (row, column)), shape=(2 * count, len(program.lower))))
