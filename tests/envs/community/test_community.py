"""Communities are complete, within the model's rules on every day, and the same in every process."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gridtoll.envs.community import parameters
from gridtoll.envs.community.community import Community, make_community
from gridtoll.envs.community.parameters import MarketParameters
from gridtoll.envs.community.sources import COMMUNITY_NAMES, load_community
from gridtoll.envs.community.sources.ieee import BRANCH_LIMIT_KW, free_p2p_peak, limit_from_peak
from gridtoll.envs.grid.grid import make_grid
from gridtoll.envs.grid.network import Network, make_network
from gridtoll.envs.market.exact.compiled import StructuredMarket

SIZES = {"simbench-rural": 13, "simbench-rural2": 93, "simbench-rural3": 118, "simbench-semiurb4": 39, "simbench-urban6": 53}
SIZES |= {
    "simbench-rural-long": 13,
    "simbench-rural-pooled": 13,
    "ieee9-pooled": 9,
    "ieee9": 9,
    "ieee39": 21,
    "ieee57": 42,
    "ieee118": 99,
    "case33bw": 32,
    "two-prosumers": 2,
}


def tiny_network() -> Network:
    """Return three prosumers on a line."""
    grid = make_grid(
        "line",
        bus_names=("a", "b", "c"),
        branch_from=[0, 1],
        branch_to=[1, 2],
        branch_resistance_pu=0.01,
        branch_reactance_pu=0.1,
        branch_limit_kw=10.0,
        base_power_kw=100.0,
        slack_bus=0,
        bus_position=[[0.0, 0.0], [0.5, 0.0], [1.0, 0.0]],
    )
    return make_network(grid, [0, 1, 2])


def tiny(**changes: Any) -> Community:
    """Return three prosumers with two days of data."""
    load = np.tile(np.array([1.0, 2.0, 0.0]), (48, 1))
    load[0, 0] = 0.0
    values: dict[str, Any] = {
        "first_date": date(2020, 2, 28),
        "load_kw": load,
        "renewable_kw": np.tile(np.array([0.0, 5.0, 1.0]), (48, 1)),
        "import_price": 0.3,
        "export_price": np.zeros((2, 48)),
        "loss_price": np.full((2, 48), 0.1),
    }
    return make_community("tiny", tiny_network(), **(values | changes))


@pytest.mark.parametrize("name", COMMUNITY_NAMES)
def test_every_community_has_its_size_and_a_leap_year_of_valid_days(name: str) -> None:
    community = load_community(name)
    assert community.n_prosumers == SIZES[name]
    assert community.n_days == 366
    assert community.date(365) == date(2016, 12, 31)
    assert community.n_price_paths == parameters.N_PRICE_PATHS
    for index in range(0, 366, 5 if community.n_prosumers > 40 else 1):
        day = community.day(index, price_path=index % 4)  # validates itself: bounds, feasibility, uniqueness
        assert day.demand_max.shape == (24, SIZES[name])
    assert day.base_injection.shape == (24, community.network.grid.n_buses)


@pytest.mark.parametrize("name", [name for name in COMMUNITY_NAMES if name != "two-prosumers"])
def test_solar_power_sleeps_at_night_wind_does_not_and_nobody_has_both(name: str) -> None:
    community = load_community(name)
    by_hour = community.renewable_kw.reshape(366, 24, -1)
    kind = np.array(community.renewable_kind)
    assert (by_hour[:, :2, kind == "solar"] == 0.0).all()
    assert (by_hour[:, :2, kind == "wind"].mean(axis=(0, 1)) > 0.0).all()
    assert (by_hour[:, :, kind == "none"] == 0.0).all()
    assert (community.renewable_kw.mean(axis=0)[kind != "none"] > 0.0).all()


@pytest.mark.parametrize("name", ["ieee9", "ieee39", "ieee57", "ieee118", "case33bw"])
def test_ieee_systems_have_sun_wind_and_storage_in_the_shares_stated(name: str) -> None:
    community = load_community(name)
    n = community.n_prosumers
    kind = np.array(community.renewable_kind)
    assert (kind == "solar").sum() == round(parameters.IEEE_SOLAR_PROSUMERS * n)
    assert (kind == "wind").sum() == round(parameters.IEEE_WIND_PROSUMERS * n)
    stores = community.storage_power > 0
    assert stores.sum() == round(n / 3)
    energy = community.renewable_kw.mean(axis=0)[kind != "none"] / community.load_kw.mean(axis=0)[kind != "none"]
    low, high = parameters.IEEE_RENEWABLE_ENERGY
    assert low <= energy.min()
    assert energy.max() <= high
    assert community.storage_capacity[stores] == pytest.approx(2 * community.storage_power[stores])


def test_limits_we_set_ourselves_load_the_worst_branch_of_its_peak_hour_to_110_percent() -> None:
    """The day is the one that set the limit of case33bw; what happened in it is found by the exact clearing without charge."""
    community = load_community("case33bw")
    market = StructuredMarket()
    peak = free_p2p_peak(community, lambda day: market.clear(day, np.zeros((32, 32))).traded_kw, days=[144])
    assert peak == pytest.approx(1554.318, rel=1e-5)
    assert limit_from_peak(peak) == BRANCH_LIMIT_KW["case33bw"]
    assert peak / community.network.grid.branch_limit_kw == pytest.approx(1.1, rel=5e-3)


def test_the_default_community_is_the_village_simbench_describes() -> None:
    community = load_community("simbench-rural")
    assert (np.array(community.renewable_kind) == "solar").sum() == 8
    assert (community.storage_power > 0).sum() == 5
    assert community.storage_power.sum() == pytest.approx(73.4 + 33.5 + 30.6 + 18.3 + 50.2, abs=0.5)
    assert community.storage_capacity.sum() == pytest.approx(2 * community.storage_power.sum(), rel=1e-2)
    assert community.load_kw.sum() / 1e3 == pytest.approx(234, rel=0.02)  # MWh in the year
    assert community.renewable_kw.max(axis=0).sum() == pytest.approx(264, rel=0.05)
    assert (community.network.grid.branch_limit_kw > 150).all()


def test_the_long_village_is_the_default_one_on_lines_three_times_as_long() -> None:
    long, short = load_community("simbench-rural-long"), load_community("simbench-rural")
    for field in ("load_kw", "renewable_kw", "storage_power", "storage_capacity", "export_price", "trade_friction"):
        assert np.array_equal(getattr(long, field), getattr(short, field))
    wires, of_short = long.network.grid.wires, short.network.grid.wires
    assert wires is not None
    assert of_short is not None
    times = np.where(wires.is_transformer, 1.0, 3.0)
    for field in ("branch_resistance_pu", "branch_reactance_pu", "branch_susceptance_pu"):
        values, before = getattr(wires, field), getattr(of_short, field)
        assert values == pytest.approx(before * np.where(wires.is_transformer & (field == "branch_susceptance_pu"), 1.0, times))
    assert np.array_equal(long.network.grid.branch_limit_kw, short.network.grid.branch_limit_kw)
    assert np.array_equal(long.network.distance, short.network.distance), "distances count branches in a radial grid"


@pytest.mark.parametrize("name", COMMUNITY_NAMES)
def test_frictions_scale_with_the_mean_load_and_preferences_with_the_load(name: str) -> None:
    community = load_community(name)
    day = community.day(200)
    friction = 0.005 / community.load_kw.mean()
    for value in (day.trade_friction, day.grid_friction, day.storage_wear):
        assert value == pytest.approx(friction)
    load = day.demand_max / 1.4
    assert day.demand_min == pytest.approx(0.6 * load)
    assert day.utility_curvature == pytest.approx(0.3 / load)
    assert day.utility_slope - day.utility_curvature * load == pytest.approx(0.32)  # demand is the load at the reference price
    assert day.storage_start == pytest.approx(0.5 * day.storage_capacity)


@pytest.mark.parametrize("name", COMMUNITY_NAMES)
def test_trade_limits_are_the_smaller_connection_and_connections_carry_every_hour(name: str) -> None:
    community = load_community(name)
    smaller = np.minimum(community.export_limit[:, None], community.import_limit[None, :])
    allowed = community.trade_limit > 0
    assert np.array_equal(community.trade_limit[allowed], smaller[allowed])
    assert np.array_equal(allowed, allowed.T)
    assert (community.import_limit >= 1.4 * community.load_kw.max(axis=0)).all()
    assert (community.export_limit >= community.renewable_kw.max(axis=0)).all()


def test_all_trade_with_all_up_to_45_prosumers_and_20_nearest_beyond_unless_told() -> None:
    assert load_community("ieee57").partners is None
    large = load_community("ieee118")
    assert large.partners == 20
    assert np.array_equal(large.trade_limit > 0, large.network.nearest_partners(20))
    assert (load_community("ieee118", partners="all").trade_limit > 0).sum() == 99 * 98
    few = load_community("simbench-rural", partners=2)
    assert np.array_equal(few.trade_limit > 0, few.network.nearest_partners(2))


@pytest.mark.parametrize("partners", [0, -1, 2.5, "some"])
def test_impossible_numbers_of_partners_are_refused(partners: Any) -> None:
    with pytest.raises(ValueError, match="whole number from 1, 'all', or None"):
        load_community("two-prosumers", partners=partners)


def test_price_paths_change_prices_and_nothing_else() -> None:
    community = load_community("simbench-rural")
    first, second = community.day(10).arrays(), community.day(10, price_path=3).arrays()
    differing = {name for name in first if not np.array_equal(first[name], second[name])}
    assert differing == {"label", "export_price", "loss_price"}
    assert second["label"] == "simbench-rural/day 10/prices 3"


def test_unknown_communities_are_refused_with_the_nearest_name() -> None:
    with pytest.raises(ValueError, match=r"got 'simbench-rurl'\. Did you mean 'simbench-rural'\?"):
        load_community("simbench-rurl")


def test_days_and_paths_that_do_not_exist_are_refused() -> None:
    community = load_community("two-prosumers")
    for index in (-1, 366, 1.5):
        with pytest.raises(ValueError, match=f"day of community 'two-prosumers' must be an integer from 0 to 365, got {index}"):
            community.day(index)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"price path of community .* from 0 to 3, got 4"):
        community.day(0, price_path=4)
    with pytest.raises(ValueError, match="from 0 to 365"):
        community.date(366)


def test_scenarios_rotate_through_the_price_paths_the_community_has() -> None:
    year = {"load_kw": np.ones((42 * 24, 3)), "renewable_kw": np.zeros((42 * 24, 3))}
    community = tiny(**year, export_price=np.zeros((2, 42 * 24)), loss_price=np.zeros((2, 42 * 24)))
    assert [path for _, path in community.scenarios("train", 4)] != [0, 0, 0, 0]
    assert {path for _, path in community.scenarios("train")} == {0, 1}


def test_loads_of_zero_count_as_the_floor_and_who_never_has_any_demands_nothing() -> None:
    community = tiny()
    day = community.day(0)
    assert day.demand_max[0] == pytest.approx(1.4 * np.array([0.02 * 47 / 48, 2.0, 0.0]))
    assert day.demand_max[1] == pytest.approx(1.4 * np.array([1.0, 2.0, 0.0]))
    assert day.demand_min[:, 2].tolist() == [0.0] * 24
    assert day.utility_curvature[:, 2] == pytest.approx(0.3 / community.mean_load_kw)  # of no use, but finite
    assert community.date(1) == date(2020, 2, 29)
    assert community.renewable_kind == ("none", "solar", "solar")


def test_the_hash_covers_data_and_parameters_and_survives_pickling() -> None:
    community = tiny()
    assert community.content_hash == tiny().content_hash
    assert pickle.loads(pickle.dumps(community)).content_hash == community.content_hash
    other_load = community.load_kw.copy()
    other_load[5, 1] = np.nextafter(2.0, 3.0)
    changed = (
        tiny(load_kw=other_load),
        tiny(parameters=MarketParameters(import_fee=0.08)),
        tiny(charge_cap=2.0),
        tiny(first_date=date(2020, 2, 27)),
        replace(community, network=replace(community.network, bus_zone=np.array([0, 0, 1]))),
    )
    assert len({community.content_hash, *(other.content_hash for other in changed)}) == 6


def test_the_hash_is_the_same_in_another_process() -> None:
    code = "from gridtoll.envs.community.sources import load_community; print(load_community('two-prosumers').content_hash)"
    environment = {"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": "7"}
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert answer.stdout.strip() == load_community("two-prosumers").content_hash


def test_every_fault_of_a_community_is_named_at_once() -> None:
    with pytest.raises(ValueError, match="community 'tiny' is not valid") as caught:
        tiny(load_kw=np.ones((47, 3)), renewable_kw=np.ones((48, 2)), loss_price=np.zeros((1, 48)), partners=0, charge_cap=0.0)
    for part in ("whole days of 24 hours, got (47, 3)", "got (48, 2)", "(2, 48) and (1, 48)", "`partners`", "`charge_cap`"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"load_kw": -np.ones((48, 3))}, r"`load_kw` must be at least 0 and finite, got -1\.0 at hour 0, prosumer 0, .* and 136 more"),
        ({"load_kw": np.zeros((48, 3))}, "above 0 somewhere"),
        ({"renewable_kw": np.full((48, 3), np.nan)}, "`renewable_kw` must be at least 0 and finite, got nan at hour 0"),
        ({"export_price": np.full((2, 48), 0.31)}, r"`export_price` must be at most `import_price`, got 0\.31 at path 0, hour 0"),
        ({"import_limit": [1.0, 1.0, 0.0]}, "in kW: 'prosumer 1' 1 < 1.2"),
        ({"storage_power": -1.0}, "`storage_power` must be at least 0"),
        ({"trade_friction": 0.0}, "`trade_friction` must be > 0"),
    ],
)
def test_numbers_out_of_range_are_refused(changes: dict[str, Any], message: str) -> None:
    if "import_limit" in changes:
        changes = changes | {"renewable_kw": np.tile([5.0, 0.0, 5.0], (48, 1))}
    with pytest.raises(ValueError, match=message):
        tiny(**changes)


def test_a_small_prosumer_keeps_its_load_beside_a_large_one() -> None:
    """A house of 1.15 kW beside a factory of 6,000 kW; nothing of the house's is near the floor."""
    load = np.tile([6000.0, 1.15, 0.0], (48, 1))
    day = tiny(load_kw=load, renewable_kw=np.tile([0.0, 0.0, 5.0], (48, 1))).day(0)
    assert day.demand_min[0].tolist() == pytest.approx([3600.0, 0.69, 0.0])
    assert day.demand_max[0].tolist() == pytest.approx([8400.0, 1.61, 0.0])


