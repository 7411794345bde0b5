"""One market from charges to a certified answer, in one compiled call: the interior point, polishing, the certificate, and units."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

from ....community.day import make_day
from ....machine_code import kept
from ..solution import TOLERANCE
from .ascent import ascend
from .exact import NO_PAIRS, certify, polish
from .interior_point import advance, over_cap, start
from .linear_algebra import OPTIONS
from .program import program_of

_TOLERANCES = (1e-6, 1e-8, 1e-10, 1e-12)
"""The interior point's, in turn. The first suffices almost always; a loose point now and then sends the exchange of polishing into a cycle.
From the second on, where polishing does not arrive, :mod:`.ascent` goes before it."""
_ATTEMPTS = 4
"""The first leaves out pairs and caps, the next two count the connections' limits and caps of pairs that exceeded them, the last all.
Polishing knows every cap, and from a point that exceeds a few of them it arrives more often than not; only then another attempt is due."""
_MAX_STEPS = 80
_POLISHING_STEPS = 30
_PATIENCE = 5
_WARM_STEPS = 8


@njit(**OPTIONS)
def from_scratch(program, charges, tolerance):
    """Clear a market.

    Args:
        program: The day, a :class:`.program.Program`.
        charges: τ in EUR/kWh, shape (T, N, N), or (1, N, N) for all hours.
        tolerance: What the certificate must hold.

    Returns:
        Whether the charges are valid; primal residual, dual residual and gap, all scaled; the objective; steps of the interior point and
        of polishing; and the arrays of a :class:`..solution.Clearing` in its units, as :func:`_in_units` returns them.
    """
    n_hours, n, n_owners, n_pairs = program.sizes
    width = 2 * n + 3 * n_owners
    charge, valid = _of_pairs(program, charges)
    own, trade, mu, sigma = _blank(program)
    steps, polishing = 0, 0
    primal, dual, gap, value = np.inf, np.inf, np.inf, 0.0
    if not valid:
        own[:], trade[:], mu[:], sigma[:] = 0.0, 0.0, 0.0, 0.0
    pairs, capped = NO_PAIRS, False
    for attempt in range(_ATTEMPTS if valid else 0):
        state = start(program, charge, pairs, capped)
        for accuracy in _TOLERANCES:
            taken = advance(program, state, accuracy, _MAX_STEPS)
            steps += abs(taken)
            over, exceeded = over_cap(program, state)
            for ascending in (False, True):
                own[:, :width] = state.boxes.v.reshape((n_hours, -1))[:, :width]
                mu[:], sigma[:] = state.mu[:, :n], state.sigma
                if ascending:
                    polishing += ascend(program, charge, own, mu, sigma)
                polishing += polish(program, charge, _POLISHING_STEPS, _PATIENCE, own, trade, mu, sigma)
                primal, dual, gap, value = certify(program, charge, own, trade, mu, sigma)
                if primal <= tolerance and dual <= tolerance and abs(gap) <= tolerance:
                    return valid, primal, dual, gap, value, steps, polishing, _in_units(program, own, trade, mu, sigma)
                if exceeded or (accuracy == _TOLERANCES[0] and taken >= 0):
                    break  # counting limits, or a closer point, costs less than ascending
            if taken < 0 or exceeded:
                break
        last = attempt + 2 >= _ATTEMPTS
        pairs = np.arange(n_pairs) if last else np.union1d(pairs, over)
        capped = True
    return valid, primal, dual, gap, value, steps, polishing, _in_units(program, own, trade, mu, sigma)


@njit(**OPTIONS)
def from_state(program, charges, renewable, stored, nodal_price, storage_price):
    """Polish and certify from the state of another clearing of the day, in its units; results as :func:`from_scratch`."""
    n_hours, n, n_owners, _ = program.sizes
    charge, valid = _of_pairs(program, charges)
    own, trade, mu, sigma = _blank(program)
    own[:] = 0.0
    for t in range(n_hours):
        for i in range(n):
            own[t, n + i] = renewable[t, i] / program.power_unit
            mu[t, i] = nodal_price[t, i] / program.price_unit
        for j in range(n_owners):
            own[t, 2 * n + 2 * n_owners + j] = stored[t + 1, program.owner[j]] / (program.power_unit * program.period_hours)
            sigma[t, j] = storage_price[t, program.owner[j]] / program.price_unit
    polishing = polish(program, charge, _WARM_STEPS, _PATIENCE, own, trade, mu, sigma)
    primal, dual, gap, value = certify(program, charge, own, trade, mu, sigma)
    return valid, primal, dual, gap, value, 0, polishing, _in_units(program, own, trade, mu, sigma)


@njit(**OPTIONS)
def _of_pairs(program, charges):
    """Return the dimensionless charges of the pairs that may trade, shape (T, K), and whether all are finite and at least 0."""
    n_hours, n, _, n_pairs = program.sizes
    charge, valid = np.empty((n_hours, n_pairs)), True
    for t in range(charges.shape[0]):
        for i in range(n):
            for j in range(n):
                valid &= 0.0 <= charges[t, i, j] < np.inf
    for t in range(n_hours):
        hour = min(t, charges.shape[0] - 1)
        for k in range(n_pairs):
            charge[t, k] = charges[hour, program.seller[k], program.buyer[k]] / program.price_unit
    return charge, valid


@njit(**OPTIONS)
def _blank(program):
    n_hours, n, n_owners, n_pairs = program.sizes
    return np.empty(program.cost.shape), np.empty((n_hours, n_pairs)), np.empty((n_hours, n)), np.empty((n_hours, n_owners))


@njit(**OPTIONS)
def _in_units(program, own, trade, mu, sigma):
    """Return the arrays of a clearing in kW, kWh and EUR/kWh.

    Handing an array over to Python takes about 0.3 µs, so that those of one shape come as one.

    Returns:
        Demand, renewable use, imports, exports, charging, discharging, nodal and storage price, shape (8, T, N); stored energy, shape
        (T + 1, N); and trades, shape (T, N, N).
    """
    n_hours, n, n_owners, n_pairs = program.sizes
    power, at_import = program.power_unit, 2 * n + 3 * n_owners
    table, stored, whole = np.zeros((8, n_hours, n)), np.empty((n_hours + 1, n)), np.zeros((n_hours, n, n))
    stored[:] = program.stored  # without storage power the energy stays where it is
    for t in range(n_hours):
        for i in range(n):
            table[0, t, i], table[1, t, i] = own[t, i] * power, own[t, n + i] * power
            table[2, t, i], table[3, t, i] = own[t, at_import + i] * power, own[t, at_import + n + i] * power
            table[6, t, i] = mu[t, i] * program.price_unit
        for j in range(n_owners):
            i = program.owner[j]
            table[4, t, i], table[5, t, i] = own[t, 2 * n + j] * power, own[t, 2 * n + n_owners + j] * power
            table[7, t, i] = sigma[t, j] * program.price_unit
            stored[t + 1, i] = own[t, 2 * n + 2 * n_owners + j] * (power * program.period_hours)
        for k in range(n_pairs):
            whole[t, program.seller[k], program.buyer[k]] = trade[t, k] * power
    return table, stored, whole


def _entry_points(source: int) -> tuple[Any, Any]:
    """Return the two functions above as Python calls them: compiled together with all they call, and kept on disk.

    Numba finds what it kept by a function's own file and by what the function closes over. Closing over ``source``, a number made from
    every file here, makes it compile anew when any of them has changed.
    """

    @kept(nogil=True)
    def cold(program, charges, tolerance):
        assert source >= 0  # noqa: S101 - a use of it, so that it is closed over
        return from_scratch(program, charges, tolerance)

    @kept(nogil=True)
    def warm(program, charges, renewable, stored, nodal_price, storage_price):
        assert source >= 0  # noqa: S101
        return from_state(program, charges, renewable, stored, nodal_price, storage_price)

    return cold, warm


ENTRY_POINTS = "kernel._entry_points.locals.*"
"""What names of files that Numba keeps for them begin with."""


def _source() -> int:
    digest = sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return int.from_bytes(digest.digest()[:7], "big")


SOURCE = _source()
clear_cold, clear_warm = _entry_points(SOURCE)


def compile_loops() -> None:
    """Compile both entry points and keep them on disk, by clearing the smallest market there is."""
    day = make_day(
        label="smallest",
        period_hours=1.0,
        **dict.fromkeys(("demand_min", "demand_max", "utility_curvature", "utility_slope"), np.ones((1, 1))),
        **dict.fromkeys(("renewable", "export_price", "export_limit", "trade_limit", "import_fee"), 0.0),
        **dict.fromkeys(("import_price", "loss_price", "overload_price", "import_limit", "grid_friction", "trade_friction"), 1.0),
        **dict.fromkeys(("storage_power", "storage_capacity", "storage_start", "storage_wear"), 0.0),
        storage_efficiency=1.0,
        n_buses=1,
    )
    program, charges = program_of(day), np.zeros((1, 1, 1))
    clear_cold(program, charges, TOLERANCE)
    clear_warm(program, charges, np.zeros((1, 1)), np.zeros((2, 1)), np.zeros((1, 1)), np.zeros((1, 1)))
