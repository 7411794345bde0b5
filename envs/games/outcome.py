"""What a day led to: the charge, the clearing and its settlement, and the numbers of `info`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..account.settlement import Settlement, Settlements
from ..community.day import Array
from ..market.mechanism import Allocation

INFO_OF_SETTLEMENT: Final = (
    "profit_eur",
    "revenue_eur",
    "import_fee_eur",
    "loss_cost_eur",
    "overload_cost_eur",
    "welfare_eur",
    "traded_kwh",
    "charged_kwh",
    "import_kwh",
    "export_kwh",
    "loss_kwh",
    "overload_kwh",
    "peak_loading",
    "network_secure",
)
"""Fields of the settlement that `info` holds."""
_READ: Final = attrgetter(*INFO_OF_SETTLEMENT)

A_co = TypeVar("A_co", bound=Allocation, covariant=True)


@dataclass(frozen=True, eq=False, kw_only=True)
class Outcome(Generic[A_co]):
    """What a charge led to on one day.

    Attributes:
        charge: γ in EUR/kWh as it was read, shape (K,), or (T·K,) for charges per hour.
        charges: τ in EUR/kWh, shape (T, N, N).
        clearing: The market's outcome.
        settlement: Its settlement.
    """

    charge: Array
    charges: Array
    clearing: A_co
    settlement: Settlement

    def info(self) -> dict[str, Any]:
        """Return the numbers of `info`."""
        of_settlement = dict(zip(INFO_OF_SETTLEMENT, _READ(self.settlement), strict=True))
        return {**of_settlement, "charge": self.charge.copy(), **self.clearing.evidence.info()}


def infos(charge: Array, clearings: Sequence[Allocation], settlements: Settlements) -> dict[str, NDArray[Any]]:
    """Return the numbers of `info` for R days as arrays with an axis of length R in front.

    Args:
        charge: γ in EUR/kWh as they were read, shape (R, coefficients).
        clearings: The market's outcomes, length R.
        settlements: Their settlements.
    """
    of_settlement = {name: settlements.values[name].copy() for name in INFO_OF_SETTLEMENT}
    evidence = [clearing.evidence.info() for clearing in clearings]
    of_clearing = {name: as_array([each[name] for each in evidence]) for name in evidence[0]}
    return {**of_settlement, "charge": charge.copy(), **of_clearing}


def as_array(values: Sequence[Any]) -> NDArray[Any]:
    """Return R single values of one type as an array, shape (R,): numbers as numbers, words as objects."""
    return np.array(values, dtype=object if isinstance(values[0], str) else None)
