"""Social P2P: the greatest welfare of prosumers and operator together, losses and overload weighed inside the program.

With F the followers' cost before charges (see :mod:`..market.exact.problem`) and the flows f = H n + f⁰ of the chosen account, the program
is

    minimise   F − Σ Δ ν·m + Σ Δ [ ρ·w·(f² − f⁰²) + φ·o ]
    subject to the followers' balances, storage equations and bounds,   o ≥ 0,  o ≥ ±f − F_l.

It is convex: F is, losses are squares, overload is a maximum of affine functions, the import fee is linear. Charges have no part in it, as
what one side pays the other receives, so only totals are defined: who would be paid what, is not.

**Certificate.** CVXPY and Clarabel find a point; neither is believed. The point is clipped into its bounds, its balances are closed
through the retail connection, and :func:`~.settlement.settle` prices it, which gives a lower bound. The upper bound is the dual function at
prices (μ, σ) of balances and storage and y of the flows. For any y, a branch's cost is at least y·f − g*(y), g* its convex conjugate,

    g(f) = ρw·f² + φ·max(0, |f| − F):     g*(y) = y·F_y − g(F_y) at the flow F_y where y is a slope of g,

and what is left is linear in flows, so that every variable minimises its own quadratic over its own bounds in closed form.

==========  ======  ===========  ======  ===============================================================
name        symbol  unit         shape   meaning
==========  ======  ===========  ======  ===============================================================
flow_price  y       EUR/kWh      (T, L)  what one more kW on a branch costs, overload's share included
bus_price   θ       EUR/kWh      (T, N)  Hᵀy: what one more kW put in by a prosumer costs on the wires
==========  ======  ===========  ======  ===============================================================
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from ..community.day import Array, Day
from ..errors import ClearingError
from ..grid.network import Network
from ..market.exact.convert import clearing_of
from ..market.exact.market_data import MarketData, Structure, scale
from ..market.exact.point import Point, balance_residual, boxes, storage_residual
from ..market.exact.solution import TOLERANCE, Certificate, Clearing
from .settlement import Flows, Settlement, base_flow, check_flows, settle
from .social_program import SolvedSocial, solve_social_program

GAP_TOLERANCE: Final = 1e-8
"""Greatest gap between the two bounds, over the day's retail bill, that is returned."""

