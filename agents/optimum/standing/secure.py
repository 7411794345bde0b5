"""The best charge among those that keep every branch within its limit in a share of the scenarios: a chance constraint, exactly.

Let A_s be the charges at which scenario s may be secure, as far as is known (:mod:`.limits`). A charge counts only if

    Σ_s w_s·[γ ∈ A_s] ≥ share,

so that the greatest sum of bounds over cells where scenarios of that weight may be secure is the upper bound. The lower bound is a charge
at which all scenarios were cleared again and settled, and that many did keep their limits. Where no cell is left, no charge is secure in
that share, and what share is possible at most is the answer. Scenarios are cleared where a branch likely reaches its limit, in the cells
that decide: the whole affine piece around the charge then says exactly where it does.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ....envs.account.objective import ExactObjective
from ....envs.community.day import Array
from ....envs.errors import ClearingError
from ..agreement import EXACTNESS
from .answers import Standing
from .asking import allowance, too_wide
from .limits import Secured, likely_at, limits_of, secured, where_to_look
from .parts import Asked, is_pinned, parts_of
from .search import FLOOR, MOST, ROUNDS, StandingDays
from .sums import Summed, middles_of

_TIE: Final = 1e-9  # of the weight: sums in another order may differ by less
_ROOMY: Final = 0.5  # of the tolerance: what bounds are asked to come down to
_RESOLUTION: Final = 1e-13  # share of the cap below which two charges are not told apart


@dataclass(frozen=True, eq=False, kw_only=True)
class SecureCharge:
    """The best charge among those that are secure in a share of the scenarios.

    Attributes:
        share: The share asked for, by weight.
        best: The charge with its proof; None where it is proved that no charge is secure in that share.
        greatest_share: No charge is secure in more than this, by weight.
        clearings: Market clearings used in all so far.
        seconds: Wall time of this question.
    """

    share: float
    best: Standing | None
    greatest_share: float
    clearings: int
    seconds: float


def require_share(share: float) -> None:
    """Raise unless a share is above 0 and at most 1.

    Raises:
        ValueError: If it is not.
    """
    if not 0.0 < share <= 1.0:
        raise ValueError(f"the share of scenarios in which a charge must be secure must be above 0 and at most 1, got {share}.")


def best_secure(days: StandingDays, goal: ExactObjective, *, share: float = 1.0, tolerance: float = 1e-6) -> SecureCharge:
    """Find the best charge among those that keep every branch within its limit in a share of the scenarios.

    Args:
        days: The scenarios, with ``hard_limits``.
        goal: One of their goals.
        share: The share, by weight, above 0 and at most 1.
        tolerance: Relative gap at which the search ends.

    Raises:
        ValueError: If the share or the goal is none, or the scenarios were made without ``hard_limits``.
        ClearingError: If a scenario cannot be cleared, or the gap does not close.
    """
    require_share(share)
    if goal not in days.goals or not tolerance > 0 or not days.games[0].hard_limits:
        raise ValueError(
            f"hard limits need scenarios made with hard_limits=True, a goal among {', '.join(days.goals)} and a tolerance > 0, got "
            f"hard_limits={days.games[0].hard_limits}, {goal!r} and {tolerance!r}."
        )
    return _Secure(days, goal, share, tolerance).run()


class _Secure:
    """The state of one question."""

    def __init__(self, days: StandingDays, goal: ExactObjective, share: float, tolerance: float) -> None:
        self.days, self.goal, self.share, self.tolerance = days, goal, share, tolerance
        self.number = days.goals.index(goal)
        self.began = time.perf_counter()
        self.missed: set[float] = set()  # charges that looked secure and were not when all were cleared again

    def run(self) -> SecureCharge:
        days = self.days
        days.begin()
        aim: float | None = None
        for _ in range(ROUNDS):
            best = self._best_settled()
            sums = days.summed(best[0] if best is not None else 0.5 * days.cap, *([] if aim is None else [aim]))
            state = secured(days.known, days.weights, sums.edges)
            counts = state.may >= self.share - _TIE
            if not counts.any():
                return self._answer(None, float(state.may.max()))
            bound, lead = float(sums.peaks(self.number)[1][counts].max()), -np.inf if best is None else best[1]
            gap = np.inf if best is None else self._allowed_gap(best[0])
            if bound - lead <= gap and best is not None:
                return self._answer(self._standing(best, bound), float(state.may.max()))
            aim, promise = self._aim(sums)
            if aim is not None and aim not in days.settled and promise > lead and all(is_pinned(known.parts, aim) for known in days.known):
                if self._secure_share(aim) < self.share - _TIE:
                    self.missed.add(aim)
                continue
            self._ask(sums, state, counts, enough=lead + _ROOMY * gap if best is not None else -np.inf, aim=aim)
        raise ClearingError(
            f"the best charge that is secure in a share of {self.share:g} must be proved within {ROUNDS} rounds, and is not: charges too "
            "close together to be told apart may be secure. Ask for another share, or for a larger tolerance."
        )

    def _best_settled(self) -> tuple[float, float] | None:
        """Return the best charge that was settled and is secure in the share, and its value."""
        found = [charge for charge in self.days.settled if self._secure_share(charge) >= self.share - _TIE]
        return max(((each, self.days.value_eur(each, self.goal)) for each in found), key=lambda at: at[1], default=None)

    def _secure_share(self, charge: float) -> float:
        """Return the weight of the scenarios that are secure at a charge, all cleared again."""
        return self.days.account(charge).secure_share

    def _allowed_gap(self, charge: float) -> float:
        stake = self.days.yardstick_eur(self.days.account(charge), self.goal)
        return self.tolerance * stake + EXACTNESS * self.days.turnover_eur

    def _aim(self, sums: Summed) -> tuple[float | None, float]:
        """Return the charge that likely is best of those that likely are secure, and what it likely earns; None where none is."""
        peaks = sums.peaks(self.number, chord=True)[0]
        charges = np.unique(np.concatenate([sums.edges, peaks, limits_of(self.days.known, "likely")]))
        fits = likely_at(self.days.known, self.days.weights, charges) >= self.share - _TIE
        fits &= ~np.isin(charges, list(self.missed))
        if not fits.any():
            return None, -np.inf
        cell = np.clip(np.searchsorted(sums.edges, charges, "right") - 1, 0, len(sums.edges) - 2)
        t = (charges - sums.edges[cell]) / np.diff(sums.edges)[cell]
        low, middle, high = sums.chord[:, self.number, cell]
        bend = 2.0 * (low - 2.0 * middle + high)
        value = np.where(fits, low + (high - low - bend) * t + bend * t * t, -np.inf)
        best = int(np.argmax(value))
        return float(charges[best]), float(value[best])

    def _ask(self, sums: Summed, state: Secured, counts: NDArray[np.bool_], *, enough: float, aim: float | None) -> None:
        """Ask for what shows of each charge that it is no better, or not secure in the share."""
        days = self.days
        wanted = counts & (sums.peaks(self.number)[1] > enough)
        allowed = np.full((len(days.games), len(days.goals), len(sums.edges) - 1), np.inf)
        if np.isfinite(enough):
            least = FLOOR * (enough - self._best_settled()[1]) / _ROOMY  # type: ignore[index]
            asked = allowance(sums, goal=self.number, enough=enough, least=least)
            allowed[:, self.number] = np.where(wanted, asked, np.inf)
            days.cut(too_wide(sums, goal=self.number, enough=enough))
        if aim is not None:
            days.cut(np.array([aim]))
        ends = limits_of(days.known, "may")
        days.cut(ends[wanted[np.clip(np.searchsorted(sums.edges, ends, "right") - 1, 0, len(wanted) - 1)]])
        undecided = wanted & (state.surely < self.share - _TIE)
        pins = [self._pins(number, sums.edges, undecided & is_open, aim) for number, is_open in enumerate(state.is_open)]
        if days.refine([Asked(edges=sums.edges, allowed=each, most=MOST, pins=pin) for each, pin in zip(allowed, pins, strict=True)]) == 0:
            days.cut(middles_of(sums.edges)[wanted])

    def _pins(self, number: int, edges: Array, cells: NDArray[np.bool_], aim: float | None) -> tuple[float, ...]:
        """Return where to clear a scenario so that it is known whether it is secure in some cells, EUR/kWh."""
        first = () if aim is None else (aim,)
        if not cells.any():
            return first
        lower, upper = edges[:-1][cells], edges[1:][cells]
        found = [
            where_to_look(part)
            for part in self.days.known[number].parts
            if not part.is_decided
            and part.upper - part.lower > _RESOLUTION * self.days.cap
            and ((lower < part.upper) & (part.lower < upper)).any()
        ]
        return (*first, *found)

    def _standing(self, best: tuple[float, float], bound: float) -> Standing:
        charge, value = best
        account, upper = self.days.account(charge), max(bound, value)
        return Standing(
            charge=charge,
            objective=self.goal,
            risk=self.days.risk,
            account=account,
            value_eur=value,
            upper_bound_eur=upper,
            relative_gap=(upper - value) / self.days.yardstick_eur(account, self.goal),
            clearings=self.days.clearings,
            seconds=time.perf_counter() - self.began,
            parts=parts_of(self.days.known),
        )

    def _answer(self, best: Standing | None, most: float) -> SecureCharge:
        return SecureCharge(
            share=self.share,
            best=best,
            greatest_share=min(most, 1.0),
            clearings=self.days.clearings,
            seconds=time.perf_counter() - self.began,
        )
