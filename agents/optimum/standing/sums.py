"""Weighted sums of what is known of many days, over all charges.

Every day's quadratics are evaluated at both ends and in the middle of each interval between neighbouring ends of any day's parts, and
summed there; three values are a quadratic, whose peak on the interval is closed-form. Coefficients in the charge itself are never summed:
parts are as narrow as 1e-13 EUR/kWh, and such coefficients would cancel only to the last of their many digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ....envs.community.day import Array
from .parts import Known

_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Summed:
    """Sums over K intervals of charges that cover [0, cap].

    Attributes:
        lower: Least charge of each, EUR/kWh, rising, shape (K,).
        upper: Greatest charge of each, shape (K,).
        bound: What the weighted mean of each goal does not exceed, at the least, middle and greatest charge, EUR, shape (G, 3, K).
        chord: The same of what it would be along the chords.
    """

    lower: Array
    upper: Array
    bound: Array
    chord: Array

    def peaks(self, goal: int, *, chord: bool = False) -> tuple[Array, Array]:
        """Return where a goal's sum is greatest on each interval, EUR/kWh, and how great, EUR, both of shape (K,)."""
        start, middle, end = (self.chord if chord else self.bound)[goal]
        bend = 2.0 * (start - 2.0 * middle + end)
        slope = end - start - bend
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(bend < 0.0, np.clip(-slope / (2.0 * bend), 0.0, 1.0), np.where(end > start, 1.0, 0.0))
        t = np.where(np.isfinite(t), t, 0.0)
        value = np.maximum(start + slope * t + bend * t * t, np.maximum(start, end))
        return self.lower + t * (self.upper - self.lower), value


def summed(known: Sequence[Known], weights: Array, edges: Array) -> Summed:
    """Return the weighted sums over the days.

    Args:
        known: What is known of each of S days; each covers the same charges.
        weights: Of the days, shape (S,).
        edges: Charges at which intervals end besides, EUR/kWh.
    """
    lows = [np.array([part.lower for part in each.parts]) for each in known]
    highs = [np.array([part.upper for part in each.parts]) for each in known]
    ends = np.unique(np.concatenate([*lows, *highs, edges]))
    lower, upper = ends[:-1], ends[1:]
    middle = lower + 0.5 * (upper - lower)
    goals = known[0].parts[0].bound.shape[0]
    bound, chord = np.zeros((goals, 3, len(lower))), np.zeros((goals, 3, len(lower)))
    for weight, each, low, high in zip(weights, known, lows, highs, strict=True):
        at = np.searchsorted(low, middle, "right") - 1
        width = (high - low)[at]
        t = np.clip((np.stack([lower, middle, upper]) - low[at]) / width, 0.0, 1.0)  # (3, K)
        of = np.array([part.bound for part in each.parts])[at].transpose(1, 2, 0)[:, :, None]  # (G, 3, 1, K)
        along = np.array([part.chord for part in each.parts])[at].transpose(1, 2, 0)[:, :, None]
        # A charge within a narrow part is at a share of it that rounding blurs.
        blur = 4.0 * _EPS * (ends[-1] / width) * (np.abs(of[:, 1]) + 2.0 * np.abs(of[:, 2]))
        bound += weight * (of[:, 0] + of[:, 1] * t + of[:, 2] * t * t + blur)
        chord += weight * (along[:, 0] + along[:, 1] * t + along[:, 2] * t * t)
    return Summed(lower, upper, bound, chord)
