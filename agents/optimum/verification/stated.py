"""What a certificate states that one scenario does not exceed, charge by charge, and sums of it over scenarios.

Between two neighbouring knots it is a quadratic, kept by its values at both ends and in the middle: a value between them needs no power of
a small width. Sums are taken between all knots of all scenarios together, where each of them is one quadratic, so that nothing is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ....envs.community.day import Array
from .findings import CertificateError

AT_ONCE: Final = 2000
"""Intervals that are summed at once: 100 MB for 1,000 scenarios."""
_HALVINGS: Final = 30  # of an interval where the worst scenarios change
SAME: Final = 1e-9
"""Of the weight: how far a sum of weights may be below a share by rounding."""
_TIE: Final = 1e-12  # of the weight: closer shares of it are one


@dataclass(frozen=True, eq=False)
class Stated:
    """Quadratics over all charges, of one scenario.

    Attributes:
        knots: Charges at which one ends and the next begins, rising, EUR/kWh, shape (K + 1,).
        values: Of each at its least, middle and greatest charge, EUR, shape (K, 3).
    """

    knots: Array
    values: Array

    def at(self, charge: Array, piece: Any) -> Array:
        """Return the values at charges in EUR/kWh of quadratics by number; both, and the result in EUR, of one shape."""
        first, last = self.knots[piece], self.knots[piece + 1]
        t = np.clip((charge - first) / (last - first), 0.0, 1.0)
        start, middle, end = (self.values[piece, k] for k in range(3))
        return np.asarray((1.0 - t) * (1.0 - 2.0 * t) * start + 4.0 * t * (1.0 - t) * middle + t * (2.0 * t - 1.0) * end)

    def most_below(self, goal: Array, lower: float, upper: float) -> tuple[float, float]:
        """Return by how much a quadratic exceeds what is stated between two charges at most, in EUR, after the share at which.

        Args:
            goal: (β₀, β₁, β₂) over the interval, EUR, shape (3,).
            lower: Its least charge, EUR/kWh.
            upper: Its greatest.
        """
        inner = self.knots[(self.knots > lower) & (self.knots < upper)]
        edges = np.concatenate([[lower], inner, [upper]])
        charge = np.stack([edges[:-1], edges[:-1] + 0.5 * np.diff(edges), edges[1:]])
        piece = np.clip(np.searchsorted(self.knots, charge[1], "right") - 1, 0, len(self.values) - 1)
        t = (charge - lower) / (upper - lower)
        over = (1.0 - t) ** 2 * goal[0] + 2.0 * t * (1.0 - t) * goal[1] + t * t * goal[2] - self.at(charge, np.stack([piece] * 3))
        share, most = peaks(over)
        k = int(np.argmax(most))
        return float(t[0, k] + share[k] * (t[2, k] - t[0, k])), float(most[k])


def peaks(values: Array) -> tuple[Array, Array]:
    """Return at which share of their interval quadratics are greatest, and how great.

    Args:
        values: At the beginning, in the middle and at the end, shape (3, …).

    Returns:
        Both of the shape of one of them.
    """
    start, middle, end = values
    slope, bend = 4.0 * middle - 3.0 * start - end, 2.0 * (start + end) - 4.0 * middle
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = np.where(bend < 0.0, np.clip(-0.5 * slope / bend, 0.0, 1.0), 0.0)
    candidates = np.stack([np.zeros_like(start), np.ones_like(start), inside])
    found = np.stack([start, end, start + slope * inside + bend * inside * inside])
    best = np.argmax(found, axis=0)[None]
    return np.take_along_axis(candidates, best, axis=0)[0], np.take_along_axis(found, best, axis=0)[0]


def tail(goals: Array, weights: Array, part: float) -> Array:
    """Return by how much each scenario counts in the mean of the worst part of them.

    Args:
        goals: EUR, shape (S, …).
        weights: Shape (S,), at least 0 and 1 in all.
        part: The part of the weight that counts: 1 for the mean, 0 for the worst scenario of those with a weight.

    Returns:
        Of the shape of ``goals``, 1 in all.
    """
    shape = (-1, *[1] * (goals.ndim - 1))
    if part >= 1.0:
        return np.broadcast_to(weights.reshape(shape), goals.shape)
    order = np.argsort(goals, axis=0)
    ordered = np.take_along_axis(np.broadcast_to(weights.reshape(shape), goals.shape), order, axis=0)
    if part == 0.0:
        counted = np.zeros_like(ordered)
        np.put_along_axis(counted, np.argmax(ordered > 0.0, axis=0)[None], 1.0, axis=0)
    else:
        reached = np.minimum(np.cumsum(ordered, axis=0), part)
        counted = np.diff(reached, axis=0, prepend=0.0)
        counted = counted / np.maximum(counted.sum(axis=0), _TIE)
    found = np.empty_like(counted)
    np.put_along_axis(found, order, counted, axis=0)
    return found


@dataclass(frozen=True, eq=False)
class Limits:
    """At which charges scenarios may keep every branch within its limit, and in what share of them a charge must.

    Attributes:
        share: By weight.
        spans: Of each of S scenarios intervals that rise and have no point in common, EUR/kWh, each of shape (M, 2).
        slack: By how much charges beyond an interval still belong to it, EUR/kWh.
    """

    share: float
    spans: Sequence[Array]
    slack: float

    @property
    def knots(self) -> Array:
        """Where an interval begins or ends, EUR/kWh, shape (any,)."""
        return np.concatenate([(each + np.array([-self.slack, self.slack])).ravel() for each in self.spans])

    def may(self, weights: Array, charges: Array) -> NDArray[np.bool_]:
        """Return whether scenarios of the share's weight may be secure at charges in EUR/kWh, which lie on no knot; of their shape."""
        total = np.zeros(charges.shape)
        for weight, spans in zip(weights, self.spans, strict=True):
            below = np.searchsorted(spans[:, 0] - self.slack, charges), np.searchsorted(spans[:, 1] + self.slack, charges)
            total += weight * (below[0] > below[1])
        return total >= self.share - SAME


