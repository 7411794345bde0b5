"""Who causes the losses of a cleared day: four ways to share them out among prosumers, each summing to the total.

Per period, with A = Σ_l w_l h_l h_lᵀ over branches (h_l the row of H at the prosumers) and net injections n of the chosen account, the
community causes L = Σ_l w_l [(f_l + f⁰_l)² − f⁰_l²], f = H n. Shares may be negative: who relieves the wires is credited.

==========================  =========================================================================================================
method                      share of prosumer i
==========================  =========================================================================================================
``"pro rata"``              in proportion to |n_i|: blind to where a prosumer sits
``"marginal"``              n_i·θ_i, θ = Hᵀ[w(f + 2f⁰)], half the marginal loss and the whole of L; under ``"trades"`` by trade,
                            ½ p_ij (θ_i − θ_j) to either side, so that no slack bus matters
``"proportional sharing"``  flows traced through the buses, where they mix in proportion: a branch's loss falls half to the injections
                            upstream and half to the withdrawals downstream
``"shapley"``               mean over all orders in which prosumers might join of what each adds to the loss; a coalition trades within
                            itself (``"trades"``) or injects what it does anyway (``"injections"``)
==========================  =========================================================================================================

Under ``"injections"`` the Shapley value *is* the marginal share: a quadratic game splits each product n_i·n_j between the two. Enumerating
the coalitions is then a check of both; under ``"trades"`` a trade needs both its sides, and the two differ.

Sources: Bialek, *Tracing the flow of electricity* (IEE Proceedings 1996) for proportional sharing; Shapley, *A value for n-person games*
(1953). In proportional sharing the retail connection at the slack bus takes no share: what it has a hand in falls to the other side.
"""

from __future__ import annotations

from collections.abc import Callable
from math import factorial
from typing import Final, Literal, get_args

import numpy as np

from ..arrays import IntArray
from ..community.day import Array, Day
from ..errors import unknown_name
from ..grid.network import Network
from ..market.exact.solution import Clearing
from .settlement import Flows, base_flow, check_flows

LossShare = Literal["pro rata", "marginal", "proportional sharing", "shapley"]
LOSS_SHARES: Final[tuple[LossShare, ...]] = get_args(LossShare)
SHAPLEY_UP_TO: Final = 12
"""Prosumers up to which all coalitions are enumerated: 4,096 at 12, and twice as many with each one more."""


def allocate_losses(
    day: Day, network: Network, clearing: Clearing, *, method: str = "proportional sharing", flows: Flows = "trades"
) -> Array:
    """Share the losses that the community causes on a cleared day out among its prosumers.

    Args:
        day: The day that was cleared.
        network: Where the prosumers sit.
        clearing: The outcome.
        method: One of ``LOSS_SHARES``; see the module's table.
        flows: Which account of the flows the operator answers for.

    Returns:
        kWh of each prosumer, shape (N,), summing to the settlement's ``loss_kwh``; weighted with the loss price it is :func:`loss_charges`.

    Raises:
        ValueError: If the method or account is unknown, there are more than ``SHAPLEY_UP_TO`` prosumers for Shapley, or a day with base
            injection is to be traced.
    """
    shares: Array = day.period_hours * _shares_kw(day, network, clearing, method, flows).sum(axis=0)
    return shares


def loss_charges(day: Day, network: Network, clearing: Clearing, *, method: str = "proportional sharing", flows: Flows = "trades") -> Array:
    """Return what each prosumer would pay for its share at the operator's loss price, in EUR, shape (N,); see :func:`allocate_losses`."""
    charges: Array = day.period_hours * day.loss_price @ _shares_kw(day, network, clearing, method, flows)
    return charges


def _shares_kw(day: Day, network: Network, clearing: Clearing, method: str, flows: Flows) -> Array:
    """Return each prosumer's share by period in kW, shape (T, N)."""
    share = _METHODS.get(method)
    if share is None:
        raise unknown_name("the method of sharing losses", method, LOSS_SHARES)
    return share(day, network, clearing, check_flows(flows))


def _net(clearing: Clearing, flows: Flows) -> Array:
    """Return net injections in kW, shape (T, N)."""
    if flows == "trades":
        return clearing.traded_kw
    return clearing.renewable_used + clearing.storage_discharge - clearing.storage_charge - clearing.demand


def _loss_kw(network: Network, flow: Array, base: Array) -> Array:
    """Return what flows of the community lose beside those of the base, by period, of shape (..., L), in kW."""
    loss: Array = (flow * (flow + 2.0 * base)) @ network.grid.loss_coefficient
    return loss


def _pro_rata(day: Day, network: Network, clearing: Clearing, flows: Flows) -> Array:
    net = _net(clearing, flows)
    loss = _loss_kw(network, net @ network.prosumer_ptdf.T, base_flow(day, network))
    size = np.abs(net)
    whole = size.sum(axis=1, keepdims=True)
    share: Array = loss[:, None] * np.divide(size, whole, out=np.zeros_like(size), where=whole > 0)
    return share


