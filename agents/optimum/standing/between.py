"""What a goal does not exceed between two charges, as piecewise quadratics in the charge: closer than one number, and made to be summed.

The setting is that of :mod:`..one_charge.bounds`: x̄ is the chord between the responses at both ends, z the slope there, h the gradient of
the goal, and for any prices λ and any weight ν > 0

    h·y ≤ Σ_k max over the box of (h' − ν·z)_k·y_k − ν·y_k²,    h' = h − Aᵀλ.

Three things make the sum close to the best that λ and ν can do, which a conic solver finds in seconds:

1. λ = γ·(y_b − y_a)/(b − a), by how much the prices moved from end to end. Where a variable has room at both ends, h' is then what
   charges weigh times how the variable itself moved.
2. ν is the best there is, found along a line: the sum is convex in it.
3. Each maximum is taken exactly at a few t, and bounded between them (:func:`.loops.kernels.least_along`).

For welfare −V(g) = −F_g(x̄) − z·y − ½‖y‖² joins in.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ....envs.community.day import Array
from ..one_charge.bounds import SLIVER, Norms, moved, value_bound, with_tangent
from ..one_charge.chord import Chord
from ..one_charge.loops.strays import products_of
from ..sound import require_finite
from .loops.kernels import least_along

SLICES: Final = 4
"""Equal shares of an interval, each with a quadratic of its own."""
SHARES: Final = np.linspace(0.0, 1.0, SLICES + 1)
"""At these t the maxima are exact."""
_ROUNDING: Final = 1e-14  # relative rounding error granted to sums of money, as in :mod:`..one_charge.bounds`


def between(chord: Chord, norms: Norms, *, price_change: Array | None = None) -> Array:
    """Return quadratics that the goal does not exceed from one response to another.

    Args:
        chord: From the response at the lower end, t = 0, to that at the upper end, t = 1.
        norms: Norms of its game.
        price_change: How prices move with the charge nearby, per EUR/kWh, shape (P,): of use where both ends are too close to tell.

    Returns:
        Shape (M, 3): for each of M equal shares of the interval the coefficients in τ, which runs from 0 to 1 over it; lowest power first,
        EUR.
    """
    line, left, right, slices = chord.line, chord.left, chord.right, SLICES
    flat = np.zeros((slices, 3))
    flat[:, 0] = value_bound(line, norms, left, right)
    if right.charge - left.charge <= SLIVER:  # prices say nothing of how they move over so little
        ends = [[moved(line, end, at.charge) for at in (left, right)] for end in (left, right)]
        found = [flat, *(_along(Chord(line, *pair), price_change) for pair in [*ends, [left, right]])]
    else:
        found = [flat, _along(chord, (right.prices - left.prices) / (right.charge - left.charge))]
    require_finite(np.array(found), "a bound between two charges", line.day.label)
    middle = np.array([1.0, 0.5, 0.25])
    return np.array([min((each[j] for each in found), key=lambda part: float(part @ middle)) for j in range(slices)])


def _along(chord: Chord, price_change: Array | None) -> Array:
    """Return the chord's account plus the most that the response can gain by straying from it, shape (M, 3)."""
    line, left, right = chord.line, chord.left, chord.right
    base, overload_pull = with_tangent(chord, 0.5)
    pulls_before = [end.pull if overload_pull is None else end.pull - overload_pull for end in (left, right)]
    pulls = pulls_before
    if price_change is not None:
        pulls = [pull + line.flat.price_terms(end.charge * price_change) for pull, end in zip(pulls_before, (left, right), strict=True)]
    flat, omega = line.flat, 1.0 if line.objective == "welfare" else 0.0
    every = (flat.lower, flat.upper, left.variables, right.variables, left.slopes, right.slopes, *pulls)
    missed = left.missed_eur + right.missed_eur
    rounding = _ROUNDING * line.turnover_eur
    nu, along = least_along(SHARES, rounding, omega, missed, flat.n_curved, *every)
    fixed = (1.0 + omega + nu) * missed + rounding
    start, end, bow = along.T
    found = np.stack([start + fixed, end - start + bow, -bow], axis=1)
    near = _near(chord, pulls_before, omega) + rounding
    # Where a piece begins some variable is about to leave its bound: the sum over single variables is loose there, the distance is not.
    closer = found @ (1.0, 0.5, 0.25) > near
    found[closer] = np.array([near, 0.0, 0.0])
    return found + _sliced(base)


def _near(chord: Chord, pulls: list[Array], omega: float) -> float:
    """Bound the same by the distance of the response from the chord, which is next to nothing on an affine piece, EUR.

    The leader is paid for strictly convex variables alone.
    """
    flat, left, right = chord.line.flat, chord.left, chord.right
    across, own = products_of(flat.lower, flat.upper, left.variables, right.variables, left.slopes, right.slopes)
    missed = 0.25 * across + own + left.missed_eur + right.missed_eur
    steepest = max(float(np.linalg.norm(pull[: flat.n_curved])) for pull in pulls)
    return float(steepest * np.sqrt(missed) + omega * missed)


def _sliced(polynomial: Array) -> Array:
    """Return a quadratic in t as one in τ for each share of the interval, shape (M, 3)."""
    start, step = SHARES[:-1], np.diff(SHARES)
    level, slope, bend = polynomial
    return np.stack([level + slope * start + bend * start**2, (slope + 2.0 * bend * start) * step, bend * step**2], axis=1)
