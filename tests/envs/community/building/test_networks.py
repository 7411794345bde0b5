"""Networks of pandapower as users write them to JSON: what is taken, what is left out and said, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandapower
import pytest
from small_street import build

from gridtoll.envs.community.building import Built
from gridtoll.envs.community.sources import export_community, load_community
from gridtoll.envs.grid.ac import AcPowerFlow
from gridtoll.train.cli import main

pytestmark = pytest.mark.filterwarnings("ignore")
TRANSFORMER = "0.25 MVA 20/0.4 kV"


def street() -> Any:
    """A transformer of 20 kV to 0.4 kV at tap −2, and cables to the houses A and B."""
    net = pandapower.create_empty_network()
    station, root, a, b = (
        pandapower.create_bus(net, volt, name=name) for volt, name in ((20.0, "MV"), (0.4, "root"), (0.4, "A"), (0.4, "B"))
    )
    pandapower.create_ext_grid(net, station, vm_pu=1.01)
    pandapower.create_transformer(net, station, root, TRANSFORMER, name="trafo", tap_pos=-2)
    for name, end, km in (("to A", a, 0.2), ("to B", b, 0.5)):
        pandapower.create_line(net, root, end, km, "NAYY 4x150 SE", name=name)
    pandapower.create_load(net, a, 0.001)
    return net


def built(folder: Path, net: Any) -> Built:
    pandapower.to_json(net, str(folder / "net.json"))
    return build(folder, grid=str(folder / "net.json"))


def test_transformer_tap_iron_losses_and_standard_types_come_with_the_network(tmp_path: Path) -> None:
    net = street()
    community = built(tmp_path, net).community
    wires = community.network.grid.wires
    assert wires is not None
    [transformer] = np.flatnonzero(wires.is_transformer)
    assert wires.branch_ratio[transformer] == pytest.approx(1 - 2 * 0.025)
    assert wires.branch_limit_ampere(community.network.grid)[~wires.is_transformer] == pytest.approx([270.0, 270.0])
    assert community.network.grid.branch_limit_kw[transformer] == pytest.approx(250.0)
    flow = AcPowerFlow(community.network, power_factor=1.0).of(np.array([[[-20.0, 15.0]]]), np.zeros((1, 1, 4)))
    net.load.drop(net.load.index, inplace=True)
    pandapower.create_load(net, 2, 0.020)
    pandapower.create_sgen(net, 3, 0.015)
    pandapower.runpp(net, tolerance_mva=1e-9, numba=False)
    assert flow.voltage_pu is not None
    assert flow.branch_loss_kw is not None
    assert flow.voltage_pu[0, 0] == pytest.approx(net.res_bus.vm_pu.to_numpy(), abs=1e-7)
    assert flow.branch_loss_kw.sum() == pytest.approx(1e3 * (net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum()), abs=1e-5)
    assert flow.branch_loss_kw[0, 0, transformer] > 0.7, "iron losses of 0.8 kW at 1 p.u."
    again = load_community(export_community(community, tmp_path / "kept")).network.grid.wires
    assert again is not None
    assert again.branch_ratio == pytest.approx(wires.branch_ratio)


def test_what_is_out_of_service_is_left_out_and_what_is_open_at_one_end_stays_energised_and_both_are_said(tmp_path: Path) -> None:
    net = street()
    spare = pandapower.create_bus(net, 0.4, name="spare", in_service=False)
    pandapower.create_line(net, 1, spare, 0.1, "NAYY 4x150 SE", in_service=False)
    tie = pandapower.create_line(net, 2, 3, 0.1, "NAYY 4x150 SE", name="tie")
    pandapower.create_switch(net, 3, tie, et="l", closed=False)
    second = pandapower.create_transformer(net, 0, 1, TRANSFORMER, name="second")
    pandapower.create_switch(net, 1, second, et="t", closed=False)
    third = pandapower.create_transformer(net, 0, 1, TRANSFORMER, name="third")
    for bus in (0, 1):
        pandapower.create_switch(net, bus, third, et="t", closed=False)
    made = built(tmp_path, net)
    grid = made.community.network.grid
    assert grid.branch_names == ("to A", "to B", "tie", "trafo", "second")
    assert grid.bus_names == ("MV", "root", "A", "B", "open end of tie", "open end of second")
    assert grid.wires is not None
    assert grid.wires.is_transformer.tolist() == [False, False, False, True, True]
    assert (grid.ptdf[[2, 4], :4] == 0.0).all(), "nothing flows through"
    said = str(made.sentences)
    assert "out of service: 1 of 5 buses, left out" in said
    assert "out of service: 1 of 4 lines, left out" in said
    assert "open switches: 4; 0 between buses, 4 at lines and transformers, which carry nothing through; 2 of these stay energised" in said


def test_buses_joined_by_a_closed_switch_are_one_and_by_an_open_one_two(tmp_path: Path) -> None:
    net = street()
    joined = pandapower.create_bus(net, 0.4, name="cabinet")
    pandapower.create_switch(net, 1, joined, et="b")
    apart = pandapower.create_bus(net, 0.4, name="farm")
    pandapower.create_switch(net, 1, apart, et="b", closed=False)
    pandapower.create_line(net, joined, apart, 0.1, "NAYY 4x150 SE", name="to farm")
    made = built(tmp_path, net)
    grid = made.community.network.grid
    assert grid.n_buses == 5
    assert [grid.bus_names[k] for k in (grid.branch_from[2], grid.branch_to[2])] == ["root", "farm"]
    assert "open switches: 1; 1 between buses" in str(made.sentences)


def test_taps_that_pandapower_does_not_apply_are_said(tmp_path: Path) -> None:
    net = street()
    net.trafo["tap_changer_type"] = None
    made = built(tmp_path, net)
    assert made.community.network.grid.wires is not None
    assert made.community.network.grid.wires.branch_ratio.tolist() == [1.0, 1.0, 1.0]
    assert "taps: 1 transformers have a tap_pos that pandapower does not apply" in str(made.sentences)


def test_a_network_that_has_no_ac_solution_of_its_own_keeps_its_linear_flows_and_says_so(tmp_path: Path) -> None:
    net = street()
    pandapower.create_load(net, 2, 5.0)
    made = built(tmp_path, net)
    assert made.community.network.grid.wires is None
    assert "data for the AC power flow: none, plain lines are taken; the AC power flow of 'street' must have a solution" in str(
        made.sentences
    )


def two_sources(net: Any) -> None:
    pandapower.create_ext_grid(net, 3)


def a_source_and_a_slack_machine(net: Any) -> None:
    pandapower.create_gen(net, 2, 0.0, slack=True)


def no_source(net: Any) -> None:
    net.ext_grid["in_service"] = False


def an_island(net: Any) -> None:
    far = [pandapower.create_bus(net, 0.4, name=name) for name in ("mill", "inn")]
    pandapower.create_line(net, *far, 0.1, "NAYY 4x150 SE")


def no_limit(net: Any) -> None:
    net.line.loc[1, "max_i_ka"] = np.nan


def no_reactance(net: Any) -> None:
    net.line.loc[0, "x_ohm_per_km"] = 0.0


def no_resistance(net: Any) -> None:
    net.line.loc[0, "r_ohm_per_km"] = np.nan


def no_short_circuit_voltage(net: Any) -> None:
    net.trafo["vk_percent"] = 0.0


def no_voltage(net: Any) -> None:
    net.bus.loc[3, "vn_kv"] = np.nan


def three_windings(net: Any) -> None:
    low = pandapower.create_bus(net, 10.0)
    pandapower.create_transformer3w(net, 0, low, 1, "63/25/38 MVA 110/20/10 kV")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (two_sources, "must have one external grid in service, which takes up what injections do not balance, got 2, at bus 0, bus 3"),
        (a_source_and_a_slack_machine, "got 2, at bus 0, bus 2. Take the others out of service, or make them generators"),
        (no_source, "must have one external grid in service, which takes up what injections do not balance, got none"),
        (
            an_island,
            r"every bus in service must be reached from the external grid, these are islands: mill \(4\), inn \(5\). Close a switch",
        ),
        (no_limit, r"every line in service must have a length, and a limit in kA .*these have none: to B \(1\)"),
        (no_reactance, r"every line in service must have a reactance in ohms per km other than 0 .*these have none: to A \(0\)"),
        (no_resistance, r"every line in service must have a resistance in ohms per km .*these have none: to A \(0\)"),
        (
            no_short_circuit_voltage,
            r"every transformer in service must have a short-circuit voltage in % other than 0 .*these have none: trafo \(0\)",
        ),
        (no_voltage, r"every bus in service must have a nominal voltage in kV \(vn_kv\), these have none: B \(3\)"),
        (three_windings, "a grid must consist of lines and two-winding transformers, got trafo3w"),
    ],
)
def test_networks_that_cannot_be_a_grid_are_refused_with_what_to_mend(tmp_path: Path, change: Any, said: str) -> None:
    net = street()
    change(net)
    with pytest.raises(ValueError, match=said):
        built(tmp_path, net)


def test_all_that_is_wrong_with_a_network_comes_at_once_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = street()
    no_limit(net)
    two_sources(net)
    build(tmp_path)  # writes the meters
    pandapower.to_json(net, str(tmp_path / "net.json"))
    asked = ["communities", "build", str(tmp_path / "made"), "--meters", str(tmp_path / "meters.csv"), "--grid", str(tmp_path / "net.json")]
    assert main([*asked, "--import-price", "0.3", "--export-price", "0.1", "--time-zone", "UTC"]) == 2
    said = capsys.readouterr().err
    assert "net.json: every line in service must have a length, and a limit in kA" in said
    assert "net.json: a network must have one external grid in service" in said
    assert "Traceback" not in said


def test_lines_of_a_file_may_be_transformers_and_keep_amperes_and_voltages(tmp_path: Path) -> None:
    rows = ["from,to,kind,r_ohm,x_ohm,limit_a,voltage_kv", "MV,root,transformer,20,60,7.2,20", "root,A,line,0.02,0.01,100,0.4"]
    lines = "\n".join([*rows, "root,B,line,0.03,0.01,80,0.4"])
    made = build(tmp_path, files={"lines.csv": lines}, voltage_kv=None).community
    grid = made.network.grid
    assert grid.wires is not None
    assert grid.wires.is_transformer.tolist() == [True, False, False]
    assert grid.wires.bus_voltage_kv.tolist() == [20.0, 0.4, 0.4, 0.4]
    assert grid.branch_limit_kw == pytest.approx(np.sqrt(3) * np.array([20 * 7.2, 0.4 * 100, 0.4 * 80]))
    kept = load_community(export_community(made, tmp_path / "kept")).network.grid
    assert kept.wires is not None
    assert kept.wires.branch_limit_ampere(kept) == pytest.approx([7.2, 100.0, 80.0], rel=1e-14)
    with pytest.raises(ValueError, match=r"row 3: lines at a bus must have one voltage, got 20 and 0.4 kV at 'root'. Is one a transformer"):
        build(tmp_path, files={"lines.csv": lines.replace("transformer", "line")}, voltage_kv=None)
    with pytest.raises(ValueError, match="row 3, column 'kind': must be line or transformer, got 'cable'"):
        build(tmp_path, files={"lines.csv": lines.replace("A,line", "A,cable")}, voltage_kv=None)
