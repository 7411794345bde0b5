"""Upper bounds on the leader's goal from the followers' optimality conditions without complementarity ("K0"), certified.

In the notation of :mod:`.relaxation_program`, an equilibrium at parameters g satisfies, with prices ν and multipliers z,

    A·x = b,  l ≤ x ≤ u,     Q·x + c + C·g + Aᵀν − z⁻ + z⁺ = 0,  z⁻ ≥ 0,  z⁺ ≥ 0,     z⁻·(x − l) = z⁺·(u − x) = 0.

Multiplying the second by x and using the third, what the leader collects is *concave* in all of these:

    gᵀCᵀx = −xᵀQx − cᵀx − bᵀν + lᵀz⁻ − uᵀz⁺ =: Ψ.                                                        (strong duality)

Maximising Ψ + kᵀx − losses − overload under the first two conditions is one convex program. As it forgets only complementarity, its
value is an upper bound. It holds every inequality that a known clearing x′ at g′ gives by monotonicity: multiplying the stationarity of x
by x′ and that of x′ by x shows Ψ ≤ gᵀCᵀx′ + g′ᵀCᵀ(x − x′) − ‖x − x′‖²_Q, so adding such cuts, or those from the concavity of V, changes
nothing.

**Boxes.** What is forgotten is the gap z⁻·(x − l) + z⁺·(u − x) = Σ_k g_k·v_k − Ψ, v = Cᵀx. With g_k in [a, b] and v_k in [p, r] the product
is at least a·v + g·p − a·p and b·v + g·r − b·r (McCormick), so Ψ ≥ Σ of either is valid, convex, and in a box of width 0 leaves the
equilibrium alone.

**Rigour.** No primal value of a solver is believed. With u any point and z any member of the dual cone, every feasible u′ has
½u′ᵀPu′ + qᵀu′ ≥ −½uᵀPu − bᵀz + rᵀu′, r = Pu + q + Gᵀz being what the solver left of stationarity; and rᵀu′ ≥ −Σ|r|·U where |u′| ≤ U.
Primal variables have bounds, and multipliers have those of :mod:`.relaxation_limits`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import clarabel
import numpy as np
from scipy import sparse
from scipy.sparse import csc_array

from ....envs.account.objective import ExactObjective
from ....envs.community.day import Array
from ....envs.errors import ClearingError
from .relaxation_limits import greatest_multipliers
from .relaxation_program import Matrix, RelaxationProgram

_ROUNDING = 1e-13
_SOLVED = ("Solved", "AlmostSolved", "InsufficientProgress", "MaxIterations")  # what the dual point is worth is reckoned here, not there
_INFEASIBLE = ("PrimalInfeasible", "AlmostPrimalInfeasible")


@dataclass(frozen=True, eq=False, kw_only=True)
class ParameterBox:
    """Bounds of the parameters g, infinite where there are none, and of what each multiplies, v = Cᵀx; dimensionless."""

    lower: Array
    upper: Array
    least: Array
    greatest: Array


@dataclass(frozen=True, eq=False)
class Relaxed:
    """A certified bound and the point it was found at.

    Attributes:
        bound: Upper bound on the goal and the extra prices' part, dimensionless.
        goal: The goal at the point, without the extra prices.
        variables: x.
        parameters: g.
        prices: ν.
        gap: Σ_k g_k·v_k − Ψ, how much complementarity is violated; 0 at an equilibrium.
        equation_multipliers: Of A·x = b, what the leader would pay for it.
        reference: Multipliers of stationarity: a point of the followers' feasible set.
    """

    bound: float
    goal: float
    variables: Array
    parameters: Array
    prices: Array
    gap: float
    equation_multipliers: Array
    reference: Array

    @classmethod
    def nothing(cls, program: RelaxationProgram) -> Relaxed:
        """Return what a box without any equilibrium gives."""
        n, (m, _), k = program.n_variables, program.equations.shape, program.basis.shape[1]
        none = np.full(n, np.nan)
        prices = np.full(m, np.nan)
        parameters = np.full(k, np.nan)
        return cls(-np.inf, -np.inf, none, parameters, prices, 0.0, prices, none)


class Relaxation:
    """The relaxation of one program, solved for any box of parameters.

    Args:
        program: Followers and leader.
        objective: What the leader maximises.
        ceiling: Greatest value of each parameter's magnitude that an optimum needs, for the residual's correction.
        least_value: A lower bound on the followers' optimal value at every parameter within the ceiling; worked out from the variables'
            bounds alone where absent.
    """

    def __init__(self, program: RelaxationProgram, *, objective: ExactObjective, ceiling: Array, least_value: float | None = None) -> None:
        self.program = program
        self._objective = objective
        self._ceiling = ceiling
        self._fixed_cost = program.fixed_cost if objective == "welfare" else 0.0
        p, k = program, program.basis.shape[1]
        n, m, nets, lines = p.n_variables, p.equations.shape[0], p.net.shape[0], p.ptdf.shape[0]
        edges = np.cumsum([0, n, m, n, n, k, nets, lines, k])
        self._x, self._nu, self._below, self._above, self._g, self._net, self._over, self._product = (
            slice(int(a), int(b)) for a, b in pairwise(edges)
        )
        self._size = int(edges[-1])
        self._greatest = self._bounds(least_value)

    def solve(self, box: ParameterBox, *, extra: Array | None = None, tight: bool = True, only_extra: bool = False) -> Relaxed:
        """Bound the goal over a box.

        Args:
            box: Bounds of the parameters and of what they multiply.
            extra: Prices added to the goal for x and g side by side, shape (n + K,).
            only_extra: Whether to leave the goal out, and bound the extra prices' part alone.
            tight: Whether to hold complementarity to what the box allows; False is K0.

        Raises:
            ClearingError: If the solver ends without a usable dual point.
        """
        quadratic, linear = self._goal if not only_extra else (csc_array((self._size, self._size)), np.zeros(self._size))
        if extra is not None:
            linear = linear.copy()
            linear[self._x] -= extra[: self.program.n_variables]
            linear[self._g] -= extra[self.program.n_variables :]
        rows, right, cones = self._constraints(box, tight=tight)
        settings = clarabel.DefaultSettings()
        settings.verbose = False
        settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-9
        settings.max_iter = 100
        answer = clarabel.DefaultSolver(sparse.triu(quadratic, format="csc"), linear, rows, right, cones, settings).solve()
        point, dual = np.array(answer.x), np.array(answer.z)
        limits = self._limits(box)
        dual = _into_dual_cone(dual, cones)
        if str(answer.status) in _INFEASIBLE and float(right @ dual) + _weighted(rows.T @ dual, limits) < 0.0:
            return Relaxed.nothing(self.program)
        if str(answer.status) not in _SOLVED or not (np.isfinite(point).all() and np.isfinite(dual).all()):
            raise ClearingError(f"the relaxation must be solved for its bound, and Clarabel ended with status {answer.status}.")
        curved = quadratic @ point
        # A multiplier's own sign constraint has 0 on its right side: its dual may grow for free, and takes up all residual above 0.
        residual = curved + linear + rows.T @ dual
        free = slice(self._below.start, self._above.stop)
        residual[free] = np.minimum(residual[free] + self._sign_duals(dual), 0.0)
        correction = _weighted(residual, limits)
        terms = (0.5 * float(point @ curved), float(right @ dual))
        rounding = _ROUNDING * (abs(terms[0]) + float(np.abs(right) @ np.abs(dual)))
        x, g = point[self._x], point[self._g]
        bound = sum(terms) + correction + rounding - (0.0 if only_extra else self._fixed_cost)
        if np.isnan(bound):
            raise ClearingError(
                "the bound of a relaxation must be a number, and is not: some of the day's numbers are far too large or too small "
                "beside the others."
            )
        return Relaxed(
            bound=bound,
            goal=-float(0.5 * point @ (self._goal[0] @ point) + self._goal[1] @ point) - self._fixed_cost,
            variables=x,
            parameters=g,
            prices=point[self._nu],
            gap=float(g @ (self.program.basis.T @ x)) - self._collected(point),
            equation_multipliers=dual[: self.program.equations.shape[0]],
            reference=dual[self.program.equations.shape[0] : self.program.equations.shape[0] + len(x)],
        )

    @property
    def greatest_prices(self) -> Array:
        """Bounds of |ν| at every equilibrium, shape (m,)."""
        return self._greatest[self._nu]

    def _sign_duals(self, dual: Array) -> Array:
        """Return the duals of z ≥ 0, for both kinds of multipliers."""
        p = self.program
        start = p.equations.shape[0] + p.n_variables + p.net.shape[0] + 2 * p.n_variables
        return dual[start : start + 2 * p.n_variables]

    def _collected(self, point: Array) -> float:
        """Return Ψ."""
        p, x = self.program, point[self._x]
        linear = p.cost @ x + p.right @ point[self._nu] - p.lower @ point[self._below] + p.upper @ point[self._above]
        return -float(x @ (p.curvature * x) + linear)

    @cached_property
    def _goal(self) -> tuple[Matrix, Array]:
        """Minus the goal as ½uᵀPu + qᵀu."""
        p, linear = self.program, np.zeros(self._size)
        linear[self._x], linear[self._net], linear[self._over] = p.cost - p.reward, p.loss_slope, p.overload_price
        share = 1.0  # welfare is minus the followers' cost before charges, −½·xᵀQx − cᵀx, whatever the multipliers
        if self._objective == "profit":
            share = 2.0
            linear[self._nu], linear[self._below], linear[self._above] = p.right, -p.lower, p.upper
        blocks: list[Matrix] = [sparse.diags_array(share * p.curvature)]
        blocks.append(csc_array((self._net.start - self._x.stop,) * 2))
        blocks += [p.loss_matrix, csc_array((self._size - self._over.start,) * 2)]
        return csc_array(sparse.block_diag(blocks)), linear

    def _rows(self, *parts: tuple[slice, Any]) -> Matrix:
        """Return rows that are 0 but for the parts given."""
        height = parts[0][1].shape[0]
        columns, at = [], 0
        for where, matrix in sorted(parts, key=lambda part: part[0].start):
            columns += [csc_array((height, where.start - at)), csc_array(matrix)]
            at = where.stop
        return csc_array(sparse.hstack([*columns, csc_array((height, self._size - at))]))

    @cached_property
    def _fixed_rows(self) -> tuple[Matrix, Array, int]:
        """The rows that no box changes: first the equations, and how many they are."""
        p, n = self.program, self.program.n_variables
        one = sparse.eye_array(n)
        curved = sparse.diags_array(p.curvature)
        stationary = self._rows((self._x, curved), (self._nu, p.equations.T), (self._below, -one), (self._above, one), (self._g, p.basis))
        equal = [
            (self._rows((self._x, p.equations)), p.right),
            (stationary, -p.cost),
            (self._rows((self._x, -p.net), (self._net, sparse.eye_array(p.net.shape[0]))), np.zeros(p.net.shape[0])),
        ]
        over = sparse.eye_array(p.ptdf.shape[0])
        more = [
            (self._rows((self._x, one)), p.upper),
            (self._rows((self._x, -one)), -p.lower),
            (self._rows((self._below, -one)), np.zeros(n)),
            (self._rows((self._above, -one)), np.zeros(n)),
            (self._rows((self._over, -over)), np.zeros(len(p.limit))),
            (self._rows((self._net, p.ptdf), (self._over, -over)), p.limit - p.base_flow),
            (self._rows((self._net, -p.ptdf), (self._over, -over)), p.limit + p.base_flow),
        ]
        matrix = sparse.vstack([rows for rows, _ in equal + more])
        return csc_array(matrix), np.concatenate([right for _, right in equal + more]), sum(len(right) for _, right in equal)

    def _constraints(self, box: ParameterBox, *, tight: bool) -> tuple[Matrix, Array, list[Any]]:
        rows, right, n_equal = self._fixed_rows
        k = self.program.basis.shape[1]
        one, bounded = np.eye(k), (np.isfinite(box.upper), np.isfinite(box.lower))
        parts = [rows, self._rows((self._g, one[bounded[0]])), self._rows((self._g, -one[bounded[1]]))]
        rights = [right, box.upper[bounded[0]], -box.lower[bounded[1]]]
        cones = [clarabel.ZeroConeT(n_equal)]
        if tight:
            for edge, level, known in ((box.lower, box.least, bounded[1]), (box.upper, box.greatest, bounded[0])):
                slope = sparse.diags_array(np.where(known, edge, 0.0)) @ self.program.basis.T  # edge·v + g·level − edge·level ≤ product
                whole = self._rows((self._x, slope), (self._g, np.diag(level)), (self._product, -one))
                parts.append(csc_array(csc_array(whole.tocsr()[np.flatnonzero(known)])))
                rights.append((np.where(known, edge, 0.0) * level)[known])
        cones.append(clarabel.NonnegativeConeT(sum(len(part) for part in rights) - n_equal))
        if tight:
            cone, level = self._gap_cone
            parts.append(cone)
            rights.append(level)
            cones.append(clarabel.SecondOrderConeT(len(level)))
        return csc_array(sparse.vstack(parts, format="csc")), np.concatenate(rights), cones

    @cached_property
    def _gap_cone(self) -> tuple[Matrix, Array]:
        """xᵀQx + ℓ ≤ 0 as ‖(2·Q^½·x, 1 + ℓ)‖ ≤ 1 − ℓ, ℓ the linear rest of Σ products − Ψ."""
        p = self.program
        linear = np.zeros(self._size)
        linear[self._x], linear[self._nu], linear[self._below], linear[self._above] = p.cost, p.right, -p.lower, p.upper
        linear[self._product] = 1.0
        row, curved = csc_array(linear[None]), np.flatnonzero(p.curvature)
        roots = self._rows((self._x, csc_array(sparse.diags_array(-2.0 * np.sqrt(p.curvature)).tocsr()[curved])))
        return csc_array(sparse.vstack([row, -row, roots])), np.concatenate([[1.0, 1.0], np.zeros(len(curved))])

    def _limits(self, box: ParameterBox) -> Array:
        """Return the greatest magnitude of each variable of the relaxation in a box."""
        limits = self._greatest.copy()
        g = np.minimum(np.maximum(np.abs(box.lower), np.abs(box.upper)), self._ceiling)
        limits[self._g] = g
        limits[self._product] = 3.0 * g * np.maximum(np.abs(box.least), np.abs(box.greatest))
        return limits

    def _bounds(self, least_value: float | None) -> Array:
        p, greatest = self.program, np.zeros(self._size)
        size = np.maximum(np.abs(p.lower), np.abs(p.upper))
        greatest[self._x] = size
        greatest[self._net] = abs(p.net) @ size
        greatest[self._over] = abs(p.ptdf) @ greatest[self._net] + np.abs(p.base_flow) + p.limit
        multipliers, prices = greatest_multipliers(p, self._ceiling, least_value)
        greatest[self._below] = greatest[self._above] = multipliers
        greatest[self._nu] = prices
        return greatest


def _weighted(residual: Array, limits: Array) -> float:
    """Return Σ |residual|·limit, where nothing left of an unlimited variable counts as nothing."""
    used = residual != 0.0
    return float(np.abs(residual[used]) @ limits[used])


def _into_dual_cone(dual: Array, cones: list[Any]) -> Array:
    """Return the duals moved into the dual cone: free for equations, at least 0, and |z₁| ≤ z₀."""
    moved, at = dual.copy(), 0
    for cone in cones:
        part = slice(at, at + cone.dim)
        if isinstance(cone, clarabel.NonnegativeConeT):
            moved[part] = np.maximum(moved[part], 0.0)
        elif isinstance(cone, clarabel.SecondOrderConeT):
            moved[at] = max(moved[at], float(np.linalg.norm(moved[at + 1 : at + cone.dim])) * (1.0 + 1e-15))
        at += cone.dim
    return moved
