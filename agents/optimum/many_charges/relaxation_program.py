"""The followers' program as matrices, and the leader's goal on it: what the relaxations of :mod:`.relaxation` are made of.

In the dimensionless units of :mod:`....envs.market.exact.market_data`, with x stacking every variable that is not fixed by its bounds,

    followers:  minimise ½·xᵀQx + (c + C·g)ᵀx   subject to  A·x = b,  l ≤ x ≤ u                        (Q diagonal, g the parameters)
    leader:     gᵀCᵀx + kᵀx − ½·nᵀWn − hᵀn − φ·Σ o,    n = N·x net injections,   o ≥ 0, o ≥ ±(H·n + f⁰) − F   overload

The parameters g are the coefficients of a tariff, for the whole day (:func:`day_program`); or, for one hour alone (:func:`hour_program`),
its coefficients and the price σ of each store's energy, which is what the other hours mean to it: C then holds the charge basis and minus
the energy each store gains, so that gᵀCᵀx = γ·q − σ·y.

==============  ======  =========================================================================================================
name            symbol  meaning
==============  ======  =========================================================================================================
curvature       Q       diagonal, shape (n,)
cost            c       shape (n,)
basis           C       shape (n, K)
equations       A, b    balances of each hour and prosumer, then (for a day) the storage equations
lower, upper    l, u    bounds, lower < upper
reward          k       what the leader earns on x beside gᵀCᵀx: the import fee
net             N       net injections of the account of flows
==============  ======  =========================================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse import csc_array

from ....envs.account.settlement import Flows, base_flow
from ....envs.account.tariff import Tariff
from ....envs.arrays import IntArray
from ....envs.community.day import Array, Day
from ....envs.grid.network import Network
from ....envs.market.exact.market_data import MarketData, Structure, read_charges, scale

Matrix = Any
"""A sparse matrix in columns. SciPy's stubs lose track of its shape and format after most operations, and would need a cast for each."""


@dataclass(frozen=True, eq=False, kw_only=True)
class RelaxationProgram:
    """Matrices of the followers' program and the leader's goal, dimensionless; the module's text says what is what.

    Attributes:
        unit_eur: EUR of one unit of every objective.
        price_unit: EUR/kWh of one unit of a parameter.
        fixed_cost: What the variables left out cost the followers: V is the program's value and this.
        storage_rows: Which equations are storage equations, in the order of the (T, J) arrays of the clearing.
        stored_columns: Columns of the stored energy, -1 where it is fixed, shape (T, J).
    """

    unit_eur: float
    price_unit: float
    fixed_cost: float
    curvature: Array
    cost: Array
    basis: Matrix
    equations: Matrix
    right: Array
    lower: Array
    upper: Array
    reward: Array
    net: Matrix
    loss_matrix: Matrix
    loss_slope: Array
    ptdf: Matrix
    base_flow: Array
    limit: Array
    overload_price: float
    storage_rows: slice
    stored_columns: IntArray

    @property
    def n_variables(self) -> int:
        """Number of followers' variables."""
        return len(self.cost)


_FAMILIES = ("demand", "renewable", "imported", "exported", "charge", "discharge", "stored", "trade")


def day_program(day: Day, network: Network, tariff: Tariff, *, flows: Flows) -> RelaxationProgram:
    """Return the program of a whole day, its parameters the tariff's coefficients in the order of an action."""
    whole = _Columns(day, network, flows=flows, periods=range(day.n_periods), with_storage=True)
    by_period = [whole.charged(matrix) for matrix in tariff.basis]  # each (T·pairs, T): column t charges period t alone
    if tariff.per == "day":
        basis = csc_array(np.column_stack([part.sum(axis=1) for part in by_period]))
    else:
        order = [k * day.n_periods + t for t in range(day.n_periods) for k in range(tariff.n_basis)]
        basis = sparse.csc_array(sparse.hstack(by_period))[:, order]
    return whole.program(csc_array(basis))


def hour_program(day: Day, network: Network, tariff: Tariff, period: int, *, flows: Flows) -> RelaxationProgram:
    """Return the program of one period alone, its parameters the period's coefficients and the price of each store's energy."""
    hour = _Columns(day, network, flows=flows, periods=range(period, period + 1), with_storage=False)
    columns = [*(hour.charged(matrix) for matrix in tariff.basis), -hour.gained()]
    return hour.program(csc_array(sparse.hstack(columns)))


