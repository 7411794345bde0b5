"""The market cleared by the compiled kernel: the same program, certificate and answer as :class:`..market.P2PMarket`, many times faster.

The interior point leaves out pairs that can hardly trade, and the caps on trades: both are free to be wrong, because polishing and the
certificate look at every pair and cap. An answer that misses the tolerance is solved again with every pair, then closer, then by CVXPY.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from ...day import Array, Day
from ..convert import clearing_of, point_of
from ..market import Market, P2PMarket
from ..market_data import IntArray, MarketData, Structure, read_charges, scale
from ..solution import Certificate, Clearing
from .exact import certify, polish
from .interior_point import interior_point
from .layout import Layout, flatten, unflatten

SOLVER = "gridtoll's structured interior point, polished"
_ATTEMPTS = ((True, 1e-6), (False, 1e-8), (False, 1e-10), (False, 1e-12))
"""Whether to leave pairs and caps out, and the interior point's tolerance. The first suffices almost always, at three steps less than the
last; a loose point now and then sends the exchange of polishing into a cycle, which a closer one does not."""
_MAX_STEPS = 80
_POLISHING_STEPS = 30
_WARM_STEPS = 8

Flat = tuple[Array, Array, Array]  # v (T, W), μ (T, N), σ (T, J)


class StructuredMarket:
    """The exact clearing by compiled loops over the market's structure.

    Args:
        fallback: What clears a day the kernel cannot; a :class:`..market.P2PMarket` made on first use where absent.
    """

    def __init__(self, fallback: Market | None = None) -> None:
        self.clearings = 0
        self.fallbacks = 0
        self._fallback = fallback

    def clear(self, day: Day, charges: ArrayLike, *, start: Clearing | None = None) -> Clearing:
        """Clear the market; see :meth:`..market.P2PMarket.clear` for arguments, result and errors."""
        began = time.perf_counter()
        self.clearings += 1
        full_charges = read_charges(day, charges)
        data = scale(day, full_charges, Structure.of(day))
        layout = flatten(data)
        if start is not None:
            flat, steps, certificate = _polished(layout, _flat_point(data, start), _WARM_STEPS)
            if certificate.holds():
                return self._clearing(day, data, layout, flat, certificate, (0, steps), began)
        for leave_out, tolerance in _ATTEMPTS:
            small = layout.keep_pairs(_worth_trading(data)) if leave_out else layout
            flat, interior_steps = _interior(layout, small, data, tolerance)
            flat, steps, certificate = _polished(layout, flat, _POLISHING_STEPS)
            if certificate.holds():
                return self._clearing(day, data, layout, flat, certificate, (interior_steps, steps), began)
        self.fallbacks += 1
        if self._fallback is None:
            self._fallback = P2PMarket()
        return replace(self._fallback.clear(day, full_charges), fallback=True)

    @staticmethod
    def _clearing(
        day: Day, data: MarketData, layout: Layout, flat: Flat, certificate: Certificate, iterations: tuple[int, int], began: float
    ) -> Clearing:
        found = clearing_of(day, data, unflatten(layout, *flat), certificate, solver=SOLVER)
        return replace(found, iterations=iterations, seconds=time.perf_counter() - began)


def _worth_trading(data: MarketData) -> IntArray:
    """Return the pairs charged less than the price difference their two ends could reach by themselves in some hour.

    A prosumer's price hardly exceeds what importing all it can use costs it, nor falls below what exporting all it has earns it.
    """
    structure = data.structure
    power = np.zeros(data.demand_max.shape)
    power[:, structure.owner] = data.storage_power
    highest = data.import_price + data.grid_friction * (data.demand_max + power)
    lowest = data.export_price - data.grid_friction * (data.renewable + power)
    spread = highest[:, structure.buyer] - lowest[:, structure.seller]
    return np.flatnonzero((data.charge < spread).any(axis=0))


def _interior(layout: Layout, small: Layout, data: MarketData, tolerance: float) -> tuple[Flat, int]:
    """Solve a market, ``layout`` or a part of its pairs, and return its answer with zero trade and the number of steps.

    A breakdown late in the method leaves a point that is usually good enough to polish, so it is not told apart here.
    """
    v = np.empty(small.cost.shape)
    mu = 0.5 * (data.import_price + data.export_price)
    sigma = np.tile(mu.mean(axis=0)[layout.owner], (layout.sizes[0], 1))
    steps = interior_point(*small.arguments(), tolerance, _MAX_STEPS, v, mu, sigma)
    whole = np.zeros(layout.cost.shape)
    whole[:, : layout.n_own] = v[:, : layout.n_own]
    return (whole, mu, sigma), abs(int(steps))


def _polished(layout: Layout, flat: Flat, max_steps: int) -> tuple[Flat, int, Certificate]:
    """Polish a flat point in place and certify it."""
    steps, _ = polish(*layout.arguments(), max_steps, *flat)
    primal, dual, gap = certify(*layout.arguments(), *flat)
    _, n, _, _ = layout.sizes
    turnover = float(layout.upper[:, :n].sum()) or 1.0
    return flat, int(steps), Certificate(primal_residual=primal, dual_residual=dual, gap=gap / turnover)


def _flat_point(data: MarketData, clearing: Clearing) -> Flat:
    point = point_of(data, clearing)
    stored_and_used = (
        point.demand,
        point.renewable,
        point.imported,
        point.exported,
        point.charge,
        point.discharge,
        point.stored,
        point.trade,
    )
    return np.hstack(stored_and_used), point.nodal_price.copy(), point.storage_price.copy()
