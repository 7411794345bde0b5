"""How far a clearing can be from the optimum: a bound in long double, from its arrays and the day's data alone.

Let y be multipliers and g(y) the least of the Lagrangian over the boxes, a minimum variable by variable. A point x that keeps every box and
every equation has the gap

    G = L(x, y) − g(y) = Σ_v ½·q·(v − v_y)² + s·(v − v_y) ≥ objective(x) − optimum,    s the slope at v_y, the minimiser in v,

a sum of terms that are at least 0, so that nothing cancels. The program is strongly convex in the norm ‖x‖² = Δ·Σ q·v², so that the optimum
x* lies within ‖x − x*‖ ≤ √(2·G).

Double precision keeps equations to rounding only, and what they are missed by would enter under that root. So the point is moved first:
onto bounds where multipliers hold it, and onto the equations by the shortest step of its free variables. Multipliers that an uncurved
variable asks to be equal, or zero, are made so. The bound is the length of the move plus √(2·G) at the moved point. What an equation is
still missed by, because no variable in it is free, is priced and enters G, unless it is the rounding of its own terms: then the point
answers data that differ from the day's in their last digits, and no solver can know better.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridtoll.envs.community.day import Day
from gridtoll.envs.market.exact import Clearing

from .program import Array, Program, point_of, program_of

_NEAR = 1e-6  # of a prosumer's throughput or of the greatest price: nearer than this, rounding is put right; further off is an error
_FREE = 1e-9  # of a prosumer's throughput: a variable this far off both bounds can take up rounding
_ROUNDING = 8 * np.finfo(np.float64).eps  # of an equation's terms
_HELD = 1e-3  # of its charge: a trade whose slope at its bound is greater is moved by the gap itself, not by the gap's root
_NOTHING = 1e-9  # of the greatest bound: who uses and owns less than that has nothing
_SLIGHT = 1e-6  # of the greatest bound: less than that is not moved by rounding, it is rounding
_PASSES = 3
_RANK = 1e-12


@dataclass(frozen=True, kw_only=True)
class Distance:
    """What is proved of a clearing.

    Attributes:
        objective_eur: By how much the objective can differ from the optimal one, the clearing's own statement of it included.
        norm: Bound on the distance to the optimum in √EUR: ‖x‖² = Δ·Σ q·v² over demand, imports, exports, storage use and trades.
        moved_kw: Greatest move of a variable.
        moved_share: Greatest move of a variable over the throughput of its prosumer, or over a millionth of the greatest bound.
        revenue_eur: Charges collected.
        revenue_error_eur: By how much they can differ from those at the optimum.
        turnover_eur: Sum of the absolute values of all money terms: what rounding is measured by.
        misplaced: Greatest entry where the program has no variable, kW or EUR/kWh.
    """

    objective_eur: float
    norm: float
    moved_kw: float
    moved_share: float
    revenue_eur: float
    revenue_error_eur: float
    turnover_eur: float
    misplaced: float

    @property
    def stake_eur(self) -> float:
        """What an error of the revenue is measured by: the revenue, or a millionth of all that is paid."""
        return max(self.revenue_eur, 1e-6 * self.turnover_eur)

    @property
    def revenue_share(self) -> float:
        """The error of the revenue over what is at stake; 0 where nothing is."""
        return self.revenue_error_eur / self.stake_eur if self.stake_eur > 0 else 0.0

    @property
    def objective_share(self) -> float:
        """The error of the objective over the turnover; 0 where nothing is paid."""
        return self.objective_eur / self.turnover_eur if self.turnover_eur > 0 else 0.0


def distance(day: Day, charges: Array, clearing: Clearing) -> Distance:
    """Bound the distance of a clearing from the optimum of its day."""
    program = program_of(day, charges)
    original, y = point_of(program, clearing)
    if not (np.isfinite(original).all() and np.isfinite(y).all()):
        inf = float("inf")
        return Distance(
            objective_eur=inf,
            norm=inf,
            moved_kw=inf,
            moved_share=inf,
            revenue_eur=0.0,
            revenue_error_eur=inf,
            turnover_eur=1.0,
            misplaced=inf,
        )
    throughput = _throughput(program, original)
    price = np.abs(y).max(initial=0.0) + np.abs(program.linear).max(initial=0.0)
    v = _snapped(program, np.clip(original, program.lower, program.upper), throughput)
    y = _levelled(program, v, y, price)
    v = _onto_bounds(program, v, y, throughput)
    v = _onto_equations(program, v, throughput)
    gap = _gap(program, v, y, price)
    hours = np.longdouble(program.period_hours)
    step = v - original
    tail = np.sqrt(2 * hours * gap)
    norm = np.sqrt(hours * (program.quadratic * step**2).sum()) + tail
    trade = program.family("trade")
    tau, friction = program.charge[trade], program.quadratic[trade]
    revenue = hours * (tau * original[trade]).sum()
    best, slope = _minimiser(program, v, y)
    held = (v[trade] == best[trade]) & (np.abs(slope[trade]) > _HELD * tau)
    steepness = np.sqrt(hours * (tau[~held] ** 2 / friction[~held]).sum())
    leverage = (tau[held] / np.abs(slope[trade])[held]).max(initial=0)
    turnover = hours * np.abs(program.linear * v).sum() + hours * (0.5 * program.quadratic * v**2).sum()
    turnover = max(turnover, hours * price * _NOTHING * program.upper.max(initial=0))
    return Distance(
        objective_eur=float(abs(np.longdouble(clearing.objective_eur) - program.cost(v)) + hours * gap),
        norm=float(norm),
        moved_kw=float(np.abs(step).max(initial=0.0)),
        moved_share=float((np.abs(step) / np.maximum(throughput, _SLIGHT * program.upper.max(initial=0.0) or 1.0)).max(initial=0.0)),
        revenue_eur=float(revenue),
        revenue_error_eur=float(abs(hours * (tau * step[trade]).sum()) + steepness * tail + hours * gap * leverage),
        turnover_eur=float(turnover),
        misplaced=_misplaced(day, clearing),
    )


def _throughput(program: Program, v: Array) -> Array:
    """Return for each variable the greatest power or demand bound of its prosumer, the smaller of both sides' for a trade, shape (V,)."""
    shape = program.shape
    size = np.abs(v)
    demand = program.family("demand")
    size[demand] = np.maximum(size[demand], program.upper[demand])
    renewable = program.family("renewable")
    size[renewable] = np.maximum(size[renewable], program.upper[renewable])
    of = np.zeros(shape.prosumers, dtype=np.longdouble)
    np.maximum.at(of, shape.node, size)
    trade = program.family("trade")
    np.maximum.at(of, np.tile(shape.buyer, shape.hours), size[trade])
    of = np.maximum(of, _NOTHING * program.upper.max(initial=0))
    result: Array = of[shape.node]
    result[trade] = np.minimum(result[trade], of[np.tile(shape.buyer, shape.hours)])
    return result