SOLVER_TOLERANCES: Final = (1e-10, 1e-12, 1e-9)
"""Clarabel's, tried in this order until the certificate holds."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SocialOptimum:
    """The greatest welfare of a day, and what it takes; totals only.

    Attributes:
        welfare_eur: Welfare of the feasible point found.
        upper_bound_eur: No feasible point has more.
        relative_gap: (upper bound − welfare) / retail bill of the day, at most ``GAP_TOLERANCE``; below 0 by rounding at most.
        primal_residual: Greatest violation of an equation or bound, over the mean of ``demand_max``.
        operator_profit_eur: Import fee less losses and overload; there are no charges.
        prosumer_surplus_eur: All prosumers' surplus together.
        loss_cost_eur: What the operator pays for losses.
        overload_cost_eur: What it pays for overload.
        import_fee_eur: What it earns on imports.
        traded_kwh: Σ Δ p.
        charged_kwh: Σ Δ B p, what a tariff of the given basis would be charged on.
        import_kwh: Bought from the retailer.
        export_kwh: Sold to the retailer.
        loss_kwh: Losses the community causes.
        overload_kwh: Energy above the branch limits.
        peak_loading: Greatest |f| over its branch limit.
        trade: p in kW, shape (T, N, N).
        flow_kw: f in kW, shape (T, L).
        flow_price: y in EUR/kWh, shape (T, L).
        dispatch: All quantities; its prices clear no market, so of its settlement only totals mean anything.
    """

    welfare_eur: float
    upper_bound_eur: float
    relative_gap: float
    primal_residual: float
    operator_profit_eur: float
    prosumer_surplus_eur: float
    loss_cost_eur: float
    overload_cost_eur: float
    import_fee_eur: float
    traded_kwh: float
    charged_kwh: float
    import_kwh: float
    export_kwh: float
    loss_kwh: float
    overload_kwh: float
    peak_loading: float
    trade: Array
    flow_kw: Array
    flow_price: Array
    dispatch: Clearing


def solve_social(day: Day, network: Network, *, flows: Flows = "trades", charge_base: Array | None = None) -> SocialOptimum:
    """Maximise the welfare of prosumers and operator together on one day.

    Args:
        day: The day.
        network: Where the prosumers sit.
        flows: Which account of the flows the operator answers for.
        charge_base: What ``charged_kwh`` counts a kWh of each pair as, shape (N, N); as one where it is absent.

    Raises:
        ValueError: If `flows` is unknown.
        ClearingError: If no point was proved within ``GAP_TOLERANCE`` of the optimum.
    """
    account = check_flows(flows)
    data = scale(day, np.zeros((day.n_periods, day.n_prosumers, day.n_prosumers)), Structure.of(day))
    failures: list[str] = []
    for tolerance in SOLVER_TOLERANCES:
        solved = solve_social_program(day, network, data, flows=account, tolerance=tolerance)
        if solved is None:
            failures.append(f"no answer at tolerance {tolerance:g}")
            continue
        residual = _repair(data, solved.point)
        dispatch = _dispatch(day, data, solved.point)
        settlement = settle(day, network, np.zeros_like(day.trade_limit), dispatch, flows=account, charge_base=charge_base)
        bound = _upper_bound(day, network, data, solved, account)
        gap = (bound - settlement.welfare_eur) / day.turnover_eur
        if residual <= TOLERANCE and abs(gap) <= GAP_TOLERANCE:
            return _optimum(settlement, dispatch, solved.flow_price, bound=bound, gap=gap, residual=residual)
        failures.append(f"residual {residual:.1e} and gap {gap:.1e} at tolerance {tolerance:g}")
    raise ClearingError(
        f"the social optimum of day {day.label!r} must be proved to {GAP_TOLERANCE:g} of the retail bill with equations that hold to "
        f"{TOLERANCE:g}, and is not: {'; '.join(failures)}."
    )


def _repair(data: MarketData, point: Point) -> float:
    """Move the point into its bounds and close its balances through the retail connection; return the greatest violation left.

    Energy is reckoned anew from what is charged and discharged. The connection can always take up what rounding leaves of a balance, as
    an interior-point answer lies between its bounds by more than that; if not, the residual says so.
    """
    _clip(data, point)
    inflow = data.storage_efficiency * point.charge - point.discharge / data.storage_efficiency
    point.stored = data.storage_start + np.cumsum(inflow, axis=0)
    too_much = balance_residual(data, point)
    for value, sign, limit in (
        (point.imported, -1.0, data.import_limit),
        (point.exported, 1.0, data.export_limit),
        (point.renewable, -1.0, data.renewable),
        (point.demand, 1.0, data.demand_max),
    ):
        lower = data.demand_min if value is point.demand else 0.0
        moved = np.clip(value + sign * too_much, lower, limit)
        too_much -= sign * (moved - value)
        value[...] = moved
    outside = np.maximum(data.stored_min - point.stored, point.stored - data.stored_max)
    parts = (np.abs(balance_residual(data, point)), np.abs(storage_residual(data, point)), outside)
    return max(float(part.max(initial=0.0)) for part in parts)


def _clip(data: MarketData, point: Point) -> None:
    point.demand = np.clip(point.demand, data.demand_min, data.demand_max)
    for name, upper in (
        ("renewable", data.renewable),
        ("imported", data.import_limit),
        ("exported", data.export_limit),
        ("charge", data.storage_power),
        ("discharge", data.storage_power),
        ("trade", data.trade_limit),
    ):
        setattr(point, name, np.clip(getattr(point, name), 0.0, upper))


def _dispatch(day: Day, data: MarketData, point: Point) -> Clearing:
    """Return the point in kW. Its prices clear no market, so of its settlement only totals mean anything."""
    unproved = Certificate(primal_residual=np.nan, dual_residual=np.nan, gap=np.nan)
    return clearing_of(day, data, point, unproved, solver="social")


def _upper_bound(day: Day, network: Network, data: MarketData, solved: SolvedSocial, flows: Flows) -> float:
    """Return the dual function at the solver's prices as a bound on welfare in EUR."""
    flow_price = _attainable(day, network, solved.flow_price)
    cost_of_flows = _flow_terms(day, network, flow_price)
    bus_price = flow_price @ network.prosumer_ptdf / data.price_unit
    seller, buyer = data.structure.seller, data.structure.buyer
    fee = day.import_fee / data.price_unit
    priced = replace(data, import_price=data.import_price - fee, charge=bus_price[:, seller] - bus_price[:, buyer])
    if flows == "injections":  # what enters the wires is exports less imports plus trades sold less trades bought
        priced = replace(priced, import_price=priced.import_price - bus_price, export_price=priced.export_price - bus_price)
    least = _least_lagrangian(priced, solved.point)
    return -(data.objective_unit * least + day.period_hours * cost_of_flows)


