"""The prices of an allocation period by period, whichever mechanism made them: what pictures and reports show."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..community.day import Array
from .mechanism import Allocation


class PriceLevels(NamedTuple):
    """Prices in EUR/kWh, arrays of shape (T,).

    Attributes:
        of: Whose: ``"nodal"``, of the prosumers, or ``"trade"``, of the trades made, weighted by what was traded; NaN in a period without.
        least: The least of a period.
        mean: Their mean.
        greatest: The greatest.
    """

    of: str
    least: Array
    mean: Array
    greatest: Array


def price_levels(allocation: Allocation) -> PriceLevels:
    """Return the nodal prices of an allocation period by period, or those of its trades where it has no others."""
    nodal = allocation.nodal_price
    if nodal is not None:
        return PriceLevels("nodal", nodal.min(axis=1), nodal.mean(axis=1), nodal.max(axis=1))
    trade, price = allocation.trade, allocation.trade_price
    made = trade > 0.0
    some, total = made.any(axis=(1, 2)), trade.sum(axis=(1, 2))
    least = np.where(some, np.where(made, price, np.inf).min(axis=(1, 2)), np.nan)
    greatest = np.where(some, np.where(made, price, -np.inf).max(axis=(1, 2)), np.nan)
    mean = np.divide((trade * price).sum(axis=(1, 2)), total, out=np.full(len(total), np.nan), where=some)
    return PriceLevels("trade", least, mean, greatest)
