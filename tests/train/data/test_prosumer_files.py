"""The table of who pays and who gains, in every format, of a day and of many."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
from openpyxl import load_workbook

from gridtoll.envs.account.prosumers import COLUMNS
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.frames import frame_of
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.cli import main
from gridtoll.train.data.prosumers import Posted, prosumers_of
from gridtoll.train.data.tables import write_table
from gridtoll.train.workers import Workers

TWO = GameSpec(community="two-prosumers")
CLEAR = ["clear", "--community", "two-prosumers", "--day", "100", "--charge", "0.1", "--json", "--prosumers"]


def read(path: Path) -> Any:
    match path.suffix:
        case ".csv":
            return pd.read_csv(path)
        case ".xlsx":
            return pd.read_excel(path)
        case _:
            return pd.read_parquet(path)


@pytest.mark.parametrize("ending", ["csv", "xlsx", "parquet"])
def test_every_format_reads_back_as_the_table(ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / f"day.{ending}"
    assert main([*CLEAR, str(path)]) == 0
    printed = json.loads(capsys.readouterr().out)
    expected = prosumers_of([Posted(TWO, Scenario(100, 0), (0.1,))])
    found = read(path)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    assert found["network_charge_eur"].sum() == pytest.approx(printed["revenue_eur"])
    assert list(tmp_path.iterdir()) == [path]


def test_excel_and_parquet_say_what_every_column_is(tmp_path: Path) -> None:
    for ending in ("xlsx", "parquet"):
        assert main([*CLEAR, str(tmp_path / f"day.{ending}")]) == 0
    sheet = load_workbook(tmp_path / "day.xlsx")["columns"]
    rows = {row[0]: row[1:] for row in sheet.iter_rows(min_row=2, values_only=True)}
    fields = pyarrow.parquet.read_schema(tmp_path / "day.parquet")
    assert list(rows) == list(COLUMNS)
    for name, meaning in COLUMNS.items():
        assert rows[name][1] == meaning
        assert fields.field(name).metadata == {b"unit": str(rows[name][0]).encode(), b"meaning": meaning.encode()}
    assert rows["gain_eur"][0] == "EUR"


def test_a_name_that_begins_with_an_equals_sign_is_no_formula(tmp_path: Path) -> None:
    frame = frame_of({"prosumer": ["=1+1", "Höfe, 2"], "gain_eur": np.array([1.0, 2.0])})
    write_table(tmp_path / "names.xlsx", frame, dict.fromkeys(frame.columns, ""))
    write_table(tmp_path / "names.csv", frame, dict.fromkeys(frame.columns, ""))
    cell = load_workbook(tmp_path / "names.xlsx")["table"]["A2"]
    assert (cell.value, cell.data_type) == ("=1+1", "s")
    assert list(read(tmp_path / "names.csv")["prosumer"]) == ["=1+1", "Höfe, 2"]


def test_a_split_sums_over_its_days_whatever_the_number_of_jobs(tmp_path: Path) -> None:
    options = ["optimum", "--community", "two-prosumers", "--split", "test", "--days", "3", "--quiet"]
    for jobs in ("1", "2"):
        assert main([*options, "--jobs", jobs, "--out", str(tmp_path / "optima.csv"), "--prosumers", str(tmp_path / f"{jobs}.csv")]) == 0
    rows = pd.read_csv(tmp_path / "optima.csv").to_dict("records")
    posted = [Posted(TWO, Scenario(int(row["day"]), int(row["price_path"])), (float(row["charge"]),)) for row in rows]
    expected = pd.concat([prosumers_of([each]) for each in posted]).groupby("prosumer", sort=False).sum()
    pd.testing.assert_frame_equal(read(tmp_path / "1.csv").set_index("prosumer"), expected, check_exact=False, rtol=1e-12)
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()


def test_the_best_charge_of_a_day_is_written_with_the_account_at_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "day.csv"
    assert main(["optimum", "--community", "two-prosumers", "--day", "100", "--json", "--prosumers", str(path)]) == 0
    charge = json.loads(capsys.readouterr().out)["charge"]
    pd.testing.assert_frame_equal(read(path), prosumers_of([Posted(TWO, Scenario(100, 0), (charge,))]), rtol=1e-12)


@pytest.mark.parametrize(
    ("path", "words"),
    [("day.xls", "must be one of .csv, .parquet, .xlsx"), ("nowhere/day.csv", "in a folder that does not exist"), (".", "is a folder")],
)
def test_a_file_that_cannot_be_written_is_refused_before_the_work(
    path: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*CLEAR, path]) == 2
    assert words in capsys.readouterr().err.replace("`", "")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("gridtoll.envs.packages.import_module", _missing)
    assert main([*CLEAR, str(tmp_path / "day.xlsx")]) == 2
    assert 'pip install ".[excel]"' in capsys.readouterr().err


def _missing(name: str) -> Any:
    raise ImportError(name)


def test_the_hourly_game_has_no_such_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["optimum", "--env", "hourly", "--day", "3", "--prosumers", str(tmp_path / "a.csv")]) == 2
    assert "--prosumers must go with --env day-ahead" in capsys.readouterr().err


def test_accounts_are_the_same_from_one_process_or_two() -> None:
    posted = [Posted(TWO, Scenario(day, 0), (0.05,)) for day in (3, 100)]
    with Workers(2) as workers:
        pd.testing.assert_frame_equal(prosumers_of(posted), prosumers_of(posted, workers), check_exact=True)
