"""Who pays for losses, and whether the charge recovers a network's cost.

At the equilibrium, the losses of each day are shared out among prosumers in several ways (:mod:`gridtoll.envs.account.loss_shares`), beside
what the charge collected from each. The cost to be recovered is a share of the day's retail bill; on each day either the least charge whose
profit covers it is found, or it is proved that none does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ....agents.optimum import smallest_recovering_charge
from ....envs.account.loss_shares import LOSS_SHARES, SHAPLEY_UP_TO, allocate_losses, loss_charges
from ....envs.account.tariff import make_tariff
from ....envs.community.calendar import Scenario
from ..cases import Case, community_of, equilibrium, market, situation_of
from ..cells import Answer, Answered
from ..effort import StudySize
from ..tables import Row, grouped, mean_of


@dataclass(frozen=True)
class LossShares:
    """A day's losses at the equilibrium, shared out, and the charges paid."""

    case: Case

    def answer(self) -> Answer:
        """Share them out by every method the community's size allows."""
        situation, charge = situation_of(self.case), equilibrium(self.case).charge or 0.0
        clearing, settled = situation.clear_at(charge)
        methods = [name for name in LOSS_SHARES if name != "shapley" or situation.day.n_prosumers <= SHAPLEY_UP_TO]
        shared = {}
        for method in methods:
            arguments = (situation.day, situation.network, clearing)
            shared[method] = {
                "loss_kwh": allocate_losses(*arguments, method=method, flows=situation.flows).tolist(),
                "loss_eur": loss_charges(*arguments, method=method, flows=situation.flows).tolist(),
            }
        return {"methods": shared, "charge_eur": settled.charge_eur.tolist(), "loss_kwh": settled.loss_kwh}


@dataclass(frozen=True)
class CostRecovery:
    """The least charge that recovers a share of a day's retail bill."""

    case: Case
    cost_share: float

    def answer(self) -> Answer:
        """Search, or prove that there is none."""
        situation = situation_of(self.case)
        cost = self.cost_share * situation.day.retail_bill_eur
        found = smallest_recovering_charge(
            situation.day,
            situation.network,
            make_tariff("distance", situation.network),
            cost,
            cap=situation.cap,
            flows=situation.flows,
            market=market(),
        )
        return {"cost_eur": cost, "charge": found.charge, "recoverable": found.is_recoverable}


def loss_questions(system: str, scenarios: Sequence[Scenario]) -> list[LossShares]:
    """Return what to ask about losses."""
    return [LossShares(Case.of(system, scenario)) for scenario in scenarios]


def recovery_questions(system: str, scenarios: Sequence[Scenario], effort: StudySize) -> list[CostRecovery]:
    """Return what to ask about costs to recover."""
    return [CostRecovery(Case.of(system, scenario), share) for share in effort.cost_shares for scenario in scenarios]


def loss_rows(answered: Sequence[Answered]) -> list[Row]:
    """Return means per day by system, method and prosumer, what the charge collected from each beside them."""
    asked = [{"system": one.question.case.system, "answer": one.answer} for one in answered]
    result = []
    for (system,), members in grouped(asked, "system").items():
        names = community_of(str(system)).prosumer_names
        for method in members[0]["answer"]["methods"]:
            for who, name in enumerate(names):
                parts = [row["answer"]["methods"][method] for row in members]
                result.append(
                    {
                        "system": system,
                        "method": method,
                        "prosumer": who,
                        "name": name,
                        "loss_kwh": mean_of([part["loss_kwh"][who] for part in parts]),
                        "loss_eur": mean_of([part["loss_eur"][who] for part in parts]),
                        "charge_eur": mean_of([row["answer"]["charge_eur"][who] for row in members]),
                    }
                )
    return result


def recovery_rows(answered: Sequence[Answered]) -> list[Row]:
    """Return by system and share of the bill: on how many days it is recovered, on how many provably not, and the mean least charge."""
    asked = [{"system": one.question.case.system, "cost_share": one.question.cost_share, **one.answer} for one in answered]
    return [
        {
            "system": system,
            "cost_share_of_retail_bill": share,
            "cost_eur": mean_of([row["cost_eur"] for row in members]),
            "least_charge": mean_of([row["charge"] for row in members]),
            "days_recovered": sum(row["recoverable"] is True for row in members),
            "days_proved_impossible": sum(row["recoverable"] is False for row in members),
            "days": len(members),
        }
        for (system, share), members in grouped(asked, "system", "cost_share").items()
    ]
