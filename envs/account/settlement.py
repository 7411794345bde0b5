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

from collections.abc import Mapping, Sequence
from itertools import repeat
from operator import attrgetter, is_
from typing import Any, Final, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from ..community.day import Array, Day
from ..errors import PowerFlowError, known_name
from ..grid.network import Network
from ..grid.power_flow import DcPowerFlow, Flow, PowerFlow
from ..market.exact.solution import sold_less_bought
from ..market.mechanism import Allocation
from .physical import of_wires
from .settled import Settlement, Settlements

__all__ = ["Flows", "Settlement", "Settlements", "base_flow", "check_flows", "flow_kw", "settle", "settle_many"]

Flows = Literal["trades", "injections"]
_AT_ONCE: Final = 2**16
"""Numbers in an array of trades that are settled in one go: 0.5 MB, which processors hold in their caches."""
_SCALARS_OF_DAY: Final = attrgetter("period_hours", "overload_price", "import_fee")
_OF_PROSUMERS: Final = ("utility_slope", "utility_curvature", "grid_friction", "storage_wear", "trade_friction")
_PRICES: Final = ("import_price", "export_price")
_ARRAYS_OF_DAY: Final = (*_OF_PROSUMERS, "loss_price")
"""What the settlement needs of a day beside these scalars, its retail prices and its base injection."""


def check_flows(flows: str) -> Flows:
    """Return the account of flows that was named.

    Raises:
        ValueError: If it is unknown.
    """
    known: Flows = known_name("the account of `flows`", flows, get_args(Flows))
    return known


def base_flow(day: Day, network: Network) -> Array:
    """Return the flows of the base injection alone in kW, shape (T, L); a day without any may leave its buses out."""
    return np.asarray(DcPowerFlow(network).base_flow(day.base_injection[None])[0])


def settle(
    day: Day,
    network: Network,
    charges: Array,
    clearing: Allocation,
    *,
    flows: Flows = "trades",
    charge_base: Array | None = None,
    power_flow: PowerFlow | None = None,
) -> Settlement:
    """Settle one cleared day.

    Args:
        day: The day that was cleared.
        network: Where the prosumers sit.
        charges: τ in EUR/kWh, shape (T, N, N) or (N, N), as they were cleared.
        clearing: The outcome to settle.
        flows: Which account of the flows the operator answers for.
        charge_base: The tariff's basis, shape (K, N, N) or (N, N); each traded kWh counts as one where it is absent.
        power_flow: What flows; the linear one of the network where it is absent.

    Raises:
        ValueError: If `flows` is unknown.
    """
    full = np.broadcast_to(charges, clearing.trade.shape)[None]
    return settle_many([day], network, full, [clearing], flows=flows, charge_base=charge_base, power_flow=power_flow).row(0)


