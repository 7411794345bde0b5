"""The AC power flow is pandapower's, on every community, and says what no hour can carry."""

from __future__ import annotations

import copy
import pickle
import warnings
from dataclasses import replace
from functools import cache
from typing import Any

import gymnasium
import numpy as np
import pandapower
import pandapower.networks
import pytest
from builders import random_network
from promises import require_power_flow

from gridtoll.envs import load_community
from gridtoll.envs.account.physical import INFO_OF_WIRES
from gridtoll.envs.community.community import Community
from gridtoll.envs.community.day import Array
from gridtoll.envs.community.sources import COMMUNITY_NAMES
from gridtoll.envs.community.sources.ieee import _CASES
from gridtoll.envs.community.sources.simbench import _GRID_CODES, simbench_network
from gridtoll.envs.errors import ClearingError, PowerFlowError
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.grid.ac import AcPowerFlow
from gridtoll.envs.grid.fixed_point import FixedPoint, has_one_source
from gridtoll.envs.grid.grid_pandapower import grid_from_pandapower, pandapower_buses
from gridtoll.envs.grid.network import make_network
from gridtoll.envs.grid.newton import Newton
from gridtoll.envs.grid.power_flow import Flow
from gridtoll.envs.grid.power_flows import make_power_flow
from gridtoll.envs.grid.wires import wires_of
from gridtoll.envs.grid.wires_pandapower import wires_from_pandapower
from gridtoll.train.task import environment_of, exact_market_of, is_provable

QUICK = ("simbench-rural", "ieee9", "ieee57", "case33bw")
NAMES = [pytest.param(name, marks=[] if name in QUICK else pytest.mark.long) for name in (*_GRID_CODES, *_CASES)]
SHARE = {"ieee9": 0.3, "ieee39": 0.3, "ieee57": 0.3, "ieee118": 0.5}
"""How much of load and sun is put into grids that cannot carry all of them from one bus."""
HOURS = (12 * 24 + 18, 180 * 24 + 3, 180 * 24 + 12, 300 * 24 + 8)


def injections(community: Community) -> Array:
    """A few hours of sun less load in kW, shape (1, T, N)."""
    net: Array = (community.renewable_kw - community.load_kw)[None, HOURS, :]
    return SHARE.get(community.name, 1.0) * net


def flow_of(community: Community, net_kw: Array, **parameters: float) -> Flow:
    return AcPowerFlow(community.network, **parameters).of(net_kw, np.zeros((1, net_kw.shape[1], community.network.grid.n_buses)))


@cache
def network_of(name: str) -> Any:
    return getattr(pandapower.networks, _CASES[name])() if name in _CASES else simbench_network(name)


def emptied(name: str) -> Any:
    """pandapower's own network, its machines holding their voltages, without what consumes or generates."""
    net: Any = copy.deepcopy(network_of(name))
    for kind in ("load", "sgen", "storage"):
        net[kind] = net[kind].iloc[:0]
    if len(net.gen):
        net.gen["p_mw"] = 0.0
    return net


@pytest.mark.parametrize("name", NAMES)
def test_voltages_losses_and_loadings_are_pandapowers(name: str) -> None:
    community = load_community(name)
    net_kw = injections(community)
    found = flow_of(community, net_kw)
    assert found.voltage_pu is not None
    assert found.branch_loss_kw is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = emptied(name)
        pandapower.rundcpp(net)
        index_of = pandapower_buses(net)
        first = {index: bus for bus, index in reversed(index_of.items())}
        for hour, injection in enumerate(net_kw[0]):
            put_in = copy.deepcopy(net)
            for at, power in zip(community.network.prosumer_bus, injection, strict=True):
                reactive = np.tan(np.arccos(0.95)) * max(0.0, -power)
                pandapower.create_load(put_in, first[at], p_mw=-power / 1e3, q_mvar=reactive / 1e3)
            pandapower.runpp(put_in, tolerance_mva=1e-9, numba=False)
            theirs = np.array([put_in.res_bus.vm_pu.at[first[k]] for k in range(len(first))])
            assert found.voltage_pu[0, hour] == pytest.approx(theirs, abs=1e-6)
            load = max(np.abs(injection).sum(), 1.0)
            lines = put_in.res_line[put_in.line.in_service]
            branches = 1e3 * np.concatenate([lines.pl_mw, put_in.res_trafo.pl_mw])
            used = branches if len(branches) == community.network.grid.n_branches else None
            assert found.branch_loss_kw[0, hour].sum() == pytest.approx(branches.sum(), abs=1e-6 * load)
            if used is not None:
                assert found.branch_loss_kw[0, hour] == pytest.approx(used, abs=1e-6 * load)
            if name.startswith("simbench"):  # the others' limits are our own
                loading = np.concatenate([lines.loading_percent, put_in.res_trafo.loading_percent]) / 100
                assert found.loading[0, hour] == pytest.approx(loading, abs=1e-6)