def _snapped(program: Program, v: Array, throughput: Array) -> Array:
    """Return the point with what is nearer to a bound than any prosumer could notice on it: an interior point leaves trickles."""
    below, above = v - program.lower, program.upper - v
    near = np.minimum(below, above) <= _FREE * throughput
    return np.where(near, np.where(below <= above, program.lower, program.upper), v)


def _levelled(program: Program, v: Array, y: Array, price: Any) -> Array:
    """Return multipliers that are exactly 0 where a renewable is held back, and equal across hours where stored energy is off its bounds.

    The same where rounding has turned the sign of an uncurved variable's slope at its bound.
    """
    y, shape, slope = y.copy(), program.shape, program.slope(v, y)
    free = ((v > program.lower) | (slope < 0)) & ((v < program.upper) | (slope > 0))
    renewable = program.family("renewable")
    rows = shape.row[renewable, 0][free[renewable]]
    y[rows[np.abs(y[rows]) <= _NEAR * price]] = 0
    stored = program.family("stored")
    between, free = shape.row[stored].reshape(shape.hours, -1, 2), free[stored].reshape(shape.hours, -1)
    for hour in reversed(range(shape.hours)):
        one, two = between[hour, :, 0], between[hour, :, 1]
        after = np.zeros_like(y[one]) if hour == shape.hours - 1 else y[two]
        level = free[hour] & (np.abs(y[one] - after) <= _NEAR * price)
        y[one[level]] = after[level]  # from the last hour back, so that chains of hours become level
    return y