def test_a_prosumer_without_any_load_sells_what_it_has() -> None:
    community = tiny(load_kw=np.tile([1.0, 2.0, 0.0], (48, 1)), renewable_kw=np.tile([0.0, 0.0, 9.0], (48, 1)))
    clearing = StructuredMarket().clear(community.day(0), np.zeros((3, 3)))
    assert clearing.demand[:, 2] == pytest.approx(0.0)
    assert (clearing.trade[:, 2, :2] > 0.1).all()


def test_what_is_filled_in_floored_and_derived_is_written_down_with_whom() -> None:
    made = {(entry.field, entry.how): entry for entry in tiny().derivations}
    floored = made["load_kw", "floored"]
    assert (floored.count, dict(floored.whom)) == (1, {"prosumer 0": 1})
    assert floored.least == floored.greatest == pytest.approx(0.02 * 47 / 48)
    assert "load_floor = 0.02 of the prosumer's own mean" in str(floored)
    assert {field for field, how in made if how == "filled"} == {
        *("prosumer_names", "renewable_kind", "import_limit", "export_limit", "grid_friction", "trade_friction", "charge_cap"),
        *("storage_power", "storage_capacity", "storage_efficiency", "storage_wear", "storage_start"),
    }
    assert {field for field, how in made if how == "derived"} == {
        *("trade_limit", "demand_min", "demand_max", "utility_curvature", "utility_slope")
    }
    assert dict(made["renewable_kind", "filled"].whom) == {"none": 1, "solar": 2}
    community = tiny()
    for field in ("import_limit", "export_limit", "grid_friction", "storage_wear", "storage_start", "storage_efficiency"):
        entry = made[field, "filled"]
        assert (entry.least, entry.greatest) == (getattr(community, field).min(), getattr(community, field).max())