@pytest.mark.parametrize("seed", [0, 1])
def test_it_keeps_the_promises_of_power_flows(seed: int) -> None:
    network, random = random_network(seed, meshed=bool(seed)), np.random.default_rng(seed)
    require_power_flow(AcPowerFlow(network), random.normal(0, 0.4, (3, 6, 5)), random.normal(0, 0.4, (3, 6, 6)))


def test_rows_of_a_named_community_do_not_feel_each_other_to_the_last_bit() -> None:
    community = load_community("simbench-rural")
    net_kw = (community.renewable_kw - community.load_kw).reshape(-1, 24, 13)[170:175]
    base = np.zeros((1, 24, community.network.grid.n_buses))
    power_flow = AcPowerFlow(community.network)
    together = power_flow.of(net_kw, base)
    for row in range(5):
        alone = AcPowerFlow(community.network).of(net_kw[row : row + 1], base)
        assert np.array_equal(alone.loss_kw[0], together.loss_kw[row])
        assert np.array_equal(alone.loading[0], together.loading[row])


@pytest.mark.parametrize("name", ["simbench-rural", "simbench-semiurb4", "case33bw", "two-prosumers"])
def test_the_fixed_point_finds_the_voltages_that_newton_finds(name: str) -> None:
    grid, net_kw = load_community(name).network.grid, injections(load_community(name))
    assert has_one_source(grid)
    power = load_community(name).network.injection(net_kw)
    voltage, solved = FixedPoint(grid).voltages(power, 0.3 * power)
    theirs, found = Newton(grid).voltages(power[0], 0.3 * power[0])
    assert solved.all()
    assert found.all()
    assert np.abs(voltage[0] - theirs).max() < 1e-9


def test_a_day_that_the_fixed_point_cannot_solve_is_left_to_newton_without_touching_others() -> None:
    community = load_community("two-prosumers")
    net_kw = np.zeros((2, 3, 2))
    net_kw[:, :, 1] = [[-2.0, -2.0, -2.0], [-2.0, -135.0, -2.0]]
    power = community.network.injection(net_kw)
    assert FixedPoint(community.network.grid).voltages(power, np.zeros_like(power))[1].tolist() == [True, False]
    together, alone = flow_of(community, net_kw), flow_of(community, net_kw[:1])
    assert np.array_equal(together.loss_kw[0], alone.loss_kw[0])
    assert together.loss_kw[1, 0] == pytest.approx(together.loss_kw[0, 0], abs=1e-8)
    assert together.voltage_pu is not None
    assert together.voltage_pu[1, 1].min() < 0.7


def test_machines_that_hold_voltages_are_left_to_newton() -> None:
    assert not has_one_source(load_community("ieee9").network.grid)


