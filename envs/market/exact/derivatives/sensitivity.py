"""How the clearing moves with the charges: exact along a line of charges, up to the next change of the active set.

On one active set every variable is affine in the charges. :func:`respond_along` returns that affine piece for charges + step·direction
and the whole interval of steps on which it is the clearing, found by a ratio test: a free variable may reach a bound, and the slope of a
held one may change sign. Both ends can be certified like any clearing, and between them optimality follows, because the optimality
conditions of one active set are linear.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from ....community.day import Array
from ..kkt import ActiveSet, KktSystem
from ..market_data import MarketData
from ..point import Point, net_bought, stored_slope
from ..polish import adopt

_DRIFT = 1e-12
"""Dimensionless violation that is rounding: such a variable sits on the border of its piece."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Response:
    """One affine piece of the clearing along charges + step·direction.

    Attributes:
        data: The dimensionless market at step 0.
        point: The clearing at step 0.
        slope: Its derivative with respect to the step (a Point of derivatives).
        step_min: Least step of the piece, at most 0.
        step_max: Greatest step of the piece, at least 0.
    """

    data: MarketData
    point: Point
    slope: Point
    step_min: float
    step_max: float

    def at(self, step: float) -> Point:
        """Return the point at a step; it is the clearing where the step lies within the piece."""
        names = [field.name for field in fields(Point)]
        return Point(**{name: getattr(self.point, name) + step * getattr(self.slope, name) for name in names})


def respond_along(data: MarketData, point: Point, direction: Array, *, reach: tuple[float, float]) -> Response:
    """Return the affine piece of the clearing around an exact point.

    Args:
        data: The dimensionless market the point clears.
        point: An exact (polished) clearing; its variables are put on their bounds in place.
        direction: Change of the dimensionless charges per unit of step, shape (T, K).
        reach: Least and greatest step of interest, which bound the piece.
    """
    active = adopt(data, point)
    slope = _derivative(data, active, direction)
    low, high = reach
    for value, change, floor in _margins(data, point, slope, active, direction):
        margin = np.maximum(value - floor, 0.0)  # how far the condition is from failing
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = margin / -change
        tiny = np.abs(change) <= _DRIFT
        low = max(low, float(np.max(np.where((change > 0) & ~tiny, steps, -np.inf), initial=-np.inf)))
        high = min(high, float(np.min(np.where((change < 0) & ~tiny, steps, np.inf), initial=np.inf)))
    return Response(data=data, point=point, slope=slope, step_min=min(low, 0.0), step_max=max(high, 0.0))


def _derivative(data: MarketData, active: ActiveSet, direction: Array) -> Point:
    """Return the derivative of every variable, by the system of the active set."""
    structure, eta = data.structure, data.storage_efficiency
    direct = net_bought(structure, active.trade * -direction / data.trade_friction)  # what free trades do while prices stand still
    idle = np.zeros(eta.shape)
    mu, sigma, stored, renewable = KktSystem(data, active).solve_exactly(-direct, idle, idle, np.zeros(direct.shape), still=True)
    mu_owner, spread = mu[:, structure.owner], mu[:, structure.buyer] - mu[:, structure.seller]
    return Point(
        demand=active.demand * -mu / data.utility_curvature,
        renewable=renewable,
        imported=active.imported * mu / data.grid_friction,
        exported=active.exported * -mu / data.grid_friction,
        charge=active.charge * (eta * sigma - mu_owner) / data.storage_wear,
        discharge=active.discharge * (mu_owner - sigma / eta) / data.storage_wear,
        stored=stored,
        trade=active.trade * (spread - direction) / data.trade_friction,
        nodal_price=mu,
        storage_price=sigma,
    )


def _margins(
    data: MarketData, point: Point, slope: Point, active: ActiveSet, direction: Array
) -> Iterator[tuple[Array, Array, Array | float]]:
    """Yield (value, derivative, floor) of everything that must stay at or above its floor; a derivative of 0 means no condition."""
    mu, sigma, eta, owner = point.nodal_price, point.storage_price, data.storage_efficiency, data.structure.owner
    d_mu, d_sigma = slope.nodal_price, slope.storage_price
    seller, buyer = data.structure.seller, data.structure.buyer
    spread, d_spread = mu[:, buyer] - mu[:, seller] - data.charge, d_mu[:, buyer] - d_mu[:, seller] - direction
    families = (  # the response before clipping, times the curvature, and its derivative
        (data.utility_slope - mu, -d_mu, data.utility_curvature, data.demand_min, data.demand_max),
        (mu - data.import_price, d_mu, data.grid_friction, 0.0, data.import_limit),
        (data.export_price - mu, -d_mu, data.grid_friction, 0.0, data.export_limit),
        (eta * sigma - mu[:, owner], eta * d_sigma - d_mu[:, owner], data.storage_wear, 0.0, data.storage_power),
        (mu[:, owner] - sigma / eta, d_mu[:, owner] - d_sigma / eta, data.storage_wear, 0.0, data.storage_power),
        (spread, d_spread, data.trade_friction, 0.0, data.trade_limit),
    )
    for willing, change, curvature, lower, upper in families:
        wanted, moved = willing / curvature, change / curvature
        low, high = wanted <= lower, wanted >= upper
        free, movable = ~(low | high), upper > lower
        yield wanted, moved * free, lower
        yield -wanted, -moved * free, -upper
        yield -wanted, -moved * (low & movable), -np.asarray(lower)
        yield wanted, moved * (high & movable & ~low), upper
    for value, change, push, d_push, free, least, greatest in (
        (point.stored, slope.stored, stored_slope(sigma), stored_slope(d_sigma), active.stored, data.stored_min, data.stored_max),
        (point.renewable, slope.renewable, -mu, -d_mu, active.renewable, np.zeros_like(mu), data.renewable),
    ):  # without curvature: free ones stay in their box, held ones keep the sign of their slope
        at_lower = ~free & (greatest > least) & (value <= least)
        at_upper = ~free & (greatest > least) & ~at_lower
        yield value, change * free, least
        yield -value, -change * free, -greatest
        yield push, d_push * at_lower, 0.0
        yield -push, -d_push * at_upper, 0.0
