"""Run folders stay readable whatever happens to the process that writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import BinaryIO

import pytest

from gridtoll.train.ground.runs import RunFolder, commit, versions


def text(content: str):  # type: ignore[no-untyped-def]
    return lambda file: file.write(content.encode())


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", {"seed": 3, "config": {}})


def test_a_run_folder_read_back_is_the_one_written(run: RunFolder) -> None:
    again = RunFolder.open(run.path)
    assert again == run
    assert again.config["seed"] == 3
    assert again.config["versions"] == versions()


def test_a_folder_with_something_in_it_is_left_alone(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist or is empty"):
        RunFolder.create(run.path, {})
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="does not exist or is empty"):
        RunFolder.create(tmp_path / "file", {})
    assert (tmp_path / "file").read_text() == "mine"


def test_what_is_no_run_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="which is not there"):
        RunFolder.open(tmp_path / "nothing")
    with pytest.raises(ValueError, match=r"without it"):
        RunFolder.open(tmp_path)


@pytest.mark.parametrize("change", [{"schema": 99}, {"schema": None}, {"versions": {"gridtoll": "0.0.1"}}, {"versions": {}}])
def test_a_run_of_another_version_is_refused_and_both_versions_named(run: RunFolder, change: dict[str, object]) -> None:
    (run.path / "config.json").write_text(json.dumps({**run.config, **change}))
    with pytest.raises(ValueError, match="must be of this version"):
        RunFolder.open(run.path)


@pytest.mark.parametrize("content", ["", "{", "[1]", "\x00"])
def test_a_configuration_cut_short_is_refused(run: RunFolder, content: str) -> None:
    (run.path / "config.json").write_text(content)
    with pytest.raises(ValueError, match=r"config\.json must"):
        RunFolder.open(run.path)


def test_the_newest_snapshot_is_the_only_one_kept(run: RunFolder) -> None:
    assert run.load("checkpoint") is None
    run.save("checkpoint", 10, {"model.zip": text("ten"), "buffer.pkl": text("b")}, {"score": 1.5})
    run.save("checkpoint", 20, {"model.zip": text("twenty")})
    run.save("best", 10, {"policy.pt": text("best")})
    newest = run.load("checkpoint")
    assert newest is not None
    assert (newest.step, newest.facts) == (20, {})
    assert newest.files["model.zip"].read_text() == "twenty"
    names = sorted(path.name for path in run.path.iterdir())
    assert names == ["best-0000010-policy.pt", "best.json", "checkpoint-0000020-model.zip", "checkpoint.json", "config.json"]


def test_a_kill_while_writing_leaves_the_snapshot_before(run: RunFolder) -> None:
    run.save("checkpoint", 10, {"model.zip": text("ten")})

    def killed(file: BinaryIO) -> None:
        file.write(b"twen")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.save("checkpoint", 20, {"model.zip": text("twenty"), "buffer.pkl": killed})
    kept = run.load("checkpoint")
    assert kept is not None
    assert (kept.step, kept.files["model.zip"].read_text()) == (10, "ten")


@pytest.mark.parametrize("damage", ["cut", "missing"])
def test_a_damaged_file_is_named(run: RunFolder, damage: str) -> None:
    run.save("best", 10, {"policy.pt": text("weights")})
    file = run.path / "best-0000010-policy.pt"
    file.write_text("weig") if damage == "cut" else file.unlink()
    with pytest.raises(ValueError, match=r"best-0000010-policy\.pt is (cut short or changed|missing)"):
        run.load("best")


def test_a_torn_last_line_of_progress_is_left_out_and_other_damage_is_named(run: RunFolder) -> None:
    assert run.progress() == []
    run.record({"step": 1})
    run.record({"step": 2})
    file = run.path / "progress.jsonl"
    with file.open("a") as torn:
        torn.write('{"step": 3')
    assert run.progress() == [{"step": 1}, {"step": 2}]
    run.rewind_progress(1)
    assert run.progress() == [{"step": 1}]
    file.write_text('{"step"\n{"step": 2}\n')
    with pytest.raises(ValueError, match="line 1"):
        run.progress()


def test_the_commit_is_that_of_the_checkout_or_none() -> None:
    found = commit()
    assert found is None or len(found.removesuffix("+changes")) == 40
