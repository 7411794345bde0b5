"""The rules by which a community's numbers follow from its data: what is filled in, raised to a floor, or derived.

Each rule computes its numbers and writes them down in one place (:mod:`.derivation`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import Array
from ..grid.network import Network
from . import parameters as p
from .derivation import Ledger
from .parameters import MarketParameters


def load_floor(load_kw: Array, parameters: MarketParameters) -> Array:
    """Return the least load in kW each prosumer counts with, shape (N,), of loads in kW, shape (Y, N)."""
    floor: Array = parameters.load_floor * load_kw.mean(axis=0)
    return floor


def preferences_of(load_kw: Array, mean_load_kw: float, reference_price: float | Array, parameters: MarketParameters) -> dict[str, Any]:
    """Return the fields of a :class:`~gridtoll.envs.community.day.Day` that follow from loads in kW, shape (T, N).

    ``reference_price`` in EUR/kWh is one for all, or each prosumer's, shape (N,). Who has no load demands nothing. The curvature of a
    utility that is never used is then that of a prosumer of mean load.
    """
    used = np.where(load_kw > 0, load_kw, mean_load_kw)
    return {
        "demand_min": parameters.demand_min_share * load_kw,
        "demand_max": parameters.demand_max_share * load_kw,
        "utility_curvature": parameters.flexibility_value / used,
        "utility_slope": np.full(load_kw.shape, reference_price + parameters.flexibility_value),
    }


def filled_in(
    given: dict[str, Array], network: Network, numbers: MarketParameters, ledger: Ledger, *, partners: int | None
) -> dict[str, Any]:
    """Return the arrays and single numbers of a community by name, with those that are absent filled in.

    Args:
        given: What came in through the door, by name; shapes and units are those of :class:`~.community.Community`.
        network: Where the N prosumers sit.
        numbers: Settings that rules take numbers from.
        ledger: Where it is written down what was made.
        partners: With how many nearest each may trade, None for all.
    """
    n, load = network.n_prosumers, given["load_kw"]

    def each(name: str, value: Callable[[], ArrayLike], rule: str, unit: str) -> None:
        made = ledger.filled(name, given.get(name), value, rule, unit=unit)
        arrays[name] = np.array(np.broadcast_to(np.asarray(made, dtype=np.float64), (n,)))

    arrays = {key: given[key] for key in ("load_kw", "renewable_kw", "import_price", "export_price", "loss_price")}
    friction, per_kw = p.FRICTION_EUR_PER_KWH / float(load.mean()), "EUR/kWh/kW"
    by_mean = f"{p.FRICTION_EUR_PER_KWH:g} EUR/kWh over the mean load of a prosumer"
    each("storage_power", lambda: np.zeros(n), "no storage", "kW")
    each("storage_capacity", lambda: np.zeros(n), "no storage", "kWh")
    carries = (
        f"the greatest of {p.CONNECTION_PER_DEMAND:g} times the greatest demand of the year, {p.CONNECTION_PER_RENEWABLE:g} times the "
        "greatest renewable power, and the storage power"
    )
    for name in ("import_limit", "export_limit"):
        each(name, lambda: connection_limit(load, given["renewable_kw"], arrays["storage_power"], numbers), carries, "kW")
    each("grid_friction", lambda: np.full(n, friction), by_mean, per_kw)
    each("storage_efficiency", lambda: np.full(n, p.STORAGE_EFFICIENCY), "one way, the same for all", "")
    each("storage_wear", lambda: np.full(n, friction), by_mean, per_kw)
    each("storage_start", lambda: p.STORAGE_START_SHARE * arrays["storage_capacity"], f"{p.STORAGE_START_SHARE:g} of the capacity", "kWh")
    trade_limit = np.minimum(arrays["export_limit"][:, None], arrays["import_limit"][None, :])
    trade_limit[~_may_trade(network, partners)] = 0.0
    arrays["trade_limit"] = trade_limit
    among = "" if partners is None else f", between each prosumer and its {partners} electrically nearest"
    pairs = trade_limit[trade_limit > 0]
    ledger.write("trade_limit", "derived", pairs, f"the smaller of the seller's export and the buyer's import limit{among}", unit="kW")
    cap = ledger.filled("charge_cap", given.get("charge_cap"), lambda: p.CHARGE_CAP, "the same for every community", unit="EUR/kWh")
    trade_friction = ledger.filled("trade_friction", given.get("trade_friction"), lambda: friction, by_mean, unit=per_kw)
    for array in arrays.values():
        array.setflags(write=False)
    return arrays | {"charge_cap": float(np.asarray(cap)), "trade_friction": float(np.asarray(trade_friction))}


def write_preferences(
    ledger: Ledger,
    *,
    load_kw: Array,
    counted_kw: Array,
    prosumer_names: Sequence[str],
    preferences: dict[str, Any],
    numbers: MarketParameters,
) -> None:
    """Write down which loads were raised to the floor, and what preferences follow from loads in kW, shape (Y, N)."""
    raised = counted_kw > load_kw
    ledger.write(
        "load_kw",
        "floored",
        counted_kw[raised],
        f"counted as at least load_floor = {numbers.load_floor:g} of the prosumer's own mean",
        unit="kW",
        whom={prosumer_names[i]: int(count) for i, count in enumerate(raised.sum(axis=0)) if count},
    )
    idle = {prosumer_names[i]: 1 for i in np.flatnonzero(~load_kw.any(axis=0)).tolist()}
    ledger.write("demand_max", "derived", np.zeros(len(idle)), "no demand: no load in the year", unit="kW", whom=idle)
    s = numbers.flexibility_value
    for name, rule, unit in (
        ("demand_min", f"demand_min_share = {numbers.demand_min_share:g} of the load", "kW"),
        ("demand_max", f"demand_max_share = {numbers.demand_max_share:g} of the load", "kW"),
        ("utility_curvature", f"flexibility_value = {s:g} EUR/kWh over the load", "EUR/kWh/kW"),
        ("utility_slope", f"the year's mean import price plus flexibility_value = {s:g} EUR/kWh", "EUR/kWh"),
    ):
        ledger.write(name, "derived", preferences[name], rule, unit=unit)


def connection_limit(load_kw: Array, renewable_kw: Array, storage_power: Array, parameters: MarketParameters) -> Array:
    """Return connection limits in kW, shape (N,), that carry every hour of the year with room to spare."""
    greatest = [
        p.CONNECTION_PER_DEMAND * parameters.demand_max_share * load_kw.max(axis=0),  # no mean is above it, and so no floor
        p.CONNECTION_PER_RENEWABLE * renewable_kw.max(axis=0),
        storage_power,
    ]
    limit: Array = np.max(np.stack(greatest), axis=0)
    return limit


def _may_trade(network: Network, partners: int | None) -> NDArray[np.bool_]:
    if partners is None:
        return ~np.eye(network.n_prosumers, dtype=np.bool_)
    return network.nearest_partners(partners)


def kinds_of(renewable_kw: Array) -> tuple[str, ...]:
    """Return the kind of each prosumer's renewable power in kW, shape (Y, N), where nobody says which it is."""
    return tuple("solar" if power.any() else "none" for power in renewable_kw.T)
