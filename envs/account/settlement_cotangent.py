"""Partial derivatives of a settlement: how each quantity of :mod:`.settlement` moves with each array of the clearing and with the charges.

A weighted sum of quantities, S = Σ_q w_q·q, is differentiated as a whole, because one adjoint solve gives the gradient of any sum. Its
weights are first gathered by what the quantities are made of: charges, imports, losses by period, overload, utility and payments by
prosumer. Two identities shorten this. Payments sum to zero, and charges paid are charges collected, so welfare is gross surplus and import
fee less losses and overload, and depends on neither.

``"injections"`` are differentiated as n_i = x_i − m_i + Σ_j p_ij − Σ_j p_ji, which the balances make equal to r_i + s_i − c_i − d_i:
imports, exports and trades follow the prices in closed form, while curtailment does not.

Flows have two kinks of their own: overload begins where |f| = F, and two branches may share the peak loading. There the side is read from
``ahead``, a clearing a little further along the direction of interest; at the limit itself overload counts as not begun.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from ..community.day import Array, Day
from ..errors import unknown_name
from ..grid.network import Network
from ..market.exact.derivatives.cotangent import Cotangent
from ..market.exact.solution import Clearing
from .physical import INFO_OF_WIRES
from .settlement import Flows, Settlement, check_flows, flow_kw

Weights = Mapping[str, ArrayLike]

NOT_DIFFERENTIABLE: Final = ("network_secure",)
"""What a settlement holds that has no derivative: it is true or false."""

QUANTITIES: Final = tuple(field.name for field in fields(Settlement) if field.name not in (*NOT_DIFFERENTIABLE, *INFO_OF_WIRES))
"""Every quantity of a settlement that has a derivative."""

_AT_LIMIT = 1e-9
"""Difference of loadings that a clearing's rounding may make."""


@dataclass(frozen=True, eq=False, kw_only=True)
class _QuantityWeights:
    """Weights of what the quantities are made of."""

    utility: Array  # (N,), of each prosumer's surplus before charges and payments
    payment: Array  # (N,)
    charge: Array  # (N,), of what each prosumer pays in charges
    traded: Array  # (N, N), of the energy traded by each pair
    imported: float  # of the energy imported, likewise exported
    exported: float
    loss: Array  # (T,), of the energy lost
    overload: float  # of the energy above the limits
    flow: Array  # (T, L)
    peak: float


def settlement_cotangent(
    day: Day,
    network: Network,
    charges: Array,
    clearing: Clearing,
    weights: Weights,
    *,
    flows: Flows = "trades",
    charge_base: Array | None = None,
    ahead: Clearing | None = None,
) -> tuple[Cotangent, Array]:
    """Return the partial derivatives of a weighted sum of settlement quantities.

    Args:
        day: The day that was cleared.
        network: Where the prosumers sit.
        charges: τ in EUR/kWh, shape (T, N, N) or (N, N).
        clearing: The clearing at which to differentiate.
        weights: A weight for each quantity that counts, of the quantity's own shape or a scalar for all of its entries.
        flows: Which account of the flows the operator answers for.
        charge_base: As in :func:`.settlement.settle`.
        ahead: A clearing further along the direction of interest; ``clearing`` itself where absent.

    Returns:
        Derivatives with respect to the clearing's arrays at fixed charges, and with respect to the charges at a fixed clearing, the latter
        of shape (T, N, N) in units of S per EUR/kWh.

    Raises:
        ValueError: If a quantity is unknown or has no derivative, a weight has the wrong shape or is not finite, or `flows` is unknown.
    """
    check_flows(flows)
    parts = _gather(day, network, weights, charge_base)
    cotangent = Cotangent.zeros(day)
    _add_utility(cotangent, day, clearing, parts.utility)
    _add_payments(cotangent, day, clearing, parts.payment)
    share = 0.5 * day.period_hours * (parts.charge[:, None] + parts.charge[None, :])  # each side pays half the charge
    cotangent.trade += share * np.broadcast_to(charges, cotangent.trade.shape) + day.period_hours * parts.traded
    cotangent.grid_import += day.period_hours * parts.imported
    cotangent.grid_export += day.period_hours * parts.exported
    _add_flows(cotangent, day, network, clearing, parts, flows=flows, ahead=clearing if ahead is None else ahead)
    return cotangent, share * clearing.trade


def flows_at_kink(day: Day, network: Network, clearing: Clearing, weights: Weights, *, flows: Flows = "trades") -> bool:
    """Return whether a flow is at its limit, or two branches share the peak loading and it counts.

    Raises:
        ValueError: If `flows` is unknown.
    """
    flow = flow_kw(day, network, clearing, flows=flows)
    limited = np.isfinite(network.grid.branch_limit_kw)  # a branch without a limit has a loading of 0, and no kink
    loading = (np.abs(flow) / network.grid.branch_limit_kw)[:, limited]
    if "peak_loading" in weights and np.count_nonzero(loading >= loading.max(initial=0.0) * (1 - _AT_LIMIT)) > 1:
        return True
    return bool(np.any(np.abs(loading - 1) <= _AT_LIMIT))


