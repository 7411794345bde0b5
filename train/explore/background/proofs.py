"""What takes longer than an answer: the goal over the charge, the certified optimum, the whole curve with its proof.

Of a tariff of several coefficients it is that of equal ones: the charge on the axis is posted as each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from ....agents.optimum import Optimum, profit_curve, solve_optimum
from ....envs.account.objective import require_exact
from ....envs.account.tariff import Tariff
from ....envs.arrays import Array
from ....envs.community.day import Day
from ....envs.market.exact.solution import Clearing
from ..model.problem import Problem, exact_market

SAMPLES: Final = 25
"""Charges, evenly from 0 to the cap, whose goal is drawn before the curve is known."""

Check = Callable[[], None]
"""Raises where nobody waits for the answer any more."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Sampled:
    """The goal at a few charges.

    Attributes:
        charges: EUR/kWh, shape (n,).
        goal_eur: The operator's goal, shape (n,).
        free_eur: Each prosumer's surplus where nothing is charged, shape (N,).
    """

    charges: Array
    goal_eur: Array
    free_eur: Array


@dataclass(frozen=True, kw_only=True)
class Best:
    """The certified optimum.

    Attributes:
        charge: EUR/kWh.
        goal_eur: What it earns.
        upper_bound_eur: No charge earns more.
        clearings: It took so many.
        seconds: It took so long.
    """

    charge: float
    goal_eur: float
    upper_bound_eur: float
    clearings: int
    seconds: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Band:
    """The curve between its bounds, which meet where it is known exactly; charges in EUR/kWh, bounds in EUR, shapes (n,)."""

    charges: Array
    low_eur: Array
    high_eur: Array


@dataclass(frozen=True, kw_only=True)
class Watched:
    """The exact market, as long as somebody waits for what it clears; an :class:`~gridtoll.envs.market.mechanism.ExactResponse`."""

    check: Check

    def clear(self, day: Day, charges: ArrayLike, *, start: Clearing | None = None) -> Clearing:
        """Clear one day at charges in EUR/kWh, shape (T, N, N) or (N, N)."""
        self.check()
        return exact_market().clear(day, charges, start=start)

    def clear_many(self, days: Any, charges: Any) -> Any:
        """Clear days."""
        self.check()
        return exact_market().clear_many(days, charges)


def sampled(problem: Problem, check: Check) -> Sampled:
    """Return the goal at a few charges."""
    setting, goals, free = problem.setting, [], None
    charges = np.linspace(0.0, setting.charge_cap, SAMPLES)
    for charge in charges:
        check()
        outcome = setting.transition(problem.mechanism, problem.day, np.full(setting.n_charges, charge))
        goals.append(outcome.reward_eur)
        free = outcome.settlement.surplus_eur if free is None else free
    return Sampled(charges=charges, goal_eur=np.array(goals), free_eur=np.asarray(free))


def best(problem: Problem, check: Check) -> Best:
    """Return the certified optimum.

    Raises:
        ClearingError: If it cannot be proved.
    """
    found = _optimum(problem, Watched(check=check))
    goal = found.recleared_welfare_eur if found.objective == "welfare" else found.recleared_profit_eur
    return Best(charge=found.charge, goal_eur=goal, upper_bound_eur=found.upper_bound_eur, clearings=found.clearings, seconds=found.seconds)


def band(problem: Problem, check: Check) -> Band:
    """Return the whole curve.

    Raises:
        ClearingError: If the optimum cannot be proved.
    """
    market = Watched(check=check)
    certificate = _optimum(problem, market).certificate
    if certificate is None:  # not of an optimum that was solved here
        raise ValueError("a curve is worked out from a certificate, got an optimum without one.")
    charges, low, high = profit_curve(certificate, market=market).band()
    return Band(charges=charges, low_eur=low, high_eur=high)


_KEPT: dict[Problem, Optimum] = {}


def _optimum(problem: Problem, market: Watched) -> Optimum:
    """Return the optimum with its proof, that of the last problem kept for its curve."""
    if problem not in _KEPT:
        setting = problem.setting
        level = Tariff(kind=setting.tariff.kind, basis=setting.tariff.basis.sum(axis=0)[None], names=("each coefficient",))
        rules = setting.rules
        found = solve_optimum(
            problem.day,
            problem.community.network,
            level,
            cap=setting.charge_cap,
            flows=rules.flows,
            objective=require_exact(rules.objective),
            market=market,
        )
        _KEPT.clear()
        _KEPT[problem] = found
    return _KEPT[problem]
