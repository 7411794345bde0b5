"""Upper and lower bounds on what the leader gets between two charges, from the responses at both.

Let a < b be two charges, w = b − a, and x_a, x_b points of the followers' feasible set, in the units of :mod:`.flat`, with slopes
s_a, s_b at some prices. At g = a + t·w the chord point x̄ = (1 − t)·x_a + t·x_b is feasible too, and its slope at g, with the prices mixed
likewise, is z = (1 − t)·s_a + t·s_b. The response x_g is optimal, so going from it towards x̄ gains nothing: with y = x_g − x̄,

    (z + y_c)·y ≤ 0,   that is   ‖y_c‖² + z·y ≤ 0,      A·y = 0,      l ≤ x̄ + y ≤ u.                                        (1)

Nothing was assumed of x_a and x_b but feasibility, nor of their prices anything at all: whatever a clearing leaves of its dual residual and
duality gap is in s_a and s_b and widens the bound by itself. A primal residual ρ adds (y_g − ȳ)·ρ to the right side of (1), y_g being the
prices at g; it is reckoned with prices that differ by no more than the greatest price of the day, equations are first made to hold to
rounding (:meth:`.flat.FlatMarket.balance`), and what holds to 1e-12 of the mean load counts as held.

**Chord bound.** Profit is Π(x̄) + h·y − (a square) or less, h the gradient of profit in x at x̄, with a tangent of the overload, which is
convex; h is affine in t. For any prices λ and any weight ν > 0, (1) gives

    h·y ≤ (h − Aᵀλ)·y − ν·(‖y_c‖² + z·y) = Σ_k [(h'_k − ν·z_k)·y_k − ν·y_k²],

a sum whose terms are bounded one by one: by the curvature, (h' − ν·z)²/4ν; by the box; or by both, h'²/4ν for the first part and the
box for ν·z·y. A variable on the same bound at both ends has z·y ≥ 0 and only counts as far as h' exceeds ν·z, so that trades nobody
wants drop out. Every term is at most a quadratic in t, which makes the bound one, and its peak is closed-form. λ is taken from how prices
move with the charge, and ν where both parts weigh the same. The bound is Π(x̄) itself where both ends lie on one affine piece, and its
excess is of the order of w·Δq times the root of the share of Δq that is due to kinks.

For welfare −V(g) = −F_g(x̄) − z·y − ½‖y_c‖², so that z·y joins h with the weight 1.

**Value bound.** V is concave with slope q: q_g ≤ min(q_a, (V_b − V_a − (b − g)·q_b)/(g − a)), times g; less the least losses and overload
within r = √(w·Δq) of either end in the Q norm; plus the greatest import fee. It is cheap and decides wide intervals.

**Flows.** By (1), ‖y_c‖² ≤ −z·y ≤ t(1 − t)·Σ of the complementary products, and a flow moves by no more than its norm times ‖y_c‖.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ....envs.community.day import Array
from ....envs.market.exact.market_data import Structure
from ..sound import require_finite
from .chord import Chord, peak_of
from .line import ChargeLine, LinePoint
from .loops.strays import products_of, stray, strays_between

_ROUNDING = 1e-14  # relative rounding error granted to sums of money
_LEAST_WEIGHT, _GREATEST_WEIGHT = 1e-3, 1e12  # of ν
_NOTHING = np.empty(0)
_FACTORS = (*(3.0**k for k in range(7)), *(10.0**k for k in range(3, 13)))
"""Greater weights tried after the one suggested, as long as they help: where all that moves is at rest, no weight is too great."""
SLIVER = 1e-9
"""EUR/kWh: so close together that rounding in two responses is more than what lies between, and one of them bounds better."""
SECURE = 1e-9
"""Relative excess over a branch limit that still counts as within it, as in the settlement; answers are found within half of it."""


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
    return Norms(charged=float(np.linalg.norm(line.flat.charge_cost)), imported=float(imported), flow=flow, loss=float(loss))


def upper_bound(
    line: ChargeLine,
    norms: Norms,
    left: LinePoint,
    right: LinePoint,
    *,
    target: float = float("-inf"),
    hard_limits: bool = False,
) -> tuple[float, float]:
    """Bound the leader's goal on [left.charge, right.charge] from above.

    Args:
        line: The game.
        norms: Its norms.
        left: The response at the lower end.
        right: The response at the upper end.
        target: A bound no greater than this is good enough and not sharpened further.
        hard_limits: Whether only charges count that keep every branch within its limit.

    Returns:
        The bound in EUR, minus infinity where no charge of the interval counts; and the charge at which it peaks: where to look next.
    """
    chord = Chord(line, left, right)
    low, high = secure_part(chord, radius=radius_of(line, left, right), norms=norms) if hard_limits else (0.0, 1.0)
    if not low <= high:
        return float("-inf"), left.charge
    value = value_bound(line, norms, left, right)
    require_finite(value, "the value bound between two charges", line.day.label)
    bound, share = chord_bound(chord, target=target, low=low, high=high)
    if min(value, bound) > target and chord.width <= SLIVER:
        for end in (left, right):
            alone = Chord(line, *(moved(line, end, at.charge) for at in (left, right)))
            bound = min(bound, chord_bound(alone, target=target)[0])
    return min(value, bound), left.charge + share * chord.width


def secure_part(chord: Chord, *, radius: float = 0.0, norms: Norms | None = None, share: float = 1.0) -> tuple[float, float]:
    """Return the least and greatest t in [0, 1] at which every branch can be within its limit; the first is greater where none is.

    Flows are affine along the chord, so that each branch and hour leaves an interval, and so do all together.

    Args:
        chord: The chord.
        radius: How far the response can be from it, √EUR.
        norms: How far that moves a flow.
        share: The part of ``SECURE`` allowed.
    """
    limit = chord.line.network.grid.branch_limit_kw * (1.0 + share * SECURE)
    if norms is not None:
        limit = limit + norms.flow * radius
    flow, change = chord.left.flow_kw, chord.flow_change_kw
    if np.any((np.abs(flow) > limit) & (np.abs(chord.right.flow_kw) > limit) & (flow * chord.right.flow_kw > 0)):
        return 1.0, 0.0
    if np.all(np.maximum(np.abs(flow), np.abs(chord.right.flow_kw)) <= limit):
        return 0.0, 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = (-limit - flow) / change, (limit - flow) / change
    moving = change != 0.0
    if np.any(np.abs(flow[~moving]) > np.broadcast_to(limit, flow.shape)[~moving]):
        return 1.0, 0.0
    low, high = float(np.minimum(one, other)[moving].max(initial=0.0)), float(np.maximum(one, other)[moving].min(initial=1.0))
    require_finite((low, high), "the secure part between two charges", chord.line.day.label)
    return low, high


def chord_bound(chord: Chord, *, target: float = float("-inf"), low: float = 0.0, high: float = 1.0) -> tuple[float, float]:
    """Return the chord bound for t in [low, high], in EUR, and the t at which it peaks."""
    base, pull = _with_overload(chord, low, high)
    omega = 1.0 if chord.line.objective == "welfare" else 0.0
    best = (float("inf"), low)
    for polynomial in strayed(chord, pull, omega):
        total = base + polynomial
        t = peak_of(total, low, high)
        bound = float(total @ (1.0, t, t * t))
        if not bound < best[0]:
            break
        best = bound, t
        if bound <= target:
            break
    return best


def moved(line: ChargeLine, end: LinePoint, charge: float) -> LinePoint:
    """Return the same variables and prices at another charge: no response there any more, but a point that bounds may use."""
    return replace(line.restored(charge, end.variables, end.prices, end.relief), missed_eur=end.missed_eur)


def lower_bound(line: ChargeLine, norms: Norms, left: LinePoint, right: LinePoint) -> float:
    """Bound the leader's goal on [left.charge, right.charge] from below, in EUR: −h in place of h, and the squares in full."""
    chord = Chord(line, left, right)
    radius = radius_of(line, left, right)
    limit, price = line.network.grid.branch_limit_kw, line.day.overload_price * line.day.period_hours
    near = norms.flow * radius
    over = [float(np.maximum(np.abs(end.flow_kw) - limit, 0.0).sum()) for end in (left, right)]
    touched = np.maximum(np.abs(left.flow_kw), np.abs(right.flow_kw)) + near > limit
    most_over = price * np.array([over[0], over[1] - over[0], 0.0])  # convex: its own chord is above it
    fixed = (norms.loss * radius) ** 2 + price * float(np.sum(np.broadcast_to(near, touched.shape)[touched]))
    best = float("-inf")
    for polynomial in strayed(chord, None, 0.0, sign=-1.0):
        total = chord.goal - most_over - polynomial
        least = min(float(total @ (1.0, t, t * t)) for t in (0.0, 1.0, peak_of(-total))) - fixed
        if not least > best:
            break
        best = least
    return best