class _Columns:
    """Builds the matrices with all columns; :meth:`program` leaves out those whose bounds coincide."""

    def __init__(self, day: Day, network: Network, *, flows: Flows, periods: range, with_storage: bool) -> None:
        self._day, self._network, self._flows = day, network, flows
        self._with_storage = with_storage
        structure = Structure.of(day)
        self._data = scale(day, read_charges(day, np.zeros((day.n_prosumers, day.n_prosumers))), structure)
        self._rows = slice(periods.start, periods.stop)
        self._structure, self._t = structure, len(periods)
        n, j, k = day.n_prosumers, len(structure.owner), len(structure.seller)
        widths = (n, n, n, n, j, j, j if with_storage else 0, k)
        edges = np.concatenate([[0], np.cumsum([self._t * width for width in widths])])
        self._columns = {name: np.arange(a, b).reshape(self._t, -1) for name, (a, b) in zip(_FAMILIES, pairwise(edges), strict=True)}
        self._size = int(edges[-1])

    def charged(self, matrix: Array) -> Matrix:
        """Return one column per period: what a coefficient of 1 charges each trade of that period."""
        weights = matrix[self._structure.seller, self._structure.buyer]
        columns = self._columns["trade"]
        period = np.repeat(np.arange(self._t), len(weights))
        return csc_array((np.tile(weights, self._t), (columns.ravel(), period)), shape=(self._size, self._t))

    def gained(self) -> Matrix:
        """Return one column per store: the energy it gains in the one period."""
        eta = self._data.storage_efficiency[self._rows][0]
        stores = np.arange(len(eta))
        rows = np.concatenate([self._columns["charge"][0], self._columns["discharge"][0]])
        return csc_array((np.concatenate([eta, -1.0 / eta]), (rows, np.tile(stores, 2))), shape=(self._size, len(eta)))

    def program(self, basis: Matrix) -> RelaxationProgram:
        """Return the period's program for charges on a basis, with variables that cannot move put in as numbers."""
        data, rows, day = self._data, self._rows, self._day
        equations, right = self._equations(data)
        vectors = self._vectors(data)
        curvature, cost, lower, upper, reward = vectors
        free = np.flatnonzero(upper > lower)
        fixed = np.where(upper > lower, 0.0, lower)
        place = np.full(self._size, -1)
        place[free] = np.arange(len(free))
        stored = self._columns["stored"]
        grid, power = self._network.grid, data.power_unit
        ptdf = self._network.prosumer_ptdf
        base = base_flow(day, self._network)[rows] / power
        # ρ·w·f² in units of the objective: f in units of power, the objective in units of power times price.
        weight = day.loss_price[rows, None] * grid.loss_coefficient * power / data.price_unit
        limited = np.isfinite(grid.branch_limit_kw)
        return RelaxationProgram(
            unit_eur=data.objective_unit,
            price_unit=data.price_unit,
            fixed_cost=float(fixed @ (0.5 * curvature * fixed + cost)),
            curvature=curvature[free],
            cost=cost[free],
            basis=csc_array(basis[free]),
            equations=csc_array(equations[:, free]),
            right=right - equations @ fixed,
            lower=lower[free],
            upper=upper[free],
            reward=reward[free],
            net=csc_array(self._net()[:, free]),
            loss_matrix=csc_array(sparse.block_diag([2.0 * (ptdf.T * w) @ ptdf for w in weight])),
            loss_slope=np.concatenate([2.0 * (w * f) @ ptdf for w, f in zip(weight, base, strict=True)]),
            ptdf=csc_array(sparse.block_diag([ptdf[limited]] * self._t)),
            base_flow=base[:, limited].ravel(),
            limit=np.tile(grid.branch_limit_kw[limited] / power, self._t),
            overload_price=day.overload_price / data.price_unit,
            storage_rows=slice(self._t * day.n_prosumers, len(right)),
            stored_columns=place[stored],
        )

    def _vectors(self, data: MarketData) -> tuple[Array, Array, Array, Array, Array]:
        rows, none = self._rows, np.zeros((self._t, 0))
        shape, stores = (self._t, self._day.n_prosumers), data.storage_power[rows].shape
        zero, idle, flat = np.zeros(shape), np.zeros(stores), np.zeros(data.charge[rows].shape)
        held = np.zeros(stores) if self._with_storage else none
        wear = data.storage_wear[rows]
        stored = (data.stored_min[rows], data.stored_max[rows]) if self._with_storage else (none, none)
        friction = data.grid_friction[rows]
        table = {  # curvature, cost, lower, upper, in the order of _FAMILIES
            "demand": (data.utility_curvature[rows], -data.utility_slope[rows], data.demand_min[rows], data.demand_max[rows]),
            "renewable": (zero, zero, zero, data.renewable[rows]),
            "imported": (friction, data.import_price[rows], zero, data.import_limit[rows]),
            "exported": (friction, -data.export_price[rows], zero, data.export_limit[rows]),
            "charge": (wear, idle, idle, data.storage_power[rows]),
            "discharge": (wear, idle, idle, data.storage_power[rows]),
            "stored": (held, held, *stored),
            "trade": (data.trade_friction[rows], flat, flat, data.trade_limit[rows]),
        }
        curvature, cost, lower, upper = (np.concatenate([table[name][i].ravel() for name in _FAMILIES]) for i in range(4))
        reward = np.zeros(self._size)
        reward[self._columns["imported"].ravel()] = self._day.import_fee / data.price_unit
        return curvature, cost, lower, upper, reward

    def _equations(self, data: MarketData) -> tuple[Matrix, Array]:
        t, n = self._t, self._day.n_prosumers
        balance = self._net_trade() * -1.0
        node = np.arange(t * n)
        for name, sign in (("demand", -1.0), ("renewable", 1.0), ("imported", 1.0), ("exported", -1.0)):
            balance = balance + self._matrix(node, self._columns[name].ravel(), sign, t * n)
        owner = (np.arange(t)[:, None] * n + self._structure.owner).ravel()
        for name, sign in (("charge", -1.0), ("discharge", 1.0)):
            balance = balance + self._matrix(owner, self._columns[name].ravel(), sign, t * n)
        if not self._with_storage:
            return csc_array(balance), np.zeros(t * n)
        stores = len(self._structure.owner)
        row, eta, stored = np.arange(t * stores), data.storage_efficiency.ravel(), self._columns["stored"]
        storage = self._matrix(row, stored.ravel(), 1.0, t * stores)
        storage = storage + self._matrix(row[stores:], stored[:-1].ravel(), -1.0, t * stores)
        storage = storage + self._matrix(row, self._columns["charge"].ravel(), -eta, t * stores)
        storage = storage + self._matrix(row, self._columns["discharge"].ravel(), 1.0 / eta, t * stores)
        right = np.zeros(t * stores)
        right[:stores] = data.storage_start
        return csc_array(sparse.vstack([balance, storage])), np.concatenate([np.zeros(t * n), right])

    def _net_trade(self) -> Matrix:
        """Return sold less bought of each period and prosumer."""
        n, structure = self._day.n_prosumers, self._structure
        first, columns = np.arange(self._t)[:, None] * n, self._columns["trade"].ravel()
        sold = self._matrix((first + structure.seller).ravel(), columns, 1.0, self._t * n)
        return csc_array(sold - self._matrix((first + structure.buyer).ravel(), columns, 1.0, self._t * n))

    def _net(self) -> Matrix:
        net, rows = self._net_trade(), self._t * self._day.n_prosumers
        if self._flows == "injections":  # written without renewables and storage, whose curvature may be 0
            net = net + self._matrix(np.arange(rows), self._columns["exported"].ravel(), 1.0, rows)
            net = net - self._matrix(np.arange(rows), self._columns["imported"].ravel(), 1.0, rows)
        return csc_array(net)

    def _matrix(self, rows: IntArray, columns: IntArray, values: Array | float, height: int) -> Matrix:
        return csc_array((np.broadcast_to(values, rows.shape), (rows, columns)), shape=(height, self._size))
