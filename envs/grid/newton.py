"""AC power flows of many hours on one grid by Newton's method, in compiled code: the package lightsim2grid.

Every hour starts from the same voltages, so that none influences another. What was tried beside it: power-grid-model's batches take as
long, but its newer releases want Python 3.12, and its linear method is 2e-6 p.u. off; pandapower takes 50 to 120 ms for each hour.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from ..packages import package_of
from .grid import Grid
from .wires import wires_of

TOLERANCE: Final = 1e-10
"""Greatest mismatch at a bus in per unit on the grid's own base."""
_MOST_ITERATIONS: Final = 30
_SMALL: Final = 1e-3
_UNLIMITED: Final = 1e9  # MVAr a machine can give: its voltage is held whatever that takes


class Newton:
    """Solves the AC power flow of one grid, hour by hour.

    Args:
        grid: The grid.

    Raises:
        MissingPackageError: If lightsim2grid is not there.
    """

    def __init__(self, grid: Grid) -> None:
        package = package_of("ac", "lightsim2grid.lightsim2grid_cpp", 'power_flow "ac"')
        wires, base = wires_of(grid), grid.base_power_kw / 1e3
        model = package.LSGrid()
        transformer = (wires.branch_ratio != 1.0) | wires.is_transformer
        _add_branches(model, grid, transformer)
        shunt = np.flatnonzero((wires.bus_conductance_pu != 0) | (wires.bus_susceptance_pu != 0))
        model.init_shunt(wires.bus_conductance_pu[shunt] * base, -wires.bus_susceptance_pu[shunt] * base, _ints(shunt))
        none = np.zeros(0)
        model.init_loads(np.zeros(grid.n_buses), np.zeros(grid.n_buses), _ints(np.arange(grid.n_buses)))
        model.init_sgens(none, none, none, none, none, none, _ints(none))
        model.init_storages(none, none, _ints(none))
        others = np.flatnonzero(~np.isnan(wires.bus_held_pu))
        held = np.array([grid.slack_bus, *(bus for bus in others if bus != grid.slack_bus)], dtype=np.intp)
        voltage = np.where(np.isnan(wires.bus_held_pu[held]), 1.0, wires.bus_held_pu[held])
        wide = np.full(len(held), _UNLIMITED)
        model.init_generators(np.zeros(len(held)), voltage, -wide, wide, _ints(held))
        model.add_gen_slackbus(0, 1.0)
        self._base_kw, self._model = grid.base_power_kw, model
        self._sweep = package.InjectionSweepCPP(model)
        self._sweep.change_algorithm(package.AlgorithmType.NRSing_KLU)
        self._sweep.reuse_base_case = True
        self._start = np.full(grid.n_buses, voltage[0], dtype=np.complex128)
        self._start[held] = voltage
        # The solver orders its equations by the first hour's and keeps that order. An hour of our own comes first each time, one that
        # takes a step to solve, so that the last bits of the others do not depend on which of them was first.
        self._first = np.full((1, grid.n_buses), _SMALL * grid.base_power_kw / grid.n_buses)
        idle, found = self.voltages(np.zeros((1, grid.n_buses)), np.zeros((1, grid.n_buses)))
        if found[0]:
            self._start = idle[0]

    def voltages(self, power_kw: Array, reactive_kvar: Array) -> tuple[NDArray[np.complex128], NDArray[np.bool_]]:
        """Return the voltages of H hours in per unit, shape (H, B), and in which of them there is a solution, shape (H,).

        Args:
            power_kw: What is put in at each bus less what is taken out, shape (H, B); the slack bus takes up the rest.
            reactive_kvar: The same of reactive power, shape (H, B).
        """
        self._sweep.clear()  # the number of hours of the last call
        self._sweep.modify_load_p(np.concatenate([self._first, power_kw]) / -1e3)
        self._sweep.modify_load_q(np.concatenate([self._first, reactive_kvar]) / -1e3)
        self._sweep.compute(self._start, _MOST_ITERATIONS, TOLERANCE)
        found = np.array(self._sweep.converged_mask()[1:], dtype=np.bool_)
        return self._sweep.get_voltages()[1:].copy(), found


def _add_branches(model: Any, grid: Grid, transformer: NDArray[np.bool_]) -> None:
    wires, base = wires_of(grid), grid.base_power_kw / 1e3
    line = ~transformer
    shunt = wires.branch_conductance_pu + 1j * wires.branch_susceptance_pu
    start, end = _ints(grid.branch_from[: grid.n_wires]), _ints(grid.branch_to[: grid.n_wires])
    r, x, ratio = wires.branch_resistance_pu, wires.branch_reactance_pu, wires.branch_ratio
    model.set_sn_mva(base)
    voltage = np.nan_to_num(wires.bus_voltage_kv, nan=1.0)  # nothing but currents in amperes depends on it, which are not asked for
    model.init_bus(grid.n_buses, 1, voltage, int(line.sum()), int(transformer.sum()))
    model.init_powerlines_full(r[line], x[line], shunt[line] / 2, shunt[line] / 2, start[line], end[line])
    at_start = [True] * int(transformer.sum())
    t = transformer
    model.init_trafo(r[t], x[t], shunt[t], ratio[t], np.zeros(len(at_start)), at_start, start[t], end[t], True)


def _ints(values: NDArray[Any]) -> NDArray[np.int32]:
    return values.astype(np.int32)
