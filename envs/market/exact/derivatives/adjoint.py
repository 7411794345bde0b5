"""Exact derivatives of anything that depends on a clearing, with respect to the charges, by one adjoint solve.

On the active set at hand every variable is affine in the charges (:mod:`..kkt`). For a quantity S of the clearing with partial derivatives
("cotangents") S_v in the variables and S_μ, S_σ in the prices, put the free variables' closed forms into S, solve the symmetric KKT
system once for the adjoint λ, and read off, for a free trade k from i to j,

    dS/dτ_k = −(S_p,k + λ_μ,i − λ_μ,j) / ε_k,        and 0 for a trade that is held at a bound.

Where S depends on τ itself, as revenue does, the caller adds its partial derivative (:mod:`....account.gradient`).

At a kink, a charge at which a variable just reaches a bound, each active set that describes the point has a derivative of its own. Without
``active`` it is that of the set :func:`..polish.adopt` reads from the point, on which a variable exactly at its bound is held there. Where
one variable is at its kink, this is the derivative on one of the two sides. Where several are at once it need not be one along any
direction; :func:`.one_sided.piece_ahead` finds the active set that is valid along a given direction, and proves it.
"""

from __future__ import annotations

from ....community.day import Array
from ..kkt import ActiveSet, KktSystem
from ..market_data import MarketData
from ..point import Point, net_bought
from ..polish import adopt


def vector_jacobian(data: MarketData, point: Point, cotangent: Point, *, active: ActiveSet | None = None) -> Array:
    """Return dS/dτ for a quantity with the given partial derivatives in the clearing's variables and prices.

    Args:
        data: The dimensionless market the point clears.
        point: An exact clearing; its variables are put on their bounds in place, unless ``active`` is given.
        cotangent: Partial derivatives of S, dimensionless like the point, the shapes of a point.
        active: The piece to differentiate on; read from the point where absent.

    Returns:
        Derivatives with respect to the dimensionless charges, shape (T, K).
    """
    return vector_jacobians(data, point, cotangent, active=active)[0]


def vector_jacobians(data: MarketData, point: Point, cotangent: Point, *, active: ActiveSet | None = None) -> tuple[Array, Array]:
    """Return dS/dτ as :func:`vector_jacobian` does, shape (T, K), and dS/de₀ in the energy stores begin with, shape (J,).

    The energy a day must end with is held.
    """
    if active is None:
        active = adopt(data, point)
    mu, sigma = _price_cotangent(data, active, cotangent)
    adjoint = KktSystem(data, active).solve_exactly(mu, sigma, cotangent.stored, cotangent.renewable)
    seller, buyer, lam = data.structure.seller, data.structure.buyer, adjoint[0]
    gradient: Array = active.trade * (lam[:, buyer] - lam[:, seller] - cotangent.trade) / data.trade_friction
    return gradient, -adjoint[1][0]  # the first storage equation, negated, has −e₀ on its right side


def _price_cotangent(data: MarketData, active: ActiveSet, cotangent: Point) -> tuple[Array, Array]:
    """Return the derivatives of S in μ and σ with the strictly convex variables following the prices."""
    structure, eta = data.structure, data.storage_efficiency
    mu, sigma = cotangent.nodal_price.copy(), cotangent.storage_price.copy()
    mu += active.imported * cotangent.imported / data.grid_friction - active.exported * cotangent.exported / data.grid_friction
    mu -= active.demand * cotangent.demand / data.utility_curvature
    charge, discharge = active.charge * cotangent.charge / data.storage_wear, active.discharge * cotangent.discharge / data.storage_wear
    mu[:, structure.owner] += discharge - charge
    sigma += eta * charge - discharge / eta
    return mu + net_bought(structure, active.trade * cotangent.trade / data.trade_friction), sigma
