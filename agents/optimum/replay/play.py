"""What a sequence of charges earns, played hour by hour and accounted for from the day's raw data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....envs.community.day import Array, Day
from ....envs.games.tail import tail_of
from ....envs.grid.network import Network
from ....envs.market.mechanism import ExactResponse


def earned_eur(day: Day, network: Network, basis: Array, *, flows: str, charges: Sequence[float], market: ExactResponse) -> float:
    """Return what a sequence of charges earns, each taken as one that stands, in EUR.

    Args:
        day: The day.
        network: Where its N prosumers sit.
        basis: What a charge of 1 EUR/kWh charges each trade, 1, shape (N, N).
        flows: Which account of flows the operator answers for.
        charges: One for each hour, EUR/kWh.
        market: Clears the plan for the rest of the day at every hour.

    Raises:
        ClearingError: If a plan cannot be cleared.
    """
    total, stored, grid = 0.0, np.array(day.storage_start, dtype=np.float64), network.grid
    for hour, charge in enumerate(charges):
        posted = charge * basis
        plan = market.clear(tail_of(day, hour, stored), posted)
        trade, bought, sold = plan.trade[0], plan.grid_import[0], plan.grid_export[0]
        net = trade.sum(axis=1) - trade.sum(axis=0) + (sold - bought if flows == "injections" else 0.0)
        still = grid.ptdf @ day.base_injection[hour] + (0.0 if grid.row_offset_kw is None else grid.row_offset_kw)
        flow = still + grid.ptdf[:, network.prosumer_bus] @ net
        lost = float(day.loss_price[hour] * (grid.loss_coefficient * (flow**2 - still**2)).sum())
        over = np.abs(flow) > grid.branch_limit_kw
        beyond = day.overload_price * float((np.abs(flow) - grid.branch_limit_kw)[over].sum())
        total += day.period_hours * (float((posted * trade).sum()) + day.import_fee * float(bought.sum()) - lost - beyond)
        stored = plan.stored_energy[1]
    return total
