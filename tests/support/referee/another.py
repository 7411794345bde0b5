"""The followers' program by another solver: PIQP, an interior point of proximal steps, given the referee's own matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import coo_array, csc_matrix, diags_array

from .program import Array, Program


def solved_by_piqp(program: Program, *, tolerance: float = 1e-9) -> tuple[Array, float] | None:
    """Solve a program.

    Args:
        program: The program.
        tolerance: PIQP's absolute and relative tolerances, in units of the greatest price and power.

    Returns:
        The variables of shape (V,) and the objective in EUR, or None where PIQP does not end with a solution.
    """
    import piqp  # only a share of cases asks for it

    power = float(np.abs(program.upper[program.family("demand")]).max(initial=0.0)) or 1.0
    price = float(np.abs(program.linear).max(initial=0.0)) or 1.0
    size = len(program.linear)
    rows, columns = program.shape.row.ravel(), np.repeat(np.arange(size), 2)
    matrix = csc_matrix(coo_array((program.coefficient.astype(float).ravel(), (rows, columns)), shape=(program.n_equations, size)))
    solver: Any = piqp.SparseSolver()
    settings = solver.settings
    settings.eps_abs = settings.eps_rel = settings.eps_duality_gap_abs = settings.eps_duality_gap_rel = tolerance
    solver.setup(
        csc_matrix(diags_array((program.quadratic * (power / price)).astype(float))),
        (program.linear / price).astype(float),
        A=matrix,
        b=(program.right / power).astype(float),
        x_l=(program.lower / power).astype(float),
        x_u=(program.upper / power).astype(float),
    )
    if solver.solve() != piqp.PIQP_SOLVED:
        return None
    v = np.asarray(solver.result.x, dtype=np.longdouble) * power
    return v, float(program.cost(v))
