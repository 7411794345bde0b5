"""Two processes never write into one folder: the second says so, changes nothing and leaves nothing behind."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from trainings import tiny

from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.cli import main
from gridtoll.train.ground.config import training_of
from gridtoll.train.ground.locks import LOCK, is_bare, writing_into
from gridtoll.train.ground.runs import RunFolder
from gridtoll.train.learning.learn import resume, train
from gridtoll.train.workers import Workers

PACKAGE = Path(__file__).parents[3]


def hold(folder: str, held: object) -> None:
    """Hold a folder until the process is ended."""
    with writing_into(Path(folder)):
        held.set()  # type: ignore[attr-defined]
        multiprocessing.Event().wait()


@contextmanager
def held_elsewhere(folder: Path) -> Iterator[None]:
    """Let another process hold a folder, and kill it."""
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    other = context.Process(target=hold, args=(str(folder), held))
    other.start()
    assert held.wait(600)  # a machine may be busy
    try:
        yield
    finally:
        other.kill()
        other.join()


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_that_trains_is_not_resumed_by_another_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Workers(1) as workers:
        run = train(tiny(steps=16), tmp_path / "run", workers)
        (run.path / "config.json").write_text((run.path / "config.json").read_text().replace('"steps": 16', '"steps": 32'))
        with held_elsewhere(run.path):
            before = content(run.path)
            assert main(["train", "--resume", str(run.path), "--quiet"]) == 2
            assert f"another is at work in {run.path}. Wait for it, or end it." in capsys.readouterr().err
            assert content(run.path) == before
        assert [row["step"] for row in resume(run.path, workers).progress()] == [16, 32]  # a killed process leaves no lock


def test_a_folder_that_another_process_begins_is_not_begun_twice(tmp_path: Path) -> None:
    hourly = training_of(GameSpec(env="hourly", community="two-prosumers"))
    with held_elsewhere(tmp_path / "run"), Workers(1) as workers:
        with pytest.raises(ValueError, match="another is at work in"):
            train(tiny(), tmp_path / "run", workers)
        with pytest.raises(ValueError, match="another is at work in"):
            train(hourly, tmp_path / "run", workers)
        assert [path.name for path in (tmp_path / "run").iterdir()] == [LOCK]


@pytest.mark.parametrize("command", [["demo"], ["study", "--system", "two-prosumers", "--quick"]])
def test_commands_that_fill_a_folder_hold_it(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with held_elsewhere(tmp_path / "out"):
        assert main([*command, "--out", str(tmp_path / "out")]) == 2
    assert "another is at work in" in capsys.readouterr().err


def test_one_thread_keeps_another_out_too(tmp_path: Path) -> None:
    with writing_into(tmp_path / "run"), pytest.raises(ValueError, match="another is at work"), writing_into(tmp_path / "run"):
        pass
    with writing_into(tmp_path / "run"):
        pass


def write_and_fail(file: Path) -> None:
    file.touch()
    raise KeyError


def test_what_was_begun_and_left_nothing_is_removed_and_what_was_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for name, kept in {"new": False, "mine": True}.items():
        with pytest.raises(KeyError), writing_into(tmp_path / name):
            raise KeyError
        assert (tmp_path / name).exists() is kept
    with pytest.raises(KeyError), writing_into(tmp_path / "new"):
        write_and_fail(tmp_path / "new" / "result")
    assert (tmp_path / "new" / "result").exists()


def test_a_folder_left_by_a_kill_before_anything_was_written_is_as_good_as_new(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for name in (LOCK, ".config.json.x1.part"):
        (folder / name).touch()
    assert is_bare(folder)
    assert [path.name for path in RunFolder.create(folder, {}).path.iterdir() if path.name != LOCK] == ["config.json"]
    with pytest.raises(ValueError, match="does not exist or is empty"):
        RunFolder.create(folder, {})


def test_there_is_one_library_of_locks_and_it_works_on_windows_too() -> None:
    sources = [file for folder in ("agents", "envs", "train") for file in (PACKAGE / folder).rglob("*.py")]
    assert [file.name for file in sources if any(word in file.read_text() for word in ("fcntl", "msvcrt", "portalocker"))] == []


@pytest.mark.long
def test_two_trainings_of_one_run_started_together_record_every_day_once(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "gridtoll.train", "train", "--out", str(folder), "--community", "two-prosumers", "--quiet"]
    command += ["--steps", "64", "--parallel-days", "4", "--validate-every", "16", "--validation-days", "2", "--warmup-days", "8"]
    environment = {"PYTHONPATH": str(PACKAGE / ".pkg")}
    both = [subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.PIPE) for _ in range(2)]
    errors = [process.communicate()[1].decode() for process in both]
    assert sorted(process.returncode for process in both) == [0, 2]
    assert any("another is at work" in text or "does not exist or is empty" in text for text in errors)
    assert [row["step"] for row in RunFolder.open(folder).progress()] == [16, 32, 48, 64]
