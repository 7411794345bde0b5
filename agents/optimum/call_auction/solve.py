"""The charge that is best under the call auction, with a bound: the profit at the right end of every stretch, and no other charge matters.

Between two breakpoints the matching does not change, and neither do the plans that prosumers make with their contracts fixed. The
operator's profit is then γ·E less what losses and overload cost, which rises with γ; welfare does not move at all, as charges change hands.
Since a stretch holds its right end, the best of the right ends, and of no charge, is the best of all charges:

    Π(γ) ≤ max over breakpoints γ_k of Π(γ_k).

Where a period's breakpoint is only known to within δ (the multipliers leave a gap, and lines that are nearly parallel meet nowhere in
particular), the bound counts what δ more of charge would bring.

With flows of trades and no import fee the profit is a sum over periods of what their matchings alone say, and all right ends are compared
at once; else each is played. The best is always played: at its right end or, where that lies a rounding beyond the breakpoint, a little
before. Charges of each hour are found in :mod:`.hours`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ....envs.account.objective import OBJECTIVES, require_exact
from ....envs.account.settlement import Settlement
from ....envs.account.tariff import Tariff
from ....envs.community.day import Array, Day
from ....envs.games.transition import Rules, transition
from ....envs.grid.power_flow import DcPowerFlow
from ....envs.market.call_auction import CallAuction
from ....envs.market.call_auction.orders import Orders, orders_of
from ....envs.market.call_auction.plans import plan_alone
from ..agreement import require_agreement
from .check import gap_eur_per_h
from .stretches import CLOSE, MatchingStretch, stretches_of

BACK: Final = (0.0, 1e-9, 1e-8)
"""How far before a right end the best is played too, as shares of the cap: rounding may have put it a little beyond its breakpoint."""


@dataclass(frozen=True, eq=False, kw_only=True)
class AuctionOptimum:
    """The best charge under a call auction.

    Attributes:
        charges: EUR/kWh, shape (1,), or (T,) where there is one for each hour.
        best_eur: The objective there, as played.
        upper_bound_eur: No charge from 0 to the cap takes the objective higher.
        relative_gap: How far that is above, as a share of what is at stake (:mod:`~gridtoll.envs.account.objective`).
        settlement: Who pays whom there.
        zero_eur: The objective without a charge.
        breakpoints: Charges in (0, cap) at which some period's matching changes.
        matchings: How many times the day was matched.
        plays: How many times it was played, plans after the auction included.
        seconds: Wall time.
        orders: What prosumers submit.
        stretches: Every period's, in rising order: the proof (:func:`.check.verify`).
    """

    charges: Array
    best_eur: float
    upper_bound_eur: float
    relative_gap: float
    settlement: Settlement
    zero_eur: float
    breakpoints: int
    matchings: int
    plays: int
    seconds: float
    orders: Orders
    stretches: Sequence[Sequence[MatchingStretch]]


def solve_call_auction(day: Day, rules: Rules, tariff: Tariff, mechanism: CallAuction, *, cap: float) -> AuctionOptimum:
    """Find the best charge of one day under a call auction.

    Args:
        day: The day.
        rules: What the money depends on, and what is maximised.
        tariff: What is charged: one coefficient for the day.
        mechanism: The auction.
        cap: Greatest charge in EUR/kWh.

    Raises:
        ValueError: If the tariff has several coefficients, or the objective is neither profit nor welfare.
        ClearingError: If the day cannot be cleared, or what was proved does not come of playing it.
    """
    if tariff.n_basis != 1 or tariff.per != "day":
        raise ValueError(f"breakpoints are those of one coefficient for the day, got a {tariff.kind} tariff per {tariff.per}.")
    objective = OBJECTIVES[require_exact(rules.objective)]
    began, basis = time.perf_counter(), tariff.basis[0]
    orders = orders_of(day, plan_alone(day), mechanism.steps)
    stretches, matchings = stretches_of(day, orders, basis, cap=cap)
    ends = np.array(sorted({stretch.high.charge for each in stretches for stretch in each}))
    plays: dict[float, tuple[float, Settlement]] = {}

    def play(charge: float) -> float:
        if charge not in plays:
            played = transition(rules, mechanism, day, np.broadcast_to(charge * basis, (day.n_periods, *basis.shape)))
            plays[charge] = played.reward_eur, played.settlement
        return plays[charge][0]

    zero = play(0.0)
    by_matching = is_by_matching(rules, import_fee=day.import_fee)
    earned = _earned(day, rules, stretches, ends) if by_matching else np.array([play(charge) for charge in ends])
    best = float(ends[int(np.argmax(earned))])
    best = max((best - back * cap for back in BACK if best > back * cap), key=play)
    if not play(best) > zero:
        best = 0.0
    best_eur, settlement = play(best), plays[best][1]
    yardstick = objective.yardstick_eur(day, settlement)
    if best > 0 and by_matching:
        require_agreement(day, float(earned.max()), best_eur, yardstick=yardstick, tolerance=1e-6)
    bound = max(zero, best_eur, float((earned + _unsure(day, orders, basis, stretches, ends)).max()))
    return AuctionOptimum(
        charges=np.array([best]),
        best_eur=best_eur,
        upper_bound_eur=bound,
        relative_gap=(bound - best_eur) / yardstick,
        settlement=settlement,
        zero_eur=zero,
        breakpoints=int((ends < cap).sum()),
        matchings=matchings,
        plays=len(plays),
        seconds=time.perf_counter() - began,
        orders=orders,
        stretches=stretches,
    )


def is_by_matching(rules: Rules, *, import_fee: float) -> bool:
    """Return whether the objective is a sum of what the periods' matchings say: profit, by flows of trades, without import fee."""
    return rules.objective == "profit" and rules.flows == "trades" and import_fee == 0


