"""The grid of a folder: electrical data that round-trip, limits in amperes, and a PTDF matrix of one's own."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gridtoll.envs.community.sources import export_community, load_community
from gridtoll.envs.games.setting import make_setting
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.grid.ac import AcPowerFlow
from gridtoll.envs.grid.power_flow import DcPowerFlow
from gridtoll.envs.grid.voltage_rows import voltage_of
from gridtoll.train.cli import main

Cells = dict[str, list[str]]


def columns(path: Path) -> Cells:
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    return {name: [row[place] for row in rows] for place, name in enumerate(header)}


def write(path: Path, cells: Cells) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([list(cells), *zip(*cells.values(), strict=True)])


def faults_of(folder: Path) -> str:
    with pytest.raises(ValueError, match="is not valid") as caught:
        load_community(folder)
    return str(caught.value)


def first_days(name: str, folder: Path, days: int = 14) -> Path:
    """Export a community and keep its first days."""
    export_community(load_community(name), folder)
    for file in ("load_kw.csv", "renewable_kw.csv", "prices.csv"):
        lines = (folder / file).read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / file).write_text("".join(lines[: 1 + 24 * days]), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def of_villages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return first_days("simbench-rural", tmp_path_factory.mktemp("villages") / "village")


@pytest.fixture(scope="module")
def of_streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return first_days("two-prosumers", tmp_path_factory.mktemp("streets") / "street")


@pytest.fixture
def village(of_villages: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(of_villages, tmp_path / "village"))


@pytest.fixture
def street(of_streets: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(of_streets, tmp_path / "street"))


@pytest.mark.parametrize("name", ["simbench-rural", "ieee57", "two-prosumers"])
def test_a_grid_written_and_read_has_the_same_electrical_data(name: str, tmp_path: Path) -> None:
    community = load_community(name)
    again = load_community(export_community(community, tmp_path / "copy"))
    before, after = community.network.grid.wires, again.network.grid.wires
    assert again.content_hash == community.content_hash
    if before is None:
        assert after is None
        assert "kind" not in columns(tmp_path / "copy" / "branches.csv")
        return
    assert after is not None
    for field, values in before.arrays().items():
        assert after.arrays()[field] == pytest.approx(values, rel=1e-15, nan_ok=True), field
    assert np.isnan(before.bus_held_pu).any()


def test_limits_in_amperes_are_those_in_kw_at_nominal_voltage(village: Path) -> None:
    community = load_community(village)
    grid = community.network.grid
    assert grid.wires is not None
    cells = columns(village / "branches.csv")
    cells["limit_a"] = [repr(value) for value in grid.wires.branch_limit_ampere(grid).tolist()]
    assert cells["limit_a"][0][:5] == "270.0"
    assert cells["kind"][-1] == "transformer"
    del cells["limit_kw"]
    write(village / "branches.csv", cells)
    again = load_community(village).network.grid
    assert again.branch_limit_kw == pytest.approx(grid.branch_limit_kw, rel=1e-14)
    assert again.wires is not None
    net = np.full((1, 1, 13), -3.0)
    base = np.zeros((1, 1, 15))
    assert AcPowerFlow(load_community(village).network).of(net, base).loading == pytest.approx(
        AcPowerFlow(community.network).of(net, base).loading, rel=1e-12
    )


def test_a_transformer_is_rated_at_its_own_voltages_and_keeps_them_when_it_is_written(village: Path, tmp_path: Path) -> None:
    """21 kV on a bus of 20 kV: the rated current is that of 21 kV, and limits in amperes are of that current."""
    nominal = load_community(village)
    cells = columns(village / "branches.csv")
    assert "rated_from" not in cells, "where all are nominal there is no such column"
    ones = ["1"] * (len(cells["branch"]) - 1)
    cells |= {"rated_from": [*ones, "1.05"], "rated_to": [*ones, "1"]}
    write(village / "branches.csv", cells)
    rated = load_community(village)
    again = load_community(export_community(rated, tmp_path / "written"))
    net, base = np.full((1, 1, 13), -3.0), np.zeros((1, 1, 15))
    loads = [AcPowerFlow(each.network).of(net, base).loading[0, 0] for each in (nominal, rated, again)]
    assert loads[1][:-1] == pytest.approx(loads[0][:-1], rel=1e-12)
    assert loads[1][-1] == pytest.approx(1.05 * loads[0][-1], rel=0.02), "by the current of its first side"
    assert loads[1][-1] > 1.02 * loads[0][-1]
    assert loads[2] == pytest.approx(loads[1], rel=1e-12)
    grid = rated.network.grid
    assert grid.wires is not None
    cells["limit_a"] = [repr(value) for value in grid.wires.branch_limit_ampere(grid).tolist()]
    del cells["limit_kw"]
    write(village / "branches.csv", cells)
    assert load_community(village).network.grid.branch_limit_kw == pytest.approx(grid.branch_limit_kw, rel=1e-14)


def test_amperes_without_a_voltage_and_limits_of_both_kinds_are_refused(village: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = columns(village / "branches.csv")
    both = whole | {"limit_a": ["100"] * len(whole["branch"])}
    write(village / "branches.csv", both)
    assert "must have one column of limits, limit_kw or limit_a, got both" in faults_of(village)
    write(village / "branches.csv", {name: cells for name, cells in both.items() if name not in ("limit_a", "limit_kw")})
    assert "must have one column of limits, limit_kw or limit_a, got neither; the file has branch, from" in faults_of(village)
    write(village / "branches.csv", {name: cells for name, cells in both.items() if name != "limit_kw"})
    buses = columns(village / "buses.csv")
    write(village / "buses.csv", buses | {"voltage_kv": ["", *["0.4"] * 10, "", "", "0.4", "0.4"]})
    said = faults_of(village)
    assert (
        "buses.csv, column 'voltage_kv': limits in amperes need the nominal voltage of the buses where branches begin, missing at" in said
    )
    write(village / "buses.csv", {name: cells for name, cells in buses.items() if name != "voltage_kv"})
    assert main(["clear", "--community", str(village), "--day", "3", "--charge", "0.1"]) == 2
    assert "missing at LV1.101 Bus 10" in capsys.readouterr().err


def test_a_line_between_two_voltages_and_numbers_that_cannot_be_are_named(village: Path) -> None:
    cells = columns(village / "branches.csv")
    cells["kind"][-1], cells["kind"][0], cells["ratio"][1] = "line", "cable", "0"
    write(village / "branches.csv", cells)
    said = faults_of(village)
    assert "row 15, column 'kind': a line must join buses of one voltage, got 20 and 0.4 kV. Is it a transformer?" in said
    assert "row 2, column 'kind': must be one of line, transformer, got 'cable'" in said
    assert "row 3, column 'ratio': must be a number above 0, got '0'" in said


def test_without_kinds_a_branch_between_two_voltages_is_a_transformer(village: Path) -> None:
    cells = columns(village / "branches.csv")
    write(village / "branches.csv", {name: column for name, column in cells.items() if name != "kind"})
    wires = load_community(village).network.grid.wires
    assert wires is not None
    assert np.flatnonzero(wires.is_transformer).tolist() == [13]


def test_a_ptdf_matrix_of_ones_own_says_what_flows_whatever_its_slack_and_order(tmp_path: Path) -> None:
    community = load_community("ieee9")
    grid = community.network.grid
    halved = grid.ptdf.copy()
    [loop] = [np.linalg.svd(incidence(grid.branch_from, grid.branch_to, 9).T)[2][-1]]  # flows around the ring change no bus
    halved += 0.1 * np.outer(loop, np.arange(9) - grid.slack_bus)
    own = replace(community, network=replace(community.network, grid=replace(grid, ptdf=halved)))
    folder = export_community(own, tmp_path / "own")
    again = load_community(folder)
    assert again.network.grid.ptdf == pytest.approx(halved, abs=1e-15)
    cells = columns(folder / "ptdf.csv")
    order = np.random.default_rng(1).permutation(9)
    shifted = {"branch": [cells["branch"][k] for k in order]}
    for place in reversed(range(9)):
        shifted[grid.bus_names[place]] = [repr(value + 0.25) for value in halved[order, place].tolist()]  # another slack
    write(folder / "ptdf.csv", shifted)
    assert load_community(folder).network.grid.ptdf == pytest.approx(halved, abs=1e-12)
    assert not (export_community(community, tmp_path / "plain") / "ptdf.csv").exists()


def incidence(start: np.ndarray, end: np.ndarray, n_buses: int) -> np.ndarray:
    matrix = np.zeros((len(start), n_buses))
    matrix[np.arange(len(start)), start], matrix[np.arange(len(end)), end] = 1.0, -1.0
    return matrix


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"branch": ["line"], "buyer": ["1"]}, "`ptdf` must lead 1 kW from each bus to the slack bus 'seller' (to within 0.1 kW). Of 1 kW"),
        ({"branch": ["line"], "buyer": ["nan"]}, "ptdf.csv, row 2, column 'buyer': must be a number, got 'nan'"),
        (
            {"branch": ["lime"], "buyer": ["-1"]},
            "ptdf.csv, row 2, column 'branch': must be one of the branches of branches.csv, got 'lime'",
        ),
        ({"branch": ["lime"], "buyer": ["-1"]}, "must have a row for each branch of branches.csv, has none for line"),
        ({"branch": ["line", "line"], "buyer": ["-1", "-1"]}, "must be unique, 'line' stands in row 2 already"),
        ({"branch": ["line"], "byer": ["-1"]}, "ptdf.csv, column 'buyer': the column is missing"),
        ({"branch": ["line"], "buyer": ["-1"], "mill": ["0"]}, "ptdf.csv, column 'mill': there is no such column"),
    ],
)
def test_matrices_of_ones_own_that_cannot_be_are_named_by_row_and_column(street: Path, cells: Cells, said: str) -> None:
    write(street / "ptdf.csv", cells)
    assert said in faults_of(street)


def test_a_sensitivity_with_losses_is_taken_as_it_is(street: Path) -> None:
    write(street / "ptdf.csv", {"branch": ["line"], "buyer": ["-0.97"], "seller": ["0"]})
    assert load_community(street).network.grid.ptdf.tolist() == [[0.0, -0.97]]


SENSITIVITY = {"bus": ["buyer"], "idle_pu": ["1.01"], "buyer": ["0.002"], "seller": ["0.0005"]}


def test_a_voltage_sensitivity_of_ones_own_is_what_rows_of_voltages_say(street: Path) -> None:
    write(street / "voltage_sensitivity.csv", SENSITIVITY)
    game = GameSpec(community=str(street), flows="injections", voltage_price=300.0, voltage_band=0.02)
    setting = make_setting(game, split="train")
    grid = setting.community.network.grid
    assert grid.branch_names == ("line", "voltage at buyer")
    net = np.array([[[2.0, -5.0]]])
    rows = DcPowerFlow(setting.community.network).of(net, np.zeros((1, 1, 2))).branch_kw
    assert voltage_of(grid, rows)[0, 0] == pytest.approx([1.01 + 0.0005 * 2.0 - 0.002 * 5.0])
    community = load_community(street)
    again = load_community(export_community(community, street.parent / "again"))
    assert again.content_hash == community.content_hash
    (street / "voltage_sensitivity.csv").unlink()
    assert load_community(street).content_hash != community.content_hash


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bus": ["bayer"]}, "voltage_sensitivity.csv, row 2, column 'bus': must be one of the buses of buses.csv, got 'bayer'"),
        ({"idle_pu": ["0"]}, "voltage_sensitivity.csv, row 2, column 'idle_pu': must be a number above 0, got '0'"),
        ({"buyer": [""]}, "voltage_sensitivity.csv, row 2, column 'buyer': must be a number, got an empty cell (a gap)"),
        ({"mill": ["0"]}, "voltage_sensitivity.csv, column 'mill': there is no such column"),
    ],
)
def test_voltage_sensitivities_that_cannot_be_are_named(street: Path, changes: Cells, said: str) -> None:
    write(street / "voltage_sensitivity.csv", SENSITIVITY | changes)
    assert said in faults_of(street)


def test_a_bus_with_the_name_of_a_column_is_refused_beside_a_sensitivity(street: Path) -> None:
    for file in ("buses.csv", "branches.csv", "prosumers.csv"):
        text = (street / file).read_text(encoding="utf-8")
        (street / file).write_text(text.replace("buyer", "idle_pu"), encoding="utf-8")
    write(street / "voltage_sensitivity.csv", {"bus": ["idle_pu"], "idle_pu": ["1"]})
    assert "no bus may be called 'bus' or 'idle_pu' where this file is there" in faults_of(street)
