"""The game along one charge: charges γ·B for one basis B, and what the leader earns from the followers' exact response.

For a scalar γ the followers' optimal value V(γ) is concave with V' = q(γ) = Σ Δ B_ij p_ij, the charged energy, so q does not increase. The
response is piecewise affine in γ, and on each piece the leader's profit

    Π(γ) = γ·q(γ) + ν·Σ Δ m − [ρ-weighted losses of the flows f − those of the base flows] − φ·Σ Δ max(0, |f| − F)

is quadratic between the charges at which a branch reaches its limit; so is the welfare −V(γ) + Π(γ).
:meth:`ChargeLine.piece` clears once and returns the whole affine piece around a charge, certified at both of its ends.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ....envs.account.objective import ExactObjective, require_exact
from ....envs.account.settlement import Flows, base_flow, check_flows
from ....envs.community.day import Array, Day
from ....envs.errors import ClearingError
from ....envs.grid.network import Network
from ....envs.market.exact import TOLERANCE, Certificate, Clearing, P2PMarket
from ....envs.market.exact.convert import point_of
from ....envs.market.exact.market_data import MarketData, Structure, read_charges, scale
from ....envs.market.mechanism import ExactResponse
from ..sound import require_finite
from ..together import ToClear
from .chord import Chord
from .flat import FlatMarket
from .free_set import FreeSet
from .idle import centred
from .loops.account import reach_along
from .loops.active import adopted
from .loops.kernels import snap
from .loops.response import Branches, Judged, judged, stepped

_GAP_ROUNDING = 1e-13
"""Of the day's turnover: a duality gap that is rounding. A bound pays the root of a gap, and could not be closer than that."""
EXACT = 1e-10
"""A response certified to this is exact: the best goal of a piece with such ends needs no allowance."""
_SHARES = (1.0, 1.0 - 1e-6, 1.0 - 1e-3)  # of the reach of a piece: at its very end what has reached a bound has no room for rounding
_HALVINGS = 6  # of the reach of a piece whose end is not exact, before only the charge that was cleared is kept


@dataclass(frozen=True, eq=False, kw_only=True)
class LinePoint:
    """The exact response at one charge; vectors are those of :mod:`.flat`.

    Attributes:
        charge: γ, EUR/kWh.
        value_eur: V(γ), the followers' optimal objective.
        charged_kwh: q(γ) = V'(γ).
        imported_kwh: Σ Δ m.
        flow_kw: f, shape (T, L).
        loss_eur: ρ-weighted losses of f, the base flows' own included.
        import_fee_eur: ν·Σ Δ m.
        loss_cost_eur: Losses less those of the base flows.
        overload_cost_eur: φ·Σ Δ max(0, |f| − F).
        profit_eur: Π(γ).
        goal_eur: What the leader maximises: Π(γ), or the welfare −V(γ) + Π(γ).
        variables: x, shape (V,).
        prices: y, shape (P,).
        slopes: s, the Lagrangian's slope in x, shape (V,).
        pull: The gradient in x of what the leader is paid for, overload left out, shape (V,).
        relief: Prices λ that cancel much of it, shape (P,). Any would do for a bound; these make it tight.
        worst: The greatest of the three numbers of the response's certificate.
        gap_eur: By how much V may lie below ``value_eur``.
        missed_eur: What the equations are missed by beyond rounding, at the day's greatest price.
        n_curved: How many of the variables are strictly convex.
    """

    charge: float
    value_eur: float
    charged_kwh: float
    imported_kwh: float
    flow_kw: Array
    loss_eur: float
    import_fee_eur: float
    loss_cost_eur: float
    overload_cost_eur: float
    profit_eur: float
    goal_eur: float
    variables: Array
    prices: Array
    slopes: Array
    pull: Array
    relief: Array
    worst: float
    gap_eur: float
    missed_eur: float
    n_curved: int

    @property
    def revenue_eur(self) -> float:
        """γ·q(γ)."""
        return self.charge * self.charged_kwh

    @property
    def curved(self) -> Array:
        """The strictly convex variables, each times the root of its curvature, in √EUR: their Euclidean norm is the Q norm.

        Shape (n_curved,).
        """
        return self.variables[: self.n_curved]


