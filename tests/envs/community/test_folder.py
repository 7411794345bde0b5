"""A community written as a folder reads back exactly, and every fault in a folder is named by file, row and column."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gridtoll.envs.community.community import Community, make_community
from gridtoll.envs.community.money import ratios_to_price_level, seem_of_two_currencies
from gridtoll.envs.community.sources import COMMUNITY_NAMES, export_community, folder, load_community
from gridtoll.envs.community.sources.folder_format import FOLDER_README, PROSUMER_RULES, SETTINGS

DAYS = 14  # so that reading takes milliseconds


@pytest.fixture(scope="module")
def community() -> Community:
    """Return the first two weeks of the closed-form community, everything else by the rules."""
    year = load_community("two-prosumers")
    return make_community(
        "two-weeks",
        year.network,
        first_date=year.first_date,
        load_kw=year.load_kw[: 24 * DAYS],
        renewable_kw=year.renewable_kw[: 24 * DAYS],
        import_price=year.import_price[: 24 * DAYS],
        export_price=year.export_price[:, : 24 * DAYS],
        loss_price=year.loss_price[:, : 24 * DAYS],
        prosumer_names=year.prosumer_names,
    )


@pytest.fixture(scope="module")
def template(community: Community, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_community(community, tmp_path_factory.mktemp("export") / "two")


@pytest.fixture
def copy(template: Path, tmp_path: Path) -> Path:
    """Return a folder of one's own to damage."""
    target = tmp_path / "mine"
    shutil.copytree(template, target)
    return target


