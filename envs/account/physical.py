"""What a settlement says of voltages, currents and losses, by which element and period, where the power flow knows them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array, IntArray
from ..grid.grid import Grid
from ..grid.power_flow import Flow
from ..grid.wires import wires_of

INFO_OF_WIRES: Final = (
    "voltage_min_pu",
    "voltage_min_bus",
    "voltage_min_period",
    "voltage_max_pu",
    "voltage_max_bus",
    "voltage_max_period",
    "ac_loss_kwh",
    "ac_loss_lines_kwh",
    "ac_loss_transformers_kwh",
    "line_loading",
    "transformer_loading",
    "loaded_branch",
    "loaded_period",
)
"""What `info` and a settlement hold besides under a power flow with voltages."""


def of_wires(flow: Flow, grid: Grid, hours: Array) -> dict[str, NDArray[Any]]:
    """Return :data:`INFO_OF_WIRES` by name, each of shape (R,); nothing where the power flow has no voltages.

    Args:
        flow: What flows on R days.
        grid: Where.
        hours: Length of each day's periods in hours, shape (R,).
    """
    voltage, branch_loss = flow.voltage_pu, flow.branch_loss_kw
    if voltage is None or branch_loss is None:
        return {}
    transformer = wires_of(grid).is_transformer
    low, low_at = _first(-voltage)
    high, high_at = _first(voltage)
    loading = flow.loading[:, :, : grid.n_wires]
    _, loaded_at = _first(loading)
    loss = hours[:, None] * branch_loss.sum(axis=1)  # (R, L)
    buses, branches = np.array(grid.bus_names), np.array(grid.branch_names)
    values = (
        *(-low, buses[low_at[1]], low_at[0]),
        *(high, buses[high_at[1]], high_at[0]),
        *(loss.sum(axis=1), loss[:, ~transformer].sum(axis=1), loss[:, transformer].sum(axis=1)),
        loading[:, :, ~transformer].max(axis=(1, 2), initial=0.0),
        loading[:, :, transformer].max(axis=(1, 2), initial=0.0),
        *(branches[loaded_at[1]], loaded_at[0]),
    )
    return dict(zip(INFO_OF_WIRES, values, strict=True))


def _first(values: Array) -> tuple[Array, tuple[IntArray, IntArray]]:
    """Return the greatest value of each day, shape (R,), and the period and element where it first is, each of shape (R,)."""
    flat = values.reshape(len(values), -1)
    at = flat.argmax(axis=1)
    return flat[np.arange(len(flat)), at], (at // values.shape[2], at % values.shape[2])
