"""The followers' program in CVXPY, compiled once per structure.

In the dimensionless form of :mod:`.market_data` (a period lasts 1), over hours t, prosumers i and pairs ij that may trade::

    minimise   Σ ½a·d² − b·d + λᵐ·m − λˣ·x + ½ε_g·(m² + x²) + ½κ·(c² + s²) + τ·p + ½ε·p²
    subject to r + m − x + s − c − d − Σ_j p_ij + Σ_j p_ji = 0      (dual −μ: CVXPY's Lagrangian adds dual × left side)
               e_t − e_{t−1} − (η·c − s/η) = 0                     (dual σ)
               box bounds of every variable, e_T ≥ e_0

The data are CVXPY Parameters and the problem is DPP, so that compilation happens once and every later day only fills in numbers. While
compiling, CVXPY keeps dense tables of (objective terms × parameter entries), and of (rows × parameter entries) for every product of a
parameter matrix with a variable; `cp.multiply` makes a parameter the diagonal of such a matrix. With curvatures and prices in the objective
30 prosumers × 24 hours took 25 GB, with `cp.multiply` of all trades 3.6 GB. Memory grows with the number of trades alone because

* every strictly convex variable v is measured in its own unit 1/√curvature, v = unit·u, which makes its quadratic cost ½u²;
* the linear costs of each hour are one variable, tied to the prices by one equation, for trades an inner product by hour;
* what trades add to the balances of an hour is one sparse parameter of N rows, their incidence in units of u, the same for all hours.
"""

from __future__ import annotations

import warnings
from typing import Final

import cvxpy as cp
import numpy as np
from scipy.sparse import coo_array, csc_array

from ...community.day import Array
from .market_data import MarketData, Structure
from .point import Point

_QUICK: Final = {"equilibrate_enable": False, "presolve_enable": False, "iterative_refinement_enable": False}
"""Clarabel's settings with which a solver is kept from day to day and is given new numbers alone (CVXPY's ``warm_start``; Clarabel starts
each day from nothing but that memory). The data are dimensionless and every variable has its own unit, so there is little to equilibrate.
Scales found for one day would besides stay for the next, whose last bits would depend on it. Refining every linear system takes almost half
of an iteration, and polishing makes the answer exact anyway."""


class _Curved:
    """A family of strictly convex variables v = unit·u with a linear cost and bounds; the module's text says why."""

    def __init__(self, n_periods: int, width: int) -> None:
        shape = (n_periods, width)
        self.scaled = cp.Variable(shape)
        self.unit = cp.Parameter(shape, nonneg=True)
        self._price, self._lower, self._upper = (cp.Parameter(shape) for _ in range(3))
        self.natural = cp.multiply(self.unit, self.scaled)
        self.quadratic_cost = 0.5 * cp.sum_squares(self.scaled)
        self.linear_cost = cp.sum(cp.multiply(self._price, self.scaled), axis=1)
        self.constraints = [self.scaled >= self._lower, self.scaled <= self._upper]

    def fill(self, curvature: Array, price: Array | float, lower: Array | float, upper: Array) -> None:
        """Set a day's numbers, all in the units of v; each broadcasts to (T, width)."""
        unit = 1.0 / np.sqrt(curvature)
        self.unit.value, self._price.value = unit, price * unit
        self._lower.value, self._upper.value = lower / unit, upper / unit

    def read(self) -> Array:
        """Return the v found, shape (T, width)."""
        value: Array = self.unit.value * self.scaled.value
        return value