def _marginal(day: Day, network: Network, clearing: Clearing, flows: Flows) -> Array:
    net = _net(clearing, flows)
    flow = net @ network.prosumer_ptdf.T
    price = (network.grid.loss_coefficient * (flow + 2.0 * base_flow(day, network))) @ network.prosumer_ptdf  # θ, (T, N)
    if flows == "injections":
        return net * price
    by_trade = clearing.trade * (price[:, :, None] - price[:, None, :])
    share: Array = 0.5 * (by_trade.sum(axis=2) + by_trade.sum(axis=1))
    return share


def _proportional_sharing(day: Day, network: Network, clearing: Clearing, flows: Flows) -> Array:
    if day.base_injection.any():
        raise ValueError(
            "proportional sharing needs every flow to belong to a prosumer, and a base injection belongs to nobody. Use another method."
        )
    grid, net = network.grid, _net(clearing, flows)
    wires = slice(grid.n_wires)
    flow = net @ network.prosumer_ptdf[wires].T
    at_bus = (network.prosumer_bus[:, None] == np.arange(grid.n_buses)).astype(np.float64)
    put_in, taken_out = np.maximum(net, 0.0), np.maximum(-net, 0.0)
    source, sink = put_in @ at_bus, taken_out @ at_bus  # (T, B)
    rest = -net.sum(axis=1)  # what the retail connection at the slack bus puts in, or takes out where it is below 0
    source[:, grid.slack_bus] += np.maximum(rest, 0.0)
    sink[:, grid.slack_bus] += np.maximum(-rest, 0.0)
    start = np.where(flow >= 0, grid.branch_from[wires], grid.branch_to[wires])  # (T, L): where each flow comes from and goes to
    end = np.where(flow >= 0, grid.branch_to[wires], grid.branch_from[wires])
    size = np.abs(flow)
    came_from, goes_to = _traced(start, end, size, source), _traced(end, start, size, sink)
    periods = np.arange(len(flow))[:, None]
    # Shares of buses become shares of their prosumers; what the slack's retail connection supplied stays with nobody.
    up = came_from[periods, start] @ _parts(put_in, source, at_bus)  # (T, L, N)
    down = goes_to[periods, end] @ _parts(taken_out, sink, at_bus)
    mixed = up + down
    whole = mixed.sum(axis=2, keepdims=True)
    mixed = np.divide(mixed, whole, out=np.zeros_like(mixed), where=whole > 0)
    share: Array = np.einsum("tl,tln->tn", grid.loss_coefficient[wires] * flow**2, mixed)
    return share


def _traced(start: IntArray, end: IntArray, size: Array, source: Array) -> Array:
    """Return which part of what passes through each bus stems from each other's source, shape (T, bus, source bus).

    What passes through bus b is what it puts in and what arrives, P_b = G_b + Σ_a F_ab, made up of C_b = (G_b e_b + Σ_a F_ab C_a)/P_b.
    """
    n_periods, n_buses = source.shape
    arriving = np.zeros((n_periods, n_buses, n_buses))
    np.add.at(arriving, (np.arange(n_periods)[:, None], end, start), size)
    through = source + arriving.sum(axis=2)
    idle = through <= 1e-12 * (1.0 + size.max(initial=0.0))
    share = arriving / np.where(idle, 1.0, through)[:, :, None]
    share[idle] = 0.0
    own = np.where(idle, 0.0, source / np.where(idle, 1.0, through))
    return np.asarray(np.linalg.solve(np.eye(n_buses) - share, own[:, :, None] * np.eye(n_buses)), dtype=np.float64)


def _parts(of_prosumer: Array, of_bus: Array, at_bus: Array) -> Array:
    """Return which part of a bus's source or sink is each prosumer's, shape (T, B, N)."""
    mine = of_prosumer[:, None, :] * at_bus.T[None]
    whole = of_bus[:, :, None]
    part: Array = np.divide(mine, whole, out=np.zeros_like(mine), where=whole > 0)
    return part


def _shapley(day: Day, network: Network, clearing: Clearing, flows: Flows) -> Array:
    n = day.n_prosumers
    if n > SHAPLEY_UP_TO:
        raise ValueError(f"Shapley shares need all 2^N coalitions and so at most {SHAPLEY_UP_TO} prosumers, got {n}. Use another method.")
    member = ((np.arange(2**n)[:, None] >> np.arange(n)) & 1).astype(np.float64)  # (2^N, N): who is in each coalition
    size = member.sum(axis=1).astype(int)
    # Joining a coalition of s others comes about in s!(N − s − 1)! of N! orders.
    weight = np.array([factorial(s) * factorial(n - s - 1) / factorial(n) for s in range(n)])
    joined, joining = np.append(0.0, weight)[size], np.append(weight, 0.0)[size]
    base, shares = base_flow(day, network), np.zeros((day.n_periods, n))
    for period in range(day.n_periods):
        if flows == "trades":
            sold = clearing.trade[period] - clearing.trade[period].T
            net = member * (member @ sold.T)
        else:
            net = member * _net(clearing, flows)[period]
        loss = _loss_kw(network, net @ network.prosumer_ptdf.T, base[period])
        shares[period] = member.T @ (joined * loss) - (1.0 - member).T @ (joining * loss)
    return shares


_METHODS: Final[dict[str, Callable[[Day, Network, Clearing, Flows], Array]]] = {
    "pro rata": _pro_rata,
    "marginal": _marginal,
    "proportional sharing": _proportional_sharing,
    "shapley": _shapley,
}
