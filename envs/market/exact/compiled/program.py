"""A day as the arrays the compiled loops read, dimensionless as in :mod:`..market_data`, and kept as long as the day itself.

The variables of an hour that belong to one prosumer stand in a row of V = 4N + 3J numbers in the order d, r (N each), c, s, e (J each),
m, x (N each). Trades stand in a row of K numbers, ordered by buyer − seller (modulo N) and then by seller: neighbours in the row then share
no prosumer, and adding one to its two balances need not wait for the one before (a third of the time for the loops that do so).
"""

from __future__ import annotations

from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from ....community.day import Array, Day
from ....community.tails import TAILS, Tail, Tails
from ..market_data import WORTH_ALL, IntArray, Structure, Units, units_of


class Program(NamedTuple):
    """Everything of a day but its charges.

    Attributes:
        sizes: (T, N, J, K).
        seller: Seller of each pair that may trade, shape (K,).
        buyer: Its buyer, shape (K,).
        owner: Prosumer of each storage, shape (J,).
        eta: One-way efficiency, shape (J,).
        curvature: q of the prosumers' own variables, shape (T, V).
        cost: Their linear cost, shape (T, V).
        lower: Their lower bounds, shape (T, V).
        upper: Their upper bounds, shape (T, V).
        friction: q of a pair's trade, shape (K,).
        cap: Its upper bound, shape (K,).
        stored_start: Energy at the start, shape (J,).
        power_unit: P₀ in kW.
        price_unit: π₀ in EUR/kWh.
        period_hours: Δ.
        eased: Linear cost of demand as the interior point is given it, shape (T, N).
        size: What is much for each prosumer, shape (N,).
        holder: Whose each of the own variables is, shape (V,).
        stored: Energy of every prosumer at the start in kWh, shape (N,).
    """

    sizes: tuple[int, int, int, int]
    seller: IntArray
    buyer: IntArray
    owner: IntArray
    eta: Array
    curvature: Array
    cost: Array
    lower: Array
    upper: Array
    friction: Array
    cap: Array
    stored_start: Array
    power_unit: float
    price_unit: float
    period_hours: float
    eased: Array
    size: Array
    holder: IntArray
    stored: Array


PROGRAMS: Final[WeakKeyDictionary[Day, Program]] = WeakKeyDictionary()
"""Those made so far, of days that are still in use."""


def program_of(day: Day) -> Program:
    """Return the program of a day, made on first use: it takes as long as clearing a small market."""
    known = PROGRAMS.get(day)
    if known is None:
        known = PROGRAMS[day] = _make(day)
    return known


def keep_contracts(day: Day, without: Day, sold_kw: Array) -> None:
    """Let a day be cleared in the units of another that differs by contracts alone: demand d′ = d + n of slope b + a·n.

    What is left of somebody's demand after contracts may be next to nothing, and no unit for anything.

    Args:
        day: The day with the contracts in its demand.
        without: The day without them.
        sold_kw: n in kW, shape (T, N).
    """
    program = program_of(without)
    n = day.n_prosumers
    sold = sold_kw / program.power_unit
    more = program.curvature[:, :n] * sold
    changed = {"lower": sold, "upper": sold, "cost": -more}
    arrays = {name: getattr(program, name).copy() for name in changed}
    for name, change in changed.items():
        arrays[name][:, :n] += change
    PROGRAMS[day] = program._replace(**arrays, eased=program.eased - more)


class _Rows(NamedTuple):
    """A day's arrays in this layout before they are divided by its units, in kW, kWh, EUR/kWh and EUR/kWh/kW; nobody writes into them.

    Attributes:
        table: Curvature, cost, lower and upper bounds of the prosumers' own variables, shape (4, T, V), but for what stores must end with.
        slopes: Utility slope; curvature times least and times greatest demand; import prices in absolute value, shape (4, T, N).
        kinds: Which unit each of the table's columns is in, shape (4, V): 1, P₀, π₀, that of curvature, or that of energy.
        seller: As in :class:`Program`, and so are ``buyer``, ``owner``, ``eta`` and ``holder``.
        friction: Of a pair's trade, shape (K,).
        cap: Of a pair's trade, shape (K,).
    """

    table: Array
    slopes: Array
    kinds: IntArray
    seller: IntArray
    buyer: IntArray
    owner: IntArray
    eta: Array
    holder: IntArray
    friction: Array
    cap: Array


class _OfTails(NamedTuple):
    """What is kept for the tails of a day: its rows, those of the day as it is expected (the same object where it is), units by hour."""

    rows: _Rows
    expected: _Rows
    units: dict[int, Units]


