"""A seller and a buyer on a line of three buses: the smallest grid on which a peak inside a piece counts."""

from __future__ import annotations

import numpy as np

from gridtoll.envs import Day, Network, make_day, make_grid, make_network


def line_of_three(limit_kw: float) -> Network:
    grid = make_grid(
        "a line",
        bus_names=["a", "b", "c"],
        branch_from=[0, 1],
        branch_to=[1, 2],
        branch_resistance_pu=0.01,
        branch_reactance_pu=0.1,
        branch_limit_kw=limit_kw,
        base_power_kw=100.0,
        slack_bus=0,
    )
    return make_network(grid, [1, 2])


def seller_and_buyer() -> Day:
    """One hour of two prosumers, the first with sun: a false optimum of 0.246247 was certified here, where 0.316118 can be earned."""
    return make_day(
        label="a seller and a buyer",
        demand_min=np.full((1, 2), 0.5),
        demand_max=np.full((1, 2), 2.0),
        utility_curvature=0.2,
        utility_slope=0.7,
        renewable=[[6.0, 0.0]],
        import_price=0.6,
        export_price=0.05,
        loss_price=0.1,
        overload_price=1.0,
        import_fee=0.0,
        import_limit=10.0,
        export_limit=10.0,
        grid_friction=0.005,
        storage_power=0.0,
        storage_capacity=0.0,
        storage_efficiency=1.0,
        storage_wear=0.0,
        storage_start=0.0,
        trade_limit=10.0,
        trade_friction=0.15,
        n_buses=3,
    )
