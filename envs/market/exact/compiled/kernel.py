"""One market from charges to a certified answer: the interior point, polishing, the certificate, and units.

The work is three compiled functions that Python calls one after the other: :func:`approach`, :func:`finish` and, seldom, :func:`climb`.
Numba optimises once more, with each function, all that it calls. One function around these three, and another for a start from a known
clearing, took as long to compile as all that they call. Apart they can be compiled side by side, and a further call costs some 10 µs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numba import njit

from ....community.day import Array, make_day
from ....machine_code import kept, stamp_of
from ..solution import Clearing
from .ascent import ascend
from .exact import NO_PAIRS, certify, polish
from .interior_point import advance, over_cap, start
from .linear_algebra import OPTIONS
from .market_sums import copy_to, of_pairs
from .program import Program, program_of

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


SOURCE: Final = stamp_of(sorted(Path(__file__).parent.glob("*.py")))
"""A number made from every file here: loops are compiled anew when any of them has changed."""


def clear_cold(program: Program, charges: Array, tolerance: float) -> tuple[Any, ...]:
    """Clear a market from nothing.

    Args:
        program: The day.
        charges: τ in EUR/kWh, shape (T, N, N), or (1, N, N) for all hours.
        tolerance: What the certificate must hold.

    Returns:
        Whether the charges are valid; primal residual, dual residual and gap, all scaled; the objective; steps of the interior point and
        of polishing; and the arrays of a :class:`..solution.Clearing` in its units, as :func:`in_units` returns them.
    """
    pairs, capped = NO_PAIRS, False
    steps, polishing = 0, 0
    for attempt in range(_ATTEMPTS):
        before = steps
        for closer in range(len(_TOLERANCES)):
            for ascending in (False, True):
                # Beginning anew for a closer point is seldom needed, and hands no state to and fro.
                taken, arrived, over, exceeded, own, mu, sigma = approach(program, charges, pairs, capped, closer)
                steps = before + taken
                if ascending:
                    polishing += climb(program, charges, own, mu, sigma)
                valid, primal, dual, gap, value, polished, arrays = finish(program, charges, own, mu, sigma, _POLISHING_STEPS)
                polishing += polished
                if not valid or (primal <= tolerance and dual <= tolerance and abs(gap) <= tolerance):
                    return valid, primal, dual, gap, value, steps, polishing, arrays
                if exceeded or (closer == 0 and arrived):
                    break  # counting limits, or a closer point, costs less than ascending
            if not arrived or exceeded:
                break
        last = attempt + 2 >= _ATTEMPTS
        pairs = np.arange(len(over)) if last else np.union1d(pairs, np.flatnonzero(over))
        capped = True
    return valid, primal, dual, gap, value, steps, polishing, arrays


def clear_warm(program: Program, charges: Array, known: Clearing) -> tuple[Any, ...]:
    """Polish and certify from the state of another clearing of the day.

    Args:
        program: The day.
        charges: As of :func:`clear_cold`, shape (T, N, N) or (1, N, N).
        known: The other clearing.

    Returns:
        As :func:`clear_cold`.
    """
    *found, polishing, arrays = finish(program, charges, *state_of(program, known), _WARM_STEPS)
    return *found, 0, polishing, arrays


def state_of(program: Program, known: Clearing) -> tuple[Array, Array, Array]:
    """Return where polishing begins from a clearing: own variables (T, V), of which it fills in what is read, nodal and storage prices.

    Args:
        program: The day.
        known: A clearing of it.
    """
    n_hours, n, n_owners, _ = program.sizes
    at_stored = 2 * n + 2 * n_owners
    own = np.zeros((n_hours, at_stored + 2 * n + n_owners))
    own[:, n : 2 * n] = known.renewable_used / program.power_unit
    own[:, at_stored : at_stored + n_owners] = known.stored_energy[1:, program.owner] / (program.power_unit * program.period_hours)
    mu, sigma = known.nodal_price / program.price_unit, known.storage_price[:, program.owner] / program.price_unit
    return own, np.ascontiguousarray(mu), np.ascontiguousarray(sigma)


@kept(stamp=SOURCE, **OPTIONS)
def approach(program, charges, pairs, capped, closer):
    """Take the interior point near the optimum.

    Args:
        program: The day, a :class:`.program.Program`.
        charges: As of :func:`clear_cold`.
        pairs: Numbers of the pairs whose caps count, shape (*,).
        capped: Whether the connections' limits count.
        closer: Which of the tolerances to reach, one after the other up to it.

    Returns:
        Steps taken; whether the last tolerance was reached; the pairs whose trade exceeds its cap, shape (K,), and whether any variable
        exceeds a limit left out; and the point: the prosumers' own variables (T, V), nodal prices (T, N) and storage prices (T, J).
    """
    n_hours, n, n_owners, n_pairs = program.sizes
    charge, valid = of_pairs(program, charges)
    own, mu, sigma = np.zeros(program.cost.shape), np.zeros((n_hours, n)), np.zeros((n_hours, n_owners))
    steps, taken = 0, 0
    over, exceeded = np.zeros(n_pairs, dtype=np.bool_), False
    if valid:
        state = start(program, charge, pairs, capped)
        for turn in range(closer + 1):
            taken = advance(program, state, _TOLERANCES[turn], _MAX_STEPS)
            steps += abs(taken)
        over, exceeded = over_cap(program, state)
        # Columns of the backstop, if any, are filled as well: polishing does not read them.
        copy_to(own, state.boxes.v.reshape((n_hours, len(state.boxes.v) // n_hours)))
        copy_to(mu, state.mu)
        copy_to(sigma, state.sigma)
    return steps, taken >= 0, over, exceeded, own, mu, sigma


@kept(stamp=SOURCE, **OPTIONS)
def finish(program, charges, own, mu, sigma, max_steps):
    """Polish and certify a point near the optimum, which is moved.

    Args:
        program: The day, a :class:`.program.Program`.
        charges: As of :func:`clear_cold`.
        own: The prosumers' own variables, shape (T, V), of which stored energy and renewable use are read.
        mu: Nodal prices, shape (T, N).
        sigma: Storage prices, shape (T, J).
        max_steps: Steps of polishing after which it is taken to cycle.

    Returns:
        As :func:`clear_cold`, without the steps of the interior point.
    """
    n_hours, _, _, n_pairs = program.sizes
    charge, valid = of_pairs(program, charges)
    trade, polishing = np.zeros((n_hours, n_pairs)), 0
    primal, dual, gap, value = np.inf, np.inf, np.inf, 0.0
    if valid:
        polishing = polish(program, charge, max_steps, _PATIENCE, own, trade, mu, sigma)
        primal, dual, gap, value = certify(program, charge, own, trade, mu, sigma)
    return valid, primal, dual, gap, value, polishing, in_units(program, own, trade, mu, sigma)


climb = kept(stamp=SOURCE, **OPTIONS)(ascend)


@njit(**OPTIONS)
def in_units(program, own, trade, mu, sigma):
    """Return the arrays of a clearing in kW, kWh and EUR/kWh.

    Handing an array over to Python takes about 0.3 µs, so that those of one shape come as one.

    Returns:
        Demand, renewable use, imports, exports, charging, discharging, nodal and storage price, shape (8, T, N); stored energy, shape
        (T + 1, N); and trades, shape (T, N, N).
    """
    n_hours, n, n_owners, n_pairs = program.sizes
    power, at_import = program.power_unit, 2 * n + 3 * n_owners
    table, stored, whole = np.zeros((8, n_hours, n)), np.empty((n_hours + 1, n)), np.zeros((n_hours, n, n))
    for t in range(n_hours + 1):
        for i in range(n):
            stored[t, i] = program.stored[i]  # without storage power the energy stays where it is
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


ENTRY_POINTS: Final = {"approach": approach, "finish": finish, "climb": climb}
"""What Python calls, by name."""
COMPILED_TOGETHER: Final = (("approach",), ("finish", "climb"))
"""Which of them one process compiles: both take about as long."""
FILES: Final = "*"
"""What names of files that Numba keeps for them are like, less their endings: no other loops are kept in this folder."""


def compile_loops(*names: str) -> None:
    """Compile entry points and keep them on disk, by calling them for the smallest market there is.

    Args:
        names: Which ones.
    """
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
    program, charges, nothing = program_of(day), np.zeros((1, 1, 1)), np.zeros((1, 1))
    own = np.zeros(program.cost.shape)
    arguments = {
        "approach": (NO_PAIRS, False, 0),
        "finish": (own, nothing, nothing[:, :0].copy(), 1),
        "climb": (own, nothing, nothing[:, :0].copy()),
    }
    for name in names:
        ENTRY_POINTS[name](program, charges, *arguments[name])