def test_what_is_given_is_not_said_to_be_filled_in() -> None:
    entries = tiny(import_limit=9.0, trade_friction=0.1, prosumer_names=("a", "b", "c"), charge_cap=1.0).derivations
    assert not {"import_limit", "trade_friction", "prosumer_names", "charge_cap"} & {entry.field for entry in entries}


NOBODY: dict[str, Any] = {"load_kw": np.tile([1.0, 2.0, 3.0], (48, 1)), "renewable_kw": np.zeros((48, 3))}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"loss_price": np.full((2, 48), np.nan)}, r"`loss_price` must be at least 0 and finite, got nan at path 0, hour 0"),
        ({"loss_price": np.full((2, 48), -1.0)}, r"`loss_price` must be at least 0 and finite, got -1\.0 at path 0, hour 0"),
        ({"first_date": "2020-01-01"}, r"`first_date` must be a date, got '2020-01-01'\. Write date\(2020, 1, 31\)"),
        ({"first_date": date(9999, 12, 31)}, "must leave room for 2 days"),
        ({"prosumer_names": ("a", "b")}, "`prosumer_names` must have 3 names, got 2"),
        ({"prosumer_names": ("a", "b", "a")}, "`prosumer_names` must be unique, got twice: a"),
        ({"prosumer_names": ("a", "b", 3)}, "`prosumer_names` must be text that is not empty, got 3"),
        ({"renewable_kind": ("solar", "sun", "none")}, "`renewable_kind` must be solar, wind or none, got sun"),
        ({"renewable_kind": ("solar",)}, "`renewable_kind` must have 3 names, got 1"),
        ({"import_price": "0.3"}, "`import_price` must hold real numbers, got text"),
        ({"import_price": np.nan}, "`import_price` must be finite, got nan"),
        ({"import_price": np.full(1, 0.3)}, r"`import_price` must have the shape \(48,\) or be a single number, got \(1,\)"),
        ({"load_kw": np.ones((48, 3), dtype=bool)}, "`load_kw` must hold real numbers, got truth values"),
        ({"renewable_kw": np.ones((48, 3)) * 1j}, "`renewable_kw` must hold real numbers, got complex numbers"),
        ({"storage_power": np.ones((1, 3))}, r"`storage_power` must have the shape \(3,\) or be a single number"),
        ({"storage_capacity": np.inf}, "`storage_capacity` must be at least 0 and finite, got inf at prosumer 0"),
        ({"storage_efficiency": [0.9, 1.1, 0.0]}, r"`storage_efficiency` must be in \(0, 1\], got 1\.1 at prosumer 1, 0\.0 at prosumer 2"),
        ({"storage_power": 1.0, "storage_wear": 0.0}, "`storage_wear` must be > 0 and finite where there is storage"),
        ({"storage_capacity": 1.0, "storage_start": 2.0}, "`storage_start` must be at most `storage_capacity`"),
        ({"trade_friction": np.nan}, "`trade_friction` must be > 0 and finite, got nan"),
        ({"charge_cap": np.inf}, "`charge_cap` must be > 0 and finite, got inf"),
        ({"charge_cap": True}, "`charge_cap` must hold real numbers, got truth values"),
        ({"partners": 1.5}, r"`partners` must hold whole numbers, got 1\.5"),
        ({"parameters": {"load_floor": 0.1}}, "`parameters` must be MarketParameters, got"),
        ({"load_kw": np.full((48, 3), 1e-310)}, "`load_kw` must be 0 or large enough"),
    ],
)
def test_the_python_door_is_shut_where_the_folder_reader_is(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=rf"(?s)community 'tiny' is not valid:.*{words}"):
        tiny(**(NOBODY | changes))


