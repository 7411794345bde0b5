"""All that is wrong with files is said at once, by file, row and column, with what to do."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_street import HOURS, LINES, build, meters

ONES: list[Any] = [1.0] * 48


def changed(at: int, value: Any, values: list[Any] | None = None) -> list[Any]:
    """A column with one cell changed."""
    column = list(values or ONES)
    column[at] = value
    return column


def test_every_fault_of_every_file_is_named_at_once(tmp_path: Path) -> None:
    text = meters({"A load [kW]": changed(3, -1), "B load [kW]": changed(5, "abc")})
    files = {"lines.csv": "from,to,r_ohm,x_ohm\nroot,A,0.02,zero\nroot,B,0.03,0.01\n", "who.csv": "household,bus,batery_kw\nA,A,1\nA,B,1\n"}
    with pytest.raises(ValueError, match="cannot be built from these files") as caught:
        build(tmp_path, text, files=files, prosumers=tmp_path / "who.csv", time_zone="Mars", constants={"export_price": 0.1})
    said = str(caught.value)
    for part in (
        "meters.csv, row 5, column 'A load [kW]': must be a number at least 0",
        "meters.csv, row 7, column 'B load [kW]': must be a number, got 'abc'",
        "lines.csv, row 2, column 'x_ohm': must be a number, got 'zero'",
        "who.csv, column 'batery_kw': there is no such column. Did you mean",
        "who.csv, row 3, column 'household': must be unique, 'A' stands in row 2 already",
        "--time-zone: must be the name of a time zone",
    ):
        assert part in said, said
    assert "gap" not in said  # a cell that is wrong is not missing as well


def test_a_negative_reading_of_a_long_file_names_its_household(tmp_path: Path) -> None:
    rows = [f"{at},{name},{-1 if (k, name) == (7, 'B') else 1}" for k, at in enumerate(HOURS) for name in ("A", "B")]
    with pytest.raises(ValueError, match=r"row 17, column 'kWh': must be a number at least 0 .*, got -1 of B\."):
        build(tmp_path, "\n".join(["time,household,kWh", *rows]), unit="kWh")


def test_readings_without_a_unit_are_asked_about_and_the_answer_is_taken(tmp_path: Path) -> None:
    text = meters({"A": ONES, "B": ONES})
    with pytest.raises(ValueError, match=r"column 'A': the unit of its numbers must be stated, .* or by --unit kW or --unit kWh; neither"):
        build(tmp_path, text)
    assert build(tmp_path, text, unit="Wh").community.load_kw[0].tolist() == [0.001, 0.001]


def test_a_gap_is_named_by_household_and_time_and_filled_by_the_rule_asked_for_alone(tmp_path: Path) -> None:
    column = [float(k) for k in range(48)]
    text = meters({"A load [kW]": changed(30, "", changed(31, "nan", column)), "B load [kW]": ONES})
    with pytest.raises(ValueError, match=r"'A load' must have a reading for every 60 minutes, got none from 2024-06-02T06:00 to .*T08:00"):
        build(tmp_path, text)
    for rule, expected in (("previous-day", [6, 7]), ("interpolate", [30, 31]), ("zero", [0, 0]), ("hold", [29, 29])):
        built = build(tmp_path, text, fill=rule)
        assert built.community.load_kw[30:32, 0].tolist() == expected
        assert f"filled: 2 readings of meters.csv: A load by {rule}" in built.sentences.text
    with pytest.raises(ValueError, match=r"The rule previous-week .* has nothing to fill it with"):
        build(tmp_path, text, fill="previous-week")


def test_rows_that_are_missing_are_a_gap_like_empty_cells(tmp_path: Path) -> None:
    rows = meters().splitlines()
    del rows[10:12]
    with pytest.raises(ValueError, match=r"'B load' must have .* got none from 2024-06-01T09:00 to 2024-06-01T11:00 \(2 missing, a gap\)"):
        build(tmp_path, "\n".join(rows))


def test_a_duplicate_is_named_with_both_rows(tmp_path: Path) -> None:
    rows = meters().splitlines()
    with pytest.raises(
        ValueError, match=r"row 13, column 'A load \[kW\]': 'A load' must have one reading for .*T10:00, got another in row 12"
    ):
        build(tmp_path, "\n".join([*rows[:12], rows[11], *rows[12:]]))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must have a header and at least one row below it"),
        ("2024-06-01 00:00,1,2\n2024-06-01 01:00,1,2\n", "must begin with a header that names its columns, got data"),
        ("time,A load [kW],A load [kW]\n2024-06-01,1,2\n", "column 'A load [kW]': the column stands twice"),
        ("when,A load [kW]\n2024-06-01,1\n", "must have a column of stamps named like 'time', got when, A load [kW]"),
        ("time,A load [kW]\n06/05/2024 00:00,1\n", "(with slashes nobody can tell the day from the month)"),
        ("time,A load [kW]\n2024-06-01 24:00,1\n", "(24:00: write 00:00 of the next day)"),
        ("time,A load [kW],B load [kW]\n2024-06-01 00:00,1,5,2,5\n", "are decimal commas within cells that commas set apart?"),
        ('time,A load [kW]\n2024-06-01 00:00,"1\n', "cannot be read as CSV"),
        ("time;A load [kW]\n2024-06-01 00:00;1,234\n2024-06-01 01:00;2,345\n", "'1,234' may be 1.234 or 1234"),
        ("time;A load [kW]\n2024-06-01 00:00;1,5\n2024-06-01 01:00;2.5\n", "one decimal sign, got '1,5' in row 2 and '2.5' in row 3"),
        ("time,A load [kW]\n2024-06-01 00:00,1\n2024-06-01 07:00,1\n", "any whole minutes that divide the hour, got 420 minutes"),
        ("time,load [kW]\n2024-06-01 00:00,1\n", "column 'load [kW]': must name the household"),
        ("time,A load [kW]\n2024-06-01 00:00,1\n2024-06-01 01:00,1\n", "must hold a whole day from 00:00 to 24:00"),
    ],
)
def test_what_spoils_a_file_is_said_with_its_remedy(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be built") as caught:
        build(tmp_path, text)
    assert said in str(caught.value)


def test_a_decimal_sign_that_is_stated_is_taken(tmp_path: Path) -> None:
    text = "\n".join(["time;A load [kW];B load [kW]", *(f"{at};1,250;2,500" for at in HOURS)])
    assert build(tmp_path, text, decimal=",").community.load_kw[0].tolist() == [1.25, 2.5]


def test_a_file_that_is_not_there_is_named_with_one_that_is_like_it(tmp_path: Path) -> None:
    (tmp_path / "meters.csv").write_text(meters(), encoding="utf-8")
    with pytest.raises(ValueError, match=r"meter.csv: the file is missing: there is no .* Did you mean 'meters.csv'\?"):
        build(tmp_path, meters=(tmp_path / "meter.csv",))


def test_days_that_are_asked_for_are_those_and_what_they_lack_is_a_gap(tmp_path: Path) -> None:
    from datetime import date

    assert build(tmp_path, first_day=date(2024, 6, 2)).community.first_date == date(2024, 6, 2)
    assert build(tmp_path, last_day=date(2024, 6, 1)).community.n_days == 1
    with pytest.raises(ValueError, match=r"got none from 2024-06-03T00:00 to 2024-06-04T00:00 \(24 missing, a gap\)"):
        build(tmp_path, last_day=date(2024, 6, 3))


def test_meters_of_several_months_go_on_in_other_files_and_an_overlap_is_named_by_file(tmp_path: Path) -> None:
    header, *rows = meters({"A load [kW]": [float(k) for k in range(48)], "B load [kW]": ONES}).splitlines()
    files = {"1.csv": "\n".join([header, *rows[:24]]), "2.csv": "\n".join([header, *rows[24:]])}
    paths = (tmp_path / "1.csv", tmp_path / "2.csv")
    assert build(tmp_path, files=files, meters=paths).community.load_kw[:, 0].tolist() == list(range(48))
    files["2.csv"] = "\n".join([header, *rows[23:]])
    with pytest.raises(ValueError, match=r"2.csv, row 2, .* one reading for 2024-06-01T23:00, got another in row 25 of 1.csv"):
        build(tmp_path, files=files, meters=paths)


def test_lines_that_make_no_grid_are_named(tmp_path: Path) -> None:
    for text, said in (
        ("from,to,r_ohm,x_ohm\nroot,A,0.1,0.1\nC,B,0.1,0.1\n", "every bus must be connected to the slack bus 'root'"),
        ("from,to,r_ohm\nroot,A,0.1\n", "must give r_ohm and x_ohm, or r_ohm_per_km"),
        ("from,to,r_pu,x_pu\nroot,A,0.1,0.1\nroot,B,1,1\n", "r_pu and x_pu must have a stated base power"),
        ("from,to,r_ohm,x_ohm,limt_kw\nroot,A,0.1,0.1,3\n", "there is no such column. Did you mean 'limit_kw'?"),
        (
            "from,to,r_ohm,x_ohm\nroot,A,0.1,0.1\n",
            "every prosumer must sit at a bus of the lines in lines.csv, whose buses are root, A; got 'B'",
        ),
    ):
        with pytest.raises(ValueError, match="cannot be built") as caught:
            build(tmp_path, files={"lines.csv": text})
        assert said in str(caught.value)
        assert "is not valid" not in str(caught.value)  # one list, not a list within it
    with pytest.raises(ValueError, match="lines in ohms need the nominal voltage"):
        build(tmp_path, voltage_kv=None)


def test_ohms_become_the_losses_that_they_make(tmp_path: Path) -> None:
    grid = build(tmp_path).community.network.grid
    assert grid.loss_coefficient == pytest.approx(np.array([0.02, 0.03]) / 0.4**2 / 1e3)  # f kW lose R f² / U² W, in ohms and kV
    per_km = LINES.replace("r_ohm,x_ohm", "r_ohm_per_km,x_ohm_per_km,length_m").replace(",0.01,", ",0.01,500,")
    half = build(tmp_path, files={"lines.csv": per_km}).community.network.grid
    assert half.loss_coefficient == pytest.approx(grid.loss_coefficient / 2)
    amperes = build(tmp_path, files={"lines.csv": LINES.replace("limit_kw", "limit_a")}).community.network.grid
    assert amperes.branch_limit_kw == pytest.approx(np.sqrt(3) * 0.4 * np.array([60.0, 50.0]))


def test_numbers_that_follow_from_rules_can_be_set_and_unknown_ones_are_named(tmp_path: Path) -> None:
    numbers = {"charge_cap": 0.5, "trade_friction": 0.01, "demand_min_share": 0.8, "grid_friction": 0.02, "partners": 1.0}
    community = build(tmp_path, numbers=numbers).community
    assert (community.charge_cap, community.trade_friction, community.partners) == (0.5, 0.01, 1)
    assert community.parameters.demand_min_share == 0.8
    assert community.grid_friction.tolist() == [0.02, 0.02]
    with pytest.raises(ValueError, match=r"--set: a number to set must be one of .*; got 'charge_cup'. Did you mean 'charge_cap'"):
        build(tmp_path, numbers={"charge_cup": 1.0})
    with pytest.raises(ValueError, match=r"--set: .*`demand_min_share` must be from 0 to 1, got 2"):
        build(tmp_path, numbers={"demand_min_share": 2.0})


def test_what_many_columns_share_is_said_once(tmp_path: Path) -> None:
    """A row that is missing, or there twice, is missing or twice in every column of a wide file."""
    rows = meters({f"{name} load [kW]": ONES for name in "ABCDE"}).splitlines()
    for lines, said in (
        (rows[:20] + rows[21:], r"'A load' must have a reading .*; 4 more like it, the last in column 'E load \[kW\]'\.$"),
        (rows[:20] + rows[19:], r"'A load' must have one reading .*; 4 more like it, the last in row 21, column 'E load \[kW\]'\.$"),
    ):
        who = "household,bus\n" + "".join(f"{name},A\n" for name in "ABCDE")
        with pytest.raises(ValueError, match="cannot be built") as caught:
            build(tmp_path, "\n".join(lines), files={"who.csv": who}, prosumers=tmp_path / "who.csv")
        [line] = str(caught.value).splitlines()[1:]
        assert re.search(said, line), line


def test_half_a_battery_is_refused_and_a_prosumer_without_a_meter_named_once(tmp_path: Path) -> None:
    for who, said in (
        ("A,A,,5\nB,B,2,4\n", "row 2: a battery must have battery_kw and battery_kwh above 0, or neither, got 0 kW and 5 kWh."),
        ("A,A,,\nB,B,,\nC,B,,\n", "every household must have a meter, got 'C' without one."),
    ):
        text = f"household,bus,battery_kw,battery_kwh\n{who}"
        with pytest.raises(ValueError, match="cannot be built") as caught:
            build(tmp_path, files={"who.csv": text}, prosumers=tmp_path / "who.csv")
        [line] = str(caught.value).splitlines()[1:]
        assert line.startswith("  - who.csv")
        assert line.endswith(said)


def test_days_that_hold_no_reading_are_answered_with_those_that_do(tmp_path: Path) -> None:
    said = r"must hold a whole day among those of --from 2025-06-01, got readings from 2024-06-01T00:00 to 2024-06-03T00:00"
    with pytest.raises(ValueError, match=said):
        build(tmp_path, first_day=date(2025, 6, 1))


def test_no_mutilated_file_ends_in_anything_but_a_list_of_faults(tmp_path: Path) -> None:
    signs = [
        "",
        "nan",
        "-1",
        "1e400",
        "abc",
        '"',
        ";",
        "\t",
        "\n",
        "\x00",
        "2024-06-01 00:00",
        "9999-12-31 23:00",
        "0001-01-01 00:00",
        "load",
    ]
    signs += ["\ufeff", "sep=;\n", "1_0", "٣", "inf", "1,5", "A"]
    prices = "\n".join(["time,import [ct/kWh],export [ct/kWh]", *(f"{at},30,10" for at in HOURS)])
    whole = {
        "meters.csv": meters(),
        "lines.csv": LINES,
        "prices.csv": prices,
        "who.csv": "household,bus,battery_kw,battery_kwh\nA,A,1,2\nB,B,,\n",
    }
    given: dict[str, Any] = {"prices": tmp_path / "prices.csv", "prosumers": tmp_path / "who.csv", "constants": {}}
    build(tmp_path, files=whole, **given)
    random, refused = np.random.default_rng(3), 0
    for _ in range(60):
        name = str(random.choice(list(whole)))
        text = whole[name]
        at, end = sorted(random.integers(0, len(text) + 1, 2).tolist())
        sign = str(random.choice(signs))
        changed_text = (text[:at] + sign + text[at:], text[:at], text[:at] + text[end:])[random.integers(3)]
        try:
            build(tmp_path, changed_text if name == "meters.csv" else None, files={**whole, name: changed_text}, **given)
        except ValueError as error:
            refused += "cannot be built from these files" in str(error) or "is not valid" in str(error)
    assert refused > 30