def _least_lagrangian(data: MarketData, point: Point) -> float:
    """Return the dual function of the followers' program at the point's prices: each variable's own least cost within its bounds."""
    at_zero = replace(point, **{name: np.zeros_like(getattr(point, name)) for name in _PRIMAL})
    total = -float(np.sum(point.storage_price[:1] * data.storage_start))
    for box in boxes(data, at_zero):  # at zero, the Lagrangian's slope is its linear coefficient
        lower, upper = np.broadcast_to(box.lower, box.value.shape), np.broadcast_to(box.upper, box.value.shape)
        curvature = np.broadcast_to(np.asarray(box.curvature, dtype=np.float64), box.value.shape)
        flat = np.where(box.slope > 0, lower, upper)
        with np.errstate(divide="ignore", invalid="ignore"):
            best = np.where(curvature > 0, np.clip(-box.slope / curvature, lower, upper), flat)
        total += float(np.sum(best * (box.slope + 0.5 * curvature * best)))
    return total


_PRIMAL: Final = ("demand", "renewable", "imported", "exported", "charge", "discharge", "stored", "trade")


def _attainable(day: Day, network: Network, flow_price: Array) -> Array:
    """Return prices of flows with a finite conjugate: where a branch loses nothing, its slopes lie within ±φ, without a limit at 0."""
    lossless = day.loss_price[:, None] * network.grid.loss_coefficient[None, :] == 0
    steepest = np.where(np.isfinite(network.grid.branch_limit_kw), day.overload_price, 0.0)
    return np.where(lossless, np.clip(flow_price, -steepest, steepest), flow_price)


def _flow_terms(day: Day, network: Network, flow_price: Array) -> float:
    """Return Σ [y·f⁰ − g*(y) − ρw·f⁰²] in EUR/h: what is left of the branches' cost once it is linear in the community's injections."""
    curvature = day.loss_price[:, None] * network.grid.loss_coefficient[None, :]  # ρw
    limit = np.broadcast_to(network.grid.branch_limit_kw, curvature.shape)
    size = np.abs(flow_price)  # g is even
    with np.errstate(divide="ignore", invalid="ignore"):
        within, beyond = size / (2.0 * curvature), (size - day.overload_price) / (2.0 * curvature)
    at = np.where(curvature > 0, np.where(within <= limit, within, np.maximum(beyond, limit)), np.where(size > 0, limit, 0.0))
    conjugate = size * at - curvature * at**2 - day.overload_price * np.maximum(0.0, at - limit)
    base = base_flow(day, network)
    return float(np.sum(flow_price * base - conjugate - curvature * base**2))


def _optimum(settlement: Settlement, dispatch: Clearing, flow_price: Array, *, bound: float, gap: float, residual: float) -> SocialOptimum:
    same: dict[str, Any] = {
        name: getattr(settlement, name)
        for name in (
            "welfare_eur",
            "loss_cost_eur",
            "overload_cost_eur",
            "import_fee_eur",
            "traded_kwh",
            "charged_kwh",
            "import_kwh",
            "export_kwh",
            "loss_kwh",
            "overload_kwh",
            "peak_loading",
            "flow_kw",
        )
    }
    return SocialOptimum(
        upper_bound_eur=bound,
        relative_gap=gap,
        primal_residual=residual,
        operator_profit_eur=settlement.profit_eur,
        prosumer_surplus_eur=settlement.gross_welfare_eur,
        trade=dispatch.trade,
        flow_price=flow_price,
        dispatch=dispatch,
        **same,
    )