def test_faults_of_every_kind_are_named_at_once() -> None:
    with pytest.raises(ValueError, match="community 'tiny' is not valid") as caught:
        tiny(first_date="today", loss_price=np.full((2, 48), -1.0), prosumer_names=("a", "b"), storage_wear=-1.0, charge_cap=np.nan)
    for field in ("first_date", "loss_price", "prosumer_names", "charge_cap"):
        assert f"`{field}`" in str(caught.value)


@pytest.mark.parametrize("first", [datetime.fromisoformat("2020-02-28"), pd.Timestamp(2020, 2, 28)])
def test_midnight_is_a_date_and_noon_is_none(first: Any) -> None:
    assert tiny(first_date=first).content_hash == tiny().content_hash
    with pytest.raises(ValueError, match="`first_date` must be a date"):
        tiny(first_date=first.replace(hour=12))


def test_columns_that_bear_the_prosumers_names_come_into_their_order() -> None:
    load, sun = np.arange(1.0, 145.0).reshape(48, 3), np.arange(144.0).reshape(48, 3)
    names = ("west", "middle", "east")
    plain = tiny(load_kw=load, renewable_kw=sun, storage_power=[1.0, 2.0, 3.0], prosumer_names=names)
    tables = {
        "load_kw": pd.DataFrame(load, columns=list(names)),
        "renewable_kw": pd.DataFrame(sun, columns=list(names))[["east", "west", "middle"]],
        "storage_power": pd.Series({"middle": 2.0, "east": 3.0, "west": 1.0}),
    }
    assert tiny(**tables, prosumer_names=names).content_hash == plain.content_hash
    assert tiny(**tables).content_hash == plain.content_hash  # the loads' columns give the names
    unlabelled = tiny(load_kw=pd.DataFrame(load), renewable_kw=sun, storage_power=[1.0, 2.0, 3.0], prosumer_names=names)
    assert unlabelled.content_hash == plain.content_hash