def greatest(stated: Sequence[Stated], weights: Array, part: float, *, target: float, limits: Limits | None = None) -> float:
    """Return what the mean of the worst part of the scenarios nowhere exceeds, in EUR.

    Any choice of scenarios of the weight of that part has a mean that is not less: of the three choices that are worst at the beginning,
    in the middle and at the end of an interval the one with the least greatest mean counts. An interval where it is above the target, and
    none of these three charges is, is halved and looked at again.

    Args:
        stated: Of each of S scenarios; all cover the same charges.
        weights: Shape (S,), at least 0 and 1 in all.
        part: See :func:`tail`.
        target: A number as low as this is low enough, EUR.
        limits: Which charges count; all where absent. The result is minus infinity where none does.

    Raises:
        CertificateError: If a number is none.
    """
    knots = np.unique(np.concatenate([each.knots for each in stated]))
    if limits is not None:
        knots = np.unique(np.concatenate([knots, np.clip(limits.knots, knots[0], knots[-1])]))
    every = np.stack([knots[:-1], knots[1:]])
    if limits is not None:
        every = every[:, limits.may(weights, every[0] + 0.5 * (every[1] - every[0]))]
        if not every.size:
            return float("-inf")
    todo = [tuple(every[:, first : first + AT_ONCE]) for first in range(0, every.shape[1], AT_ONCE)]
    most, halvings = float("-inf"), 0
    while todo:
        above: list[Array] = []
        for lower, upper in todo:
            bound, is_settled = greatest_between(stated, weights, part, (lower, upper), target)
            wide = (bound > target) & ~is_settled & (halvings < _HALVINGS)
            most = max(most, float(np.max(bound[~wide], initial=-np.inf)))
            first, last = lower[wide], upper[wide]
            middle = first + 0.5 * (last - first)
            above += [np.stack([np.concatenate([first, middle]), np.concatenate([middle, last])])] if len(first) else []
        every = np.concatenate(above, axis=1) if above else np.zeros((2, 0))
        todo = [tuple(every[:, first : first + AT_ONCE]) for first in range(0, every.shape[1], AT_ONCE)]
        halvings += 1
    if not np.isfinite(most):
        raise CertificateError(f"a certificate must have finite numbers only, and their sum comes to {most!r}.")
    return most


def greatest_between(
    stated: Sequence[Stated], weights: Array, part: float, ends: tuple[Array, Array], target: float
) -> tuple[Array, NDArray[np.bool_]]:
    """Return what the whole does not exceed in each of K intervals, EUR, and whether a closer look is of no use, both of shape (K,).

    Args:
        stated: Of each of S scenarios.
        weights: Shape (S,).
        part: See :func:`tail`.
        ends: Least and greatest charge of the intervals, EUR/kWh, both of shape (K,); no knot lies within one.
        target: A number as low as this is low enough, EUR.
    """
    lower, upper = ends
    charge = np.stack([lower, lower + 0.5 * (upper - lower), upper])
    values = np.empty((len(stated), *charge.shape))
    for number, each in enumerate(stated):
        piece = np.searchsorted(each.knots, charge[1], "right") - 1
        values[number] = each.at(charge, np.stack([piece] * 3))
    if part >= 1.0:
        bound = peaks(np.einsum("s,sck->ck", weights, values))[1]
        return bound, np.ones(len(bound), dtype=np.bool_)
    sums = np.stack([np.einsum("sk,sck->ck", tail(values[:, corner], weights, part), values) for corner in range(3)])
    bound = np.min([peaks(each)[1] for each in sums], axis=0)
    return bound, ~(bound <= np.inf) | (np.einsum("cck->ck", sums) > target).any(axis=0)
