"""The game along one charge: charges γ·B for one basis B, and what the leader earns from the followers' exact response.

For a scalar γ the followers' optimal value V(γ) is concave with V' = q(γ) = Σ Δ B_ij p_ij, the charged energy, so q does not increase. The
response is piecewise affine in γ, and on each piece the leader's profit

    Π(γ) = γ·q(γ) + ν·Σ Δ m − [ρ-weighted losses of the flows f − those of the base flows] − φ·Σ Δ max(0, |f| − F)

is quadratic between the charges at which a branch reaches its limit; so is the welfare −V(γ) + Π(γ).
:meth:`ChargeLine.piece` clears once and returns the whole affine
piece around a charge, certified at both of its ends.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from ...envs.clearing import TOLERANCE, Clearing, P2PMarket
from ...envs.clearing.convert import point_of
from ...envs.clearing.market import Market
from ...envs.clearing.market_data import MarketData, Structure, read_charges, scale
from ...envs.clearing.point import Point, certify, net_bought, objective
from ...envs.clearing.sensitivity import Response, respond_along
from ...envs.day import Array, Day
from ...envs.errors import ClearingError
from ...envs.network import Network
from ...envs.reward import Objective, check_objective
from ...envs.settlement import Flows, base_flow, check_flows


@dataclass(frozen=True, eq=False, kw_only=True)
class LinePoint:
    """The exact response at one charge.

    Attributes:
        charge: γ, EUR/kWh.
        value_eur: V(γ), the followers' optimal objective.
        charged_kwh: q(γ) = V'(γ).
        imported_kwh: Σ Δ m.
        curved: The strictly convex variables, each times the root of its curvature, in √EUR: their Euclidean norm is the Q norm.
        flow_kw: f, shape (T, L).
        loss_eur: ρ-weighted losses of f, the base flows' own included.
        profit_eur: Π(γ).
        goal_eur: What the leader maximises: Π(γ), or the welfare −V(γ) + Π(γ).
    """

    charge: float
    value_eur: float
    charged_kwh: float
    imported_kwh: float
    curved: Array
    flow_kw: Array
    loss_eur: float
    profit_eur: float
    goal_eur: float


class ChargeLine:
    """One day's game in one charge; counts its clearings.

    Args:
        day: The day.
        network: Where the prosumers sit.
        basis: B, what a coefficient of 1 charges per kWh and pair, shape (N, N).
        flows: Which account of the flows the operator answers for.
        objective: What the leader maximises.
        market: What clears; a new :class:`P2PMarket` where absent.
    """

    def __init__(
        self,
        day: Day,
        network: Network,
        basis: Array,
        *,
        flows: Flows,
        objective: Objective = "profit",
        market: Market | None = None,
    ) -> None:
        self.day = day
        self.objective: Objective = check_objective(objective)
        self.network = network
        self.basis = basis
        self.flows: Flows = check_flows(flows)
        self.clearings = 0
        self._market = P2PMarket() if market is None else market
        self._structure = Structure.of(day)
        self._blank = scale(day, read_charges(day, np.zeros_like(basis)), self._structure)
        self._direction = read_charges(day, basis)[:, self._structure.seller, self._structure.buyer] / self._blank.price_unit
        self.base_flow_kw = base_flow(day, network)
        # ρ_t·Δ·w_l: EUR per kW² of flow.
        self.loss_weight = day.period_hours * day.loss_price[:, None] * network.grid.loss_coefficient
        self._base_loss_eur = float(np.sum(self.loss_weight * self.base_flow_kw**2))

    @property
    def base_loss_eur(self) -> float:
        """Losses of the base injection alone, which the community is not charged for."""
        return self._base_loss_eur

    @property
    def retail_bill_eur(self) -> float:
        """The day's bill if the middle of every demand range were imported: the yardstick where no charge earns anything."""
        middle = 0.5 * (self.day.demand_min + self.day.demand_max)
        return float(self.day.period_hours * np.sum(np.abs(self.day.import_price[:, None]) * middle))

    def clear(self, charge: float, *, start: Clearing | None = None) -> Clearing:
        """Clear the day at one charge in EUR/kWh."""
        self.clearings += 1
        return self._market.clear(self.day, charge * self.basis, start=start)

    def piece(self, charge: float, *, cap: float) -> Piece:
        """Clear at a charge and return the affine piece around it, within [0, cap].

        Raises:
            ClearingError: If an end of the piece is not an exact clearing.
        """
        clearing = self.clear(charge)
        data = self._data_at(charge)
        response = respond_along(data, point_of(data, clearing), self._direction, reach=(-charge, cap - charge))
        for step in (response.step_min, response.step_max):
            certificate = certify(self._data_at(charge + step), response.at(step))
            if not certificate.holds():
                raise ClearingError(
                    f"the piece around {charge!r} EUR/kWh of day {self.day.label!r} must clear exactly to {TOLERANCE:g} at both ends; "
                    f"at {charge + step!r} it leaves {certificate}."
                )
        return Piece(line=self, charge=charge, response=response)

    def cleared(self, charge: float) -> LinePoint:
        """Clear the day at one charge in EUR/kWh and evaluate the leader's account."""
        clearing = self.clear(charge)
        return self.line_point(charge, point_of(self._data_at(charge), clearing))

    def line_point(self, charge: float, point: Point) -> LinePoint:
        """Evaluate the leader's account at an exact response."""
        data = self._data_at(charge)
        flow = self.flow_kw(point) + self.base_flow_kw
        loss = float(np.sum(self.loss_weight * flow**2))
        charged, imported = self.charged_kwh(point), self.imported_kwh(point)
        over = float(np.maximum(0.0, np.abs(flow) - self.network.grid.branch_limit_kw).sum())
        profit = charge * charged + self.day.import_fee * imported - (loss - self._base_loss_eur)
        profit -= self.day.overload_price * self.day.period_hours * over
        value = objective(data, point) * data.objective_unit
        return LinePoint(
            charge=charge,
            value_eur=value,
            charged_kwh=charged,
            imported_kwh=imported,
            curved=self._curved(point),
            flow_kw=flow,
            loss_eur=loss,
            profit_eur=profit,
            goal_eur=profit - value if self.objective == "welfare" else profit,
        )

    def charged_kwh(self, point: Point) -> float:
        """Return Σ Δ B p of a point, or of a derivative."""
        weights = self._direction * self._blank.price_unit
        return float(np.sum(weights * point.trade)) * self._energy_unit

    def imported_kwh(self, point: Point) -> float:
        """Return Σ Δ m of a point, or of a derivative."""
        return float(point.imported.sum()) * self._energy_unit

    def flow_kw(self, point: Point) -> Array:
        """Return the community's own flows in kW, shape (T, L), of a point or of a derivative."""
        net = -net_bought(self._structure, point.trade)
        if self.flows == "injections":
            net += point.exported - point.imported
        return net @ self.network.prosumer_ptdf.T * self._blank.power_unit

    def _data_at(self, charge: float) -> MarketData:
        return replace(self._blank, charge=charge * self._direction)

    @property
    def _energy_unit(self) -> float:
        return self._blank.power_unit * self._blank.period_hours

    @cached_property
    def _roots(self) -> tuple[Array, ...]:
        data = self._blank
        curvatures = (
            data.utility_curvature,
            data.grid_friction,
            data.grid_friction,
            data.storage_wear,
            data.storage_wear,
            data.trade_friction,
        )
        return tuple(np.sqrt(data.objective_unit * curvature) for curvature in curvatures)

    def _curved(self, point: Point) -> Array:
        families = (point.demand, point.imported, point.exported, point.charge, point.discharge, point.trade)
        return np.concatenate([(root * values).ravel() for root, values in zip(self._roots, families, strict=True)])


