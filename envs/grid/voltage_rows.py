"""Voltages as further rows of the linear flows: what the exact optimum, gradients and hard limits need to know of them.

With v₀ that of a grid without prosumers, the voltage of a bus is

    v = v₀ + R n,    R = ∂v/∂p + tan φ ∂v/∂q where nobody at the bus has sun, wind or a battery, else R = ∂v/∂p,

by the Jacobian of the AC power flow: whoever only draws draws reactive power in proportion, and inverters give none.

Voltages bend: the slope without prosumers overstates what the sun of a long feeder lifts them by. The slope *half way* to some n* is
right at both ends, as a parabola's chord has the slope of its middle. So the Jacobian is taken at n*/2, where n* is what
prosumers put in, by the data without any trade, in the hour farthest from 1 p.u. of a day that is more extreme than three days in four.
Where machines hold voltages it is taken without prosumers: there, slopes half way were farther off at most hours. One Jacobian for each
hour would be three times closer or more, but flows would then have another matrix H each hour. docs/wires.md has the errors of all of them.

Who has a sensitivity matrix of their own (``voltage_sensitivity.csv`` of a folder) gives v₀ and R, and the buses whose voltages count.

A row of a bus is written like a branch's flow, in kW, so that whatever takes |f| ≤ F and φ·max(0, |f| − F) takes it unchanged:

    f = s (v − 1),    F = s·band,    s = voltage price / overload price    in kW per p.u.,    no losses.

One p.u. outside the band for an hour then costs the voltage price. What the rows leave out is of second order: how far they are off is
measured in docs/wires.md, by community.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import Array, IntArray
from .grid import Grid
from .network import Network
from .newton import Newton
from .wires import admittance_of, wires_of

Number = TypeVar("Number", np.float64, np.intp)
_MIDDLE_PU = 1.0
_MORE_EXTREME_THAN = 0.75
"""Share of days that are less extreme than the one half way to which voltages are linearised. With 0.5 the greatest voltages were farther
off; with 1 they were 0.0001 p.u. closer, and the least ones of case33bw 0.0008 farther off."""


def with_voltage_rows(
    network: Network,
    *,
    voltage_price: float,
    overload_price: float,
    band_pu: float = 0.1,
    power_factor: float = 0.95,
    draws_only: ArrayLike | None = None,
    days_kw: ArrayLike | None = None,
) -> Network:
    """Return a network with a row for the voltage of each prosumer's bus, behind the rows of its branches.

    Args:
        network: Where the prosumers sit; without such rows.
        voltage_price: What the operator pays for a voltage outside the band, EUR per p.u. and hour, above 0.
        overload_price: What it pays for overload, EUR/kWh, above 0.
        band_pu: How far voltages may be from 1 p.u.
        power_factor: Of those who only draw.
        draws_only: Whether a prosumer has nothing to put in, shape (N,); nobody where absent.
        days_kw: What prosumers put in less what they take out without any trade, shape (days, T, N), which says where voltages are
            linearised; without prosumers where absent.

    Raises:
        ValueError: If a number is out of range, the network has such rows already, or its voltages are held at every prosumer's bus.
        MissingPackageError: If lightsim2grid is not there.
    """
    grid = network.grid
    for name, value in (("voltage_price", voltage_price), ("overload_price", overload_price), ("voltage_band", band_pu)):
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"`{name}` must be a finite number > 0 where voltages are priced, got {value!r}.")
    if grid.n_wires < grid.n_branches:
        raise ValueError(f"grid {grid.name!r} must not have rows of voltages yet, got {grid.n_branches - grid.n_wires} of them.")
    draws = np.zeros(network.n_prosumers, dtype=np.bool_) if draws_only is None else np.asarray(draws_only, dtype=np.bool_)
    if grid.voltage_bus is not None and grid.voltage_idle_pu is not None and grid.voltage_per_kw is not None:
        buses, idle, slope = grid.voltage_bus, grid.voltage_idle_pu, grid.voltage_per_kw
    else:
        at_bus = np.zeros(grid.n_buses)
        at_bus[network.prosumer_bus[draws]] = np.tan(np.arccos(power_factor))
        at_bus[network.prosumer_bus[~draws]] = 0.0
        buses, idle, slope = _by_jacobian(network, at_bus, days_kw)
    scale = voltage_price / overload_price
    m = len(buses)
    return replace(
        network,
        grid=replace(
            grid,
            branch_names=(*grid.branch_names, *(f"voltage at {grid.bus_names[bus]}" for bus in buses)),
            branch_from=_behind(grid.branch_from, np.full(m, grid.slack_bus)),
            branch_to=_behind(grid.branch_to, buses),
            branch_resistance_pu=_behind(grid.branch_resistance_pu, np.zeros(m)),
            branch_reactance_pu=_behind(grid.branch_reactance_pu, np.ones(m)),
            branch_limit_kw=_behind(grid.branch_limit_kw, np.full(m, scale * band_pu)),
            ptdf=_behind(grid.ptdf, scale * slope),
            row_offset_kw=_behind(np.zeros(grid.n_branches), scale * (idle - _MIDDLE_PU)),
            kw_per_pu=scale,
            wires=wires_of(grid),
        ),
    )


def _by_jacobian(network: Network, tangent: Array, days_kw: ArrayLike | None) -> tuple[IntArray, Array, Array]:
    """Return buses, their voltages without prosumers, and how these change, of shapes (M,), (M,) and (M, B).

    Raises:
        ValueError: If machines hold the voltages at every prosumer's bus.
    """
    grid = network.grid
    idle, by_power, by_reactive = sensitivities(grid)
    held = ~np.isnan(wires_of(grid).bus_held_pu)
    held[grid.slack_bus] = True
    buses = np.setdiff1d(network.prosumer_bus, np.flatnonzero(held))
    if not len(buses):
        raise ValueError(
            f"voltages of {grid.name!r} must be free at a prosumer's bus, and machines hold them at each. Leave `voltage_price`."
        )
    slope = (by_power + by_reactive * tangent)[buses]
    if days_kw is not None and held.sum() == 1:
        extreme = _extreme_hour(network.injection(np.asarray(days_kw, dtype=np.float64)), slope, idle[buses] - _MIDDLE_PU)
        slope = _half_way(grid, extreme, tangent, slope, buses=buses)
    return buses, idle[buses], slope


def _extreme_hour(injection_kw: Array, slope: Array, idle_pu: Array) -> Array:
    """Return injections in kW, shape (B,), of the hour farthest from 1 p.u. on a day that is more extreme than three in four.

    Args:
        injection_kw: Of all days, shape (days, T, B).
        slope: How voltages of M buses change without prosumers, per kW, shape (M, B).
        idle_pu: What they are above 1 p.u. without prosumers, shape (M,).
    """
    away = np.abs(injection_kw @ slope.T + idle_pu).max(axis=2)
    day = np.argsort(away.max(axis=1), kind="stable")[int(_MORE_EXTREME_THAN * (len(away) - 1))]
    extreme: Array = injection_kw[day, away[day].argmax()]
    return extreme


def _half_way(grid: Grid, extreme_kw: Array, tangent: Array, slope: Array, *, buses: IntArray) -> Array:
    """Return how voltages of M buses change, per kW and of shape (M, B), half way to what is put in, shape (B,).

    ``tangent`` is reactive over active power drawn at each bus, shape (B,). Where the wires cannot carry half of it, ``slope`` is returned.
    """
    power = 0.5 * extreme_kw
    try:
        _, by_power, by_reactive = sensitivities(grid, power_kw=power, reactive_kvar=tangent * power)
    except ValueError:
        return slope
    changed: Array = (by_power + by_reactive * tangent)[buses]
    return changed


def voltage_of(grid: Grid, flow_kw: Array) -> Array:
    """Return the voltages in per unit, shape (..., M), that rows of flows in kW, shape (..., L), say."""
    voltage: Array = _MIDDLE_PU + flow_kw[..., grid.n_wires :] / grid.kw_per_pu
    return voltage


def rows_of(grid: Grid, voltage_pu: Array) -> Array:
    """Return what rows of voltages are, in kW and of shape (..., M), at voltages of all buses in per unit, shape (..., B)."""
    rows: Array = grid.kw_per_pu * (voltage_pu[..., grid.branch_to[grid.n_wires :]] - _MIDDLE_PU)
    return rows


def sensitivities(grid: Grid, *, power_kw: Array | None = None, reactive_kvar: Array | None = None) -> tuple[Array, Array, Array]:
    """Return the voltages of a grid in per unit, shape (B,), and how they change.

    The changes are by active and by reactive power put in at each bus, per kW and per kvar, each of shape (B, B).

    Args:
        grid: The grid.
        power_kw: What is put in at each bus, shape (B,); nothing where absent.
        reactive_kvar: The same of reactive power, shape (B,).

    Raises:
        ValueError: If its AC power flow has no solution there.
    """
    put_in = [np.zeros(grid.n_buses) if each is None else each for each in (power_kw, reactive_kvar)]
    [voltage], found = Newton(grid).voltages(put_in[0][None], put_in[1][None])
    if not found.all():
        where = "without prosumers" if power_kw is None else f"with {power_kw.sum():.6g} kW put in"
        raise ValueError(f"grid {grid.name!r} must have an AC power flow {where}, and has none. Check its data.")
    wires, size = wires_of(grid), np.abs(voltage)
    free = np.isnan(wires.bus_held_pu)
    free[grid.slack_bus] = False
    turning = np.arange(grid.n_buses) != grid.slack_bus
    admittance = admittance_of(grid)
    current, along = admittance @ voltage, voltage / size
    by_angle = 1j * voltage[:, None] * np.conj(np.diag(current) - admittance * voltage)
    by_size = voltage[:, None] * np.conj(admittance * along) + np.diag(np.conj(current) * along)
    jacobian = np.block(
        [
            [by_angle.real[np.ix_(turning, turning)], by_size.real[np.ix_(turning, free)]],
            [by_angle.imag[np.ix_(free, turning)], by_size.imag[np.ix_(free, free)]],
        ]
    )
    inverse = np.linalg.inv(jacobian)[turning.sum() :]
    found_by = np.zeros((2, grid.n_buses, grid.n_buses))
    found_by[0][np.ix_(free, turning)] = inverse[:, : turning.sum()]
    found_by[1][np.ix_(free, free)] = inverse[:, turning.sum() :]
    return size, found_by[0] / grid.base_power_kw, found_by[1] / grid.base_power_kw


def _behind(first: NDArray[Number], rest: NDArray[Number]) -> NDArray[Number]:
    joined = np.concatenate([first, rest])
    joined.setflags(write=False)
    return joined
