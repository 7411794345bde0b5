"""How the equilibrium scales with the share of renewables and with the size of the community.

Sun and wind are multiplied by a factor, storage and loads as they are. Communities of part of the prosumers are nested: in each of several
seeded orders prosumers join one after the other. Distances keep the scale of the whole community, so that a charge means the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Final

import numpy as np

from ....envs.community.calendar import Scenario
from ..cases import Case, community_of, equilibrium, situation_of
from ..cells import Answer, Answered
from ..effort import StudySize
from ..tables import Row, mean_rows

_SEED: Final = 6


@dataclass(frozen=True)
class Scaled:
    """A day's equilibrium in a changed community.

    Attributes:
        case: The day.
        along: What is scaled, ``"renewable"`` or ``"size"``.
        factor: By how much.
    """

    case: Case
    along: str
    factor: float

    def answer(self) -> Answer:
        """Solve, clear and settle, beside no charge and no trade."""
        situation, best = situation_of(self.case), equilibrium(self.case)
        charge = best.charge or 0.0
        optimal, free = situation.clear_at(charge)[1], situation.clear_at(0.0)[1]
        no = situation.clear(0.0 * situation.network.distance, traded=False)[1]
        day = situation.day
        n, load = day.n_prosumers, float(0.5 * (day.demand_min + day.demand_max).sum())
        return {
            "prosumers": n,
            "renewable_share": float(day.renewable.sum()) / load if load > 0 else 0.0,
            "charge": charge,
            "operator_profit_eur_per_prosumer": optimal.profit_eur / n,
            "prosumer_gain_eur_per_prosumer": float(optimal.surplus_eur.sum() - no.surplus_eur.sum()) / n,
            "traded_kwh_per_prosumer": optimal.traded_kwh / n,
            "free_traded_kwh_per_prosumer": free.traded_kwh / n,
            "loss_kwh_per_prosumer": optimal.loss_kwh / n,
        }


def questions(system: str, scenarios: Sequence[Scenario], effort: StudySize) -> list[Scaled]:
    """Return what to ask."""
    cases, n = [Case.of(system, scenario) for scenario in scenarios], community_of(system).n_prosumers
    asked = [Scaled(replace(case, renewable=factor), "renewable", factor) for factor in effort.renewables for case in cases]
    for share in effort.sizes:
        for who in _members(system, n, max(2, ceil(share * n)), effort.orders):
            asked += [Scaled(replace(case, prosumers=who), "size", share) for case in cases]
    return asked


def _members(system: str, n: int, size: int, orders: int) -> list[tuple[int, ...] | None]:
    """Return the first ``size`` prosumers of each order, who must not all sit at one bus; None for everybody, once."""
    if size >= n:
        return [None]
    bus, found = community_of(system).network.prosumer_bus, []
    for seed in range(orders):
        order = np.random.default_rng((_SEED, seed)).permutation(n)
        who = tuple(sorted(int(i) for i in order[:size]))
        if len(set(bus[list(who)])) > 1:
            found.append(who)
    return list(found)


def rows(answered: Sequence[Answered]) -> list[Row]:
    """Return means over days and orders by system, what is scaled, and factor."""
    daily = [
        {"system": one.question.case.system, "along": one.question.along, "factor": one.question.factor, **one.answer} for one in answered
    ]
    return mean_rows(daily, "system", "along", "factor")
