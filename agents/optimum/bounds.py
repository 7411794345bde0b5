"""Upper bounds on the leader's profit, or welfare, between two exact responses.

Let a < b be two charges with exact responses, w = b − a, Δq = q_a − q_b ≥ 0. Writing the followers' optimality conditions at g ∈ [a, b]
against those at a and at b gives

    ‖x_g − x_a‖² ≤ (g − a)(q_a − q_g),      ‖x_b − x_g‖² ≤ (b − g)(q_g − q_b)                                          (1)

in the Q norm, Q being the curvatures of the strictly convex variables. Hence both distances are at most r = √(w·Δq). Weighting the two
lines of (1) with 1 − t and t, t = (g − a)/w, and using the parallelogram identity,

    ‖x_g − x̄(t)‖² ≤ t(1 − t)·δ,   x̄(t) = (1 − t)·x_a + t·x_b,   δ = w·Δq − ‖x_b − x_a‖² ≥ 0,                            (2)

and δ = 0 exactly where a and b lie on one affine piece. Charged energy, imports and flows are linear in p, m and x alone, so each moves by
at most (its norm in the metric of Q⁻¹) × (distance). Stored energy and curtailment have no curvature: a flow written in them would have
an infinite norm, which is why injections are written as x − m + sold − bought.

* **value bound**: q_g ≤ min(q_a, (V_b − V_a − (b − g)·q_b)/(g − a)), since V is concave with slope q, times g; less the least losses and
  overload within r of either end; plus the greatest import fee.
* **interpolation bound**: Π at the interpolated point plus everything the radius ½√δ can change.

For welfare the revenue γ·q_g is replaced by γ·q_g − V(γ). Since q does not increase, V(γ) ≥ V_a + (γ − a)·q_g, so this is at most
a·q_g − V_a, which either bound on q_g turns into a number.

Both are valid whatever the active sets in between. The lesser counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ...envs.clearing.market_data import Structure
from ...envs.day import Array
from .line import ChargeLine, LinePoint

_ROUNDING = 1e-12
"""Relative rounding error granted to differences of exact responses; it widens every bound."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Norms:
    """How far a unit of Q distance (√EUR) can move what the leader is paid for.

    Attributes:
        charged: Σ Δ B p, kWh/√EUR.
        imported: Σ Δ m, kWh/√EUR.
        flow: Each branch's flow in one period, kW/√EUR, shape (L,).
        loss: √ of the ρ-weighted losses, no unit.
    """

    charged: float
    imported: float
    flow: Array
    loss: float


def norms(line: ChargeLine) -> Norms:
    """Return the norms of one line's linear maps in the metric of Q⁻¹."""
    day, hours, structure = line.day, line.day.period_hours, Structure.of(line.day)
    n, seller, buyer = day.n_prosumers, structure.seller, structure.buyer
    trade_curvature = hours * day.trade_friction[seller, buyer]  # EUR/kW², the same in every period
    charged = np.sqrt(day.n_periods * np.sum((hours * line.basis[seller, buyer]) ** 2 / trade_curvature))
    connection = 1.0 / (hours * day.grid_friction)
    imported = hours * np.sqrt(day.n_periods * connection.sum())
    # G = N Q⁻¹ Nᵀ for the map N from trades (and imports, exports) of one period to net injections.
    spread = np.zeros((n, n))
    for row, column, sign in ((seller, seller, 1.0), (buyer, buyer, 1.0), (seller, buyer, -1.0), (buyer, seller, -1.0)):
        np.add.at(spread, (row, column), sign / trade_curvature)
    if line.flows == "injections":
        spread += np.diag(2.0 * connection)
    ptdf = line.network.prosumer_ptdf
    covariance = ptdf @ spread @ ptdf.T
    root = np.sqrt(line.network.grid.loss_coefficient)
    greatest = float(np.linalg.eigvalsh(root[:, None] * covariance * root).max(initial=0.0))
    loss = np.sqrt(max(greatest, 0.0) * hours * float(day.loss_price.max()))
    flow = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    return Norms(charged=float(charged), imported=float(imported), flow=flow, loss=float(loss))