_KEPT: Final[WeakKeyDictionary[Tails, _OfTails]] = WeakKeyDictionary()
_KINDS: Final = np.array([[3, 0, 3, 3, 0, 3, 3], [2, 0, 0, 0, 0, 2, 2], [1, 0, 0, 0, 4, 0, 0], [1, 1, 1, 1, 4, 1, 1]])
"""Which unit curvature, cost and bounds are in, by family of variables: d, r, c, s, e, m, x."""


def _make(day: Day) -> Program:
    tail = TAILS.get(day)
    rows, units = (_rows_of(day), units_of(day)) if tail is None else _of_tail(day, tail)
    power, price, size = units
    curvature, energy = price / power, power * day.period_hours
    owner, n = rows.owner, len(size)
    at_stored = 2 * n + 2 * len(owner)
    table = rows.table / np.array([1.0, power, price, curvature, energy])[rows.kinds][:, None]
    end = day.storage_start if day.storage_end is None else day.storage_end
    table[2, -1, at_stored : at_stored + len(owner)] = end[owner] / energy
    slope, least, most, paid = rows.slopes
    worth_all = WORTH_ALL * np.maximum(price, paid)
    return Program(
        sizes=(table.shape[1], n, len(owner), len(rows.seller)),
        seller=rows.seller,
        buyer=rows.buyer,
        owner=owner,
        eta=rows.eta,
        curvature=table[0],
        cost=table[1],
        lower=table[2],
        upper=table[3],
        friction=rows.friction / curvature,
        cap=rows.cap / power,
        stored_start=day.storage_start[owner] / energy,
        power_unit=power,
        price_unit=price,
        period_hours=day.period_hours,
        eased=-(np.clip(slope, least - worth_all, most + worth_all) / price),
        size=size,
        holder=rows.holder,
        stored=np.array(day.storage_start),  # writable, like all arrays here: compiled code is made anew for every other kind
    )


def _of_tail(day: Day, tail: Tail) -> tuple[_Rows, Units]:
    """Return rows and units of a tail. Its units are its own, but its rows are the day's: cutting them takes a tenth of making them."""
    whole, hour = tail
    kept = _KEPT.get(whole)
    if kept is None:
        rows = _rows_of(whole.day)
        kept = _KEPT[whole] = _OfTails(rows, rows if whole.forecast is whole.day else _rows_of(whole.forecast), {})
    units = kept.units.get(hour)
    if units is None:
        units = kept.units[hour] = units_of(day)
    rows, expected, _ = kept
    table, slopes = rows.table[:, hour:], rows.slopes[:, hour:]
    if expected is not rows:
        table = np.concatenate([table[:, :1], expected.table[:, hour + 1 :]], axis=1)
        slopes = np.concatenate([slopes[:, :1], expected.slopes[:, hour + 1 :]], axis=1)
    return rows._replace(table=table, slopes=slopes), units


def _rows_of(day: Day) -> _Rows:
    t, n = day.demand_min.shape
    structure = Structure.of(day).side_by_side()
    owner, pairs, everybody = structure.owner, (structure.seller, structure.buyer), np.arange(n)
    families = np.array([n, n, *[len(owner)] * 3, n, n])
    table = np.zeros((4, t, families.sum()))
    d, r, c, s, e, m, x = np.split(table, families.cumsum()[:-1], axis=2)
    # Retail prices are everybody's, shape (T,), or each prosumer's own.
    d[0], d[1], d[2], d[3] = day.utility_curvature, -day.utility_slope, day.demand_min, day.demand_max
    r[3], c[0], s[0], e[3] = day.renewable, day.storage_wear[owner], day.storage_wear[owner], day.storage_capacity[owner]
    c[3], s[3] = day.storage_power[owner], day.storage_power[owner]
    m[0], m[1], m[3] = day.grid_friction, day.import_price.reshape(t, -1), day.import_limit
    x[0], x[1], x[3] = day.grid_friction, -day.export_price.reshape(t, -1), day.export_limit
    taken = day.utility_curvature * day.demand_min, day.utility_curvature * day.demand_max
    return _Rows(
        table=table,
        slopes=np.stack([day.utility_slope, *taken, np.abs(m[1])]),
        kinds=np.repeat(_KINDS, families, axis=1),
        seller=structure.seller,
        buyer=structure.buyer,
        owner=owner,
        eta=day.storage_efficiency[owner],
        holder=np.concatenate([everybody, everybody, owner, owner, owner, everybody, everybody]),
        friction=day.trade_friction[pairs],
        cap=day.trade_limit[pairs],
    )
