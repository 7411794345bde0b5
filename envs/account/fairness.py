"""How evenly a day's gains fall: surplus per prosumer against a reference, its Gini coefficient, and who comes off worst.

Whoever trades may as well not: at the market's prices each prosumer's plan is its own best, so under any charge nobody has less than
without the market. The worst-off change is therefore at least 0 in every clearing, to rounding, and the Gini coefficient of changes lies
between 0 (all gain alike) and 1 − 1/N (one gains everything).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..community.day import Array
from .settlement import Settlement


@dataclass(frozen=True, eq=False, kw_only=True)
class Fairness:
    """What a day changes for each prosumer.

    Attributes:
        change_eur: Surplus less that of the reference, shape (N,).
        gini: Gini coefficient of the changes; NaN where they do not sum to more than 0.
        worst_off_eur: The least change.
        worst_off: Whose it is, the first of several.
        best_off_share: The greatest change over the sum of all; NaN as for ``gini``.
        losers: How many lose more than rounding.
    """

    change_eur: Array
    gini: float
    worst_off_eur: float
    worst_off: int
    best_off_share: float
    losers: int


def fairness(settlement: Settlement, reference: Settlement) -> Fairness:
    """Compare the surpluses of a settled day with those of a reference, usually the same day without the market (No P2P).

    Args:
        settlement: The day as it was settled.
        reference: The same day under the regime to compare with.

    Raises:
        ValueError: If the two have different numbers of prosumers.
    """
    if settlement.surplus_eur.shape != reference.surplus_eur.shape:
        sizes = f"{len(settlement.surplus_eur)} and {len(reference.surplus_eur)}"
        raise ValueError(f"two settlements of the same prosumers must be compared, got {sizes} of them.")
    change = settlement.surplus_eur - reference.surplus_eur
    whole = float(change.sum())
    scale = float(np.abs(reference.surplus_eur).max(initial=0.0) + np.abs(settlement.surplus_eur).max(initial=0.0))
    return Fairness(
        change_eur=change,
        gini=gini(change),
        worst_off_eur=float(change.min()),
        worst_off=int(change.argmin()),
        best_off_share=float(change.max()) / whole if whole > 0 else float("nan"),
        losers=int(np.count_nonzero(change < -1e-9 * scale)),
    )


def gini(values: ArrayLike) -> float:
    """Return the Gini coefficient: half the mean absolute difference of all pairs, over the mean.

    Values are in any one unit, shape (N,), and the coefficient is dimensionless. It is NaN where the mean is not above 0, and exceeds
    1 − 1/N where values of both signs come together.

    >>> gini([1.0, 1.0, 1.0]), gini([0.0, 0.0, 3.0])
    (0.0, 0.6666666666666666)
    """
    array = np.sort(np.asarray(values, dtype=np.float64))
    n, whole = len(array), float(array.sum())
    if not whole > 0:
        return float("nan")
    return float((2.0 * np.arange(1, n + 1) - n - 1.0) @ array) / (n * whole)
