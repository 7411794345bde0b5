"""A packed comparison is gone on from after data, defaults or communities have changed: only what still holds stays."""

from __future__ import annotations

import csv
import io
import json
import lzma
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gridtoll.train.cli import main
from gridtoll.train.compare.folder import begin
from gridtoll.train.compare.plan_file import read_plan

PLAN = """\
communities = ["two-prosumers"]
seeds = [1]
steps = 8
validation_days = 1
test_days = 2
[algorithms.zero]
[algorithms.random]
[algorithms.grid-constant]
days = 2
"""


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a plan, the comparison of it, and that packed."""
    place = tmp_path_factory.mktemp("once")
    (place / "plan.toml").write_text(PLAN)
    assert compare(place, "run") == 0
    assert main(["report", str(place / "run"), "--pack", str(place / "packed")]) == 0
    return place


@pytest.fixture
def made(once: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(once, tmp_path / "made"))


def compare(place: Path, out: str, *more: str) -> int:
    return main(["compare", str(place / "plan.toml"), "--out", str(place / out), "--jobs", "1", "--quiet", *more])


def on_with(made: Path, *more: str) -> int:
    return compare(made, "on", "--packed", str(made / "packed"), *more)


def edit_cells(made: Path, algorithm: str, **words: Any) -> None:
    path = made / "packed" / "cells.json"
    cells = json.loads(path.read_text())
    path.write_text(json.dumps([{**cell, **words} if cell["algorithm"] == algorithm else cell for cell in cells]))


def of_other_data(made: Path) -> None:
    """Make the packed comparison one of data that differ from today's in last digits."""
    config = json.loads((made / "packed" / "config.json").read_text())
    (made / "packed" / "config.json").write_text(json.dumps({**config, "communities": {"two-prosumers": "0" * 64}}))
    edit_rows(made, lambda row: row | {"scenario_hash": row["scenario_hash"][::-1]})


def edit_rows(made: Path, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
    path, written = made / "packed" / "rows.csv.xz", io.StringIO()
    table = csv.DictReader(io.StringIO(lzma.decompress(path.read_bytes()).decode()))
    assert table.fieldnames is not None
    lines = csv.DictWriter(written, table.fieldnames, lineterminator="\n")
    lines.writeheader()
    lines.writerows(map(change, table))
    path.write_bytes(lzma.compress(written.getvalue().encode()))


def rows(place: Path, algorithm: str) -> str:
    return (place / "cells/two-prosumers/public" / algorithm / "1/rows.csv").read_text()


def cell(place: Path, algorithm: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((place / "cells/two-prosumers/public" / algorithm / "1/cell.json").read_text())
    return found


def test_cells_of_other_defaults_are_run_again_and_named(made: Path, caplog: pytest.LogCaptureFixture) -> None:
    edit_cells(made, "grid-constant", settings={"days": 3}, seconds=-1.0)
    edit_cells(made, "random", seconds=-1.0)
    assert on_with(made) == 0
    assert "to be run again: grid-constant in two-prosumers (public)" in caplog.text
    assert cell(made / "on", "grid-constant")["settings"]["days"] == 2
    assert cell(made / "on", "grid-constant")["seconds"] >= 0.0
    assert cell(made / "on", "random")["seconds"] == -1.0


def test_cells_of_other_data_are_run_again_unless_they_are_scored_again(made: Path, caplog: pytest.LogCaptureFixture) -> None:
    of_other_data(made)
    edit_cells(made, "random", seconds=-1.0)
    assert on_with(made) == 0
    assert "random in two-prosumers (public)" in caplog.text
    assert cell(made / "on", "random")["seconds"] >= 0.0


def test_charges_posted_on_other_data_are_cleared_again_and_the_cell_stays(made: Path) -> None:
    of_other_data(made)
    edit_cells(made, "random", seconds=-1.0)
    assert on_with(made, "--score-again") == 0
    assert cell(made / "on", "random")["seconds"] == -1.0
    for algorithm in ("zero", "random", "grid-constant"):
        assert rows(made / "on", algorithm) == rows(made / "run", algorithm)


def test_a_cell_whose_charges_earn_otherwise_on_todays_data_is_begun_anew(made: Path) -> None:
    of_other_data(made)
    edit_cells(made, "random", seconds=-1.0)
    edit_rows(made, lambda row: row | {"objective_eur": repr(float(row["objective_eur"]) + 0.01 * (row["algorithm"] == "random"))})
    assert on_with(made, "--score-again") == 0
    assert cell(made / "on", "random")["seconds"] >= 0.0
    assert rows(made / "on", "random") == rows(made / "run", "random")


def test_an_algorithm_may_be_run_in_more_communities_later_and_not_in_fewer(tmp_path: Path) -> None:
    both = PLAN.replace('["two-prosumers"]', '["two-prosumers", "ieee9"]')
    every, one, other = (
        both.replace("[algorithms.random]", f"[algorithms.random]\n{only}").encode()
        for only in ("", 'only = ["two-prosumers"]', 'only = ["ieee9"]')
    )
    begin(tmp_path, read_plan(one, source="one"), one)
    begin(tmp_path, read_plan(every, source="every"), every)
    with pytest.raises(ValueError, match=r"algorithms\.random\.only"):
        begin(tmp_path, read_plan(other, source="other"), other)
    begin(tmp_path / "new", read_plan(one, source="one"), one)
    with pytest.raises(ValueError, match=r"algorithms\.random\.only"):
        begin(tmp_path / "new", read_plan(other, source="other"), other)
