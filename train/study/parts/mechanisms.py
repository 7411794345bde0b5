"""What the choice of a market does to the charge that is best: each market at its own best charge, and that charge played in the others.

Each day is asked for the best charge under every market of :data:`MECHANISMS`, by the method that ``gridtoll optimum`` takes for it, and
for what that charge comes to under all of them. A charge of one market played in another is transfer, not a score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import Final

import numpy as np

from ....envs.community.calendar import Scenario
from ....envs.games.spec import GameSpec
from ....envs.market.mechanism import Allocation, Mechanism, make_mechanism
from ...references.optima import find_optimum
from ...references.solved import Settings
from ...scoring.kept import kept
from ...task import environment_of
from ..cases import Case
from ..cells import Answer, Answered
from ..tables import Row, mean_rows

MECHANISMS: Final = ("exact", "admm", "bilateral:rounds=20", "call-auction", "continuous-auction")
"""Markets that are compared; the fourth is a negotiation that is cut short."""
ROUNDS: Final = (1, 2, 5, 10, 20, 50, 100, 200)
"""Rounds after which negotiations are cut."""


@dataclass(frozen=True)
class BestUnder:
    """The charge that is best under one market on a day, and what it comes to under each.

    Attributes:
        case: The day, as it is.
        mechanism: The market it is best for.
    """

    case: Case
    mechanism: str

    def answer(self) -> Answer:
        """Find it, and play it."""
        scenario = Scenario(self.case.day, self.case.price_path)
        best, _ = find_optimum(GameSpec(community=self.case.system, mechanism=self.mechanism), scenario, Settings())
        played = {mechanism: _played(self.case, mechanism, best.charges[0]) for mechanism in MECHANISMS}
        proved = isfinite(best.upper_bound_eur)
        return {"charge": best.charges[0], "method": best.method, "bound_eur": best.upper_bound_eur if proved else None, "played": played}


@dataclass(frozen=True)
class CutShort:
    """A negotiation that is cut after some rounds, at the exact market's best charge.

    Attributes:
        case: The day, as it is.
        mechanism: ``"admm"`` or ``"bilateral"``.
        rounds: It ends after so many.
    """

    case: Case
    mechanism: str
    rounds: int

    def answer(self) -> Answer:
        """Hold it."""
        scenario = Scenario(self.case.day, self.case.price_path)
        best, _ = find_optimum(GameSpec(community=self.case.system), scenario, Settings())
        return _played(self.case, f"{self.mechanism}:rounds={self.rounds}", best.charges[0])


def _played(case: Case, mechanism: str, charge: float) -> Row:
    """Return what a charge in EUR/kWh at mean distance comes to under a market."""
    setting = environment_of(GameSpec(community=case.system)).setting
    day = setting.day_of(Scenario(case.day, case.price_path))
    played = setting.transition(_market(mechanism), day, np.array([charge]))
    settled = played.settlement
    worth = kept(setting.rules, day, played.charges, settled, mechanism)
    told = played.clearing.evidence.info()
    return {
        "operator_profit_eur": settled.profit_eur,
        "surplus_eur_per_household": float(settled.surplus_eur.mean()),
        "gain_eur_per_household": float((worth.surplus_eur - worth.surplus_without_trade_eur).mean()),
        "welfare_eur": settled.welfare_eur,
        "efficiency": worth.efficiency,
        "loss_kwh": settled.loss_kwh,
        "traded_kwh": settled.traded_kwh,
        "rounds": told.get("rounds"),
        "messages": told.get("messages"),
        "megabytes": told["bytes"] / 1e6 if "bytes" in told else None,
    }


@lru_cache(maxsize=len(MECHANISMS))
def _market(mechanism: str) -> Mechanism[Allocation]:
    return make_mechanism(mechanism if mechanism != "exact" else "exact:solver=structured")


def questions(system: str, scenarios: Sequence[Scenario]) -> list[BestUnder]:
    """Return what to ask: every day under each market."""
    return [BestUnder(Case.of(system, scenario), mechanism) for scenario in scenarios for mechanism in MECHANISMS]


def cut_questions(system: str, scenarios: Sequence[Scenario]) -> list[CutShort]:
    """Return what to ask of negotiations that are cut short."""
    names = ("admm", "bilateral")
    return [CutShort(Case.of(system, scenario), name, rounds) for name in names for rounds in ROUNDS for scenario in scenarios]


def rows(answered: Sequence[Answered]) -> list[Row]:
    """Return each market at its own best charge, means over days."""
    daily = []
    for one in answered:
        own = one.answer["played"][one.question.mechanism]
        known = {"system": one.question.case.system, "mechanism": one.question.mechanism, "charge": one.answer["charge"]}
        bound = one.answer["bound_eur"]
        daily.append({**known, **own, "upper_bound_eur": bound, "replayed_days": float(one.answer["method"] == "replayed")})
    means = mean_rows(daily, "system", "mechanism")
    proved = {
        (row["system"], row["mechanism"]): all(day["upper_bound_eur"] is not None for day in daily if _same(day, row)) for row in means
    }
    return [{**row, "proved": proved[row["system"], row["mechanism"]], "days": sum(_same(day, row) for day in daily)} for row in means]


def _same(one: Row, other: Row) -> bool:
    return bool(one["system"] == other["system"] and one["mechanism"] == other["mechanism"])


def matrix_rows(answered: Sequence[Answered]) -> list[Row]:
    """Return what the charge of one market earns in another: in EUR, and as a share of what is known to be earned there, over all days."""
    known = {
        (case, mechanism): max(_profit(one, mechanism) for one in answered if one.question.case == case)
        for case in {one.question.case for one in answered}
        for mechanism in MECHANISMS
    }
    daily = [
        {
            "system": one.question.case.system,
            "charge_of": one.question.mechanism,
            "played_under": mechanism,
            "operator_profit_eur": _profit(one, mechanism),
            "best_known_there_eur": known[one.question.case, mechanism],
            "welfare_eur": one.answer["played"][mechanism]["welfare_eur"],
        }
        for one in answered
        for mechanism in MECHANISMS
    ]
    means = mean_rows(daily, "system", "charge_of", "played_under")
    return [{**row, "share_of_best_known": _share(row["operator_profit_eur"], row["best_known_there_eur"])} for row in means]


def _profit(one: Answered, mechanism: str) -> float:
    return float(one.answer["played"][mechanism]["operator_profit_eur"])


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def rounds_rows(answered: Sequence[Answered]) -> list[Row]:
    """Return what negotiations keep when they are cut after so many rounds, means over days."""
    daily = [
        {
            "system": one.question.case.system,
            "mechanism": one.question.mechanism,
            "cut_after": one.question.rounds,
            **{name: one.answer[name] for name in ("efficiency", "operator_profit_eur", "messages", "megabytes")},
        }
        for one in answered
    ]
    return mean_rows(daily, "system", "mechanism", "cut_after")
