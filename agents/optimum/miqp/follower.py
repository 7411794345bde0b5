"""The followers' program as matrices, written for the single-level program and sharing no formula with the clearing's own solvers.

In the dimensionless form of :mod:`gridtoll.envs.market.exact.market_data`, with every variable shifted to its lower bound l, x = l + v:

    minimise   ½·v'·diag(q)·v + c'·v + γ'·G·v + constant
    subject to A·v = b,  0 ≤ v ≤ u.

G holds what a unit of each coefficient charges. The order of the variables is demand, renewable, imports, exports, charging, discharging,
stored energy, trades; that of the equations balances, storage equations. A variable that its bounds fix (l = u: no sun, no capacity, a
demand that is not flexible) is left out: any multiplier suits it, and l enters b and the constant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from ....envs.community.day import Array
from ....envs.market.exact.market_data import IntArray, MarketData

FAMILIES = ("demand", "renewable", "imported", "exported", "charge", "discharge", "stored", "trade")
"""The order of the variables, by the names of :class:`gridtoll.envs.market.exact.point.Point`."""

_Entry = tuple[IntArray, IntArray, Array | float]
"""Rows, columns and values of a part of a matrix, broadcastable together."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Follower:
    """The followers' program of one day in n shifted variables, m equations and C coefficients.

    Attributes:
        curvature: q, shape (n,), at least 0.
        cost: c, shape (n,).
        upper: u, shape (n,), above 0.
        lower: l of all variables, the fixed ones included.
        free: Which of all variables are not fixed.
        equations: A, shape (m, n).
        right: b, shape (m,).
        constant: The objective at v = 0 and γ = 0.
        charged: G, shape (C, n).
        trade_net: What each prosumer sells less what it buys, of trades alone, shape (T·N, n); no trade has a lower bound but 0.
        retail_net: Exports less imports, shape (T·N, n).
        imported: Columns of imports, for the import fee.
        period: The period of each variable, shape (n,).
    """

    curvature: Array
    cost: Array
    upper: Array
    lower: Array
    free: NDArray[np.bool_]
    equations: csr_array
    right: Array
    constant: float
    charged: csr_array
    trade_net: csr_array
    retail_net: csr_array
    imported: IntArray
    period: IntArray


def make_follower(data: MarketData, basis: Array, *, per_hour: bool) -> Follower:
    """Return the followers' program.

    Args:
        data: The dimensionless day; its charges are not used.
        basis: B, shape (K, N, N).
        per_hour: Whether each period has coefficients of its own: C = T·K, coefficients innermost, else C = K.
    """
    place = _Places(data)
    lower, upper, curvature, cost = place.fill(data)
    free = upper > lower
    column = np.cumsum(free) - 1
    equations, right = place.equations(data)
    charged = place.charged(data, basis, per_hour=per_hour)
    trade_net, retail_net = place.net(data)
    quadratic_at_lower = curvature * lower
    imported = place.columns["imported"].ravel()
    return Follower(
        curvature=curvature[free],
        cost=(cost + quadratic_at_lower)[free],
        upper=(upper - lower)[free],
        lower=lower,
        free=free,
        equations=csr_array(equations[:, free]),
        right=right - equations @ lower,
        constant=float(lower @ (cost + 0.5 * quadratic_at_lower)),
        charged=csr_array(charged[:, free]),
        trade_net=csr_array(trade_net[:, free]),
        retail_net=csr_array(retail_net[:, free]),
        imported=column[imported[free[imported]]],
        period=place.period[free],
    )


