"""A packed comparison is gone on from: its cells are those that were packed, and nothing is searched for again."""

from __future__ import annotations

import json
import lzma
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.cli import main
from gridtoll.train.commands.report.unpacking import unpack
from gridtoll.train.compare.carried import carried, take
from gridtoll.train.compare.plan_file import read_plan
from gridtoll.train.compare.row_files import gather_rows
from gridtoll.train.references.ends import HOURLY, hourly_key
from gridtoll.train.references.hours import SearchEffort

PLAN = """\
communities = ["two-prosumers"]
seeds = 2
steps = 4
validation_days = 1
test_days = 2
[game]
env = "hourly"
[effort]
plans = 20
starts = 0
[algorithms.zero]
[algorithms.random]
[algorithms.best-found]
"""
EFFORT = SearchEffort(plans=20, starts=0)
COMMIT = r"[0-9a-f]{40}(\+changes)?"  # may be another while tests run: what a cell ran at is said in its rows
FILES = ("config.json", "cells.json", "rows.csv.xz", "references.json.xz")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a plan, the comparison of it, and that packed."""
    place = tmp_path_factory.mktemp("made")
    (place / "plan.toml").write_text(PLAN)
    assert main(["compare", str(place / "plan.toml"), "--out", str(place / "run"), "--jobs", "1", "--quiet"]) == 0
    assert main(["report", str(place / "run"), "--pack", str(place / "packed")]) == 0
    return place


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another machine: one whose store of answers is empty."""
    monkeypatch.setenv("GRIDTOLL_CACHE", str(tmp_path / "cache"))
    return tmp_path


def gone_on_with(made: Path, place: Path, packed: Path | None = None) -> int:
    arguments = ["--packed", str(packed or made / "packed"), "--out", str(place / "run"), "--jobs", "1", "--quiet"]
    return main(["compare", str(made / "plan.toml"), *arguments])


def references(packed: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(lzma.decompress((packed / "references.json.xz").read_bytes()))
    return found


def test_cells_are_to_the_byte_those_that_were_packed_and_packed_again_they_are_the_same(made: Path, elsewhere: Path) -> None:
    assert gone_on_with(made, elsewhere) == 0
    before, after = ({path.relative_to(root): path for path in root.glob("cells/**/*.*")} for root in (made / "run", elsewhere / "run"))
    assert len(after) == 2 * 3 * 2
    assert {path for path in before if path.suffix != ".onnx"} == set(after)
    assert all(before[name].read_bytes() == path.read_bytes() for name, path in after.items())
    assert main(["report", str(elsewhere / "run"), "--pack", str(elsewhere / "packed")]) == 0
    for name in FILES:
        assert (made / "packed" / name).read_bytes() == (elsewhere / "packed" / name).read_bytes()


def test_what_is_known_of_the_days_comes_along_and_is_not_searched_for_again(
    made: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(references(made / "packed")) == 3
    monkeypatch.setattr("gridtoll.train.references.ends.search_day", lambda *_: pytest.fail("searched again"))
    packed = shutil.copytree(made / "packed", elsewhere / "packed")
    cells = json.loads((packed / "cells.json").read_text())
    cut = [cell for cell in cells if (cell["algorithm"], cell["seed"]) != ("random", 1)]
    (packed / "cells.json").write_text(json.dumps(cut))
    lines = lzma.decompress((packed / "rows.csv.xz").read_bytes()).decode().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("random,1,")]
    assert len(lines) - len(kept) == 2
    (packed / "rows.csv.xz").write_bytes(lzma.compress("".join(kept).encode()))
    assert gone_on_with(made, elsewhere, packed) == 0
    place = Path("cells/two-prosumers/public/random/1/rows.csv")
    there, here = (re.sub(COMMIT, "", (folder / "run" / place).read_text(encoding="utf-8")) for folder in (made, elsewhere))
    assert here == there


def test_references_that_the_store_does_not_know_are_said_to_be_missing_and_those_of_other_rows_do_not_stay(
    made: Path, elsewhere: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(made / "packed", elsewhere / "packed")
    assert main(["report", str(made / "run"), "--pack", str(elsewhere / "packed")]) == 0
    assert "the store of answers knows nothing, or less, of 2 days than the rows in" in caplog.text
    assert not (elsewhere / "packed" / "references.json.xz").exists()


def test_charges_that_do_not_earn_here_what_they_earned_there_are_not_taken(
    made: Path, elsewhere: Path, caplog: pytest.LogCaptureFixture
) -> None:
    task, [first, *others] = GameSpec(community="two-prosumers", env="hourly"), references(made / "packed")
    words = dict(first["ends"]) | {"best_eur": first["ends"]["best_eur"] + 0.01}  # type: ignore[call-overload, index]
    known: dict[Scenario, Any] = {Scenario(each["day"], each["price_path"]): each["ends"] for each in others}  # type: ignore[arg-type]
    lie = Scenario(first["day"], first["price_path"])  # type: ignore[arg-type]
    assert take(task, {**known, lie: words}, EFFORT) == len(others)
    assert set(carried(task, [lie, *known], EFFORT)) == set(known)
    assert "1 days of two-prosumers do not earn here what they earned where they were found" in caplog.text


def test_a_plan_with_other_settings_is_refused_and_one_with_more_seeds_is_not(made: Path, elsewhere: Path) -> None:
    other = PLAN.replace("test_days = 2", "test_days = 1").encode()
    with pytest.raises(ValueError, match="test_days"):
        unpack(made / "packed", elsewhere / "run", read_plan(other, source="other"), other)
    assert not (elsewhere / "run").exists()
    more = PLAN.replace("seeds = 2", "seeds = 3").encode()
    unpack(made / "packed", elsewhere / "run", read_plan(more, source="more"), more)
    assert len([*(elsewhere / "run").glob("cells/*/*/*/*/cell.json")]) == 6


def test_scored_again_cells_are_compared_with_what_is_known_now_and_earn_what_they_earned(
    made: Path, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gone_on_with(made, elsewhere) == 0
    task = GameSpec(community="two-prosumers", env="hourly")
    before = {(row.algorithm, row.seed, row.day): row for row in gather_rows(elsewhere / "run").rows}
    day = next(Scenario(row.day, row.price_path) for row in before.values())
    ends = HOURLY.kept(hourly_key(task, day, EFFORT))
    assert ends is not None
    HOURLY.keep(hourly_key(task, day, EFFORT), replace(ends, upper_bound_eur=ends.best_eur + 1.0, certified=False))
    again = ["compare", "--out", str(elsewhere / "run"), "--jobs", "1", "--quiet", "--score-again"]
    assert main([*again, "--only", "random"]) == 0
    assert main(["report", str(elsewhere / "run")]) == 2
    assert "must be scored against the same best charges and bound" in capsys.readouterr().err
    assert main(again) == 0
    assert main(["report", str(elsewhere / "run")]) == 0
    after = {(row.algorithm, row.seed, row.day): row for row in gather_rows(elsewhere / "run").rows}
    assert set(after) == set(before)
    for key, row in after.items():
        known = {} if row.day != day.day else {"upper_bound_eur": ends.best_eur + 1.0, "certified": False}
        gap = row.optimum_relative_gap if known else before[key].optimum_relative_gap
        expected = replace(before[key], **known, optimum_relative_gap=gap, commit=row.commit)  # type: ignore[arg-type]
        assert repr(row) == repr(expected)
        assert not known or gap == pytest.approx(1.0 / ends.best_eur)