class ChargeLine:
    """One day's game in one charge; counts its clearings.

    Args:
        day: The day.
        network: Where the prosumers sit.
        basis: B, what a coefficient of 1 charges per kWh and pair, shape (N, N) or (T, N, N).
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
        objective: ExactObjective = "profit",
        market: ExactResponse | None = None,
    ) -> None:
        self.day = day
        self.objective: ExactObjective = require_exact(objective)
        self.network = network
        self.basis = basis
        self.flows: Flows = check_flows(flows)
        self.clearings = 0
        self._market = P2PMarket() if market is None else market
        self._structure = Structure.of(day)
        self._blank = scale(day, read_charges(day, np.zeros_like(basis)), self._structure)
        self._direction = read_charges(day, basis)[:, self._structure.seller, self._structure.buyer] / self._blank.price_unit
        self.flat = FlatMarket(self._blank, self._direction, counts_own_exchange=flows == "injections")
        self.base_flow_kw = base_flow(day, network)
        # ρ_t·Δ·w_l: EUR per kW² of flow.
        self.loss_weight = day.period_hours * day.loss_price[:, None] * network.grid.loss_coefficient
        self.base_loss_eur = float(np.sum(self.loss_weight * self.base_flow_kw**2))
        self.turnover_eur = day.turnover_eur
        branches = (network.prosumer_ptdf, self.base_flow_kw, self.loss_weight, network.grid.branch_limit_kw)
        self._branches = Branches(*(np.array(part, dtype=np.float64, order="C") for part in branches))  # writable
        self._all_held = np.zeros(self.flat.size, dtype=np.bool_)

    def clear(self, charge: float, *, start: Clearing | None = None) -> Clearing:
        """Clear the day at one charge in EUR/kWh."""
        asked = self.asked(charge)
        return self._market.clear(asked.day, asked.charges, start=start)

    def asked(self, charge: float) -> ToClear:
        """Return what is to be cleared at a charge in EUR/kWh, counted as a clearing."""
        self.clearings += 1
        return ToClear(self.day, charge * self.basis)

    def piece(self, charge: float, *, cap: float, start: Clearing | None = None) -> Piece:
        """Clear at a charge and return the affine piece around it, within [0, cap].

        Both ends are certified like clearings. Where one misses the tolerance, as rounding can make it in a chain of idle storage, the
        piece is cut shorter on that side, and to the charge itself in the last resort: a shorter piece is as true as a longer one.

        Raises:
            ClearingError: If the market cannot clear the charge.
        """
        return self.piece_of(charge, self.clear(charge, start=start), cap=cap)

    def piece_of(self, charge: float, clearing: Clearing, *, cap: float) -> Piece:
        """Return the affine piece around a charge that was cleared; as :meth:`piece`."""
        prices, loose = self.flat.known(clearing)
        variables, free = adopted(self.flat.lines, charge, prices, loose)
        free_set = FreeSet(self.flat, free)
        low, high = 0.0, 0.0
        try:
            change, price_change = free_set.derivative()
        except ClearingError:  # a singular system has no derivative; the clearing itself is exact all the same
            response = _Response(free_set, variables, prices, np.zeros_like(variables), np.zeros_like(prices))
        else:
            response = _Response(free_set, variables, prices, change, price_change)
            low, high = self._reach(charge, response, cap)
            idle, idle_change = centred(self.flat.lines, variables, prices, price_change)
            other = _Response(free_set, variables, idle, change, idle_change)
            reach = self._reach(charge, other, cap)
            # Prices that do not clear reach nowhere, whatever the ratio test makes of them.
            if reach[1] - reach[0] > high - low and self.along(charge, other, 0.0).worst <= TOLERANCE:
                response, (low, high) = other, reach
        lower, upper = self._certified_end(charge, response, low), self._certified_end(charge, response, high)
        return Piece(line=self, charge=charge, response=response, lower_end=lower, upper_end=upper)

    def _reach(self, charge: float, response: _Response, cap: float) -> tuple[float, float]:
        """Return the least and the greatest step along a response on which its active set stands."""
        standing = (response.variables, response.prices, response.change, response.price_change)
        low, high = reach_along(self.flat.lines, charge, cap, response.free_set.free, *standing)
        return float(low), float(high)

    def _certified_end(self, charge: float, response: _Response, step: float) -> LinePoint:
        for share in _SHARES:
            end = self.along(charge, response, share * step)
            if end.worst <= EXACT:
                return end
        for _ in range(_HALVINGS):
            end = self.along(charge, response, step)
            if end.worst <= TOLERANCE:
                return end
            step *= 0.5
        return self.along(charge, response, 0.0)

    def along(self, charge: float, response: _Response, step: float, *, at: float | None = None) -> LinePoint:
        """Return the response a step along the piece around a charge; ``at`` is where that leads, as the last digit has it."""
        at = charge + step if at is None else at
        standing = (response.variables, response.prices, response.change, response.price_change)
        variables, prices = stepped(self.flat.lines, step, *standing)
        return self._line_point(at, variables, prices, response)

    def cleared(self, charge: float, *, start: Clearing | None = None) -> LinePoint:
        """Clear the day at one charge in EUR/kWh, from a start where there is one, and evaluate the leader's account."""
        clearing = self.clear(charge, start=start)
        data = self._data_at(charge)
        point = point_of(data, clearing)
        variables = self.flat.pack(point)
        snap(self.flat.scale, self.flat.lower, self.flat.upper, variables)
        return self._line_point(charge, variables, self.flat.prices(point), None)

    def restored(self, charge: float, variables: Array, prices: Array, relief: Array) -> LinePoint:
        """Return a point of a charge with these variables, prices and relief: a response that was kept, or what only bounds may use.

        Variables are of shape (V,), prices of the shape of the equations, relief as a point has it; see :class:`LinePoint`.
        """
        return replace(self._line_point(charge, variables.copy(), prices.copy(), None), relief=relief)

    def _line_point(self, charge: float, x: Array, prices: Array, response: _Response | None) -> LinePoint:
        """Evaluate the leader's account at an exact response."""
        flat, day = self.flat, self.day
        free = self._all_held if response is None else response.free_set.free
        found = Judged(*judged(flat.lines, self._branches, flat.measures, charge, day.import_fee, x, prices, free))
        charged, imported = float(flat.charge_cost @ x), float(flat.import_kwh @ x)
        fee, loss_cost = day.import_fee * imported, found.loss_eur - self.base_loss_eur
        overload_cost = day.overload_price * day.period_hours * found.overload_kw
        profit = charge * charged + fee - loss_cost - overload_cost
        value = flat.quantity(x) + charge * charged
        relief = np.zeros_like(prices)
        if response is not None:
            relief = charge * response.price_change + response.free_set.prices_against(found.balances)
        worst = Certificate(primal_residual=found.primal, dual_residual=found.dual, gap=found.gap).worst
        require_finite((value, charged, imported, profit, worst, found.missed, found.flow_kw.sum()), "a response", day.label)
        return LinePoint(
            charge=charge,
            value_eur=value,
            charged_kwh=charged,
            imported_kwh=imported,
            flow_kw=found.flow_kw,
            loss_eur=found.loss_eur,
            import_fee_eur=fee,
            loss_cost_eur=loss_cost,
            overload_cost_eur=overload_cost,
            profit_eur=profit,
            goal_eur=profit - value if self.objective == "welfare" else profit,
            variables=x,
            prices=prices,
            slopes=found.slopes,
            pull=found.pull,
            relief=relief,
            worst=worst,
            gap_eur=max(found.saved_eur - found.beyond_eur - _GAP_ROUNDING * self.turnover_eur, 0.0),
            missed_eur=found.missed * flat.unit,
            n_curved=flat.n_curved,
        )

    def _data_at(self, charge: float) -> MarketData:
        return replace(self._blank, charge=charge * self._direction)


