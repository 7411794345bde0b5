"""Polishing: from a nearly optimal point to the exact one, by a Newton method on the optimality conditions.

Given nodal prices μ and storage prices σ, every strictly convex variable has a closed-form response (:func:`.point.respond`). What
remains is a square system in μ, σ, stored energy e and renewable use r:

    balance(μ, σ, r) = 0                       storage(μ, σ, e) = 0
    r = clip(r + μ/w, 0, R)                    e = clip(e − (σ_{t−1} − σ_t)/w, e_min, e_max)

It is piecewise affine, so once the active set (which side of each clip a variable is on, read from primal and dual together) is that of
the optimum, one Newton step lands on the optimum to rounding. A wrong guess is corrected by the next step, which is the exchange of an
active-set method; a step with an unchanged active set is an iteration of iterative refinement.

Idle storage leaves its prices undetermined. They must start inside their interval, where an interior point leaves them; least-norm prices
sit on its edge, and the exchange then cycles (:mod:`.kkt` says how the singular matrix is handled).
"""

from __future__ import annotations

import numpy as np

from ..errors import ClearingError
from .kkt import ActiveSet, KktSystem
from .market_data import MarketData
from .point import Point, balance_residual, respond, storage_residual, stored_slope

_WEIGHT = 0.05
"""w: the price difference that counts as much as one unit of power when a side of a bound is chosen for e and r."""
_LONGEST = 0.01
"""Longest step of a price. One that nothing answers to, of a prosumer with everything on its bounds and a last bit of energy to place,
has no step of Newton's: it is moved until something answers."""
_CONVERGED = 1e-13
"""Dimensionless residual of the equations from which rounding takes over."""
_MAX_STEPS = 40


def polish(data: MarketData, point: Point, *, max_steps: int = _MAX_STEPS) -> int:
    """Move ``point`` to the exact optimum, in place, and return the number of Newton steps.

    Convergence is not promised: the caller certifies the point. The best point met is kept.

    Args:
        data: The dimensionless market.
        point: A nearly optimal point; only its prices, stored energy and renewable use are read.
        max_steps: Steps after which the exchange is taken to cycle.
    """
    best = np.inf
    kept = (point.nodal_price, point.storage_price, point.stored, point.renewable)
    system, previous = None, None
    stalled = 0
    for step in range(max_steps + 1):
        active = adopt(data, point)
        balance, storage = balance_residual(data, point), storage_residual(data, point)
        slope_e = np.where(active.stored, stored_slope(point.storage_price), 0.0)
        slope_r = np.where(active.renewable, -point.nodal_price, 0.0)
        error = max(float(np.abs(part).max(initial=0.0)) for part in (balance, storage, slope_e, slope_r))
        stalled = 0 if error < 0.5 * best else stalled + 1
        if error < best:
            best = error
            kept = (point.nodal_price, point.storage_price, point.stored, point.renewable)
        if error <= _CONVERGED or step == max_steps or (stalled >= 3 and best < 1e-9) or not np.isfinite(error):
            break
        if system is None or previous is None or not active.same_as(previous):
            system, previous = KktSystem(data, active), active
        try:
            mu, sigma, stored, renewable = system.solve(-balance, storage, slope_e, slope_r)
        except ClearingError:
            break  # the best point met may still do, and is certified in any case
        point.nodal_price = point.nodal_price + np.clip(mu, -_LONGEST, _LONGEST)
        point.storage_price = point.storage_price + np.clip(sigma, -_LONGEST, _LONGEST)
        point.stored = point.stored + stored
        point.renewable = point.renewable + renewable
    point.nodal_price, point.storage_price, point.stored, point.renewable = kept
    adopt(data, point)
    return step


def adopt(data: MarketData, point: Point) -> ActiveSet:
    """Put every variable where the point's primal and dual together say it belongs, in place, and return which are free."""
    respond(data, point)
    push = point.renewable + point.nodal_price / _WEIGHT
    free_renewable = (push > 0) & (push < data.renewable)
    point.renewable = np.where(free_renewable, point.renewable, np.where(push <= 0, 0.0, data.renewable))
    push = point.stored - stored_slope(point.storage_price) / _WEIGHT
    free_stored = (push > data.stored_min) & (push < data.stored_max)
    point.stored = np.where(free_stored, point.stored, np.where(push <= data.stored_min, data.stored_min, data.stored_max))
    return ActiveSet(
        demand=_inside(point.demand, data.demand_min, data.demand_max),
        renewable=free_renewable,
        imported=_inside(point.imported, 0.0, data.import_limit),
        exported=_inside(point.exported, 0.0, data.export_limit),
        charge=_inside(point.charge, 0.0, data.storage_power),
        discharge=_inside(point.discharge, 0.0, data.storage_power),
        stored=free_stored,
        trade=_inside(point.trade, 0.0, data.trade_limit),
    )


def _inside(value: np.ndarray, lower: np.ndarray | float, upper: np.ndarray) -> np.ndarray:
    inside: np.ndarray = (value > lower) & (value < upper)
    return inside
