"""The game in several coefficients: exact clearings anywhere, and exact pieces of the leader's goal along any direction.

Charges are linear in the coefficients γ, so along γ + s·δ the followers' response is piecewise affine in s, whatever the signs in δ, and
the leader's goal is quadratic on each piece between the steps at which a branch reaches its limit. :meth:`TariffGame.segment` clears once
and returns the whole piece.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ....envs.account.gradient import action_gradient, settlement_gradient
from ....envs.account.objective import ExactObjective, gradient_weights, require_exact
from ....envs.account.settlement import Flows, Settlement, base_flow, check_flows
from ....envs.account.tariff import Tariff
from ....envs.community.day import Array, Day
from ....envs.games.transition import Rules, transition
from ....envs.grid.network import Network
from ....envs.market.exact import Clearing, P2PMarket
from ....envs.market.exact.convert import point_of
from ....envs.market.exact.derivatives.sensitivity import respond_along
from ....envs.market.exact.market_data import Structure, scale
from ....envs.market.exact.point import Point, net_bought
from ....envs.market.mechanism import ExactResponse


@dataclass(frozen=True, eq=False, kw_only=True)
class Play:
    """What the leader gets at one choice of coefficients, cleared exactly.

    Attributes:
        action: γ in EUR/kWh, shape (K,), as :meth:`.Tariff.action` orders them.
        clearing: The followers' response.
        settlement: Who pays whom.
        goal_eur: What the leader maximises.
    """

    action: Array
    clearing: Clearing
    settlement: Settlement
    goal_eur: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Segment:
    """One affine piece of the response along γ + s·δ.

    Attributes:
        lower: Least step of the piece.
        upper: Greatest step of the piece.
        best_step: The step of the piece that the leader likes best.
        best_eur: The goal there.
        slope_lower: Derivative of the goal at the least step, into the piece.
        slope_upper: Derivative of the goal at the greatest step, out of the piece.
    """

    lower: float
    upper: float
    best_step: float
    best_eur: float
    slope_lower: float
    slope_upper: float


class TariffGame:
    """One day's game in the coefficients of a tariff; counts its clearings.

    Args:
        day: The day.
        network: Where the prosumers sit.
        tariff: What the coefficients mean.
        cap: Greatest coefficient, EUR/kWh.
        flows: Which account of the flows the operator answers for.
        objective: What the leader maximises.
        market: What clears; a new :class:`P2PMarket` where absent.
    """

    def __init__(
        self,
        day: Day,
        network: Network,
        tariff: Tariff,
        *,
        cap: float,
        flows: Flows,
        objective: ExactObjective,
        market: ExactResponse | None,
    ) -> None:
        self.day, self.network, self.tariff, self.cap = day, network, tariff, cap
        self.flows: Flows = check_flows(flows)
        self.objective: ExactObjective = require_exact(objective)
        self.market = P2PMarket() if market is None else market
        self.clearings = 0
        self.n_coefficients = tariff.n_coefficients(day.n_periods)
        self._rules = Rules(network=network, basis=tariff.basis, flows=self.flows, objective=self.objective)
        self._structure = Structure.of(day)
        self._base_flow_kw = base_flow(day, network)
        # ρ_t·Δ·w_l: EUR per kW² of flow.
        self._loss_weight = day.period_hours * day.loss_price[:, None] * network.grid.loss_coefficient

    def charges(self, action: Array) -> Array:
        """Return τ in EUR/kWh, shape (T, N, N), at coefficients of either sign: directions are charges too."""
        coefficients = np.broadcast_to(action.reshape(-1, self.tariff.n_basis), (self.day.n_periods, self.tariff.n_basis))
        return self.tariff.charges(coefficients)

    def play(self, action: Array) -> Play:
        """Clear at a choice of coefficients and settle.

        Args:
            action: γ in EUR/kWh, shape (K,), as :meth:`.Tariff.action` orders them.

        Raises:
            ClearingError: If the day cannot be cleared at these charges.
        """
        self.clearings += 1
        played = transition(self._rules, self.market, self.day, self.charges(action))
        return Play(action=action, clearing=played.clearing, settlement=played.settlement, goal_eur=played.reward_eur)

    def gradient(self, play: Play, *, toward: Array | None = None) -> Array:
        """Return the derivatives of the goal in the coefficients, shape (K,), by one adjoint solve."""
        direction, weights = None if toward is None else self.charges(toward), gradient_weights(self.objective)
        slopes = settlement_gradient(
            self.day, self.network, self.charges(play.action), play.clearing, weights=weights, flows=self.flows, toward=direction
        )
        return action_gradient(self.tariff, slopes)

    def charged_kwh(self, clearing: Clearing) -> Array:
        """Return dV/dγ, the energy each coefficient is charged on, shape (K,)."""
        return action_gradient(self.tariff, self.day.period_hours * clearing.trade)

    def segment(self, action: Array, direction: Array, *, reach: tuple[float, float]) -> Segment:
        """Clear at a choice of coefficients and return the piece around it along a direction.

        Args:
            action: γ, shape (K,).
            direction: δ, shape (K,), of any signs.
            reach: Least and greatest step of interest.
        """
        self.clearings += 1
        charges, moved = self.charges(action), self.charges(direction)
        clearing = self.market.clear(self.day, charges)
        data = scale(self.day, charges, self._structure)
        seller, buyer = self._structure.seller, self._structure.buyer
        along = moved[:, seller, buyer]
        point = point_of(data, clearing)
        response = respond_along(data, point, along / data.price_unit, reach=reach)
        account = _Account(self, data.power_unit, charges[:, seller, buyer], along, clearing.objective_eur)
        return account.segment(response.point, response.slope, response.step_min, response.step_max)

    @property
    def loss_weight(self) -> Array:
        """ρ_t·Δ·w_l in EUR/kW², shape (T, L)."""
        return self._loss_weight

    def flow_kw(self, point: Point, power_unit: float) -> Array:
        """Return the community's own flows in kW, shape (T, L), of a point or of a derivative."""
        net = -net_bought(self._structure, point.trade)
        if self.flows == "injections":
            net = net + point.exported - point.imported
        return net @ self.network.prosumer_ptdf.T * power_unit

    @property
    def base_flow_kw(self) -> Array:
        """Flows of the base injection alone, kW, shape (T, L)."""
        return self._base_flow_kw


