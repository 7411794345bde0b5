"""A primal-dual point of the dimensionless market, and how far it is from the optimum.

Every primal variable v sits in a box and has a separable convex cost, so with the Lagrangian's slope g and the curvature q at v the least
cost over its box is reached at v* = clip(v − g/q), and v is worse than that by −(g·(v*−v) + ½·q·(v*−v)²) ≥ 0. Summed over all variables and
added to the prices times the equation residuals this is exactly primal minus dual objective, without their cancellation.

=================  ===========================================================  ==================================
variable           slope g of the Lagrangian                                    curvature q
=================  ===========================================================  ==================================
demand d           a·d − b + μ                                                  a
renewable r        −μ                                                           0
import m           λᵐ + ε_g·m − μ                                               ε_g
export x           −λˣ + ε_g·x + μ                                              ε_g
charge c           κ·c + μ − η·σ                                                κ
discharge s        κ·s − μ + σ/η                                                κ
stored energy e    σ_{t−1} − σ_t, and σ_{T−1} at the end of the day             0
trade p_ij         τ_ij + ε·p_ij + μ_i − μ_j                                    ε
=================  ===========================================================  ==================================
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan
from typing import NamedTuple

import numpy as np

from ...community.day import Array
from .market_data import IntArray, MarketData, Structure
from .solution import Certificate
from .trades import sold_and_bought

AT_BOUND = 1e-11
"""Distance within which a variable counts as being on its bound: what changing units to kW and back may cost. The gap still sees it."""


@dataclass(eq=False, kw_only=True)
class Point:
    """Dimensionless primal and dual variables; ``stored`` is the energy at the end of each period."""

    demand: Array  # (T, N)
    renewable: Array
    imported: Array
    exported: Array
    charge: Array  # (T, J)
    discharge: Array
    stored: Array
    trade: Array  # (T, K)
    nodal_price: Array  # μ, (T, N)
    storage_price: Array  # σ, (T, J)


class Box(NamedTuple):
    """One family of variables: value, slope of the Lagrangian, curvature, bounds, and what is much; broadcastable together."""

    value: Array
    slope: Array
    curvature: Array | float
    lower: Array | float
    upper: Array
    size: Array
    holders: tuple[IntArray, ...]  # whose each column is: one prosumer's, or two who share it


def respond(data: MarketData, point: Point) -> None:
    """Set every strictly convex variable of ``point`` to its unique best response to the point's prices."""
    mu, sigma = point.nodal_price, point.storage_price
    mu_owner = mu[:, data.structure.owner]
    point.demand = np.clip((data.utility_slope - mu) / data.utility_curvature, data.demand_min, data.demand_max)
    point.imported = np.clip((mu - data.import_price) / data.grid_friction, 0.0, data.import_limit)
    point.exported = np.clip((data.export_price - mu) / data.grid_friction, 0.0, data.export_limit)
    point.charge = np.clip((data.storage_efficiency * sigma - mu_owner) / data.storage_wear, 0.0, data.storage_power)
    point.discharge = np.clip((mu_owner - sigma / data.storage_efficiency) / data.storage_wear, 0.0, data.storage_power)
    spread = mu[:, data.structure.buyer] - mu[:, data.structure.seller]
    point.trade = np.clip((spread - data.charge) / data.trade_friction, 0.0, data.trade_limit)


def balance_residual(data: MarketData, point: Point) -> Array:
    """Return the left side of the power balance, shape (T, N)."""
    structure = data.structure
    residual = point.renewable + point.imported - point.exported - point.demand
    residual[:, structure.owner] += point.discharge - point.charge
    return residual + net_bought(structure, point.trade)


def net_bought(structure: Structure, trade: Array) -> Array:
    """Return what each prosumer buys less what it sells, shape (T, N), of trades of shape (T, K)."""
    sold, bought = sold_and_bought(structure.n_prosumers, structure.seller, structure.buyer, trade)
    return bought - sold


def storage_residual(data: MarketData, point: Point) -> Array:
    """Return the left side of the storage equation, shape (T, J)."""
    before = np.vstack([data.storage_start[None, :], point.stored[:-1]])
    return point.stored - before - data.storage_efficiency * point.charge + point.discharge / data.storage_efficiency


def stored_slope(sigma: Array) -> Array:
    """Return the Lagrangian's slope in the stored energy, shape (T, J)."""
    return sigma - np.vstack([sigma[1:], np.zeros((1, sigma.shape[1]))])


