"""How great the followers' multipliers can be at any equilibrium: what turns a solver's small residual into a rigorous bound.

With a strictly feasible x̂, every optimal multiplier satisfies z⁻·(x̂ − l) + z⁺·(u − x̂) ≤ h(x̂) + g·Cᵀx̂ − V(g), h the cost before charges: the
Lagrangian at its optimal prices is least at V(g), and at x̂ it is h + g·Cᵀx̂ less the left side. So none exceeds the right side over its
variable's slack at x̂. Prices follow from the stationarity of a variable that touches one equation, or one more whose price is bounded.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse import csc_array

from ....envs.community.day import Array
from .relaxation_program import Matrix, RelaxationProgram

_SAFETY = 2.0  # for x̂, which is feasible to a linear solver's tolerance only


def greatest_multipliers(p: RelaxationProgram, ceiling: Array, least_value: float | None) -> tuple[Array, Array]:
    """Return bounds of each variable's multipliers and of each equation's price; infinite where no strictly feasible point was found.

    Args:
        p: The program, with n variables and m equations.
        ceiling: Greatest magnitude of each parameter, dimensionless, shape (K,).
        least_value: A lower bound on V within the ceiling, dimensionless; from the variables' bounds alone where absent.

    Returns:
        Of each variable's multipliers, shape (n,), and of each equation's price, shape (m,), dimensionless.
    """
    inner, slack = _strictly_feasible(p)
    worst = 0.5 * float(inner @ (p.curvature * inner)) + float(p.cost @ inner) + float(ceiling @ np.abs(p.basis.T @ inner))
    with np.errstate(divide="ignore"):
        multipliers = _SAFETY * np.maximum(worst - (_least(p, ceiling) if least_value is None else least_value - p.fixed_cost), 0.0) / slack
    size = np.maximum(np.abs(p.lower), np.abs(p.upper))
    push = p.curvature * size + np.abs(p.cost) + abs(p.basis) @ ceiling + multipliers
    return multipliers, _prices(p, push)


def _prices(p: RelaxationProgram, push: Array) -> Array:
    """Return bounds of |ν| from |Aᵀν| ≤ push, column by column, in three rounds: balances first, then what storage hangs on them."""
    prices = np.full(p.equations.shape[0], np.inf)
    columns = p.equations.tocsc()
    for _ in range(3):
        for column in range(p.n_variables):
            part = slice(columns.indptr[column], columns.indptr[column + 1])
            rows, values = columns.indices[part], np.abs(columns.data[part])
            terms = values * prices[rows]
            if np.count_nonzero(np.isinf(terms)) > 1:
                continue
            for i, row in enumerate(rows):
                others = float(np.delete(terms, i).sum())
                prices[row] = min(prices[row], (push[column] + others) / values[i])
    return prices


def _strictly_feasible(p: RelaxationProgram) -> tuple[Array, Array]:
    """Return a point of the followers' set as far inside its bounds as they allow, and its distance from each variable's nearer bound."""
    n = p.n_variables
    width = np.minimum(p.upper - p.lower, 1.0)
    spread = csc_array(width[:, None])
    rows: Matrix = sparse.vstack([sparse.hstack([-sparse.eye_array(n), spread]), sparse.hstack([sparse.eye_array(n), spread])])
    right = np.concatenate([-p.lower, p.upper])
    equal: Matrix = sparse.hstack([p.equations, csc_array((p.equations.shape[0], 1))])
    goal = np.append(np.zeros(n), -1.0)
    bounds = [*zip(p.lower, p.upper, strict=True), (0.0, 0.5)]
    from scipy.optimize import linprog  # noqa: PLC0415 - 0.1 s, which only those wait for who need it

    found = linprog(goal, A_ub=rows, b_ub=right, A_eq=equal, b_eq=p.right, bounds=bounds, method="highs")
    inner = np.array(found.x[:-1]) if found.x is not None else p.lower
    slack: Array = np.minimum(inner - p.lower, p.upper - inner)
    return inner, np.maximum(slack, 0.0) if found.x is not None else np.zeros(n)


def _least(p: RelaxationProgram, ceiling: Array) -> float:
    """Return a lower bound on ½·xᵀQx + (c + C·g)ᵀx over the variables' bounds, |g| within the ceiling, from each variable's own least."""
    cost = p.cost
    with np.errstate(divide="ignore", invalid="ignore"):
        at = np.where(p.curvature > 0, np.clip(-cost / p.curvature, p.lower, p.upper), np.where(cost > 0, p.lower, p.upper))
    size = np.maximum(np.abs(p.lower), np.abs(p.upper))
    return float(np.sum(at * (0.5 * p.curvature * at + cost))) - float(ceiling @ (abs(p.basis.T) @ size))