@dataclass(frozen=True, eq=False, kw_only=True)
class Piece:
    """One affine piece of the response, solved: every charge in [lower, upper] is accounted for exactly."""

    line: ChargeLine
    charge: float
    response: Response

    @property
    def lower(self) -> float:
        """Least charge of the piece, EUR/kWh."""
        return self.charge + self.response.step_min

    @property
    def upper(self) -> float:
        """Greatest charge of the piece, EUR/kWh."""
        return self.charge + self.response.step_max

    def at(self, charge: float) -> LinePoint:
        """Return the exact response at a charge of the piece."""
        return self.line.line_point(charge, self.response.at(charge - self.charge))

    def best(self) -> LinePoint:
        """Return the response of the piece that the leader likes best, in closed form between branch limits."""
        candidates = {self.lower, self.upper}
        edges = [self.lower, *self._limit_crossings(), self.upper]
        for left, right in pairwise(edges):
            slope, bend = self._slope_and_bend(0.5 * (left + right))
            if bend < 0:  # the goal is … + slope·s + ½·bend·s² around the middle of the segment
                candidates.add(min(max(0.5 * (left + right) - slope / bend, left), right))
        return max((self.at(charge) for charge in sorted(candidates)), key=lambda point: point.goal_eur)

    def _limit_crossings(self) -> list[float]:
        """Return the charges strictly inside the piece at which some |f| equals its limit."""
        flow = self.line.flow_kw(self.response.point) + self.line.base_flow_kw
        change, limit = self.line.flow_kw(self.response.slope), self.line.network.grid.branch_limit_kw
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = np.concatenate([((limit - flow) / change).ravel(), ((-limit - flow) / change).ravel()])
        inside = np.isfinite(steps) & (steps > self.response.step_min) & (steps < self.response.step_max)
        return sorted(self.charge + float(step) for step in np.unique(steps[inside]))

    def _slope_and_bend(self, charge: float) -> tuple[float, float]:
        """Return the first and second derivative of the goal at a charge of the piece where no branch is exactly at its limit."""
        line, change = self.line, self.response.slope
        here = self.at(charge)
        flow_change, charged_change = line.flow_kw(change), line.charged_kwh(change)
        over = np.abs(here.flow_kw) > line.network.grid.branch_limit_kw
        overload = line.day.overload_price * line.day.period_hours * float(np.sum(np.sign(here.flow_kw) * flow_change * over))
        revenue_slope, revenue_bend = here.charged_kwh + charge * charged_change, 2.0 * charged_change
        if line.objective == "welfare":  # −V has the slope −q: what is paid in charges is not lost
            revenue_slope, revenue_bend = charge * charged_change, charged_change
        slope = revenue_slope + line.day.import_fee * line.imported_kwh(change) - overload
        slope -= 2.0 * float(np.sum(line.loss_weight * here.flow_kw * flow_change))
        bend = revenue_bend - 2.0 * float(np.sum(line.loss_weight * flow_change**2))
        return slope, bend
