"""What is to be greatest of many scenarios: their mean, the mean of their worst part (CVaR), or the worst of them.

With goals Π_s and weights w_s that sum to 1, CVaR_α is the mean of the worst part α:

    CVaR_α(Π) = min Σ q_s·Π_s    over    0 ≤ q_s ≤ w_s/α,  Σ q_s = 1.

It is the mean at α = 1 and the worst case as α → 0, and it does not fall where a goal rises: what bounds each goal bounds it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....envs.community.day import Array


@dataclass(frozen=True)
class Risk:
    """What counts of the scenarios.

    Attributes:
        part: α, the part of the weight that counts, the worst first; 1 for the mean, 0 for the worst scenario alone.

    Raises:
        ValueError: If the part is not from 0 to 1.
    """

    part: float = 1.0

    def __post_init__(self) -> None:
        """Check the part."""
        if not 0.0 <= self.part <= 1.0:
            raise ValueError(f"the part of the scenarios that counts must be above 0 and at most 1, got {self.part:g}.")

    def counts(self, goals: Array, weights: Array) -> Array:
        """Return q, by how much each scenario counts.

        Args:
            goals: Π, EUR, shape (S, …).
            weights: w, shape (S,).

        Returns:
            The shape of ``goals``.
        """
        each = np.broadcast_to(weights.reshape(-1, *[1] * (goals.ndim - 1)), goals.shape)
        if self.part == 1.0:
            return each
        worst_first = np.argsort(np.where(each > 0.0, goals, np.inf), axis=0, kind="stable")
        sorted_weights = np.take_along_axis(each, worst_first, axis=0)
        if self.part == 0.0:
            taken = np.zeros_like(sorted_weights)
            taken[0] = 1.0
        else:
            before = np.cumsum(sorted_weights, axis=0) - sorted_weights
            taken = np.clip(self.part - before, 0.0, sorted_weights)
            taken = taken / taken.sum(axis=0)
        found = np.empty_like(taken)
        np.put_along_axis(found, worst_first, taken, axis=0)
        return found

    def of(self, goals: Array, weights: Array) -> float:
        """Return what is to be greatest, EUR, of goals in EUR and weights, both of shape (S,)."""
        return float(self.counts(goals, weights) @ goals)


MEAN = Risk()
"""The mean over all scenarios."""


def read_risk(text: str) -> Risk:
    """Return the risk that a text names: ``mean``, ``worst``, or ``cvar:0.1`` for the mean of the worst tenth.

    Raises:
        ValueError: If it names none.
    """
    kind, _, number = text.partition(":")
    if text in ("mean", "worst"):
        return Risk(1.0 if text == "mean" else 0.0)
    try:
        part = float(number)
    except ValueError:
        part = np.nan
    if kind != "cvar" or not 0.0 < part <= 1.0:
        raise ValueError(f"a risk must be mean, worst, or cvar:A with a part A above 0 and at most 1, such as cvar:0.1, got {text!r}.")
    return Risk(part)
