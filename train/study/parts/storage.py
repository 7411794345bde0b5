"""Does storage make prosumers more sensitive to the charge? The elasticity of trade around the equilibrium, with it and without.

The elasticity is that between half and one and a half times the equilibrium charge γ* of the day as it is (with storage),
ln(q(1.5γ*)/q(0.5γ*)) / ln 3, at the same charges with storage and without, q the energy traded or charged. Elasticities of a whole study
are those of its sums over days, so that days with hardly any trade do not decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log

from ....envs.community.calendar import Scenario
from ..cases import Case, equilibrium, situation_of
from ..cells import Answer, Answered
from ..tables import Row, grouped, mean_of


@dataclass(frozen=True)
class Sensitivity:
    """A day's trade at half, once and one and a half times its equilibrium charge, with storage and without."""

    case: Case

    def answer(self) -> Answer:
        """Clear at the three charges and at none, both ways, and solve both equilibria."""
        charge = equilibrium(self.case).charge or 0.0
        found: Answer = {"charge": charge}
        for name, case in (("with", self.case), ("without", replace(self.case, storage=False))):
            situation = situation_of(case)
            settled = [situation.clear_at(share * charge)[1] for share in (0.0, 0.5, 1.0, 1.5)]
            own = equilibrium(case)
            found[name] = {
                "own_charge": own.charge,
                "own_profit_eur": own.profit_eur,
                "traded_kwh": [one.traded_kwh for one in settled],
                "charged_kwh": [one.charged_kwh for one in settled],
            }
        return found


def questions(system: str, scenarios: Sequence[Scenario]) -> list[Sensitivity]:
    """Return what to ask of a system's days."""
    return [Sensitivity(Case.of(system, scenario)) for scenario in scenarios]


def rows(answered: Sequence[Answered]) -> list[Row]:
    """Return a row for each system with storage and without."""
    result = []
    answers = [{"system": one.question.case.system, "answer": one.answer} for one in answered]
    for (system,), members in grouped(answers, "system").items():
        for name in ("with", "without"):
            parts = [row["answer"][name] for row in members]
            traded, charged = ([sum(part[kind][k] for part in parts) for k in range(4)] for kind in ("traded_kwh", "charged_kwh"))
            steeper = [_elasticity(row["answer"]["with"]) < _elasticity(row["answer"]["without"]) for row in members]
            result.append(
                {
                    "system": system,
                    "storage": name == "with",
                    "equilibrium_charge": mean_of([part["own_charge"] for part in parts]),
                    "operator_profit_eur": mean_of([part["own_profit_eur"] for part in parts]),
                    "free_traded_kwh": traded[0] / len(parts),
                    "traded_kwh": traded[2] / len(parts),
                    "share_of_free_trade_kept": traded[2] / traded[0] if traded[0] > 0 else None,
                    "elasticity_of_trade": _log_slope(traded[1], traded[3]),
                    "elasticity_of_charged_energy": _log_slope(charged[1], charged[3]),
                    "days_more_sensitive_with_storage": sum(steeper),
                    "days": len(parts),
                }
            )
    return result


def _elasticity(part: Answer) -> float:
    slope = _log_slope(part["traded_kwh"][1], part["traded_kwh"][3])
    return 0.0 if slope is None else slope


def _log_slope(at_half: float, at_one_and_a_half: float) -> float | None:
    """Return the elasticity between the two charges; None where no trade is left to compare."""
    if at_half <= 0 or at_one_and_a_half <= 0:
        return None
    return log(at_one_and_a_half / at_half) / log(3.0)