def upper_bound(line: ChargeLine, norms: Norms, left: LinePoint, right: LinePoint) -> tuple[float, float]:
    """Bound the leader's goal on [left.charge, right.charge] from above.

    Returns:
        The bound in EUR, and the charge at which the interpolation bound peaks: where to look next.
    """
    width = right.charge - left.charge
    fall = max(left.charged_kwh - right.charged_kwh, 0.0) + _ROUNDING * abs(left.charged_kwh)
    interpolated, peak = _interpolation_bound(line, norms, left, right, fall)
    bound = min(interpolated, _value_bound(line, norms, left, right, np.sqrt(width * fall)))
    return float(bound), float(peak)


def _value_bound(line: ChargeLine, norms: Norms, left: LinePoint, right: LinePoint, radius: float) -> float:
    a, b, q_a, q_b = left.charge, right.charge, left.charged_kwh, right.charged_kwh
    rounding = _ROUNDING * (abs(right.value_eur) + abs(left.value_eur))
    area = right.value_eur - left.value_eur + rounding  # ∫ q over [a, b]
    # With the excess e = area − w·q_b the bound on revenue is g·min(q_a, q_b + e/(g − a)). The first rises up to the crossing g° of the
    # two; beyond it the second is convex in g, so its ends suffice.
    excess = max(area - (b - a) * q_b, 0.0)
    crossing = a + excess / (q_a - q_b) if q_a > q_b else b
    revenue = b * q_a if crossing >= b else max(crossing * q_a, b * (q_b + excess / (b - a)))
    if line.objective == "welfare":
        revenue = a * q_a - left.value_eur + rounding
    fee = line.day.import_fee * (min(left.imported_kwh, right.imported_kwh) + norms.imported * radius)
    return revenue + fee - _least_loss(line, norms, left, right, radius) - _least_overload(line, norms, (left, right), radius)


def _least_loss(line: ChargeLine, norms: Norms, left: LinePoint, right: LinePoint, radius: float) -> float:
    root = np.sqrt(max(left.loss_eur, right.loss_eur)) - norms.loss * radius
    return float(max(root, 0.0) ** 2) - line.base_loss_eur


def _least_overload(line: ChargeLine, norms: Norms, ends: tuple[LinePoint, LinePoint], radius: float) -> float:
    limit = line.network.grid.branch_limit_kw + norms.flow * radius
    over = np.maximum(0.0, np.maximum(np.abs(ends[0].flow_kw), np.abs(ends[1].flow_kw)) - limit)
    return float(line.day.overload_price * line.day.period_hours * over.sum())


