"""Who pays whom after a clearing, and what the operator keeps.

A pair trades at the mean of its nodal prices, π_ij = ½(μ_i + μ_j); each side pays half the charge and bears half the friction. With Δ
the length of a period, a prosumer's surplus is its utility less what it pays for imports, frictions, storage wear and charges, plus
what its trades bring in. The operator's profit is

    Π = Σ_t Δ { Σ_ij τ_ij p_ij + ν Σ_i m_i − ρ_t Σ_l w_l (f_l² − f_base,l²) − φ Σ_l max(0, |f_l| − F_l) },

with flows f = H n by the grid's PTDF matrix H from the net injections n, under one of two accounts:

* ``"trades"``: n_i = Σ_j p_ij − Σ_j p_ji, what the operator has to deliver between prosumers;
* ``"injections"``: n_i = r_i + s_i − c_i − d_i, all that enters the wires.

The base injection's own flows add to both; what it alone would lose is not charged to the community.

These identities hold to rounding, and the tests execute them: payments sum to zero; the surpluses sum to minus the followers' objective;
surpluses and charge revenue sum to the gross welfare; and where 0 < p_ij < P_ij, μ_j − μ_i = τ_ij + ε p_ij.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast, get_args

import numpy as np

from .clearing.solution import Clearing
from .day import Array, Day
from .errors import unknown_name
from .network import Network

Flows = Literal["trades", "injections"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Settlement:
    """The money and energy of one cleared day.

    Attributes:
        profit_eur: Π, the operator's profit: revenue and import fee less losses and overload.
        revenue_eur: Charges collected, Σ Δ τ p.
        import_fee_eur: Fee collected on imports, Σ Δ ν m.
        loss_cost_eur: What the operator pays for the losses the community causes; below 0 where it relieves the base injection's flows.
        overload_cost_eur: What the operator pays for flow above the branch limits.
        welfare_eur: Prosumers' surplus and operator's profit together; the retailer stands outside.
        gross_welfare_eur: Prosumers' surplus before charges.
        surplus_eur: Each prosumer's surplus after charges, shape (N,).
        payment_eur: What each prosumer receives for its trades from the others, shape (N,); sums to zero.
        charge_eur: What each prosumer pays in charges, shape (N,); sums to the revenue.
        traded_kwh: Σ Δ p.
        charged_kwh: Σ Δ B p with B the sum of the tariff's basis matrices.
        charged_kwh_by_coefficient: Σ Δ B^k p, shape (K,).
        import_kwh: Bought from the retailer.
        export_kwh: Sold to the retailer.
        loss_kwh: Losses the community causes, Σ Δ w (f² − f_base²).
        overload_kwh: Energy above the branch limits.
        flow_kw: f, shape (T, L), positive from ``branch_from`` to ``branch_to``.
        peak_loading: Greatest |f| over its branch limit; 0 where no branch has a limit.
        network_secure: Whether every flow is within its limit (to a relative 1e-9, the accuracy of a clearing).
    """

    profit_eur: float
    revenue_eur: float
    import_fee_eur: float
    loss_cost_eur: float
    overload_cost_eur: float
    welfare_eur: float
    gross_welfare_eur: float
    surplus_eur: Array
    payment_eur: Array
    charge_eur: Array
    traded_kwh: float
    charged_kwh: float
    charged_kwh_by_coefficient: Array
    import_kwh: float
    export_kwh: float
    loss_kwh: float
    overload_kwh: float
    flow_kw: Array
    peak_loading: float
    network_secure: bool


def check_flows(flows: str) -> Flows:
    """Return the account of flows that was named.

    Raises:
        ValueError: If it is unknown.
    """
    for known in get_args(Flows):
        if flows == known:
            return cast(Flows, known)
    raise unknown_name("the account of `flows`", flows, get_args(Flows))


def base_flow(day: Day, network: Network) -> Array:
    """Return the flows of the base injection alone in kW, shape (T, L); a day without any may leave its buses out."""
    return network.grid.flow(day.base_injection) if day.base_injection.any() else np.zeros((day.n_periods, network.grid.n_branches))


def trade_price(clearing: Clearing) -> Array:
    """Return π, what the buyer pays the seller per kWh before charges, in EUR/kWh, shape (T, N, N)."""
    price = clearing.nodal_price
    return 0.5 * (price[:, :, None] + price[:, None, :])


def settle(
    day: Day,
    network: Network,
    charges: Array,
    clearing: Clearing,
    *,
    flows: Flows = "trades",
    charge_base: Array | None = None,
) -> Settlement:
    """Settle one cleared day.

    Args:
        day: The day that was cleared.
        network: Where the prosumers sit.
        charges: τ in EUR/kWh, shape (T, N, N) or (N, N), as they were cleared.
        clearing: The outcome to settle.
        flows: Which account of the flows the operator answers for.
        charge_base: The tariff's basis, shape (K, N, N) or (N, N); each traded kWh counts as one where it is absent.

    Raises:
        ValueError: If `flows` is unknown.
    """
    hours = day.period_hours
    charge = np.broadcast_to(charges, clearing.trade.shape) * clearing.trade
    charge_eur = 0.5 * hours * (charge.sum(axis=(0, 2)) + charge.sum(axis=(0, 1)))
    payment_eur = _payments(day, clearing)
    gross_surplus_eur = _gross_surplus(day, clearing)
    surplus_eur = gross_surplus_eur - charge_eur + payment_eur
    revenue_eur = hours * float(charge.sum())
    traded_kwh = hours * clearing.trade.sum(axis=0)  # (N, N)
    charged_kwh = _charged(traded_kwh, charge_base)
    import_kwh = hours * float(clearing.grid_import.sum())
    import_fee_eur = day.import_fee * import_kwh
    flow_kw, base_flow_kw = flow_and_base(day, network, clearing, flows=flows)
    loss_kwh = hours * ((flow_kw**2 - base_flow_kw**2) @ network.grid.loss_coefficient)  # (T,)
    overload_kwh = hours * float(np.maximum(0.0, np.abs(flow_kw) - network.grid.branch_limit_kw).sum())
    loss_cost_eur, overload_cost_eur = float(day.loss_price @ loss_kwh), day.overload_price * overload_kwh
    profit_eur = revenue_eur + import_fee_eur - loss_cost_eur - overload_cost_eur
    peak_loading = float((np.abs(flow_kw) / network.grid.branch_limit_kw).max(initial=0.0))
    return Settlement(
        profit_eur=profit_eur,
        revenue_eur=revenue_eur,
        import_fee_eur=import_fee_eur,
        loss_cost_eur=loss_cost_eur,
        overload_cost_eur=overload_cost_eur,
        welfare_eur=float(surplus_eur.sum()) + profit_eur,
        gross_welfare_eur=float(gross_surplus_eur.sum()),
        surplus_eur=surplus_eur,
        payment_eur=payment_eur,
        charge_eur=charge_eur,
        traded_kwh=float(traded_kwh.sum()),
        charged_kwh=float(charged_kwh.sum()),
        charged_kwh_by_coefficient=charged_kwh,
        import_kwh=import_kwh,
        export_kwh=hours * float(clearing.grid_export.sum()),
        loss_kwh=float(loss_kwh.sum()),
        overload_kwh=overload_kwh,
        flow_kw=flow_kw,
        peak_loading=peak_loading,
        network_secure=peak_loading <= 1 + 1e-9,
    )


def flow_and_base(day: Day, network: Network, clearing: Clearing, *, flows: Flows = "trades") -> tuple[Array, Array]:
    """Return the flows of a clearing and those of the base injection alone, in kW, each of shape (T, L).

    The prosumers' columns of the PTDF matrix keep this linear in N; no array over branches and pairs is formed.

    Raises:
        ValueError: If `flows` is unknown.
    """
    if check_flows(flows) == "trades":
        net = clearing.traded_kw
    else:
        net = clearing.renewable_used + clearing.storage_discharge - clearing.storage_charge - clearing.demand
    base = base_flow(day, network)
    return net @ network.prosumer_ptdf.T + base, base


def _gross_surplus(day: Day, clearing: Clearing) -> Array:
    """Return each prosumer's surplus in EUR before charges and payments, shape (N,)."""
    demand, bought, sold = clearing.demand, clearing.grid_import, clearing.grid_export
    utility = day.utility_slope * demand - 0.5 * day.utility_curvature * demand**2
    retail = day.export_price[:, None] * sold - day.import_price[:, None] * bought
    connection = 0.5 * day.grid_friction * (bought**2 + sold**2)
    wear = 0.5 * day.storage_wear * (clearing.storage_charge**2 + clearing.storage_discharge**2)
    trading = (0.5 * day.trade_friction * clearing.trade**2).sum(axis=0)  # (N, N)
    friction = 0.5 * (trading.sum(axis=1) + trading.sum(axis=0))
    surplus: Array = day.period_hours * ((utility + retail - connection - wear).sum(axis=0) - friction)
    return surplus


def _payments(day: Day, clearing: Clearing) -> Array:
    """Return what each prosumer receives for its trades, in EUR, shape (N,): sales less purchases at π_ij = ½(μ_i + μ_j)."""
    net = clearing.trade - clearing.trade.transpose(0, 2, 1)  # antisymmetric, so that payments cancel pair by pair
    price = clearing.nodal_price
    received: Array = 0.5 * day.period_hours * (price * net.sum(axis=2) + (net @ price[:, :, None])[:, :, 0])
    return np.asarray(received.sum(axis=0))


def _charged(traded_kwh: Array, charge_base: Array | None) -> Array:
    """Return the energy each coefficient of the tariff is charged on, in kWh, shape (K,)."""
    if charge_base is None:
        return np.array([traded_kwh.sum()])
    basis = charge_base[None] if charge_base.ndim == 2 else charge_base
    return np.tensordot(basis, traded_kwh, axes=2)
