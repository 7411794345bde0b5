"""The paper's four regimes side by side: No, Free, Social and Optimal P2P, and what the market changes for each prosumer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ....envs.account.fairness import fairness, gini
from ....envs.account.settlement import Settlement
from ....envs.account.social import SocialOptimum, solve_social
from ....envs.community.calendar import Scenario
from ..cases import Case, community_of, equilibrium, situation_of
from ..cells import Answer, Answered
from ..tables import Row, grouped, mean_of, mean_rows, numbers

REGIMES: Final = ("no", "free", "social", "optimal")
COLUMNS: Final = (
    "system",
    "regime",
    "charge",
    "operator_profit_eur",
    "prosumer_surplus_eur",
    "welfare_eur",
    "loss_kwh",
    "traded_kwh",
    "charged_kwh",
)
"""Columns of ``regimes.csv``: means per day over the days studied."""


_GAPS: Final = {"social": "social_gap", "optimal": "equilibrium_gap"}


@dataclass(frozen=True)
class Regimes:
    """The four regimes of a day."""

    case: Case

    def answer(self) -> Answer:
        """Clear without trades, without a charge and at the equilibrium charge, and solve Social P2P."""
        situation, best = situation_of(self.case), equilibrium(self.case)
        charge = best.charge or 0.0
        no = situation.clear(0.0 * situation.network.distance, traded=False)[1]
        free, optimal = situation.clear_at(0.0)[1], situation.clear_at(charge)[1]
        social = solve_social(situation.day, situation.network, flows=situation.flows, charge_base=situation.network.distance)
        changes = {"free": fairness(free, no), "optimal": fairness(optimal, no)}
        return {
            "regimes": {
                "no": _totals(no, None),
                "free": _totals(free, 0.0),
                "social": _social_totals(social),
                "optimal": _totals(optimal, charge),
            },
            "surplus_eur": {"no": no.surplus_eur.tolist(), "free": free.surplus_eur.tolist(), "optimal": optimal.surplus_eur.tolist()},
            "fairness": {
                name: numbers({"gini": change.gini, "worst_off_eur": change.worst_off_eur, "losers": change.losers})
                for name, change in changes.items()
            },
            "equilibrium_gap": best.relative_gap,
            "social_gap": social.relative_gap,
        }


@dataclass(frozen=True)
class WelfareCharge:
    """What one charge for the day can do at its best for all, which tells the charge's fault from the monopolist's."""

    case: Case

    def answer(self) -> Answer:
        """Solve for welfare, clear and settle."""
        charge = equilibrium(self.case, objective="welfare").charge or 0.0
        return {"best_for_welfare": _totals(situation_of(self.case).clear_at(charge)[1], charge)}


def _totals(settlement: Settlement, charge: float | None) -> Row:
    return {
        "charge": charge,
        "operator_profit_eur": settlement.profit_eur,
        "prosumer_surplus_eur": settlement.welfare_eur - settlement.profit_eur,
        "welfare_eur": settlement.welfare_eur,
        "loss_kwh": settlement.loss_kwh,
        "traded_kwh": settlement.traded_kwh,
        "charged_kwh": settlement.charged_kwh,
        "import_kwh": settlement.import_kwh,
        "overload_kwh": settlement.overload_kwh,
        "peak_loading": settlement.peak_loading,
    }


def _social_totals(social: SocialOptimum) -> Row:
    return {
        "charge": None,
        "operator_profit_eur": social.operator_profit_eur,
        "prosumer_surplus_eur": social.prosumer_surplus_eur,
        "welfare_eur": social.welfare_eur,
        "loss_kwh": social.loss_kwh,
        "traded_kwh": social.traded_kwh,
        "charged_kwh": social.charged_kwh,
        "import_kwh": social.import_kwh,
        "overload_kwh": social.overload_kwh,
        "peak_loading": social.peak_loading,
    }


def questions(system: str, scenarios: Sequence[Scenario]) -> list[Regimes]:
    """Return what to ask of a system's days."""
    return [Regimes(Case.of(system, scenario)) for scenario in scenarios]


