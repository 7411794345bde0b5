"""What the wires make of it: charges and regimes by both linear accounts, settled again by the AC power flow of all that is injected.

The linear accounts promise an operator a profit. In the wires the same charge has other losses and another loading, because what is not
traded is imported or exported instead and flows as well. Asked here: how much of the promise is real, which charge an operator would post
who answers for what physically flows, and whether that should be a subsidy, a charge below zero, which the paper's model leaves out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np

from ....envs.account.settlement import Flows, Settlement
from ....envs.account.social import solve_social
from ....envs.community.calendar import Scenario
from ....envs.errors import PowerFlowError
from ....envs.games.transition import transition
from ....envs.grid.ac import AcPowerFlow
from ....envs.market.exact import P2PMarket
from ....envs.market.mechanism import Allocation
from ..cases import Case, Situation, equilibrium, situation_of
from ..cells import Answer, Answered
from ..effort import StudySize
from ..tables import Row, grouped, mean_of, mean_rows

ACCOUNTS: Final[tuple[Flows, ...]] = ("trades", "injections")
SUBSIDIES: Final = (-0.1, -0.05, -0.02, -0.01, -0.005, -0.002)
"""Charges below zero that are tried, as shares of the cap."""
_SEARCHED: Final = (0.0, 0.002, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0)
"""Charges among which the best under AC is looked for, as shares of the cap; again around the best."""
_AROUND: Final = 6
_PROFIT, _WELFARE = "ac_profit_eur", "ac_welfare_eur"
FOR_OPERATOR, FOR_ALL = "best in the wires for the operator", "best in the wires for all"
"""The charges of greatest profit and welfare under AC that were found: what somebody would post who answers for what physically flows."""
COMPARED: Final = ("free", *(f"optimal by {account}" for account in ACCOUNTS), FOR_OPERATOR, FOR_ALL)
"""Regimes that must have an AC power flow on a day for it to count in means."""


@dataclass(frozen=True)
class InTheWires:
    """A day's losses and loading against the charge, by each account and by AC."""

    case: Case
    charges: tuple[float, ...]

    def answer(self) -> Answer:
        """Clear at each charge, and settle three times."""
        situation = situation_of(self.case)
        points = []
        for charge in self.charges:
            clearing, _ = situation.clear_at(charge)
            seen: Row = {"charge": charge}
            for account in ACCOUNTS:
                linear = _settled(situation, clearing, charge, account)
                seen |= {f"{account}_loss_kwh": linear.loss_kwh, f"{account}_peak_loading": linear.peak_loading}
            points.append(seen | _physical(situation, clearing, charge))
        return {"points": points}


@dataclass(frozen=True)
class Promises:
    """What regimes promise by an account, and what they come to in the wires."""

    case: Case

    def answer(self) -> Answer:
        """Free, Social and Optimal P2P by both accounts, the best charge under AC, and that with subsidies allowed."""
        situation, found = situation_of(self.case), dict[str, Row]()
        for account in ACCOUNTS:
            of = replace(self.case, flows=account)
            charge = equilibrium(of).charge or 0.0
            clearing, settled = situation_of(of).clear_at(charge)
            found[f"optimal by {account}"] = _promise(settled, charge) | _physical(situation, clearing, charge)
            social = solve_social(situation.day, situation.network, flows=account)
            promised = {"charge": None, "promised_profit_eur": social.operator_profit_eur, "promised_welfare_eur": social.welfare_eur}
            found[f"social by {account}"] = promised | _physical(situation, social.dispatch, 0.0)
        charges = [*(share * situation.cap for share in _SEARCHED), *(row["charge"] for row in found.values() if row["charge"] is not None)]
        tried = _refined(situation, [_played(situation, charge) for charge in charges])
        found["free"] = tried[0]
        subsidised = _subsidised(situation)
        for goal, name in ((_PROFIT, FOR_OPERATOR), (_WELFARE, FOR_ALL)):
            found[name] = _greatest(tried, goal)
            found[f"{name}, subsidies allowed"] = _greatest([*tried, *subsidised], goal)
        return {"regimes": found}


def _settled(situation: Situation, clearing: Allocation, charge: float, account: Flows) -> Settlement:
    return replace(situation.rules, flows=account).settled(situation.day, charge * situation.network.distance, clearing).settlement


