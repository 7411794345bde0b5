"""What the leader earns along the straight way between two responses, as quadratics in Bernstein's form.

At the share t of the way, (1 − t)²·β₀ + 2t(1 − t)·β₁ + t²·β₂ is stored as (β₀, β₁, β₂). A product of two quantities that go straight from
(x_a, y_a) to (x_b, y_b) is (x_a·y_a, ½(x_a·y_b + x_b·y_a), x_b·y_b), so that revenue, losses and costs are written down from both ends.
A branch without a limit never takes part in an overload: its infinite limit is compared, and never reckoned with.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from ....envs.community.day import Array
from .findings import CertificateError
from .program import FollowersProgram, total
from .response import FollowersResponse

SECURE = 1e-9
"""Relative excess over a branch limit that still counts as within it."""


def product(first: tuple[float, float], second: tuple[float, float]) -> Array:
    """Return the product of two straight lines, each given by its values at both ends, as (β₀, β₁, β₂), shape (3,)."""
    (a, b), (c, d) = first, second
    return np.array([a * c, 0.5 * (a * d + b * c), b * d])


def straight(start: float, end: float) -> Array:
    """Return a straight line as (β₀, β₁, β₂), shape (3,)."""
    return np.array([start, 0.5 * (start + end), end])


def value(beta: Array, t: float) -> float:
    """Return a quadratic (β₀, β₁, β₂), shape (3,), at t."""
    s = 1.0 - t
    return float(s * s * beta[0] + 2.0 * s * t * beta[1] + t * t * beta[2])


def top(beta: Array, low: float, high: float) -> tuple[float, float]:
    """Return the t in [low, high] at which a quadratic (β₀, β₁, β₂), shape (3,), is greatest, and its value there."""
    places = [low, high]
    bend = beta[0] - 2.0 * beta[1] + beta[2]
    if bend < 0.0:
        places.append(min(max(float((beta[0] - beta[1]) / bend), low), high))
    return max(((t, value(beta, t)) for t in places), key=lambda at: at[1])


@dataclass(frozen=True, eq=False)
class Way:
    """The leader's account between two responses."""

    program: FollowersProgram
    left: FollowersResponse
    right: FollowersResponse
    welfare: bool

    @cached_property
    def smooth(self) -> Array:
        """The goal in EUR, overload left out, as (β₀, β₁, β₂), shape (3,)."""
        program, a, b = self.program, self.left, self.right
        revenue = product((a.charge, b.charge), (a.charged_kwh, b.charged_kwh))
        fee = program.day.import_fee * straight(a.imported_kwh, b.imported_kwh)
        weight = program.loss_weight
        loss = np.array([total(weight, x, y) for x, y in ((a.flow_kw, a.flow_kw), (a.flow_kw, b.flow_kw), (b.flow_kw, b.flow_kw))])
        goal = revenue + fee - (loss - total(weight, program.base_flow_kw, program.base_flow_kw))
        if self.welfare:
            ends = ((a.vector, a.vector), (a.vector, b.vector), (b.vector, b.vector))
            bent = 0.5 * np.array([total(program.curvature, x, y) for x, y in ends])
            goal = goal - bent - straight(total(program.cost, a.vector), total(program.cost, b.vector)) - revenue
        return finite(goal, "an account between two charges")

    @property
    def stakes_eur(self) -> float:
        """What passes through the leader's hands at the ends, whatever its sign."""
        program = self.program
        found = 0.0
        for end in (self.left, self.right):
            over = float(np.maximum(np.abs(end.flow_kw) - program.limit_kw, 0.0).sum())
            loss = total(program.loss_weight, end.flow_kw, end.flow_kw)
            paid = abs(end.charge * end.charged_kwh) + program.day.import_fee * end.imported_kwh
            found = max(found, paid + loss + program.day.overload_price * program.day.period_hours * over)
        return found

    def flow_at(self, t: float) -> Array:
        """Return the flows at t, shape (T, L)."""
        return (1.0 - t) * self.left.flow_kw + t * self.right.flow_kw

    def beyond(self, t: float) -> Array:
        """Return 1 or −1 where a flow at t is beyond its limit that way, else 0, shape (T, L)."""
        flow = self.flow_at(t)
        return np.where(flow > self.program.limit_kw, 1.0, 0.0) - np.where(flow < -self.program.limit_kw, 1.0, 0.0)

    def overload(self, side: Array) -> Array:
        """Return what the branches beyond their limits at one t cost in EUR: a straight line, nowhere above the overload itself.

        Args:
            side: Which these are, as :meth:`beyond` returns them, shape (T, L).

        Returns:
            (β₀, β₁, β₂), shape (3,).
        """
        day, limit = self.program.day, np.broadcast_to(self.program.limit_kw, side.shape)
        over = side != 0.0
        bound = total(limit[over])
        ends = (total(side[over], end.flow_kw[over]) - bound for end in (self.left, self.right))
        return finite(day.overload_price * day.period_hours * straight(*ends), "an overload between two charges")

    def pull(self, end: FollowersResponse, side: Array) -> Array:
        """Return the gradient in v of the goal at an end, shape (V,), overload as it is with these branches beyond their limits.

        For welfare, what the followers pay is left out: its gradient is −z.
        """
        program, day = self.program, self.program.day
        branch = 2.0 * program.loss_weight * end.flow_kw + day.overload_price * day.period_hours * side
        return end.charge * program.charged + day.import_fee * program.imported - program.pull_of(branch)

    def goal(self, t: float) -> float:
        """Return the goal at t in EUR."""
        return value(self.smooth - self.overload(self.beyond(t)), t)

    def best(self, low: float = 0.0, high: float = 1.0) -> tuple[float, float]:
        """Return the t in [low, high] with the greatest goal on the way, and that goal in EUR."""
        day, limit = self.program.day, np.broadcast_to(self.program.limit_kw, self.left.flow_kw.shape)
        a, b = self.left.flow_kw, self.right.flow_kw
        stops = [low, high]
        if day.overload_price > 0.0:
            for sign in (1.0, -1.0):
                passed = (sign * a > limit) != (sign * b > limit)
                stops += ((sign * limit[passed] - a[passed]) / (b[passed] - a[passed])).tolist()
        stops = sorted({min(max(float(t), low), high) for t in stops})
        found = max(((t, self.goal(t)) for t in stops), key=lambda at: at[1])
        for start, end in pairwise(stops):
            part = self.smooth - self.overload(self.beyond(0.5 * (start + end)))
            found = max(found, top(part, start, end), key=lambda at: at[1])
        return found

    def secure(self, room_kw: Array | float = 0.0) -> tuple[float, float]:
        """Return the least and greatest t at which every |flow| is within its limit and some room more; the first is greater if none is.

        Args:
            room_kw: How much more than its limit a flow may be, in kW, a number or of shape (T, L).
        """
        low, high = 0.0, 1.0
        limit = np.broadcast_to(self.program.limit_kw * (1.0 + SECURE) + room_kw, self.left.flow_kw.shape)
        for sign in (1.0, -1.0):
            a, b = sign * self.left.flow_kw, sign * self.right.flow_kw
            if np.any((a > limit) & (b > limit)):
                return 1.0, 0.0
            leaving, coming = (a <= limit) & (b > limit), (a > limit) & (b <= limit)
            high = min(high, float(((limit - a)[leaving] / (b - a)[leaving]).min(initial=1.0)))
            low = max(low, float(((limit - a)[coming] / (b - a)[coming]).max(initial=0.0)))
        return low, high


def finite(numbers: Array, what: str) -> Array:
    """Return numbers of any shape that are all finite, as they are.

    Raises:
        CertificateError: If one is not.
    """
    if not np.isfinite(numbers).all():
        raise CertificateError(f"{what} must be finite numbers, got {np.asarray(numbers).tolist()}.")
    return numbers
