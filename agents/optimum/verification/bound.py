"""An upper bound on what the leader gets between two charges, from the two responses and weak duality alone.

Let a < b be the charges, w = b − a, v_a and v_b the responses there with the slopes z_a, z_b of :mod:`.response`, g = a + t·w and
v̄ = (1 − t)·v_a + t·v_b, z = (1 − t)·z_a + t·z_b. F_g is quadratic with the curvature Q, and z is its slope at v̄ up to what is orthogonal to
feasible moves. With the response v_g = v̄ + y, optimality of v_g against v̄ and strong convexity give

    0 ≥ F_g(v_g) − F_g(v̄) + ½‖y‖²_Q = z·y + ‖y‖²_Q.                                                              (1)

The goal G is concave in v: G_g(v_g) ≤ G_g(v̄) + h·y, h its gradient at v̄, and for welfare −F_g adds −z·y − ½‖y‖²_Q. For every
ν ≥ 0 and all multipliers, with h' = h + P(λ, θ), weak duality of "maximise G over all y that obey (1)" says

    G_g(v_g) ≤ G_g(v̄) + Σ_k max over y_k of (h'_k − n·z_k)·y_k − m·Q_k·y_k²,    l ≤ v̄ + y ≤ u,

n = ν and m = ν for profit, n = ν + 1 and m = ν + ½ for welfare. Each term is bounded by whichever of four quadratics in t is least:
(c = h' − n·z, straight in t, c⁺ and c⁻ its parts, each below the straight line between its ends)

* c²/4mQ;   * with v on its lower bound at both ends c⁺²/4mQ, on its upper c⁻²/4mQ;   * c⁺·(u − v̄) + c⁻·(v̄ − l);
* h'²/4mQ + n·(z⁺·(v̄ − l) + z⁻·(u − v̄)).

All are products of straight lines, hence exact in Bernstein's form; so is their sum, whose greatest value on an interval is closed-form.
What responses miss of their equations is charged for at their prices and the multipliers.

**Near the way.** Weak duality alone bounds how far y can go and what it can save the followers:

    ½‖y‖²_Q ≤ −z·y − ½‖y‖²_Q ≤ ε = Σ_k max over y_k of −z_k·y_k − ½Q_k·y_k²,   so that   G_g(v_g) ≤ G_g(v̄) + ‖h‖·√2ε     (3)

(and ε more for welfare), each term bounded as above, ‖h‖ taken against Q: h has no entry where Q has none. No multipliers are needed. It
decides where the way is the response, ε = 0, but an energy rests on its bound with a slope of 0 that does not hold it there: the terms
above then count what its box would allow.

**Affine pieces.** Optimality of v_g against v_a and of v_a against v_g gives ‖v_g − v_a‖² ≤ (g − a)(q_a − q_g), q = B·v being the charged
energy; likewise at b. Divide by t and by 1 − t and add: ‖v_g − v_a‖²/t + ‖v_b − v_g‖²/(1 − t) ≤ w·(q_a − q_b). The left side is
‖v_b − v_a‖² + ‖v_g − v̄‖²/t(1 − t), hence

    ‖v_g − v̄‖²_Q ≤ t(1 − t)·δ,       δ = w·(q_a − q_b) − ‖v_b − v_a‖²_Q.                                            (2)

Where δ is 0 the response is the straight way, from its ends alone. No flow strays from the way by more than its norm against Q times √δ/2.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ....envs.community.day import Array
from .account import Way, finite, top
from .multipliers import Multipliers
from .program import FollowersProgram, total
from .stated import Stated

_STEPS = 8  # of one size, up or down from a weight ν
_ROUNDS = 6  # of multipliers, each for the terms that were least with those before
_LEAST, _MOST = 1e-6, 1e12  # of ν


def strayed(way: Way) -> float:
    """Return δ of (2) in EUR, less than 0 by rounding only."""
    step = way.right.vector - way.left.vector
    width = way.right.charge - way.left.charge
    return width * (way.left.charged_kwh - way.right.charged_kwh) - total(way.program.curvature, step, step)


def radius(way: Way) -> float:
    """Return how far the response can be from the way in √EUR, by (2) for what the ends' own slopes leave, or by (3)."""
    across = 0.25 * max(strayed(way), 0.0) + way.left.shortfall_eur + way.right.shortfall_eur
    return float(np.sqrt(min(across, 2.0 * _Stray(way, 0.0, 1.0).saved())))


def bound(way: Way, *, target: float, low: float = 0.0, high: float = 1.0, stated: Stated | None = None) -> tuple[float, float]:
    """Return an upper bound on the goal over the shares [low, high] of a way in EUR, and the share at which it peaks.

    Args:
        way: The account between two responses.
        target: A bound as low as this is low enough.
        low: Least share.
        high: Greatest share.
        stated: What is taken off the goal at each charge: the bound is then on by how much the goal exceeds it.
    """
    return _Stray(way, low, high, stated).least(target)