def costs_eur(day: Day, rules: Rules, trade: Array, period: int) -> Array:
    """Return what losses and overload of a period cost in EUR, shape (S,), for trades in kW of shape (S, N, N)."""
    physics = DcPowerFlow(rules.network) if rules.power_flow is None else rules.power_flow
    net = trade.sum(axis=2) - trade.sum(axis=1)
    flow = physics.of(net[:, None], day.base_injection[None, period : period + 1])  # each matching as a day of one period
    lost, over = flow.loss_kw[:, 0], flow.overload_kw[:, 0].sum(axis=1)
    cost: Array = day.period_hours * (day.loss_price[period] * lost + day.overload_price * over)
    return cost


def _earned(day: Day, rules: Rules, stretches: Sequence[Sequence[MatchingStretch]], ends: Array) -> Array:
    """Return the operator's profit in EUR at each end, shape (ends,), from the matchings alone."""
    profit = np.zeros(len(ends))
    for period, each in enumerate(stretches):
        cost = costs_eur(day, rules, np.stack([stretch.high.trade for stretch in each]), period)
        which = np.searchsorted([stretch.high.charge for stretch in each], ends)
        energy = np.array([stretch.high.energy_kw for stretch in each])[which]
        profit += day.period_hours * ends * energy - cost[which]
    return profit


def ends_of(day: Day, orders: Orders, basis: Array, each: Sequence[MatchingStretch], period: int) -> tuple[Array, Array, Array]:
    """Return the right ends of a period's stretches in EUR/kWh, what is charged there in kW, and how far each end may lie off, shape (S,).

    A breakpoint where the charged energy falls by ΔE is where two lines meet, each known to within a gap: it lies within gap/ΔE of there.
    """
    charges = np.array([stretch.high.charge for stretch in each])
    sizes = np.array([stretch.high.energy_kw for stretch in each])
    gaps = np.array([gap_eur_per_h(day, orders, basis, stretch, period) for stretch in each])
    fall = np.maximum(sizes[:-1] - sizes[1:], 0.0)
    moved = np.divide(gaps[:-1] + gaps[1:], fall, out=np.zeros_like(fall), where=fall > CLOSE * max(sizes.max(initial=0.0), 1e-300))
    return charges, sizes, np.append(np.minimum(moved, charges[1:] - charges[:-1]), 0.0)


def _unsure(day: Day, orders: Orders, basis: Array, stretches: Sequence[Sequence[MatchingStretch]], ends: Array) -> Array:
    """Return what each end might earn more in EUR, shape (ends,), because breakpoints are known only so well."""
    energy, shift = np.zeros(len(ends)), np.zeros(len(ends))
    for period, each in enumerate(stretches):
        charges, sizes, moved = ends_of(day, orders, basis, each, period)
        energy += sizes[np.searchsorted(charges, ends)]
        np.maximum.at(shift, np.searchsorted(ends, charges), moved)
    unsure: Array = day.period_hours * energy * shift
    return unsure
