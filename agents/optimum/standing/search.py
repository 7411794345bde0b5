"""The best charge that stands on many days, with a proof: no charge up to the cap earns more on average.

Let Π_s be the goal of day s and U_s what it does not exceed (:mod:`.parts`). For weights w_s ≥ 0 that sum to 1,

    Σ_s w_s Π_s(γ) ≤ Σ_s w_s U_s(γ)    for every γ in [0, cap],

and the right side, piecewise quadratic, has a peak that is closed-form (:mod:`.sums`): the upper bound. The lower one is what a charge
earns when every day is cleared again and settled. Each round clears the days at the most promising charge, and asks each day for as much
more as is needed to rule a charge out (:mod:`.asking`): where the days earn less on average by their chords than the best charge found,
less exactness will do. Days are independent of each other within a round, so that they are refined side by side, and the answer does not
depend on how many are.

Days are asked for less near γ = 0, say, than a proof of each day by itself would need: what counts is the sum.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Protocol

import numpy as np

from ....envs.account.objective import LEAST_SHARE, ExactObjective, at_stake_eur
from ....envs.account.settlement import Flows, Settlement
from ....envs.account.tariff import Tariff
from ....envs.community.day import Array, Day
from ....envs.errors import ClearingError
from ....envs.games.transition import Rules, transition
from ....envs.grid.network import Network
from ....envs.market.mechanism import ExactResponse
from ....envs.market.solvers import make_market
from ..agreement import EXACTNESS
from ..one_charge.search import one_basis
from .asking import allowance, cells_around
from .parts import Asked, Known, StandingGame, excess_left, parts_of, refined
from .sums import Summed, summed

ROUNDS: Final = 60
"""At most, of any question."""
MOST: Final = 10_000
"""Clearings of a day in one round at most."""
FLOOR: Final = 0.1
"""Of the tolerance: no day is asked for more exactness at any charge."""
_FIRST: Final = 6  # clearings of each day before anything is known of the others


class Run(Protocol):
    """Calls a function on items, in any order or place, and returns the results in the order of the items."""

    def __call__(self, function: Callable[[Any], Any], items: Iterable[Any], label: str | None = None) -> list[Any]:
        """Return ``[function(item) for item in items]``; ``label`` names the work for a progress bar."""


def one_by_one(function: Callable[[Any], Any], items: Iterable[Any], label: str | None = None) -> list[Any]:
    """Call a function on items one after the other; ``label`` is for those who show progress."""
    del label
    return [function(item) for item in items]


@dataclass(frozen=True, kw_only=True)
class StandingAccount:
    """What the operator is paid and pays on average on a day at one charge, and what all have of it, in EUR.

    Attributes:
        charge: EUR/kWh.
        profit_eur: The operator's profit.
        welfare_eur: Of prosumers and operator.
        revenue_eur: Charges collected.
        import_fee_eur: Fee on imports.
        loss_cost_eur: Paid for losses.
        overload_cost_eur: Paid for overload.
    """

    charge: float
    profit_eur: float
    welfare_eur: float
    revenue_eur: float
    import_fee_eur: float
    loss_cost_eur: float
    overload_cost_eur: float

    def goal_eur(self, goal: ExactObjective) -> float:
        """Return one of the objectives."""
        return self.welfare_eur if goal == "welfare" else self.profit_eur


@dataclass(frozen=True, eq=False, kw_only=True)
class Standing:
    """The best charge of many days.

    Attributes:
        charge: EUR/kWh.
        objective: What is greatest at it.
        account: Means over the days at it, cleared again and settled.
        upper_bound_eur: No charge in [0, cap] takes the mean of the objective higher, EUR per day.
        relative_gap: (upper bound − mean) over what is at stake, as for one day (:mod:`gridtoll.envs.account.objective`), in means.
        clearings: Market clearings used in all so far, those of other questions about the same days included.
        seconds: Wall time of this question.
        parts: Parts of the proof.
    """

    charge: float
    objective: ExactObjective
    account: StandingAccount
    upper_bound_eur: float
    relative_gap: float
    clearings: int
    seconds: float
    parts: int


class StandingDays:
    """S days under one standing charge: what is known of them, and what charges were tried. Questions about them share both.

    Args:
        days: The days, of one community.
        network: Where the prosumers sit.
        tariff: A tariff of one coefficient for the whole day.
        cap: Greatest charge, EUR/kWh.
        weights: Of the days, at least 0, summing to 1; all alike where absent.
        flows: The account of flows.
        goals: What will be asked about.
        run: Calls a function on many items; one after the other where absent.
        market: What clears; where absent each process makes a structured one for itself. Others must pickle if ``run`` has processes.

    Raises:
        ValueError: If there is no day, the tariff has more than one coefficient, or the weights are none.
    """

    def __init__(
        self,
        days: Sequence[Day],
        network: Network,
        tariff: Tariff,
        *,
        cap: float,
        weights: Array | None = None,
        flows: Flows = "trades",
        goals: tuple[ExactObjective, ...] = ("profit",),
        run: Run = one_by_one,
        market: ExactResponse | None = None,
    ) -> None:
        if not days:
            raise ValueError("a standing charge needs at least one day, got none.")
        self.basis = one_basis(days[0], tariff, cap=cap)
        self.games = [StandingGame(day=day, network=network, basis=self.basis, flows=flows, goals=goals, cap=cap) for day in days]
        self.goals, self.cap, self.weights = goals, cap, checked_weights(weights, len(days))
        self.turnover_eur = float(self.weights @ [day.turnover_eur for day in days])
        self.known = [Known() for _ in days]
        self.tried: dict[float, StandingAccount] = {}
        self._run, self._market, self._cleared = run, market, 0

    @property
    def clearings(self) -> int:
        """Market clearings used."""
        return sum(each.clearings for each in self.known) + self._cleared

    def account(self, charge: float) -> StandingAccount:
        """Clear and settle every day at a charge; a charge tried before is not cleared again."""
        if charge not in self.tried:
            settled = self._run(_settled, [(game, charge, self._market) for game in self.games], f"clearing at {charge:.4g} EUR/kWh")
            self._cleared += len(settled)
            means = {
                name: float(self.weights @ [getattr(each, name) for each in settled])
                for name in StandingAccount.__dataclass_fields__
                if name != "charge"
            }
            self.tried[charge] = StandingAccount(charge=charge, **means)
        return self.tried[charge]

    def refine(self, asked: Asked) -> int:
        """Refine the days that leave more open than is asked for; return how many there were."""
        todo = [s for s, each in enumerate(self.known) if not each.parts or any(excess_left(part, asked)[0] > 0.0 for part in each.parts)]
        items = [(self.games[s], self.known[s], asked, self._market) for s in todo]
        for s, found in zip(todo, self._run(_refined, items, f"refining {len(todo)} days"), strict=True):
            self.known[s] = found
        return len(todo)

    def begin(self) -> None:
        """Clear a few charges of each day, if that has not been done."""
        if not self.known[0].parts:
            cells = np.array([0.0, self.cap])
            self.refine(Asked(edges=cells, allowed=np.zeros((len(self.goals), 1)), most=_FIRST))

    def summed(self, around: float) -> tuple[Summed, Array]:
        """Return the sums over the days, and the edges of cells, shape (K + 1,), that are the narrower the closer they are to a charge."""
        edges = cells_around(around, self.cap)
        return summed(self.known, self.weights, edges), edges

    def yardstick_eur(self, account: StandingAccount | None, goal: ExactObjective) -> float:
        """Return what a gap of means is measured by, in EUR: as for one day."""
        return at_stake_eur(account, least=self.turnover_eur if goal == "welfare" else LEAST_SHARE * self.turnover_eur)

    def greatest(self, goal: ExactObjective, *, tolerance: float = 1e-6) -> Standing:
        """Return the charge with the greatest mean of a goal, with its proof.

        Args:
            goal: One of ``goals``.
            tolerance: Relative gap at which the search ends.

        Raises:
            ValueError: If the goal is not among ``goals``, or the tolerance not above 0.
            ClearingError: If a day cannot be cleared, or the gap does not close.
        """
        if goal not in self.goals or not tolerance > 0:
            raise ValueError(f"the goal must be one of {', '.join(self.goals)}, and the tolerance > 0, got {goal!r} and {tolerance!r}.")
        began, number = time.perf_counter(), self.goals.index(goal)
        self.begin()
        best: StandingAccount | None = None
        around = 0.5 * self.cap
        for _ in range(ROUNDS):
            sums, edges = self.summed(around)
            charges, along = sums.peaks(number, chord=True)
            around = float(charges[np.argmax(along)])
            best = max([self.account(around), *([] if best is None else [best])], key=lambda each: each.goal_eur(goal))
            stake, lead = self.yardstick_eur(best, goal), best.goal_eur(goal)
            bound = max(float(sums.peaks(number)[1].max()), lead)
            if bound - lead <= tolerance * stake + EXACTNESS * self.turnover_eur:
                return Standing(
                    charge=best.charge,
                    objective=goal,
                    account=best,
                    upper_bound_eur=bound,
                    relative_gap=(bound - lead) / stake,
                    clearings=self.clearings,
                    seconds=time.perf_counter() - began,
                    parts=parts_of(self.known),
                )
            sums, edges = self.summed(best.charge)
            allowed = np.full((len(self.goals), len(edges) - 1), np.inf)
            allowed[number] = self.allowance(goal, sums, edges, enough=lead + 0.5 * tolerance * stake, least=FLOOR * tolerance * stake)
            self.refine(Asked(edges=edges, allowed=allowed, most=MOST))
        raise ClearingError(f"the best standing charge must be proved within {ROUNDS} rounds, and is still between {lead} and {bound} EUR.")

    def allowance(self, goal: ExactObjective, sums: Summed, edges: Array, *, enough: float, least: float) -> Array:
        """Return the excess each day may keep in each cell, EUR; see :func:`.asking.allowance`."""
        return allowance(self.known, self.weights, sums, edges, goal=self.goals.index(goal), enough=enough, least=least)


def checked_weights(weights: Array | None, count: int) -> Array:
    """Return weights of so many days, shape (days,).

    Raises:
        ValueError: If they are not at least 0 each and 1 in all.
    """
    if weights is None:
        return np.full(count, 1.0 / count)
    values = np.asarray(weights, dtype=np.float64)
    if values.shape != (count,) or not np.isfinite(values).all() or (values < 0.0).any() or abs(float(values.sum()) - 1.0) > 1e-9:
        raise ValueError(
            f"`weights` must be {count} numbers of at least 0 that sum to 1, got shape {values.shape}, least {values.min(initial=0.0):g}, "
            f"sum {float(values.sum()):g}. Divide them by their sum."
        )
    return values


@cache
def _own_market() -> ExactResponse:
    return make_market("structured")


def _refined(item: tuple[StandingGame, Known, Asked, ExactResponse | None]) -> Known:
    game, known, asked, market = item
    return refined(game, known, asked, market or _own_market())


def _settled(item: tuple[StandingGame, float, ExactResponse | None]) -> Settlement:
    """Clear and settle a day from scratch."""
    game, charge, market = item
    rules = Rules(network=game.network, basis=game.basis, flows=game.flows, objective="profit")
    return transition(rules, market or _own_market(), game.day, np.tile(charge * game.basis, (game.day.n_periods, 1, 1))).settlement
