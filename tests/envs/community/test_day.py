"""A day is complete, valid and frozen, or it is one error that names everything wrong with it."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest
from builders import day_fields, random_day

from gridtoll.envs.community.day import make_day


def changed(name: str, where: Any, value: float, **shape: Any) -> dict[str, Any]:
    """The fields of an ordinary day with one entry changed, every array in full."""
    whole = random_day(0, **shape).arrays()
    entries = np.array(whole[name])
    entries[where] = value
    return whole | {name: entries}


def test_scalars_and_rows_are_broadcast_to_the_shapes_of_the_table() -> None:
    day = random_day(0, import_price=0.4, storage_efficiency=0.9, utility_slope=np.arange(5) + 1.0)
    assert day.import_price.tolist() == [0.4] * 6
    assert day.storage_efficiency.tolist() == [0.9] * 5
    assert day.utility_slope.tolist() == [[1.0, 2.0, 3.0, 4.0, 5.0]] * 6
    assert day.trade_friction.shape == (5, 5)
    assert (day.n_periods, day.n_prosumers) == (6, 5)
    assert day.base_injection.tolist() == [[0.0] * 6] * 6


def test_nobody_trades_with_themselves() -> None:
    day = random_day(0, trade_limit=3.0)
    assert np.array_equal(day.can_trade, ~np.eye(5, dtype=bool))
    assert day.has_storage.tolist() == [True, True, False, False, False]


def test_a_day_owns_its_arrays_and_cannot_be_changed() -> None:
    load = np.full((6, 5), 2.0)
    day = random_day(0, demand_max=load)
    load[:] = 0.0
    assert np.all(day.demand_max == 2.0)
    with pytest.raises(ValueError, match="read-only"):
        day.demand_max[0, 0] = 1.0
    with pytest.raises(FrozenInstanceError):
        day.import_fee = 1.0  # type: ignore[misc]


def test_a_day_is_rebuilt_from_its_own_arrays_and_survives_copying() -> None:
    day = random_day(0, base_injection=np.ones((6, 2)))
    own: dict[str, Any] = day.arrays()
    for twin in (make_day(**own), copy.deepcopy(day), pickle.loads(pickle.dumps(day))):
        assert twin.label == day.label
        assert all(np.array_equal(value, day.arrays()[name]) for name, value in twin.arrays().items())


def test_missing_and_unknown_fields_are_named_together() -> None:
    fields = day_fields(0)
    del fields["loss_price"], fields["demand_min"]
    with pytest.raises(ValueError, match=r"missing \['demand_min', 'loss_price'\], unknown \['colour'\]"):
        make_day(**fields, colour=1.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"demand_max": np.zeros((0, 5))}, r"`demand_max` must have shape \(periods, prosumers\) with both at least 1, got \(0, 5\)"),
        ({"demand_max": 1.0}, r"`demand_max` must have shape \(periods, prosumers\) with both at least 1, got \(\)"),
        ({"renewable": np.zeros((6, 4))}, r"`renewable` must have the shape \(6, 5\) or \(5,\) or be a single number, got \(6, 4\)"),
        ({"import_price": np.zeros(5)}, r"`import_price` must have the shape \(6,\) or be a single number, got \(5,\)"),
        ({"storage_power": np.zeros(6)}, r"`storage_power` must have the shape \(5,\) or be a single number, got \(6,\)"),
        ({"trade_limit": np.zeros((6, 6))}, r"`trade_limit` must have the shape \(5, 5\) or be a single number, got \(6, 6\)"),
        ({"import_fee": [0.1, 0.2]}, r"`import_fee` must be a single number, got \(2,\)"),
        ({"period_hours": [1.0]}, r"`period_hours` must be a single number, got \(1,\)"),
        ({"renewable": np.ones((6, 1))}, r"`renewable` must have the shape \(6, 5\) or \(5,\) or be a single number, got \(6, 1\)"),
        ({"storage_power": [1.0]}, r"`storage_power` must have the shape \(5,\) or be a single number, got \(1,\)"),
        ({"trade_limit": np.ones(5)}, r"`trade_limit` must have the shape \(5, 5\) or be a single number, got \(5,\)"),
        ({"import_price": "0.32"}, "`import_price` must hold real numbers, got text"),
        ({"renewable": True}, "`renewable` must hold real numbers, got truth values"),
        ({"overload_price": 1.0 + 0j}, "`overload_price` must hold real numbers, got complex numbers"),
        ({"export_limit": [1.0, None, 1.0, 1.0, 1.0]}, r"`export_limit` must hold real numbers, got objects \(NoneType\)"),
        ({"base_injection": np.zeros((5, 2))}, r"`base_injection` must have the shape \(6, 2\), got \(5, 2\)"),
        ({"base_injection": np.zeros(6)}, r"`base_injection` must have the shape \(6, 6\), got \(6,\)"),
    ],
)
def test_a_wrong_shape_is_an_error_that_says_the_right_one(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        random_day(0, **changes)


@pytest.mark.parametrize(
    ("name", "where", "value", "message"),
    [
        ("period_hours", (), 0.0, r"`period_hours` must be > 0, got 0\.0\."),
        ("demand_min", (3, 1), -0.5, r"`demand_min` must be at least 0, got -0\.5 at period 3, prosumer 1\."),
        ("demand_max", (0, 2), 0.0, r"`demand_max` must be at least `demand_min`, got 0\.0 at period 0, prosumer 2\."),
        ("utility_curvature", (1, 1), 0.0, r"`utility_curvature` must be > 0, got 0\.0 at period 1, prosumer 1\. Unique demand needs it\."),
        ("renewable", (2, 0), -1.0, r"`renewable` must be at least 0, got -1\.0 at period 2, prosumer 0\."),
        ("import_price", 4, -0.5, r"`import_price` must be at least `export_price`, got -0\.5 at period 4\."),
        ("loss_price", 5, -0.1, r"`loss_price` must be at least 0, got -0\.1 at period 5\."),
        ("overload_price", (), -1.0, r"`overload_price` must be at least 0, got -1\.0\."),
        ("import_fee", (), -0.01, r"`import_fee` must be at least 0, got -0\.01\."),
        ("export_limit", 3, -1.0, r"`export_limit` must be at least 0, got -1\.0 at prosumer 3\."),
        ("grid_friction", 0, 0.0, r"`grid_friction` must be > 0, got 0\.0 at prosumer 0\. Unique imports and exports need it\."),
        ("storage_power", 4, -1.0, r"`storage_power` must be at least 0, got -1\.0 at prosumer 4\."),
        ("storage_capacity", 4, -1.0, r"`storage_capacity` must be at least 0, got -1\.0 at prosumer 4\.\n.*"),
        ("storage_efficiency", 0, 0.0, r"`storage_efficiency` must be in \(0, 1\], got 0\.0 at prosumer 0\."),
        ("storage_efficiency", 2, 1.01, r"`storage_efficiency` must be in \(0, 1\], got 1\.01 at prosumer 2\."),
        ("storage_wear", 1, 0.0, r"`storage_wear` must be > 0 where there is storage, got 0\.0 at prosumer 1\. Unique use needs it\."),
        ("storage_start", 1, 3.5, r"`storage_start` must be at most `storage_capacity`, got 3\.5 at prosumer 1\."),
        ("storage_start", 1, -0.5, r"`storage_start` must be at least 0, got -0\.5 at prosumer 1\."),
        ("trade_limit", (1, 2), -1.0, r"`trade_limit` must be at least 0, got -1\.0 at seller 1, buyer 2\."),
        ("trade_friction", (3, 0), 0.0, r"`trade_friction` must be > 0, got 0\.0 at seller 3, buyer 0\. Unique trades need it\."),
        ("base_injection", (0, 5), np.nan, r"`base_injection` must be finite, got nan at period 0, bus 5\."),
        ("utility_slope", (5, 4), np.inf, r"`utility_slope` must be finite, got inf at period 5, prosumer 4\."),
        ("import_price", 0, np.nan, r"`import_price` must be finite, got nan at period 0\."),
        ("period_hours", (), np.nan, r"`period_hours` must be finite, got nan\."),
    ],
)
def test_a_broken_rule_is_named_with_its_entry_and_remedy(name: str, where: Any, value: float, message: str) -> None:
    with pytest.raises(ValueError, match=rf"^day 'random day 0' is not valid:\n  - {message}$"):
        make_day(**changed(name, where, value))


def test_a_connection_too_small_for_the_least_demand_is_infeasible_and_the_remedy_is_a_number() -> None:
    with pytest.raises(ValueError, match=r"`import_limit` must be at least `demand_min` − `renewable` in every period") as caught:
        random_day(0, n=2, stores=0, renewable=0.0, demand_min=[0.0, 1.5], demand_max=np.full((6, 2), 2.0), import_limit=[0.0, 1.25])
    assert "got 1.25 at prosumer 1." in str(caught.value)
    assert "It must be at least [0.  1.5] kW." in str(caught.value)


def test_wrong_types_and_shapes_come_at_once() -> None:
    with pytest.raises(ValueError, match="day 'random day 0' is not valid") as caught:
        random_day(0, import_price="0.32", storage_power=[1.0], trade_friction=None, period_hours=True)
    for name in ("import_price", "storage_power", "trade_friction", "period_hours"):
        assert f"`{name}` must" in str(caught.value)


def test_all_faults_come_at_once() -> None:
    with pytest.raises(ValueError, match="is not valid") as caught:
        random_day(0, loss_price=-1.0, trade_friction=0.0, storage_efficiency=2.0, import_fee=-1.0)
    faults = str(caught.value).split("\n  - ")[1:]
    assert [fault.split("`")[1] for fault in faults] == ["loss_price", "import_fee", "trade_friction", "storage_efficiency"]


def test_numbers_that_are_not_finite_are_reported_alone_because_they_break_every_comparison() -> None:
    with pytest.raises(ValueError, match="is not valid") as caught:
        random_day(0, renewable=np.nan, loss_price=-1.0)
    assert "`renewable` must be finite" in str(caught.value)
    assert "loss_price" not in str(caught.value)


def test_a_long_list_of_offenders_is_cut_short_with_its_length() -> None:
    with pytest.raises(ValueError, match=r"`renewable` must be at least 0, got (-1\.0 at period \d, prosumer \d, ){7}.* and 22 more\."):
        random_day(0, renewable=-1.0)


def test_storage_needs_wear_only_where_there_is_storage() -> None:
    assert random_day(0, stores=0, storage_wear=0.0).storage_wear.tolist() == [0.0] * 5


def test_prices_of_any_sign_are_valid() -> None:
    day = random_day(0, import_price=-0.1, export_price=-0.3)
    assert day.export_price.max() < 0


def test_a_day_ends_with_what_it_began_with_unless_told_otherwise() -> None:
    assert np.array_equal(random_day(0).stored_at_end, random_day(0).storage_start)
    assert random_day(0, storage_end=0.0).stored_at_end.tolist() == [0.0] * 5
    assert random_day(0, storage_end=[3.0, 2.0, 0.0, 0.0, 0.0]).stored_at_end.tolist() == [3.0, 2.0, 0.0, 0.0, 0.0]


def test_an_end_that_no_charging_reaches_is_infeasible() -> None:
    with pytest.raises(ValueError, match=r"`storage_end` must be within reach of `storage_start`.*, got 3\.0 at prosumer 0\."):
        random_day(0, periods=1, storage_power=[1.5, 0.0, 0.0, 0.0, 0.0], storage_end=[3.0, 1.5, 0.0, 0.0, 0.0])  # 1.5 + 0.95·1.5 < 3


@pytest.mark.parametrize(
    ("least", "message"),
    [
        (3.5, r"`storage_end` must be at most `storage_capacity`, got 3\.5 at prosumer 1\."),
        (-0.5, r"`storage_end` must be at least 0, got -0\.5 at prosumer 1\."),
        (np.nan, r"`storage_end` must be finite, got nan at prosumer 1\."),
    ],
)
def test_an_end_outside_of_the_store_is_named(least: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        random_day(0, storage_end=[1.5, least, 0.0, 0.0, 0.0])


def test_what_a_day_must_end_with_follows_what_it_begins_with_only_where_it_is_not_told() -> None:
    assert "storage_end" not in random_day(0).arrays()
    assert replace(random_day(0), storage_start=np.zeros(5)).stored_at_end.tolist() == [0.0] * 5
    told = random_day(0, storage_end=[1.0, 0.0, 0.0, 0.0, 0.0])
    assert replace(told, storage_start=np.zeros(5)).stored_at_end.tolist() == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert make_day(**told.arrays()).arrays()["storage_end"].tolist() == [1.0, 0.0, 0.0, 0.0, 0.0]  # type: ignore[arg-type, union-attr]