def _minimiser(program: Program, v: Array, y: Array) -> tuple[Array, Array]:
    """Return the minimiser of the Lagrangian in each variable, and its slope there; uncurved ones stay where their slope is exactly 0."""
    slope, q = program.slope(v, y), program.quadratic
    curved = q > 0
    step = np.divide(slope, q, out=np.zeros_like(slope), where=curved)
    corner = np.where(slope > 0, program.lower, np.where(slope < 0, program.upper, v))
    best = np.where(curved, np.clip(v - step, program.lower, program.upper), corner)
    return best, slope + q * (best - v)


def _onto_bounds(program: Program, v: Array, y: Array, throughput: Array) -> Array:
    """Return the point with variables on the bound that their multiplier holds them to, where they are nearly there."""
    best, _ = _minimiser(program, v, y)
    held = (best == program.lower) | (best == program.upper)
    near = np.abs(v - best) <= _NEAR * throughput
    return np.where(held & near, best, v)


def _onto_equations(program: Program, v: Array, throughput: Array) -> Array:
    """Return the point moved onto the equations by the shortest step, in the norm of the program, of variables off their bounds."""
    free = np.minimum(v - program.lower, program.upper - v) > _FREE * throughput
    curved = program.quadratic > 0
    softest = program.quadratic[curved].min(initial=1.0)
    weight = np.where(free, 1 / np.where(curved, program.quadratic, softest), 0)
    solve = _solver(program, weight.astype(np.float64))
    for _ in range(_PASSES):
        missing = program.right - program.times(v)
        if not missing.any():
            break
        v = np.clip(v + weight * program.against(solve(missing.astype(np.float64))), program.lower, program.upper)
    return v


def _solver(program: Program, weight: Array) -> Any:
    """Return what solves (A·W·Aᵀ)·z = b in the least-squares sense."""
    size, row, coefficient = program.n_equations, program.shape.row, program.coefficient.astype(np.float64)
    normal: NDArray[np.float64] = np.zeros(size * size)
    for one in (0, 1):
        for two in (0, 1):
            entries = weight * coefficient[:, one] * coefficient[:, two]
            normal += np.bincount(row[:, one] * size + row[:, two], entries, minlength=size * size)
    matrix = normal.reshape(size, size)
    scale = 1 / np.sqrt(np.where(np.diagonal(matrix) > 0, np.diagonal(matrix), 1))
    values, vectors = np.linalg.eigh(matrix * np.outer(scale, scale))
    inverse = np.where(values > _RANK * values[-1], 1 / np.where(values > 0, values, 1), 0)
    return lambda b: scale * (vectors @ (inverse * (vectors.T @ (scale * b))))


def _gap(program: Program, v: Array, y: Array, price: Any) -> Any:
    """Return L(v, y) − g(y) per hour, with what equations are still missed by at the greatest price."""
    best, slope = _minimiser(program, v, y)
    step = v - best
    missed = np.abs(program.times(v) - program.right)
    missed[missed <= _ROUNDING * program.size_of(v)] = 0
    return (0.5 * program.quadratic * step**2 + slope * step).sum() + price * missed.sum()


def _misplaced(day: Day, clearing: Clearing) -> float:
    """Return the greatest entry where the program has no variable."""
    nobody, idle = day.trade_limit <= 0, day.storage_power <= 0
    parts = (
        clearing.trade[:, nobody],
        clearing.storage_charge[:, idle],
        clearing.storage_discharge[:, idle],
        clearing.storage_price[:, idle],
        clearing.stored_energy[:, idle] - day.storage_start[idle],
        clearing.stored_energy[:1] - day.storage_start,
    )
    return float(max(np.abs(part).max(initial=0.0) for part in parts))
