"""A rerun beside what was kept: the same cells are the same, and one cent on one day is found and named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gridtoll.train.cli import main
from gridtoll.train.commands.report.rerun import check_rerun
from gridtoll.train.reports.results import REFERENCE, pack, read_results


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first few cells of the reference results, packed."""
    folder = tmp_path_factory.mktemp("kept") / "some"
    folder.mkdir()
    whole = read_results(REFERENCE)
    few = [cell for cell in whole.cells if cell.community == "ieee9"][:3]
    keys = {cell.key for cell in few}
    rows = whole.rows[
        [key in keys for key in whole.rows[["community", "information", "algorithm", "seed"]].itertuples(index=False, name=None)]
    ]
    contents = tuple(content for cell, content in zip(whole.cells, whole.contents, strict=True) if cell.key in keys)
    pack(type(whole)(tuple(few), rows, whole.config, (), contents), folder)
    return folder


def altered(kept: Path, folder: Path, change: Any) -> Path:
    """The same with its rows changed."""
    shutil.copytree(kept, folder)
    results = read_results(folder)
    rows = results.rows.copy()
    change(rows)
    pack(type(results)(results.cells, rows, results.config, (), results.contents), folder)
    return folder


def checked(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = main(["report", *options, "--json"])
    return code, json.loads(capsys.readouterr().out or "{}")


def test_what_was_kept_is_the_same_as_the_reference_and_as_itself(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options in (["--check", str(kept)], [str(kept), "--check", str(kept)]):
        code, values = checked(capsys, *options)
        assert (code, values["same"]) == (0, True)
        assert len(values["cells"]) == 3
        assert {cell["greatest_difference"] for cell in values["cells"]} == {0.0}


def test_a_cent_on_one_day_is_found_and_named(kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def change(rows: pd.DataFrame) -> None:
        rows.loc[rows.index[5], "profit_eur"] += 0.01

    again = altered(kept, tmp_path / "again", change)
    code, values = checked(capsys, "--check", str(again))
    [other] = [cell for cell in values["cells"] if cell["verdict"] != "same"]
    row = read_results(kept).rows.iloc[5]
    assert code == 1
    assert (other["verdict"], other["column"], other["day"], other["algorithm"]) == ("differs", "profit_eur", row["day"], row["algorithm"])
    assert other["greatest_difference"] == pytest.approx(0.01)
    assert checked(capsys, "--check", str(again), "--check-tolerance", "0.02")[0] == 0
    assert main(["report", "--check", str(again)]) == 1
    assert "2 of 3 cells came out the same to 1e-06 EUR" in capsys.readouterr().out


def test_other_charges_other_data_and_other_days_are_told_apart(kept: Path, tmp_path: Path) -> None:
    def charge(rows: pd.DataFrame) -> None:
        rows.loc[rows.index[0], "charge"] = "0.5 0.5"

    def data(rows: pd.DataFrame) -> None:
        first = rows["algorithm"] == rows["algorithm"].iloc[0]
        rows.loc[first, "scenario_hash"] = rows.loc[first, "scenario_hash"] + "x"

    whole = read_results(kept)
    for change, verdict in ((charge, "differs"), (data, "other data")):
        rows = whole.rows.copy()
        change(rows)
        found = check_rerun(type(whole)(whole.cells, rows, whole.config, (), whole.contents), whole)
        assert found[0].verdict == verdict
    fewer = type(whole)(whole.cells, whole.rows.iloc[1:], whole.config, (), whole.contents)
    assert check_rerun(fewer, whole)[0].verdict == "same"  # those days that were run again
    assert check_rerun(whole, fewer)[0].verdict == "other days"


def test_words_about_the_software_do_not_count(kept: Path) -> None:
    whole = read_results(kept)
    rows = whole.rows.assign(commit="another", gridtoll="9.9", solver="another")
    found = check_rerun(type(whole)(whole.cells, rows, whole.config, (), whole.contents), whole)
    assert {each.verdict for each in found} == {"same"}


def test_a_rerun_without_a_common_cell_is_refused(kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = read_results(kept)
    with pytest.raises(ValueError, match="`tolerance` must be"):
        check_rerun(whole, whole, tolerance=-1.0)
    shutil.copytree(kept, tmp_path / "others")
    contents = json.loads((tmp_path / "others" / "cells.json").read_text())
    empty = type(whole)((), whole.rows.iloc[:0], whole.config, (), ())
    assert len(contents) == 3
    with pytest.raises(ValueError, match="cells in common"):
        check_rerun(whole, empty)
    assert main(["report", "--check", str(kept), "--out", str(tmp_path / "out")]) == 2
    assert "--out must go with a report (without --check)" in capsys.readouterr().err
