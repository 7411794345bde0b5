"""Responses that are known, as starts for clearings close by, and in little room."""

from __future__ import annotations

from typing import Final

import numpy as np

from ....envs.community.day import Array
from ....envs.market.exact.convert import clearing_of
from ....envs.market.exact.point import Point
from ....envs.market.exact.solution import Certificate, Clearing
from .flat import FAMILIES, FlatMarket
from .line import ChargeLine, LinePoint

_UNCERTIFIED: Final = Certificate(primal_residual=np.inf, dual_residual=np.inf, gap=np.inf)


def way_point(line: ChargeLine, left: LinePoint, right: LinePoint, charge: float) -> Clearing:
    """Return what lies on the straight way between two responses at a charge: no clearing, but a start for one.

    Args:
        line: The game.
        left: The response at a lower charge.
        right: That at a greater one.
        charge: EUR/kWh.
    """
    flat, share = line.flat, (charge - left.charge) / (right.charge - left.charge)
    variables, prices = ((1.0 - share) * a + share * b for a, b in ((left.variables, right.variables), (left.prices, right.prices)))
    parts = np.split(variables / flat.scale, flat.edges[1:-1])
    nodal, storage = flat.split_prices(prices)
    shaped = {name: part.reshape(shape) for name, part, shape in zip(FAMILIES, parts, flat.shapes, strict=True)}
    point = Point(**shaped, nodal_price=nodal, storage_price=storage)
    return clearing_of(line.day, flat.data, point, _UNCERTIFIED, solver="")


def responding(flat: FlatMarket, prices: Array, charge: float, loose: Array) -> Array:
    """Return the best response of every strictly convex variable to prices, with the others as they are, shape (V,).

    Args:
        flat: The program.
        prices: y, dimensionless, shape (P,).
        charge: γ, EUR/kWh.
        loose: The variables without curvature, shape (V − n_curved,).
    """
    wanted = -(flat.cost + charge * flat.charge_cost + flat.price_terms(prices))
    wanted[flat.n_curved :] = loose
    return np.clip(wanted, flat.lower, flat.upper)
