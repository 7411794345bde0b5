"""Operator profit, losses, trade and welfare against the charge at mean distance, with storage and without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ....envs.community.calendar import Scenario
from ..cases import Case, situation_of
from ..cells import Answer, Answered
from ..effort import StudySize
from ..tables import Row, mean_rows


@dataclass(frozen=True)
class Sweep:
    """One day at each of several charges in EUR/kWh at mean distance."""

    case: Case
    charges: tuple[float, ...]

    def answer(self) -> Answer:
        """Clear and settle at each."""
        situation, columns = situation_of(self.case), []
        for charge in self.charges:
            settled = situation.clear_at(charge)[1]
            columns.append(
                {
                    "charge": charge,
                    "operator_profit_eur": settled.profit_eur,
                    "welfare_eur": settled.welfare_eur,
                    "loss_kwh": settled.loss_kwh,
                    "traded_kwh": settled.traded_kwh,
                    "charged_kwh": settled.charged_kwh,
                }
            )
        return {"points": columns}


def questions(system: str, scenarios: Sequence[Scenario], effort: StudySize) -> list[Sweep]:
    """Return what to ask: every day with its storage and without."""
    charges = tuple(float(charge) for charge in np.round(np.linspace(0.0, effort.greatest_charge, effort.charges), 12))
    cases = [Case.of(system, scenario) for scenario in scenarios]
    return [Sweep(replace(case, storage=storage), charges) for case in cases for storage in (True, False)]


def rows(answered: Sequence[Answered]) -> list[Row]:
    """Return means over days by system, storage and charge."""
    points = [
        {"system": one.question.case.system, "storage": one.question.case.storage, **point}
        for one in answered
        for point in one.answer["points"]
    ]
    return mean_rows(points, "system", "storage", "charge")
