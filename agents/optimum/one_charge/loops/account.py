"""What a response is worth to everybody, in compiled loops: one pass for what :class:`..flat.FlatMarket` says in words.

A search looks at two or three responses a clearing. In NumPy each took a hundred arrays of all variables. Here every sum is taken in the
order of those, so that no bit of an answer depends on which of them was used.
"""

# Compiled functions take their arrays by position, and numba infers their types.
# ruff: noqa: PLR0917
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .....envs.community.day import Array
from .....envs.machine_code import LOOPS, kept, stamp_of
from .kernels import level_within_blocks, onto_equations, reach_of, snap

_ROUNDING = 1e-11
"""A slope, in units of the greatest price, that is meant to be 0."""
_SOURCE: Final = stamp_of([Path(__file__), Path(__file__).with_name("kernels.py")])
IntArray = NDArray[np.intp]


class FlatArrays(NamedTuple):
    """What the loops read of a flat program; of shape (V,) over the variables unless said otherwise.

    Attributes:
        shape: (T, N, J): periods, prosumers, stores.
        n_curved: How many variables, the first ones, are strictly convex.
        unit: The unit of money, EUR.
        scale: Units of each variable in its dimensionless unit.
        gain: What the unit of prices adds to a slope.
        lower: Lower bounds.
        upper: Upper bounds.
        cost: Slopes at 0 without charges.
        charge_cost: What the charge adds to them, kWh per unit.
        import_kwh: Imports in kWh per unit.
        first: The first equation of each variable.
        second: The second.
        first_weight: Its coefficient in −A of the first.
        second_weight: That in the second.
        right_hand_side: Of the equations, dimensionless, shape (P,).
        own: Variables that stand in one balance only, shape (4, T·N).
        moved: Charging and discharging, shape (2, T·J).
        span: First and last but one of the variables that inject.
        sold: Net injection at the first equation, kW per unit.
        bought: What is taken from that at the second.
    """

    shape: tuple[int, int, int]
    n_curved: int
    unit: float
    scale: Array
    gain: Array
    lower: Array
    upper: Array
    cost: Array
    charge_cost: Array
    import_kwh: Array
    first: IntArray
    second: IntArray
    first_weight: Array
    second_weight: Array
    right_hand_side: Array
    own: IntArray
    moved: IntArray
    span: tuple[int, int]
    sold: Array
    bought: Array


@kept(stamp=_SOURCE, **LOOPS)
def settle_point(lines, charge, x, prices):
    """Make a response hold to rounding, in place.

    Args:
        lines: The program, :class:`FlatArrays`.
        charge: γ, EUR/kWh.
        x: Variables, shape (V,); what :func:`balance` changes.
        prices: y, dimensionless, shape (P,); what :func:`level` changes.

    Returns:
        Slopes, shape (V,); by how much the equations are missed, dimensionless, shape (P,); and net injections in kW, shape (T·N,).
    """
    balance(lines, x)
    level(lines, x, prices)
    return slopes_at(lines, charge, x, prices), missing(lines, x), injections(lines, x)


@kept(stamp=_SOURCE, **LOOPS)
def slopes_at(lines, charge, x, prices):
    """Return the slope of the Lagrangian in each variable, in EUR per unit of x, shape (V,); arguments as :func:`settle_point`."""
    slopes = np.empty(x.shape[0])
    for k in range(x.shape[0]):
        terms = lines.first_weight[k] * prices[lines.first[k]] + lines.second_weight[k] * prices[lines.second[k]]
        slopes[k] = (lines.cost[k] + charge * lines.charge_cost[k]) + terms
        if k < lines.n_curved:
            slopes[k] += x[k]
    return slopes


@kept(stamp=_SOURCE, **LOOPS)
def reach_along(lines, charge, cap, free, x, prices, change, price_change):
    """Return the least and the greatest step of the charge on which an active set stands, within [0, cap].

    Args:
        lines: The program.
        charge: γ, EUR/kWh.
        cap: Greatest charge, EUR/kWh.
        free: Which variables are off their bounds, shape (V,).
        x: Variables at the charge, shape (V,).
        prices: y, dimensionless, shape (P,).
        change: How variables move with the charge, shape (V,).
        price_change: How prices do, shape (P,).
    """
    slopes, slope_change = slopes_at(lines, charge, x, prices), slopes_at(lines, 1.0, change, price_change)
    for k in range(x.shape[0]):
        slope_change[k] -= lines.cost[k]
    return reach_of(lines.scale, lines.lower, lines.upper, free, x, slopes, change, slope_change, -charge, cap - charge)


@kept(stamp=_SOURCE, **LOOPS)
def missing(lines, x):
    """Return by how much the equations are missed, dimensionless, shape (P,)."""
    n_equations = lines.right_hand_side.shape[0]
    missed = onto_equations(lines.first, lines.second, lines.first_weight, lines.second_weight, x, n_equations)
    for e in range(n_equations):
        missed[e] = missed[e] / lines.unit - lines.right_hand_side[e]
    return missed


@kept(stamp=_SOURCE, **LOOPS)
def balance(lines, x):
    """Make the equations hold to rounding, in place: what is missed goes to the roomiest variable of each prosumer and hour.

    A clearing may miss them by 1e-9, and polishing stops at 1e-13; a bound pays the root of what is missed.

    Args:
        lines: The program.
        x: Variables, shape (V,); what changes.
    """
    if lines.shape[2] > 0:
        _balance_stores(lines, x)
    missed = missing(lines, x)
    for node in range(lines.own.shape[1]):
        chosen, room = _roomiest(lines.scale, lines.lower, lines.upper, lines.own, node, x)
        if room > abs(missed[node]):
            x[chosen] -= missed[node] * np.sign(lines.first_weight[chosen]) * lines.scale[chosen]


