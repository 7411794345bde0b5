"""A prosumer's whole day with storage, in compiled loops: a string between the empty and the full store.

Given the price σ_t of stored energy each period has its own answer (:mod:`.balance`), which adds q_t(σ_t) to the store, and q_t never falls
as σ_t rises. Optimal prices of stored energy change only where the store is empty (they may fall there) or full (they may rise there). So
the day is cut into pieces of one σ each, and each piece ends empty or full, but for the last, whose σ is 0 where no energy must be kept.

**From scratch** the pieces are found from the front. σ of a piece must be high enough never to run empty and low enough never to run over;
the first period in which both cannot be had ends the piece where the bound that rules began to. **From the pieces of the round before**,
one equation for each piece is solved by Newton's method, and the signs are checked; that suffices in nearly every round.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit

from ...community.day import Array
from ...machine_code import LOOPS
from ..exact.market_data import IntArray
from .balance import balance, stored
from .crowd import COST

EMPTY: Final = -1
FULL: Final = 1
UNKNOWN: Final = -9
"""How a period ends a piece: with the least energy or the most; 0 where it ends none."""
_STEPS: Final = 200
_EXACT: Final = 1e-14
_ROUNDING: Final = 1e-13
_FAR: Final = 1e3  # beyond the prosumer's greatest price; no price of stored energy is


class StoragePlan(NamedTuple):
    """Where a prosumer's program stands, each of shape (T,); written by every answer, and where the next begins.

    Attributes:
        price: μ.
        stored_price: σ.
        renewable: r.
        stored: e at the end of each period.
        ends: How each period ends a piece.
    """

    price: Array
    stored_price: Array
    renewable: Array
    stored: Array
    ends: IntArray


@njit(**LOOPS)
def plan_day(rows, store, start, least, most, curves, plan):
    """Solve a prosumer's program, in place.

    Args:
        rows: Its data, shape (T, 10).
        store: Its storage.
        start: Energy at the start.
        least: Least energy at the end of each period, shape (T,).
        most: Greatest energy, shape (T,).
        curves: What it wants of its partners.
        plan: Where to begin, and where to write.
    """
    if store.power <= 0.0:
        for t in range(len(rows)):
            plan.price[t], plan.renewable[t], _ = balance(plan.price[t], 0.0, rows[t], store, curves, t)
        return
    if plan.ends[0] != UNKNOWN and _again(rows, store, start, least, most, curves, plan):
        return
    _from_scratch(rows, store, start, least, most, curves, plan)


@njit(**LOOPS)
def _again(rows, store, start, least, most, curves, plan):
    """Solve the program with the pieces there are; return whether they are right."""
    n_periods = len(rows)
    first, energy, before, ended = 0, start, 0.0, 0
    while first < n_periods:
        last = first
        while last < n_periods - 1 and plan.ends[last] == 0:
            last += 1
        ends = plan.ends[last]
        sigma, bound = 0.0, least[last] if ends == EMPTY else most[last]
        if ends != 0:
            far = _far(rows)
            sigma = _reach(first, last, energy, bound, plan.stored_price[first], -far, far, rows, store, curves, plan)
        if (ended == EMPTY and sigma > before + _ROUNDING) or (ended == FULL and sigma < before - _ROUNDING):
            return False
        level, inside = _carry_out(first, last, energy, sigma, least, most, rows, store, curves, plan)
        if not inside:
            return False
        energy = level if ends == 0 else bound
        plan.stored[last] = energy
        before, ended, first = sigma, ends, last + 1
    return not (ended == EMPTY and before < 0.0) and not (ended == FULL and before > 0.0)


@njit(**LOOPS)
def _from_scratch(rows, store, start, least, most, curves, plan):
    """Solve the program piece by piece from the front."""
    n_periods = len(rows)
    first, energy = 0, start
    plan.ends[:] = 0
    while first < n_periods:
        last, sigma, ends = _piece(first, energy, least, most, rows, store, curves, plan)
        level, _ = _carry_out(first, last, energy, sigma, least, most, rows, store, curves, plan)
        energy = least[last] if ends == EMPTY else most[last] if ends == FULL else level
        plan.stored[last], plan.ends[last] = energy, ends
        first = last + 1


@njit(**LOOPS)
def _piece(first, energy, least, most, rows, store, curves, plan):
    """Return the last period of the piece that begins at ``first``, its price of stored energy, and how it ends."""
    n_periods, far = len(rows), _far(rows)
    low, high, low_at, high_at = -far, far, first, first
    at_low, at_high = energy, energy
    for t in range(first, n_periods):
        at_low += _adds(t, low, rows, store, curves, plan)
        at_high += _adds(t, high, rows, store, curves, plan)
        if at_high > most[t]:
            if at_low > most[t]:
                return low_at, low, EMPTY
            near = min(max(plan.stored_price[t], low), high)
            high = _reach(first, t, energy, most[t], near, low, high, rows, store, curves, plan)
            at_high, high_at = most[t], t
        if at_low < least[t]:
            if at_high < least[t]:
                return high_at, high, FULL
            near = min(max(plan.stored_price[t], low), high)
            low = _reach(first, t, energy, least[t], near, low, high, rows, store, curves, plan)
            at_low, low_at = least[t], t
    if low > 0.0:
        return low_at, low, EMPTY
    if high < 0.0:
        return high_at, high, FULL
    return n_periods - 1, 0.0, 0


@njit(**LOOPS)
def _adds(t, sigma, rows, store, curves, plan):
    """Return what a period adds to the store at a price of stored energy."""
    price, _, rise = balance(plan.price[t], sigma, rows[t], store, curves, t)
    plan.price[t] = price
    return stored(price, sigma, rise, store)[0]


@njit(**LOOPS)
def _reach(first, last, energy, target, sigma, low, high, rows, store, curves, plan):
    """Return the price of stored energy at which a piece ends with the energy wanted, by Newton's method between two bounds."""
    for _ in range(_STEPS):
        level, rises = energy, 0.0
        for t in range(first, last + 1):
            price, _, rise = balance(plan.price[t], sigma, rows[t], store, curves, t)
            plan.price[t] = price
            added, more = stored(price, sigma, rise, store)
            level += added
            rises += more
        missed = level - target
        if abs(missed) <= _EXACT * max(1.0, abs(target)):
            break
        if missed < 0.0:
            low = sigma
        else:
            high = sigma
        new = sigma - missed / rises if rises > 0.0 else np.nan
        if not low < new < high:
            if new == sigma:
                break
            new = 0.5 * (low + high)
        moved = abs(new - sigma)
        sigma = new
        if moved <= 0.1 * _EXACT * max(1.0, abs(sigma)):
            break
    return sigma


@njit(**LOOPS)
def _carry_out(first, last, energy, sigma, least, most, rows, store, curves, plan):
    """Write what happens in a piece; return the energy at its end, and whether it stays between its bounds before."""
    level, inside = energy, True
    for t in range(first, last + 1):
        price, renewable, rise = balance(plan.price[t], sigma, rows[t], store, curves, t)
        plan.price[t], plan.renewable[t], plan.stored_price[t] = price, renewable, sigma
        level += stored(price, sigma, rise, store)[0]
        plan.stored[t] = level
        inside &= least[t] - _ROUNDING <= level <= most[t] + _ROUNDING
    return level, inside


@njit(**LOOPS)
def _far(rows):
    greatest = 1.0
    for t in range(len(rows)):
        greatest = max(greatest, abs(rows[t, COST]))
    return _FAR * greatest