class _Places:
    """Where each family of variables stands among all of them."""

    def __init__(self, data: MarketData) -> None:
        structure = data.structure
        t, n, j, k = structure.n_periods, structure.n_prosumers, len(structure.owner), len(structure.seller)
        widths = dict(zip(FAMILIES, (n, n, n, n, j, j, j, k), strict=True))
        starts = np.concatenate([[0], np.cumsum([t * width for width in widths.values()])])
        self.size = int(starts[-1])
        self.columns: dict[str, IntArray] = {
            name: start + np.arange(t * width).reshape(t, width) for (name, width), start in zip(widths.items(), starts[:-1], strict=True)
        }
        self.period = np.concatenate([np.repeat(np.arange(t), width) for width in widths.values()])
        self.node = np.arange(t * n).reshape(t, n)

    def fill(self, data: MarketData) -> tuple[Array, Array, Array, Array]:
        """Return lower bound, upper bound, curvature and cost of all variables."""
        rows: dict[str, tuple[Array | float, ...]] = {
            "demand": (data.demand_min, data.demand_max, data.utility_curvature, -data.utility_slope),
            "renewable": (0.0, data.renewable, 0.0, 0.0),
            "imported": (0.0, data.import_limit, data.grid_friction, data.import_price),
            "exported": (0.0, data.export_limit, data.grid_friction, -data.export_price),
            "charge": (0.0, data.storage_power, data.storage_wear, 0.0),
            "discharge": (0.0, data.storage_power, data.storage_wear, 0.0),
            "stored": (data.stored_min, data.stored_max, 0.0, 0.0),
            "trade": (0.0, data.trade_limit, data.trade_friction, 0.0),
        }
        shapes = {name: self.columns[name].shape for name in FAMILIES}
        stacked = [
            np.concatenate([np.broadcast_to(rows[name][part], shapes[name]).ravel() for name in FAMILIES]).astype(np.float64)
            for part in range(4)
        ]
        return stacked[0], stacked[1], stacked[2], stacked[3]

    def equations(self, data: MarketData) -> tuple[csr_array, Array]:
        """Return all balances, then all storage equations: r + m − x + s − c − d + bought − sold = 0, e_t − e_{t−1} − η·c + s/η = e₀."""
        owner, node, column = data.structure.owner, self.node, self.columns
        store = node.size + np.arange(column["stored"].size).reshape(column["stored"].shape)
        eta = data.storage_efficiency
        entries: list[_Entry] = [
            (node, column["renewable"], 1.0),
            (node, column["imported"], 1.0),
            (node, column["exported"], -1.0),
            (node, column["demand"], -1.0),
            (node[:, owner], column["discharge"], 1.0),
            (node[:, owner], column["charge"], -1.0),
            (node[:, data.structure.buyer], column["trade"], 1.0),
            (node[:, data.structure.seller], column["trade"], -1.0),
            (store, column["stored"], 1.0),
            (store[1:], column["stored"][:-1], -1.0),
            (store, column["charge"], -eta),
            (store, column["discharge"], 1.0 / eta),
        ]
        right = np.zeros(node.size + store.size)
        right[store[:1].ravel()] = data.storage_start
        return self._matrix(entries, len(right)), right

    def charged(self, data: MarketData, basis: Array, *, per_hour: bool) -> csr_array:
        """Return G."""
        weight = basis[:, data.structure.seller, data.structure.buyer]  # (K, pairs)
        hours = data.structure.n_periods
        row = np.arange(len(basis))[:, None, None] + (len(basis) * np.arange(hours)[:, None] if per_hour else np.zeros((hours, 1), int))
        return self._matrix([(row, self.columns["trade"][None], weight[:, None, :])], len(basis) * (hours if per_hour else 1))

    def net(self, data: MarketData) -> tuple[csr_array, csr_array]:
        """Return net sales in trades, and exports less imports, one row per period and prosumer."""
        sold = (self.node[:, data.structure.seller], self.columns["trade"], 1.0)
        bought = (self.node[:, data.structure.buyer], self.columns["trade"], -1.0)
        retail: list[_Entry] = [(self.node, self.columns["exported"], 1.0), (self.node, self.columns["imported"], -1.0)]
        return self._matrix([sold, bought], self.node.size), self._matrix(retail, self.node.size)

    def _matrix(self, entries: list[_Entry], n_rows: int) -> csr_array:
        """Return a matrix over all variables."""
        triples = [np.broadcast_arrays(*entry) for entry in entries]
        row, column, value = (np.concatenate([triple[part].ravel() for triple in triples]) for part in range(3))
        return csr_array(coo_array((value.astype(np.float64), (row, column)), shape=(n_rows, self.size)))
