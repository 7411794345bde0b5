"""Comparisons where packages of an extra are missing: what cannot run is not run and named, and is never a score."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gridtoll.envs.market.exact.compiled import StructuredMarket
from gridtoll.envs.packages import MissingPackageError, missing_packages, require_research_packages
from gridtoll.train.cli import main
from gridtoll.train.compare.cells import state_of
from gridtoll.train.compare.grid import compare
from gridtoll.train.compare.plan_file import find_plan, read_plan
from gridtoll.train.compare.summary import summarise
from gridtoll.train.learning.algorithms import ALGORITHMS, CLAIRVOYANTS, is_network, make_algorithm, packages_of
from gridtoll.train.workers import Workers

HIDDEN = """
import sys
from importlib.machinery import PathFinder


class Hiding(PathFinder):  # answers as where a package is not installed: others ask whether there is one, and want no error
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in {names!r} else PathFinder.find_spec(name, path, target)


sys.meta_path[sys.meta_path.index(PathFinder)] = Hiding
"""
RESEARCH = ("greenlet", "h5py", "joblib", "minari", "onnx", "onnxruntime", "onnxscript", "optuna", "pyarrow", "yaml", "sb3_contrib")
PLAN = """\
communities = ["two-prosumers"]
seeds = 1
steps = 16
validation_days = 2
test_days = 3

[game]
charge_cap = 0.1

[algorithms.zero]

[algorithms.supervised]

[algorithms.tqc]
warmup_days = 8
hidden = [8]
batch_size = 8
updates = 1

[algorithms.constant-search]
"""
WANTING = """
class Wanting:
    def learn(self, practice):
        import a_module_that_is_nowhere