def _with_overload(chord: Chord, low: float, high: float) -> tuple[Array, Array | None]:
    """Return the goal along the chord less a tangent of the overload near the peak, and the tangent's gradient in x."""
    price = chord.line.day.overload_price * chord.line.day.period_hours
    t = peak_of(chord.goal, low, high)
    if chord.is_overloaded:
        for _ in range(2):
            t = peak_of(chord.goal - price * np.array([*chord.overload_kw(t), 0.0]), low, high)
    return with_tangent(chord, t)


def with_tangent(chord: Chord, t: float) -> tuple[Array, Array | None]:
    """Return the goal along the chord less the tangent of the overload at t, and the tangent's gradient in x, shape (V,)."""
    if not chord.is_overloaded:
        return chord.goal, None
    line = chord.line
    price, limit = line.day.overload_price * line.day.period_hours, line.network.grid.branch_limit_kw
    at = chord.left.flow_kw + t * chord.flow_change_kw
    side = np.sign(at) * (np.abs(at) > limit)
    pull = line.flat.injection_gradient((price * side) @ line.network.prosumer_ptdf)
    return chord.goal - price * np.array([*chord.overload_kw(t), 0.0]), pull


def strayed(chord: Chord, overload_pull: Array | None, omega: float, sign: float = 1.0) -> Iterator[Array]:
    """Yield, for one weight ν after the other, a polynomial in t that bounds what the response's distance from the chord changes.

    Each is of shape (coefficients,), lowest power first; ``overload_pull`` is of shape (V,).
    """
    line, left, right = chord.line, chord.left, chord.right
    missed, rounding = left.missed_eur + right.missed_eur, _ROUNDING * line.turnover_eur
    more = _NOTHING if overload_pull is None else overload_pull
    ends = [part for name in ("variables", "slopes", "relief", "pull") for part in (getattr(left, name), getattr(right, name))]
    weights = (sign, _LEAST_WEIGHT, _GREATEST_WEIGHT, missed)
    rows, n_curved, weight, least = strays_between(line.flat.lines, *ends, more, *weights)
    for factor in _FACTORS:
        nu = max(weight * factor, least)
        e, f, g = stray(nu, omega, n_curved, *rows)
        require_finite((e, f, g), "the chord bound between two charges", line.day.label)
        yield np.array([e + (1.0 + omega + nu) * missed + rounding, f - e + g, -g])


