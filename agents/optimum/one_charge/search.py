"""The exact optimum of a one-parameter tariff: best-first search over intervals of the charge.

Each step clears inside the interval with the greatest upper bound, takes the whole affine piece around that point as solved, and puts the
two gaps left beside it back with bounds of their own (:mod:`.bounds`). It ends when no gap can beat the incumbent by more than the
tolerance. The incumbent is re-cleared from scratch, and what it earns there is the profit reported.

Under hard limits a piece counts only where its flows, affine in the charge, stay within the limits, and a gap only where they can
(:func:`.bounds.secure_part`); a search that ends without any such charge has proved that there is none.

Walking from piece to piece instead would take thousands of clearings near γ = 0, where pieces are 1e-5 wide.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import partial
from math import inf, isfinite, nan

import numpy as np

from ....envs.account.objective import OBJECTIVES, ExactObjective
from ....envs.account.settlement import Flows
from ....envs.account.tariff import Tariff
from ....envs.community.day import Array, Day
from ....envs.errors import ClearingError
from ....envs.games.transition import Rules
from ....envs.grid.network import Network
from ....envs.market.exact import Clearing, P2PMarket
from ....envs.market.mechanism import ExactResponse
from ..agreement import EXACTNESS, require_agreement
from ..proved import Optimum
from ..together import Failure, Search, ToClear, alone, side_by_side, together
from .bounds import norms, secure_part, upper_bound
from .certificate import OptimumCertificate, SolvedPiece
from .chord import Chord
from .gaps import Gap, Gaps
from .line import EXACT, ChargeLine, LinePoint, Piece

_MAX_CLEARINGS = 5_000
_CENTRE = 0.02  # a gap is never split closer than this share of its width to an end: slivers cost as much as halves
_RESOLUTION = 1e-13  # share of the cap below which two charges are not told apart
_WITHIN = 0.5  # share of the tolerance on branch limits that answers use; the rest keeps them secure when cleared again


def solve_optimum(
    day: Day,
    network: Network,
    tariff: Tariff,
    *,
    cap: float,
    flows: Flows = "trades",
    objective: ExactObjective = "profit",
    market: ExactResponse | None = None,
    tolerance: float = 1e-6,
    hard_limits: bool = False,
) -> Optimum:
    """Find the charge that is best for the operator, or for all, on one day, and prove it.

    Args:
        day: The day.
        network: Where the prosumers sit.
        tariff: A tariff of one coefficient for the whole day.
        cap: Greatest charge allowed, EUR/kWh.
        flows: Which account of the flows the operator answers for.
        objective: ``"profit"`` of the operator, or ``"welfare"`` of prosumers and operator together.
        market: What clears; a new :class:`P2PMarket` where absent.
        tolerance: Relative gap at which the search ends. A proof may miss it by a billionth of the day's turnover, the exactness of
            clearings, which is more only where next to nothing is earned; ``relative_gap`` tells.
        hard_limits: Whether every branch must stay within its limit (to a relative 1e-9), whatever overload costs.

    Raises:
        ValueError: If the tariff has more than one coefficient, or the cap or the tolerance is not above 0.
        ClearingError: If a clearing misses its tolerance, or the proof misses that of the search: it does not close within its limit of
            clearings, responses are too inexact for it, or what was proved does not come out when it is cleared again.
    """
    asked = OneCharge(network, tariff, cap=cap, flows=flows, objective=objective, tolerance=tolerance, hard_limits=hard_limits)
    return alone(asked.search(day), P2PMarket() if market is None else market)


@dataclass(frozen=True, eq=False)
class OneCharge:
    """What is asked of every day of a batched search: the arguments of :func:`solve_optimum` but for the day and the market.

    Attributes:
        network: Where the prosumers sit.
        tariff: A tariff of one coefficient for the whole day.
        cap: Greatest charge allowed, EUR/kWh.
        flows: Which account of the flows the operator answers for.
        objective: What is maximised.
        tolerance: Relative gap at which a search ends.
        hard_limits: Whether every branch must stay within its limit.
    """

    network: Network
    tariff: Tariff
    _: KW_ONLY
    cap: float
    flows: Flows = "trades"
    objective: ExactObjective = "profit"
    tolerance: float = 1e-6
    hard_limits: bool = False

    def search(self, day: Day) -> Search[Optimum]:
        """Return the search for the optimum of a day, for :mod:`..together`."""
        basis = one_basis(day, self.tariff, cap=self.cap, tolerance=self.tolerance)
        began = time.perf_counter()
        line = ChargeLine(day, self.network, basis, flows=self.flows, objective=self.objective)
        search = _BestFirst(line, cap=self.cap, tolerance=self.tolerance, hard_limits=self.hard_limits)
        yield from search.run()
        again = None if search.incumbent is None else (yield from search.cleared(search.incumbent.charge))
        return _optimum(search, again, began)


def solve_optima(
    days: Sequence[Day], question: OneCharge, *, market: ExactResponse, at_once: int | None = None
) -> Iterator[tuple[int, Optimum | Failure]]:
    """Find the best charge of each of many days, and prove it; their searches advance together, and their clearings are one call.

    Args:
        days: The days.
        question: What is asked of each.
        market: What clears.
        at_once: How many searches advance together; as :func:`side_by_side` says of the first day where absent.

    Yields:
        The place of a day, and its optimum, the same to the last bit as :func:`solve_optimum` finds, or the error that it raises.
    """
    if at_once is None:
        at_once = side_by_side(days[0].n_periods, days[0].n_prosumers) if days else 1
    yield from together([partial(question.search, day) for day in days], market, at_once=at_once)


def one_basis(day: Day, tariff: Tariff, *, cap: float, tolerance: float = 1.0) -> Array:
    """Return the basis of a tariff of one coefficient, shape (N, N), after checking what a search is asked for.

    Raises:
        ValueError: If the tariff has more than one coefficient, or the cap or the tolerance is not above 0.
    """
    if not 0 < cap < inf or not tolerance > 0:
        raise ValueError(f"the charge cap must be finite and > 0, and the tolerance > 0, got {cap} and {tolerance}.")
    if tariff.n_coefficients(day.n_periods) != 1:
        raise ValueError(
            f"the exact optimum needs a tariff of one coefficient for the day, such as 'unique' or 'distance' charged per day; the "
            f"{tariff.kind} tariff charged per {tariff.per} has {tariff.n_coefficients(day.n_periods)}."
        )
    basis: Array = tariff.basis[0]
    return basis


def _optimum(search: _BestFirst, clearing: Clearing | None, began: float) -> Optimum:
    """Put everything together; the incumbent was cleared again, from scratch."""
    line, best = search.line, search.incumbent
    profit = recleared_profit = welfare = recleared_welfare = revenue = nan
    bound = max(search.gaps.bound_eur, search.solved_bound)
    if best is not None and clearing is not None:
        rules = Rules(network=line.network, basis=line.basis, flows=line.flows, objective=line.objective)
        again = rules.settled(line.day, best.charge * line.basis, clearing)
        settlement = again.settlement
        # Rounding may put either evaluation of the incumbent above the closed-form bound of its own piece.
        bound = max(bound, best.goal_eur, again.reward_eur)
        profit, recleared_profit = best.profit_eur, settlement.profit_eur
        welfare, recleared_welfare = best.profit_eur - best.value_eur, settlement.welfare_eur
        revenue = settlement.revenue_eur
        require_agreement(line.day, best.goal_eur, again.reward_eur, yardstick=search.yardstick, tolerance=search.tolerance)
    goal = -inf if best is None else best.goal_eur
    secure = search.is_secure
    certificate = OptimumCertificate(
        day=line.day,
        network=line.network,
        basis=line.basis,
        flows=line.flows,
        objective=line.objective,
        charge_cap=search.cap,
        charge=nan if best is None else best.charge,
        best_eur=goal,
        upper_bound_eur=bound,
        pieces=tuple(sorted(search.pieces, key=lambda piece: (piece.lower, piece.upper))),
        gaps=tuple(sorted(search.gaps.pruned(), key=lambda gap: gap.lower)),
        hard_limits=search.hard_limits,
    )
    gap = (bound - goal) / search.yardstick if bound > goal else 0.0
    if best is not None and bound - goal > search.tolerance * search.yardstick + EXACTNESS * line.turnover_eur:
        raise ClearingError(
            f"the optimum of day {line.day.label!r} must be proved to a relative gap of {search.tolerance:g}, and the gap is still "
            f"{gap:.3g}, between {goal} and {bound} EUR: clearings are not exact enough for less. Pass a larger tolerance."
        )
    return Optimum(
        charge=certificate.charge,
        charge_cap=search.cap,
        objective=line.objective,
        profit_eur=profit,
        recleared_profit_eur=recleared_profit,
        welfare_eur=welfare,
        recleared_welfare_eur=recleared_welfare,
        upper_bound_eur=bound,
        relative_gap=gap,
        revenue_eur=revenue,
        clearings=line.clearings,
        seconds=time.perf_counter() - began - search.waited,
        certificate=certificate,
        hard_limits=search.hard_limits,
        secure=secure,
    )


class _BestFirst:
    """The state of one search: the incumbent, the solved pieces, and the gaps between them."""

    def __init__(self, line: ChargeLine, *, cap: float, tolerance: float, hard_limits: bool) -> None:
        self.line, self.cap, self.hard_limits = line, cap, hard_limits
        self.pieces: list[SolvedPiece] = []
        self.incumbent: LinePoint | None = None
        self.solved_bound = -inf
        self.waited = 0.0
        self.tolerance = tolerance
        self._norms = norms(line)
        self.gaps = Gaps()

    @property
    def best_eur(self) -> float:
        """The goal of the incumbent in EUR; minus infinity where there is none."""
        return -inf if self.incumbent is None else self.incumbent.goal_eur

    @property
    def yardstick(self) -> float:
        """What the gap is measured by, in EUR."""
        return OBJECTIVES[self.line.objective].yardstick_eur(self.line.day, self.incumbent)

    @property
    def is_secure(self) -> bool | None:
        """Whether the incumbent keeps every limit; without one under hard limits, False if that is proved for all charges."""
        if self.incumbent is None:
            return None if max(self.gaps.bound_eur, self.solved_bound) > -inf else False
        limit = self.line.network.grid.branch_limit_kw * (1.0 + 1e-9)
        return bool(np.all(np.abs(self.incumbent.flow_kw) <= limit))

    def run(self) -> Generator[ToClear, Clearing, None]:
        """Split gaps until none can beat the incumbent by more than half the tolerance; the other half is for rounding."""
        first = yield from self._piece(0.0)
        last = yield from self._piece(self.cap)
        for piece in (first, last):
            self._solve(piece)
        self._push(first.upper_end, last.lower_end)
        while self.gaps.greatest_eur > self._enough:
            if self.line.clearings >= _MAX_CLEARINGS:
                raise ClearingError(
                    f"the optimum of day {self.line.day.label!r} must be proved within {_MAX_CLEARINGS} clearings, and is still between "
                    f"{self.best_eur} and {self.gaps.bound_eur} EUR. Pass a larger tolerance than {self.tolerance:g}."
                )
            gap = self.gaps.pop()
            if gap.right.charge - gap.left.charge <= _RESOLUTION * self.cap:
                self.gaps.leave(gap)
                continue
            piece = yield from self._piece(gap.look_at)
            self._solve(piece)
            self._push(gap.left, piece.lower_end if piece.lower > gap.left.charge else gap.left)
            self._push(piece.upper_end if piece.upper < gap.right.charge else gap.right, gap.right)

    def _piece(self, charge: float) -> Generator[ToClear, Clearing, Piece]:
        clearing = yield from self.cleared(charge)
        return self.line.piece_of(charge, clearing, cap=self.cap)

    def cleared(self, charge: float) -> Generator[ToClear, Clearing, Clearing]:
        """Return the clearing of a charge; what others need meanwhile does not count as this search's time."""
        paused = time.perf_counter()
        clearing = yield self.line.asked(charge)
        self.waited += time.perf_counter() - paused - clearing.seconds
        return clearing

    @property
    def _enough(self) -> float:
        if self.incumbent is None:
            return -inf
        return self.incumbent.goal_eur + 0.5 * self.tolerance * self.yardstick

    def _solve(self, piece: Piece) -> None:
        chord = Chord(self.line, piece.lower_end, piece.upper_end)
        low, high = secure_part(chord, share=_WITHIN) if self.hard_limits else (0.0, 1.0)
        charge, goal = piece.lower, -inf
        if low <= high:
            charge, goal = piece.peak(low, high)
            if goal > self.best_eur:
                best = piece.at(charge)
                goal = best.goal_eur
                if goal > self.best_eur:
                    self.incumbent = best
                    self.gaps.close(goal)
        self.pieces.append(SolvedPiece(piece.lower, piece.upper, charge, goal))
        self.solved_bound = max(self.solved_bound, self._bound_of(piece, chord, goal))

    def _bound_of(self, piece: Piece, chord: Chord, goal: float) -> float:
        """Return a bound on a solved piece: its best goal, unless its ends are less exact than rounding or its edge is within tolerance."""
        if self.hard_limits:
            low, high = secure_part(chord)
            goal = chord.peak(low, high)[1] if low <= high else -inf
        if max(piece.lower_end.worst, piece.upper_end.worst) > EXACT and isfinite(goal):
            ends = (piece.lower_end, piece.upper_end)
            goal = max(goal, upper_bound(self.line, self._norms, *ends, target=goal, hard_limits=self.hard_limits)[0])
        return goal

    def _push(self, left: LinePoint, right: LinePoint) -> None:
        if left.charge >= right.charge:
            return
        bound, peak = upper_bound(self.line, self._norms, left, right, target=self.best_eur, hard_limits=self.hard_limits)
        margin = _CENTRE * (right.charge - left.charge)
        look_at = min(max(peak, left.charge + margin), right.charge - margin)
        self.gaps.push(Gap(-bound, left.charge, left, right, look_at), best_eur=self.best_eur)
