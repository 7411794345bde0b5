"""A day and its charges in the dimensionless form that solvers work on.

Power is in units of P₀ (the mean of ``demand_max``, or of ``renewable`` where nobody has demand), prices in units of π₀ (the greatest price
in absolute value), and energy in units of P₀·Δ, so that a period lasts 1 and the whole objective is in units of Δ·P₀·π₀. Trades are kept
per ordered pair that may trade (K pairs), storage per prosumer that has one (J owners).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..day import Array, Day

IntArray = NDArray[np.intp]


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
        seller, buyer = np.nonzero(day.can_trade)
        return cls(
            n_periods=day.n_periods,
            n_prosumers=day.n_prosumers,
            seller=seller,
            buyer=buyer,
            owner=np.flatnonzero(day.has_storage),
        )

    @property
    def key(self) -> tuple[int, int, bytes, bytes, bytes]:
        """A hashable key, equal exactly where the structures are."""
        return self.n_periods, self.n_prosumers, self.seller.tobytes(), self.buyer.tobytes(), self.owner.tobytes()


@dataclass(frozen=True, eq=False, kw_only=True)
class MarketData:
    """A day and charges, dimensionless; names as in :class:`gridtoll.envs.day.Day`, shapes (T, N), (T, K) and (T, J)."""

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

    @property
    def objective_unit(self) -> float:
        """EUR of one unit of the dimensionless objective."""
        return self.period_hours * self.power_unit * self.price_unit


def read_charges(day: Day, charges: ArrayLike) -> Array:
    """Validate network charges and return them with shape (T, N, N) in EUR/kWh.

    Args:
        day: The day they are for.
        charges: Charge of each trade from row to column in EUR/kWh, shape (T, N, N) or (N, N).

    Raises:
        ValueError: If an entry is negative or not finite, or the shape is wrong.
    """
    n = day.n_prosumers
    array = np.asarray(charges, dtype=np.float64)
    if array.shape not in ((n, n), (day.n_periods, n, n)):
        raise ValueError(f"`charges` must have shape ({day.n_periods}, {n}, {n}) or ({n}, {n}), got {array.shape}.")
    if not np.all(np.isfinite(array)):
        raise ValueError(f"`charges` must be finite, got {np.count_nonzero(~np.isfinite(array))} entries that are not.")
    if array.min() < 0:
        where = tuple(int(i) for i in np.unravel_index(array.argmin(), array.shape))
        raise ValueError(f"`charges` must be at least 0 EUR/kWh, got {array.min()} at {where}.")
    return np.broadcast_to(array, (day.n_periods, n, n))


def scale(day: Day, charges: Array, structure: Structure) -> MarketData:
    """Return the dimensionless data of ``day`` at ``charges`` of shape (T, N, N)."""
    power = float(day.demand_max.mean()) or float(day.renewable.mean()) or 1.0
    price = price_unit(day)
    shape = (day.n_periods, day.n_prosumers)
    seller, buyer, owner = structure.seller, structure.buyer, structure.owner
    pairs, stores = (day.n_periods, len(seller)), (day.n_periods, len(owner))
    start, end, capacity = (
        energy[owner] / (power * day.period_hours) for energy in (day.storage_start, day.stored_at_end, day.storage_capacity)
    )
    stored_min = np.zeros(stores)
    stored_min[-1] = end
    curvature_unit = price / power
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
        import_price=np.broadcast_to(day.import_price[:, None] / price, shape),
        export_price=np.broadcast_to(day.export_price[:, None] / price, shape),
        import_limit=np.broadcast_to(day.import_limit / power, shape),
        export_limit=np.broadcast_to(day.export_limit / power, shape),
        grid_friction=np.broadcast_to(day.grid_friction / curvature_unit, shape),
        storage_power=np.broadcast_to(day.storage_power[owner] / power, stores),
        storage_wear=np.broadcast_to(day.storage_wear[owner] / curvature_unit, stores),
        storage_efficiency=np.broadcast_to(day.storage_efficiency[owner], stores),
        storage_start=start,
        stored_min=stored_min,
        stored_max=np.broadcast_to(capacity, stores),
        trade_limit=np.broadcast_to(day.trade_limit[seller, buyer] / power, pairs),
        trade_friction=np.broadcast_to(day.trade_friction[seller, buyer] / curvature_unit, pairs),
        charge=charges[:, seller, buyer] / price,
    )


def price_unit(day: Day) -> float:
    """Return π₀, the greatest price of the day in absolute value, in EUR/kWh (1 where all are zero)."""
    prices = (day.import_price, day.export_price, day.utility_slope)
    return max(float(np.abs(array).max()) for array in prices) or 1.0
