"""What a day led to: the charge, the clearing and its settlement, and the numbers of `info`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from .clearing import Clearing
from .day import Array
from .settlement import Settlement

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

    def info(self) -> dict[str, Any]:
        """Return the numbers of `info`. Wall time is not among them: the same step gives the same `info`."""
        certificate = self.clearing.certificate
        return {name: getattr(self.settlement, name) for name in INFO_OF_SETTLEMENT} | {
            "charge": self.charge.copy(),
            "primal_residual": certificate.primal_residual,
            "dual_residual": certificate.dual_residual,
            "gap": certificate.gap,
            "solver": self.clearing.solver,
        }