@njit(**LOOPS)
def _roomiest(scale, lower, upper, choices, column, x):
    """Return which of a column's variables is farthest from its bounds, and how far, dimensionless.

    What is called for every variable is given arrays: handing over a tuple counts the references to all that are in it.
    """
    chosen, most = choices[0, column], -np.inf
    for row in range(choices.shape[0]):
        k = choices[row, column]
        room = min(x[k] - lower[k], upper[k] - x[k]) / scale[k]
        if room > most:
            chosen, most = k, room
    return chosen, most


@njit(**LOOPS)
def _balance_stores(lines, x):
    """Make the storage equations hold, in place, by what is charged or discharged; by the energy itself only where neither has room.

    What charging answers to a price is the price over the wear, so that a small wear makes much of rounding: the energy moved by it
    would leave the bounds it is held on by prices that are anything but rounding.
    """
    n_hours, n, n_owners = lines.shape
    nodes, at_stored = n_hours * n, x.shape[0] - n_hours * n_owners
    missed = np.zeros(lines.right_hand_side.shape[0])  # of the storage equations only, each summed up in the order of `missing`
    for k in range(lines.moved[0, 0], lines.moved[1, -1] + 1):
        missed[lines.second[k]] += lines.second_weight[k] * x[k]
    for k in range(at_stored, x.shape[0]):
        missed[lines.first[k]] += lines.first_weight[k] * x[k]
        missed[lines.second[k]] += lines.second_weight[k] * x[k]
    total = np.zeros(n_owners)
    for t in range(n_hours):
        for j in range(n_owners):
            each = t * n_owners + j
            left = missed[nodes + each] / lines.unit - lines.right_hand_side[nodes + each]
            chosen, room = _roomiest(lines.scale, lines.lower, lines.upper, lines.moved, each, x)
            per_unit = lines.second_weight[chosen] / lines.gain[chosen]  # energy taken from the equation by a unit of power
            if room > abs(left / per_unit):
                x[chosen] -= left / per_unit * lines.scale[chosen]
                left -= left
            total[j] += left
            x[at_stored + each] -= total[j]
    snap(lines.scale, lines.lower, lines.upper, x)  # what stood on a bound stays there


@kept(stamp=_SOURCE, **LOOPS)
def level(lines, x, prices):
    """Make the slope of free renewable use and stored energy exactly 0, in place: without curvature a bound pays for its last digit.

    Args:
        lines: The program.
        x: Variables, shape (V,), which say what is free.
        prices: y, dimensionless, shape (P,); what changes.
    """
    n_hours, n, n_owners = lines.shape
    inside, n_nodes = np.empty(x.shape[0] - lines.n_curved, dtype=np.bool_), n_hours * n
    for at in range(inside.shape[0]):
        k = lines.n_curved + at
        terms = lines.first_weight[k] * prices[lines.first[k]] + lines.second_weight[k] * prices[lines.second[k]]
        inside[at] = lines.lower[k] < x[k] < lines.upper[k] and abs(terms) <= _ROUNDING * lines.gain[k]
    level_within_blocks(prices, inside[:n_nodes].reshape((n_hours, n)), inside[n_nodes:].reshape((n_hours, n_owners)))


@kept(stamp=_SOURCE, **LOOPS)
def injections(lines, x):
    """Return net injections in kW, shape (T·N,), of variables or of a change of them, shape (V,)."""
    sold, bought = np.zeros(lines.shape[0] * lines.shape[1]), np.zeros(lines.right_hand_side.shape[0])
    for k in range(lines.span[0], lines.span[1]):
        sold[lines.first[k]] += lines.sold[k] * x[k]
        bought[lines.second[k]] += lines.bought[k] * x[k]
    for node in range(sold.shape[0]):
        sold[node] -= bought[node]
    return sold


@kept(stamp=_SOURCE, **LOOPS)
def pulls_at(lines, charge, fee, losses, free):
    """Return what the leader is paid for at a response, and what of it the free variables let prices cancel.

    Args:
        lines: The program.
        charge: γ, EUR/kWh.
        fee: ν, EUR/kWh imported.
        losses: What losses cost for a kW more injected, in EUR, shape (P,); 0 for storage equations.
        free: Which variables are off their bounds, shape (V,).

    Returns:
        The gradient in x of revenue, import fee and losses, shape (V,); and the balances' part of A times the last two's at the free,
        strictly convex variables, dimensionless, shape (T·N,).
    """
    pull, moved = np.empty(lines.first.shape[0]), np.zeros(lines.right_hand_side.shape[0])
    for k in range(pull.shape[0]):
        lost = 0.0
        if lines.span[0] <= k < lines.span[1]:
            lost = lines.sold[k] * losses[lines.first[k]] - lines.bought[k] * losses[lines.second[k]]
        imported = fee * lines.import_kwh[k]
        pull[k] = (charge * lines.charge_cost[k] + imported) - lost
        if free[k] and k < lines.n_curved:
            against = imported - lost
            moved[lines.first[k]] += lines.first_weight[k] * against
            moved[lines.second[k]] += lines.second_weight[k] * against
    return pull, moved[: lines.shape[0] * lines.shape[1]] / lines.unit
