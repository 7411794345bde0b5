"""The numbers that the page draws, as arrays: no picture, no page.

Powers are in kW, or in MW where a community is read in them (:func:`~gridtoll.envs.adapters.pictures.day_ahead.unit_of`), energy in kWh or
MWh. Time is in hours from the beginning of the day, at the middle of each period.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from ....envs.adapters.pictures.day_ahead import apart, unit_of
from ....envs.arrays import Array
from ....envs.community.day import Day
from ....envs.grid.network import Network
from ....envs.market.mechanism import Allocation
from .played import ExploredDay

MOST_TRADES: Final = 30
"""Trades drawn at once, the greatest first."""
_BEND: Final = 0.18  # of a trade's curve, as a share of its length

Table = Mapping[str, Any]


def hours_of(day: Day) -> Array:
    """Return the middle of each period in hours, shape (T,)."""
    return np.asarray((np.arange(day.n_periods) + 0.5) * day.period_hours, dtype=np.float64)


def clock(day: Day, period: int) -> str:
    """Return when a period begins, as ``HH:MM``."""
    minutes = round(60 * period * day.period_hours)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def stack(day: Day, clearing: Allocation) -> Table:
    """Return the day's power by period: what comes in above zero, what goes out below, the load and the trades as lines."""
    _, per_unit = unit_of(day)

    def total(values: Array) -> Array:
        return np.asarray(values.reshape(day.n_periods, -1).sum(axis=1) / per_unit)

    return {
        "hour": hours_of(day),
        "time": [clock(day, period) for period in range(day.n_periods)],
        "sun": total(clearing.renewable_used),
        "from_batteries": total(clearing.storage_discharge),
        "bought": total(clearing.grid_import),
        "into_batteries": -total(clearing.storage_charge),
        "sold": -total(clearing.grid_export),
        "load": total(clearing.demand),
        "traded": total(clearing.trade),
    }


def expected(day: Day) -> Table:
    """Return what is expected of a day before anything is cleared: sun and wind, and loads in the middle of their ranges."""
    _, per_unit = unit_of(day)
    nothing = np.zeros(day.n_periods)
    known = {"sun": day.renewable.sum(axis=1) / per_unit, "load": 0.5 * (day.demand_min + day.demand_max).sum(axis=1) / per_unit}
    names = ("from_batteries", "bought", "into_batteries", "sold", "traded")
    time = {"hour": hours_of(day), "time": [clock(day, period) for period in range(day.n_periods)]}
    return {**time, **dict.fromkeys(names, nothing), **known}


def loading(played: ExploredDay) -> Array:
    """Return the loading of every branch in % of its limit, shape (T, L); 0 where it has none."""
    grid = played.problem.community.network.grid
    return np.asarray(np.abs(played.outcome.settlement.flow_kw) / grid.branch_limit_kw * 100.0)[:, : grid.n_wires]


def busiest(played: ExploredDay) -> int:
    """Return the period in which a branch is loaded most."""
    return int(loading(played).max(axis=1).argmax())


def branches(played: ExploredDay, period: int) -> Table:
    """Return every branch with its loading in a period."""
    grid = played.problem.community.network.grid
    place, share = grid.bus_position, loading(played)[period]
    wires = slice(grid.n_wires)
    ends = place[grid.branch_from[wires]], place[grid.branch_to[wires]]
    most = max(float(share.max()), 1e-9)
    return {
        "x0": ends[0][:, 0],
        "y0": ends[0][:, 1],
        "x1": ends[1][:, 0],
        "y1": ends[1][:, 1],
        "loading": share,
        "width": 1.5 + 5.0 * share / most,
        "name": list(grid.branch_names[wires]),
        "flow": played.outcome.settlement.flow_kw[period, wires],
    }


def prosumers_on_the_grid(played: ExploredDay, period: int) -> Table:
    """Return where each prosumer sits, and what it sells on balance in a period."""
    day, community = played.problem.day, played.problem.community
    _, per_unit = unit_of(day)
    at, trade = apart(community.network.grid.bus_position[community.network.prosumer_bus]), played.outcome.clearing.trade[period]
    sold = (trade.sum(axis=1) - trade.sum(axis=0)) / per_unit
    most = max(float(np.abs(sold).max()), 1e-9)
    few = min(1.0, (24.0 / len(sold)) ** 0.5)  # symbols shrink where there are many
    return {
        "x": at[:, 0],
        "y": at[:, 1],
        "sold": sold,
        "size": few * (13.0 + 15.0 * np.abs(sold) / most),
        "name": list(community.prosumer_names),
        "number": [str(number) for number in range(len(sold))],
    }


def trades(played: ExploredDay, period: int) -> Table:
    """Return the greatest trades of a period as curves from seller to buyer, with where their arrow heads lie."""
    day, network = played.problem.day, played.problem.community.network
    _, per_unit = unit_of(day)
    power = played.outcome.clearing.trade[period] / per_unit
    seller, buyer = np.unravel_index(np.argsort(power, axis=None)[::-1][:MOST_TRADES], power.shape)
    kept = power[seller, buyer] > max(0.02 * float(power.max()), 1e-9)
    seller, buyer = seller[kept], buyer[kept]
    start, end = _places(network, seller), _places(network, buyer)
    along = end - start
    bend = 0.5 * (start + end) + _BEND * np.stack([-along[:, 1], along[:, 0]], axis=1)
    head = 0.25 * start + 0.5 * bend + 0.25 * end  # half way along the curve
    most = max(float(power.max()), 1e-9)
    return {
        "x0": start[:, 0],
        "y0": start[:, 1],
        "x1": end[:, 0],
        "y1": end[:, 1],
        "cx": bend[:, 0],
        "cy": bend[:, 1],
        "hx": head[:, 0],
        "hy": head[:, 1],
        "angle": np.arctan2(along[:, 1], along[:, 0]) - 0.5 * np.pi,
        "power": power[seller, buyer],
        "width": 0.8 + 2.7 * power[seller, buyer] / most,
        "seller": [played.problem.community.prosumer_names[one] for one in seller],
        "buyer": [played.problem.community.prosumer_names[one] for one in buyer],
    }


def _places(network: Network, who: Array) -> Array:
    return np.asarray(apart(network.grid.bus_position[network.prosumer_bus])[who])


def gains(played: ExploredDay, free_eur: Array | None) -> Table:
    """Return what each prosumer gains by trade, and what it would gain if nothing were charged, shape (N,): NaN until that is known."""
    gain = played.gain_eur
    free = np.full(len(gain), np.nan) if free_eur is None else free_eur - played.alone_eur
    return {
        "number": np.arange(len(gain)),
        "name": list(played.problem.community.prosumer_names),
        "both": gain,
        "gain": np.maximum(gain, 0.0),
        "loss": np.minimum(gain, 0.0),
        "free": free,
    }