"""


def gridtoll(*words: str, at: Path, hidden: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Runs a command in a process in which packages, of its children too, cannot be imported."""
    (at / "site").mkdir(exist_ok=True)
    (at / "site" / "sitecustomize.py").write_text(HIDDEN.format(names=hidden))
    paths = [str(at / "site"), *(path for path in sys.path if path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-m", "gridtoll.train", *words]
    return subprocess.run(command, cwd=at, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.long
def test_what_misses_a_package_is_not_run_and_named_and_runs_once_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plan.toml").write_text(PLAN)
    words = ("compare", "plan.toml", "--out", "out", "--jobs", "1", "--quiet", "--json")
    first = gridtoll(*words, at=tmp_path, hidden=RESEARCH)
    assert first.returncode == 2
    for name, package in (("tqc", "sb3_contrib"), ("constant-search", "optuna")):
        assert f"{name} is not run: it needs `{package}`" in first.stderr
    assert first.stderr.count("policies are not kept as policy.onnx: that needs `onnx`, `onnxscript`") == 1
    assert 'pip install ".[research]"' in first.stderr
    found = json.loads(first.stdout)
    assert found["cells"] == {"done": 2, "failed": 0, "not run": 2, "open": 0}
    assert {entry["algorithm"] for entry in found["leaderboard"]} == {"zero", "supervised"}
    assert {entry["algorithm"] for entry in found["not_run"]} == {"tqc", "constant-search"}

    report = gridtoll("report", "out", "--out", "report", at=tmp_path, hidden=RESEARCH)
    assert report.returncode == 0, report.stderr
    with (tmp_path / "report" / "leaderboard.csv").open(newline="") as file:
        assert {row["algorithm"] for row in csv.DictReader(file)} == {"zero", "supervised"}
    for form in ("report.html", "report.md"):
        text = (tmp_path / "report" / form).read_text().replace("\\", "")
        assert "Not run, and not in any number: 1 cells" in text
        assert "sb3_contrib" in text
        assert "Policies of 1 cells are not kept" in text

    monkeypatch.chdir(tmp_path)
    assert main([*words]) == 0  # in this process, where nothing is hidden
    assert json.loads(capsys.readouterr().out)["cells"] == {"done": 4, "failed": 0, "open": 0}


def test_an_algorithm_of_ones_own_that_misses_a_package_is_not_run_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wanting.py").write_text(WANTING)
    text = PLAN.partition("[algorithms.supervised]")[0] + '[algorithms.own]\nalgorithm = "wanting:Wanting"\n'
    plan = read_plan(text.encode(), source="plan.toml")
    for _ in range(2):
        with Workers(1) as workers:
            compare(plan, text.encode(), tmp_path / "out", workers, cells=plan.cells())
        report = summarise(tmp_path / "out", plan.cells())
        assert report.exit_code == 2
        assert [state_of(tmp_path / "out" / cell.place) for cell in plan.cells()] == ["done", "not run"]
        assert "a_module_that_is_nowhere" in report.text
        assert [entry["algorithm"] for entry in report.values["leaderboard"]] == ["zero"]


@pytest.mark.parametrize(
    ("words", "hidden", "install"),
    [
        (["evaluate", "zero", "--community", "two-prosumers", "--rows", "rows.parquet"], "pyarrow", ".[research]"),
        (["evaluate", "zero", "--community", "two-prosumers", "--held-out", "--rows", "rows.PARQUET"], "pyarrow", ".[research]"),
        (["export", "rows", ".", "--out", "rows.parquet"], "pyarrow", ".[research]"),
        (["export", "policy", ".", "--out", "policy.onnx"], "onnxscript", ".[research]"),
        (["export", "dataset", "--community", "two-prosumers", "--out", "data"], "h5py", ".[research]"),
        (["evaluate", "policy.onnx", "--community", "two-prosumers"], "onnx", ".[research]"),
        (["evaluate", "zero", "--community", "two-prosumers", "--backend", "ray"], "ray", ".[ray]"),
        (["optimum", "--community", "two-prosumers", "--split", "test", "--backend", "ray"], "ray", ".[ray]"),
        (["optimum", "--community", "two-prosumers", "--split", "test", "--method", "miqp"], "pyscipopt", ".[miqp]"),
        (["optimum", "--community", "two-prosumers", "--day", "3", "--method", "miqp", "--solver", "gurobi"], "gurobipy", "gurobipy"),
        (["tune", "--algorithm", "sac", "--community", "two-prosumers", "--out", "study"], "optuna", ".[research]"),
    ],
)
def test_a_package_that_a_command_will_need_at_its_end_is_asked_for_before_any_work(
    words: list[str],
    hidden: str,
    install: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def work(*_: object, **__: object) -> None:
        pytest.fail("work has begun")

    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.onnx").write_bytes(b"whatever")
    for name in [name for name in sys.modules if name.partition(".")[0] == hidden]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, hidden, None)
    for name in ("clear_many", "clear"):
        monkeypatch.setattr(StructuredMarket, name, work)
    assert main([*words]) == 2
    said = capsys.readouterr().err
    assert f"`{hidden}`" in said
    assert f'pip install "{install}"' in said
    assert [path.name for path in tmp_path.iterdir()] == ["policy.onnx"]


def test_the_quick_plan_needs_no_package_beyond_the_dependencies() -> None:
    """``best-found`` stands in for ``optimum`` in games that have no proved one; the plan's game has. Three are of the hourly game."""
    plan = read_plan(find_plan("quick").read_bytes(), source="quick")
    elsewhere = {"best-found", "unrolled", "best-schedule", "day-ahead"}
    assert {entry.algorithm for entry in plan.algorithms} == {name for name in ALGORITHMS if not packages_of(name)} - elsewhere


SOLVERS = {"blended", "certainty-equivalent", "scenario"}
NO_NETWORKS = SOLVERS | {"zero", "random", "best-constant", "grid-constant", "best-schedule", "constant-search", "recurrent-ppo"}


@pytest.mark.parametrize("name", sorted(set(ALGORITHMS) - set(CLAIRVOYANTS)))
def test_every_algorithm_is_made_without_the_packages_it_learns_with(name: str) -> None:
    make_algorithm(name, {}, env="hourly" if name == "recurrent-ppo" else "day-ahead")
    if packages_of(name) != ("sbx",):  # where that is installed, its own tests say whether it works
        assert not missing_packages(packages_of(name))  # of the development environment
    assert is_network(name) == (name not in NO_NETWORKS)


def test_all_packages_that_are_missing_are_named_at_once() -> None:
    assert missing_packages(("numpy", "no_such_module", "numpy", "nor_this")) == ("no_such_module", "nor_this")
    with pytest.raises(MissingPackageError, match=r'drawing needs the packages `no_such_module`, `nor_this`.*pip install "\.'):
        require_research_packages(("numpy", "no_such_module", "nor_this"), "drawing")
