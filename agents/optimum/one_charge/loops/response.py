"""What a response comes to for the leader and for the proof, in one compiled call: a search looks at two of them for each clearing."""

# Compiled functions take their arrays by position, and numba infers their types.
# ruff: noqa: PLR0917
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numba import njit

from .....envs.community.day import Array
from .....envs.machine_code import LOOPS, kept, stamp_of
from .account import IntArray, pulls_at, settle_point
from .kernels import snap, violations, worse

_AT_BOUND: Final = 1e-11  # dimensionless, as in envs.market.exact.point
_SOURCE: Final = stamp_of(Path(__file__).with_name(name) for name in ("response.py", "account.py", "kernels.py"))


class Measures(NamedTuple):
    """What a response's certificate is measured by.

    Attributes:
        size: What is much for each prosumer, dimensionless, shape (N,).
        much: What is much of each variable, shape (V,).
        holder: The prosumer whose variable it is, shape (V,).
        other: The one who shares it, the same where nobody does, shape (V,).
        equation_holder: Whose each equation is, shape (P,).
        rounding: What an equation may be missed by, dimensionless, shape (P,).
    """

    size: Array
    much: Array
    holder: IntArray
    other: IntArray
    equation_holder: IntArray
    rounding: Array


class Branches(NamedTuple):
    """The grid as its losses and limits are reckoned.

    Attributes:
        ptdf: What a kW at a prosumer's bus adds to a flow, shape (L, N).
        base_kw: Flows of the base injection, shape (T, L).
        loss_weight: EUR per kW² of flow, shape (T, L).
        limit_kw: Shape (L,).
    """

    ptdf: Array
    base_kw: Array
    loss_weight: Array
    limit_kw: Array


class Judged(NamedTuple):
    """What a response comes to.

    Attributes:
        slopes: Of the Lagrangian, shape (V,).
        pull: The gradient in x of what the leader is paid for, overload left out, shape (V,).
        balances: As :func:`.account.pulls_at` returns them, shape (T·N,).
        flow_kw: Shape (T, L).
        loss_eur: Losses of the flows, by their weights.
        overload_kw: Σ max(0, |f| − F).
        primal: Greatest residual or distance outside a bound, relative.
        dual: Greatest slope that should not be, relative.
        gap: Duality gap, relative.
        saved_eur: What better responses to the prices would save in all.
        beyond_eur: Prices times what equations are missed by beyond rounding, in the unit of money.
        missed: What they are missed by beyond rounding, dimensionless.
    """

    slopes: Array
    pull: Array
    balances: Array
    flow_kw: Array
    loss_eur: float
    overload_kw: float
    primal: float
    dual: float
    gap: float
    saved_eur: float
    beyond_eur: float
    missed: float


@kept(stamp=_SOURCE, **LOOPS)
def stepped(lines, step, x, prices, change, price_change):
    """Return variables, on their bounds where they are within rounding of one, and prices a step along a piece.

    Args:
        lines: The program, :class:`.account.FlatArrays`.
        step: Of the charge, EUR/kWh.
        x: Variables, and ``change``, how they move with the charge, shape (V,).
        prices: Prices, and ``price_change``, shape (P,).
        change: See there.
        price_change: See there.
    """
    moved, priced = x + step * change, prices + step * price_change
    snap(lines.scale, lines.lower, lines.upper, moved)
    return moved, priced


@kept(stamp=_SOURCE, **LOOPS)
def judged(lines, branches, measures, charge, fee, x, prices, free):
    """Make a response hold to rounding, in place, and return what it comes to, a :class:`Judged`.

    Args:
        lines: The program.
        branches: The grid, :class:`Branches`.
        measures: :class:`Measures`.
        charge: γ, EUR/kWh.
        fee: ν, EUR/kWh imported.
        x: Variables, shape (V,); they change.
        prices: y, dimensionless, shape (P,); they change.
        free: Which variables are off their bounds, shape (V,).
    """
    slopes, residual, net_kw = settle_point(lines, charge, x, prices)
    primal, dual, gap, saved = certificate_of(lines, measures, x, prices, slopes, residual)
    beyond, missed = 0.0, 0.0
    for e in range(residual.shape[0]):
        off = abs(residual[e])
        if not off <= measures.rounding[e]:
            beyond += prices[e] * residual[e]
            missed += off - measures.rounding[e]
    flow, loss, overload, per_injected = _in_branches(branches, net_kw, residual.shape[0])
    pull, balances = pulls_at(lines, charge, fee, per_injected, free)
    return Judged(slopes, pull, balances, flow, loss, overload, primal, dual, gap, saved, beyond * lines.unit, missed)


@kept(stamp=_SOURCE, **LOOPS)
def certificate_of(lines, measures, x, prices, slopes, residual):
    """Measure a point as :func:`gridtoll.envs.market.exact.point.certify` does.

    Args:
        lines: The program.
        measures: :class:`Measures`.
        x: Variables, shape (V,).
        prices: y, dimensionless, shape (P,).
        slopes: Of the Lagrangian, EUR per unit of x, shape (V,).
        residual: By how much the equations are missed, dimensionless, shape (P,).

    Returns:
        The certificate's three numbers, and what better responses to the prices would save in all, in EUR.
    """
    n = measures.size.shape[0]
    primal, dual, saved = violations(
        _AT_BOUND, lines.n_curved, measures.much, lines.gain, measures.holder, measures.other, n, lines.lower, lines.upper, x, slopes
    )
    gaps, total, greatest = saved / lines.unit, 0.0, 0.0
    for e in range(residual.shape[0]):
        holder = measures.equation_holder[e]
        gaps[holder] -= prices[e] * residual[e]
        primal = worse(primal, abs(residual[e]) / measures.size[holder])
    for i in range(n):
        total += saved[i]
        relative = gaps[i] / (lines.shape[0] * measures.size[i])
        if abs(relative) > abs(greatest) or np.isnan(relative):
            greatest = relative
    return primal, dual, greatest, total


@njit(**LOOPS)
def _in_branches(branches, net_kw, n_equations):
    """Return flows, what their losses cost, overload, and what losses cost for a kW more injected, over the equations."""
    n_hours, n_branches, n = branches.base_kw.shape[0], branches.ptdf.shape[0], branches.ptdf.shape[1]
    flow, loss, overload, per_injected = branches.base_kw.copy(), 0.0, 0.0, np.zeros(n_equations)
    for t in range(n_hours):
        for at in range(n_branches):
            through = 0.0
            for i in range(n):
                through += branches.ptdf[at, i] * net_kw[t * n + i]
            flow[t, at] += through
            loss += branches.loss_weight[t, at] * flow[t, at] * flow[t, at]
            overload += max(0.0, abs(flow[t, at]) - branches.limit_kw[at])
            dearer = 2.0 * branches.loss_weight[t, at] * flow[t, at]
            for i in range(n):
                per_injected[t * n + i] += dearer * branches.ptdf[at, i]
    return flow, loss, overload, per_injected
