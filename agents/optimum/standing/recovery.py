"""Charges that recover a cost: the least one, and the one that is best for all among those that do.

A cost is recovered where the mean profit is at least so many EUR a day. With U_P ≥ P and U_W ≥ W over all charges (:mod:`.sums`),

* every charge below the first with U_P(γ) ≥ cost recovers less: the lower end of the bracket. Its upper end is a charge at which the days,
  cleared again and settled, do recover it;
* welfare among charges that recover the cost is at most the greatest U_W(γ) over charges with U_P(γ) ≥ cost.

Where even the greatest U_P is below the cost, none recovers it: what the days can bear at most is then the answer.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import numpy as np

from ....envs.community.day import Array
from ....envs.errors import ClearingError
from ..agreement import EXACTNESS
from .answers import Standing, StandingAccount
from .asking import allowance, too_wide
from .parts import parts_of
from .search import FLOOR, ROUNDS, StandingDays
from .sums import Summed

_SAFE: Final = 1e-12  # of the turnover: by how much more than the cost a charge is aimed at


@dataclass(frozen=True, eq=False, kw_only=True)
class LeastCharge:
    """The least standing charge that recovers a cost.

    Attributes:
        cost_eur: The cost, EUR per day.
        charge: A charge that recovers it, EUR/kWh; NaN where none does.
        charge_lower_bound: Every charge below this recovers less, EUR/kWh; infinite where it is proved that none recovers it.
        account: Means over the days at the charge; None where there is none.
        greatest: What the days can bear at most, and at which charge.
        clearings: Market clearings used in all so far.
        seconds: Wall time of this question.
    """

    cost_eur: float
    charge: float
    charge_lower_bound: float
    account: StandingAccount | None
    greatest: Standing
    clearings: int
    seconds: float

    @property
    def is_recoverable(self) -> bool | None:
        """Whether some charge recovers the cost; None where the greatest profit is not known closely enough to say."""
        if self.account is not None:
            return True
        return False if self.greatest.upper_bound_eur < self.cost_eur else None


def least_recovering(days: StandingDays, cost_eur: float, *, greatest: Standing, tolerance: float = 1e-6) -> LeastCharge:
    """Find the least charge whose mean profit is at least a cost.

    Args:
        days: The days, with ``"profit"`` among their goals.
        cost_eur: The cost, EUR per day.
        greatest: The charge of greatest profit of the same days.
        tolerance: Width of the bracket that ends the search, as a share of the cap. Charges that the bracket leaves undecided come as close
            to the cost as this share of what is at stake.

    Raises:
        ValueError: If the cost is not a number.
        ClearingError: If a day cannot be cleared, or the bracket does not close.
    """
    began, goal = time.perf_counter(), _number(days, "profit")
    require_cost(cost_eur)
    if greatest.account.profit_eur < cost_eur:
        nothing = np.inf if greatest.upper_bound_eur < cost_eur else np.nan
        return LeastCharge(
            cost_eur=cost_eur,
            charge=np.nan,
            charge_lower_bound=nothing,
            account=None,
            greatest=greatest,
            clearings=days.clearings,
            seconds=time.perf_counter() - began,
        )
    least = FLOOR * tolerance * days.yardstick_eur(greatest.account, "profit")
    safe = _SAFE * days.turnover_eur
    for _ in range(ROUNDS):
        found = min((each for each in days.tried if each.profit_eur >= cost_eur), key=lambda each: each.charge)
        sums = days.summed(found.charge)
        below = _first_at_least(sums, goal, cost_eur)
        aim = _first_at_least(sums, goal, cost_eur + safe, chord=True)
        wide = found.charge - below
        if wide <= tolerance * days.cap or not below < found.charge:
            break
        tried = aim if below <= aim < found.charge and aim not in days.settled else 0.5 * (below + found.charge)
        days.account(tried)
        days.pin(tried)  # what is known there says where to try next: chords between responses can promise too much
        days.cut(np.array([tried]))
        if _ask_below(days, sums, (cost_eur, found.charge, least)) == 0 and tried != aim and wide <= 1e-4 * days.cap:
            break  # profit touches the cost to within the tolerance all along the bracket
    else:
        raise ClearingError(f"the least charge that recovers {cost_eur} EUR a day must be found within {ROUNDS} rounds.")
    return LeastCharge(
        cost_eur=cost_eur,
        charge=found.charge,
        charge_lower_bound=min(below, found.charge),
        account=found,
        greatest=greatest,
        clearings=days.clearings,
        seconds=time.perf_counter() - began,
    )


def best_welfare_recovering(days: StandingDays, cost_eur: float, *, least: LeastCharge, tolerance: float = 1e-6) -> Standing:
    """Find the charge of greatest mean welfare among those whose mean profit is at least a cost.

    Args:
        days: The days, with ``"profit"`` and ``"welfare"`` among their goals.
        cost_eur: The cost, EUR per day.
        least: The least charge that recovers it.
        tolerance: Relative gap at which the search ends.

    Raises:
        ValueError: If no charge recovers the cost.
        ClearingError: If a day cannot be cleared, or the gap does not close.
    """
    began = time.perf_counter()
    if least.account is None:
        raise ValueError(f"at least one charge must recover {cost_eur} EUR a day, and none does. Ask for a lower cost.")
    profit, welfare = _number(days, "profit"), _number(days, "welfare")
    for _ in range(ROUNDS):
        best = max((each for each in days.tried if each.profit_eur >= cost_eur), key=lambda each: each.welfare_eur)
        sums = days.summed(best.charge)
        stake = days.yardstick_eur(best, "welfare")
        may = sums.peaks(profit)[1] >= cost_eur
        bound = max(float(np.where(may, sums.peaks(welfare)[1], -np.inf).max()), best.welfare_eur)
        if bound - best.welfare_eur <= tolerance * stake + EXACTNESS * days.turnover_eur:
            return Standing(
                charge=best.charge,
                objective="welfare",
                risk=days.risk,
                account=best,
                value_eur=best.welfare_eur,
                upper_bound_eur=bound,
                relative_gap=(bound - best.welfare_eur) / stake,
                clearings=days.clearings,
                seconds=time.perf_counter() - began,
                parts=parts_of(days.known),
            )
        charges, along = sums.peaks(welfare, chord=True)
        earns = sums.chord[:, profit].min(axis=0) >= cost_eur
        if earns.any():
            tried = float(charges[np.argmax(np.where(earns, along, -np.inf))])
            days.account(tried)
            days.pin(tried)
            days.cut(np.array([tried]))
        _ask_undecided(days, sums, (cost_eur, best.welfare_eur + 0.5 * tolerance * stake, FLOOR * tolerance * stake))
    raise ClearingError(f"the best charge that recovers {cost_eur} EUR a day must be proved within {ROUNDS} rounds.")


def require_cost(cost_eur: float) -> None:
    """Raise unless a cost is a finite number.

    Raises:
        ValueError: If it is not.
    """
    if not np.isfinite(cost_eur):
        raise ValueError(f"a cost to recover must be a finite number of EUR, got {cost_eur}.")


def _number(days: StandingDays, goal: str) -> int:
    if goal not in days.goals:
        raise ValueError(f"the days must be bounded for {goal!r} too, got goals {', '.join(days.goals)}.")
    return [str(each) for each in days.goals].index(goal)


def _first_at_least(sums: Summed, goal: int, level: float, *, chord: bool = False) -> float:
    """Return a charge below which a sum reaches a level nowhere, or about where it does by its chords, EUR/kWh; infinite for nowhere."""
    (reached,) = np.nonzero(sums.peaks(goal, chord=chord)[1] >= level)
    if not len(reached):
        return float("inf")
    k = int(reached[0])
    if not chord:
        return float(sums.edges[k])
    start, middle, end = (float(part) for part in sums.chord[:, goal, k])
    if start >= level:
        return float(sums.edges[k])
    bend = 2.0 * (start - 2.0 * middle + end)
    roots = np.roots([bend, end - start - bend, start - level]) if abs(bend) > 1e-300 else np.roots([end - start, start - level])
    share = min((float(root.real) for root in roots if abs(root.imag) <= 1e-9 and 0.0 <= root.real <= 1.0), default=1.0)
    return float(sums.edges[k] + share * (sums.edges[k + 1] - sums.edges[k]))


def _nothing_asked(days: StandingDays, sums: Summed) -> Array:
    return np.full((len(days.games), len(days.goals), len(sums.edges) - 1), np.inf)


def _ask_below(days: StandingDays, sums: Summed, numbers: tuple[float, float, float]) -> int:
    """Ask for what shows that charges below one that recovers the cost recover less; return how many days had more to say."""
    cost, charge, least = numbers
    allowed, profit = _nothing_asked(days, sums), _number(days, "profit")
    asked = allowance(sums, goal=profit, enough=cost, least=least)
    allowed[:, profit] = np.where(sums.edges[:-1] < charge, asked, np.inf)
    days.cut(too_wide(sums, goal=profit, enough=cost))
    return days.ask(sums.edges, allowed)


def _ask_undecided(days: StandingDays, sums: Summed, numbers: tuple[float, float, float]) -> None:
    """Ask for what shows of each charge that it is no better, or does not recover the cost: whichever its chords suggest."""
    cost, enough, least = numbers
    profit, welfare = _number(days, "profit"), _number(days, "welfare")
    (_, earned), (_, earned_along) = sums.peaks(profit), sums.peaks(profit, chord=True)
    (_, good), (_, good_along) = sums.peaks(welfare), sums.peaks(welfare, chord=True)
    undecided = (earned >= cost) & (good > enough)
    by_profit = undecided & (earned_along < cost) & (good_along > enough)
    allowed = _nothing_asked(days, sums)
    allowed[:, welfare] = np.where(undecided & ~by_profit, allowance(sums, goal=welfare, enough=enough, least=least), np.inf)
    allowed[:, profit] = np.where(by_profit, allowance(sums, goal=profit, enough=cost, least=least), np.inf)
    days.cut(too_wide(sums, goal=welfare, enough=enough))
    days.cut(too_wide(sums, goal=profit, enough=cost))
    days.ask(sums.edges, allowed)
