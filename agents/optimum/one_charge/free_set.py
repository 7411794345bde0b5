"""The equations of one active set of the flat program, factorised: how the response moves with the charge."""

from __future__ import annotations

from functools import cached_property
from typing import Final

import numpy as np

from ....envs.community.day import Array
from ....envs.market.exact.kkt import ActiveSet, KktSystem
from .flat import FAMILIES, FlatMarket
from .loops.active import moved_along, prices_of
from .loops.factor import BoolArray, Factor, factorised

_MOST: Final = 64
"""Prosumers up to whom dense blocks are eliminated. A piece of 42 took 4.5 ms with them and 5.7 without, one of 99 took 10.4 and 9.4."""
_SOLVED: Final = 1e-7
"""Share of the right-hand side by which a derivative may miss the equations; more means that too many digits were lost on the way."""


class FreeSet:
    """The factorised equations of one active set.

    Compiled loops eliminate them period by period. Where prosumers are so many that dense blocks of them would cost more, or a pivot is
    lost to rounding, a sparse factorisation does.

    Args:
        market: The program.
        free: Which variables are off their bounds, shape (V,).
    """

    def __init__(self, market: FlatMarket, free: BoolArray) -> None:
        self.free = free
        self._market = market
        factor = factorised(market.lines, free) if market.node_shape[1] <= _MOST else None
        self._factor: Factor | None = factor if factor is not None and factor.regular else None

    @cached_property
    def _system(self) -> KktSystem:
        market = self._market
        parts = np.split(self.free, market.edges[1:-1])
        masks = {name: part.reshape(shape) for name, part, shape in zip(FAMILIES, parts, market.shapes, strict=True)}
        return KktSystem(market.data, ActiveSet(**masks))

    def derivative(self) -> tuple[Array, Array]:
        """Return how variables and prices move with γ, shapes (V,) and (P,).

        Raises:
            ClearingError: If the equations are singular to rounding.
        """
        if self._factor is not None:
            moved, moved_prices, missed = moved_along(self._market.lines, self._factor)
            if missed <= _SOLVED:
                return moved, moved_prices
        market = self._market
        none = np.zeros(market.store_shape)
        answer = self._system.solve_exactly(
            -self.direct(market.charge_cost).reshape(market.node_shape), none, none, np.zeros(market.node_shape)
        )
        prices = np.concatenate([answer[0].ravel(), answer[1].ravel()])
        change = -(market.charge_cost + market.price_terms(prices)) * self.free
        change[market.n_curved :] = np.concatenate([answer[3].ravel(), answer[2].ravel()])
        return change, prices

    def prices_against(self, balances: Array) -> Array:
        """Return the prices whose terms cancel as much of a gradient in x as free variables allow, shape (P,); exact they need not be.

        Args:
            balances: What the balances gain while prices stand still and every free variable follows the gradient, shape (T·N,), as
                :func:`.loops.account.pulls_at` returns it.
        """
        if self._factor is not None:
            prices: Array = prices_of(self._factor, -balances)
            return prices
        market = self._market
        none = np.zeros(market.store_shape)
        answer = self._system.solve(-balances.reshape(market.node_shape), none, none, np.zeros(market.node_shape))
        return np.concatenate([answer[0].ravel(), answer[1].ravel()])

    def direct(self, gradient: Array) -> Array:
        """Return what the balances gain while prices stand still and every free variable follows −gradient; shapes (V,) and (T·N,)."""
        market = self._market
        moved = gradient * self.free
        moved[market.n_curved :] = 0.0
        return market.onto_equations(moved)[: market.node_shape[0] * market.node_shape[1]]
