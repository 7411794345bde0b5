"""What a charge led to, beside what each prosumer has alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from ....envs.arrays import Array
from ....envs.games.spec import GameSpec
from ....envs.games.transition import Transition
from ....envs.market.no_trade import no_trade
from .problem import Problem, exact_market


@dataclass(frozen=True, eq=False, kw_only=True)
class ExploredDay:
    """A day as it was cleared and settled.

    Attributes:
        problem: The day.
        charge: γ in EUR/kWh, shape (K,).
        outcome: What it led to.
        alone_eur: Each prosumer's surplus where nobody trades, shape (N,).
    """

    problem: Problem
    charge: Array
    outcome: Transition[Any]
    alone_eur: Array

    @property
    def gain_eur(self) -> Array:
        """What each prosumer has more than without trade, shape (N,)."""
        return np.asarray(self.outcome.settlement.surplus_eur - self.alone_eur)

    @property
    def level(self) -> float:
        """The mean coefficient, EUR/kWh: where the charge stands on the axis of equal coefficients."""
        return float(self.charge.mean())

    @property
    def is_level(self) -> bool:
        """Whether all coefficients are equal."""
        return bool(np.ptp(self.charge) == 0)


def play(problem: Problem, charge: Array) -> ExploredDay:
    """Clear and settle a day.

    Args:
        problem: The day.
        charge: γ in EUR/kWh, shape (K,), or shape (1,) for equal coefficients.

    Raises:
        ValueError: If there is no such day, or the charge cannot be posted.
        ClearingError: If the day cannot be cleared.
    """
    setting = problem.setting
    posted = spread(charge, setting.n_charges)
    outcome = setting.transition(problem.mechanism, problem.day, posted)
    plain = replace(problem, spec=GameSpec(community=problem.spec.community))  # what who trades with nobody does not depend on
    return ExploredDay(problem=problem, charge=posted, outcome=outcome, alone_eur=_alone(plain))


def spread(charge: Array, n_charges: int) -> Array:
    """Return a charge for every coefficient, shape (n_charges,): as it is, or one number, shape (1,), for all."""
    return np.full(n_charges, charge[0]) if charge.shape == (1,) else charge


@lru_cache(maxsize=256)
def _alone(problem: Problem) -> Array:
    day = problem.day
    surplus = problem.setting.transition(exact_market(), no_trade(day), np.zeros(problem.setting.n_charges)).settlement.surplus_eur
    surplus.setflags(write=False)
    return surplus