def _interpolation_bound(line: ChargeLine, norms: Norms, left: LinePoint, right: LinePoint, fall: float) -> tuple[float, float]:
    """Bound Π by its value on the chord plus what the radius of (2) allows; concave and quadratic in t, so its peak is closed-form."""
    width = right.charge - left.charge
    step = right.curved - left.curved
    delta = width * fall - float(step @ step)
    scale = width * fall + float(step @ step) + _ROUNDING * float(left.curved @ left.curved) * width
    radius = 0.5 * np.sqrt(max(delta, 0.0) + _ROUNDING * scale)
    hours, day = line.day.period_hours, line.day
    # Revenue (a + t·w)·(q_a − t·Δq) and losses ‖f_a + t·(f_b − f_a)‖² as polynomials in t, lowest power first.
    drop = left.charged_kwh - right.charged_kwh
    revenue = np.array([left.charge * left.charged_kwh, width * left.charged_kwh - left.charge * drop, -width * drop])
    if line.objective == "welfare":
        revenue = np.array([left.charge * left.charged_kwh - left.value_eur, -left.charge * drop, 0.0])
    flow, change = left.flow_kw, right.flow_kw - left.flow_kw
    profit = revenue + _fee_less_loss(line, left, right)
    # (√L − s·r)₊² ≥ L − 2·s·r·√L, and √L is convex along the chord: its ends bound it.
    slack = 2.0 * norms.loss * radius * np.sqrt(max(left.loss_eur, right.loss_eur))
    slack += radius * (right.charge * norms.charged + day.import_fee * norms.imported)
    # Overload is convex in t: any tangent bounds it from below, and the one at the peak found without it serves.
    t = _peak(profit)
    for _ in range(2):
        margin = np.abs(flow + t * change) - line.network.grid.branch_limit_kw - norms.flow * radius
        tangent = day.overload_price * hours * float(np.sum((margin > 0) * np.sign(flow + t * change) * change))
        overload = day.overload_price * hours * float(np.sum(np.maximum(margin, 0.0)))
        line_of_t = np.array([overload - t * tangent, tangent, 0.0])
        t = _peak(profit - line_of_t)
    total = profit - line_of_t
    bound = float(total @ np.array([1.0, t, t * t])) + slack
    return bound, left.charge + t * width


def _peak(polynomial: Array) -> float:
    """Return the t in [0, 1] at which a concave quadratic, lowest power first, is greatest."""
    _, slope, bend = polynomial
    if bend < 0:
        return float(np.clip(-slope / (2.0 * bend), 0.0, 1.0))
    return 1.0 if slope + bend > 0 else 0.0


def best_on_chord(line: ChargeLine, left: LinePoint, right: LinePoint) -> float:
    """Return the leader's greatest goal between two ends of one affine piece of the response, in EUR.

    Everything is a polynomial in t between the t at which a branch reaches its limit, so the ends and the peak of each segment decide.
    """
    width, drop = right.charge - left.charge, left.charged_kwh - right.charged_kwh
    flow, change = left.flow_kw, right.flow_kw - left.flow_kw
    limit = line.network.grid.branch_limit_kw
    revenue = np.array([left.charge * left.charged_kwh, width * left.charged_kwh - left.charge * drop, -width * drop])
    if line.objective == "welfare":  # less V = V_a + w·(q_a·t − ½·Δq·t²)
        revenue -= np.array([left.value_eur, width * left.charged_kwh, -0.5 * width * drop])
    goal_without_overload = revenue + _fee_less_loss(line, left, right)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossings = np.concatenate([((limit - flow) / change).ravel(), ((-limit - flow) / change).ravel()])
    edges = [0.0, *np.unique(crossings[(crossings > 0.0) & (crossings < 1.0)]), 1.0]
    best = float("-inf")
    for low, high in pairwise(edges):
        sign = np.sign(flow + 0.5 * (low + high) * change) * (np.abs(flow + 0.5 * (low + high) * change) > limit)
        over = np.array([np.sum(sign * flow - np.abs(sign) * limit), np.sum(sign * change), 0.0])
        goal = goal_without_overload - line.day.overload_price * line.day.period_hours * over
        peak = -goal[1] / (2.0 * goal[2]) if goal[2] < 0 else low
        best = max(best, *(float(goal @ np.array([1.0, t, t * t])) for t in (low, min(max(peak, low), high), high)))
    return best


def _fee_less_loss(line: ChargeLine, left: LinePoint, right: LinePoint) -> Array:
    """Return import fee less the community's losses along the chord, as a polynomial in t, lowest power first."""
    flow, change, weight = left.flow_kw, right.flow_kw - left.flow_kw, line.loss_weight
    loss = np.array([np.sum(weight * flow**2) - line.base_loss_eur, 2 * np.sum(weight * flow * change), np.sum(weight * change**2)])
    fee = line.day.import_fee * np.array([left.imported_kwh, right.imported_kwh - left.imported_kwh, 0.0])
    polynomial: Array = fee - loss
    return polynomial