def boxes(data: MarketData, point: Point) -> Iterator[Box]:
    """Yield every family of variables with its slope, curvature and bounds (the module's table, row by row)."""
    mu, sigma, eta, owner = point.nodal_price, point.storage_price, data.storage_efficiency, data.structure.owner
    size, stored = data.size, data.size[owner]
    everybody, pair = (np.arange(len(size)),), (data.structure.seller, data.structure.buyer)
    mu_owner = mu[:, owner]
    spread = mu[:, data.structure.buyer] - mu[:, data.structure.seller]
    slope = data.utility_curvature * point.demand - data.utility_slope + mu
    yield Box(point.demand, slope, data.utility_curvature, data.demand_min, data.demand_max, size, everybody)
    yield Box(point.renewable, -mu, 0.0, 0.0, data.renewable, size, everybody)
    slope = data.import_price + data.grid_friction * point.imported - mu
    yield Box(point.imported, slope, data.grid_friction, 0.0, data.import_limit, size, everybody)
    slope = -data.export_price + data.grid_friction * point.exported + mu
    yield Box(point.exported, slope, data.grid_friction, 0.0, data.export_limit, size, everybody)
    slope = data.storage_wear * point.charge + mu_owner - eta * sigma
    yield Box(point.charge, slope, data.storage_wear, 0.0, data.storage_power, stored, (owner,))
    slope = data.storage_wear * point.discharge - mu_owner + sigma / eta
    yield Box(point.discharge, slope, data.storage_wear, 0.0, data.storage_power, stored, (owner,))
    yield Box(point.stored, stored_slope(sigma), 0.0, data.stored_min, data.stored_max, stored, (owner,))
    slope = data.charge + data.trade_friction * point.trade - spread
    yield Box(point.trade, slope, data.trade_friction, 0.0, data.trade_limit, data.pair_size, pair)


def objective(data: MarketData, point: Point) -> float:
    """Return the followers' dimensionless objective at the point."""
    value = np.sum(point.demand * (0.5 * data.utility_curvature * point.demand - data.utility_slope))
    value += np.sum(point.imported * (data.import_price + 0.5 * data.grid_friction * point.imported))
    value += np.sum(point.exported * (0.5 * data.grid_friction * point.exported - data.export_price))
    value += 0.5 * np.sum(data.storage_wear * (point.charge**2 + point.discharge**2))
    value += np.sum(point.trade * (data.charge + 0.5 * data.trade_friction * point.trade))
    return float(value)


def certify(data: MarketData, point: Point) -> Certificate:
    """Measure the point against the optimality conditions; NaN anywhere gives NaN, which no tolerance accepts.

    Every equation and variable is measured by what is much for whose it is, and the gap is that of the prosumer it matters to most; see
    :class:`.solution.Certificate`.
    """
    balance, storage = balance_residual(data, point), storage_residual(data, point)
    owner = data.structure.owner
    primal = _worse(float((np.abs(balance) / data.size).max()), float((np.abs(storage) / data.size[owner]).max(initial=0.0)))
    dual = 0.0
    for box in boxes(data, point):
        outside = np.maximum(box.lower - box.value, box.value - box.upper) / box.size
        primal = _worse(primal, float(outside.max(initial=0.0)))
        near = AT_BOUND * box.size
        low, high = box.value <= box.lower + near, box.value >= box.upper - near
        wrong = np.where(low, np.maximum(-box.slope, 0.0), np.where(high, np.maximum(box.slope, 0.0), np.abs(box.slope)))
        wrong = np.where(low & high, 0.0, wrong)  # a fixed variable takes a multiplier of either sign
        dual = _worse(dual, float(wrong.max(initial=0.0)))
    relative = gap_by_prosumer(data, point) / (len(balance) * data.size)
    worst = int(np.argmax(np.abs(relative)))  # NaN counts as the greatest
    return Certificate(primal_residual=primal, dual_residual=dual, gap=float(relative[worst]))


def gap_by_prosumer(data: MarketData, point: Point) -> Array:
    """Return each prosumer's part of primal minus dual objective, dimensionless, shape (N,); a trade's is shared by both sides."""
    gap = np.sum(point.nodal_price * balance_residual(data, point), axis=0)
    np.subtract.at(gap, data.structure.owner, np.sum(point.storage_price * storage_residual(data, point), axis=0))
    for box in boxes(data, point):
        lost = _loss_of_optimality(box) / len(box.holders)
        for holder in box.holders:
            np.add.at(gap, holder, lost)
    whole: Array = gap
    return whole


def _loss_of_optimality(box: Box) -> Array:
    """Return how much each column's part of the Lagrangian lies above its minimum over the box."""
    curvature = np.broadcast_to(np.asarray(box.curvature, dtype=np.float64), box.value.shape)
    flat = np.where(box.slope > 0, box.lower, np.where(box.slope < 0, box.upper, box.value))
    with np.errstate(divide="ignore", invalid="ignore"):
        curved = np.clip(box.value - box.slope / curvature, box.lower, box.upper)
    step = np.where(curvature > 0, curved, flat) - box.value
    lost: Array = -np.sum(box.slope * step + 0.5 * curvature * step**2, axis=0)
    return lost


def _worse(a: float, b: float) -> float:
    return b if b > a or isnan(b) else a