def test_numbers_of_a_sunny_day_are_those_measured_by_pandapower_for_the_specification() -> None:
    """Charge, peak loading, greatest voltage, losses: raised from 0 to 1, and `trades` says that losses fall."""
    env: Any = gymnasium.make(
        "gridtoll.envs:gridtoll/DayAhead-v0", flows="injections", power_flow="ac", solver="structured", charge_cap=1.0
    ).unwrapped
    for charge, loading, voltage, loss in ((0.0, 1.08, 1.049, 20.4), (0.3, 1.15, 1.051, 23.9), (1.0, 1.22, 1.054, 28.1)):
        env.reset(options={"day": 180})
        info = env.step([charge])[4]
        assert info["peak_loading"] == info["transformer_loading"] == pytest.approx(loading, abs=0.005)
        assert info["voltage_max_pu"] == pytest.approx(voltage, abs=0.0005)
        assert info["ac_loss_kwh"] == pytest.approx(loss, abs=0.05)
        assert info["ac_loss_kwh"] == pytest.approx(info["ac_loss_lines_kwh"] + info["ac_loss_transformers_kwh"])
        assert not info["network_secure"]
        assert (info["loaded_branch"], info["loaded_period"]) == ("MV1.101-LV1.101-Trafo 1", 12)


def test_without_prosumers_the_transformer_loses_its_iron_losses_which_nobody_is_charged_for() -> None:
    community = load_community("simbench-rural")
    idle = flow_of(community, np.zeros((1, 2, 13)))
    assert idle.branch_loss_kw is not None
    assert idle.branch_loss_kw.sum(axis=2) == pytest.approx(0.48, abs=0.01), "0.46 kW at 1 p.u., and the slack bus holds 1.025"
    assert np.array_equal(idle.loss_kw, np.zeros((1, 2)))


def test_what_is_drawn_has_the_power_factor_and_what_is_put_in_has_none() -> None:
    community = load_community("two-prosumers")
    drawn = np.array([[[0.0, -2.0]]])
    worse, better = (flow_of(community, drawn, power_factor=factor) for factor in (0.8, 1.0))
    assert worse.loss_kw[0, 0] == pytest.approx(better.loss_kw[0, 0] / 0.8**2, rel=0.02), "losses go with the current"
    put_in = np.array([[[0.0, 2.0]]])
    assert np.array_equal(flow_of(community, put_in, power_factor=0.8).loading, flow_of(community, put_in, power_factor=1.0).loading)


def test_a_voltage_outside_the_band_is_not_secure() -> None:
    community = load_community("simbench-rural")
    calm = 0.1 * injections(community)
    assert flow_of(community, calm).secure.all()
    assert not flow_of(community, calm, voltage_max=1.02).secure.any(), "the slack bus holds 1.025"


def test_limits_in_amperes_are_those_of_the_data() -> None:
    net = network_of("simbench-rural")
    grid = load_community("simbench-rural").network.grid
    wires = wires_of(grid)
    ampere = wires.branch_limit_ampere(grid)
    assert ampere[~wires.is_transformer] == pytest.approx(1e3 * net.line.max_i_ka.to_numpy())
    assert wires.is_transformer.sum() == 1
    assert ampere[wires.is_transformer] * 20.0 * 3**0.5 == pytest.approx(1e3 * net.trafo.sn_mva.to_numpy())


def test_an_hour_that_the_wires_cannot_carry_is_named_with_its_loading() -> None:
    community = load_community("two-prosumers")
    net_kw = np.zeros((2, 3, 2))
    net_kw[1, 2, 1] = -400.0
    with pytest.raises(PowerFlowError, match=r"'two-prosumers' has no solution in period 2: 400 kW.*'line' is loaded to 13333%") as raised:
        flow_of(community, net_kw)
    assert (raised.value.number, raised.value.period) == (1, 2)
    with pytest.raises(PowerFlowError, match="in period 2: 10000 kW are put in in all"):
        flow_of(community, -25.0 * net_kw)


