"""AC power flows of many days on a grid where only the slack bus holds its voltage: a fixed point, with one matrix for all hours.

With Z the inverse of the admittances between all buses but the slack bus, and w the voltages of the grid that nothing is put into,

    v = w + Z conj(s / v),    iterated from w.

A step is one product of matrices for a day; Newton's method (:mod:`.newton`) factorises a matrix for each hour and step. A step leaves a
share of the error, about that of the voltage which drops along the wires: usual loadings take 5 to 10 steps. A day that takes more than
the most is left to Newton's method. Real and imaginary parts are taken apart, as in :mod:`.ac`: no day may depend on those beside it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from .grid import Grid
from .wires import admittance_of, wires_of

STEP_PU: Final = 1e-11
"""Change of a voltage in the last step, per unit."""
_MOST_STEPS: Final = 25


def has_one_source(grid: Grid) -> bool:
    """Return whether only the slack bus of a grid holds its voltage."""
    held = np.flatnonzero(~np.isnan(wires_of(grid).bus_held_pu))
    return bool(np.array_equal(held, [grid.slack_bus]))


class FixedPoint:
    """Solves the AC power flow of one grid day by day.

    Args:
        grid: The grid, which :func:`has_one_source`.
    """

    def __init__(self, grid: Grid) -> None:
        slack, free = grid.slack_bus, np.arange(grid.n_buses) != grid.slack_bus
        admittance, source = admittance_of(grid), wires_of(grid).bus_held_pu[slack]
        impedance = np.zeros_like(admittance)
        impedance[np.ix_(free, free)] = np.linalg.inv(admittance[np.ix_(free, free)])
        idle = np.where(free, -source * (impedance @ admittance[:, slack]), source)
        self._base_kw = grid.base_power_kw
        real, imaginary = impedance.real.T, impedance.imag.T
        self._impedance = np.block([[real, imaginary], [-imaginary, real]])  # (I_re, I_im) times this is (V_re, V_im)
        self._idle = np.concatenate([idle.real, idle.imag])

    def voltages(self, power_kw: Array, reactive_kvar: Array) -> tuple[NDArray[np.complex128], NDArray[np.bool_]]:
        """Return the voltages of R days in per unit, shape (R, T, B), and which days were solved, shape (R,).

        Args:
            power_kw: What is put in at each bus less what is taken out, shape (R, T, B); the slack bus takes up the rest.
            reactive_kvar: The same of reactive power, shape (R, T, B).
        """
        active, reactive, n = power_kw / self._base_kw, reactive_kvar / self._base_kw, power_kw.shape[2]
        found = np.zeros((*active.shape[:2], 2 * n))
        left, voltage = np.arange(len(found)), np.broadcast_to(self._idle, found.shape)
        with np.errstate(all="ignore"):  # voltages of a day without a solution can become anything
            for _ in range(_MOST_STEPS):
                before, voltage = voltage, self._idle + _currents(active, reactive, voltage) @ self._impedance
                going = ~(np.abs(voltage - before).max(axis=(1, 2)) <= STEP_PU)
                if not going.all():
                    found[left[~going]] = voltage[~going]
                    left, voltage, active, reactive = left[going], voltage[going], active[going], reactive[going]
                    if not len(left):
                        break
        solved = np.ones(len(found), dtype=np.bool_)
        solved[left] = False
        answer = np.empty(power_kw.shape, dtype=np.complex128)
        answer.real, answer.imag = found[..., :n], found[..., n:]
        return answer, solved


def _currents(active: Array, reactive: Array, voltage: Array) -> Array:
    """Return conj(s / v), shape (R, T, 2B): real parts, then imaginary ones, as voltages have them."""
    n = active.shape[2]
    real, imaginary = voltage[..., :n], voltage[..., n:]
    square, current = real * real + imaginary * imaginary, np.empty(voltage.shape)
    current[..., :n] = (active * real + reactive * imaginary) / square
    current[..., n:] = (active * imaginary - reactive * real) / square
    return current
