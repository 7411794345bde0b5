"""A market of many prosumers from charges to a certified answer."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ....community.day import Array, make_day
from ..compiled.kernel import state_of
from ..compiled.program import Program, program_of
from ..solution import Clearing
from ..trades import PairTrades
from .beginning import worth_more
from .interior_point import InteriorPoint
from .layout import layout_of
from .polish import NearPoint, point_at, polish
from .stages import prove, read_charges

_TOLERANCES = (1e-8, 1e-10, 1e-12)  # of the interior point, in turn
_POLISHING_STEPS = 30
_PATIENCE = 5
_WARM_STEPS = 8
_NOT_VALID = False, 0.0, 0.0, 0.0, 0.0, 0, 0, ()
LEAST: Final = 150
"""Prosumers from which on days are cleared here; docs/performance.md says what either way takes."""


def clear_sparse(program: Program, charges: Array, tolerance: float) -> tuple[Any, ...]:
    """Clear a market from nothing.

    Args:
        program: The day.
        charges: τ in EUR/kWh, shape (T, N, N), or (1, N, N) for all hours.
        tolerance: What the certificate must hold.

    Returns:
        As :func:`..compiled.kernel.clear_cold`, but trades as :class:`..trades.PairTrades`.
    """
    charge, valid = read_charges(program, charges)
    if not valid:
        return _NOT_VALID
    inside, polishing = InteriorPoint(program, charge), 0
    for closer in _TOLERANCES:
        arrived = inside.reach(closer)
        point = point_at(program, inside.own, *inside.prices)
        polishing += polish(program, charge, point, max_steps=_POLISHING_STEPS, patience=_PATIENCE, matrix=inside.matrix)
        proof = prove(program, charge, point.own, point.trade, point.mu, point.sigma)
        if not arrived or max(map(abs, proof[:3])) <= tolerance:
            break
    return _answer(program, point, proof, inside.steps, polishing)


def clear_near(program: Program, charges: Array, known: Clearing) -> tuple[Any, ...]:
    """Polish and certify from the state of another clearing of the day.

    Args:
        program: The day.
        charges: τ in EUR/kWh, shape (T, N, N) or (1, N, N).
        known: The other clearing.

    Returns:
        As :func:`clear_sparse`.
    """
    charge, valid = read_charges(program, charges)
    if not valid:
        return _NOT_VALID
    point = point_at(program, *state_of(program, known))
    polishing = polish(program, charge, point, max_steps=_WARM_STEPS, patience=_PATIENCE)
    return _answer(program, point, prove(program, charge, point.own, point.trade, point.mu, point.sigma), 0, polishing)


def _answer(program: Program, point: NearPoint, proof: tuple[float, float, float, float], steps: int, polishing: int) -> tuple[Any, ...]:
    order = layout_of(program).by_seller
    power = np.ascontiguousarray(point.trade[:, order]) * program.power_unit
    trades = PairTrades(program.sizes[1], program.seller[order], program.buyer[order], power)
    return True, *proof, steps, polishing, (*_units(program, point), trades)


def _units(program: Program, point: NearPoint) -> tuple[Array, Array]:
    """Return the arrays of a clearing in its units but for its trades, the first two of :func:`..compiled.kernel.in_units`."""
    t, n, j, _ = program.sizes
    table, stored = np.zeros((8, t, n)), np.tile(program.stored, (t + 1, 1))
    demand, renewable, charge, discharge, energy, imported, exported = np.split(point.own, np.cumsum([n, n, j, j, j, n]), axis=1)
    for row, values in zip((0, 1, 2, 3), (demand, renewable, imported, exported), strict=True):
        table[row] = values * program.power_unit
    table[4][:, program.owner], table[5][:, program.owner] = charge * program.power_unit, discharge * program.power_unit
    table[6], table[7][:, program.owner] = point.mu * program.price_unit, point.sigma * program.price_unit
    stored[1:, program.owner] = energy * (program.power_unit * program.period_hours)
    return table, stored


def compile_loops() -> None:
    """Compile the loops and keep them on disk, by calling them for two prosumers, one of whom has sun and both a store."""
    everybody = np.ones((2, 2))
    day = make_day(
        label="smallest",
        period_hours=1.0,
        **dict.fromkeys(("demand_min", "demand_max", "utility_curvature", "utility_slope"), everybody),
        **dict.fromkeys(("import_price", "import_limit", "export_limit", "loss_price", "overload_price"), 3.0),
        **dict.fromkeys(("grid_friction", "trade_friction", "trade_limit", "storage_power", "storage_capacity", "storage_wear"), 1.0),
        **dict.fromkeys(("export_price", "import_fee", "storage_start"), 0.0),
        renewable=np.array([[0.0, 2.0], [0.0, 0.0]]),
        storage_efficiency=0.9,
        n_buses=1,
    )
    program, charges = program_of(day), np.zeros((1, 2, 2))
    charge, _ = read_charges(program, charges)
    inside = InteriorPoint(program, charge)
    inside.reach(1e-2)
    worth_more(program, charge, inside.prices[0], 1.0)
    point = point_at(program, inside.own, *inside.prices)
    polish(program, charge, point, max_steps=3, patience=3)
    prove(program, charge, point.own, point.trade, point.mu, point.sigma)