class _Trades:
    """The trades p = unit·u of the K pairs, like :class:`_Curved` but for products that need memory linear in their number."""

    def __init__(self, structure: Structure) -> None:
        n_periods, n_pairs = structure.n_periods, len(structure.seller)
        shape, pairs = (n_periods, n_pairs), np.arange(n_pairs)
        self.scaled = cp.Variable(shape)
        self._price, self._cap = [cp.Parameter(n_pairs) for _ in range(n_periods)], cp.Parameter(shape)
        self._unit: Array = np.ones(shape)
        self._places = (np.concatenate([structure.seller, structure.buyer]), np.tile(pairs, 2))
        self._incidence = cp.Parameter((structure.n_prosumers, n_pairs), sparsity=self._places)
        self.net_bought = cp.vstack([self._incidence @ self.scaled[t] for t in range(n_periods)])
        self.quadratic_cost = 0.5 * cp.sum_squares(self.scaled)
        self.linear_cost = cp.hstack([self._price[t] @ self.scaled[t] for t in range(n_periods)])
        self.constraints = [self.scaled >= 0, self.scaled <= self._cap]

    def fill(self, data: MarketData) -> None:
        """Set a day's charges, caps and frictions."""
        self._unit = 1.0 / np.sqrt(data.trade_friction)
        self._incidence.value_sparse = coo_array((np.outer([-1.0, 1.0], self._unit[0]).ravel(), self._places), shape=self._incidence.shape)
        for parameter, price in zip(self._price, data.charge * self._unit, strict=True):
            parameter.value = price
        self._cap.value = data.trade_limit / self._unit

    def read(self) -> Array:
        """Return the trades found, shape (T, K)."""
        value: Array = self._unit * self.scaled.value
        return value


class _Storage:
    """Charging, discharging and the storage equation of the J owners."""

    def __init__(self, n_periods: int, n_owners: int) -> None:
        shape = (n_periods, n_owners)
        self.charge, self.discharge = _Curved(*shape), _Curved(*shape)
        self._stored, self._start = cp.Variable((n_periods + 1, n_owners)), cp.Parameter(n_owners)
        self._stored_min, self._stored_max = cp.Parameter(shape), cp.Parameter(shape)
        # DPP allows one parameter in a product, so efficiency and unit are filled in multiplied.
        self._gain, self._drain = cp.Parameter(shape), cp.Parameter(shape)
        gained = cp.multiply(self._gain, self.charge.scaled) - cp.multiply(self._drain, self.discharge.scaled)
        self._equation = self._stored[1:] - self._stored[:-1] - gained == 0
        self.net_discharge = self.discharge.natural - self.charge.natural
        self.constraints = [
            self._equation,
            self._stored[0] == self._start,
            self._stored[1:] >= self._stored_min,
            self._stored[1:] <= self._stored_max,
        ]

    def fill(self, data: MarketData) -> None:
        """Set a day's stores: power, wear, efficiency, and the energy each begins with and may hold."""
        self.charge.fill(data.storage_wear, 0.0, 0.0, data.storage_power)
        self.discharge.fill(data.storage_wear, 0.0, 0.0, data.storage_power)
        self._start.value, self._stored_min.value, self._stored_max.value = data.storage_start, data.stored_min, data.stored_max
        self._gain.value = data.storage_efficiency * self.charge.unit.value
        self._drain.value = self.discharge.unit.value / data.storage_efficiency

    def read(self) -> dict[str, Array]:
        """Return what was found, by the names of :class:`.point.Point`, each of shape (T, J)."""
        return {
            "charge": self.charge.read(),
            "discharge": self.discharge.read(),
            "stored": self._stored.value[1:],
            "storage_price": self._equation.dual_value,
        }