def test_a_day_without_a_solution_is_named_by_the_environment() -> None:
    env: Any = gymnasium.make("gridtoll.envs:gridtoll/DayAhead-v0", community="ieee39", flows="injections", power_flow="ac")
    env.reset(options={"day": 180})
    with pytest.raises(ClearingError, match=r"ieee39/day 180/prices 0: the AC power flow of 'ieee39' has no solution in period \d+"):
        env.step([0.0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ac:power_factr=0.9", "a parameter of power flow 'ac' must be one of .*; got 'power_factr'. Did you mean 'power_factor'"),
        ("ac:power_factor=1.2", "`power_factor` must be above 0 and at most 1, got 1.2"),
        ("ac:voltage_min=1.2", "`voltage_min` and `voltage_max` must rise"),
        ("dc:power_factor=1", "a parameter of power flow 'dc' must be one of none; got 'power_factor'"),
    ],
)
def test_parameters_that_cannot_be_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_power_flow(GameSpec(power_flow=text).power_flow, random_network())


def test_the_certified_optimum_refuses_it_and_says_what_there_is_instead() -> None:
    task = GameSpec(community="two-prosumers", power_flow="ac")
    assert not is_provable(task)
    with pytest.raises(ValueError, match=r"linear one of its network.*got AcPowerFlow.*--resettle ac"):
        exact_market_of(task)


@pytest.mark.parametrize("name", ["DayAhead", "Hourly"])
def test_rows_of_a_batch_are_the_single_environment_in_both_games(name: str) -> None:
    told: dict[str, Any] = {"community": "two-prosumers", "power_flow": "ac", "flows": "injections"}
    single: Any = gymnasium.make(f"gridtoll.envs:gridtoll/{name}-v0", solver="structured", **told)
    batch: Any = gymnasium.make_vec(f"gridtoll.envs:gridtoll/{name}-v0", num_envs=2, **told)
    batch.reset(options={"day": [20, 180], "price_path": [0, 0]})
    single.reset(options={"day": 180, "price_path": 0})
    _, rewards, _, _, infos = batch.step(np.full((2, 1), 0.1))
    _, reward, _, _, info = single.step(np.array([0.1]))
    assert rewards[1] == reward
    for key in INFO_OF_WIRES:
        assert infos.get("final_info", infos)[key][1] == info[key]


def test_environments_pickle_and_copy() -> None:
    environment = environment_of(GameSpec(community="two-prosumers", power_flow="ac:power_factor=0.9"))
    for twin in (pickle.loads(pickle.dumps(environment)), copy.deepcopy(environment)):
        power_flow: Any = twin.setting.rules.power_flow
        assert power_flow.power_factor == 0.9


def test_electrical_data_do_not_move_what_communities_are_known_by() -> None:
    community = load_community("simbench-rural")
    bare = replace(community.network, grid=replace(community.network.grid, wires=None))
    assert replace(community, network=bare).content_hash == community.content_hash


def shifted(line_number: int) -> Any:
    """The case of 9 buses with a line replaced by a transformer that shifts phases by 30 degrees."""
    net = pandapower.networks.case9()
    line = net.line.loc[line_number]
    net.line.drop(index=line_number, inplace=True)
    sizes = {"sn_mva": 250.0, "vn_hv_kv": 345.0, "vn_lv_kv": 345.0, "vkr_percent": 0.1, "vk_percent": 5.0, "pfe_kw": 0.0, "i0_percent": 0.0}
    pandapower.create_transformer_from_parameters(net, int(line.from_bus), int(line.to_bus), shift_degree=5.0, **sizes)
    return net


@pytest.mark.filterwarnings("ignore")
def test_a_phase_shifter_in_a_mesh_is_refused_and_one_that_no_loop_feels_is_not() -> None:
    net = shifted(0)  # the first machine's own line
    wires_from_pandapower(net, grid_from_pandapower(net, "outside"))
    meshed = shifted(2)
    with pytest.raises(ValueError, match="phase shifts of transformers must add up to nothing around every loop"):
        wires_from_pandapower(meshed, grid_from_pandapower(meshed, "meshed"))


def test_every_named_community_has_electrical_data_or_is_plain() -> None:
    plain = [name for name in COMMUNITY_NAMES if load_community(name).network.grid.wires is None]
    assert plain == ["two-prosumers"]
    grid = load_community("two-prosumers").network.grid
    assert make_network(grid, [0, 1]).grid is grid
