"""A day as the arrays the compiled loops read, dimensionless as in :mod:`..market_data`, and kept as long as the day itself.

The variables of an hour that belong to one prosumer stand in a row of V = 4N + 3J numbers in the order d, r (N each), c, s, e (J each),
m, x (N each). Trades stand in a row of K numbers, ordered by buyer − seller (modulo N) and then by seller: neighbours in the row then share
no prosumer, and adding one to its two balances need not wait for the one before (a third of the time for the loops that do so).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from ....community.day import Array, Day
from ..market_data import IntArray, Structure, scale


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


def _make(day: Day) -> Program:
    t, n = day.demand_min.shape
    structure = Structure.of(day).side_by_side()
    j, k = len(structure.owner), len(structure.seller)
    data = scale(day, np.zeros((t, n, n)), structure)
    none, idle, everybody = np.zeros((t, n)), np.zeros((t, j)), np.arange(n)
    wear, friction, power = data.storage_wear, data.grid_friction, data.storage_power
    made: dict[str, Any] = {
        "seller": structure.seller,
        "buyer": structure.buyer,
        "owner": structure.owner,
        "eta": day.storage_efficiency[structure.owner],
        "curvature": np.hstack([data.utility_curvature, none, wear, wear, idle, friction, friction]),
        "cost": np.hstack([-data.utility_slope, none, idle, idle, idle, data.import_price, -data.export_price]),
        "lower": np.hstack([data.demand_min, none, idle, idle, data.stored_min, none, none]),
        "upper": np.hstack([data.demand_max, data.renewable, power, power, data.stored_max, data.import_limit, data.export_limit]),
        "friction": data.trade_friction[0],
        "cap": data.trade_limit[0],
        "stored_start": data.storage_start,
        "eased": -data.eased_slope,
        "size": data.size,
        "holder": np.concatenate([np.tile(everybody, 2), np.tile(structure.owner, 3), np.tile(everybody, 2)]),
        "stored": day.storage_start,
    }
    for name, array in made.items():  # writable copies in C order: compiled code is made anew for every other kind of array
        made[name] = np.array(array, order="C")
    power_unit, price_unit = data.power_unit, data.price_unit
    return Program(sizes=(t, n, j, k), power_unit=power_unit, price_unit=price_unit, period_hours=data.period_hours, **made)
