"""Whatever goes wrong, there is one message, an exit status, and nothing half-made."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import torch
from trainings import tiny

from gridtoll.envs.files import write_atomically
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.cli import main
from gridtoll.train.ground.config import training_of
from gridtoll.train.learning.learn import resume, train
from gridtoll.train.workers import Workers

ROOT = Path(__file__).parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / ".pkg")}
TRAIN = ["train", "--community", "two-prosumers", "--parallel-days", "4", "--validate-every", "16", "--validation-days", "2", "--quiet"]
TRAIN += ["--warmup-days", "8", "--hidden", "8"]


def command(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gridtoll.train", *words],
        check=False,
        capture_output=options.get("stdout") is None,
        text=True,
        env=ENVIRONMENT,
        **options,
    )


def small_files() -> None:
    """Let no file grow beyond a few kilobytes, as on a disk that is nearly full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000))


def test_a_full_disk_while_a_checkpoint_is_written_is_one_line_and_leaves_no_part_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done = command(*TRAIN, "--steps", "32", "--out", str(folder), preexec_fn=small_files)
    assert done.returncode == 2
    assert done.stdout == ""
    assert [line for line in done.stderr.splitlines() if "File too large" in line] == done.stderr.splitlines()[-1:]
    assert "Traceback" not in done.stderr
    assert list(folder.glob(".*.part")) == []
    assert not (folder / "checkpoint.json").exists()
    with Workers(1) as workers:  # with room on the disk it goes on
        assert [row["step"] for row in resume(folder, workers).progress()] == [16, 32]


def test_an_error_of_the_disk_is_raised_whatever_a_library_makes_of_it(tmp_path: Path) -> None:
    script = (
        "import resource, sys, torch; from pathlib import Path; from gridtoll.envs.files import write_atomically\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))\n"
        "try: write_atomically(Path(sys.argv[1]), lambda file: torch.save(torch.zeros(10_000), file))\n"
        "except OSError as error: print(error.filename, error.strerror)"
    )
    file = str(tmp_path / "weights.pt")
    done = subprocess.run([sys.executable, "-c", script, file], capture_output=True, text=True, env=ENVIRONMENT, check=True)
    assert done.stdout.strip() == f"{file} File too large"
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_writer_itself_goes_through(tmp_path: Path) -> None:
    def fail(file: BinaryIO) -> None:
        torch.save(torch.zeros(3), file)
        raise RuntimeError("of the writer")

    with pytest.raises(RuntimeError, match="of the writer"):
        write_atomically(tmp_path / "file", fail)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["communities", "list"], ["train", "--help"], []])
def test_a_full_standard_output_is_one_line_and_code_two(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = command(*words, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr == "gridtoll: error: stdout cannot be written: [Errno 28] No space left on device\n"


@pytest.mark.parametrize("words", [["communities", "list"], ["--help"]])
def test_a_reader_that_has_seen_enough_is_no_error(words: list[str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "gridtoll.train", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
    )
    with process:
        process.stdout.close()  # type: ignore[union-attr]
        assert process.stderr.read() == b""  # type: ignore[union-attr]
    assert process.returncode == 0


def test_words_a_terminal_has_no_letters_for_are_printed_as_well_as_can_be() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gridtoll.train", "communities", "--help"],
        capture_output=True,
        text=True,
        env={**ENVIRONMENT, "PYTHONIOENCODING": "ascii"},
        check=False,
    )
    assert done.returncode == 0


@pytest.mark.parametrize(("number", "code", "word"), [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")])
def test_a_training_that_is_stopped_says_so_and_can_be_gone_on_with(number: int, code: int, word: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    words = [sys.executable, "-m", "gridtoll.train", *TRAIN, "--steps", "40000", "--out", str(folder)]
    # A shell starts what runs in its background with interruptions ignored, and children inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    finally:
        signal.signal(signal.SIGINT, before)
    while not (folder / "checkpoint.json").is_file():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    assert process.communicate()[1].splitlines() == [f"gridtoll train: {word}"]
    assert process.returncode == code
    assert list(folder.glob(".*.part")) == []


def test_a_script_without_a_guard_is_told_what_is_missing(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("from gridtoll.train.workers import Workers\nwith Workers(2) as workers:\n    print(workers.map(abs, [-1, 2, -3]))\n")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("Traceback") == 1
    assert "ValueError: the processes of several jobs ended before they began." in done.stderr
    assert 'below `if __name__ == "__main__":`' in done.stderr
    assert len(done.stderr.splitlines()) < 30
    script.write_text("from gridtoll.train.workers import Workers\nif __name__ == '__main__':\n  print(Workers(2).map(abs, [-1, 2, -3]))\n")
    assert (
        subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=ENVIRONMENT, check=True).stdout == "[1, 2, 3]\n"
    )


def test_minibatches_of_one_are_refused_before_there_is_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path / "run")]
    assert main([*TRAIN, "--algorithm", "ppo", "--batch-size", "1", *out]) == 2
    assert "PPO needs minibatches of at least 2 that divide its rollout, got --batch-size 1 for a rollout of 8" in capsys.readouterr().err
    assert main([*TRAIN, "--algorithm", "ppo", "--batch-size", "2", "--parallel-days", "1", "--warmup-days", "3", *out]) == 2
    assert "for a rollout of 3" in capsys.readouterr().err
    hourly = training_of(GameSpec(env="hourly", community="two-prosumers"), "ppo", {"batch_size": 1})
    with Workers(1) as workers, pytest.raises(ValueError, match="minibatches of at least 2"):
        train(hourly, tmp_path / "run", workers)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("algorithm", "rate"), [("ppo", "1e6"), ("ppo", "1e30"), ("sac", "1e30"), ("td3", "1e30")])
def test_a_training_that_diverges_says_so_and_blocks_nothing(
    algorithm: str, rate: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(
        [*TRAIN, "--algorithm", algorithm, "--batch-size", "8", "--learning-rate", rate, "--steps", "48", "--out", str(tmp_path / "run")]
    )
    err = capsys.readouterr().err
    assert code == 2
    assert "the training diverged: after" in err
    assert err.rstrip().endswith(f"Lower --learning-rate, which is {float(rate)}.")
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_run_with_a_checkpoint_is_kept_when_it_diverges_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Workers(1) as workers:
        train(tiny(steps=16), tmp_path / "run", workers)
        file = tmp_path / "run" / "config.json"
        file.write_text(file.read_text().replace('"steps": 16', '"steps": 32'))
        monkeypatch.setattr("gridtoll.train.learning.learn._validate", lambda *_: (_ for _ in ()).throw(ValueError("no day")))
        with pytest.raises(ValueError, match="no day"):
            resume(tmp_path / "run", workers)
        assert (tmp_path / "run" / "checkpoint.json").is_file()
        with pytest.raises(ValueError, match="no day"):
            train(replace(tiny(), seed=1), tmp_path / "other", workers)
        assert not (tmp_path / "other").exists()
