"""What an AC power flow needs of a grid beyond resistances: capacitances, taps, iron losses, and the voltages that machines hold.

Everything is in per unit, powers on the grid's ``base_power_kw`` and voltages on the nominal voltage of each bus. A branch between the
buses i and k is a π-model behind an ideal transformer of ratio a at i, with z = r + jx and the shunt y = g + jb split between both ends:

    i_i = ((1/z + y/2) v_i / a − v_k / z) / a,    i_k = (1/z + y/2) v_k − v_i / (z a).

Phase shifts of transformers are left out: where none lies on a loop they turn angles behind them, and neither voltages nor losses nor
currents feel that. A shift that some loop feels is refused when a grid is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array

if TYPE_CHECKING:
    from .grid import Grid

_SQRT3: Final = 3.0**0.5


@dataclass(frozen=True, eq=False, kw_only=True)
class Wires:
    """The electrical data of L branches and B buses.

    Attributes:
        branch_resistance_pu: r, shape (L,).
        branch_reactance_pu: x, shape (L,), without the factor of an off-nominal tap that :class:`.Grid` has.
        branch_conductance_pu: g, shape (L,): a transformer's iron losses at nominal voltage.
        branch_susceptance_pu: b, shape (L,): a cable's capacitance, above 0; a transformer's magnetisation, below.
        branch_ratio: a, shape (L,): off-nominal ratio at the bus of ``branch_from``, 1 without a tap.
        branch_rated_start: Rated voltage of a transformer's winding over the nominal one of its bus, at the bus of ``branch_from``, shape
            (L,); 1 for lines. Its rated current is that of its rated power at its rated voltage.
        branch_rated_end: The same at the bus of ``branch_to``, shape (L,).
        is_transformer: Which branches are transformers, shape (L,).
        bus_voltage_kv: Nominal voltage between phases, shape (B,); NaN where it is not known, which only amperes need.
        bus_conductance_pu: Shunts to earth: what they take at 1 p.u., shape (B,).
        bus_susceptance_pu: What they put in of reactive power at 1 p.u., shape (B,).
        bus_held_pu: Voltage that a machine holds, shape (B,), NaN where none does. The slack bus holds its own.
    """

    branch_resistance_pu: Array
    branch_reactance_pu: Array
    branch_conductance_pu: Array
    branch_susceptance_pu: Array
    branch_ratio: Array
    branch_rated_start: Array
    branch_rated_end: Array
    is_transformer: NDArray[np.bool_]
    bus_voltage_kv: Array
    bus_conductance_pu: Array
    bus_susceptance_pu: Array
    bus_held_pu: Array

    def __post_init__(self) -> None:
        """See to it that nobody writes into the arrays, which grids share."""
        for name, array in self.arrays().items():
            if array.flags.writeable:
                own = array.copy()
                own.setflags(write=False)
                object.__setattr__(self, name, own)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return every array by name; for shapes and units see the class."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)}

    def branch_limit_ampere(self, grid: Grid) -> Array:
        """Return the greatest current of each branch at its start in A, shape (L,): F / (√3 V), with V the rated voltage there.

        Limits in kW are those of this current at nominal voltage. It is NaN where the voltage is not known.
        """
        voltage = self.branch_rated_start * self.bus_voltage_kv[grid.branch_from[: grid.n_wires]]
        limit: Array = grid.branch_limit_kw[: grid.n_wires] / (_SQRT3 * voltage)
        return limit


def ampere_to_kw(limit_ampere: Array, voltage_kv: Array) -> Array:
    """Return the power in kW of a current in A at a nominal voltage between phases in kV, each of shape (L,): √3 V I."""
    limit: Array = _SQRT3 * voltage_kv * limit_ampere
    return limit


def wires_of(grid: Grid) -> Wires:
    """Return the electrical data of a grid: its own, or where it has none, lines without capacitance from a slack bus at 1 p.u."""
    if grid.wires is not None:
        return grid.wires
    n, m = grid.n_buses, grid.n_branches
    held = np.full(n, np.nan)
    held[grid.slack_bus] = 1.0
    return Wires(
        branch_resistance_pu=grid.branch_resistance_pu,
        branch_reactance_pu=grid.branch_reactance_pu,
        branch_conductance_pu=np.zeros(m),
        branch_susceptance_pu=np.zeros(m),
        branch_ratio=np.ones(m),
        branch_rated_start=np.ones(m),
        branch_rated_end=np.ones(m),
        is_transformer=np.zeros(m, dtype=np.bool_),
        bus_voltage_kv=np.full(n, np.nan),
        bus_conductance_pu=np.zeros(n),
        bus_susceptance_pu=np.zeros(n),
        bus_held_pu=held,
    )


def admittance_of(grid: Grid) -> NDArray[np.complex128]:
    """Return the matrix that makes voltages into what currents enter the grid at each bus, per unit, shape (B, B)."""
    w, start, end = wires_of(grid), grid.branch_from[: grid.n_wires], grid.branch_to[: grid.n_wires]
    series = 1.0 / (w.branch_resistance_pu + 1j * w.branch_reactance_pu)
    own = series + 0.5 * (w.branch_conductance_pu + 1j * w.branch_susceptance_pu)
    matrix = np.diag(w.bus_conductance_pu + 1j * w.bus_susceptance_pu)
    np.add.at(matrix, (start, start), own / w.branch_ratio**2)
    np.add.at(matrix, (end, end), own)
    np.add.at(matrix, (start, end), -series / w.branch_ratio)
    np.add.at(matrix, (end, start), -series / w.branch_ratio)
    return matrix


def wires_from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Wires:
    """Return the electrical data from what :meth:`Wires.arrays` returned; for shapes and units see :class:`Wires`.

    Rated voltages that are missing, as in caches of earlier versions, are the nominal ones.
    """
    rated = np.ones(len(arrays["branch_ratio"]))
    return Wires(**{"branch_rated_start": rated, "branch_rated_end": rated, **arrays})
