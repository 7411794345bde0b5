"""Random radial and meshed networks: voltages, losses and loadings are pandapower's, whatever a network is made of."""

from __future__ import annotations

import warnings
from typing import Any, Final

import numpy as np
import pandapower
import pytest

from gridtoll.envs.community.building.networks import grid_of_network
from gridtoll.envs.grid.ac import AcPowerFlow
from gridtoll.envs.grid.grid_pandapower import pandapower_buses
from gridtoll.envs.grid.network import make_network

SEEDS: Final = [seed if seed < 4 else pytest.param(seed, marks=pytest.mark.long) for seed in range(24)]


def line(net: Any, start: int, end: int, random: np.random.Generator, **changes: Any) -> int:
    sizes = {
        "length_km": float(random.uniform(0.02, 0.4)),
        "r_ohm_per_km": float(random.uniform(0.1, 0.6)),
        "x_ohm_per_km": float(random.uniform(0.06, 0.3)),
        "c_nf_per_km": float(random.choice([0.0, 260.0, 800.0])),
        "g_us_per_km": float(random.choice([0.0, 3.0])),
        "max_i_ka": float(random.uniform(0.1, 0.4)),
        "parallel": int(random.integers(1, 3)),
        "df": float(random.choice([1.0, 0.8])),
    }
    return int(pandapower.create_line_from_parameters(net, start, end, **(sizes | changes)))


def transformer(net: Any, start: int, end: int, random: np.random.Generator, *, taps: bool = True, **changes: Any) -> int:
    sizes = {
        "sn_mva": float(random.choice([0.16, 0.25, 0.63])),
        "vn_hv_kv": 20.0,
        "vn_lv_kv": 0.4,
        "vkr_percent": float(random.uniform(0.8, 1.5)),
        "vk_percent": float(random.uniform(3.5, 6.5)),
        "pfe_kw": float(random.uniform(0.1, 1.5)),
        "i0_percent": float(random.uniform(0.2, 0.6)),
        "shift_degree": 150.0,
        "tap_side": str(random.choice(["hv", "lv"])),
        "tap_neutral": 0,
        "tap_min": -2,
        "tap_max": 2,
        "tap_step_percent": 2.5,
        "tap_pos": int(random.integers(-2, 3)) if taps else 0,
        "tap_changer_type": "Ratio",
        "parallel": int(random.integers(1, 3)),
        "df": float(random.choice([1.0, 0.9])),
    }
    return int(pandapower.create_transformer_from_parameters(net, start, end, **(sizes | changes)))


def network(seed: int) -> tuple[Any, list[int]]:
    """Return a network of two voltages with all that may be in one, and its low-voltage buses; those of odd seeds are meshed."""
    random = np.random.default_rng(seed)
    net = pandapower.create_empty_network(sn_mva=float(random.choice([0.1, 1.0, 100.0])))
    high = [pandapower.create_bus(net, 20.0) for _ in range(3)]
    pandapower.create_ext_grid(net, high[0], vm_pu=float(random.uniform(0.97, 1.05)), va_degree=30.0)
    line(net, high[0], high[1], random)
    line(net, high[1], high[2], random)
    low = [pandapower.create_bus(net, 0.4)]
    transformer(net, high[2], low[0], random, vn_lv_kv=float(random.choice([0.4, 0.42])), vn_hv_kv=float(random.choice([20.0, 21.0])))
    for _ in range(6):
        low.append(pandapower.create_bus(net, 0.4))
        line(net, int(random.choice(low[:-1])), low[-1], random)
    if seed % 2:
        line(net, low[1], low[-1], random)
        line(net, high[0], high[2], random)
    cabinet = pandapower.create_bus(net, 0.4)
    pandapower.create_switch(net, low[1], cabinet, et="b", closed=True)
    low.append(pandapower.create_bus(net, 0.4))
    line(net, cabinet, low[-1], random)
    pandapower.create_switch(net, high[0], line(net, high[0], high[1], random, length_km=3.0), et="l", closed=False)
    pandapower.create_switch(net, low[0], transformer(net, high[1], low[0], random, taps=False), et="t", closed=False)
    line(net, low[0], low[2], random, in_service=False)
    transformer(net, high[1], low[0], random, taps=False, in_service=False)
    pandapower.create_bus(net, 0.4, in_service=False)
    pandapower.create_shunt(net, low[2], q_mvar=-0.01, p_mw=0.001, step=2)
    pandapower.create_ward(net, low[3], ps_mw=0.0, qs_mvar=0.0, pz_mw=0.001, qz_mvar=0.0005)
    return net, low


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", SEEDS)
def test_a_network_of_taps_open_ends_shunts_and_parallel_wires_is_solved_as_pandapower_does(seed: int) -> None:
    net, low = network(seed)
    grid, notes = grid_of_network(net, "random")
    assert grid.wires is not None, notes
    number = pandapower_buses(net)
    power = np.random.default_rng(seed).normal(0.0, 10.0, (2, len(low)))
    flow = AcPowerFlow(make_network(grid, [number[bus] for bus in low])).of(power[None], np.zeros((1, 2, grid.n_buses)))
    assert flow.voltage_pu is not None
    assert flow.branch_loss_kw is not None
    kinds = [flow.loading[0][:, kind] for kind in (~grid.wires.is_transformer, grid.wires.is_transformer)]
    for hour, put_in in enumerate(power):
        net.load = net.load.iloc[:0]
        for bus, kw in zip(low, put_in, strict=True):
            pandapower.create_load(net, bus, p_mw=-kw / 1e3, q_mvar=np.tan(np.arccos(0.95)) * max(0.0, -kw) / 1e3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pandapower.runpp(net, tolerance_mva=1e-10, numba=False)
        theirs = net.res_bus.vm_pu.loc[list(number)].to_numpy()
        assert flow.voltage_pu[0, hour, list(number.values())] == pytest.approx(theirs, abs=1e-6)
        loss = 1e3 * (net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum())
        assert flow.branch_loss_kw[0, hour].sum() == pytest.approx(loss, abs=1e-6 * np.abs(put_in).sum())
        for ours, table in zip(kinds, (net.res_line, net.res_trafo), strict=True):
            assert ours[hour].max() == pytest.approx(np.nanmax(table.loading_percent) / 100, abs=1e-6)
