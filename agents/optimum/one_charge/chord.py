"""What the leader would earn if the response went straight from one exact response to another.

Along the chord x̄(t) = (1 − t)·x_a + t·x_b, at the charge a + t·w, charged energy, imports and flows are affine in t, so that the goal is a
quadratic in t, less the overload, which is convex and piecewise affine. On an affine piece of the response the chord is the response.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ....envs.community.day import Array
from ..sound import require_finite

if TYPE_CHECKING:
    from .line import ChargeLine, LinePoint


@dataclass(frozen=True, eq=False)
class Chord:
    """The account along the chord between two responses; polynomials in t are stored lowest power first, shape (3,), in EUR."""

    line: ChargeLine
    left: LinePoint
    right: LinePoint

    @property
    def width(self) -> float:
        """w, EUR/kWh."""
        return self.right.charge - self.left.charge

    @cached_property
    def flow_change_kw(self) -> Array:
        """f_b − f_a, shape (T, L)."""
        return self.right.flow_kw - self.left.flow_kw

    @property
    def is_overloaded(self) -> bool:
        """Whether overload costs anything along the way: it is convex, so that it costs nothing between two ends where it does not."""
        return self.left.overload_cost_eur > 0.0 or self.right.overload_cost_eur > 0.0

    @cached_property
    def revenue(self) -> Array:
        """Charges collected, in EUR, shape (3,)."""
        a, q, drop = self.left.charge, self.left.charged_kwh, self.left.charged_kwh - self.right.charged_kwh
        return np.array([a * q, self.width * q - a * drop, -self.width * drop])

    @cached_property
    def goal(self) -> Array:
        """The leader's goal with overload left out, in EUR, shape (3,).

        Raises:
            ClearingError: If it is not finite.
        """
        line, left, right = self.line, self.left, self.right
        change = self.flow_change_kw
        weighted = line.loss_weight * change
        loss = np.array([left.loss_eur - line.base_loss_eur, 2 * float(np.vdot(weighted, left.flow_kw)), float(np.vdot(weighted, change))])
        fee = line.day.import_fee * np.array([left.imported_kwh, right.imported_kwh - left.imported_kwh, 0.0])
        total = self.revenue + fee - loss
        if line.objective == "welfare":
            total = total - self.cost
        require_finite(total, "the goal between two charges", line.day.label)
        return np.asarray(total)

    @cached_property
    def cost(self) -> Array:
        """The followers' objective at (a + t·w, x̄(t)): charges, and ½‖x‖² + c₀·x, which lies ½·t·(1 − t)·‖x_b − x_a‖² below its chord.

        In EUR, shape (3,).
        """
        step = self.right.curved - self.left.curved
        bend = 0.5 * float(step @ step)
        fixed = [end.value_eur - end.charge * end.charged_kwh for end in (self.left, self.right)]
        return np.asarray(self.revenue + np.array([fixed[0], fixed[1] - fixed[0] - bend, bend]))

    @cached_property
    def crossings(self) -> list[float]:
        """Every t strictly between 0 and 1 at which some |f| equals its limit, rising."""
        limit, flow, change = self.line.network.grid.branch_limit_kw, self.left.flow_kw, self.flow_change_kw
        if np.all(np.maximum(np.abs(flow), np.abs(self.right.flow_kw)) <= limit):
            return []
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = np.concatenate([((limit - flow) / change).ravel(), ((-limit - flow) / change).ravel()])
        return [float(step) for step in np.unique(steps[(steps > 0.0) & (steps < 1.0)])]

    def overload_kw(self, t: float) -> tuple[float, float]:
        """Return Σ max(0, |f| − F) as value at 0 and slope of its tangent at t, kW."""
        flow, limit = self.left.flow_kw, self.line.network.grid.branch_limit_kw
        at = flow + t * self.flow_change_kw
        side = np.sign(at) * (np.abs(at) > limit)
        # An infinite limit is never exceeded, and 0·inf would be NaN.
        level = float(np.vdot(side, flow) - np.sum(np.broadcast_to(limit, side.shape)[side != 0.0]))
        slope = float(np.vdot(side, self.flow_change_kw))
        require_finite((level, slope), "the overload between two charges", self.line.day.label)
        return level, slope

    def at(self, t: float) -> float:
        """Return the goal along the chord in EUR."""
        if t in (0.0, 1.0):
            return (self.left, self.right)[int(t)].goal_eur
        goal = float(self.goal @ (1.0, t, t * t))
        if not self.is_overloaded:
            return goal
        level, slope = self.overload_kw(t)
        return goal - self.line.day.overload_price * self.line.day.period_hours * (level + t * slope)

    def peak(self, low: float = 0.0, high: float = 1.0) -> tuple[float, float]:
        """Return the t in [low, high] with the greatest goal along the chord, and that goal in EUR."""
        price = self.line.day.overload_price * self.line.day.period_hours
        crossings = self.crossings if self.is_overloaded else []
        edges = [low, *(t for t in crossings if low < t < high), high]
        best = max((self.at(t), -t) for t in edges)
        for left, right in pairwise(edges):
            goal = self.goal
            if self.is_overloaded:
                goal = goal - price * np.array([*self.overload_kw(0.5 * (left + right)), 0.0])
            t = peak_of(goal, left, right)
            best = max(best, (self.at(t), -t))
        return -best[1], best[0]


def peak_of(polynomial: Array, low: float = 0.0, high: float = 1.0) -> float:
    """Return the t in [low, high] at which a quadratic, coefficients of shape (3,), lowest power first, is greatest."""
    _, slope, bend = (float(part) for part in polynomial)
    if bend < 0:
        return min(max(-slope / (2.0 * bend), low), high)
    return high if slope * (high - low) + bend * (high * high - low * low) > 0 else low
