"""What is asked of a search for the best charges of a scenario, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from ...agents.optimum import Optimum
from ...agents.optimum.many_charges.several import CLOSED
from ...agents.optimum.miqp import MiqpSolver
from ...envs.account.objective import ExactObjective, of_both

Method = Literal["exact", "search", "miqp", "breakpoints", "replayed", "played"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the best charges are sought.

    Attributes:
        method: None for the first of the table of :mod:`.solve` that applies.
        tolerance: Relative gap at which ``exact`` and ``miqp`` end.
        hard_limits: Whether every branch must stay within its limit; only one charge for the day can be found so.
        starts: Constant and random starts of ``search``.
        seed: Of the starts and directions of ``search``.
        solver: Of ``miqp``.
        time_limit_s: After how many seconds ``miqp`` stops with the best it has.
        force: Whether ``miqp`` tries programs that seldom finish.
    """

    method: Method | None = None
    tolerance: float = 1e-6
    hard_limits: bool = False
    starts: int = 6
    seed: int = 0
    solver: MiqpSolver = "scip"
    time_limit_s: float = 100.0
    force: bool = False


@dataclass(frozen=True, kw_only=True)
class Solved:
    """The best charges of one scenario in numbers, without the proof, which is large and soon found again.

    Attributes:
        method: How they were found.
        charges: EUR/kWh in the order an operator posts them; NaN where no charge keeps every branch within its limit.
        charge_cap: Greatest charge allowed, EUR/kWh.
        objective: What is maximised.
        profit_eur: The operator's profit there, by the method's own account.
        recleared_profit_eur: The same when the day is cleared again from scratch and settled.
        welfare_eur: Welfare of prosumers and operator there, by the method's own account.
        recleared_welfare_eur: The same, cleared again.
        upper_bound_eur: No charges in [0, cap] take the objective higher.
        relative_gap: How far the bound is above the objective: see :class:`~gridtoll.agents.optimum.Optimum`.
        revenue_eur: Charge revenue there.
        clearings: Market clearings used.
        seconds: Wall time when it was computed.
        zero_eur: The objective when nothing is charged.
        proof: What proves the bound.
        hard_limits: Whether only charges counted that keep every branch within its limit.
        secure: Whether these do; see :class:`~gridtoll.agents.optimum.Optimum`.
    """

    method: Method
    charges: tuple[float, ...]
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
    zero_eur: float
    proof: str
    hard_limits: bool = False
    secure: bool | None = None

    @property
    def closed(self) -> bool:
        """Whether the charges are proved optimal: bound and best have met."""
        return self.relative_gap <= CLOSED

    @property
    def certified(self) -> bool:
        """The same; see :class:`~.ends.Ends`."""
        return self.closed

    @property
    def best_eur(self) -> float:
        """The objective there, cleared again: what a leader's reward is compared with."""
        return of_both(self.objective, profit_eur=self.recleared_profit_eur, welfare_eur=self.recleared_welfare_eur)

    @property
    def optimum(self) -> Optimum:
        """The same as an :class:`~gridtoll.agents.optimum.Optimum` of one charge, without its certificate."""
        [charge] = self.charges
        numbers = {field.name: getattr(self, field.name) for field in fields(Optimum) if field.name not in {"charge", "certificate"}}
        return Optimum(charge=charge, certificate=None, **numbers)
