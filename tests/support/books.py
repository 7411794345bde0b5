"""Orders written down by hand, and a day for them, for auctions."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridtoll.envs.community.day import Day, make_day
from gridtoll.envs.market.call_auction.orders import Orders


def empty_day(n: int, **changes: Any) -> Day:
    """One hour of ``n`` prosumers who may all trade; what they own is of no interest to a matching."""
    values: dict[str, Any] = {
        "demand_min": np.zeros((1, n)),
        "demand_max": np.ones((1, n)),
        "utility_curvature": 0.1,
        "utility_slope": 0.3,
        "renewable": 0.0,
        "import_price": 0.3,
        "export_price": 0.1,
        "loss_price": 0.1,
        "overload_price": 1.0,
        "import_fee": 0.0,
        "import_limit": 9.0,
        "export_limit": 9.0,
        "grid_friction": 0.01,
        "storage_power": 0.0,
        "storage_capacity": 0.0,
        "storage_efficiency": 1.0,
        "storage_wear": 0.0,
        "storage_start": 0.0,
        "trade_limit": 1000.0,
        "trade_friction": 0.01,
    }
    return make_day(**(values | changes))


def book(n: int, *, asks: dict[int, list[tuple[float, float]]], bids: dict[int, list[tuple[float, float]]]) -> Orders:
    """Orders of one hour as (price, kW) by prosumer."""
    steps = max((len(each) for each in [*asks.values(), *bids.values()]), default=1)
    arrays = {name: np.zeros((1, n, steps)) for name in ("ask_price", "ask_kw", "bid_price", "bid_kw")}
    for side, orders in (("ask", asks), ("bid", bids)):
        for who, curve in orders.items():
            for step, (price, kw) in enumerate(curve):
                arrays[f"{side}_price"][0, who, step], arrays[f"{side}_kw"][0, who, step] = price, kw
    return Orders(**arrays)
