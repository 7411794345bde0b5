"""The best charge of a day with its proof."""

from __future__ import annotations

from dataclasses import dataclass

from ...envs.account.objective import ExactObjective, of_both
from .one_charge.certificate import OptimumCertificate, PrunedGap, SolvedPiece


@dataclass(frozen=True, eq=False, kw_only=True)
class Optimum:
    """The best charge of a day with the proof that no charge in [0, cap] does better than the upper bound.

    Attributes:
        charge: Best charge found, EUR/kWh; NaN where no charge keeps every branch within its limit.
        charge_cap: Greatest charge allowed, EUR/kWh.
        objective: What is maximised, ``"profit"`` or ``"welfare"``.
        profit_eur: The operator's profit there, from the affine piece it was found on.
        recleared_profit_eur: The same when the day is cleared again from scratch and settled.
        welfare_eur: Welfare of prosumers and operator there.
        recleared_welfare_eur: The same, cleared again.
        upper_bound_eur: No charge in [0, cap] takes the objective higher.
        relative_gap: (upper bound − objective) over what is at stake, as :class:`.objective.Quantity` measures it: the greatest of
            charge revenue, import fee, cost of losses and cost of overload at the optimum, and 1e-6 of the day's turnover; for
            welfare all of the turnover.
        revenue_eur: Charge revenue at the optimum.
        clearings: Market clearings used, the last one included.
        seconds: Wall time, without that of other searches beside it.
        hard_limits: Whether only charges counted that keep every branch within its limit.
        secure: Whether the best charge does; with hard limits, False is proved and None undecided: charges closer together than can be
            told apart may still do.
        certificate: The proof, which can be kept, checked and drawn; None where an optimum was read from a store of numbers.
    """

    charge: float
    charge_cap: float
    objective: ExactObjective
    profit_eur: float
    recleared_profit_eur: float
    welfare_eur: float
    recleared_welfare_eur: float
    upper_bound_eur: float
    relative_gap: float
    revenue_eur: float
    clearings: int
    seconds: float
    certificate: OptimumCertificate | None
    hard_limits: bool = False
    secure: bool | None = None

    @property
    def pieces(self) -> tuple[SolvedPiece, ...]:
        """The solved pieces of the certificate."""
        return () if self.certificate is None else self.certificate.pieces

    @property
    def gaps(self) -> tuple[PrunedGap, ...]:
        """The bounded intervals of the certificate."""
        return () if self.certificate is None else self.certificate.gaps

    @property
    def recleared_eur(self) -> float:
        """The objective at the optimum, cleared again: what a policy's reward is compared with."""
        return of_both(self.objective, profit_eur=self.recleared_profit_eur, welfare_eur=self.recleared_welfare_eur)