def test_columns_that_contradict_the_prosumers_names_are_refused() -> None:
    load = pd.DataFrame(np.ones((48, 3)), columns=["west", "middle", "eats"])
    with pytest.raises(ValueError, match="labels of `load_kw` must be `prosumer_names`, each once, got unknown 'eats'; missing 'east'"):
        tiny(load_kw=load, prosumer_names=("west", "middle", "east"))
    with pytest.raises(ValueError, match="labels of `renewable_kw` must be `prosumer_names`"):
        tiny(load_kw=load, renewable_kw=load.rename(columns={"eats": "east"}))
    with pytest.raises(ValueError, match="twice 'west'"):
        tiny(load_kw=load.set_axis(["west", "west", "east"], axis=1), prosumer_names=("west", "middle", "east"))


def test_an_index_of_times_must_be_the_communitys_hours() -> None:
    hours = pd.date_range("2020-02-28", periods=48, freq="h")
    tables = {"load_kw": pd.DataFrame(np.ones((48, 3)), index=hours), "import_price": pd.Series(0.3, index=hours)}
    assert tiny(**tables).content_hash == tiny(load_kw=np.ones((48, 3))).content_hash
    with pytest.raises(ValueError, match=r"index of `load_kw` must be hours .* row 0 must be 2020-02-27T00, got 2020-02-28T00:00:00"):
        tiny(**tables, first_date=date(2020, 2, 27))
    late = tables | {"import_price": pd.Series(0.3, index=hours.shift(1))}
    with pytest.raises(ValueError, match="index of `import_price` must be hours that follow each other from `first_date`"):
        tiny(**late)
    other = {"load_kw": pd.DataFrame(np.ones((48, 3)), index=range(1, 49)), "import_price": pd.Series(0.3, index=range(2, 50))}
    with pytest.raises(ValueError, match="index of `import_price` must be that of `load_kw`"):
        tiny(**other)


def test_market_parameters_out_of_range_are_refused_all_at_once() -> None:
    with pytest.raises(ValueError, match="market parameters are not valid") as caught:
        MarketParameters(
            flexibility_value=0.0, demand_min_share=1.1, demand_max_share=0.9, load_floor=0.0, overload_price=-1.0, import_fee=float("nan")
        )
    with pytest.raises(ValueError, match="`flexibility_value` must be > 0 and finite, got inf"):
        MarketParameters(flexibility_value=float("inf"))
    with pytest.raises(ValueError, match="`overload_price` must be a number, got '1'"):
        MarketParameters(overload_price="1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="`import_fee` must be a number, got True"):
        MarketParameters(import_fee=True)
    for name in ("flexibility_value", "demand_min_share", "demand_max_share", "load_floor", "overload_price", "import_fee"):
        assert f"`{name}`" in str(caught.value)
