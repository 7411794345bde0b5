"""Between a clearing in kW and EUR and the dimensionless point that solvers work on."""

from __future__ import annotations

import numpy as np

from ...community.day import Array, Day
from .market_data import MarketData, Structure
from .point import Point, objective
from .solution import Certificate, Clearing


def point_of(data: MarketData, clearing: Clearing) -> Point:
    """Return a clearing's arrays in the dimensionless form of ``data``."""
    power, price, owner = data.power_unit, data.price_unit, data.structure.owner
    return Point(
        demand=clearing.demand / power,
        renewable=clearing.renewable_used / power,
        imported=clearing.grid_import / power,
        exported=clearing.grid_export / power,
        charge=clearing.storage_charge[:, owner] / power,
        discharge=clearing.storage_discharge[:, owner] / power,
        stored=clearing.stored_energy[1:, owner] / (power * data.period_hours),
        trade=clearing.trades_of(data.structure.seller, data.structure.buyer) / power,
        nodal_price=clearing.nodal_price / price,
        storage_price=clearing.storage_price[:, owner] / price,
    )


def clearing_of(day: Day, data: MarketData, point: Point, certificate: Certificate, *, solver: str) -> Clearing:
    """Return a certified point as a clearing with read-only arrays; the solver fills in its iterations and wall time."""
    power, price, structure = data.power_unit, data.price_unit, data.structure
    stored = np.empty((day.n_periods + 1, day.n_prosumers))
    stored[:] = day.storage_start  # without storage power the energy stays where it is
    stored[1:, structure.owner] = point.stored * (power * day.period_hours)
    trade = np.zeros((day.n_periods, day.n_prosumers, day.n_prosumers))
    trade[:, structure.seller, structure.buyer] = point.trade * power
    return Clearing(
        demand=_read_only(point.demand * power),
        renewable_used=_read_only(point.renewable * power),
        grid_import=_read_only(point.imported * power),
        grid_export=_read_only(point.exported * power),
        storage_charge=_at_owners(point.charge * power, day, structure),
        storage_discharge=_at_owners(point.discharge * power, day, structure),
        stored_energy=_read_only(stored),
        trade=_read_only(trade),
        nodal_price=_read_only(point.nodal_price * price),
        storage_price=_at_owners(point.storage_price * price, day, structure),
        objective_eur=objective(data, point) * data.objective_unit,
        certificate=certificate,
        solver=solver,
    )


def _at_owners(values: Array, day: Day, structure: Structure) -> Array:
    whole = np.zeros((day.n_periods, day.n_prosumers))
    whole[:, structure.owner] = values
    return _read_only(whole)


def _read_only(array: Array) -> Array:
    array.setflags(write=False)
    return array