def radius_of(line: ChargeLine, left: LinePoint, right: LinePoint) -> float:
    """Return the greatest distance of the response from the chord in the Q norm, √EUR."""
    flat = line.flat
    across, own = products_of(flat.lower, flat.upper, left.variables, right.variables, left.slopes, right.slopes)
    return float(np.sqrt(0.25 * across + own + left.missed_eur + right.missed_eur))


def value_bound(line: ChargeLine, norms: Norms, left: LinePoint, right: LinePoint) -> float:
    """Bound the goal by what concave V and the distance to the ends allow; good for wide intervals."""
    a, b, q_a, q_b = left.charge, right.charge, left.charged_kwh, right.charged_kwh
    astray = np.sqrt(2.0 * max(left.gap_eur, right.gap_eur))
    radius = np.sqrt((b - a) * max(q_a - q_b + 2.0 * norms.charged * astray, 0.0)) + astray
    rounding = _ROUNDING * (abs(right.value_eur) + abs(left.value_eur)) + left.gap_eur + left.missed_eur + right.missed_eur
    area = right.value_eur - left.value_eur + rounding  # ∫ q over [a, b]
    greatest = q_a + norms.charged * astray
    # With the excess e = area − w·q_b the bound on revenue is g·min(q_a, q_b + e/(g − a)). The first rises up to the crossing g° of the
    # two; beyond it the second is convex in g, so its ends suffice.
    excess = max(area - (b - a) * q_b, 0.0)
    crossing = a + excess / (greatest - q_b) if greatest > q_b else b
    revenue = b * greatest if crossing >= b else max(crossing * greatest, b * (q_b + excess / (b - a)))
    if line.objective == "welfare":
        revenue = a * greatest - left.value_eur + rounding
    fee = line.day.import_fee * (min(left.imported_kwh, right.imported_kwh) + norms.imported * radius)
    return float(revenue + fee - _least_loss(line, norms, left, right, radius) - _least_overload(line, norms, (left, right), radius))


def _least_loss(line: ChargeLine, norms: Norms, left: LinePoint, right: LinePoint, radius: float) -> float:
    root = np.sqrt(max(left.loss_eur, right.loss_eur)) - norms.loss * radius
    return float(max(root, 0.0) ** 2) - line.base_loss_eur


def _least_overload(line: ChargeLine, norms: Norms, ends: tuple[LinePoint, LinePoint], radius: float) -> float:
    if ends[0].overload_cost_eur == 0.0 and ends[1].overload_cost_eur == 0.0:
        return 0.0
    limit = line.network.grid.branch_limit_kw + norms.flow * radius
    over = np.maximum(0.0, np.maximum(np.abs(ends[0].flow_kw), np.abs(ends[1].flow_kw)) - limit)
    return float(line.day.overload_price * line.day.period_hours * over.sum())
