"""The program of :mod:`.social` in CVXPY, solved by Clarabel.

In the dimensionless form of :mod:`..market.exact.market_data`. Every strictly convex variable v is measured in the unit 1/√curvature, in
which its cost is half a square. Each day is a program of its own, with numbers and not parameters: it is solved once, so compiling it for
others would cost more than it saves.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array

from ..community.day import Array, Day
from ..grid.network import Network
from ..market.exact.market_data import MarketData
from ..market.exact.point import Point
from .settlement import Flows, base_flow

if TYPE_CHECKING:
    import cvxpy as cp


@dataclass(frozen=True, eq=False)
class SolvedSocial:
    """A point with its prices, dimensionless, and y in EUR/kWh, shape (T, L)."""

    point: Point
    flow_price: Array


class _Variable:
    """A family of variables within bounds: its natural values and its cost."""

    def __init__(self, lower: Array | float, upper: Array, curvature: Array | float, price: Array | float) -> None:
        import cvxpy as cp  # noqa: PLC0415 - half a second, which only those who solve need wait

        curved = np.broadcast_to(np.asarray(curvature, dtype=np.float64), upper.shape)
        self._unit = np.where(curved > 0, 1.0 / np.sqrt(np.where(curved > 0, curved, 1.0)), 1.0)
        self._scaled = cp.Variable(upper.shape)
        self.natural = cp.multiply(self._unit, self._scaled)
        linear = np.broadcast_to(np.asarray(price, dtype=np.float64), upper.shape) * self._unit
        self.cost = cp.sum(cp.multiply(linear, self._scaled))
        if np.all(curved > 0):
            self.cost += 0.5 * cp.sum_squares(self._scaled)
        self.constraints = [self._scaled >= lower / self._unit, self._scaled <= upper / self._unit]

    @property
    def value(self) -> Array:
        """The natural values of the answer."""
        values: Array = self._unit * self._scaled.value
        return values


def solve_social_program(day: Day, network: Network, data: MarketData, *, flows: Flows, tolerance: float) -> SolvedSocial | None:
    """Solve the program; None where Clarabel ends without an answer.

    Args:
        day: The day, for what the operator pays.
        network: Where the prosumers sit.
        data: The same day, dimensionless.
        flows: Which account of the flows the operator answers for.
        tolerance: Clarabel's feasibility and gap tolerances.
    """
    import cvxpy as cp  # noqa: PLC0415

    families = _families(day, data)
    supply = families["renewable"].natural + families["imported"].natural - families["exported"].natural - families["demand"].natural
    constraints: list[Any] = []
    storage_equation = None
    if len(data.structure.owner):
        discharged, storage_equation = _storage(families, data)
        supply = supply + discharged
        constraints.append(storage_equation)
    sold: Any = np.zeros((data.structure.n_periods, data.structure.n_prosumers))
    if len(data.structure.seller):
        sold = families["trade"].natural @ _incidence(data)
        supply = supply - sold
    balance = supply == 0
    # By the balance, all that enters the wires is what is exported less what is imported and what is sold less what is bought.
    net = sold if flows == "trades" else families["exported"].natural - families["imported"].natural + sold
    cost, flow_constraints, flow = _wires(day, network, data, net)
    constraints += [balance, *flow_constraints, *(rule for family in families.values() for rule in family.constraints)]
    problem = cp.Problem(cp.Minimize(sum(family.cost for family in families.values()) + cost), constraints)
    tolerances = {"tol_gap_abs": tolerance, "tol_gap_rel": tolerance, "tol_feas": tolerance}
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Solution may be inaccurate", category=UserWarning)  # the certificate judges
            problem.solve(solver=cp.CLARABEL, canon_backend=cp.SCIPY_CANON_BACKEND, max_iter=200, **tolerances)
    except cp.error.SolverError:
        return None
    if problem.status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE):
        return None
    sigma = np.zeros((data.structure.n_periods, 0)) if storage_equation is None else storage_equation.dual_value
    return SolvedSocial(_point(families, data, -balance.dual_value, sigma), data.price_unit * flow.price)


def _families(day: Day, data: MarketData) -> dict[str, _Variable]:
    """Return the variables by name; without pairs or storage theirs are left out, as CVXPY has no empty variables."""
    fee = day.import_fee / data.price_unit
    families = {
        "demand": _Variable(data.demand_min, data.demand_max, data.utility_curvature, -data.utility_slope),
        "renewable": _Variable(0.0, data.renewable, 0.0, 0.0),
        "imported": _Variable(0.0, data.import_limit, data.grid_friction, data.import_price - fee),
        "exported": _Variable(0.0, data.export_limit, data.grid_friction, -data.export_price),
    }
    if len(data.structure.owner):
        families["charge"] = _Variable(0.0, data.storage_power, data.storage_wear, 0.0)
        families["discharge"] = _Variable(0.0, data.storage_power, data.storage_wear, 0.0)
        families["stored"] = _Variable(data.stored_min, data.stored_max, 0.0, 0.0)
    if len(data.structure.seller):
        families["trade"] = _Variable(0.0, data.trade_limit, data.trade_friction, 0.0)
    return families


def _storage(families: dict[str, _Variable], data: MarketData) -> tuple[Any, Any]:
    """Return what all prosumers discharge less what they charge, shape (T, N), and the storage equation."""
    import cvxpy as cp  # noqa: PLC0415

    charge, discharge, stored = (families[name].natural for name in ("charge", "discharge", "stored"))
    n_periods, n_owners = data.storage_power.shape
    lag = csr_array(np.eye(n_periods, k=-1))
    first = np.vstack([data.storage_start[None], np.zeros((n_periods - 1, n_owners))])
    gained = cp.multiply(data.storage_efficiency, charge) - cp.multiply(1.0 / data.storage_efficiency, discharge)
    owners = csr_array((np.ones(n_owners), (np.arange(n_owners), data.structure.owner)), shape=(n_owners, data.structure.n_prosumers))
    return (discharge - charge) @ owners, stored - lag @ stored - first - gained == 0


def _incidence(data: MarketData) -> Any:
    """Return the matrix (pairs, N) that makes trades into what each prosumer sells less what it buys."""
    pairs = len(data.structure.seller)
    at = np.concatenate([data.structure.seller, data.structure.buyer])
    return csr_array((np.repeat([1.0, -1.0], pairs), (np.tile(np.arange(pairs), 2), at)), shape=(pairs, data.structure.n_prosumers))


class _Flow:
    """Flows on branches, overload above limits, and their prices."""

    def __init__(self, variable: cp.Variable, weight: Array, limits: list[Any]) -> None:
        self._variable, self._weight, self._limits = variable, weight, limits

    @property
    def price(self) -> Array:
        """The prices y over the unit of prices: twice the weighted flow, and the duals of the limits where there is overload to price."""
        price: Array = 2.0 * self._weight * self._variable.value
        for sign, limit in zip((1.0, -1.0), self._limits, strict=False):
            price = price + sign * limit.dual_value
        return price


def _wires(day: Day, network: Network, data: MarketData, net: Any) -> tuple[Any, list[Any], _Flow]:
    """Return the cost of losses and overload, the constraints and the flows."""
    import cvxpy as cp  # noqa: PLC0415

    grid, power = network.grid, data.power_unit
    weight = day.loss_price[:, None] / data.price_unit * grid.loss_coefficient[None, :] * power
    flow = cp.Variable((day.n_periods, grid.n_branches))
    # Flows by bus angles θ, x·f = θ_from − θ_to, and what arrives at a bus leaves it: sparse, where f = H·n is dense and took 15 times as
    # long with 99 prosumers. Both say the same; the certificate uses H.
    angle = cp.Variable((day.n_periods, grid.n_buses))
    m = grid.n_wires  # rows of voltages follow, and are dense
    ends = (np.repeat([1.0, -1.0], m), (np.tile(np.arange(m), 2), np.r_[grid.branch_from[:m], grid.branch_to[:m]]))
    incidence = csr_array(ends, shape=(m, grid.n_buses))
    at_bus = csr_array(
        (np.ones(day.n_prosumers), (np.arange(day.n_prosumers), network.prosumer_bus)), shape=(day.n_prosumers, grid.n_buses)
    )
    others = np.arange(grid.n_buses) != grid.slack_bus
    reactance = grid.branch_reactance_pu[:m] / np.abs(grid.branch_reactance_pu[:m]).mean()
    own = (flow - base_flow(day, network) / power)[:, :m]
    constraints = [
        (own @ incidence)[:, others] == (net @ at_bus)[:, others],
        cp.multiply(np.broadcast_to(reactance, own.shape), own) == angle @ incidence.T,
        angle[:, grid.slack_bus] == 0,
    ]
    if m < grid.n_branches:
        constraints.append((flow - base_flow(day, network) / power)[:, m:] == net @ network.prosumer_ptdf[m:].T)
    cost = cp.sum_squares(cp.multiply(np.sqrt(weight), flow)) - float(np.sum(weight * (base_flow(day, network) / power) ** 2))
    limits: list[Any] = []
    if day.overload_price > 0:
        over = cp.Variable((day.n_periods, grid.n_branches))
        limit = grid.branch_limit_kw[None, :] / power
        limits = [flow - over <= limit, -flow - over <= limit]
        constraints += [*limits, over >= 0]
        cost += day.overload_price / data.price_unit * cp.sum(over)
    return cost, constraints, _Flow(flow, weight, limits)


def _point(families: dict[str, _Variable], data: MarketData, nodal_price: Array, storage_price: Array) -> Point:
    none = np.zeros((data.structure.n_periods, 0))
    values = {name: families[name].value if name in families else none for name in _NAMES}
    return Point(nodal_price=nodal_price, storage_price=storage_price, **values)


_NAMES = ("demand", "renewable", "imported", "exported", "charge", "discharge", "stored", "trade")