def welfare_questions(system: str, scenarios: Sequence[Scenario]) -> list[WelfareCharge]:
    """Return what to ask of a system's days about the charge that is best for all."""
    return [WelfareCharge(Case.of(system, scenario)) for scenario in scenarios]


def daily_rows(answered: Sequence[Answered], **more: Any) -> list[Row]:
    """Return a row for each day and regime, with the relative gap that is proved where something was optimised."""
    return [
        {
            "system": one.question.case.system,
            **more,
            "day": one.question.case.day,
            "regime": regime,
            **one.answer["regimes"][regime],
            "relative_gap": one.answer[_GAPS[regime]] if regime in _GAPS else None,
        }
        for one in answered
        for regime in REGIMES
    ]


def regime_rows(daily: Sequence[Row], *by: str) -> list[Row]:
    """Return four rows a group: means over days, how much of Social's welfare gain over No P2P each regime keeps, and the greatest gap."""
    columns = [{name: value for name, value in row.items() if name != "day"} for row in daily]
    rows = mean_rows(columns, *by, "regime")
    for row, members in zip(rows, grouped(daily, *by, "regime").values(), strict=True):
        row["days"] = len(members)
        row["relative_gap"] = max((member["relative_gap"] for member in members if member["relative_gap"] is not None), default=None)
    for group in grouped(rows, *by).values():
        welfare = {row["regime"]: row["welfare_eur"] for row in group}
        gain = welfare["social"] - welfare["no"]
        for row in group:
            row["share_of_social_gain"] = (row["welfare_eur"] - welfare["no"]) / gain if gain > 0 else None
    return rows


def welfare_charge_rows(answered: Sequence[Answered], details: Sequence[Row]) -> list[Row]:
    """Return by system what the charge that is best for prosumers and operator together keeps of Social's gain, means over days."""
    daily = [{"system": one.question.case.system, **one.answer["best_for_welfare"]} for one in answered]
    rows = mean_rows(daily, "system")
    for row in rows:
        welfare = {other["regime"]: other["welfare_eur"] for other in details if other["system"] == row["system"]}
        gain = welfare["social"] - welfare["no"]
        row["share_of_social_gain"] = (row["welfare_eur"] - welfare["no"]) / gain if gain > 0 else None
    return rows


def prosumer_rows(answered: Sequence[Answered]) -> list[Row]:
    """Return each prosumer's mean surplus in the regimes where it is defined, and its change against No P2P."""
    rows = []
    for (system,), members in grouped([{"system": one.question.case.system, "answer": one.answer} for one in answered], "system").items():
        names = community_of(str(system)).prosumer_names
        for regime in ("no", "free", "optimal"):
            for who, name in enumerate(names):
                mean = mean_of([row["answer"]["surplus_eur"][regime][who] for row in members]) or 0.0
                before = mean_of([row["answer"]["surplus_eur"]["no"][who] for row in members]) or 0.0
                rows.append(
                    {"system": system, "regime": regime, "prosumer": who, "name": name, "surplus_eur": mean, "change_eur": mean - before}
                )
    return rows


def fairness_rows(answered: Sequence[Answered], prosumers: Sequence[Row]) -> list[Row]:
    """Return how evenly Free and Optimal P2P spread their gains: of mean changes, and the worst single day."""
    rows = []
    for (system, regime), members in grouped(prosumers, "system", "regime").items():
        if regime == "no":
            continue
        days = [one.answer["fairness"][regime] for one in answered if one.question.case.system == system]
        changes = [row["change_eur"] for row in members]
        rows.append(
            numbers(
                {
                    "system": system,
                    "regime": regime,
                    "gini_of_mean_changes": gini(changes),
                    "mean_daily_gini": mean_of([day["gini"] for day in days]),
                    "worst_off_mean_change_eur": min(changes),
                    "best_off_mean_change_eur": max(changes),
                    "worst_off_change_of_any_day_eur": min(day["worst_off_eur"] for day in days),
                    "losing_prosumer_days": sum(day["losers"] for day in days),
                }
            )
        )
    return rows