@dataclass(frozen=True, eq=False)
class _Stray:
    """What the response can gain the leader by not being on the way."""

    way: Way
    low: float
    high: float
    stated: Stated | None = None

    def peak(self, goal: Array) -> tuple[float, float]:
        """Return where a quadratic (β₀, β₁, β₂), less what is stated, is greatest from ``low`` to ``high``, and how great."""
        if self.stated is None:
            return top(goal, self.low, self.high)
        return self.stated.most_below(goal, self.way.left.charge, self.way.right.charge)

    @property
    def program(self) -> FollowersProgram:
        return self.way.program

    @cached_property
    def side(self) -> Array:
        """The branches beyond their limits where the goal on the way is greatest: the overload's tangent is taken there."""
        return self.way.beyond(self.way.best(self.low, self.high)[0])

    @cached_property
    def pulls(self) -> tuple[Array, Array]:
        """The gradient h of the goal at both ends, welfare's own part z left out."""
        return self.way.pull(self.way.left, self.side), self.way.pull(self.way.right, self.side)

    @cached_property
    def held(self) -> tuple[Any, Any]:
        """Which quantities are on their lower, and on their upper bound at both ends."""
        a, b = self.way.left.vector, self.way.right.vector
        lower, upper = self.program.lower, self.program.upper
        return (a <= lower) & (b <= lower), (a >= upper) & (b >= upper)

    def saved(self) -> float:
        """Return ε of (3), by how much less than on the way the followers can pay, in EUR."""
        nothing, a, b = np.zeros_like(self.way.left.slope), self.way.left, self.way.right
        _, _, terms = self._terms([nothing, nothing], 1.0, 2.0 * self.program.curvature)
        saved = finite(np.array([total(term) for term in terms]), "slopes between two charges")
        return max(top(saved, self.low, self.high)[1] + max(a.price, b.price) * (a.missed_kwh + b.missed_kwh), 0.0)

    def near(self) -> tuple[float, float]:
        """Return the bound that (3) gives, and where it peaks: the way's own goal where no slope is left that could bend it."""
        program, most = self.program, self.saved()
        curved = program.curvature > 0.0
        steepest = max(total(pull[curved] ** 2 / program.curvature[curved]) for pull in self.pulls)
        t, goal = self.peak(finite(self.way.smooth - self.way.overload(self.side), "an account between two charges"))
        return goal + float(np.sqrt(2.0 * steepest * most)) + (most if self.way.welfare else 0.0), t

    def least(self, target: float) -> tuple[float, float]:
        """Return the least bound found and where it peaks, with several multipliers and weights, from two starts."""
        on_lower, on_upper = self.held
        moving = ~(on_lower | on_upper)
        finder = Multipliers(self.program, moving)
        best, nu = self.near(), 0.0
        if best[0] <= target:
            return best
        ends = (self.way.left, self.way.right)
        for with_slopes in (False, True):
            n = nu + (1.0 if self.way.welfare else 0.0)
            taken: Any = (moving, moving)
            slopes: Any = [n * end.slope if with_slopes else 0.0 * end.slope for end in ends]
            last = np.inf
            for _ in range(_ROUNDS):
                pulled = [h - part for h, part in zip(self.pulls, slopes, strict=True)]
                prices = [finder.solve(*each) for each in zip(pulled, taken, strict=True)]
                pulls = [h + self.program.worth(*price) for h, price in zip(self.pulls, prices, strict=True)]
                greatest = max(float(np.abs(part).max()) for price in prices for part in price)
                found, nu = self._weighed(pulls, nu or self._balance(pulls, moving), greatest, target)
                best = min(best, found)
                if best[0] <= target:
                    return best
                if not found[0] < last - 1e-2 * abs(last - target):
                    break
                last = found[0]
                taken, slopes = self._next(pulls, nu, with_slopes)
        return best

    def _weighed(self, pulls: list[Array], start: float, greatest: float, target: float) -> tuple[tuple[float, float], float]:
        """Return the least bound with its peak over weights ν around a start, and its ν: first by steps of 4, then by finer ones."""
        found = ((np.inf, 0.5), start)
        for ratio in (4.0, 2.0, 1.3):
            for up in (ratio, 1.0 / ratio):
                nu = found[1]
                for _ in range(_STEPS):
                    once = self._with(pulls, float(np.clip(nu, _LEAST, _MOST)), greatest)
                    if once[0] < found[0][0]:
                        found = (once, nu)
                    elif nu != found[1]:
                        break
                    if once[0] <= target:
                        return found
                    nu *= up
        return found

    def _next(self, pulls: list[Array], nu: float, with_slopes: bool) -> tuple[Any, Any]:
        """Return which quantities the next multipliers look at, and the slopes that they look at them with: as the least terms do."""
        n, m = (nu + 1.0, nu + 0.5) if self.way.welfare else (nu, nu)
        numbers, chosen, _ = self._terms(pulls, n, 4.0 * m * self.program.curvature)
        choice = np.full(len(self.program.lower), 2)
        choice[numbers] = chosen
        on_lower, on_upper = self.held
        if with_slopes:
            choice[~(on_lower | on_upper) & (choice == 2)] = 0
        taken, slopes = [], []
        for pull, end in zip(pulls, (self.way.left, self.way.right), strict=True):
            c = pull - n * end.slope
            away = (on_lower & (c > 0.0)) | (on_upper & (c < 0.0))
            taken.append((choice == 0) | (choice == 3) | ((choice == 1) & away))
            slopes.append(np.where(choice == 3, 0.0, n * end.slope))
        return taken, slopes

    def _balance(self, pulls: list[Array], moving: Any) -> float:
        """Return the ν at which Σ h'²/4νQ is what ν·(z⁺·(v̄ − l) + z⁻·(u − v̄)) adds up to in the middle."""
        program, a, b = self.program, self.way.left, self.way.right
        curved = moving & (program.curvature > 0.0)
        mean = 0.5 * (pulls[0] + pulls[1])[curved]
        gain = 0.25 * total(mean * mean / program.curvature[curved])
        slope, at = 0.5 * (a.slope + b.slope), 0.5 * (a.vector + b.vector)
        cost = total(np.maximum(slope, 0.0), at - program.lower) + total(np.maximum(-slope, 0.0), program.upper - at)
        return float(np.clip(np.sqrt(gain / max(cost, 1e-300)), _LEAST, _MOST)) if gain > 0.0 else 1.0

    def _with(self, pulls: list[Array], nu: float, greatest: float) -> tuple[float, float]:
        """Return the bound and where it peaks, with given pulls h' and a weight ν."""
        way, program, a, b = self.way, self.program, self.way.left, self.way.right
        n, m = (nu + 1.0, nu + 0.5) if way.welfare else (nu, nu)
        _, _, terms = self._terms(pulls, n, 4.0 * m * program.curvature)
        sums = np.array([total(term) for term in terms])
        missed = (greatest + n * max(a.price, b.price)) * (a.missed_kwh + b.missed_kwh)
        goal = way.smooth - way.overload(self.side) + sums + missed
        t, found = self.peak(finite(goal, "a bound between two charges"))
        return found, t

    def _terms(self, pulls: list[Array], n: float, stiff: Array) -> tuple[Any, Any, Array]:
        """Return the K quantities that count, which of the four quadratics is least for each, and those quadratics, shape (3, K)."""
        program, left, right = self.program, self.way.left, self.way.right
        on_lower, on_upper = self.held
        c_a, c_b = (h - n * end.slope for h, end in zip(pulls, (left, right), strict=True))
        quiet = (on_lower & (c_a <= 0.0) & (c_b <= 0.0)) | (on_upper & (c_a >= 0.0) & (c_b >= 0.0))
        (k,) = np.nonzero(~quiet)
        c_a, c_b, stiff, z_a, z_b = c_a[k], c_b[k], stiff[k], left.slope[k], right.slope[k]
        h_a, h_b = pulls[0][k], pulls[1][k]
        up = program.upper[k] - left.vector[k], program.upper[k] - right.vector[k]
        down = left.vector[k] - program.lower[k], right.vector[k] - program.lower[k]
        curved = stiff > 0.0
        soft = np.where(curved, stiff, 1.0)

        def square(a: Array, b: Array) -> Array:
            return np.where(curved, np.stack([a * a, a * b, b * b]) / soft, np.inf)

        def box(a: Array, b: Array) -> Array:
            return _products(_parts(a, b), up) + _products(_parts(-a, -b), down)

        one_sided = np.where(on_lower[k], 1.0, np.where(on_upper[k], -1.0, 0.0))
        away_a, away_b = np.maximum(one_sided * c_a, 0.0), np.maximum(one_sided * c_b, 0.0)
        choices = np.stack(
            [
                square(c_a, c_b),
                np.where(one_sided != 0.0, square(away_a, away_b), np.inf),
                box(c_a, c_b),
                square(h_a, h_b) + n * box(-z_a, -z_b),
            ]
        )
        # The area below a quadratic is the mean of its three numbers.
        chosen = np.argmin(choices.sum(axis=1), axis=0)
        return k, chosen, np.asarray(choices[chosen, :, np.arange(len(k))].T)


def _parts(start: Array, end: Array) -> tuple[Array, Array]:
    """Return a line that is above the positive part of a straight line, by its ends."""
    return np.maximum(start, 0.0), np.maximum(end, 0.0)


def _products(first: tuple[Array, Array], second: tuple[Array, Array]) -> Array:
    """Return the Bernstein form of products of straight lines, shape (3, K)."""
    (a, b), (c, d) = first, second
    return np.stack([a * c, 0.5 * (a * d + b * c), b * d])


def flow_norms(program: FollowersProgram) -> Array:
    """Return by how many kW each branch's flow can move for each √EUR of ‖·‖_Q, shape (L,), the same in every period."""
    hours, day = program.day.period_hours, program.day
    asked = program.ptdf[:, program.seller] - program.ptdf[:, program.buyer]
    squared = (asked**2 / (hours * day.trade_friction[program.seller, program.buyer])).sum(axis=1)
    if program.own_exchange:
        squared = squared + (2.0 * program.ptdf**2 / (hours * day.grid_friction)).sum(axis=1)
    return np.asarray(np.sqrt(squared))