def _physical(situation: Situation, clearing: Allocation, charge: float) -> Row:
    """Return what a clearing comes to in the wires."""
    rules = replace(situation.rules, flows="injections", power_flow=_power_flow(situation))
    try:
        settled = rules.settled(situation.day, charge * situation.network.distance, clearing).settlement
    except PowerFlowError:
        return dict.fromkeys(_PHYSICAL)
    return {name: getattr(settled, name if name in _AS_THEY_ARE else name.removeprefix("ac_")) for name in _PHYSICAL}


_PHYSICAL: Final = ("ac_profit_eur", "ac_welfare_eur", "ac_loss_kwh", "ac_peak_loading", "voltage_min_pu", "voltage_max_pu")
_AS_THEY_ARE: Final = ("ac_loss_kwh", "voltage_min_pu", "voltage_max_pu")
"""What is said of the wires, and which of it settlements call alike; None where an hour's AC power flow has no solution."""


@lru_cache(maxsize=2)
def _power_flow(situation: Situation) -> AcPowerFlow:
    return AcPowerFlow(situation.network)


def _promise(settled: Settlement, charge: float) -> Row:
    return {"charge": charge, "promised_profit_eur": settled.profit_eur, "promised_welfare_eur": settled.welfare_eur}


def _played(situation: Situation, charge: float) -> Row:
    clearing, settled = situation.clear_at(charge)
    return _promise(settled, charge) | _physical(situation, clearing, charge)


def _refined(situation: Situation, tried: list[Row]) -> list[Row]:
    """Return the charges played and closer ones around those of greatest profit and welfare."""
    known = sorted({float(row["charge"]) for row in tried})
    closer: list[float] = []
    for goal in (_PROFIT, _WELFARE):
        place = known.index(_greatest(tried, goal)["charge"])
        low, high = known[max(place - 1, 0)], known[min(place + 1, len(known) - 1)]
        closer += [float(charge) for charge in np.linspace(low, high, _AROUND + 2)[1:-1]]
    return [*tried, *(_played(situation, charge) for charge in closer)]


def _subsidised(situation: Situation) -> list[Row]:
    """Return the same at charges below zero, which only the market by CVXPY clears."""
    market, found = P2PMarket(subsidies=True), list[Row]()
    for share in SUBSIDIES:
        charge = share * situation.cap
        played = transition(situation.rules, market, situation.day, charge * situation.network.distance)
        found.append(_promise(played.settlement, charge) | _physical(situation, played.clearing, charge))
    return found


def _greatest(rows: Sequence[Row], goal: str) -> Row:
    return max(rows, key=lambda row: -np.inf if row[goal] is None else row[goal])


def curve_questions(system: str, scenarios: Sequence[Scenario], effort: StudySize) -> list[InTheWires]:
    """Return what to ask of the days at charges from 0 up."""
    charges = tuple(float(charge) for charge in np.round(np.linspace(0.0, effort.greatest_charge, (effort.charges + 1) // 2), 12))
    return [InTheWires(Case.of(system, scenario), charges) for scenario in scenarios]


def promise_questions(system: str, scenarios: Sequence[Scenario]) -> list[Promises]:
    """Return what to ask of the days about promises."""
    return [Promises(Case.of(system, scenario)) for scenario in scenarios]


def curve_rows(answered: Sequence[Answered]) -> list[Row]:
    """Return means over days by system and charge."""
    return mean_rows(
        [{"system": one.question.case.system, **point} for one in answered for point in one.answer["points"]], "system", "charge"
    )


def promise_rows(answered: Sequence[Answered]) -> list[Row]:
    """Return means over days by system and regime, all over the same days: those on which each of :data:`COMPARED` has an AC power flow."""
    states = []
    for one in answered:
        regimes = one.answer["regimes"]
        compared = all(regimes[name][_PROFIT] is not None for name in COMPARED)
        states += [{"system": one.question.case.system, "regime": name, "compared": compared, **row} for name, row in regimes.items()]
    result = []
    for (system, regime), members in grouped(states, "system", "regime").items():
        of = [row for row in members if row["compared"]]
        numbers = [name for name in members[0] if name not in {"system", "regime", "compared"}]
        result.append(
            {
                "system": system,
                "regime": regime,
                **{name: mean_of([row[name] for row in of]) for name in numbers},
                "days_below_zero": sum(row["charge"] is not None and row["charge"] < 0 for row in of),
                "days_compared": len(of),
                "days_with_a_power_flow": sum(row[_PROFIT] is not None for row in members),
                "days": len(members),
            }
        )
    return result