@dataclass(frozen=True, eq=False)
class _Response:
    """Variables and prices at a cleared charge, and how they move with it."""

    free_set: FreeSet
    variables: Array
    prices: Array
    change: Array
    price_change: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Piece:
    """One affine piece of the response, solved: every charge in [lower, upper] is accounted for exactly."""

    line: ChargeLine
    charge: float
    response: _Response
    lower_end: LinePoint
    upper_end: LinePoint

    @property
    def lower(self) -> float:
        """Least charge of the piece, EUR/kWh."""
        return self.lower_end.charge

    @property
    def upper(self) -> float:
        """Greatest charge of the piece, EUR/kWh."""
        return self.upper_end.charge

    def at(self, charge: float) -> LinePoint:
        """Return the exact response at a charge of the piece."""
        if charge == self.lower:
            return self.lower_end
        if charge == self.upper:
            return self.upper_end
        return self.line.along(self.charge, self.response, charge - self.charge, at=charge)  # a + (b - a) may miss b by a digit

    def peak(self, low: float = 0.0, high: float = 1.0) -> tuple[float, float]:
        """Return the charge that the leader likes best between two shares of the piece, and the goal there in EUR."""
        share, goal = Chord(self.line, self.lower_end, self.upper_end).peak(low, high)
        if share in (0.0, 1.0):
            return (self.lower, self.upper)[int(share)], goal
        return self.lower + share * (self.upper - self.lower), goal
