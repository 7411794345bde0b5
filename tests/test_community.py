"""Communities are complete, within the model's rules on every day, and the same in every process."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from gridtoll.envs import parameters
from gridtoll.envs.clearing.structured import StructuredMarket
from gridtoll.envs.community import Community, make_community
from gridtoll.envs.grid import make_grid
from gridtoll.envs.network import Network, make_network
from gridtoll.envs.parameters import MarketParameters
from gridtoll.envs.sources import COMMUNITY_NAMES, load_community
from gridtoll.envs.sources.ieee_limits import BRANCH_LIMIT_KW, free_p2p_peak, limit_from_peak

SIZES = {"simbench-rural": 13, "simbench-rural2": 93, "simbench-rural3": 118, "simbench-semiurb4": 39, "simbench-urban6": 53}
SIZES |= {"ieee9": 9, "ieee39": 21, "ieee57": 42, "ieee118": 99, "case33bw": 32, "two-prosumers": 2}


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


def test_loads_of_zero_count_as_the_floor() -> None:
    community = tiny()
    means = np.array([47 / 48, 2.0, 0.1 * (47 / 48 + 2) / 3])  # the third has no load: a tenth of the community's mean
    floor = 0.02 * means
    day = community.day(0)
    assert day.demand_max[0] == pytest.approx(1.4 * np.array([floor[0], 2.0, floor[2]]))
    assert day.demand_max[1] == pytest.approx(1.4 * np.array([1.0, 2.0, floor[2]]))
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
    code = "from gridtoll.envs.sources import load_community; print(load_community('two-prosumers').content_hash)"
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
        ({"load_kw": -np.ones((48, 3))}, "`load_kw` must be finite, at least 0"),
        ({"load_kw": np.zeros((48, 3))}, "above 0 somewhere"),
        ({"renewable_kw": np.full((48, 3), np.nan)}, "`renewable_kw` must be finite"),
        ({"export_price": np.full((2, 48), 0.31)}, "`export_price` must be finite and at most `import_price`"),
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


def test_market_parameters_out_of_range_are_refused_all_at_once() -> None:
    with pytest.raises(ValueError, match="market parameters are not valid") as caught:
        MarketParameters(
            flexibility_value=0.0, demand_min_share=1.1, demand_max_share=0.9, load_floor=0.0, overload_price=-1.0, import_fee=float("nan")
        )
    for name in ("flexibility_value", "demand_min_share", "demand_max_share", "load_floor", "overload_price", "import_fee"):
        assert f"`{name}`" in str(caught.value)
