"""The charge models side by side, each at its own optimum: unique, distance, zonal and line.

Unique and distance have one coefficient, and their optimum is exact. Zonal and line have several, and what is reported is the best found
and a bound that no coefficients exceed: a bracket, closed or not. The search starts from the exact tariff's charge as well: line charges
that are all equal are the distance charge, so that they cannot end below it.

The bound is the lesser of two: K0 (:mod:`gridtoll.agents.optimum.many_charges.relaxation`), where the system is small enough for it, and
one by Social P2P. Not to trade is among the prosumers' plans at any charges, so that their surplus is never below that of No P2P; welfare
is never above that of Social P2P; profit is welfare less surplus, and so at most the difference of these two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ....agents.optimum.many_charges.game import TariffGame
from ....agents.optimum.many_charges.several import solve_several
from ....agents.optimum.many_charges.starts import best_found
from ....envs.account.social import solve_social
from ....envs.account.tariff import TARIFF_NAMES, Tariff, make_tariff
from ....envs.community.calendar import Scenario
from ....envs.community.day import Array
from ..cases import Case, Situation, equilibrium, market, situation_of
from ..cells import Answer, Answered
from ..effort import StudySize
from ..tables import Row, mean_rows

_EXACT: Final = ("unique", "distance")
_LIKE: Final = {"zonal": "unique", "line": "distance"}
"""The tariff of one coefficient that equal coefficients come to, nearly or exactly."""


@dataclass(frozen=True)
class ChargeModel:
    """A tariff at its own optimum on a day.

    Attributes:
        case: The day.
        tariff: Which; ``"free"`` for no charge at all.
        starts: Of the search, where there are several coefficients.
        clearings: What the search may spend.
        nodes: What the bound may spend beyond K0, None for no K0.
    """

    case: Case
    tariff: str
    starts: int = 1
    clearings: int = 1
    nodes: int | None = 0

    def answer(self) -> Answer:
        """Solve, then clear and settle at the best charges."""
        situation = situation_of(self.case)
        charges, upper, coefficients = self._best(situation)
        settled = situation.clear(charges)[1]
        proof = "none needed" if self.tariff == "free" else "exact search" if self.tariff in _EXACT else "K0"
        if self.tariff not in ("free", *_EXACT):
            social = profit_bound(self.case)
            upper, proof = (social, "Social P2P") if upper is None or social < upper else (upper, proof)
        return {
            "coefficients": coefficients,
            "operator_profit_eur": settled.profit_eur,
            "upper_bound_eur": settled.profit_eur if upper is None else upper,
            "proof": proof,
            "welfare_eur": settled.welfare_eur,
            "loss_kwh": settled.loss_kwh,
            "traded_kwh": settled.traded_kwh,
            "charged_kwh": settled.charged_kwh,
            "revenue_eur": settled.revenue_eur,
        }

    def _best(self, situation: Situation) -> tuple[Array, float | None, list[float]]:
        """Return charges in EUR/kWh, shape (N, N), the bound on profit where there is one, and the coefficients."""
        if self.tariff == "free":
            return 0.0 * situation.network.distance, None, []
        tariff = make_tariff(self.tariff, situation.network)
        if self.tariff in _EXACT:
            best = equilibrium(self.case, tariff=self.tariff)
            charge = best.charge or 0.0
            return charge * tariff.basis[0], best.upper_bound_eur, [charge]
        like = equilibrium(self.case, tariff=_LIKE[self.tariff]).charge or 0.0
        action, upper = self._search(situation, tariff, np.full(tariff.n_basis, like))
        return np.tensordot(action, tariff.basis, axes=1), upper, [float(value) for value in action]

    def _search(self, situation: Situation, tariff: Tariff, like: Array) -> tuple[Array, float | None]:
        """Return the best coefficients found, from everywhere and from those like the exact tariff's, and the bound on profit."""
        game = TariffGame(
            situation.day, situation.network, tariff, cap=situation.cap, flows=situation.flows, objective="profit", market=market()
        )
        if self.nodes is None:
            return best_found(game, [like], n_starts=self.starts, seed=0, max_clearings=self.clearings)[0].action, None
        bracket = solve_several(
            situation.day,
            situation.network,
            tariff,
            cap=situation.cap,
            flows=situation.flows,
            market=market(),
            n_starts=self.starts,
            max_clearings=self.clearings,
            max_nodes=self.nodes,
        )
        near, _ = best_found(game, [like], n_starts=0, seed=0, max_clearings=self.clearings)
        if near.goal_eur <= bracket.best_eur:
            return bracket.action, bracket.upper_bound_eur
        return near.action, max(bracket.upper_bound_eur, near.goal_eur)


def profit_bound(case: Case) -> float:
    """Return what no charges of any kind can earn on a day: the most welfare there can be, less what prosumers have without trade, EUR."""
    situation = situation_of(case)
    no = situation.clear(0.0 * situation.network.distance, traded=False)[1]
    return solve_social(situation.day, situation.network, flows=situation.flows).upper_bound_eur - float(no.surplus_eur.sum())


def questions(system: str, scenarios: Sequence[Scenario], effort: StudySize) -> list[ChargeModel]:
    """Return what to ask: every tariff on every day, and no charge.

    All on the same days, so that they can be compared.
    """
    asked: list[ChargeModel] = []
    for case in (Case.of(system, scenario) for scenario in scenarios):
        asked.append(ChargeModel(case, "free"))
        for tariff in TARIFF_NAMES:
            if tariff in _EXACT:
                asked.append(ChargeModel(case, tariff))
            else:
                asked.append(ChargeModel(case, tariff, effort.starts, effort.clearings, effort.nodes))
    return asked


def rows(answered: Sequence[Answered]) -> list[Row]:
    """Return means over days by system and tariff; ``mean_distance`` is that of a traded kWh, 1 that of two prosumers drawn at random."""
    daily = [
        {
            "system": one.question.case.system,
            "tariff": one.question.tariff,
            "coefficients": len(one.answer["coefficients"]),
            "mean_coefficient": float(np.mean(one.answer["coefficients"])) if one.answer["coefficients"] else None,
            **{name: value for name, value in one.answer.items() if name not in ("coefficients", "proof")},
        }
        for one in answered
    ]
    result = mean_rows(daily, "system", "tariff", "coefficients")
    for row in result:
        members = [one for one in answered if (one.question.case.system, one.question.tariff) == (row["system"], row["tariff"])]
        row["days"] = len(members)
        row["proof"] = " or ".join(sorted({one.answer["proof"] for one in members}))
        row["mean_distance"] = row["charged_kwh"] / row["traded_kwh"] if row["traded_kwh"] else None
        gap = row["upper_bound_eur"] - row["operator_profit_eur"]
        row["relative_gap"] = gap / row["revenue_eur"] if row["revenue_eur"] else 0.0
        row["is_exact"] = row["tariff"] in ("free", *_EXACT) or row["relative_gap"] <= 1e-6
    return result
