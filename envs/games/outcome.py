"""What a day led to: the charge, the clearing and its settlement, and the numbers of `info`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Self

from numpy.typing import NDArray

from ..account.settlement import Settlement, Settlements
from ..adapters.vector_format import as_array
from ..community.day import Array
from ..market.exact import Clearing
from .transition import Transition

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

INFO_OF_CLEARING: Final[Mapping[str, Callable[[Clearing], Any]]] = MappingProxyType(
    {
        "primal_residual": lambda clearing: clearing.certificate.primal_residual,
        "dual_residual": lambda clearing: clearing.certificate.dual_residual,
        "gap": lambda clearing: clearing.certificate.gap,
        "solver": lambda clearing: clearing.solver,
        "fallback": lambda clearing: clearing.fallback,
    }
)
"""What `info` holds of the clearing. Wall time is not among it: the same step gives the same `info`."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Outcome:
    """What a charge led to on one day.

    Attributes:
        charge: γ in EUR/kWh as it was read, shape (K,), or (T·K,) for charges per hour.
        charges: τ in EUR/kWh, shape (T, N, N).
        clearing: The market's outcome.
        settlement: Its settlement.
    """

    charge: Array
    charges: Array
    clearing: Clearing
    settlement: Settlement

    @classmethod
    def of(cls, charge: Array, played: Transition) -> Self:
        """Return the outcome of charges as they were read, shape (K,) or (T·K,) in EUR/kWh."""
        return cls(charge=charge, charges=played.charges, clearing=played.clearing, settlement=played.settlement)

    def info(self) -> dict[str, Any]:
        """Return the numbers of `info`."""
        of_settlement = {name: getattr(self.settlement, name) for name in INFO_OF_SETTLEMENT}
        return of_settlement | {"charge": self.charge.copy()} | {name: read(self.clearing) for name, read in INFO_OF_CLEARING.items()}


def infos(charge: Array, clearings: Sequence[Clearing], settlements: Settlements) -> dict[str, NDArray[Any]]:
    """Return the numbers of `info` for R days as arrays with an axis of length R in front.

    Args:
        charge: γ in EUR/kWh as they were read, shape (R, coefficients).
        clearings: The market's outcomes, length R.
        settlements: Their settlements.
    """
    of_settlement = {name: settlements.values[name].copy() for name in INFO_OF_SETTLEMENT}
    of_clearing = {name: as_array([read(clearing) for clearing in clearings]) for name, read in INFO_OF_CLEARING.items()}
    return of_settlement | {"charge": charge.copy()} | of_clearing
