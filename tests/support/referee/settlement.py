"""The operator's account and the laws of the grid, from the model's text: section 4, in kW and EUR, in long double."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridtoll.envs.community.day import Day
from gridtoll.envs.grid.grid import Grid
from gridtoll.envs.grid.network import Network
from gridtoll.envs.market.exact import Clearing

from .program import Array


@dataclass(frozen=True, kw_only=True)
class Account:
    """One day's account.

    Attributes:
        profit_eur: Revenue and fee less losses and overload.
        revenue_eur: Charges collected.
        welfare_eur: Less the followers' objective, plus the profit.
        stake_eur: What an error of profit or welfare is measured by: the sum of the absolute values of the profit's terms.
        turnover_eur: The sum of the absolute values of what prosumers pay the retailer and what their demand is worth to them.
        loading: Greatest |f|/F.
    """

    profit_eur: float
    revenue_eur: float
    welfare_eur: float
    stake_eur: float
    turnover_eur: float
    loading: float

    def goal_eur(self, objective: str) -> float:
        """Return what the operator maximises."""
        return self.welfare_eur if objective == "welfare" else self.profit_eur


def account(day: Day, network: Network, charges: Array, clearing: Clearing, *, flows: str) -> Account:
    """Settle a clearing."""
    grid, hours = network.grid, np.longdouble(day.period_hours)
    trade = clearing.trade.astype(np.longdouble)
    if flows == "trades":
        net = trade.sum(axis=2) - trade.sum(axis=1)
    else:
        net = clearing.renewable_used.astype(np.longdouble) + clearing.storage_discharge - clearing.storage_charge - clearing.demand
    base = day.base_injection.astype(np.longdouble) @ grid.ptdf.T if day.base_injection.any() else np.zeros((), dtype=np.longdouble)
    flow = net @ grid.ptdf[:, network.prosumer_bus].T + base
    over = np.maximum(np.abs(flow) - grid.branch_limit_kw, 0)
    weight = grid.branch_resistance_pu / np.longdouble(grid.base_power_kw)
    revenue = hours * (np.asarray(charges) * trade).sum()
    fee = hours * day.import_fee * clearing.grid_import.astype(np.longdouble).sum()
    losses = hours * (day.loss_price[:, None] * weight * np.abs(flow**2)).sum()
    base_losses = hours * (day.loss_price[:, None] * weight * np.broadcast_to(base**2, flow.shape)).sum()
    overload = hours * day.overload_price * over.sum()
    profit = revenue + fee - losses + base_losses - overload
    return Account(
        profit_eur=float(profit),
        revenue_eur=float(revenue),
        welfare_eur=float(profit - objective(day, charges, clearing)),
        stake_eur=float(revenue + fee + losses + base_losses + overload),
        turnover_eur=turnover(day, clearing),
        loading=float((np.abs(flow) / grid.branch_limit_kw).max(initial=0.0)),
    )


def objective(day: Day, charges: Array, clearing: Clearing) -> np.longdouble:
    """Return the followers' objective in EUR."""
    d, m, x, c, s, p = (
        array.astype(np.longdouble)
        for array in (
            clearing.demand,
            clearing.grid_import,
            clearing.grid_export,
            clearing.storage_charge,
            clearing.storage_discharge,
            clearing.trade,
        )
    )
    total = (d * (0.5 * day.utility_curvature * d - day.utility_slope)).sum()
    total += (day.own_import_price * m).sum() - (day.own_export_price * x).sum()
    total += (0.5 * day.grid_friction * (m * m + x * x)).sum()
    stores = day.storage_power > 0
    total += (0.5 * day.storage_wear * (c * c + s * s))[:, stores].sum()
    total += (np.asarray(charges) * p).sum() + (0.5 * day.trade_friction * p * p).sum()
    whole: np.longdouble = np.longdouble(day.period_hours) * total
    return whole


def turnover(day: Day, clearing: Clearing) -> float:
    """Return the sum of the absolute values of utility and retail payments in EUR: what an exact clearing is exact in proportion to."""
    utility = np.abs(day.utility_slope * clearing.demand).sum() + (0.5 * day.utility_curvature * clearing.demand**2).sum()
    bought = np.abs(day.own_import_price * clearing.grid_import).sum()
    sold = np.abs(day.own_export_price * clearing.grid_export).sum()
    return float(day.period_hours * (utility + bought + sold))


def kirchhoff_fault(grid: Grid) -> float:
    """Return by how much the flows of one kW at any bus break Kirchhoff's laws, in kW, or in kW·p.u. over the greatest reactance.

    What goes in at a bus and out at the slack bus is all that flows; and reactance times flow are differences of one angle per bus.
    """
    n, branches = grid.n_buses, np.arange(grid.n_branches)
    incidence = np.zeros((grid.n_branches, n))
    incidence[branches, grid.branch_from], incidence[branches, grid.branch_to] = 1.0, -1.0
    sent = np.eye(n)
    sent[grid.slack_bus] -= 1.0
    nodes = np.abs(incidence.T @ grid.ptdf - sent).max(initial=0.0)
    drops = grid.branch_reactance_pu[:, None] * grid.ptdf
    angles, *_ = np.linalg.lstsq(incidence, drops, rcond=None)
    loops = np.abs(incidence @ angles - drops).max(initial=0.0) / np.abs(grid.branch_reactance_pu).max()
    return float(max(nodes, loops))
