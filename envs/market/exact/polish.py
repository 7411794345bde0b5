"""Polishing: from a nearly optimal point to the exact one, by a Newton method on the optimality conditions.

Given nodal prices μ and storage prices σ, every strictly convex variable has a closed-form response (:func:`.point.respond`). What
remains is a square system in μ, σ, stored energy e and renewable use r:

    balance(μ, σ, r) = 0                       storage(μ, σ, e) = 0
    r = clip(r + μ/w, 0, R)                    e = clip(e − (σ_{t−1} − σ_t)/w, e_min, e_max)

It is piecewise affine, so once the active set (which side of each clip a variable is on, read from primal and dual together) is that of
the optimum, one Newton step lands on the optimum to rounding. A wrong guess is corrected by the next step, which is the exchange of an
active-set method; a step with an unchanged active set is an iteration of iterative refinement.

Full steps may cycle: a battery at its power limit with a last bit too much in it is sent across the narrow range of prices at which it
charges less, and back. Steps are then shortened until the residual falls, from the best point met. Being slower, that waits for a cycle.

Idle storage leaves its prices undetermined. They must start inside their interval, where an interior point leaves them; least-norm prices
sit on its edge, and the exchange then cycles (:mod:`.kkt` says how the singular matrix is handled).
"""

from __future__ import annotations

import numpy as np

from ...community.day import Array
from ...errors import ClearingError
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
MAX_STEPS = 60
_CYCLES = 8
"""Full steps in a row without halving the residual after which they are taken to cycle."""
_DESCENT = 1e-4
"""Share of the descent promised by the linear system that a shortened step must achieve."""
_SHORTEST = 2.0**-16
"""Shortest step, as a share of Newton's. Where not even that one descends, at a kink or where nothing answers to a price, the full step
leaves the place."""

Move = tuple[Array, Array, Array, Array]  # of μ, σ, e and r


def polish(data: MarketData, point: Point, *, max_steps: int = MAX_STEPS) -> int:
    """Move ``point`` to the exact optimum, in place, and return the number of Newton steps.

    Convergence is not promised: the caller certifies the point. The best point met is kept.

    Args:
        data: The dimensionless market.
        point: A nearly optimal point; only its prices, stored energy and renewable use are read.
        max_steps: Steps after which it is given up.
    """
    best, kept = np.inf, _place(point)
    system, previous = None, None
    stalled, shorten = 0, False
    for step in range(max_steps + 1):
        active = adopt(data, point)
        residual = _residual(data, point, active)
        error = _greatest(data, residual)
        stalled = 0 if error < 0.5 * best else stalled + 1
        if error < best:
            best, kept = error, _place(point)
        if error <= _CONVERGED or step == max_steps or (stalled >= 3 and best < 1e-9) or not np.isfinite(error):
            break
        if stalled >= _CYCLES and not shorten:
            shorten = True
            _put(point, kept)
            active = adopt(data, point)
            residual = _residual(data, point, active)
        if system is None or previous is None or not active.same_as(previous):
            system, previous = KktSystem(data, active), active
        try:
            mu, sigma, stored, renewable = system.solve(*residual)
        except ClearingError:
            break  # the best point met may still do, and is certified in any case
        move = np.clip(mu, -_LONGEST, _LONGEST), np.clip(sigma, -_LONGEST, _LONGEST), stored, renewable
        if not (shorten and _descend(data, point, move, _norm(residual))):
            _put(point, _ahead(_place(point), move, 1.0))
    _put(point, kept)
    adopt(data, point)
    return step


def _descend(data: MarketData, point: Point, move: Move, norm: float) -> bool:
    """Take the longest of the move's halves, quarters and so on with which the residual falls below ``norm``; return if there is one."""
    start, share = _place(point), 1.0
    while share >= _SHORTEST:
        _put(point, _ahead(start, move, share))
        if _norm(_residual(data, point, adopt(data, point))) < (1.0 - _DESCENT * share) * norm:
            return True
        share *= 0.5
    _put(point, start)
    return False


def _residual(data: MarketData, point: Point, active: ActiveSet) -> Move:
    """Return what the equations lack, as the right-hand side of :meth:`.kkt.KktSystem.solve`; ``point`` has adopted ``active``."""
    slope_e = np.where(active.stored, stored_slope(point.storage_price), 0.0)
    slope_r = np.where(active.renewable, -point.nodal_price, 0.0)
    return -balance_residual(data, point), storage_residual(data, point), slope_e, slope_r


def _greatest(data: MarketData, residual: Move) -> float:
    """Return the greatest number missing, in balances and storage equations over the size of the prosumer whose they are."""
    balance, storage, *slopes = residual
    parts = (balance / data.size, storage / data.size[data.structure.owner], *slopes)
    return max(float(np.abs(part).max(initial=0.0)) for part in parts)


def _norm(residual: Move) -> float:
    return float(np.sqrt(sum(np.sum(part**2) for part in residual)))


def _place(point: Point) -> Move:
    return point.nodal_price, point.storage_price, point.stored, point.renewable


def _put(point: Point, place: Move) -> None:
    point.nodal_price, point.storage_price, point.stored, point.renewable = place


def _ahead(place: Move, move: Move, share: float) -> Move:
    mu, sigma, stored, renewable = (old + share * new for old, new in zip(place, move, strict=True))
    return mu, sigma, stored, renewable


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
