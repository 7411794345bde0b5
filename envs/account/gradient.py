"""Exact gradients of a settled day in the charges, by one adjoint solve.

On one affine piece of the followers' response every quantity S of the settlement is smooth in the charges, and

    dS/dτ = ∂S/∂τ + (dv/dτ)ᵀ ∂S/∂v,

with the clearing's arrays v and their partial derivatives by :mod:`.settlement_cotangent`. The second term costs one solve with the
transposed optimality conditions (:mod:`..market.exact.derivatives.adjoint`), whatever the number of charges. Coefficients follow by the
chain rule, dS/dγ_tk = Σ_ij B^k_ij dS/dτ_tij, because charges are linear in them. The followers' optimal value V needs no solve: V is
concave in the charges, and by the envelope theorem dV/dτ = Δ·p, the energy traded, and dV/dγ is the energy charged.

**Kinks.** Where a variable just reaches or leaves a bound, S has one derivative on each side, and where many do at once, many. The result
is then that of the piece entered along a direction δ of charges, ``toward``, by default all charges rising alike, and that piece is proved
to begin at the charges given: Σ δ·dS/dτ is the derivative of S along δ, from that side. Away from kinks the direction does not matter.

**Prices that are not unique.** Where a prosumer has nothing off its bounds in a period, its nodal price is not unique, and where it trades
up to a cap, neither is what it is paid. ``payment_eur`` and ``surplus_eur`` are then those of the prices returned, differentiated as if
prices that nothing determines stood still. Totals, and all other quantities, do not depend on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..community.day import Array, Day
from ..grid.network import Network
from ..market.exact.convert import clearing_of, point_of
from ..market.exact.derivatives.adjoint import vector_jacobian
from ..market.exact.derivatives.cotangent import Cotangent, dimensionless, per_charge
from ..market.exact.derivatives.one_sided import PieceAhead, at_kink, piece_ahead
from ..market.exact.market_data import MarketData, Structure, read_charges, scale
from ..market.exact.point import Point
from ..market.exact.solution import Clearing
from .settlement import Flows
from .settlement_cotangent import Weights, flows_at_kink, settlement_cotangent
from .tariff import Tariff


def settlement_gradient(
    day: Day,
    network: Network,
    charges: ArrayLike,
    clearing: Clearing,
    *,
    weights: Weights,
    flows: Flows = "trades",
    charge_base: Array | None = None,
    toward: ArrayLike | None = None,
) -> Array:
    """Return the derivatives of a weighted sum of settlement quantities in the charge of every trade and period.

    Args:
        day: The day that was cleared.
        network: Where the prosumers sit.
        charges: τ in EUR/kWh, shape (T, N, N) or (N, N), as they were cleared; the derivatives are by period either way.
        clearing: The clearing at these charges.
        weights: What to differentiate: ``{"profit_eur": 1.0}`` is the profit, and any sum such as ``{"profit_eur": 1.0, "loss_kwh": -0.1}``
            costs the same. Quantities with several entries take a weight for each, or one for all.
        flows: Which account of the flows the operator answers for.
        charge_base: The tariff's basis, as :func:`.settlement.settle` takes it.
        toward: The direction of charges that decides at a kink, shape (T, N, N) or (N, N), such as a tariff's basis or minus that; all
            charges rise alike where absent.

    Returns:
        dS/dτ in units of S per EUR/kWh, shape (T, N, N); 0 for pairs that may not trade.

    Raises:
        ValueError: If charges, weights, `flows` or the direction are not valid.
        ClearingError: If the charges are at a kink and no one-sided derivative there can be proved.
    """
    full = read_charges(day, charges)
    place = _place(day, full, clearing, toward, sure=flows_at_kink(day, network, clearing, weights, flows=flows))
    cotangent, direct = settlement_cotangent(
        day, network, full, clearing, weights, flows=flows, charge_base=charge_base, ahead=place.clearing_ahead(day, clearing)
    )
    return direct + place.pulled_back(cotangent)


def clearing_gradient(day: Day, charges: ArrayLike, clearing: Clearing, cotangent: Cotangent, *, toward: ArrayLike | None = None) -> Array:
    """Return the vector-Jacobian product of the clearing: the derivatives in the charges of any quantity that is a function of it.

    Args:
        day: The day that was cleared.
        charges: τ in EUR/kWh, shape (T, N, N) or (N, N).
        clearing: The clearing at these charges.
        cotangent: Partial derivatives of the quantity in the clearing's arrays.
        toward: As in :func:`settlement_gradient`.

    Returns:
        dS/dτ at fixed ∂S/∂τ = 0, shape (T, N, N), in units of S per EUR/kWh.

    Raises:
        ValueError: If the charges or the direction are not valid.
        ClearingError: If the charges are at a kink and no one-sided derivative there can be proved.
    """
    return _place(day, read_charges(day, charges), clearing, toward).pulled_back(cotangent)


def value_gradient(day: Day, clearing: Clearing) -> Array:
    """Return dV/dτ of the followers' optimal value V in EUR, shape (T, N, N): the energy each pair trades, in kWh."""
    energy: Array = day.period_hours * clearing.trade
    return energy


def coefficient_gradient(tariff: Tariff, gradient: Array) -> Array:
    """Return derivatives in the coefficients γ by period, shape (T, K), of derivatives in the charges, shape (T, N, N)."""
    return np.tensordot(gradient, tariff.basis, axes=([1, 2], [1, 2]))


def action_gradient(tariff: Tariff, gradient: Array) -> Array:
    """Return derivatives in the numbers an operator posts, as :meth:`.Tariff.read` takes them: shape (K,) per day, (T·K,) per hour."""
    by_period = coefficient_gradient(tariff, gradient)
    return np.asarray(by_period.sum(axis=0) if tariff.per == "day" else by_period.ravel())


@dataclass(frozen=True, eq=False, kw_only=True)
class _Place:
    """A dimensionless market with its exact point, and at a kink the piece to differentiate on."""

    data: MarketData
    point: Point
    piece: PieceAhead | None

    def clearing_ahead(self, day: Day, clearing: Clearing) -> Clearing:
        """Return the clearing a step into the piece, or the one here where no side has to be chosen."""
        if self.piece is None:
            return clearing
        return clearing_of(day, self.data, self.piece.point, clearing.certificate, solver=clearing.solver)

    def pulled_back(self, cotangent: Cotangent) -> Array:
        """Return the vector-Jacobian product in EUR/kWh, shape (T, N, N)."""
        active = None if self.piece is None else self.piece.active
        return per_charge(self.data, vector_jacobian(self.data, self.point, dimensionless(self.data, cotangent), active=active))


def _place(day: Day, charges: Array, clearing: Clearing, toward: ArrayLike | None, *, sure: bool = False) -> _Place:
    """Find the piece to differentiate on; ``sure`` looks ahead wherever the point is."""
    structure = Structure.of(day)
    data = scale(day, charges, structure)
    point = point_of(data, clearing)
    direction = np.ones(()) if toward is None else np.asarray(toward, dtype=np.float64)
    n = day.n_prosumers
    if toward is not None and direction.shape not in ((n, n), charges.shape):
        raise ValueError(f"`toward` must have shape {charges.shape} or ({n}, {n}), got {direction.shape}.")
    if not np.isfinite(direction).all():
        raise ValueError("`toward` must be finite, got entries that are not.")
    piece = None
    if sure or at_kink(data, point):
        whole = np.broadcast_to(direction, charges.shape)
        piece = piece_ahead(data, point, whole[:, structure.seller, structure.buyer])
    return _Place(data=data, point=point, piece=piece)