class CompiledMarket:
    """The CVXPY problem of one structure, ready to be filled and solved.

    It cannot be pickled (a compiled problem holds solver objects); :class:`.P2PMarket` rebuilds it where it is needed.
    """

    def __init__(self, structure: Structure) -> None:
        t, n, j = structure.n_periods, structure.n_prosumers, len(structure.owner)
        self._demand, self._imported, self._exported = (_Curved(t, n) for _ in range(3))
        self._renewable, self._available = cp.Variable((t, n)), cp.Parameter((t, n))
        # CVXPY has no empty variables: without pairs or storage the families are left out.
        self._trade = _Trades(structure) if len(structure.seller) else None
        self._storage = _Storage(t, j) if j else None
        families: list[_Curved | _Trades] = [self._demand, self._imported, self._exported]
        supply = self._renewable + self._imported.natural - self._exported.natural - self._demand.natural
        constraints = [self._renewable >= 0, self._renewable <= self._available]
        if self._trade is not None:
            families.append(self._trade)
            supply += self._trade.net_bought
        if self._storage is not None:
            families += [self._storage.charge, self._storage.discharge]
            supply += self._storage.net_discharge @ csc_array((np.ones(j), (np.arange(j), structure.owner)), shape=(j, n))
            constraints += self._storage.constraints
        self._balance = supply == 0
        linear_cost = cp.Variable(t)
        constraints += [self._balance, linear_cost == sum(family.linear_cost for family in families)]
        constraints += [constraint for family in families for constraint in family.constraints]
        self.problem = cp.Problem(cp.Minimize(cp.sum(linear_cost) + sum(family.quadratic_cost for family in families)), constraints)
        self._careful = cp.Problem(self.problem.objective, self.problem.constraints)  # compiled when it is first needed, seldom
        if not self.problem.is_dpp():
            raise AssertionError("The market must follow CVXPY's rules for parametrised programs (DPP), or every day compiles it anew.")

    def solve(self, data: MarketData, *, tolerance: float, quick: bool = False) -> tuple[Point, int]:
        """Fill in a day and charges and solve with Clarabel.

        Args:
            data: The dimensionless day and charges, of this problem's structure.
            tolerance: Clarabel's feasibility and gap tolerances.
            quick: Whether to solve with :data:`_QUICK`, which takes half the time and fails on days that are out of scale.

        Returns:
            The interior-point answer and the number of its iterations.

        Raises:
            cvxpy.error.SolverError: If the solver fails, or ends without an answer.
        """
        self._fill(data)
        problem = self.problem if quick else self._careful
        options = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), tolerance) | (_QUICK if quick else {})
        with warnings.catch_warnings():
            # Polishing and the certificate judge the answer, so what Clarabel thinks of its own accuracy is of no interest.
            warnings.filterwarnings("ignore", message="Solution may be inaccurate", category=UserWarning)
            # CVXPY itself reads the sparse parameter as if it were dense, and warns of that.
            warnings.filterwarnings("ignore", message="Reading from a sparse CVXPY expression", category=RuntimeWarning)
            problem.solve(solver=cp.CLARABEL, canon_backend=cp.COO_CANON_BACKEND, warm_start=quick, max_iter=200, **options)
        if problem.status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE):
            raise cp.error.SolverError(f"Clarabel ended with status {problem.status!r}.")
        return self._read(data), int(problem.solver_stats.num_iters)

    def _fill(self, data: MarketData) -> None:
        """Set a day's numbers."""
        self._demand.fill(data.utility_curvature, -data.eased_slope, data.demand_min, data.demand_max)
        self._imported.fill(data.grid_friction, data.import_price, 0.0, data.import_limit)
        self._exported.fill(data.grid_friction, -data.export_price, 0.0, data.export_limit)
        self._available.value = data.renewable
        if self._trade is not None:
            self._trade.fill(data)
        if self._storage is not None:
            self._storage.fill(data)

    def _read(self, data: MarketData) -> Point:
        none = np.zeros((data.structure.n_periods, 0))
        storage = dict.fromkeys(("charge", "discharge", "stored", "storage_price"), none) if self._storage is None else self._storage.read()
        return Point(
            demand=self._demand.read(),
            renewable=self._renewable.value,
            imported=self._imported.read(),
            exported=self._exported.read(),
            trade=none if self._trade is None else self._trade.read(),
            nodal_price=-self._balance.dual_value,
            **storage,
        )
