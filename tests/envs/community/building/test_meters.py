"""What meters count becomes loads and sun by the rules of the page, and prices, prosumers and grids are found as they are given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandapower
import pandapower.networks
import pytest
from small_street import HOURS, build, meters

from gridtoll.envs.community.building.words import Header, of_meter, of_price
from gridtoll.envs.community.parameters import LOSS_PRICE_FLOOR
from gridtoll.envs.community.sources import export_community, load_community

ONES: list[Any] = [1.0] * 48


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("Huber load [kWh]", Header("Huber", "load", "kwh")),
        ("Huber_pv_kwh", Header("Huber", "generation", "kwh")),
        ("Abel, B. Verbrauch (kW)", Header("Abel, B.", "load", "kw")),
        ("House W", Header("House W", "", "")),
        ("House 3 [W]", Header("House 3", "", "w")),
        ("Nr. 5, kWh", Header("Nr. 5", "", "kwh")),
        ("Huber feed-in", Header("Huber", "export", "")),
        ("Huber.net", Header("Huber", "net", "")),
        ("load_kW", Header("", "load", "kw")),
        ("kWh", Header("", "", "kwh")),
    ],
)
def test_a_header_says_whose_numbers_of_what_in_which_unit(header: str, said: Header) -> None:
    assert of_meter(header) == said


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("import [ct/kWh]", Header("", "import_price", "ct/kwh")),
        ("import_price_eur_per_kwh", Header("", "import_price", "eur_per_kwh")),
        ("Huber export price (EUR/MWh)", Header("Huber", "export_price", "eur/mwh")),
        ("loss_price", Header("", "loss_price", "")),
    ],
)
def test_a_header_of_prices_says_the_same_of_prices(header: str, said: Header) -> None:
    assert of_price(header) == said


def test_a_name_of_a_prosumer_is_one_whatever_words_are_in_it(tmp_path: Path) -> None:
    text = meters({"House Solar [kW]": ONES, "B [kW]": ONES})
    files = {"who.csv": "household,bus\nHouse Solar,A\nB,B\n"}
    assert build(tmp_path, text, files=files, prosumers=tmp_path / "who.csv").community.prosumer_names == ("House Solar", "B")


def test_a_net_meter_is_load_above_zero_and_sun_below(tmp_path: Path) -> None:
    net = [2.0, -3.0] * 24
    built = build(tmp_path, meters({"A net [kW]": net, "B load [kW]": ONES}))
    assert built.community.load_kw[:2, 0].tolist() == [2, 0]
    assert built.community.renewable_kw[:2, 0].tolist() == [0, 3]
    assert "the net: load where it is above 0, sun where it is below; own use of own sun is in neither: A" in built.sentences.text
    (tmp_path / "net.csv").write_text(meters({"A [kW]": net, "B [kW]": ONES}), encoding="utf-8")
    same = build(tmp_path, meters=(), net=(tmp_path / "net.csv",)).community
    assert np.array_equal(same.renewable_kw, built.community.renewable_kw)


def test_import_export_and_generation_give_the_load_and_import_and_export_the_net(tmp_path: Path) -> None:
    three = {"A import [kW]": [1.0] * 48, "A export [kW]": [2.0] * 48, "A pv [kW]": [4.0] * 48}
    two = {"B import [kW]": [3.0] * 48, "B export [kW]": [0.5] * 48}
    community = build(tmp_path, meters(three | two)).community
    assert community.load_kw[0].tolist() == [3.0, 2.5]
    assert community.renewable_kw[0].tolist() == [4.0, 0.0]
    three["A export [kW]"] = [6.0] * 48
    with pytest.raises(ValueError, match=r"import \+ generation - export of 'A' must be at least 0, got -1 kW. Is there a battery behind"):
        build(tmp_path, meters(three | two))
    with pytest.raises(ValueError, match=r"the meters of 'A' must be load and generation, .* got export, load\."):
        build(tmp_path, meters({"A load [kW]": ONES, "A export [kW]": ONES, "B load [kW]": ONES}))


def test_files_of_generation_hold_generation_and_a_household_may_have_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "sun.csv").write_text(meters({"A [kW]": ONES, "Park [kW]": ONES}), encoding="utf-8")
    files = {"lines.csv": "from,to,r_ohm,x_ohm\nroot,A,0.1,0.1\nroot,B,0.1,0.1\nroot,Park,0.1,0.1\n"}
    built = build(tmp_path, files=files, generation=(tmp_path / "sun.csv",))
    assert built.community.renewable_kw[0].tolist() == [1, 0, 1]
    assert built.community.load_kw[0].tolist() == [1, 2, 0]
    assert "no load: only generation is counted: Park" in built.sentences.text


def test_finer_readings_are_averaged_and_coarser_ones_held_only_where_that_is_asked_for(tmp_path: Path) -> None:
    quarters = [f"2024-06-01 {k // 4:02d}:{k % 4 * 15:02d}" for k in range(96)]
    text = "\n".join(["time,A load [kWh],B load [kWh]", *(f"{at},{k % 4},1" for k, at in enumerate(quarters))])
    community = build(tmp_path, text, period_minutes=60).community
    assert community.load_kw[0].tolist() == [6.0, 4.0]  # 0 + 1 + 2 + 3 kWh in an hour
    with pytest.raises(ValueError, match=r"--period-minutes: must divide the hour, like 60, 30 or 15, got 45"):
        build(tmp_path, text, period_minutes=45)
    with pytest.raises(
        ValueError, match=r"readings are 60 minutes apart, which periods of 15 minutes cannot be made of. Hold them by --res"
    ):
        build(tmp_path, period_minutes=15)


def test_prices_are_read_in_their_unit_and_losses_cost_the_export_price_but_at_least_a_floor(tmp_path: Path) -> None:
    text = "\n".join(["time,import [ct/kWh],export [EUR/MWh]", *(f"{at},30,{10 if k % 2 else 120}" for k, at in enumerate(HOURS))])
    built = build(tmp_path, files={"prices.csv": text}, prices=tmp_path / "prices.csv", constants={})
    community = built.community
    assert community.import_price[:2].tolist() == [0.3, 0.3]
    assert community.export_price[0, :2].tolist() == [0.12, 0.01]
    assert community.loss_price[0, :2].tolist() == [0.12, LOSS_PRICE_FLOOR]
    assert "loss_price: the export price, but at least 0.02 EUR/kWh" in built.sentences.text


@pytest.mark.parametrize(
    ("header", "constants", "said"),
    [
        ("import,export", {}, "column 'import': the unit of its prices must be stated"),
        ("import [ct/kWh],wind [ct/kWh]", {}, "column 'wind [ct/kWh]': must say which price it holds"),
        ("import [ct/kWh],loss [ct/kWh]", {}, "prices: export_price must be given: a column 'export' in --prices FILE, or --export-price"),
        ("import [ct/kWh],export [ct/kWh]", {"import_price": 0.3}, "--import-price: must be left out where the file of prices has"),
        ("import [ct/kWh],C export [ct/kWh]", {}, "must belong to a household that has a meter, got 'C'"),
    ],
)
def test_prices_that_cannot_be_used_are_named(header: str, constants: dict[str, float], said: str, tmp_path: Path) -> None:
    text = "\n".join([f"time,{header}", *(f"{at},30,10" for at in HOURS)])
    with pytest.raises(ValueError, match="cannot be built") as caught:
        build(tmp_path, files={"prices.csv": text}, prices=tmp_path / "prices.csv", constants=constants)
    assert said in str(caught.value)


def test_batteries_and_buses_come_from_the_file_of_prosumers_which_gives_their_order(tmp_path: Path) -> None:
    files = {"who.csv": "Household;Bus;battery_kw;battery_kwh\nB;root;;\nA;B;2,5;5\n"}
    community = build(tmp_path, files=files, prosumers=tmp_path / "who.csv").community
    assert community.prosumer_names == ("B", "A")
    assert community.network.prosumer_bus.tolist() == [0, 2]
    assert community.storage_power.tolist() == [0, 2.5]
    with pytest.raises(
        ValueError, match=r"every household with a meter must stand in who.csv, got 'B', which does not\.[\s\S]*'C' without"
    ):
        build(tmp_path, files={"who.csv": "household,bus\nA,A\nC,B\n"}, prosumers=tmp_path / "who.csv")


def test_a_roof_without_a_meter_has_the_sun_per_kilowatt_peak_of_its_neighbours(tmp_path: Path) -> None:
    text = meters({"A load [kW]": ONES, "A pv [kW]": [float(k % 24) for k in range(48)], "B load [kW]": ONES})
    files = {"who.csv": "household,bus,sun_kwp\nA,A,10\nB,B,5\n"}
    built = build(tmp_path, text, files=files, prosumers=tmp_path / "who.csv")
    assert np.array_equal(built.community.renewable_kw[:, 1], 0.5 * built.community.renewable_kw[:, 0])
    assert "sun without a meter: sun_kwp times the mean sun per kWp of those with meters: B" in built.sentences.text
    with pytest.raises(ValueError, match="column 'sun_kwp': sun_kwp must come with a meter of generation, of a neighbour at least"):
        build(tmp_path, files=files, prosumers=tmp_path / "who.csv")


def test_a_pandapower_network_is_the_grid_by_name_as_json_and_by_simbench_code(tmp_path: Path) -> None:
    net = pandapower.networks.create_kerber_landnetz_freileitung_1()
    pandapower.to_json(net, str(tmp_path / "net.json"))
    buses = [str(net.bus.name.at[bus]) for bus in net.load.bus[:2]]
    who = {"who.csv": "household,bus\n" + "".join(f"{name},{bus}\n" for name, bus in zip(("A", "B"), buses, strict=True))}
    by_name = build(tmp_path, files=who, prosumers=tmp_path / "who.csv", grid="create_kerber_landnetz_freileitung_1").community
    as_json = build(tmp_path, files=who, prosumers=tmp_path / "who.csv", grid=str(tmp_path / "net.json")).community
    assert by_name.content_hash == as_json.content_hash
    assert by_name.network.grid.n_branches == len(net.line) + len(net.trafo)
    numbers = {"who.csv": f"household,bus\nA,{net.load.bus[0]}\nB,{net.load.bus[1]}\n"}
    assert build(
        tmp_path, files=numbers, prosumers=tmp_path / "who.csv", grid=str(tmp_path / "net.json")
    ).community.network.prosumer_bus.tolist() == (as_json.network.prosumer_bus.tolist())


@pytest.mark.long
def test_a_simbench_grid_is_the_grid_by_its_code(tmp_path: Path) -> None:
    who = {"who.csv": "household,bus\nA,LV1.101 Bus 4\nB,LV1.101 Bus 5\n"}
    community = build(tmp_path, files=who, prosumers=tmp_path / "who.csv", grid="1-LV-rural1--2-sw").community
    assert community.network.grid.n_buses == 15
    named = build(tmp_path, files=who, prosumers=tmp_path / "who.csv", grid="simbench-rural").community
    assert named.network.prosumer_bus.tolist() == community.network.prosumer_bus.tolist()


def test_grids_that_are_none_are_named_and_json_may_not_name_what_is_to_be_imported(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"or a community, got 'case33bv', which is none of these. Did you mean 'case33bw'"):
        build(tmp_path, grid="case33bv")
    (tmp_path / "net.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(ValueError, match=r"net.json: must hold a pandapower network, got a list"):
        build(tmp_path, grid=str(tmp_path / "net.json"))
    inner = json.dumps({"_module": "antigravity", "_class": "fly", "_object": "{}"})
    (tmp_path / "net.json").write_text(json.dumps({"_module": "pandapower.auxiliary", "_object": {"x": inner}}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"a network's JSON must name types of pandapower, .* only, got antigravity"):
        build(tmp_path, grid=str(tmp_path / "net.json"))


def test_a_counter_that_was_never_reset_is_told_from_what_it_adds(tmp_path: Path) -> None:
    counter = [5000.0 + 0.25 * k for k in range(48)]
    with pytest.raises(ValueError, match=r"'A load' never falls, from 5000 to 5011.75 kWh: is it the counter of a meter\?"):
        build(tmp_path, meters({"A load [kWh]": counter, "B load [kWh]": ONES}))
    assert build(tmp_path, meters({"A load [kWh]": ONES, "B load [kWh]": ONES})).community.n_days == 2  # what never changes may be a load


def test_an_export_price_above_the_import_price_is_named_by_its_time(tmp_path: Path) -> None:
    text = "\n".join(["time,import [ct/kWh],export [ct/kWh]", *(f"{at},30,{31 if k == 39 else 10}" for k, at in enumerate(HOURS))])
    with pytest.raises(
        ValueError, match=r"prices: the export price must be at most .* 0.31 above 0.3 EUR/kWh at 2024-06-02T15:00, the first"
    ):
        build(tmp_path, files={"prices.csv": text}, prices=tmp_path / "prices.csv", constants={})


def test_gaps_in_prices_are_filled_by_their_own_rule_alone(tmp_path: Path) -> None:
    text = "\n".join(["time,import [ct/kWh],export [ct/kWh]", *(f"{at},{k},{'' if k == 30 else 0}" for k, at in enumerate(HOURS))])
    files, prices = {"prices.csv": text}, tmp_path / "prices.csv"
    with pytest.raises(ValueError, match=r"'export_price' must have a reading .* got none from 2024-06-02T06:00"):
        build(tmp_path, files=files, prices=prices, constants={}, fill="hold")
    built = build(tmp_path, files=files, prices=prices, constants={}, fill_prices="hold")
    assert "filled: 1 readings of prices.csv: export_price by hold (the reading before)" in built.sentences.text


def test_a_household_has_the_price_of_its_own_column_and_others_the_common_one(tmp_path: Path) -> None:
    text = "\n".join(["time,import [ct/kWh],B import [ct/kWh],export [ct/kWh],A export [ct/kWh]", *(f"{at},30,40,10,20" for at in HOURS)])
    community = build(tmp_path, files={"prices.csv": text}, prices=tmp_path / "prices.csv", constants={}).community
    assert community.import_price[0].tolist() == [0.3, 0.4]
    assert community.export_price[0, 0].tolist() == [0.2, 0.1]
    assert load_community(export_community(community, tmp_path / "street")).content_hash == community.content_hash
    built = build(tmp_path, files={"prices.csv": text}, prices=tmp_path / "prices.csv", constants={})
    assert "loss_price: the export price, its mean over prosumers, but at least 0.02 EUR/kWh" in built.sentences.text
    dear = text.replace("30,40,10,20", "30,40,10,31")  # above the own import price, below that of the other household
    with pytest.raises(ValueError, match=r"prices: the export price of 'A' must be at most the import price, got 0.31 above 0.3 EUR/kWh"):
        build(tmp_path, files={"prices.csv": dear}, prices=tmp_path / "prices.csv", constants={})
