"""The charges of each hour that are best under the call auction, with a bound: the best right end of every period's own stretches.

Orders are submitted before anybody knows a charge, so that the matching of a period answers to the charge of that period alone, whoever has
storage. With flows of trades and no import fee the operator's profit is a sum over periods of what their matchings alone say:

    Π(γ) = Σ_t Π_t(γ_t) ≤ Σ_t max over the breakpoints γ_tk of period t of Π_t(γ_tk).

Under other accounts the plans after the auction count too, and storage ties those of different periods together. Where nobody has any, each
period is a day of its own, and all of them are solved by :func:`.solve.solve_call_auction`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import NamedTuple

import numpy as np

from ....envs.account.objective import OBJECTIVES, require_exact
from ....envs.account.tariff import Tariff
from ....envs.community.day import Array, Day
from ....envs.games.tail import hour_of
from ....envs.games.transition import Rules, Transition, transition
from ....envs.market.call_auction import CallAuction
from ....envs.market.call_auction.orders import Orders, orders_of
from ....envs.market.call_auction.plans import plan_alone
from ....envs.market.mechanism import Allocation
from ..agreement import require_agreement
from .solve import BACK, AuctionOptimum, costs_eur, ends_of, is_by_matching, solve_call_auction
from .stretches import MatchingStretch, stretches_of


def solve_auction_hours(day: Day, rules: Rules, tariff: Tariff, mechanism: CallAuction, *, cap: float) -> AuctionOptimum:
    """Find the best charge of every period of a day under a call auction.

    Args:
        day: The day.
        rules: What the money depends on, and what is maximised.
        tariff: What is charged: one coefficient for each hour.
        mechanism: The auction.
        cap: Greatest charge in EUR/kWh.

    Raises:
        ValueError: If the tariff is another, the objective neither profit nor welfare, or periods are not apart (:func:`hours_apart`).
        ClearingError: If the day cannot be cleared, or what was proved does not come of playing it.
    """
    if tariff.n_basis != 1 or tariff.per != "hour":
        raise ValueError(f"breakpoints of each hour are those of one coefficient an hour, got a {tariff.kind} tariff per {tariff.per}.")
    objective = OBJECTIVES[require_exact(rules.objective)]
    if not hours_apart(rules, import_fee=day.import_fee, stores=bool(day.has_storage.any())):
        raise ValueError(
            "hours are apart under a call auction where profit is maximised with flows of trades and no import fee, or where nobody has "
            f"storage; got {rules.objective}, flows of {rules.flows}, an import fee of {day.import_fee:g} and "
            f"{int(day.has_storage.sum())} prosumers with storage. The best charges that are played can be had, without a bound."
        )

    def play(charges: Array) -> Transition[Allocation]:
        return transition(rules, mechanism, day, tariff.charges(charges[:, None]))

    began = time.perf_counter()
    if is_by_matching(rules, import_fee=day.import_fee):
        found = _by_matching(day, rules, tariff, mechanism, cap=cap, play=play)
    else:
        found = _by_days(day, rules, replace(tariff, per="day"), mechanism, cap)
    played, zero = play(found.charges), play(np.zeros(day.n_periods)).reward_eur
    yardstick = objective.yardstick_eur(day, played.settlement)
    require_agreement(day, found.earned_eur, played.reward_eur, yardstick=yardstick, tolerance=1e-6)
    bound = max(found.bound_eur, played.reward_eur, zero)
    return AuctionOptimum(
        charges=found.charges,
        best_eur=played.reward_eur,
        upper_bound_eur=bound,
        relative_gap=(bound - played.reward_eur) / yardstick,
        settlement=played.settlement,
        zero_eur=zero,
        breakpoints=sum(stretch.high.charge < cap for each in found.stretches for stretch in each),
        matchings=found.matchings,
        plays=found.plays + 2,
        seconds=time.perf_counter() - began,
        orders=found.orders,
        stretches=found.stretches,
    )


def hours_apart(rules: Rules, *, import_fee: float, stores: bool) -> bool:
    """Return whether each period's charge can be found by itself, given whether somebody has storage."""
    return not stores or is_by_matching(rules, import_fee=import_fee)


class _Found(NamedTuple):
    """The best charges by themselves, shape (T,), what they earn and at most can in EUR, and what they were found from."""

    charges: Array
    earned_eur: float
    bound_eur: float
    orders: Orders
    stretches: Sequence[Sequence[MatchingStretch]]
    matchings: int
    plays: int


def _by_matching(
    day: Day, rules: Rules, tariff: Tariff, mechanism: CallAuction, *, cap: float, play: Callable[[Array], Transition[Allocation]]
) -> _Found:
    basis, hours = tariff.basis[0], day.period_hours
    orders = orders_of(day, plan_alone(day), mechanism.steps)
    stretches, matchings = stretches_of(day, orders, basis, cap=cap)
    ends, earned, bound = np.zeros(day.n_periods), 0.0, 0.0
    for period, each in enumerate(stretches):
        charges, kw, moved = ends_of(day, orders, basis, each, period)
        costs = costs_eur(day, rules, np.stack([each[0].low.trade, *(stretch.high.trade for stretch in each)]), period)
        profits = hours * charges * kw - costs[1:]
        free = -float(costs[0])  # without a charge
        best = int(profits.argmax())
        better = profits[best] > free
        ends[period], earned = (charges[best] if better else 0.0), earned + (float(profits[best]) if better else free)
        bound += max(free, float((profits + hours * kw * moved).max()))
    tried = np.maximum(ends - cap * np.array(BACK)[:, None], 0.0)  # (tries, T)
    by_period = np.stack([_by_period(day, rules, basis, charges, play(charges).clearing.trade) for charges in tried])
    chosen = tried[by_period.argmax(axis=0), np.arange(day.n_periods)]
    return _Found(chosen, earned, bound, orders, stretches, matchings, len(BACK))


def _by_period(day: Day, rules: Rules, basis: Array, charges: Array, trade: Array) -> Array:
    """Return the profit of each period in EUR, shape (T,), at charges of shape (T,) and trades of shape (T, N, N)."""
    costs = [float(costs_eur(day, rules, trade[period : period + 1], period)[0]) for period in range(day.n_periods)]
    profit: Array = day.period_hours * charges * (basis * trade).sum(axis=(1, 2)) - costs
    return profit


def _by_days(day: Day, rules: Rules, tariff: Tariff, mechanism: CallAuction, cap: float) -> _Found:
    """Solve each period as a day of its own; the tariff is one for the day."""
    apart = [solve_call_auction(hour_of(day, period), rules, tariff, mechanism, cap=cap) for period in range(day.n_periods)]
    orders = {entry.name: np.concatenate([getattr(each.orders, entry.name) for each in apart]) for entry in fields(Orders)}
    return _Found(
        charges=np.concatenate([each.charges for each in apart]),
        earned_eur=sum(each.best_eur for each in apart),
        bound_eur=sum(each.upper_bound_eur for each in apart),
        orders=Orders(**orders),
        stretches=[each.stretches[0] for each in apart],
        matchings=sum(each.matchings for each in apart),
        plays=sum(each.plays for each in apart),
    )
