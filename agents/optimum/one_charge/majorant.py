"""A bound on the leader's goal between two charges as a function of the charge, made for being summed over days."""

from __future__ import annotations

import numpy as np

from ....envs.community.day import Array
from ..sound import require_finite
from .bounds import SLIVER, Norms, moved, strayed, value_bound, with_tangent
from .chord import Chord
from .line import ChargeLine, LinePoint


def majorant(line: ChargeLine, norms: Norms, left: LinePoint, right: LinePoint) -> Array:
    """Return a quadratic in t that the leader's goal nowhere exceeds between two charges: that of several whose mean is least.

    Sums of such quadratics over days peak lower than sums of their peaks.

    Args:
        line: The game.
        norms: Its norms.
        left: The response at the lower end, t = 0.
        right: The response at the upper end, t = 1.

    Returns:
        Coefficients in EUR, lowest power first, shape (3,).
    """
    chord = Chord(line, left, right)
    found = [_least_mean(chord), np.array([value_bound(line, norms, left, right), 0.0, 0.0])]
    if chord.width <= SLIVER:
        ends = ([moved(line, end, at.charge) for at in (left, right)] for end in (left, right))
        found += [_least_mean(Chord(line, *end)) for end in ends]
    require_finite(np.array(found), "a bound between two charges", line.day.label)
    return min(found, key=_mean)


def _least_mean(chord: Chord) -> Array:
    base, pull = with_tangent(chord, 0.5)  # exact on a piece that is cut where branches reach their limits
    best: Array | None = None
    for polynomial in strayed(chord, pull, 1.0 if chord.line.objective == "welfare" else 0.0):
        if best is not None and not _mean(base + polynomial) < _mean(best):
            break
        best = np.asarray(base + polynomial)
    return np.asarray(best)


def _mean(polynomial: Array) -> float:
    return float(polynomial @ (1.0, 1.0 / 2.0, 1.0 / 3.0))
