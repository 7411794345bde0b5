"""What changes in the conclusions with the account of flows and with an import fee: the four regimes again, under each combination."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from ....envs.account.settlement import Flows
from ....envs.community.calendar import Scenario
from ..cases import Case
from ..cells import Answered
from ..tables import Row
from .regimes import Regimes, daily_rows, regime_rows

IMPORT_FEE: Final = 0.08
"""EUR/kWh: about what a household pays for the use of the network, so that trade which displaces imports costs the operator."""
ACCOUNTS: Final[tuple[Flows, ...]] = ("trades", "injections")


def questions(system: str, scenarios: Sequence[Scenario]) -> list[Regimes]:
    """Return what to ask: every day under both accounts, with the fee and without."""
    cases = [Case.of(system, scenario) for scenario in scenarios]
    return [Regimes(replace(case, flows=flows, import_fee=fee)) for flows in ACCOUNTS for fee in (0.0, IMPORT_FEE) for case in cases]


def rows(answered: Sequence[Answered]) -> list[Row]:
    """Return four rows for each system, account and fee: means over days."""
    daily: list[Row] = []
    for one in answered:
        daily += daily_rows([one], flows=one.question.case.flows, import_fee=one.question.case.import_fee)
    return regime_rows(daily, "system", "flows", "import_fee")
