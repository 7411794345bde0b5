"""Rows go out as Parquet and come back as they were, with types and units, and those of a comparison as one file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gridtoll.envs.packages import research_package
from gridtoll.train.compare.row_files import gather_rows, load_rows, save_rows
from gridtoll.train.data import parquet
from gridtoll.train.data.parquet import UNITS, read_parquet, write_parquet
from gridtoll.train.scoring.rows import Row

ROW = Row(
    algorithm="sac",
    seed=3,
    community="two-prosumers",
    split="test",
    day=21,
    date="2016-01-22",
    price_path=1,
    tariff="distance",
    charges_per="day",
    flows="trades",
    objective="profit",
    information="public",
    charge="0.30000000000000004 1e-05",
    profit_eur=0.1 + 0.2,
    welfare_eur=-7.0,
    objective_eur=0.1 + 0.2,
    optimum_eur=1 / 3,
    upper_bound_eur=1 / 3 + 1e-12,
    zero_eur=-0.0,
    regret_eur=1 / 3 - 0.3,
    normalised_regret=0.1,
    excluded=False,
    optimum_charge=0.5,
    optimum_relative_gap=1e-12,
    primal_residual=1e-15,
    dual_residual=2e-15,
    gap=-3e-15,
    solver="structured",
    scenario_hash="0123456789abcdef",
    gridtoll="0.1.0",
    commit="",
)
ROWS = [ROW, replace(ROW, day=22, date="2016-01-23", charge="0.2", excluded=True, normalised_regret=float("inf"))]


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_rows_read_back_are_those_written(ending: str, tmp_path: Path) -> None:
    save_rows(tmp_path / f"rows{ending}", ROWS)
    assert load_rows(tmp_path / f"rows{ending}") == ROWS


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_normalised_regret_that_is_not_a_number_stays_one(ending: str, tmp_path: Path) -> None:
    save_rows(tmp_path / f"rows{ending}", [replace(ROW, normalised_regret=float("nan"))])
    [row] = load_rows(tmp_path / f"rows{ending}")
    assert str(row.normalised_regret) == "nan"


def test_columns_have_types_and_units_and_the_file_says_what_wrote_it(tmp_path: Path) -> None:
    write_parquet(tmp_path / "rows.parquet", ROWS)
    schema = pq.read_schema(tmp_path / "rows.parquet")
    assert schema.names == [field.name for field in fields(Row)] == list(UNITS)
    assert schema.field("date").type == pa.date32()
    assert schema.field("charge").type == pa.list_(pa.float64())
    assert schema.field("excluded").type == pa.bool_()
    assert {name: schema.field(name).metadata[b"unit"].decode() for name in schema.names} == UNITS
    assert UNITS["regret_eur"] == "EUR"
    assert UNITS["charge"] == "EUR/kWh"
    assert set(json.loads(schema.metadata[b"gridtoll"])) == {"schema", "gridtoll", "commit"}


def test_pandas_reads_the_file(tmp_path: Path) -> None:
    write_parquet(tmp_path / "rows.parquet", ROWS)
    frame = pd.read_parquet(tmp_path / "rows.parquet")
    assert frame["regret_eur"].tolist() == [row.regret_eur for row in ROWS]
    assert [charge[0] for charge in frame["charge"]] == [0.30000000000000004, 0.2]


def test_the_same_rows_give_the_same_bytes_and_leave_no_draft(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_parquet(tmp_path / f"{name}.parquet", ROWS)
    assert (tmp_path / "first.parquet").read_bytes() == (tmp_path / "second.parquet").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_files_that_are_not_rows_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(ValueError, match="must have layout 1"):
        read_parquet(tmp_path / "other.parquet")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match="must be in a Parquet file"):
        read_parquet(tmp_path / "torn.parquet")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="must have the columns algorithm, seed"):
        load_rows(tmp_path / "other.csv")
    with pytest.raises(ValueError, match=r"must end in \.csv or \.parquet"):
        save_rows(tmp_path / "rows.xlsx", ROWS)
    monkeypatch.setattr(parquet, "SCHEMA", 2)
    write_parquet(tmp_path / "later.parquet", ROWS)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="with layout 2"):
        read_parquet(tmp_path / "later.parquet")


def test_a_missing_package_is_named_with_its_extra() -> None:
    with pytest.raises(ValueError, match=r'a Parquet file needs the package `no_such_package`.*pip install "\.\[research\]"'):
        research_package("no_such_package.inside", "a Parquet file")


def cell(folder: Path, name: str, status: str | None, rows: list[Row] = ROWS) -> Path:
    """A cell of a comparison as `gridtoll compare` leaves it; None for one that was interrupted."""
    place = folder / "cells" / name
    place.mkdir(parents=True)
    save_rows(place / "rows.csv", rows)
    digest = hashlib.sha256((place / "rows.csv").read_bytes()).hexdigest()
    if status is not None:
        (place / "cell.json").write_text(json.dumps({"schema": 1, "status": status, "rows_sha256": digest}))
    return place


def test_finished_cells_are_gathered_and_the_others_named(tmp_path: Path) -> None:
    cell(tmp_path, "ieee9/public/sac/1", "done", [replace(ROW, seed=1)])
    cell(tmp_path, "ieee9/public/sac/0", "done", [replace(ROW, seed=0)])
    cell(tmp_path, "ieee9/public/ppo/0", "failed")
    cell(tmp_path, "ieee9/full/ppo/0", None)
    cell(tmp_path, "ieee9/full/ppo/1", "begun")
    gathered = gather_rows(tmp_path)
    assert [row.seed for row in gathered.rows] == [0, 1]
    assert (gathered.done, gathered.failed, gathered.missing) == (2, ["ieee9/public/ppo/0"], ["ieee9/full/ppo/0", "ieee9/full/ppo/1"])
    with pytest.raises(ValueError, match="no folder `cells`"):
        gather_rows(tmp_path / "cells" / "ieee9")


def test_rows_changed_after_their_cell_was_finished_are_refused(tmp_path: Path) -> None:
    place = cell(tmp_path, "ieee9/public/sac/0", "done")
    save_rows(place / "rows.csv", [replace(ROW, regret_eur=0.0)])
    with pytest.raises(ValueError, match="is not as it was written"):
        gather_rows(tmp_path)