def settle_many(
    days: Sequence[Day],
    network: Network,
    charges: Array,
    clearings: Sequence[Allocation],
    *,
    flows: Flows = "trades",
    charge_base: Array | None = None,
    power_flow: PowerFlow | None = None,
) -> Settlements:
    """Settle R cleared days of one shape, each as :func:`settle` would to the last bit.

    Args:
        days: The days that were cleared, length R.
        network: Where the prosumers sit.
        charges: τ in EUR/kWh, shape (R, T, N, N).
        clearings: Their outcomes, length R.
        flows: Which account of the flows the operator answers for.
        charge_base: The tariff's basis, shape (K, N, N) or (N, N); each traded kWh counts as one where it is absent.
        power_flow: What flows; the linear one of the network where it is absent.

    Raises:
        ValueError: If `flows` is unknown.
    """
    physics = DcPowerFlow(network) if power_flow is None else power_flow
    rows, parts = max(1, _AT_ONCE // charges[0].size), []
    for first in range(0, len(days), rows):
        c = slice(first, first + rows)
        parts.append(_settled(days[c], physics, charges[c], clearings[c], flows=flows, charge_base=charge_base))
    return Settlements(parts[0] if len(parts) == 1 else {name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def _settled(
    days: Sequence[Day], physics: PowerFlow, charges: Array, clearings: Sequence[Allocation], *, flows: Flows, charge_base: Array | None
) -> dict[str, NDArray[Any]]:
    """Return every field of the settlements of R days.

    No operation may mix days or depend on how many there are, or rows would differ in their last bits: sums run over axes within a day, and
    products with matrices are stacks of products, one for each day.
    """
    hours, overload_price, import_fee = np.array(list(map(_SCALARS_OF_DAY, days))).T.copy()  # each of shape (R,)
    d, c = _together(days, _ARRAYS_OF_DAY) | _retail_prices(days), _cleared(clearings)
    charge = (charges * c.trade).sum(axis=1)  # (R, N, N)
    charge_eur = 0.5 * hours[:, None] * (charge.sum(axis=2) + charge.sum(axis=1))
    payment_eur = hours[:, None] * c.received_eur.sum(axis=1)  # sales less purchases
    gross_surplus_eur = _gross_surplus(hours, d, c)
    surplus_eur = gross_surplus_eur - charge_eur + payment_eur
    revenue_eur = hours * charge.sum(axis=(1, 2))
    traded_kwh = hours[:, None, None] * c.trade.sum(axis=1)
    charged_kwh = _charged(traded_kwh, charge_base)
    import_kwh = hours * c.grid_import.sum(axis=(1, 2))
    export_kwh = hours * c.grid_export.sum(axis=(1, 2))
    flow = _flow(days, physics, c, flows)
    loss_kwh = hours[:, None] * flow.loss_kw  # (R, T)
    overload_kwh = hours * flow.overload_kw.sum(axis=(1, 2))
    import_fee_eur, overload_cost_eur = import_fee * import_kwh, overload_price * overload_kwh
    loss_cost_eur = (d["loss_price"] * loss_kwh).sum(axis=1)
    profit_eur = revenue_eur + import_fee_eur - loss_cost_eur - overload_cost_eur
    return {
        "profit_eur": profit_eur,
        "revenue_eur": revenue_eur,
        "import_fee_eur": import_fee_eur,
        "loss_cost_eur": loss_cost_eur,
        "overload_cost_eur": overload_cost_eur,
        "welfare_eur": surplus_eur.sum(axis=1) + profit_eur,
        "gross_welfare_eur": gross_surplus_eur.sum(axis=1),
        "surplus_eur": surplus_eur,
        "payment_eur": payment_eur,
        "charge_eur": charge_eur,
        "traded_kwh": traded_kwh.sum(axis=(1, 2)),
        "charged_kwh": charged_kwh.sum(axis=1),
        "charged_kwh_by_coefficient": charged_kwh,
        "import_kwh": import_kwh,
        "export_kwh": export_kwh,
        "loss_kwh": loss_kwh.sum(axis=1),
        "overload_kwh": overload_kwh,
        "flow_kw": flow.branch_kw,
        "peak_loading": flow.loading.max(axis=(1, 2), initial=0.0),
        "network_secure": flow.secure,
        **({} if flow.voltage_pu is None else of_wires(flow, physics.network.grid, hours)),
    }


class _Cleared(NamedTuple):
    """The arrays of R clearings, each with an axis in front.

    Of each prosumer's trades, both of shape (R, T, N): ``traded_kw`` is Σ_j (p_ij − p_ji), and ``received_eur`` what they bring in by the
    hour, Σ_j (π_ij p_ij − π_ji p_ji).
    """

    demand: Array
    renewable_used: Array
    grid_import: Array
    grid_export: Array
    storage_charge: Array
    storage_discharge: Array
    trade: Array
    traded_kw: Array
    received_eur: Array


def _cleared(clearings: Sequence[Allocation]) -> _Cleared:
    trade = (arrays := _together(clearings, _Cleared._fields[:-2], apart=True))["trade"]
    if any(map(is_, map(attrgetter("nodal_price"), clearings), repeat(None))):  # each trade has its own
        worth = trade * _together(clearings, ["trade_price"], apart=True)["trade_price"]
        return _Cleared(**arrays, traded_kw=sold_less_bought(trade), received_eur=sold_less_bought(worth))
    price = _together(clearings, ["nodal_price"], apart=True)["nodal_price"]
    weights = np.stack([np.ones_like(price), price], axis=-1)  # (R, T, N, 2): one product is quicker than sums over short axes
    net = trade @ weights - trade.transpose(0, 1, 3, 2) @ weights
    return _Cleared(**arrays, traded_kw=net[..., 0], received_eur=0.5 * (price * net[..., 0] + net[..., 1]))


def _together(rows: Sequence[Day] | Sequence[Allocation], names: Sequence[str], *, apart: bool = False) -> dict[str, Array]:
    """Return arrays of R days or clearings, each with an axis in front: of length 1 where all are one object, as a year's limits are.

    With ``apart`` it has length R even so, as when one clearing is settled twice.
    """
    found: dict[str, Array] = {}
    for name in names:
        arrays = list(map(attrgetter(name), rows))
        first = arrays[0]
        if len(arrays) == 1 or (not apart and len(set(map(id, arrays))) == 1):
            found[name] = first[None]
        else:
            found[name] = np.concatenate(arrays).reshape(len(arrays), *first.shape)  # twice as quick as np.stack
    return found


def _retail_prices(days: Sequence[Day]) -> dict[str, Array]:
    """Return retail prices of R days with axes for days and prosumers, each of length 1 where one price stands for all."""
    if all(day.import_price.ndim == 1 for day in days):
        return {name: price[:, :, None] for name, price in _together(days, _PRICES).items()}
    return {
        "import_price": np.stack([day.own_import_price for day in days]),
        "export_price": np.stack([day.own_export_price for day in days]),
    }


def flow_kw(day: Day, network: Network, clearing: Allocation, *, flows: Flows = "trades") -> Array:
    """Return the linear flows of a clearing in kW, shape (T, L).

    Raises:
        ValueError: If `flows` is unknown.
    """
    return np.asarray(_flow([day], DcPowerFlow(network), _cleared([clearing]), flows).branch_kw[0])


def _flow(days: Sequence[Day], physics: PowerFlow, c: _Cleared, flows: Flows) -> Flow:
    """Return what flows on R days by one of the accounts."""
    net = c.traded_kw
    if flows != "trades":
        check_flows(flows)
        net = c.renewable_used + c.storage_discharge - c.storage_charge - c.demand
    bases = list(map(attrgetter("base_injection"), days))
    try:
        if len(set(map(id, bases))) == 1:
            return physics.of(net, bases[0][None])
        n_buses = physics.network.grid.n_buses  # a day without a base injection may leave its buses out
        return physics.of(net, np.stack([base if base.shape[1] == n_buses else np.zeros((len(base), n_buses)) for base in bases]))
    except PowerFlowError as error:
        error.args = (f"{days[error.number or 0].label}: {error}",)
        raise


def _gross_surplus(hours: Array, d: Mapping[str, Array], c: _Cleared) -> Array:
    """Return each prosumer's surplus in EUR before charges and payments, shape (R, N); ``d`` are the arrays of the days by name."""
    utility = d["utility_slope"] * c.demand - 0.5 * d["utility_curvature"] * c.demand**2
    retail = d["export_price"] * c.grid_export - d["import_price"] * c.grid_import
    connection = 0.5 * d["grid_friction"][:, None] * (c.grid_import**2 + c.grid_export**2)
    wear = 0.5 * d["storage_wear"][:, None] * (c.storage_charge**2 + c.storage_discharge**2)
    trading = 0.5 * d["trade_friction"] * (c.trade**2).sum(axis=1)  # (R, N, N)
    friction = 0.5 * (trading.sum(axis=2) + trading.sum(axis=1))
    surplus: Array = hours[:, None] * ((utility + retail - connection - wear).sum(axis=1) - friction)
    return surplus


def _charged(traded_kwh: Array, charge_base: Array | None) -> Array:
    """Return the energy each coefficient of the tariff is charged on, in kWh, shape (R, K)."""
    if charge_base is None:
        return np.asarray(traded_kwh.sum(axis=(1, 2)))[:, None]
    basis = charge_base.reshape(-1, traded_kwh[0].size)  # (K, N·N)
    charged: Array = (basis @ traded_kwh.reshape(len(traded_kwh), -1, 1))[:, :, 0]
    return charged
