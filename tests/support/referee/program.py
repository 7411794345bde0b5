"""The followers' program of one day as one vector, in natural units and long double.

With powers in kW and prices in EUR/kWh, over hours t, prosumers i, owners of storage and pairs ij that may trade:

    minimise   Δ·Σ ½·quadratic·v² + linear·v
    subject to r + m − x + s − c − d − Σ_j p_ij + Σ_j p_ji = 0              (T·N balances)
               u_t − u_{t−1} − η·c + s/η = 0,  u_0 = e_0/Δ                  (T·J storage equations)
               lower ≤ v ≤ upper

where u = e/Δ is stored energy in kW over a period. Every variable stands in at most two equations. The multipliers are −μ of the balances
and σ of the storage equations, so that the slope of the Lagrangian in v is quadratic·v + linear + Aᵀ(−μ, σ).
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridtoll.envs.community.day import Day
from gridtoll.envs.market.exact import Clearing

Array = NDArray[Any]
FAMILIES = ("demand", "renewable", "import", "export", "charge", "discharge", "stored", "trade")


class Shape(NamedTuple):
    """What the equations' places depend on: who has storage, which pairs may trade; ``edges`` are where families of variables end."""

    hours: int
    prosumers: int
    owner: Array  # (J,)
    seller: Array  # (K,)
    buyer: Array  # (K,)
    edges: Array  # (9,)
    row: Array  # (V, 2): the equations a variable stands in, the second one repeated where there is only one
    order: Array  # (2V,): sorts the entries of `row` by equation
    first: Array  # where each equation's entries begin among the sorted ones
    used: Array  # the equations that have entries
    node: Array  # (V,): prosumer a variable belongs to, the seller of a trade


class Program(NamedTuple):
    """The numbers; arrays are of shape (V,) over the variables but for ``coefficient`` (V, 2) and ``right`` (equations,)."""

    shape: Shape
    period_hours: float
    quadratic: Array
    linear: Array
    charge: Array  # the part of `linear` that is the network charge
    lower: Array
    upper: Array
    coefficient: Array
    right: Array

    @property
    def n_equations(self) -> int:
        return len(self.right)

    def family(self, name: str) -> slice:
        number = FAMILIES.index(name)
        return slice(int(self.shape.edges[number]), int(self.shape.edges[number + 1]))

    def times(self, v: Array) -> Array:
        """Return A·v."""
        return self._by_equation(self.coefficient * v[:, None])

    def size_of(self, v: Array) -> Array:
        """Return the sum of the absolute values of each equation's terms."""
        return self._by_equation(np.abs(self.coefficient * v[:, None])) + np.abs(self.right)

    def _by_equation(self, terms: Array) -> Array:
        total = np.zeros(self.n_equations, dtype=terms.dtype)
        total[self.shape.used] = np.add.reduceat(terms.ravel()[self.shape.order], self.shape.first)
        return total

    def slope(self, v: Array, y: Array) -> Array:
        """Return the slope of the Lagrangian in v."""
        own: Array = self.quadratic * v + self.linear + self.against(y)
        return own

    def against(self, y: Array) -> Array:
        """Return Aᵀ·y."""
        pushed: Array = (self.coefficient * y[self.shape.row]).sum(axis=1)
        return pushed

    def cost(self, v: Array) -> Any:
        """Return the objective in EUR."""
        return self.period_hours * (v * (0.5 * self.quadratic * v + self.linear)).sum()


