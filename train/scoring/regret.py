"""Normalised regret, (J* − J) / (J* − J_ref), and on which days it is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from ...envs.community.community import Community
from ...envs.community.day import Array
from ..references.ends import Ends
from ..references.optima import daily_bill_eur

NORMALISATION_FLOOR: Final = 1e-3
"""Least J* − J_ref that is divided by, as a share of the community's mean daily retail bill."""


def normalised_regret(community: Community, ends: Sequence[Ends], earned_eur: Array) -> Array:
    """Return the normalised regret of each day: 0 is the best known, 1 no charge.

    Args:
        community: Whose days they are.
        ends: Best and least of each day, shape (D,).
        earned_eur: What was earned on each day in EUR, shape (D,).

    Returns:
        Shape (D,); NaN where the best known earns less than :data:`NORMALISATION_FLOOR` of a daily bill above no charge: the ratio would be
        noise there.
    """
    best = np.array([each.best_eur for each in ends])
    worth = best - np.array([each.zero_eur for each in ends])
    counts = worth >= NORMALISATION_FLOOR * daily_bill_eur(community)
    return np.where(counts, (best - earned_eur) / np.where(counts, worth, 1.0), np.nan)
