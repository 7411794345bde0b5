"""Upper bounds for two coefficients by branch-and-bound over triangles of charges, each bounded by the exact clearings at its corners.

Let x_k be the response at corner γ_k, γ = Σ t_k·γ_k any point of the triangle, x its response and q = Cᵀx. Monotonicity against every
corner, ‖x − x_k‖² ≤ −(γ − γ_k)·(q − q_k) in the Q norm, weighted by t_k and summed, gives with x̄ = Σ t_k·x_k

    ‖x − x̄‖² ≤ Σ_{k<l} t_k·t_l·δ_kl =: r²,     δ_kl = −(γ_k − γ_l)·(q_k − q_l) − ‖x_k − x_l‖² ≥ 0,

because Σ t_k·(γ − γ_k) = 0. Each δ_kl is what :mod:`..one_charge.bounds` has on one line, and is 0 where both corners lie on one affine
piece. So Π(γ) is at most its value at x̄,

    Σ t_k·Π_k + Σ_{k<l} t_k·t_l·(M_kl + D_kl),     M_kl = −(γ_k − γ_l)·(q_k − q_l),   D_kl the losses of the difference of both flows,

a quadratic in t whose greatest value over the triangle is at a critical point of the triangle, an edge or a corner, plus what a distance
of r can change: (norm of the charges in the metric of Q⁻¹)·r of revenue, and so on. Overload is convex: its tangent at the peak bounds it.

Wide triangles are bounded by V as well: V is concave with gradient q, so γ·q ≤ V(γ) − V(0) ≤ V_k + q_k·(γ − γ_k) − V(0).

For welfare γ·q − V(γ) takes the place of γ·q, and V(γ) ≥ Σ t_k·V_k.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ....envs.community.day import Array
from ..one_charge.bounds import norms
from ..one_charge.line import ChargeLine
from ..sound import require_finite
from .game import Play, TariffGame

_ROUNDING = 1e-12
_GRID = 6  # the square of charges starts as this many by this many, finer towards 0, where pieces are narrow
_EDGES = tuple(combinations(range(3), 2))


@dataclass(frozen=True, eq=False)
class _Corner:
    """An exact clearing and what bounds are made of."""

    play: Play
    charged_kwh: Array  # (2,)
    curved: Array  # the strictly convex variables in √EUR
    flow_kw: Array
    loss_eur: float
    value_eur: float
    charge_norm: float
    linear_eur: float  # the goal before overload


def branch_and_bound(game: TariffGame, incumbent: Play, *, max_clearings: int, tolerance: float) -> tuple[Play, float]:
    """Search all charges of a tariff of two coefficients.

    Args:
        game: The game.
        incumbent: The best charges known.
        max_clearings: Clearings after which the search stops where it is.
        tolerance: How far, in EUR, no charges may exceed the best found for the search to end.

    Returns:
        The best charges, and an upper bound on all in [0, cap]².
    """
    search = _BranchAndBound(game, incumbent)
    limit = game.clearings + max_clearings
    while search.bound > search.best.goal_eur + tolerance and game.clearings < limit:
        search.split()
    return search.best, max(search.bound, search.best.goal_eur)


class _BranchAndBound:
    """The state of one branch-and-bound: the best charges and the heap of triangles."""

    def __init__(self, game: TariffGame, incumbent: Play) -> None:
        self.best = incumbent
        self._game = game
        self._norms = norms(ChargeLine(game.day, game.network, game.tariff.basis[0], flows=game.flows, market=game.market))
        self._corners: dict[bytes, _Corner] = {}
        self._heap: list[tuple[float, int, tuple[_Corner, _Corner, _Corner], Array]] = []
        self._count = 0
        self._nothing = self._corner(np.zeros(2))
        ticks = game.cap * np.linspace(0.0, 1.0, _GRID + 1) ** 2
        for i in range(_GRID):
            for j in range(_GRID):
                low = [self._corner(np.array([ticks[i], ticks[j + k]])) for k in (0, 1)]
                high = [self._corner(np.array([ticks[i + 1], ticks[j + k]])) for k in (0, 1)]
                self._push((low[0], low[1], high[1]), np.inf)
                self._push((low[0], high[0], high[1]), np.inf)

    @property
    def bound(self) -> float:
        """Upper bound over all triangles left."""
        return -self._heap[0][0] if self._heap else float("-inf")

    def split(self) -> None:
        """Halve the triangle with the greatest bound across the edge whose ends agree least."""
        negative, _, corners, peak = heapq.heappop(self._heap)
        at = sum(t * corner.play.action for t, corner in zip(peak, corners, strict=True))
        wide = [self._delta(corners[k], corners[j]) for k, j in _EDGES]
        length = [float(np.abs(corners[k].play.action - corners[j].play.action).max()) for k, j in _EDGES]
        if max(wide) <= _ROUNDING * abs(self.best.goal_eur):  # one affine piece: the peak is where the bound says
            self._corner(np.asarray(at))
        k, j = _EDGES[max(range(3), key=lambda edge: (wide[edge], length[edge]))]
        middle = self._corner(0.5 * (corners[k].play.action + corners[j].play.action))
        for replaced in (k, j):
            self._push(tuple(middle if i == replaced else corner for i, corner in enumerate(corners)), -negative)  # type: ignore[arg-type]

    def _corner(self, action: Array) -> _Corner:
        key = action.tobytes()
        if key not in self._corners:
            play = self._game.play(action)
            self._corners[key] = self._account(play)
            if play.goal_eur > self.best.goal_eur:
                self.best = play
        return self._corners[key]

    def _account(self, play: Play) -> _Corner:
        game, day, clearing, settled = self._game, self._game.day, play.clearing, play.settlement
        hours = day.period_hours
        trading = day.can_trade
        families = (
            (day.utility_curvature, clearing.demand),
            (day.grid_friction, clearing.grid_import),
            (day.grid_friction, clearing.grid_export),
            (day.storage_wear, clearing.storage_charge),
            (day.storage_wear, clearing.storage_discharge),
            (day.trade_friction[trading], clearing.trade[:, trading]),
        )
        curved = np.concatenate([(np.sqrt(hours * curvature) * values).ravel() for curvature, values in families])
        charges = game.charges(play.action)[:, trading]
        return _Corner(
            play=play,
            charged_kwh=game.charged_kwh(clearing),
            curved=curved,
            flow_kw=settled.flow_kw,
            loss_eur=float(np.sum(game.loss_weight * settled.flow_kw**2)),
            value_eur=clearing.objective_eur,
            charge_norm=float(np.sqrt(np.sum(hours * charges**2 / day.trade_friction[trading]))),
            linear_eur=play.goal_eur + settled.overload_cost_eur,
        )

    def _delta(self, a: _Corner, b: _Corner) -> float:
        step = a.curved - b.curved
        fall = self._fall(a, b)
        size = fall + float(step @ step) + _ROUNDING * float(a.curved @ a.curved)
        return max(fall - float(step @ step), 0.0) + 0.01 * _ROUNDING * size

    def _fall(self, a: _Corner, b: _Corner) -> float:
        """Return M = −(γ_a − γ_b)·(q_a − q_b)."""
        return max(-float((a.play.action - b.play.action) @ (a.charged_kwh - b.charged_kwh)), 0.0)

    def _push(self, corners: tuple[_Corner, _Corner, _Corner], inherited: float) -> None:
        bound, peak = self._interpolated(corners)
        by_value = self._by_value(corners)
        require_finite((bound, by_value), "the bound on a triangle of charges", self._game.day.label)
        bound = min(bound, by_value, inherited)
        self._count += 1
        heapq.heappush(self._heap, (-bound, self._count, corners, peak))

    def _interpolated(self, corners: tuple[_Corner, _Corner, _Corner]) -> tuple[float, Array]:
        game, day, far = self._game, self._game.day, self._norms
        deltas = [self._delta(corners[k], corners[j]) for k, j in _EDGES]
        radius = float(np.sqrt(min(max(deltas) / 3.0, sum(deltas) / 4.0)))
        bends = []
        for k, j in _EDGES:
            change = corners[k].flow_kw - corners[j].flow_kw
            collected = self._fall(corners[k], corners[j])
            bends.append(collected + float(np.sum(game.loss_weight * change**2)))
        linear = np.array([corner.linear_eur for corner in corners])
        _, peak = _greatest(linear, bends)
        cost = day.overload_price * day.period_hours
        flows = np.array([corner.flow_kw for corner in corners])
        there = np.tensordot(peak, flows, axes=1)
        over = np.abs(there) - game.network.grid.branch_limit_kw - far.flow * radius > 0
        sign = np.sign(there) * over
        limit = np.where(np.isfinite(game.network.grid.branch_limit_kw), game.network.grid.branch_limit_kw + far.flow * radius, 0.0)
        linear = linear - cost * (np.tensordot(flows, sign, axes=2) - float(np.sum(over * limit)))
        value, peak = _greatest(linear, bends)
        slack = 2.0 * far.loss * np.sqrt(max(corner.loss_eur for corner in corners))
        slack += max(corner.charge_norm for corner in corners) + day.import_fee * far.imported
        rounding = _ROUNDING * max(abs(corner.value_eur) + abs(corner.linear_eur) for corner in corners)
        return value + float(slack) * radius + rounding, peak

    def _by_value(self, corners: tuple[_Corner, _Corner, _Corner]) -> float:
        """γ·q ≤ V(γ) − V(0), with V under each corner's tangent; welfare before losses is at most −V(0)."""
        game, day = self._game, self._game.day
        base_loss = float(np.sum(game.loss_weight * game.base_flow_kw**2))
        nothing = self._nothing.value_eur
        highest = min(
            max(corner.value_eur + float(corner.charged_kwh @ (other.play.action - corner.play.action)) for other in corners)
            for corner in corners
        )
        most = -nothing if game.objective == "welfare" else highest - nothing
        fee = day.import_fee * day.period_hours * float(day.import_limit.sum()) * day.n_periods
        return most + fee + base_loss + _ROUNDING * abs(nothing)


