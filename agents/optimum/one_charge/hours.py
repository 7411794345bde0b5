"""Charges of each hour where nobody has storage: every hour is a one-parameter problem of its own, and all of them are certified together.

Without storage nothing ties one period to another: the followers' program, and the operator's account, are sums over periods. So the best
charges of the day are the best of each period, and the sum of the periods' upper bounds bounds the day.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ....envs.account.objective import OBJECTIVES, ExactObjective, of_both
from ....envs.account.settlement import Flows
from ....envs.account.tariff import Tariff
from ....envs.community.day import Array, Day
from ....envs.games.tail import hour_of
from ....envs.games.transition import Rules, transition
from ....envs.grid.network import Network
from ....envs.market.exact.market import P2PMarket
from ....envs.market.mechanism import ExactResponse
from ..agreement import require_agreement
from ..proved import Optimum
from .search import solve_optimum


@dataclass(frozen=True, eq=False, kw_only=True)
class HourlyOptimum:
    """The best charges of a day, one a period, with the proof that no others do better than the upper bound.

    Attributes:
        charges: EUR/kWh, shape (T,).
        charge_cap: Greatest charge allowed, EUR/kWh.
        objective: What is maximised.
        goal_eur: The objective at the charges, the sum of the periods'.
        upper_bound_eur: No charges in [0, cap] take it higher.
        relative_gap: (upper bound − goal) over what is at stake (:mod:`~gridtoll.envs.account.objective`), as for one charge.
        recleared_eur: The objective when the whole day is cleared at the charges.
        revenue_eur: Charge revenue there.
        clearings: Market clearings used.
        seconds: Wall time of all periods.
        hours: The optimum of each period, with its certificate.
    """

    charges: Array
    charge_cap: float
    objective: ExactObjective
    goal_eur: float
    upper_bound_eur: float
    relative_gap: float
    recleared_eur: float
    revenue_eur: float
    clearings: int
    seconds: float
    hours: tuple[Optimum, ...]


def solve_hours(
    day: Day,
    network: Network,
    tariff: Tariff,
    *,
    cap: float,
    flows: Flows = "trades",
    objective: ExactObjective = "profit",
    market: ExactResponse | None = None,
    tolerance: float = 1e-6,
) -> HourlyOptimum:
    """Find the best charge of every period of a day without storage, and prove it.

    Args:
        day: The day; nobody in it may have storage.
        network: Where the prosumers sit.
        tariff: A tariff of one coefficient, charged per hour.
        cap: Greatest charge allowed, EUR/kWh.
        flows: Which account of the flows the operator answers for.
        objective: ``"profit"`` of the operator, or ``"welfare"`` of all.
        market: What clears; a new :class:`P2PMarket` where absent.
        tolerance: Relative gap at which each period's search ends.

    Raises:
        ValueError: If somebody has storage, or the tariff has several coefficients a period.
        ClearingError: As :func:`solve_optimum` does.
    """
    owners = np.flatnonzero(day.has_storage)
    if len(owners):
        raise ValueError(
            f"charges per hour are found hour by hour only where nobody has storage, which ties hours together; {len(owners)} of "
            f"{day.n_prosumers} prosumers have. The several-parameter search takes such days, and returns a bracket."
        )
    if tariff.n_basis != 1:
        raise ValueError(
            f"charges per hour need a tariff of one coefficient a period, such as 'unique' or 'distance', got {tariff.n_basis}."
        )
    market = P2PMarket() if market is None else market
    whole_day = replace(tariff, per="day")
    hours = tuple(
        solve_optimum(
            hour_of(day, period), network, whole_day, cap=cap, flows=flows, objective=objective, market=market, tolerance=tolerance
        )
        for period in range(day.n_periods)
    )
    charges = np.array([hour.charge for hour in hours])
    posted = tariff.charges(charges[:, None])
    rules = Rules(network=network, basis=tariff.basis, flows=flows, objective=objective)
    again = transition(rules, market, day, posted)
    settlement, recleared = again.settlement, again.reward_eur
    goal = sum(of_both(objective, profit_eur=hour.profit_eur, welfare_eur=hour.welfare_eur) for hour in hours)
    bound = max(sum(hour.upper_bound_eur for hour in hours), goal, recleared)
    yardstick = OBJECTIVES[objective].yardstick_eur(day, settlement)
    require_agreement(day, goal, recleared, yardstick=yardstick, tolerance=tolerance)
    return HourlyOptimum(
        charges=charges,
        charge_cap=cap,
        objective=objective,
        goal_eur=goal,
        upper_bound_eur=bound,
        relative_gap=(bound - goal) / yardstick if bound > goal else 0.0,
        recleared_eur=recleared,
        revenue_eur=settlement.revenue_eur,
        clearings=sum(hour.clearings for hour in hours) + 1,
        seconds=sum(hour.seconds for hour in hours),
        hours=hours,
    )
