"""Binding line limits: how far the charge alone relieves them.

Limits are tightened until Free P2P loads the worst branch of the day to a given degree. Then the operator charges: not minding overload,
paying for it at several prices, or held to every limit (where no charge keeps them all, that is proved). Social P2P weighs every branch and
hour on its own, which one charge for the day cannot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ....envs.account.settlement import Settlement
from ....envs.account.social import solve_social
from ....envs.community.calendar import Scenario
from ..cases import Case, equilibrium, situation_of
from ..cells import Answer, Answered
from ..effort import StudySize
from ..tables import Row, grouped, mean_of


@dataclass(frozen=True)
class LineLimits:
    """A day under tightened limits; the case's ``free_loading`` says how tight.

    Attributes:
        case: The day.
        overload_prices: What the operator pays for overload in turn, EUR/kWh.
    """

    case: Case
    overload_prices: tuple[float, ...]

    def answer(self) -> Answer:
        """Solve every instrument; welfare and profit are reckoned at the case's own overload price throughout."""
        situation = situation_of(self.case)
        free = situation.clear_at(0.0)[1]
        found: Answer = {"free": _state(free, 0.0)}
        for price in self.overload_prices:
            charge = equilibrium(replace(self.case, overload_price=price)).charge or 0.0
            found[f"charge, overload at {price:g}"] = _state(situation.clear_at(charge)[1], charge)
        strict = equilibrium(self.case, hard_limits=True)
        found["charge, hard limits"] = None if strict.charge is None else _state(situation.clear_at(strict.charge)[1], strict.charge)
        social = solve_social(situation.day, situation.network, flows=situation.flows)
        found["social"] = {
            "charge": None,
            "operator_profit_eur": social.operator_profit_eur,
            "welfare_eur": social.welfare_eur,
            "traded_kwh": social.traded_kwh,
            "overload_kwh": social.overload_kwh,
            "peak_loading": social.peak_loading,
        }
        return found


def _state(settled: Settlement, charge: float) -> Row:
    return {
        "charge": charge,
        "operator_profit_eur": settled.profit_eur,
        "welfare_eur": settled.welfare_eur,
        "traded_kwh": settled.traded_kwh,
        "overload_kwh": settled.overload_kwh,
        "peak_loading": settled.peak_loading,
    }


def questions(system: str, scenarios: Sequence[Scenario], effort: StudySize) -> list[LineLimits]:
    """Return what to ask: every day at every tightness."""
    cases = [Case.of(system, scenario) for scenario in scenarios]
    return [LineLimits(replace(case, free_loading=loading), effort.overload_prices) for loading in effort.loadings for case in cases]


def rows(answered: Sequence[Answered]) -> list[Row]:
    """Return means over the days an instrument can serve, by system, tightness and instrument, and how often it keeps every limit."""
    states = [
        {"system": one.question.case.system, "free_loading": one.question.case.free_loading, "instrument": name, "state": state}
        for one in answered
        for name, state in one.answer.items()
    ]
    result = []
    for (system, loading, instrument), members in grouped(states, "system", "free_loading", "instrument").items():
        there = [row["state"] for row in members if row["state"] is not None]
        names = ("charge", "operator_profit_eur", "welfare_eur", "traded_kwh", "overload_kwh", "peak_loading")
        result.append(
            {
                "system": system,
                "free_loading": loading,
                "instrument": instrument,
                **{name: mean_of([state[name] for state in there]) for name in names},
                "greatest_peak_loading": max((state["peak_loading"] for state in there), default=None),
                "days_secure": sum(state["peak_loading"] <= 1.0 + 1e-6 for state in there),
                "days_possible": len(there),
                "days": len(members),
            }
        )
    return result