def _greatest(linear: Array, bends: list[float]) -> tuple[float, Array]:
    """Return an upper bound on f(t) = Σ t_k·linear_k + Σ_{k<l} t_k·t_l·bend_kl over the simplex, and where f is greatest or nearly so.

    Along an edge f is concave, so that edges and corners are exact. Where f is convex in some direction within the plane of the triangle,
    it is greatest on an edge. Elsewhere it is concave, and its tangent at any point bounds it. At the greatest point that adds nothing. It
    adds what is missing where the system for a point inside is nearly singular and its solution is off, or is taken to lie outside.
    """
    matrix = np.zeros((3, 3))
    for (k, j), bend in zip(_EDGES, bends, strict=True):
        matrix[k, j] = matrix[j, k] = bend
    candidates = list(np.eye(3))
    for (k, j), bend in zip(_EDGES, bends, strict=True):
        if bend > 0:
            t = np.zeros(3)
            t[k] = np.clip(0.5 + 0.5 * (linear[k] - linear[j]) / bend, 0.0, 1.0)
            t[j] = 1.0 - t[k]
            candidates.append(t)
    steepest = max(bends)
    convex = _convexity(bends)  # of f within the plane: the greatest eigenvalue of its Hessian, or less than 0
    inside = convex <= _ROUNDING * steepest
    if inside and steepest > 0:
        system = np.block([[matrix / steepest, np.ones((3, 1))], [np.ones((1, 3)), np.zeros((1, 1))]])
        inner = np.clip(np.linalg.lstsq(system, np.append(-linear / steepest, 1.0))[0][:3], 0.0, None)
        if inner.sum() > 0:
            candidates.append(inner / inner.sum())
    values = [float(linear @ t + 0.5 * (t @ matrix @ t)) for t in candidates]
    best = int(np.argmax(values))
    if not inside:
        return values[best], candidates[best]
    slopes = [linear + matrix @ t for t in candidates]
    above = [value + float(slope.max() - slope @ t) for value, slope, t in zip(values, slopes, candidates, strict=True)]
    return max(min(above), values[best]) + max(convex, 0.0) + _ROUNDING * steepest, candidates[best]


def _convexity(bends: list[float]) -> float:
    """Return the greatest eigenvalue of Σ_{k<l} 2·bend_kl·d_k·d_l over directions d with Σ d_k = 0 and ‖d‖ = 1, to rounding."""
    plane = np.array([[1.0, -1.0, 0.0], [1.0, 1.0, -2.0]]) / np.sqrt([[2.0], [6.0]])
    whole = np.zeros((3, 3))
    for (k, j), bend in zip(_EDGES, bends, strict=True):
        whole[k, j] = whole[j, k] = bend
    return float(np.linalg.eigvalsh(plane @ whole @ plane.T)[-1])
