"""A day and its charges in the dimensionless form that solvers work on.

Power is in units of P₀ (the mean of ``demand_max``, or of ``renewable`` where nobody has demand), prices in units of π₀ (the greatest price
in absolute value), and energy in units of P₀·Δ, so that a period lasts 1 and the whole objective is in units of Δ·P₀·π₀. Trades are kept
per ordered pair that may trade (K pairs), storage per prosumer that has one (J owners).

**No single entry stretches a unit.** A prosumer counts in P₀ with at most :data:`MOST_POWER` times the median prosumer's demand, and π₀ is
at most :data:`MOST_PRICE` times the median import price. What an error is worth to whom is measured beside that, each prosumer's by its own
size (:class:`MarketData`, ``size``). Prices have one unit in all hours: a dear hour in which nobody imports must not excuse errors.

**A slope that cannot matter is eased for solvers.** Who values the last kWh of ``demand_max`` at far more than any price takes all of it,
whatever the slope is exactly. Interior points are given a slope (``eased_slope``) that says so in numbers of the others' scale. Polishing
and the certificate know the true one only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...community.day import Array, Day

IntArray = NDArray[np.intp]

MOST_POWER = 30.0
"""How many times the median prosumer's demand one prosumer's counts in the power unit. The named communities stay below half of that."""
MOST_PRICE = 8.0
"""How many times the median import price one price counts in the price unit."""
LEAST_SIZE = 1e-3
"""Least size of a prosumer, in power units: errors smaller than that share of what is exact for a typical one are nobody's concern."""
WORTH_ALL = 16.0
"""Price units (of the hour) above which the last kWh of demand is taken whatever it costs, for an interior point."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Structure:
    """What a compiled problem depends on: sizes, the pairs that may trade, and who owns storage."""

    n_periods: int
    n_prosumers: int
    seller: IntArray  # (K,)
    buyer: IntArray  # (K,)
    owner: IntArray  # (J,)

    @classmethod
    def of(cls, day: Day) -> Self:
        """Return the structure of a day."""
        n_periods, n_prosumers = day.demand_min.shape
        seller, buyer = np.nonzero(day.trade_limit > 0)
        return cls(n_periods=n_periods, n_prosumers=n_prosumers, seller=seller, buyer=buyer, owner=np.flatnonzero(day.storage_power > 0))

    def side_by_side(self) -> Self:
        """Return the same with pairs ordered by buyer − seller (modulo N) and then by seller: neighbours then share no prosumer."""
        order = np.lexsort((self.seller, (self.buyer - self.seller) % self.n_prosumers))
        return replace(self, seller=self.seller[order], buyer=self.buyer[order])

    @property
    def key(self) -> tuple[int, int, bytes, bytes, bytes]:
        """A hashable key, equal exactly where the structures are."""
        return self.n_periods, self.n_prosumers, self.seller.tobytes(), self.buyer.tobytes(), self.owner.tobytes()


@dataclass(frozen=True, eq=False, kw_only=True)
class MarketData:
    """A day and charges, dimensionless; names as in :class:`gridtoll.envs.community.day.Day`, shapes (T, N), (T, K) and (T, J)."""

    structure: Structure
    power_unit: float  # P₀, kW
    price_unit: float  # π₀, EUR/kWh
    period_hours: float
    demand_min: Array
    demand_max: Array
    utility_curvature: Array
    utility_slope: Array
    renewable: Array
    import_price: Array
    export_price: Array
    import_limit: Array
    export_limit: Array
    grid_friction: Array
    storage_power: Array
    storage_wear: Array
    storage_efficiency: Array
    storage_start: Array  # (J,)
    stored_min: Array  # (T, J), bounds of the energy at the end of each period
    stored_max: Array
    trade_limit: Array
    trade_friction: Array
    charge: Array  # (T, K)
    size: Array  # (N,), power units: what is much for each prosumer
    eased_slope: Array  # (T, N), the utility slope as interior points are given it

    @property
    def pair_size(self) -> Array:
        """What is much for both sides of a trade, in power units, shape (K,)."""
        smaller: Array = np.minimum(self.size[self.structure.seller], self.size[self.structure.buyer])
        return smaller

    @property
    def objective_unit(self) -> float:
        """EUR of one unit of the dimensionless objective."""
        return self.period_hours * self.power_unit * self.price_unit


def read_charges(day: Day, charges: ArrayLike, *, subsidies: bool = False) -> Array:
    """Validate network charges and return them with shape (T, N, N) in EUR/kWh.

    Args:
        day: The day they are for.
        charges: Charge of each trade from row to column in EUR/kWh, shape (T, N, N) or (N, N).
        subsidies: Whether charges may be negative.

    Raises:
        ValueError: If an entry is not finite, or negative without ``subsidies``, or the shape is wrong.
    """
    n = day.n_prosumers
    array = np.asarray(charges, dtype=np.float64)
    if array.shape not in ((n, n), (day.n_periods, n, n)):
        raise ValueError(f"`charges` must have shape ({day.n_periods}, {n}, {n}) or ({n}, {n}), got {array.shape}.")
    if not np.all(np.isfinite(array)):
        raise ValueError(f"`charges` must be finite, got {np.count_nonzero(~np.isfinite(array))} entries that are not.")
    if array.min() < 0 and not subsidies:
        where = tuple(int(i) for i in np.unravel_index(array.argmin(), array.shape))
        raise ValueError(f"`charges` must be at least 0 EUR/kWh, got {array.min()} at {where}.")
    return np.broadcast_to(array, (day.n_periods, n, n))


def read_charges_of(days: Sequence[Day], charges: Sequence[ArrayLike] | Array) -> list[Array]:
    """Validate the charges of K days and return them as :func:`read_charges` does each, K arrays of shape (T, N, N) in EUR/kWh.

    Raises:
        ValueError: If there are not as many as days, or some are not valid.
    """
    if len(charges) != len(days):
        raise ValueError(f"each day must have its charges, got {len(days)} days and {len(charges)} arrays of charges.")
    return [read_charges(day, each) for day, each in zip(days, charges, strict=True)]


def scale(day: Day, charges: Array, structure: Structure) -> MarketData:
    """Return the dimensionless data of ``day`` at ``charges`` of shape (T, N, N)."""
    power, price, size = units_of(day)
    shape, seller, buyer, owner = day.demand_min.shape, structure.seller, structure.buyer, structure.owner
    pairs, stores = (shape[0], len(seller)), (shape[0], len(owner))
    energy_unit = power * day.period_hours
    stored_min = np.zeros(stores)
    stored_min[-1] = (day.storage_start if day.storage_end is None else day.storage_end)[owner] / energy_unit
    curvature_unit = price / power
    retail = (day.import_price, day.export_price)
    buying, selling = (each if each.ndim == 2 else np.broadcast_to(each[:, None], shape) for each in retail)  # (T, N)
    worth_all = WORTH_ALL * np.maximum(price, np.abs(buying))
    eased = np.clip(
        day.utility_slope, day.utility_curvature * day.demand_min - worth_all, day.utility_curvature * day.demand_max + worth_all
    )
    return MarketData(
        structure=structure,
        power_unit=power,
        price_unit=price,
        period_hours=day.period_hours,
        demand_min=day.demand_min / power,
        demand_max=day.demand_max / power,
        utility_curvature=day.utility_curvature / curvature_unit,
        utility_slope=day.utility_slope / price,
        renewable=day.renewable / power,
        import_price=buying / price,
        export_price=selling / price,
        import_limit=np.broadcast_to(day.import_limit / power, shape),
        export_limit=np.broadcast_to(day.export_limit / power, shape),
        grid_friction=np.broadcast_to(day.grid_friction / curvature_unit, shape),
        storage_power=np.broadcast_to(day.storage_power[owner] / power, stores),
        storage_wear=np.broadcast_to(day.storage_wear[owner] / curvature_unit, stores),
        storage_efficiency=np.broadcast_to(day.storage_efficiency[owner], stores),
        storage_start=day.storage_start[owner] / energy_unit,
        stored_min=stored_min,
        stored_max=np.broadcast_to(day.storage_capacity[owner] / energy_unit, stores),
        trade_limit=np.broadcast_to(day.trade_limit[seller, buyer] / power, pairs),
        trade_friction=np.broadcast_to(day.trade_friction[seller, buyer] / curvature_unit, pairs),
        charge=charges[:, seller, buyer] / price,
        size=size,
        eased_slope=eased / price,
    )


class Units(NamedTuple):
    """What a day is measured by.

    Attributes:
        power: P₀ in kW.
        price: π₀ in EUR/kWh.
        size: What is much for each prosumer, in P₀, shape (N,).
    """

    power: float
    price: float
    size: Array


def units_of(day: Day) -> Units:
    """Return what a day is measured by."""
    power = power_unit(day)
    return Units(power, price_unit(day), _sizes(day, power) / power)


def power_unit(day: Day) -> float:
    """Return P₀ in kW: the mean of ``demand_max``, else of ``renewable``, without what makes one prosumer :data:`MOST_POWER` medians."""
    for quantity in (day.demand_max, day.renewable):
        whole = float(quantity.mean())
        if whole:
            own = quantity.mean(axis=0)
            most = MOST_POWER * _typical(own)
            return whole if own.max() <= most else float(np.minimum(own, most).mean())
    return 1.0


def _typical(values: Array) -> float:
    """Return the lower median of the positive values: a mean of the middle two would let one of two hours or prosumers speak for both."""
    positive = np.sort(values[values > 0], axis=None)
    return float(positive[(len(positive) - 1) // 2])


def _sizes(day: Day, unit: float) -> Array:
    """Return what is much for each prosumer in kW, shape (N,): its mean greatest demand or renewable power, else its storage power.

    ``unit`` is P₀ in kW.
    """
    own = np.maximum(day.demand_max.mean(axis=0), day.renewable.mean(axis=0))
    own = np.where(own > 0, own, day.storage_power)
    sizes: Array = np.maximum(np.where(own > 0, own, unit), LEAST_SIZE * unit)
    return sizes


def price_unit(day: Day) -> float:
    """Return π₀ in EUR/kWh: the greatest price of the day in absolute value, but at most :data:`MOST_PRICE` medians (1 if all are zero)."""
    sizes = list(map(np.abs, (day.import_price, day.export_price, day.utility_slope)))
    for typical in sizes:
        if typical.any():
            most = MOST_PRICE * _typical(typical)
            return min(float(max(map(np.max, sizes))), most)
    return 1.0