def program_of(day: Day, charges: Array) -> Program:
    """Write the program of a day at charges of shape (N, N) or (T, N, N) down."""
    t, n = day.demand_min.shape
    owner = np.flatnonzero(day.storage_power > 0)
    seller, buyer = np.nonzero(day.trade_limit > 0)
    shape = _shape(t, n, owner.tobytes(), seller.tobytes(), buyer.tobytes())
    own, stores, pairs = (t, n), (t, len(owner)), (t, len(seller))
    hours = np.longdouble(day.period_hours)
    eta = np.asarray(day.storage_efficiency[owner], dtype=np.longdouble)
    least = np.zeros(stores, dtype=np.longdouble)
    end = day.storage_start if day.storage_end is None else day.storage_end
    least[-1] = end[owner] / hours
    wear, power = day.storage_wear[owner], day.storage_power[owner]
    tau = np.broadcast_to(charges, (t, n, n))[:, seller, buyer]
    friction, limit = day.grid_friction, day.trade_limit[seller, buyer]
    rows: list[tuple[Any, Any, Any, Any, Any, Any, Any]] = [
        # shape, quadratic, linear, lower, upper, coefficients
        (own, day.utility_curvature, -day.utility_slope, day.demand_min, day.demand_max, -1, 0),
        (own, 0, 0, 0, day.renewable, 1, 0),
        (own, friction, day.own_import_price, 0, day.import_limit, 1, 0),
        (own, friction, -day.own_export_price, 0, day.export_limit, -1, 0),
        (stores, wear, 0, 0, power, -1, -eta),
        (stores, wear, 0, 0, power, 1, 1 / eta),
        (stores, 0, 0, least, day.storage_capacity[owner] / hours, 1, np.append(np.full(t - 1, -1.0), 0.0)[:, None]),
        (pairs, day.trade_friction[seller, buyer], tau, 0, limit, -1, 1),
    ]
    columns = [
        np.concatenate([np.broadcast_to(np.asarray(row[1 + part], dtype=np.longdouble), row[0]).ravel() for row in rows])
        for part in range(6)
    ]
    right = np.zeros((t, n + len(owner)), dtype=np.longdouble)
    right[0, n:] = day.storage_start[owner] / hours
    charged = np.zeros(len(columns[0]), dtype=np.longdouble)
    charged[shape.edges[7] :] = tau.ravel()
    return Program(
        shape, day.period_hours, columns[0], columns[1], charged, columns[2], columns[3], np.stack(columns[4:], axis=1), right.ravel()
    )


def point_of(program: Program, clearing: Clearing) -> tuple[Array, Array]:
    """Return a clearing's variables, shape (V,), and its multipliers −μ and σ, in the order of the program."""
    shape, hours = program.shape, np.longdouble(program.period_hours)
    own = (clearing.demand, clearing.renewable_used, clearing.grid_import, clearing.grid_export)
    stores = [array[:, shape.owner] for array in (clearing.storage_charge, clearing.storage_discharge)]
    energy = np.asarray(clearing.stored_energy[1:, shape.owner], dtype=np.longdouble) / hours
    trade = clearing.trade[:, shape.seller, shape.buyer]
    v = np.concatenate([np.asarray(part, dtype=np.longdouble).ravel() for part in (*own, *stores, energy, trade)])
    y = np.hstack([-clearing.nodal_price, clearing.storage_price[:, shape.owner]]).astype(np.longdouble).ravel()
    return v, y


@functools.lru_cache(maxsize=512)
def _shape(t: int, n: int, owners: bytes, sellers: bytes, buyers: bytes) -> Shape:
    owner, seller, buyer = (np.frombuffer(part, dtype=np.intp) for part in (owners, sellers, buyers))
    j, hour = len(owner), np.arange(t)[:, None]
    width = n + j  # equations are numbered hour by hour: N balances, J storage equations
    at = hour * width
    balance, storage = at + np.arange(n), at + n + np.arange(j)
    after = np.minimum(hour + 1, t - 1) * width + n + np.arange(j)
    sides = [(balance, balance)] * 4 + [(balance[:, owner], storage)] * 2
    sides += [(storage, after), (balance[:, seller], balance[:, buyer])]
    row = np.concatenate([np.stack([one.ravel(), two.ravel()], axis=1) for one, two in sides])
    node = np.concatenate([np.tile(who, t) for who in (*[np.arange(n)] * 4, *[owner] * 3, seller)])
    edges = np.cumsum([0, *(one.size for one, _ in sides)])
    flat = row.ravel()
    order = np.argsort(flat, kind="stable")
    used, first = np.unique(flat[order], return_index=True)
    return Shape(t, n, owner, seller, buyer, edges, row, order, first, used, node)
