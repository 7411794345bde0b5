"""The followers' program as one vector, in units that give strictly convex variables the curvature 1.

At the charge γ the followers minimise F_γ(x) = ½‖x_c‖² + c₀·x + γ·c·x over a box and the equations A·x = b, where x_c are the first
``n_curved`` entries of x: demand, imports, exports, charging, discharging and trades, each times the root of its curvature, in √EUR, so
that their Euclidean norm is the Q norm. Renewable use and stored energy follow; they have no curvature and stay dimensionless. The slope of
the Lagrangian at prices y (μ, then σ, dimensionless) is s = x_c + c₀ + γ·c − Aᵀy, in EUR per unit of x.

Every variable stands in at most two equations, so that A is kept as two indices and two coefficients a variable.

===========  ===========================================  =====================================
family       equations                                    −Aᵀy
===========  ===========================================  =====================================
demand       balance                                      μ
imported     balance                                      −μ
exported     balance                                      μ
charge       balance of the owner, storage                μ − η·σ
discharge    balance of the owner, storage                −μ + σ/η
trade        balances of seller and buyer                 μ_i − μ_j
renewable    balance                                      −μ
stored       storage of this period and the next          σ_t − σ_{t+1}, the last one being 0
===========  ===========================================  =====================================
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....envs.community.day import Array
from ....envs.market.exact.market_data import MarketData
from ....envs.market.exact.point import Point
from ....envs.market.exact.solution import Certificate, Clearing
from .loops.account import FlatArrays, balance, injections, level, missing, slopes_at
from .loops.kernels import onto_equations, price_terms
from .loops.response import Measures, certificate_of

_ROUNDING = 1e-12  # an equation that holds to this, in units of the mean load or a greater prosumer's own, holds: sums are no more exact
_PRICE_DIGIT = 4.0 * float(np.finfo(np.float64).eps)  # what a price is known to, in units of the greatest

FAMILIES = ("demand", "imported", "exported", "charge", "discharge", "trade", "renewable", "stored")
"""Of variables, in the order of the vector."""


class FlatMarket:
    """One day's program along one direction of charges; all arrays are of shape (V,) over the variables unless said otherwise.

    Args:
        data: The dimensionless market; its charges do not count.
        direction: Dimensionless charges per EUR/kWh of γ, shape (T, K).
        counts_own_exchange: Whether imports and exports count as injections beside trades.
    """

    def __init__(self, data: MarketData, direction: Array, *, counts_own_exchange: bool) -> None:
        self.data = data
        structure = data.structure
        t, n, j = structure.n_periods, structure.n_prosumers, len(structure.owner)
        pairs = len(structure.seller)
        unit = data.objective_unit
        curved = (data.utility_curvature, data.grid_friction, data.grid_friction, data.storage_wear, data.storage_wear, data.trade_friction)
        self.shapes = ((t, n), (t, n), (t, n), (t, j), (t, j), (t, pairs), (t, n), (t, j))
        self.edges = np.cumsum([0, *(rows * columns for rows, columns in self.shapes)])
        self.n_curved = int(self.edges[6])
        self.size = int(self.edges[8])
        self.scale = np.concatenate([*(np.sqrt(unit * part).ravel() for part in curved), np.ones(self.size - self.n_curved)])
        self.gain = unit / self.scale
        self.unit = unit
        self.node_shape, self.store_shape = (t, n), (t, j)
        self.renewables = slice(int(self.edges[6]), int(self.edges[7]))
        self.stored = slice(int(self.edges[7]), self.size)
        zero = [np.zeros(shape) for shape in self.shapes]
        lower = [data.demand_min, *zero[1:7], data.stored_min]
        upper = [
            data.demand_max,
            data.import_limit,
            data.export_limit,
            data.storage_power,
            data.storage_power,
            data.trade_limit,
            data.renewable,
            data.stored_max,
        ]
        self.lower, self.upper = self._join(lower) * self.scale, self._join(upper) * self.scale
        self.cost = self._join([-data.utility_slope, data.import_price, -data.export_price, *zero[3:]]) * self.gain
        self.charge_cost = self._join([*zero[:5], direction, *zero[6:]]) * self.gain
        self.import_kwh = self._join([zero[0], np.ones((t, n)), *zero[2:]]) * data.power_unit * data.period_hours / self.scale
        self._set_measures(t, n)
        self._set_equations(t, n, j)
        self._set_injections(t, n, counts_own_exchange)
        self.lines = self._lines(t, n, j)
        rounding = np.maximum(_ROUNDING * np.maximum(self.equation_size, 1.0), self.last_digit)
        self.measures = Measures(
            size=np.array(data.size, dtype=np.float64),
            much=self._much,
            holder=self._holder,
            other=self._other,
            equation_holder=self._equation_holder,
            rounding=rounding,
        )

    def _lines(self, t: int, n: int, j: int) -> FlatArrays:
        """Return what compiled loops read of all this."""
        return FlatArrays(
            shape=(t, n, j),
            n_curved=self.n_curved,
            unit=float(self.unit),
            scale=self.scale,
            gain=self.gain,
            lower=self.lower,
            upper=self.upper,
            cost=self.cost,
            charge_cost=self.charge_cost,
            import_kwh=self.import_kwh,
            first=self.first,
            second=self.second,
            first_weight=self.first_weight,
            second_weight=self.second_weight,
            right_hand_side=self.right_hand_side,
            own=self._own,
            moved=self._moved,
            span=(self._moving.start, self._moving.stop),
            sold=self._sold,
            bought=self._bought,
        )

    def _set_measures(self, t: int, n: int) -> None:
        """Say what is much of each variable and equation, and whose it is: the units of the certificate."""
        data, structure = self.data, self.data.structure
        node, store = np.tile(np.arange(n), (t, 1)), np.tile(structure.owner, (t, 1))
        seller, buyer = np.tile(structure.seller, (t, 1)), np.tile(structure.buyer, (t, 1))
        self._holder = self._join([*[node] * 3, *[store] * 2, seller, node, store]).astype(np.intp)
        self._other = self._join([*[node] * 3, *[store] * 2, buyer, node, store]).astype(np.intp)
        self._much = np.minimum(data.size[self._holder], data.size[self._other]) * self.scale
        self._equation_holder = np.concatenate([node.ravel(), store.ravel()])
        self.equation_size = data.size[self._equation_holder]
        # A price's last digit moves a quantity by itself over its curvature.
        softest = np.full(len(data.size), np.inf)
        curved = slice(0, self.n_curved)
        for holder in (self._holder[curved], self._other[curved]):
            np.minimum.at(softest, holder, self.scale[curved] ** 2 / self.unit)
        self.last_digit = (_PRICE_DIGIT / softest)[self._equation_holder]

    def _set_equations(self, t: int, n: int, j: int) -> None:
        structure, eta = self.data.structure, self.data.storage_efficiency
        node = np.arange(t)[:, None] * n + np.arange(n)
        store = t * n + np.arange(t)[:, None] * j + np.arange(j)
        following = np.vstack([store[1:], store[-1:]])
        last = np.vstack([np.full((t - 1, j), -1.0), np.zeros((1, j))])
        owner = node[:, structure.owner]
        seller, buyer = node[:, structure.seller], node[:, structure.buyer]
        none = [np.zeros_like(node)] * 3
        self.first = self._join([node, node, node, owner, owner, seller, node, store]).astype(np.intp)
        self.second = self._join([*none, store, store, buyer, none[0], following]).astype(np.intp)
        ones = [np.ones(shape) for shape in self.shapes]
        signs = (1.0, -1.0, 1.0, 1.0, -1.0, 1.0, -1.0, 1.0)
        self.first_weight = self._join([sign * one for sign, one in zip(signs, ones, strict=True)]) * self.gain
        zero = np.zeros((t, n))
        self.second_weight = self._join([zero, zero, zero, -eta, 1.0 / eta, -ones[5], zero, last]) * self.gain
        self._equations = (self.first, self.second, self.first_weight, self.second_weight)
        self.n_prices, self._n_nodes = t * n + t * j, t * n
        # What stands in one balance only; where sun is curtailed at an export price of zero, nothing but its use has room.
        self._own = np.stack([np.arange(start, start + t * n) for start in (*self.edges[:3], self.renewables.start)])
        self._moved = np.stack([np.arange(start, start + t * j) for start in self.edges[3:5]])  # charging and discharging
        self.right_hand_side = np.zeros(self.n_prices)
        self.right_hand_side[t * n : t * n + j] = self.data.storage_start

    def _set_injections(self, t: int, n: int, counts_own_exchange: bool) -> None:
        """Net injections in kW are what trades take from a seller and bring to a buyer, and exports less imports where they count."""
        power = self.data.power_unit / self.scale
        own = 1.0 if counts_own_exchange else 0.0
        zero = [np.zeros(shape) for shape in self.shapes]
        self._sold = self._join([zero[0], np.full((t, n), -own), np.full((t, n), own), *zero[3:5], 1.0 + zero[5], *zero[6:]]) * power
        self._bought = self._join([*zero[:5], 1.0 + zero[5], *zero[6:]]) * power
        self._moving = slice(int(self.edges[1]), int(self.edges[6]))  # imports to trades: the only ones with an injection

    def known(self, clearing: Clearing) -> tuple[Array, Array]:
        """Return what decides a clearing: its prices, shape (P,), and its renewable use and stored energy, shape (V − n_curved,)."""
        data, owner = self.data, self.data.structure.owner
        prices = (clearing.nodal_price / data.price_unit, clearing.storage_price[:, owner] / data.price_unit)
        stored = clearing.stored_energy[1:, owner] / (data.power_unit * data.period_hours)
        loose = (clearing.renewable_used / data.power_unit, stored)
        return np.concatenate([part.ravel() for part in prices]), np.concatenate([part.ravel() for part in loose])

    def pack(self, point: Point) -> Array:
        """Return a point's variables as one vector x, shape (V,)."""
        values: Array = self._join([getattr(point, name) for name in FAMILIES]) * self.scale
        return values

    @staticmethod
    def prices(point: Point) -> Array:
        """Return a point's prices as one vector, shape (P,)."""
        return np.concatenate([point.nodal_price.ravel(), point.storage_price.ravel()])

    def split_prices(self, prices: Array) -> tuple[Array, Array]:
        """Return a vector of prices as nodal prices, shape (T, N), and storage prices, shape (T, J)."""
        return prices[: self._n_nodes].reshape(self.node_shape), prices[self._n_nodes :].reshape(self.store_shape)

    def slopes(self, x: Array, prices: Array, charge: float) -> Array:
        """Return s, the slope of the Lagrangian in each variable, in EUR per unit of x, shape (V,).

        Args:
            x: Variables, shape (V,).
            prices: y, dimensionless, shape (P,).
            charge: γ, EUR/kWh.
        """
        slopes: Array = slopes_at(self.lines, charge, x, prices)
        return slopes

    def price_terms(self, prices: Array) -> Array:
        """Return −Aᵀy in EUR per unit of x, shape (V,), for prices y, dimensionless, shape (P,)."""
        terms: Array = price_terms(*self._equations, prices)
        return terms

    def residual(self, x: Array) -> Array:
        """Return by how much the equations are missed, dimensionless, shape (P,)."""
        missed: Array = missing(self.lines, x)
        return missed

    def balance(self, x: Array) -> None:
        """Make the equations hold to rounding, in place; see :func:`.loops.account.balance`.

        Args:
            x: Variables, shape (V,); what changes.
        """
        balance(self.lines, x)

    def level(self, x: Array, prices: Array) -> None:
        """Make the slope of free renewable use and stored energy exactly 0, in place; see :func:`.loops.account.level`.

        Args:
            x: Variables, shape (V,), which say what is free.
            prices: y, dimensionless, shape (P,); what changes.
        """
        level(self.lines, x, prices)

    def injection_kw(self, x: Array) -> Array:
        """Return net injections in kW, shape (T, N), of variables or of a change of them."""
        net: Array = injections(self.lines, x)
        return net.reshape(self.node_shape)

    def injection_gradient(self, potential: Array) -> Array:
        """Return the gradient in x of Σ potential·injection, potential in EUR/kW of shape (T, N)."""
        values = self.at_equations(potential)
        gradient = np.zeros(self.size)
        span = self._moving
        gradient[span] = self._sold[span] * values[self.first[span]] - self._bought[span] * values[self.second[span]]
        return gradient

    def at_equations(self, potential: Array) -> Array:
        """Return values of the balances, shape (T, N), over all equations, shape (P,), those of storage being 0."""
        values = np.zeros(self.n_prices)
        values[: self._n_nodes] = potential.ravel()
        return values

    def quantity(self, x: Array) -> float:
        """Return ½‖x_c‖² + c₀·x in EUR at x, shape (V,): the followers' objective but for the charges."""
        return float(0.5 * (x[: self.n_curved] @ x[: self.n_curved]) + self.cost @ x)

    def certificate(self, x: Array, prices: Array, slope: Array, missed: Array) -> tuple[Certificate, float]:
        """Measure a point as :func:`gridtoll.envs.market.exact.point.certify` does, from its vectors and what it misses the equations by.

        Args:
            x: Variables, shape (V,).
            prices: y, dimensionless, shape (P,).
            slope: s in EUR per unit of x, shape (V,), as :meth:`slopes` returns it.
            missed: By how much the equations are missed, dimensionless, shape (P,), as :meth:`residual` returns it.

        Returns:
            The certificate, and what better responses to the prices would save in all, in EUR.
        """
        primal, dual, gap, saved = certificate_of(self.lines, self.measures, x, prices, slope, missed)
        return Certificate(primal_residual=primal, dual_residual=dual, gap=gap), saved

    def onto_equations(self, x: Array) -> Array:
        """Return A·x as far as variables go, dimensionless, shape (P,)."""
        moved: Array = onto_equations(*self._equations, x, self.n_prices)
        return moved / self.unit

    @staticmethod
    def _join(families: Sequence[NDArray[Any]]) -> Array:
        return np.concatenate([np.ravel(part) for part in families]).astype(np.float64)
