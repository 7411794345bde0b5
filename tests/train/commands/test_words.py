"""What the command line says on the way: errors name flags, folders are told apart, progress is a bar or a few lines."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from gridtoll.train.cli import main
from gridtoll.train.ground import progress as module
from gridtoll.train.ground.flags import with_flags
from gridtoll.train.ground.folder_kinds import kind_of
from gridtoll.train.ground.progress import progress
from gridtoll.train.ground.runs import RunFolder

FLAGS = {"charge_cap": "--charge-cap", "steps": "--steps", "day": "--day", "tariff": "--tariff", "jobs": "--jobs"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`charge_cap` must be > 0, got -1.", "--charge-cap must be > 0, got -1."),
        (
            "a training needs `steps` at least 1, got 0; `seeds` at least 0.",
            "a training needs --steps at least 1, got 0; `seeds` at least 0.",
        ),
        ("option `day` of `reset` must be a whole number", "--day must be a whole number"),
        ("it has charge_cap 1.0, here 0.5.", "it has --charge-cap 1.0, here 0.5."),
        ("Raise charge_cap.", "Raise --charge-cap."),
        ("tariff must be one of line, zonal; got 'x'.", "--tariff must be one of line, zonal; got 'x'."),
        ("the tariff 'line' has steps.", "the tariff 'line' has steps."),
        ("runs/charge_cap.csv and 'charge_cap' and charge_cap/x stay.", "runs/charge_cap.csv and 'charge_cap' and charge_cap/x stay."),
    ],
)
def test_parameters_become_the_flags_of_the_command(text: str, expected: str) -> None:
    assert with_flags(text, FLAGS) == expected


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("ledger write w.ledger --key none.pem --charge 0.1", "a file to read must be there, and none.pem is not."),
        ("clear --community two-prosumers --day 3 --charge 0,1", "got (2,): each kWh at mean electrical distance. Pass a number for each"),
    ],
)
def test_slips_are_answered_with_what_to_do(
    command: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(command.split()) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        ("clear --day 366 --charge 0.1", ["--day"]),
        ("clear --day 1 --price-path 9 --charge 0.1", ["--price-path"]),
        ("clear --day 1 --charge 0.1 --import-fee -1", ["--import-fee"]),
        ("optimum --split tests", ["--split"]),
        ("train --out run --learning-rate 0 --exploration -1", ["--learning-rate 0.0", "--exploration -1.0"]),
        ("train --out run --steps 100", ["--steps 100", "--warmup-days"]),
        ("train --env hourly --out run --discount 2", ["--discount"]),
        ("evaluate zero --env hourly --forecast-error -1", ["--forecast-error"]),
    ],
)
def test_errors_of_the_library_name_the_flag(
    command: str, flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(f"{command} --community two-prosumers".split()) == 2
    err = capsys.readouterr().err
    assert all(flag in err for flag in flags)
    assert "`" not in err


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["plan.toml", "config.json"], "a comparison (`gridtoll report"),
        (["cell.json", "policy.onnx"], "one cell of a comparison"),
        (["cells.json", "rows.csv.xz", "config.json"], "packed results"),
        (["study.db"], "a study of `gridtoll tune`"),
        (["demo.png", "run/config.json"], "the folder of `gridtoll demo`"),
        (["index.html", "cells/x.json"], "the study of `gridtoll study`"),
        (["settings.csv", "load_kw.csv"], "a community"),
        (["model.zip"], "a folder with a model (name the file: "),
        (["a/config.json", "b/config.json"], "a folder of other folders (a, b)"),
        (["notes.txt"], "a folder with notes.txt"),
        ([], "an empty folder"),
    ],
)
def test_a_folder_that_holds_no_run_is_told_what_it_looks_like(
    files: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    assert kind_of(tmp_path).startswith(words)
    assert main(["evaluate", str(tmp_path), "--days", "2"]) == 2
    err = capsys.readouterr().err
    if "config.json" not in files:
        assert f"It looks like {words}" in err
        assert "Needed here is a run of `gridtoll train`: config.json, checkpoint.json" in err
    assert len(err.splitlines()) == 1


def test_a_comparison_is_told_apart_from_a_run_although_both_have_a_configuration(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "other", {"plan": {}})
    (run.path / "plan.toml").touch()
    with pytest.raises(ValueError, match=r"must hold the configuration of a training, .* It looks like a comparison"):
        RunFolder.open(run.path)


class Clock:
    """Goes on by a fixed time with every look."""

    def __init__(self, step: float) -> None:
        self._now, self._step = 0.0, step

    def monotonic(self) -> float:
        self._now += self._step
        return self._now


def lines_of(n: int, *, step: float, monkeypatch: pytest.MonkeyPatch, total: int | None = 1000) -> list[str]:
    text = io.StringIO()
    monkeypatch.setattr(sys, "stderr", text)
    monkeypatch.setattr(module, "time", Clock(step))
    with progress("training days", total) as shown:
        for _ in range(n):
            shown.update()
    return text.getvalue().splitlines()


def test_in_a_log_progress_is_a_few_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = lines_of(1000, step=1.0, monkeypatch=monkeypatch)
    assert 8 <= len(lines) <= 11
    assert lines[0].startswith("training days: 10% (100 of 1000, ")
    assert lines[-1].startswith("training days: 100% (1000 of 1000, ")
    assert all("\r" not in line for line in lines)


def test_what_is_quick_has_one_line_and_what_has_no_known_end_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(lines_of(1000, step=1e-4, monkeypatch=monkeypatch)) == 1
    [line] = lines_of(22, step=1.0, monkeypatch=monkeypatch, total=None)
    assert line.startswith("training days: 22 (")


def test_where_somebody_watches_it_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress("days", 3) as shown:
        shown.update(3)
    assert "days: 100%" in terminal.getvalue()
    with progress("days", 3, quiet=True) as shown:
        shown.update(3)
    assert terminal.getvalue().count("days: 100%") == 1


def test_evaluating_the_constant_of_a_grid_has_one_progress_for_the_search_and_tells_the_charge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GRIDTOLL_CACHE", str(tmp_path))
    monkeypatch.setattr("gridtoll.train.scoring.chosen.N_SAMPLE", 3)
    assert main(["evaluate", "grid-constant", "--community", "two-prosumers", "--days", "3", "--jobs", "1"]) == 0
    out, err = capsys.readouterr()
    assert [line.partition(":")[0] for line in err.splitlines()].count("grid constant") == 1
    assert len(err.splitlines()) <= 4
    told = [line for line in out.splitlines() if line.startswith("charge: ")]
    assert len(told) == 1
    assert 0.0 < float(told[0].split()[1]) < 1.0
