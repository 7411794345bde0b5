"""Partial derivatives of a quantity in the arrays of a clearing, and their way to and from the dimensionless market.

A point is a clearing in other units (:mod:`..convert`), so a quantity's partial derivatives go the way of their variables with the inverse
factor: times P₀ for power, P₀·Δ for energy, π₀ for prices. Derivatives in the charges come back over π₀. Nothing else converts derivatives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from ....community.day import Array, Day
from ..market_data import MarketData
from ..point import Point


@dataclass(eq=False, kw_only=True)
class Cotangent:
    """∂S/∂v of a quantity S for every array v of a :class:`..solution.Clearing`: same names and shapes, in units of S per unit of v.

    Entries where the market has no variable (the energy a day starts with, storage of those without, trades that may not be) do not count.
    """

    demand: Array
    renewable_used: Array
    grid_import: Array
    grid_export: Array
    storage_charge: Array
    storage_discharge: Array
    stored_energy: Array
    trade: Array
    nodal_price: Array
    storage_price: Array

    @classmethod
    def zeros(cls, day: Day) -> Self:
        """Return the cotangent of a quantity that does not depend on the clearing; its arrays may be written to."""
        t, n = day.n_periods, day.n_prosumers
        return cls(
            demand=np.zeros((t, n)),
            renewable_used=np.zeros((t, n)),
            grid_import=np.zeros((t, n)),
            grid_export=np.zeros((t, n)),
            storage_charge=np.zeros((t, n)),
            storage_discharge=np.zeros((t, n)),
            stored_energy=np.zeros((t + 1, n)),
            trade=np.zeros((t, n, n)),
            nodal_price=np.zeros((t, n)),
            storage_price=np.zeros((t, n)),
        )


def dimensionless(data: MarketData, cotangent: Cotangent) -> Point:
    """Return a cotangent with respect to the dimensionless point instead of the clearing; S keeps its own unit."""
    power, price, owner = data.power_unit, data.price_unit, data.structure.owner
    return Point(
        demand=cotangent.demand * power,
        renewable=cotangent.renewable_used * power,
        imported=cotangent.grid_import * power,
        exported=cotangent.grid_export * power,
        charge=cotangent.storage_charge[:, owner] * power,
        discharge=cotangent.storage_discharge[:, owner] * power,
        stored=cotangent.stored_energy[1:, owner] * (power * data.period_hours),
        trade=cotangent.trade[:, data.structure.seller, data.structure.buyer] * power,
        nodal_price=cotangent.nodal_price * price,
        storage_price=cotangent.storage_price[:, owner] * price,
    )


def per_charge(data: MarketData, gradient: Array) -> Array:
    """Return derivatives in dimensionless charges, shape (T, K), as derivatives in EUR/kWh, shape (T, N, N); 0 where nobody may trade."""
    structure = data.structure
    whole = np.zeros((structure.n_periods, structure.n_prosumers, structure.n_prosumers))
    whole[:, structure.seller, structure.buyer] = gradient / data.price_unit
    return whole
