"""The prosumers of a day as the compiled loops read them, each with its own program, in the units of the day.

Power is in units of P₀, prices in units of π₀ and energy in units of P₀·Δ, as in :mod:`..exact.market_data`. The arrays come from the exact
market's :class:`..exact.compiled.program.Program`, so that both mean the same.
"""

from __future__ import annotations

from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from ...community.day import Array, Day
from ..exact.compiled.program import Program, program_of
from ..exact.market_data import IntArray

CURVATURE: Final = 0
COST: Final = 1
LEAST: Final = 2
MOST: Final = 3
RENEWABLE: Final = 4
IMPORT_PRICE: Final = 5
EXPORT_PRICE: Final = 6
FRICTION: Final = 7
IMPORT_LIMIT: Final = 8
EXPORT_LIMIT: Final = 9
WIDTH: Final = 10
"""What stands in the columns of :attr:`Crowd.rows`."""


class Crowd(NamedTuple):
    """All prosumers of a day.

    Attributes:
        rows: What a prosumer has in a period, by the columns above, shape (N, T, 10); the cost of demand is −b.
        wear: κ, shape (N,); likewise the next three.
        efficiency: η, one way.
        power: S; 0 without storage.
        start: e₀.
        stored_least: Least energy at the end of each period, shape (N, T).
        stored_most: Greatest energy, shape (N, T).
    """

    rows: Array
    wear: Array
    efficiency: Array
    power: Array
    start: Array
    stored_least: Array
    stored_most: Array


class TradingPairs(NamedTuple):
    """Who may trade with whom.

    Attributes:
        seller: Seller of each pair, shape (K,).
        buyer: Its buyer, shape (K,).
        friction: ε, shape (K,).
        cap: Its greatest trade, shape (K,).
        charge: τ, shape (T, K).
        first: Where the list of each prosumer's pairs begins in ``listed``, shape (N + 1,).
        listed: Pairs of each prosumer, as seller or buyer, in the order of pairs, shape (2·K,).
    """

    seller: IntArray
    buyer: IntArray
    friction: Array
    cap: Array
    charge: Array
    first: IntArray
    listed: IntArray


_crowds: WeakKeyDictionary[Day, Crowd] = WeakKeyDictionary()


def crowd_of(day: Day) -> Crowd:
    """Return the prosumers of a day, made on first use."""
    known = _crowds.get(day)
    if known is None:
        known = _crowds[day] = _make(program_of(day))
    return known


def _make(program: Program) -> Crowd:
    t, n, j, _ = program.sizes
    own, store, retail = slice(0, n), 2 * n, 2 * n + 3 * j
    rows = np.empty((n, t, WIDTH))
    columns = {
        CURVATURE: program.curvature[:, own],
        COST: program.cost[:, own],
        LEAST: program.lower[:, own],
        MOST: program.upper[:, own],
        RENEWABLE: program.upper[:, n : 2 * n],
        IMPORT_PRICE: program.cost[:, retail : retail + n],
        EXPORT_PRICE: -program.cost[:, retail + n :],
        FRICTION: program.curvature[:, retail : retail + n],
        IMPORT_LIMIT: program.upper[:, retail : retail + n],
        EXPORT_LIMIT: program.upper[:, retail + n :],
    }
    for column, values in columns.items():
        rows[:, :, column] = values.T
    wear, efficiency, power, start = np.zeros(n), np.ones(n), np.zeros(n), np.zeros(n)
    least, most = np.zeros((n, t)), np.zeros((n, t))
    owner = program.owner
    wear[owner], efficiency[owner] = program.curvature[0, store : store + j], program.eta
    power[owner], start[owner] = program.upper[0, store : store + j], program.stored_start
    least[owner], most[owner] = program.lower[:, store + 2 * j : retail].T, program.upper[:, store + 2 * j : retail].T
    return Crowd(rows, wear, efficiency, power, start, least, most)


def pairs_of(day: Day, charges: Array) -> TradingPairs:
    """Return the pairs that may trade at charges τ in EUR/kWh, shape (T, N, N)."""
    program = program_of(day)
    n = program.sizes[1]
    ends = np.concatenate([program.seller, program.buyer])
    pair = np.tile(np.arange(len(program.seller)), 2)
    order = np.lexsort((pair, ends))
    first = np.zeros(n + 1, dtype=np.intp)
    first[1:] = np.bincount(ends, minlength=n).cumsum()
    charge = np.ascontiguousarray(charges[:, program.seller, program.buyer] / program.price_unit)
    return TradingPairs(program.seller, program.buyer, program.friction, program.cap, charge, first, pair[order])