def cells(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def change(path: Path, edit: Callable[[list[list[str]]], object]) -> None:
    """Edit the cells of a file; row k of the file is table[k − 1]."""
    table = cells(path)
    edit(table)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(table)


def put(folder: Path, file: str, row: int, column: str, value: str) -> None:
    def edit(table: list[list[str]]) -> None:
        table[row - 1][table[0].index(column)] = value

    change(folder / file, edit)


def faults_of(folder: Path) -> str:
    with pytest.raises(ValueError, match=r"community folder .* is not valid") as caught:
        load_community(folder)
    return str(caught.value)


@pytest.mark.parametrize("name", ["simbench-rural", "ieee57", "two-prosumers"])
def test_a_community_exported_and_loaded_again_is_the_same_to_the_last_bit(name: str, tmp_path: Path) -> None:
    community = load_community(name)
    again = load_community(export_community(community, tmp_path / name))
    assert again.content_hash == community.content_hash
    for index, path in ((0, 0), (200, 3), (365, 1)):
        ours, theirs = community.day(index, price_path=path).arrays(), again.day(index, price_path=path).arrays()
        assert all(np.array_equal(ours[key], theirs[key]) for key in ours)


def test_the_folder_explains_itself(template: Path) -> None:
    readme = (template / "README.md").read_text()
    assert readme == FOLDER_README
    for file in template.glob("*.csv"):
        assert f"`{file.name}`" in readme
    for column in (*PROSUMER_RULES, "renewable_kind"):
        assert f"`{column}`" in readme
    assert [row[0] for row in cells(template / "settings.csv")[1:]] == list(SETTINGS)
    assert all(len(row[2]) > 10 for row in cells(template / "settings.csv")[1:])


def test_optional_columns_are_filled_by_the_rules(copy: Path, community: Community) -> None:

    def keep(count: int) -> Callable[[list[list[str]]], None]:
        return lambda table: table.__setitem__(slice(None), [row[:count] for row in table])

    change(copy / "prosumers.csv", lambda table: [row.pop(2) for row in table])
    change(copy / "prosumers.csv", keep(4))
    change(copy / "buses.csv", keep(1))
    again = load_community(copy)
    ours, theirs = community.day(9).arrays(), again.day(9).arrays()
    assert all(np.array_equal(ours[key], theirs[key]) for key in ours)
    assert again.renewable_kind == ("solar", "none")


def test_partners_of_the_folder_can_be_replaced(template: Path, copy: Path) -> None:
    put(copy, "settings.csv", 6, "value", "1")
    assert load_community(copy).partners == 1
    assert load_community(copy, partners="all").partners is None
    assert load_community(template, partners=1).partners == 1


def test_a_name_with_a_separator_is_a_folder_and_one_that_does_not_exist_says_how_to_get_one(tmp_path: Path) -> None:
    for name in (str(tmp_path / "nowhere"), tmp_path / "nowhere", "./nowhere"):
        with pytest.raises(ValueError, match=r"must exist, got .*nowhere.*communities export"):
            load_community(name)


def test_several_faults_in_several_files_are_named_together(copy: Path) -> None:
    put(copy, "load_kw.csv", 10, "buyer", "-3.5")
    put(copy, "load_kw.csv", 12, "seller", "")
    put(copy, "renewable_kw.csv", 4, "seller", "much")
    put(copy, "prosumers.csv", 3, "bus", "buyr")
    put(copy, "branches.csv", 2, "limit_kw", "0")
    change(copy / "prices.csv", lambda table: [row.pop(1) for row in table])
    text = faults_of(copy)
    for part in (
        "load_kw.csv, row 10, column 'buyer': must be a number, at least 0, got '-3.5'.",
        "load_kw.csv, row 12, column 'seller': must be a number, at least 0, got an empty cell (a gap).",
        "renewable_kw.csv, row 4, column 'seller': must be a number, at least 0, got 'much'.",
        "prosumers.csv, row 3, column 'bus': must be one of the buses of buses.csv, got 'buyr'. Did you mean 'buyer'?",
        "branches.csv, row 2, column 'limit_kw': must be a number above 0, or inf for no limit, got '0'.",
        "prices.csv, column 'import_price': the column is missing",
    ):
        assert part in text


def test_a_missing_hour_is_a_gap_and_breaks_the_whole_days(copy: Path) -> None:
    change(copy / "load_kw.csv", lambda table: table.pop(30))
    text = faults_of(copy)
    assert "load_kw.csv, row 31, column 'hour': must be one hour after the row before, 2016-01-02T05:00" in text
    assert "load_kw.csv: must have whole days of 24 rows, got 335 rows" in text
    assert "renewable_kw.csv: must have the hours of load_kw.csv, 335 from" in text


def test_days_that_start_late_or_in_another_year_are_named(copy: Path) -> None:
    change(copy / "prices.csv", lambda table: [row.__setitem__(0, row[0].replace("2016", "2017")) for row in table[1:25]])
    text = faults_of(copy)
    assert "prices.csv, row 26, column 'hour'" in text
    change(copy / "load_kw.csv", lambda table: table.pop(1))
    assert "load_kw.csv, row 2, column 'hour': the first hour must be 00:00 of a day, got 2016-01-01T01:00" in faults_of(copy)


def test_times_that_cannot_be_read_are_named_once_each(copy: Path) -> None:
    put(copy, "load_kw.csv", 5, "hour", "3 o'clock")
    text = faults_of(copy)
    assert "load_kw.csv, row 5, column 'hour': must be a time like 2016-01-31T23:00" in text
    assert text.count("  - ") == 1


@pytest.mark.parametrize("file", ["settings", "buses", "branches", "prosumers", "load_kw", "renewable_kw", "prices"])
def test_missing_and_empty_files_are_named(copy: Path, file: str) -> None:
    (copy / f"{file}.csv").unlink()
    assert f"{file}.csv: the file is missing." in faults_of(copy)
    (copy / f"{file}.csv").write_text("\n\n")
    assert f"{file}.csv: must have a header and at least one row below it." in faults_of(copy)
    (copy / f"{file}.csv").write_bytes(b"\xff\xfe\xff")
    assert f"{file}.csv: must be text in UTF-8, got" in faults_of(copy)


def test_columns_missing_unknown_or_twice_are_named(copy: Path) -> None:
    change(copy / "prosumers.csv", lambda table: table[0].__setitem__(3, "import_limit"))
    change(copy / "branches.csv", lambda table: table[0].__setitem__(2, "from"))
    change(copy / "prices.csv", lambda table: table[0].__setitem__(3, "loss_price_7"))
    text = faults_of(copy)
    for part in (
        "prosumers.csv, column 'import_limit': there is no such column. Did you mean 'import_limit_kw'?",
        "prosumers.csv, column 'storage_power_kw': the column is missing",
        "branches.csv, column 'from': the column stands twice.",
        "branches.csv, column 'to': the column is missing",
        "prices.csv, column 'loss_price_0': the column is missing",
    ):
        assert part in text


def test_prosumers_without_load_and_loads_without_prosumer_are_named(copy: Path) -> None:
    change(copy / "load_kw.csv", lambda table: table[0].__setitem__(1, "sellers"))
    text = faults_of(copy)
    assert "load_kw.csv, column 'seller': the column is missing; the file has hour, sellers, buyer." in text
    assert "load_kw.csv, column 'sellers': there is no such column. Did you mean 'seller'?" in text


def test_price_paths_need_both_prices_and_exports_below_imports(copy: Path) -> None:
    put(copy, "prices.csv", 7, "export_price_2", "0.5")
    assert "prices.csv, row 7, column 'export_price_2': must be at most import_price 0.32, got 0.5." in faults_of(copy)
    change(copy / "prices.csv", lambda table: table[0].__setitem__(-1, "loss_price_9"))
    text = faults_of(copy)
    assert "prices.csv, column 'loss_price_3': the column is missing; each price path needs" in text
    assert "prices.csv, column 'loss_price_9': there is no such column." in text


def test_rows_of_the_wrong_length_and_names_that_come_twice_are_named(copy: Path) -> None:
    change(copy / "load_kw.csv", lambda table: table[8].append("1"))
    put(copy, "prosumers.csv", 3, "prosumer", "seller")
    put(copy, "buses.csv", 3, "bus", "")
    text = faults_of(copy)
    assert "load_kw.csv, row 9: must have 3 cells as the header has, got 4." in text
    assert "prosumers.csv, row 3, column 'prosumer': must be unique, 'seller' stands in row 2 already." in text
    assert "buses.csv, row 3, column 'bus': must not be empty." in text


def test_settings_that_are_missing_unknown_or_out_of_range_are_named(copy: Path) -> None:
    for row, value in ((2, "7"), (3, ""), (4, "-1"), (5, "nowhere"), (6, "some"), (7, "nan"), (11, "0.2")):
        put(copy, "settings.csv", row, "value", value)
    change(copy / "settings.csv", lambda table: table[13].__setitem__(0, "import_fees"))
    text = faults_of(copy)
    for part in (
        "settings.csv: format must be 1, got 7.",
        "settings.csv, row 3, column 'value': name must be",
        "settings.csv, row 4, column 'value': base_power_kw must be",
        "settings.csv: slack_bus must be one of the buses of buses.csv, got 'nowhere'.",
        "settings.csv, row 6, column 'value': partners must be",
        "settings.csv, row 7, column 'value': trade_friction must be",
        "settings.csv, row 14, column 'name': must be one of the settings, got 'import_fees'. Did you mean 'import_fee'?",
        "settings.csv: the setting 'import_fee' is missing",
    ):
        assert part in text


def in_another_currency(folder: Path, factor: float, *files: str) -> None:
    """Multiply what is money in some files, as a user does who converts a spreadsheet."""

    def prices(table: list[list[str]]) -> None:
        for row in table[1:]:
            row[1:] = [repr(factor * float(cell)) for cell in row[1:]]

    def settings(table: list[list[str]]) -> None:
        for row in table[1:]:
            if row[0] in MONEY:
                row[1] = repr(factor * float(row[1]))

    def prosumers(table: list[list[str]]) -> None:
        for column in (place for place, name in enumerate(table[0]) if name.startswith(("grid_friction", "storage_wear"))):
            for row in table[1:]:
                row[column] = repr(factor * float(row[column]))

    for file in files:
        change(folder / file, {"prices.csv": prices, "settings.csv": settings, "prosumers.csv": prosumers}[file])


MONEY = ("charge_cap", "trade_friction", "flexibility_value", "overload_price", "import_fee")


@pytest.mark.parametrize(("factor", "ratio"), [(7.46, "0.134"), (100.0, "0.01"), (0.1, "10")])
def test_a_folder_whose_prices_alone_are_in_another_currency_is_warned_of_once(
    copy: Path, caplog: pytest.LogCaptureFixture, factor: float, ratio: str
) -> None:
    in_another_currency(copy, factor, "prices.csv")
    load_community(copy)
    load_community(copy)
    [record] = caplog.records
    text = record.getMessage()
    assert f"The mean price is {factor:g} times that of the named communities" in text
    for name in ("charge_cap", "flexibility_value", "overload_price", "trade_friction", "grid_friction"):
        assert f"`{name}` {ratio}" in text
    assert "`loss_price`" not in text  # it stands in prices.csv


@pytest.mark.parametrize("factor", [7.46, 100.0])
def test_a_folder_that_is_in_one_currency_whatever_it_is_is_not_warned_of(
    copy: Path, caplog: pytest.LogCaptureFixture, factor: float
) -> None:
    in_another_currency(copy, factor, "prices.csv", "settings.csv", "prosumers.csv")
    load_community(copy)
    assert not caplog.records


@pytest.mark.parametrize(
    "ratios",
    [
        {"charge_cap": 0.01, "flexibility_value": 1.0, "overload_price": 1.0, "trade_friction": 1.0},  # who studies a low cap
        {"charge_cap": 1.0, "flexibility_value": 1.0, "trade_friction": 1e-6, "grid_friction": 1e-6, "storage_wear": 1e-6},
        {"charge_cap": 10.0, "flexibility_value": 0.1, "overload_price": 100.0, "trade_friction": 0.01},  # on both sides
        {"charge_cap": 3.2, "flexibility_value": 3.2, "overload_price": 3.2, "trade_friction": 3.2},  # a country of cheap electricity
    ],
)
def test_choices_of_ones_own_are_not_taken_for_another_currency(ratios: dict[str, float]) -> None:
    assert not seem_of_two_currencies(ratios)


@pytest.mark.parametrize("name", COMMUNITY_NAMES)
def test_every_named_community_has_its_entries_at_its_price_level(name: str) -> None:
    ratios = ratios_to_price_level(load_community(name))
    assert all(0.9 < ratio < 1.2 for ratio in ratios.values())
    assert len(ratios) >= 6
    assert not seem_of_two_currencies(ratios)


def test_loads_raised_to_the_floor_are_reported_on_load_with_whom(copy: Path, caplog: pytest.LogCaptureFixture) -> None:
    load_community(copy)
    assert not caplog.records
    for row in (2, 3, 9):
        put(copy, "load_kw.csv", row, "buyer", "0.0")
    made = load_community(copy)
    [record] = caplog.records
    assert "mine': `load_kw`: 3 floored: " in record.getMessage()
    assert "load_floor = 0.02 of the prosumer's own mean): buyer 3." in record.getMessage()
    assert made.day(0).demand_max[0, 1] == pytest.approx(1.4 * 0.02 * made.load_kw[:, 1].mean())
    assert (made.counted_load_kw > made.load_kw).sum() == 3


def test_buses_without_zones_and_places_are_said_to_have_been_given_them(copy: Path) -> None:
    assert {entry.field for entry in load_community(copy).derivations if entry.how == "filled"} == set()
    names_only = [[row[0]] for row in cells(copy / "buses.csv")]
    change(copy / "buses.csv", lambda table: table.__setitem__(slice(None), names_only))
    assert {entry.field for entry in load_community(copy).derivations if entry.how == "filled"} == {"bus_zone", "bus_position"}


def test_market_parameters_out_of_range_name_the_settings_file(copy: Path) -> None:
    put(copy, "settings.csv", 11, "value", "0.2")
    assert "settings.csv: market parameters are not valid:  - `demand_max_share` must be at least 1, got 0.2." in faults_of(copy)


def test_storage_zones_and_kinds_are_checked(copy: Path) -> None:
    put(copy, "prosumers.csv", 2, "storage_start_kwh", "4")
    put(copy, "prosumers.csv", 2, "storage_efficiency", "95")
    put(copy, "prosumers.csv", 3, "renewable_kind", "sun")
    put(copy, "buses.csv", 2, "zone", "0.5")
    text = faults_of(copy)
    for part in (
        "prosumers.csv, row 2, column 'storage_start_kwh': must be at most storage_capacity_kwh 0, got 4.",
        "prosumers.csv, row 2, column 'storage_efficiency': must be a number above 0 and at most 1, got '95'.",
        "prosumers.csv, row 3, column 'renewable_kind': must be one of solar, wind, none, got 'sun'.",
        "buses.csv, row 2, column 'zone': must be a whole number from 0, got '0.5'.",
    ):
        assert part in text


def test_a_grid_in_two_parts_a_loop_and_a_connection_too_small_are_named(copy: Path) -> None:
    put(copy, "branches.csv", 2, "to", "seller")
    assert "branches.csv, row 2, column 'to': a branch must join two different buses, got 'seller' twice." in faults_of(copy)
    put(copy, "branches.csv", 2, "to", "buyer")
    change(copy / "buses.csv", lambda table: table.append(["island", "0.5", "0.5", "0"]))
    assert "these are not: island" in faults_of(copy)
    change(copy / "buses.csv", lambda table: table.pop())
    put(copy, "prosumers.csv", 3, "import_limit_kw", "0.1")
    with pytest.raises(ValueError, match=r"(?s)community folder .*`import_limit` must carry the least demand .*'buyer' 0.1 <"):
        load_community(copy)


def test_faults_of_one_cause_are_one_line_with_the_first_the_count_and_the_last(copy: Path) -> None:
    change(copy / "load_kw.csv", lambda table: [row.__setitem__(2, "-1.0") for row in table[1:]])
    text = faults_of(copy)
    assert text.count("  - ") == 1
    assert "load_kw.csv, row 2, column 'buyer': must be a number, at least 0, got '-1.0'; 335 more like it, the last in row 337" in text


def test_spreadsheet_habits_are_understood(copy: Path) -> None:
    """Byte order marks, Windows line ends, blank lines and spaces around cells change nothing."""
    expected = load_community(copy).content_hash
    for path in copy.glob("*.csv"):
        table = cells(path)
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            csv.writer(file, lineterminator="\r\n").writerows([*([f" {cell} " for cell in row] for row in table), [], ["", ""]])
    assert load_community(copy).content_hash == expected


def test_export_refuses_folders_with_content_and_uses_empty_ones(tmp_path: Path, community: Community) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in ("full", "file"):
        with pytest.raises(ValueError, match="must not exist, or be empty, got"):
            export_community(community, tmp_path / name)
    (tmp_path / "empty").mkdir()
    assert export_community(community, tmp_path / "empty") == tmp_path / "empty"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file", "full"]
    assert (tmp_path / "full" / "thesis.txt").read_text() == "mine"


def test_an_export_cut_short_leaves_nothing(tmp_path: Path, community: Community, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(folder, "_write_hours", fail)
    with pytest.raises(OSError, match="disk full"):
        export_community(community, tmp_path / "half")
    assert list(tmp_path.iterdir()) == []
