"""The hourly game by hand: one charge after another, taken back or played to the end, and its score."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ....envs.account.objective import reward
from ....envs.arrays import Array
from ....envs.games.hourly import HourState, whole_day
from ....envs.games.transition import Outcome
from ....envs.market.mechanism import Allocation
from .played import spread
from .problem import Problem


@dataclass(frozen=True, eq=False, kw_only=True)
class Hand:
    """A game as far as it has come; playing on returns another one.

    Attributes:
        problem: The day.
        states: Before the first hour, and after each hour played.
        outcomes: Of the hours played.
        charges: γ posted in EUR/kWh, an array of shape (K,) for each hour played.
        plan: What prosumers planned in the last hour for the rest of the day, None before the first.
    """

    problem: Problem
    states: tuple[HourState, ...]
    outcomes: tuple[Outcome[Any], ...] = ()
    charges: tuple[Array, ...] = ()
    plan: Any = None

    @property
    def played(self) -> int:
        """How many hours have been played."""
        return len(self.outcomes)

    @property
    def over(self) -> bool:
        """Whether the day is over."""
        return self.states[-1].over

    @property
    def earned_eur(self) -> Array:
        """What each hour played earned, EUR, shape (hours,)."""
        return np.array([reward(each.settlement, self.problem.spec.objective) for each in self.outcomes])

    @property
    def stored_kwh(self) -> Array:
        """What all batteries hold before the first hour and after each one played, shape (hours + 1,)."""
        return np.array([state.stored.sum() for state in self.states])

    def post(self, charge: Array) -> Hand:
        """Play one hour at a charge, γ in EUR/kWh of shape (K,) or (1,).

        Raises:
            ValueError: If the day is over, or the charge cannot be posted.
            ClearingError: If the plan cannot be cleared.
        """
        if self.over:
            raise ValueError(f"a charge must be posted before the day is over, got one after its {self.played} hours. Begin the day again.")
        game = self.problem.hourly
        posted = spread(charge, game.setting.n_charges)
        plays = game.play(self.problem.mechanism, [self.states[-1]], [game.setting.read(posted)])
        return replace(
            self,
            states=(*self.states, plays.states[0]),
            outcomes=(*self.outcomes, plays.outcome(0)),
            charges=(*self.charges, posted),
            plan=plays.cleared[0],
        )

    def post_to_the_end(self, charge: Array) -> Hand:
        """Play every hour left at a charge in EUR/kWh, shape (K,); arguments and errors as :meth:`post`."""
        hand = self.post(charge)
        while not hand.over:
            hand = hand.post(charge)
        return hand

    def day_so_far(self) -> Allocation | None:
        """Return the day as it was carried out, and the rest as it is planned; None before the first hour."""
        if not self.played:
            return None
        clearing: Allocation = whole_day(self.problem.hourly, self.states[0].loaded, self.outcomes, self.plan).clearing
        return clearing

    def back(self) -> Hand:
        """Take the last hour back; a game not begun stays as it is."""
        if not self.played:
            return self
        earlier = begin(self.problem)
        for charge in self.charges[:-1]:  # the plan of the hour before is not kept: it is as quickly made again
            earlier = earlier.post(charge)
        return earlier


def begin(problem: Problem) -> Hand:
    """Return the game before its first hour.

    Raises:
        ValueError: If there is no such day or price path.
    """
    return Hand(problem=problem, states=(problem.hourly.begin(problem.scenario),))


def score(earned_eur: float, *, zero_eur: float, best_eur: float) -> float | None:
    """Return what was earned in % of the way from no charge (0) to the best found (100); None where there is nothing to win."""
    stake = best_eur - zero_eur
    return 100.0 * (earned_eur - zero_eur) / stake if stake > 1e-9 * max(abs(best_eur), 1.0) else None
