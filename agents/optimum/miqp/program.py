"""The bilevel problem as one program with complementarity: the follower's optimality conditions, and a concave quadratic objective.

Of the followers' program of :mod:`.follower`, min ½v'Dv + c'v + γ'Gv over Av = b, 0 ≤ v ≤ u (D diagonal), the optimality conditions are

    D·v + c + G'γ − A'y − z + w = 0,    A·v = b,    v + s = u,    v, s, z, w ≥ 0,    v ⊥ z,    s ⊥ w,

with y the multipliers of the equations (the nodal price μ for a balance, −σ for a storage equation), z and w those of the bounds and s the
distance from the upper bound. They are necessary and sufficient, the program being convex with linear constraints. Multiplying the first
by v and using v'z = 0, v'w = u'w, v'A'y = b'y leaves the charge revenue without any product of unknowns (strong duality):

    γ'Gv = −v'Dv − c'v + b'y − u'w.                                                                                          (1)

Profit adds ν·Σm, and takes away losses Σ ρ·w_l·f² and overload φ·Σo with o ≥ ±f − F, o ≥ 0; so it is a linear function less a convex
diagonal quadratic. Welfare is −(½v'Dv + c'v + γ'Gv) + profit, in which γ'Gv cancels: it needs no (1).

Complementarity is written as pairs of which at most one is nonzero (SOS1), so no multiplier needs a bound ("big M").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import block_array, csr_array, eye_array, kron

from ....envs.account.objective import ExactObjective
from ....envs.account.settlement import Flows, base_flow
from ....envs.community.day import Array, Day
from ....envs.grid.network import Network
from ....envs.market.exact.market_data import IntArray, MarketData
from ....envs.market.exact.point import Point
from .follower import FAMILIES, Follower

_BLOCKS = ("coefficient", "quantity", "slack", "price", "at_lower", "at_upper", "flow", "overload")


@dataclass(frozen=True, eq=False, kw_only=True)
class MixedIntegerProgram:
    """Maximise constant + linear'x − quadratic'x² over rows·x = right, inequalities·x ≤ limit, lower ≤ x ≤ upper, and pairs.

    Attributes:
        linear: Shape (n,).
        quadratic: Shape (n,), at least 0.
        constant: The objective at x = 0.
        lower: Shape (n,), −∞ where there is no bound.
        upper: Shape (n,), ∞ where there is no bound.
        rows: Equations, shape (m, n).
        right: Shape (m,).
        inequalities: Shape (k, n).
        limit: Shape (k,).
        pairs: Columns of which at most one is nonzero, shape (pairs, 2).
        part: The period to which each variable belongs, shape (n,): the objective is bounded period by period.
        blocks: Where each kind of variable stands.
    """

    linear: Array
    quadratic: Array
    constant: float
    lower: Array
    upper: Array
    rows: csr_array
    right: Array
    inequalities: csr_array
    limit: Array
    pairs: IntArray
    part: IntArray
    blocks: dict[str, slice]

    def value(self, x: ArrayLike) -> float:
        """Return the objective at x, shape (n,), in the program's own units."""
        point = np.asarray(x, dtype=np.float64)
        return float(self.constant + self.linear @ point - self.quadratic @ point**2)


