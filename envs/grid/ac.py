"""The AC power flow: voltages, currents, and losses as they are, iron losses included.

What a prosumer draws from the wires has a power factor (0.95 unless told); what it puts in has none to give: inverters at unity,

    q_i = −tan(arccos(pf)) · max(0, −n_i)    in kvar put in, for a net injection n_i in kW.

Base injections have no reactive power. The slack bus holds its voltage and takes up the rest; machines of a grid that hold a voltage go on
holding it, with no active power of their own. A branch is loaded by the greater current of its two ends over its limit in amperes, which
is that in kW at nominal voltage, or at a transformer's rated one.

The account of flows says what is in the wires: under ``"injections"`` all that there is, under ``"trades"`` only what is traded, as if
nobody bought from the retailer. Losses charged to the community are those with it less those without.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array, IntArray
from ..errors import PowerFlowError
from .fixed_point import FixedPoint, has_one_source
from .network import Network
from .newton import Newton
from .power_flow import SECURE, Flow
from .voltage_rows import rows_of
from .wires import wires_of

POWER_FACTOR: Final = 0.95
"""Of what is drawn: SimBench's households and those of most studies lie between 0.93 and 0.97."""
VOLTAGE_BAND: Final = (0.9, 1.1)
"""Voltages allowed in per unit: EN 50160."""

_Complex = tuple[Array, Array]
"""Real and imaginary parts."""