@dataclass(frozen=True, eq=False)
class _Account:
    """The leader's goal along one affine piece of the response, as polynomials in the step, lowest power first."""

    game: TariffGame
    power_unit: float
    charge: Array  # (T, pairs), EUR/kWh
    direction: Array
    value_eur: float

    def segment(self, point: Point, slope: Point, low: float, high: float) -> Segment:
        """Return the piece between two steps, its best step in closed form."""
        flow, moved = self.game.flow_kw(point, self.power_unit) + self.game.base_flow_kw, self.game.flow_kw(slope, self.power_unit)
        goal = self._before_overload(point, slope, flow, moved)
        edges = [low, *self._crossings(flow, moved, low, high), high]
        parts = [(a, b, goal - self._overload(flow, moved, 0.5 * (a + b))) for a, b in pairwise(edges)]
        candidates = []
        for a, b, quadratic in parts:
            peak = -quadratic[1] / (2.0 * quadratic[2]) if quadratic[2] < 0 else a
            candidates += [(float(quadratic @ [1.0, s, s * s]), s) for s in (a, min(max(peak, a), b), b)]
        best, step = max(candidates, key=lambda candidate: candidate[0])
        first, last = parts[0][2], parts[-1][2]
        return Segment(
            lower=low,
            upper=high,
            best_step=step,
            best_eur=best,
            slope_lower=float(first[1] + 2.0 * first[2] * low),
            slope_upper=float(last[1] + 2.0 * last[2] * high),
        )

    def _before_overload(self, point: Point, slope: Point, flow: Array, moved: Array) -> Array:
        """Return everything but the overload cost as a polynomial."""
        game, day = self.game, self.game.day
        hours = day.period_hours * self.power_unit
        trade, change = point.trade, slope.trade
        constant = float(np.sum(self.charge * trade))
        linear = float(np.sum(self.charge * change) + np.sum(self.direction * trade))
        bend = float(np.sum(self.direction * change))
        goal = hours * np.array([constant, linear, bend])
        if game.objective == "welfare":  # V moves by q·s + ½·q′·s², q being what is charged along the direction
            goal -= np.array([self.value_eur, hours * float(np.sum(self.direction * trade)), 0.5 * hours * bend])
        goal[:2] += day.import_fee * hours * np.array([float(point.imported.sum()), float(slope.imported.sum())])
        weight = game.loss_weight
        loss = np.array(
            [
                float(np.sum(weight * (flow**2 - game.base_flow_kw**2))),
                2.0 * float(np.sum(weight * flow * moved)),
                float(np.sum(weight * moved**2)),
            ]
        )
        whole: Array = goal - loss
        return whole

    def _crossings(self, flow: Array, change: Array, low: float, high: float) -> list[float]:
        """Return the steps strictly inside the piece at which some |f| equals its limit."""
        limit = self.game.network.grid.branch_limit_kw
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = np.concatenate([((limit - flow) / change).ravel(), ((-limit - flow) / change).ravel()])
        return [float(step) for step in np.unique(steps[np.isfinite(steps) & (steps > low) & (steps < high)])]

    def _overload(self, flow: Array, change: Array, step: float) -> Array:
        """Return the overload cost as a polynomial, valid where the same branches are overloaded as at a step."""
        limit, price = self.game.network.grid.branch_limit_kw, self.game.day.overload_price * self.game.day.period_hours
        there = flow + step * change
        sign = np.sign(there) * (np.abs(there) > limit)
        finite = np.where(np.isfinite(limit), limit, 0.0)
        cost: Array = price * np.array([float(np.sum(sign * flow - np.abs(sign) * finite)), float(np.sum(sign * change)), 0.0])
        return cost
