"""The best charge that stands on many days, with a proof: no charge up to the cap earns more on average.

Let Π_s be the goal of scenario s, a day of some community, and U_s what it does not exceed (:mod:`.parts`). For weights w_s ≥ 0 that sum
to 1,

    Σ_s w_s Π_s(γ) ≤ Σ_s w_s U_s(γ)    for every γ in [0, cap],

and the right side is bounded cell by cell of charges (:mod:`.sums`): the upper bound. So is the mean of the worst part of the scenarios
(:mod:`.risk`). The lower bound is what a charge earns when every scenario is cleared again and settled. Each round has all scenarios
cleared at the most promising charge, and asks each for as much more as is needed to rule a charge out (:mod:`.asking`): where they earn
less by their chords than the best charge found, less exactness will do. Scenarios are independent of each other within a round, so that
they are refined side by side, and the answer does not depend on how many are.

Scenarios are asked for less near γ = 0, say, than a proof of each by itself would need: what counts is the sum.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
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
from .answers import SETTLED, Standing, StandingAccount
from .asking import allowance, cells_around, too_wide
from .parts import Asked, Known, StandingGame, excess_left, is_pinned, parts_of, refined
from .risk import MEAN, Risk
from .sums import Summed, summed

ROUNDS: Final = 60
"""At most, of any question."""
MOST: Final = 10_000
"""Clearings of a day in one round at most."""
FLOOR: Final = 0.1
"""Of the tolerance: no day is asked for more exactness at any charge."""
_BATCH: Final = 1024  # days between two times that what is known is kept: processes wait for the slowest at its end
_FIRST: Final = 3  # clearings of each day before anything is known of the others
_ROOMY: Final = 0.5  # of the tolerance: what bounds are asked to come down to


class Run(Protocol):
    """Calls a function on items, in any order or place, and returns the results in the order of the items."""

    def __call__(self, function: Callable[[Any], Any], items: Iterable[Any], label: str | None = None) -> list[Any]:
        """Return ``[function(item) for item in items]``; ``label`` names the work for a progress bar."""


def one_by_one(function: Callable[[Any], Any], items: Iterable[Any], label: str | None = None) -> list[Any]:
    """Call a function on items one after the other; ``label`` is for those who show progress."""
    del label
    return [function(item) for item in items]


def standing_games(
    days: Sequence[Day],
    network: Network,
    tariff: Tariff,
    *,
    cap: float,
    flows: Flows = "trades",
    goals: tuple[ExactObjective, ...] = ("profit",),
    hard_limits: bool = False,
) -> list[StandingGame]:
    """Return days of one community as scenarios; those of several communities are lists put together.

    Args:
        days: The days.
        network: Where the prosumers sit.
        tariff: A tariff of one coefficient for the whole day.
        cap: Greatest charge, EUR/kWh.
        flows: The account of flows.
        goals: What will be asked about.
        hard_limits: Whether it will be asked at which charges branches keep within their limits.

    Raises:
        ValueError: If the tariff has more than one coefficient, or the cap is not above 0.
    """
    every: dict[str, Any] = {"network": network, "flows": flows, "goals": goals, "cap": cap, "hard_limits": hard_limits}
    return [StandingGame(day=day, basis=one_basis(day, tariff, cap=cap), **every) for day in days]


class StandingDays:
    """S days under one standing charge: what is known of them, and what charges were tried. Questions about them share both.

    Args:
        games: The days, each with its network and basis: of one community, or of several.
        weights: Of the days, at least 0, summing to 1; all alike where absent.
        risk: What counts of the days.
        run: Calls a function on many items; one after the other where absent.
        market: What clears; where absent each process makes a structured one for itself. Others must pickle if ``run`` has processes.
        keep: Called with this now and then, to keep what is known.

    Raises:
        ValueError: If there is no day, days differ in cap or goals, or the weights are none.
    """

    def __init__(
        self,
        games: Sequence[StandingGame],
        *,
        weights: Array | None = None,
        risk: Risk = MEAN,
        run: Run = one_by_one,
        market: ExactResponse | None = None,
        keep: Callable[[StandingDays], None] | None = None,
    ) -> None:
        if not games:
            raise ValueError("a standing charge needs at least one day, got none.")
        for name, values in (
            ("cap", {each.cap for each in games}),
            ("goals", {each.goals for each in games}),
            ("hard_limits", {each.hard_limits for each in games}),
        ):
            if len(values) > 1:
                raise ValueError(f"days under one charge must have one {name}, got {sorted(values)}. Give all the same.")
        self.games, self.goals, self.cap = list(games), games[0].goals, games[0].cap
        self.weights, self.risk = checked_weights(weights, len(games)), risk
        self.turnover_eur = float(self.weights @ [each.day.turnover_eur for each in games])
        self.known = [Known() for _ in games]
        self.settled: dict[float, Array] = {}  # by charge: what was settled of each day, shape (S, 7)
        self._run, self._market, self.keep = run, market, keep
        self._cuts = np.zeros(0)

    @property
    def clearings(self) -> int:
        """Market clearings used."""
        return sum(each.clearings for each in self.known) + len(self.games) * len(self.settled)

    @property
    def tried(self) -> list[StandingAccount]:
        """Means at every charge at which all days were settled."""
        return [self.account(charge) for charge in self.settled]

    def account(self, charge: float) -> StandingAccount:
        """Clear and settle every day at a charge, and return the means; a charge tried before is not cleared again."""
        if charge not in self.settled:
            found = self._run(_settled, [(game, charge, self._market) for game in self.games], f"clearing at {charge:.4g} EUR/kWh")
            self.settled[charge] = np.array([[getattr(each, name) for name in SETTLED] for each in found])
        means = self.weights @ self.settled[charge]
        *account, secure = means.tolist()
        return StandingAccount(charge=charge, **dict(zip(SETTLED, account, strict=False)), secure_share=secure)

    def value_eur(self, charge: float, goal: ExactObjective) -> float:
        """Return what is to be greatest at a charge, every day cleared and settled, EUR."""
        self.account(charge)
        return self.risk.of(self.settled[charge][:, SETTLED.index(f"{goal}_eur")], self.weights)

    def refine(self, asked: Sequence[Asked]) -> int:
        """Refine the days that leave more open than is asked of each; return how many there were."""
        todo = [s for s, (known, of) in enumerate(zip(self.known, asked, strict=True)) if _lacks(known, of)]
        step = max(len(todo), 1) if self.keep is None else _BATCH
        for first in range(0, len(todo), step):
            batch = todo[first : first + step]
            items = [(self.games[s], self.known[s], asked[s], self._market) for s in batch]
            for s, found in zip(batch, self._run(_refined, items, f"refining {len(todo)} days"), strict=True):
                self.known[s] = found
            if self.keep is not None:
                self.keep(self)
        return len(todo)

    def ask(self, edges: Array, allowed: Array, *, pins: tuple[float, ...] = ()) -> int:
        """Refine the days; return how many there were.

        Args:
            edges: Of K cells, EUR/kWh, shape (K + 1,).
            allowed: The excess that each of S days may keep for each of G goals, EUR, shape (S, G, K).
            pins: Charges at which responses are asked for, EUR/kWh.
        """
        return self.refine([Asked(edges=edges, allowed=each, most=MOST, pins=pins) for each in allowed])

    def begin(self) -> None:
        """Clear a few charges of each day, if that has not been done."""
        asked = Asked(edges=np.array([0.0, self.cap]), allowed=np.zeros((len(self.goals), 1)), most=_FIRST)
        nothing = Asked(edges=asked.edges, allowed=np.full((len(self.goals), 1), np.inf), most=_FIRST)
        self.refine([nothing if each.parts else asked for each in self.known])

    def pin(self, charge: float) -> None:
        """Have every day cleared at a charge, with the affine piece around it."""
        self.ask(np.array([0.0, self.cap]), np.full((len(self.games), len(self.goals), 1), np.inf), pins=(charge,))

    def summed(self, *around: float) -> Summed:
        """Return what is known of all days, in cells that are the narrower the closer they are to one of some charges."""
        edges = np.unique(np.concatenate([self._cuts, *(cells_around(charge, self.cap) for charge in set(around))]))
        return summed(self.known, self.risk, self.weights, edges)

    def cut(self, charges: Array) -> None:
        """Have cells end at these charges besides, EUR/kWh, shape (any,), from now on."""
        self._cuts = np.union1d(self._cuts, charges)

    def yardstick_eur(self, account: StandingAccount | None, goal: ExactObjective) -> float:
        """Return what a gap of means is measured by, in EUR: as for one day."""
        return at_stake_eur(account, least=self.turnover_eur if goal == "welfare" else LEAST_SHARE * self.turnover_eur)

    def greatest(self, goal: ExactObjective, *, tolerance: float = 1e-6) -> Standing:
        """Return the charge with the greatest mean of a goal, or the greatest mean of its worst part, with its proof.

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
        best, lead, bound = *self._best_settled(goal), np.inf
        around = best
        for _ in range(ROUNDS):
            sums = self.summed(best, around)
            if all(is_pinned(known.parts, around) for known in self.known):
                here = float(sums.chord_at(around)[number])
                best, lead = (around, here) if here > lead else (best, lead)
            charges, along = sums.peaks(number, chord=True)
            around = float(charges[np.argmax(along)])
            if not np.isfinite(lead):
                self.pin(around)
                continue
            stake = self._stake_eur(best, lead, goal)
            bound, allowed_gap = max(float(sums.peaks(number)[1].max()), lead), tolerance * stake + EXACTNESS * self.turnover_eur
            if bound - lead <= allowed_gap:
                found = self._found(best, goal, bound, began)
                if found.relative_gap <= tolerance + EXACTNESS * self.turnover_eur / stake:
                    return found
            enough = lead + _ROOMY * allowed_gap
            allowed = np.full((len(self.games), len(self.goals), len(sums.edges) - 1), np.inf)
            allowed[:, number] = allowance(sums, goal=number, enough=enough, least=FLOOR * tolerance * stake)
            self.cut(too_wide(sums, goal=number, enough=enough))
            self.ask(sums.edges, allowed, pins=(around,))
        raise ClearingError(f"the best standing charge must be proved within {ROUNDS} rounds, and is still between {lead} and {bound} EUR.")

    def _best_settled(self, goal: ExactObjective) -> tuple[float, float]:
        """Return the best charge at which all days were settled, and its value; the middle and nothing where there is none."""
        return max(((each, self.value_eur(each, goal)) for each in self.settled), key=lambda at: at[1], default=(0.5 * self.cap, -np.inf))

    def _stake_eur(self, charge: float, value_eur: float, goal: ExactObjective) -> float:
        """Return what a gap is measured by at a charge: before its days were settled what it earns, which is about as much."""
        if charge in self.settled:
            return self.yardstick_eur(self.account(charge), goal)
        least = self.yardstick_eur(None, goal)
        return least if goal == "welfare" else max(abs(value_eur), least)

    def _found(self, charge: float, goal: ExactObjective, bound: float, began: float) -> Standing:
        """Clear every day again at the best charge and put everything together."""
        account, value = self.account(charge), self.value_eur(charge, goal)
        upper = max(bound, value)
        return Standing(
            charge=charge,
            objective=goal,
            risk=self.risk,
            account=account,
            value_eur=value,
            upper_bound_eur=upper,
            relative_gap=(upper - value) / self.yardstick_eur(account, goal),
            clearings=self.clearings,
            seconds=time.perf_counter() - began,
            parts=parts_of(self.known),
        )


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
            f"sum {float(values.sum()):g}. Divide them by their sum; `solve_scenarios` does so with `renormalise=True`."
        )
    return values


def _lacks(known: Known, asked: Asked) -> bool:
    """Return whether something is asked that is not known."""
    if not known.parts or any(not is_pinned(known.parts, charge) for charge in asked.pins):
        return True
    return asked.is_any and any(excess_left(part, asked)[0] > 0.0 for part in known.parts)


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