def single_level_program(
    day: Day,
    network: Network,
    data: MarketData,
    follower: Follower,
    *,
    cap: float,
    flows: Flows,
    objective: ExactObjective,
) -> MixedIntegerProgram:
    """Return the program of one day; its objective is in units of ``data.objective_unit``.

    Args:
        day: The day.
        network: Where the prosumers sit.
        data: The day in dimensionless form.
        follower: The followers' program.
        cap: Greatest coefficient, EUR/kWh.
        flows: Which account of the flows the operator answers for.
        objective: What is maximised.
    """
    grid = _grid_terms(day, network, data, follower, flows=flows)
    n, m, k = len(follower.upper), len(follower.right), follower.charged.shape[0]
    n_flows = len(grid.weight)
    sizes = dict(zip(_BLOCKS, (k, n, n, m, n, n, n_flows, n_flows), strict=True))
    ends = np.cumsum([*sizes.values()])
    blocks = {name: slice(int(end - sizes[name]), int(end)) for name, end in zip(_BLOCKS, ends, strict=True)}
    linear, quadratic = np.zeros(ends[-1]), np.zeros(ends[-1])
    lower, upper = np.zeros(ends[-1]), np.full(ends[-1], np.inf)
    upper[blocks["coefficient"]] = cap / data.price_unit
    upper[blocks["quantity"]] = upper[blocks["slack"]] = follower.upper
    lower[blocks["price"]] = lower[blocks["flow"]] = -np.inf
    upper[blocks["overload"]] = grid.most_overload
    _followers_share(follower, objective, blocks, linear, quadratic)
    linear[blocks["quantity"]][follower.imported] += day.import_fee / data.price_unit
    quadratic[blocks["flow"]] = grid.weight
    linear[blocks["overload"]] = -day.overload_price / data.price_unit
    rows, right = _equations(follower, grid)
    over = _select(n_flows, grid.most_overload > 0)
    blank = [csr_array((over.shape[0], size)) for size in [*sizes.values()][:-2]]
    inequalities = csr_array(block_array([[*blank, sign * over, -over] for sign in (1.0, -1.0)]))
    at = {name: np.arange(block.start, block.stop) for name, block in blocks.items()}
    pairs = [np.stack([at["quantity"], at["at_lower"]], axis=1), np.stack([at["slack"], at["at_upper"]], axis=1)]
    return MixedIntegerProgram(
        linear=linear,
        quadratic=quadratic,
        constant=grid.base_loss - (follower.constant if objective == "welfare" else 0.0),
        lower=lower,
        upper=upper,
        rows=rows,
        right=right,
        inequalities=inequalities,
        limit=np.concatenate([over @ grid.limit, over @ grid.limit]),
        pairs=np.concatenate(pairs),
        part=_periods(follower, grid, sizes),
        blocks=blocks,
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class _GridTerms:
    """Flows that cost something: f = matrix·v + base, all dimensionless."""

    matrix: csr_array
    base: Array
    weight: Array  # of f² in the objective
    limit: Array
    most_overload: Array  # greatest max(0, |f| − F) that any v within its bounds can cause
    period: IntArray
    base_loss: float


def _grid_terms(day: Day, network: Network, data: MarketData, follower: Follower, *, flows: Flows) -> _GridTerms:
    net = follower.trade_net if flows == "trades" else follower.trade_net + follower.retail_net
    matrix = csr_array(kron(eye_array(day.n_periods), csr_array(network.prosumer_ptdf), format="csr") @ net)
    base = base_flow(day, network).ravel() / data.power_unit
    loss = day.loss_price[:, None] * network.grid.loss_coefficient * (data.power_unit / data.price_unit)
    weight = np.broadcast_to(loss, (day.n_periods, network.grid.n_branches)).ravel()
    limit = np.tile(network.grid.branch_limit_kw / data.power_unit, day.n_periods)
    highest, lowest = base + matrix.maximum(0) @ follower.upper, base + matrix.minimum(0) @ follower.upper
    most_overload = np.maximum(0.0, np.maximum(highest, -lowest) - limit) * (day.overload_price > 0)
    counts = (weight > 0) | (most_overload > 0)
    return _GridTerms(
        matrix=csr_array(matrix[counts]),
        base=base[counts],
        weight=weight[counts],
        limit=limit[counts],
        most_overload=most_overload[counts],
        period=np.repeat(np.arange(day.n_periods), network.grid.n_branches)[counts],
        base_loss=float(weight @ base**2),
    )


def _followers_share(follower: Follower, objective: ExactObjective, blocks: dict[str, slice], linear: Array, quadratic: Array) -> None:
    """Fill in the charge revenue by equation (1), or what the followers gain without it."""
    linear[blocks["quantity"]] = -follower.cost
    if objective == "welfare":
        quadratic[blocks["quantity"]] = 0.5 * follower.curvature
        return
    quadratic[blocks["quantity"]] = follower.curvature
    linear[blocks["price"]] = follower.right
    linear[blocks["at_upper"]] = -follower.upper


def _equations(follower: Follower, grid: _GridTerms) -> tuple[csr_array, Array]:
    """Return stationarity, the market's equations, distances from the upper bounds, and flows."""
    n, n_flows = len(follower.upper), len(grid.weight)
    one, A = eye_array(n, format="csr"), follower.equations
    curved = csr_array((follower.curvature, (np.arange(n), np.arange(n))), shape=(n, n))
    blank = {"coefficient": follower.charged.shape[0], "overload": n_flows, "flow": n_flows}
    rows: list[dict[str, csr_array]] = [
        {"coefficient": csr_array(follower.charged.T), "quantity": curved, "price": csr_array(-A.T), "at_lower": -one, "at_upper": one},
        {"quantity": A},
        {"quantity": one, "slack": one},
        {"quantity": -grid.matrix, "flow": eye_array(n_flows, format="csr")},
    ]
    sizes = {"quantity": n, "slack": n, "price": A.shape[0], "at_lower": n, "at_upper": n} | blank
    heights = (n, A.shape[0], n, n_flows)
    stacked = [[row.get(name, csr_array((height, sizes[name]))) for name in _BLOCKS] for row, height in zip(rows, heights, strict=True)]
    return csr_array(block_array(stacked)), np.concatenate([-follower.cost, follower.right, follower.upper, grid.base])


def _select(size: int, chosen: NDArray[np.bool_]) -> csr_array:
    """Return the rows of the identity at which `chosen` holds."""
    return csr_array(eye_array(size, format="csr")[np.flatnonzero(chosen)])


def _periods(follower: Follower, grid: _GridTerms, sizes: dict[str, int]) -> IntArray:
    """Return the period of each column; only those with a quadratic term matter, the others are put into the first."""
    parts = {"quantity": follower.period, "flow": grid.period}
    return np.concatenate([parts.get(name, np.zeros(sizes[name], dtype=np.intp)) for name in _BLOCKS])


def point_of_clearing(program: MixedIntegerProgram, follower: Follower, point: Point, coefficients: Array) -> Array:
    """Return the program's variables at a clearing: the way to start a solver, and to check the program against the settlement.

    Args:
        program: The program.
        follower: The followers' program it was made of.
        point: An exact clearing at these coefficients, dimensionless.
        coefficients: γ, dimensionless, shape (C,).
    """
    x, at = np.zeros(len(program.linear)), program.blocks
    quantity = (np.concatenate([getattr(point, name).ravel() for name in FAMILIES]) - follower.lower)[follower.free]
    quantity = np.clip(quantity, 0.0, follower.upper)
    price = np.concatenate([point.nodal_price.ravel(), -point.storage_price.ravel()])
    slope = follower.curvature * quantity + follower.cost + follower.charged.T @ coefficients - follower.equations.T @ price
    n_flows = at["flow"].stop - at["flow"].start
    first = len(program.right) - n_flows
    flow = program.right[first:] - program.rows[first:, at["quantity"]] @ quantity
    x[at["coefficient"]], x[at["quantity"]], x[at["slack"]] = coefficients, quantity, follower.upper - quantity
    x[at["price"]], x[at["at_lower"]], x[at["at_upper"]] = price, np.maximum(slope, 0.0), np.maximum(-slope, 0.0)
    x[at["flow"]] = flow
    # Each inequality is ±f − o ≤ F.
    excess = np.maximum(program.inequalities @ x - program.limit, 0.0)
    x[at["overload"]] = -program.inequalities[:, at["overload"]].minimum(0).T @ excess
    return x
