"""A grid's electrical data as columns of tables of its buses and branches, by which files hold them.

Only grids that have such data have these columns; a column that is missing has the value of a plain line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from .grid import Grid
from .wires import Wires

BUS_FIELDS: Final = {
    "voltage_kv": ("bus_voltage_kv", np.nan),
    "held_pu": ("bus_held_pu", np.nan),
    "shunt_g_pu": ("bus_conductance_pu", 0.0),
    "shunt_b_pu": ("bus_susceptance_pu", 0.0),
}
"""Columns of buses: the field of :class:`.Wires` that each is, and what an empty cell stands for."""
BRANCH_FIELDS: Final = {
    "ratio": ("branch_ratio", 1.0),
    "rated_from": ("branch_rated_start", 1.0),
    "rated_to": ("branch_rated_end", 1.0),
    "g_pu": ("branch_conductance_pu", 0.0),
    "b_pu": ("branch_susceptance_pu", 0.0),
}
"""The same of branches."""
_RATED: Final = ("rated_from", "rated_to")
"""Those left out where all are nominal, as most are."""
KIND: Final = "kind"
KINDS: Final = ("line", "transformer")


def wires_as_columns(grid: Grid) -> tuple[dict[str, list[object]], dict[str, list[object]]]:
    """Return columns of buses and of branches by name; none where the grid has no electrical data. None stands for an empty cell."""
    wires = grid.wires
    if wires is None:
        return {}, {}
    fields = wires.arrays()
    buses, branches = (
        {name: [None if np.isnan(value) else value for value in fields[field].tolist()] for name, (field, _) in of.items()}
        for of in (BUS_FIELDS, BRANCH_FIELDS)
    )
    for name in _RATED:
        if set(branches[name]) == {1.0}:
            del branches[name]
    return buses, {KIND: [KINDS[int(is_one)] for is_one in wires.is_transformer], **branches}


def wires_from_columns(
    grid: Grid, buses: Mapping[str, Array], branches: Mapping[str, Array], is_transformer: NDArray[np.bool_] | None = None
) -> Wires:
    """Return the electrical data of a grid from columns.

    Args:
        grid: The grid; its reactances hold the factor of an off-nominal ratio.
        buses: Columns of buses that there are, each of shape (B,).
        branches: Columns of branches that there are, each of shape (L,).
        is_transformer: Which branches are transformers, shape (L,); those between different voltages where absent.
    """
    of_buses = {field: buses.get(name, np.full(grid.n_buses, empty)) for name, (field, empty) in BUS_FIELDS.items()}
    of_branches = {field: branches.get(name, np.full(grid.n_branches, empty)) for name, (field, empty) in BRANCH_FIELDS.items()}
    start, end = (of_buses["bus_voltage_kv"][each] for each in (grid.branch_from, grid.branch_to))
    if is_transformer is None:
        is_transformer = np.isfinite(start) & np.isfinite(end) & (start != end)
    held = of_buses["bus_held_pu"].copy()
    if np.isnan(held[grid.slack_bus]):
        held[grid.slack_bus] = 1.0
    return Wires(
        branch_resistance_pu=grid.branch_resistance_pu,
        branch_reactance_pu=grid.branch_reactance_pu / of_branches["branch_ratio"],
        is_transformer=is_transformer,
        **(of_buses | {"bus_held_pu": held}),
        **of_branches,
    )