@dataclass(frozen=True, eq=False)
class AcPowerFlow:
    """The AC power flow of a network.

    Attributes:
        network: Where the prosumers sit.
        power_factor: Of what prosumers draw, above 0 and at most 1.
        voltage_min: Least voltage allowed, per unit.
        voltage_max: Greatest voltage allowed, per unit.

    Raises:
        ValueError: If a number is out of range.
        MissingPackageError: If lightsim2grid is not there.
    """

    network: Network
    power_factor: float = POWER_FACTOR
    voltage_min: float = VOLTAGE_BAND[0]
    voltage_max: float = VOLTAGE_BAND[1]
    linear: None = field(default=None, init=False, repr=False)
    _newton: Newton = field(init=False, repr=False)
    _fixed_point: FixedPoint | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the numbers, and make what solves."""
        if not 0 < self.power_factor <= 1:
            raise ValueError(f"`power_factor` must be above 0 and at most 1, got {self.power_factor!r}.")
        if not 0 < self.voltage_min < self.voltage_max:
            raise ValueError(
                f"`voltage_min` and `voltage_max` must rise and be above 0 (per unit), got {self.voltage_min!r} and {self.voltage_max!r}."
            )
        grid = self.network.grid
        object.__setattr__(self, "_newton", Newton(grid))
        object.__setattr__(self, "_fixed_point", FixedPoint(grid) if has_one_source(grid) else None)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what it was made of: what solves is compiled code, and is made anew."""
        return AcPowerFlow, (self.network, self.power_factor, self.voltage_min, self.voltage_max)

    def of(self, net_kw: Array, base_kw: Array) -> Flow:
        """Return what flows; see :class:`.PowerFlow`.

        Raises:
            PowerFlowError: If there is no solution at some hour; it says which.
        """
        shape, grid = net_kw.shape[:2], self.network.grid
        power = self.network.injection(net_kw)
        drawn = self.network.injection(np.maximum(0.0, -net_kw))
        base, caused_by_base = self._of_base(base_kw)
        voltage = self._solved(power + base, -self._tangent * drawn)
        forth, back, loading = self._branches(voltage)
        loss = forth + back
        size = np.sqrt(_square(_parts(voltage)))
        within = (size >= self.voltage_min / SECURE) & (size <= self.voltage_max * SECURE)
        limit = grid.branch_limit_kw
        if grid.kw_per_pu:
            rows = rows_of(grid, size)
            forth, loading = np.concatenate([forth, rows], axis=2), np.concatenate([loading, np.abs(rows) / limit[grid.n_wires :]], axis=2)
        return Flow(
            branch_kw=forth,
            loss_kw=loss.sum(axis=2) - caused_by_base,
            overload_kw=np.maximum(0.0, loading - 1.0) * np.where(np.isfinite(limit), limit, 0.0),
            loading=loading,
            secure=(loading.reshape(shape[0], -1).max(axis=1, initial=0.0) <= SECURE) & within.all(axis=(1, 2)),
            voltage_pu=size,
            branch_loss_kw=loss,
        )

    def _of_base(self, base_kw: Array) -> tuple[Array, Array]:
        """Return base injections with all buses and their own losses in kW, shapes (R, T, B) and (R, T), or with axes of length 1."""
        if not base_kw.any():
            return np.zeros((1, 1, self.network.grid.n_buses)), self._idle_loss_kw
        forth, back, _ = self._branches(self._solved(base_kw, np.zeros_like(base_kw)))
        return base_kw, (forth + back).sum(axis=2)

    @cached_property
    def _idle_loss_kw(self) -> Array:
        """Losses of a grid that nothing is put into or taken from, shape (1, 1): iron losses, and those of charging cables."""
        nothing = np.zeros((1, 1, self.network.grid.n_buses))
        forth, back, _ = self._branches(self._solved(nothing, nothing))
        return np.asarray((forth + back).sum(axis=2))

    @cached_property
    def _tangent(self) -> float:
        return float(np.tan(np.arccos(self.power_factor)))

    def _solved(self, power_kw: Array, reactive_kvar: Array) -> NDArray[np.complex128]:
        """Return complex voltages in per unit, shape (R, T, B), of what is put in at each bus."""
        reactive_kvar = np.broadcast_to(reactive_kvar, power_kw.shape)
        if self._fixed_point is None:
            return self._by_newton(power_kw, reactive_kvar, np.arange(len(power_kw)))
        voltage, solved = self._fixed_point.voltages(power_kw, reactive_kvar)
        if not solved.all():
            hard = np.flatnonzero(~solved)
            voltage[hard] = self._by_newton(power_kw, reactive_kvar, hard)
        return voltage

    def _by_newton(self, power_kw: Array, reactive_kvar: Array, rows: IntArray) -> NDArray[np.complex128]:
        """Return the voltages of some rows, shape (len(rows), T, B)."""
        power, n = power_kw[rows], power_kw.shape[2]
        voltage, found = self._newton.voltages(power.reshape(-1, n), reactive_kvar[rows].reshape(-1, n))
        if not found.all():
            row, period = divmod(int(np.flatnonzero(~found)[0]), power.shape[1])
            raise self._no_solution(power[row, period], int(rows[row]), period)
        return voltage.reshape(power.shape)

    def _no_solution(self, power_kw: Array, row: int, period: int) -> PowerFlowError:
        grid = self.network.grid
        loading = (np.abs(grid.flow(power_kw)) / grid.branch_limit_kw)[: grid.n_wires]
        worst = int(loading.argmax())
        total = power_kw.sum()
        return PowerFlowError(
            f"the AC power flow of {grid.name!r} has no solution in period {period}: {abs(total):.6g} kW are "
            f"{'put in' if total > 0 else 'drawn'} in all, and by the linear power flow branch {grid.branch_names[worst]!r} is loaded to "
            f"{loading[worst]:.0%}. The wires cannot carry that at any voltage; check powers and lengths, or use power_flow 'dc'.",
            number=row,
            period=period,
        )

    @cached_property
    def _admittances(self) -> tuple[_Complex, _Complex, _Complex]:
        """What voltages drive into a branch, shape (L,) each: the start's own at the start, either one's at the other, the end's own."""
        w = wires_of(self.network.grid)
        series = 1.0 / (w.branch_resistance_pu + 1j * w.branch_reactance_pu)
        own = series + 0.5 * (w.branch_conductance_pu + 1j * w.branch_susceptance_pu)
        at_start, across = own / w.branch_ratio**2, -series / w.branch_ratio
        return (at_start.real, at_start.imag), (across.real, across.imag), (own.real, own.imag)

    def _branches(self, voltage: NDArray[np.complex128]) -> tuple[Array, Array, Array]:
        """Return what enters each branch at its start and at its end in kW, and its loading, each of shape (R, T, L).

        Real and imaginary parts are taken apart: NumPy rounds products of complex numbers by where in an array they stand.
        """
        grid, base, wires = self.network.grid, self.network.grid.base_power_kw, slice(self.network.grid.n_wires)
        start, end = _parts(voltage[..., grid.branch_from[wires]]), _parts(voltage[..., grid.branch_to[wires]])
        at_start, across, at_end = self._admittances
        forth = _sum(_product(at_start, start), _product(across, end))
        back = _sum(_product(across, start), _product(at_end, end))
        of = wires_of(grid)
        rated = np.maximum(of.branch_rated_start**2 * _square(forth), of.branch_rated_end**2 * _square(back))
        loading = np.sqrt(rated) * (base / grid.branch_limit_kw[wires])
        return _power(start, forth) * base, _power(end, back) * base, loading


def _parts(values: NDArray[np.complex128]) -> _Complex:
    return values.real, values.imag


def _product(one: _Complex, other: _Complex) -> _Complex:
    return one[0] * other[0] - one[1] * other[1], one[0] * other[1] + one[1] * other[0]


def _sum(one: _Complex, other: _Complex) -> _Complex:
    return one[0] + other[0], one[1] + other[1]


def _square(value: _Complex) -> Array:
    return np.asarray(value[0] ** 2 + value[1] ** 2)


def _power(voltage: _Complex, current: _Complex) -> Array:
    """Return active power: the real part of the voltage times the conjugate of the current."""
    return np.asarray(voltage[0] * current[0] + voltage[1] * current[1])