def _gather(day: Day, network: Network, weights: Weights, charge_base: Array | None) -> _QuantityWeights:
    """Return the weights of the parts, after validation."""
    t, n, branches = day.n_periods, day.n_prosumers, network.grid.n_branches
    basis = np.ones((1, n, n)) if charge_base is None else charge_base.reshape(-1, n, n)
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(("surplus_eur", "payment_eur", "charge_eur"), (n,))
    shapes |= {"charged_kwh_by_coefficient": (len(basis),), "flow_kw": (t, branches)}
    w = _read(weights, shapes)
    operator = w["profit_eur"] + w["welfare_eur"]  # both hold the operator's import fee, losses and overload
    by_coefficient = w["charged_kwh"] + w["charged_kwh_by_coefficient"]
    return _QuantityWeights(
        utility=w["surplus_eur"] + w["gross_welfare_eur"] + w["welfare_eur"],
        payment=w["payment_eur"] + w["surplus_eur"],
        charge=w["charge_eur"] - w["surplus_eur"] + w["revenue_eur"] + w["profit_eur"],
        traded=w["traded_kwh"] + np.tensordot(by_coefficient, basis, axes=1),
        imported=float(w["import_kwh"] + day.import_fee * (operator + w["import_fee_eur"])),
        exported=float(w["export_kwh"]),
        loss=w["loss_kwh"] + day.loss_price * (w["loss_cost_eur"] - operator),
        overload=float(w["overload_kwh"] + day.overload_price * (w["overload_cost_eur"] - operator)),
        flow=w["flow_kw"],
        peak=float(w["peak_loading"]),
    )


def _read(weights: Weights, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    """Return a weight of the right shape for every quantity, zeros where none is given."""
    faults: list[str] = []
    read = {name: np.zeros(shapes.get(name, ())) for name in QUANTITIES}
    for name, weight in weights.items():
        if name in NOT_DIFFERENTIABLE:
            faults.append(f"`{name}` is true or false and has no derivative; `peak_loading` has one")
            continue
        if name not in read:
            raise unknown_name("a quantity to differentiate", name, QUANTITIES)
        array = np.asarray(weight, dtype=np.float64)
        if array.shape not in ((), read[name].shape):
            faults.append(f"`{name}` must have a weight of shape {read[name].shape} or a scalar, got {array.shape}")
        elif not np.isfinite(array).all():
            faults.append(f"`{name}` must have a finite weight, got {array}")
        else:
            read[name][...] = array
    if faults:
        raise ValueError(f"weights of settlement quantities are not valid: {'; '.join(faults)}.")
    return read


def _add_utility(cotangent: Cotangent, day: Day, clearing: Clearing, weight: Array) -> None:
    """Add the derivatives of what prosumers keep before charges and payments; a trade's friction is borne half by each side."""
    scaled = day.period_hours * weight
    cotangent.demand += scaled * (day.utility_slope - day.utility_curvature * clearing.demand)
    cotangent.grid_import -= scaled * (day.own_import_price + day.grid_friction * clearing.grid_import)
    cotangent.grid_export += scaled * (day.own_export_price - day.grid_friction * clearing.grid_export)
    cotangent.storage_charge -= scaled * day.storage_wear * clearing.storage_charge
    cotangent.storage_discharge -= scaled * day.storage_wear * clearing.storage_discharge
    cotangent.trade -= 0.5 * (scaled[:, None] + scaled[None, :]) * day.trade_friction * clearing.trade


def _add_payments(cotangent: Cotangent, day: Day, clearing: Clearing, weight: Array) -> None:
    """Add the derivatives of Σ_i w_i·payment_i = ½ Δ Σ_ij w_i (p_ij − p_ji)(μ_i + μ_j)."""
    price, half = clearing.nodal_price, 0.5 * day.period_hours
    trade = clearing.trade
    net = trade - trade.transpose(0, 2, 1)
    cotangent.nodal_price += half * (weight * net.sum(axis=2) + weight @ net)
    cotangent.trade += half * (weight[:, None] - weight[None, :]) * (price[:, :, None] + price[:, None, :])


def _add_flows(
    cotangent: Cotangent, day: Day, network: Network, clearing: Clearing, parts: _QuantityWeights, *, flows: Flows, ahead: Clearing
) -> None:
    """Add the derivatives of everything that the flows decide."""
    grid, hours = network.grid, day.period_hours
    flow = flow_kw(day, network, clearing, flows=flows)
    flow_ahead = flow_kw(day, network, ahead, flows=flows)
    over = np.sign(flow_ahead) * (np.abs(flow_ahead) > grid.branch_limit_kw)
    weight = parts.flow + hours * (parts.loss[:, None] * (2.0 * grid.loss_coefficient * flow) + parts.overload * over)
    if parts.peak and weight.size:
        worst = np.unravel_index(np.argmax(np.abs(flow_ahead) / grid.branch_limit_kw), flow.shape)
        weight[worst] += parts.peak * np.sign(flow_ahead[worst]) / grid.branch_limit_kw[worst[1]]
    per_kw = weight @ network.prosumer_ptdf  # of one more kW injected by each prosumer
    cotangent.trade += per_kw[:, :, None] - per_kw[:, None, :]
    if flows == "injections":
        cotangent.grid_export += per_kw
        cotangent.grid_import -= per_kw
