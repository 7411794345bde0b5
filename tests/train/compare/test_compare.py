"""Comparisons: what a plan may say, what cells come to, and that whatever interrupts or shares out the work changes no row."""

from __future__ import annotations

import csv
import importlib
import json
import multiprocessing
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from gridtoll.agents.learned.settings import DEFAULTS
from gridtoll.train.cli import main
from gridtoll.train.compare.cells import read_result, state_of
from gridtoll.train.compare.grid import compare
from gridtoll.train.compare.plan import Plan
from gridtoll.train.compare.plan_file import SHIPPED, find_plan, read_plan
from gridtoll.train.compare.row_files import gather_rows
from gridtoll.train.compare.sources import source_hash
from gridtoll.train.compare.summary import list_cells, summarise
from gridtoll.train.ground.locks import writing_into
from gridtoll.train.learning.algorithms import ALGORITHMS, make_algorithm, settings_of
from gridtoll.train.reports.results import pack, read_results
from gridtoll.train.scoring.leaders import make_leader
from gridtoll.train.task import environment_of, observe
from gridtoll.train.workers import Workers

OWN = """\
import os
from dataclasses import dataclass

import numpy as np

from gridtoll.agents.fixed.day_ahead import ConstantPolicy


@dataclass(frozen=True)
class MeanOptimum:
    days: int = 2

    def learn(self, practice):
        chosen = practice.scenarios("train")[: self.days]
        policy = ConstantPolicy(practice.optimal_charges(chosen).mean(axis=0))
        practice.validate(policy)
        return policy


@dataclass(frozen=True)
class Broken:
    how: str = "raises"

    def learn(self, practice):
        practice.rewards(practice.scenarios("train")[:3], np.full((3, 1), 0.1))
        practice.validate(ConstantPolicy([0.1]))
        match self.how:
            case "raises":
                raise RuntimeError("nothing\\nlearned")
            case "leaves":
                raise SystemExit(3)
            case "disk":
                raise OSError(28, "No space left on device")
            case "interrupted":
                raise KeyboardInterrupt
            case "crashes":
                os._exit(9)
        return ConstantPolicy([float("nan")])


class NoLearner:
    pass
"""
PLAN = """\
communities = ["two-prosumers"]
seeds = 2
steps = 32
validation_days = 3
test_days = 4

[game]
charge_cap = 0.1

[algorithms.zero]

[algorithms.random]

[algorithms.optimum]

[algorithms.mine]
algorithm = "own_leaders:MeanOptimum"
"""
SAC = """
[algorithms.sac]
warmup_days = 8
hidden = [8]
batch_size = 8
updates = 2
validate_every = 16
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder, with an algorithm of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "own_leaders", raising=False)
    (tmp_path / "own_leaders.py").write_text(OWN)
    return tmp_path


def plan_of(text: str) -> Plan:
    return read_plan(text.encode(), source="plan.toml")


def run(text: str, root: Path, workers: Workers | None = None, *, retry_failed: bool = False) -> Plan:
    """Runs a plan, in this process unless told otherwise."""
    plan = plan_of(text)
    with workers or Workers(1) as at_work:
        compare(plan, text.encode(), root, at_work, cells=plan.cells(), retry_failed=retry_failed)
    return plan


def rows_of(root: Path) -> dict[str, bytes]:
    """Returns the rows of every cell."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.glob("cells/**/rows.csv"))}


def mine(how: str) -> str:
    return f'{PLAN}\n[algorithms.broken]\nalgorithm = "own_leaders:Broken"\nhow = "{how}"\n'


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.glob("*.toml")))
def test_plans_that_come_with_gridtoll_can_be_read(name: str) -> None:
    path = find_plan(name)
    plan = read_plan(path.read_bytes(), source=name)
    played = [game for entry in plan.algorithms for game in plan.games if not entry.only or game[0] in entry.only]
    assert len(plan.cells()) == sum(len(plan.seeds_in(*game)) for game in played)


def test_a_plan_says_what_each_cell_is_and_seeds_come_outermost() -> None:
    plan = plan_of(
        'communities = ["two-prosumers", "ieee9"]\ninformation = ["public", "full"]\nseeds = [7, 3]\nsteps = 2000\n'
        '[game]\ntariff = "unique"\n[algorithms.zero]\n'
        '[algorithms.slow]\nalgorithm = "sac"\nsteps = 8000\nlearning_rate = 1e-4\nfull = { hidden = [16], learning_rate = 2e-4 }\n'
    )
    cells = plan.cells()
    assert [cell.place.as_posix() for cell in cells[:4]] == [
        "cells/two-prosumers/public/zero/7",
        "cells/two-prosumers/public/slow/7",
        "cells/two-prosumers/full/zero/7",
        "cells/two-prosumers/full/slow/7",
    ]
    assert [cell.seed for cell in cells] == [7] * 8 + [3] * 8
    zero, public, _, full = cells[:4]
    assert (zero.steps, zero.test_days, zero.validation_days, zero.task.tariff) == (2000, None, None, "unique")
    assert (public.algorithm, public.steps, dict(public.settings)) == ("sac", 8000, {"learning_rate": 1e-4})
    assert dict(full.settings) == {"learning_rate": 2e-4, "hidden": (16,)}


def test_an_algorithm_may_be_run_in_some_of_the_communities() -> None:
    text = 'communities = ["two-prosumers", "ieee9"]\nseeds = 1\n[algorithms.zero]\nonly = ["ieee9"]\n[algorithms.random]\n'
    plan = plan_of(text)
    assert [(cell.task.community, cell.name) for cell in plan.cells()] == [
        ("two-prosumers", "random"),
        ("ieee9", "zero"),
        ("ieee9", "random"),
    ]
    assert plan.facts()["algorithms.zero.only"] == "['ieee9']"
    with pytest.raises(ValueError, match=r"algorithms\.zero\.only must name communities of the plan, got ieee39"):
        plan_of(text.replace('only = ["ieee9"]', 'only = ["ieee39"]'))


def test_communities_may_have_information_classes_of_their_own() -> None:
    plan = plan_of('seeds = 1\n[communities]\ntwo-prosumers = ["public", "full"]\nieee9 = ["public"]\n[algorithms.zero]\n')
    assert [cell.place.as_posix() for cell in plan.cells()] == [
        "cells/two-prosumers/public/zero/0",
        "cells/two-prosumers/full/zero/0",
        "cells/ieee9/public/zero/0",
    ]


def test_a_class_may_be_run_with_the_first_seeds_alone_and_with_more_of_them_later() -> None:
    text = "seeds = [4, 2, 7]\n[communities]\nieee9 = { public = 3, full = 1 }\n[algorithms.zero]\n"
    plan, more = plan_of(text), plan_of(text.replace("full = 1", "full = 2"))
    assert [cell.place.relative_to("cells/ieee9").as_posix() for cell in plan.cells()] == [
        "public/zero/4",
        "full/zero/4",
        "public/zero/2",
        "public/zero/7",
    ]
    assert [cell.seed for cell in more.cells() if cell.task.information == "full"] == [4, 2]
    assert plan.facts().items() < more.facts().items()


@pytest.mark.parametrize(
    ("head", "match"),
    [
        ("seeds = 2\n[communities]\nieee9 = { full = 3 }", "`communities.ieee9.full` must be at most 2, as many as `seeds`, got 3"),
        ("[communities]\nieee9 = { full = true }", "`communities.ieee9.full` must be a whole number of at least 1"),
        ("[communities]\nieee9 = { ful = 1 }", "Did you mean 'full'"),
        ("[communities]\nieee9 = {}", "`communities.ieee9` must be a list of names"),
        ('information = ["full"]\n[communities]\nieee9 = ["public"]', "`information` must not stand beside"),
        ("[communities]\nieee9 = []", "`communities.ieee9` must be a list of names"),
        ('[communities]\nieee9 = ["ful"]', "Did you mean 'full'"),
        ('[communities]\nieee = ["full"]', "Did you mean 'ieee9'"),
        ('[communities]\ncase33bw = ["full"]', "must not be held out"),
        ("[communities]", "`communities` must be a list of names"),
    ],
)
def test_what_a_table_of_communities_cannot_say_is_named(head: str, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        plan_of(f"{head}\n[algorithms.zero]\n")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (("seeds", "sedes"), "Did you mean 'seeds'"),
        (("seeds = 2", "seeds = 0"), "`seeds` must be how many"),
        (("seeds = 2", "seeds = true"), "`seeds` must be how many"),
        (("seeds = 2", "seeds = [1, 1]"), "seeds must be different from each other, got 1"),
        (("seeds = 2", "seeds = [-1]"), "whole numbers from 0"),
        (("steps = 32", "steps = 1.5"), "`steps` must be a whole number of at least 1, got 1.5"),
        (("test_days = 4", 'test_days = "all"'), "`test_days` must be a whole number"),
        (('["two-prosumers"]', '["two-prosumer"]'), "Did you mean 'two-prosumers'"),
        (('["two-prosumers"]', '["ieee9", "ieee9"]'), "got ieee9 more than once"),
        (('["two-prosumers"]', "[]"), "`communities` must be a list of names"),
        (("seeds = 2", 'seeds = 2\ninformation = ["ful"]'), "Did you mean 'full'"),
        (("charge_cap", "charge_cup"), "Did you mean 'charge_cap'"),
        (("algorithms.zero", "algorithms.zer0"), "Did you mean 'zero'"),
        (("[algorithms.zero]", "[algorithms.zero]\ncharge = 1"), "algorithm 'zero' has no settings, got `charge`"),
        (("[algorithms.zero]", "[algorithms.sac]\nlearning_rat = 1"), "Did you mean 'learning_rate'"),
        (("[algorithms.zero]", "[algorithms.sac]\nlearning_rate = 0"), "settings of a learner must be > 0"),
        (("[algorithms.zero]", '[algorithms.sac]\nlearning_rate = "slow"'), "cannot have the settings"),
        (("[algorithms.zero]", "[algorithms.sac]\nwarmup_days = 32"), "random charges"),
        (("[algorithms.zero]", "[algorithms.sac]\nparallel_days = 0"), "`parallel_days` at least 1"),
        (("[algorithms.zero]", "[algorithms.ppo]\nalgorithm = 3"), "must be one of"),
        (("[algorithms.zero]", '[algorithms."../zero"]\nalgorithm = "zero"'), "letters, digits"),
        (("[algorithms.zero]", "[algorithms]\nzero = 1"), "algorithms.zero must be a table"),
        (("[algorithms.optimum]", "[algorithms.optimum]\ntolerance = 1"), "the optimum has no settings"),
        (("[algorithms.zero]", "[algorithms.zero]\nfull = 3"), "algorithms.zero.full must be a table of settings, got 3"),
        (("[algorithms.zero]", "[algorithms.sac]\nfull = { steps = 9 }"), "must hold settings or `tuned`, got `steps`. Move it to"),
        (("[algorithms.zero]", '[algorithms.sac]\npublic = { algorithm = "ppo" }'), "must hold settings or `tuned`, got `algorithm`"),
        (("[algorithms.zero]", "[algorithms.sac]\npublic = { full = { updates = 1 } }"), "must hold settings or `tuned`, got `full`"),
        (("own_leaders:MeanOptimum", "nobodys_leaders:MeanOptimum"), "No module named 'nobodys_leaders'"),
        (("own_leaders:MeanOptimum", "own_leaders:MeanOptimal"), "Did you mean 'MeanOptimum'"),
        (("own_leaders:MeanOptimum", "own_leaders:NoLearner"), r"must have a method `learn\(practice\)`"),
        (('"own_leaders:MeanOptimum"', '"own_leaders:MeanOptimum"\ndyas = 3'), "Did you mean 'days'"),
        (("seeds = 2", "seeds = "), "must be a TOML file"),
    ],
)
def test_what_a_plan_cannot_say_is_named(change: tuple[str, str], match: str) -> None:
    assert PLAN.count(change[0]) == 1
    with pytest.raises(ValueError, match=match):
        plan_of(PLAN.replace(*change))


def test_all_that_is_wrong_with_a_plan_is_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"in plan\.toml") as caught:
        plan_of(PLAN.replace("steps = 32", "steps = -1") + "\n[algorithms.sak]\n[algorithms.ppo]\nlerning_rate = 1\n")
    problems = str(caught.value).splitlines()[1:]
    assert len(problems) == 3
    for problem, named in zip(problems, ("-1", "'sak'", "'lerning_rate'"), strict=True):
        assert named in problem


def test_settings_come_from_tuned_files_and_those_stated_beside_them_go_before(place: Path) -> None:
    (place / "tuned.toml").write_text('[origin]\nalgorithm = "sac"\n[settings]\nlearning_rate = 3e-4\nhidden = [8, 8]\nwarmup_days = 9\n')
    table = '[algorithms.best]\nalgorithm = "sac"\nwarmup_days = 7\ntuned = "tuned.toml"\n'
    [*_, cell] = plan_of(PLAN + table).cells()
    assert dict(cell.settings) == {"learning_rate": 3e-4, "hidden": (8, 8), "warmup_days": 7}
    [*_, cell] = plan_of(PLAN + '[algorithms.sac]\nwarmup_days = 7\npublic = { tuned = "tuned.toml" }\n').cells()
    assert dict(cell.settings) == {"learning_rate": 3e-4, "hidden": (8, 8), "warmup_days": 9}
    with pytest.raises(ValueError, match=r"tuned for the algorithm that takes them, 'ppo', got tuned\.toml of 'sac'"):
        plan_of(PLAN + table.replace('"sac"', '"ppo"'))
    with pytest.raises(ValueError, match="a file of `gridtoll tune`"):
        plan_of(PLAN + table.replace("tuned.toml", "elsewhere.toml"))
    (place / "tuned.toml").write_text("[settings]\n")
    with pytest.raises(ValueError, match=r"must be a file that `gridtoll tune` wrote, got tuned\.toml: 'origin'"):
        plan_of(PLAN + table)


def test_every_algorithm_of_stable_baselines_states_all_its_settings() -> None:
    for name, defaults in DEFAULTS.items():
        assert name in ALGORITHMS
        settings = settings_of(make_algorithm(name, {"hidden": [4, 4], "parallel_days": 2}))
        assert (settings["hidden"], settings["parallel_days"], settings["learning_rate"]) == ((4, 4), 2, defaults.learning_rate)


def test_cells_hold_what_learning_cost_and_a_row_for_each_test_day(tmp_path: Path) -> None:
    plan = run(PLAN + SAC, tmp_path / "out")
    results = {cell: read_result(tmp_path / "out" / cell.place) for cell in plan.cells()}
    by_name = {cell.name: result for cell, result in results.items() if result is not None and cell.seed == 1}
    assert list(by_name) == ["zero", "random", "optimum", "mine", "sac"]
    for cell, result in results.items():
        assert result is not None
        assert (result["status"], result["error"], result["seed"], result["algorithm"]) == ("done", None, cell.seed, cell.name)
        rows = list(csv.DictReader((tmp_path / "out" / cell.place / "rows.csv").read_text().splitlines()))
        assert [(row["algorithm"], row["seed"], row["split"]) for row in rows] == [(cell.name, str(cell.seed), "test")] * 4
    assert [by_name[name]["steps"] for name in by_name] == [0, 0, 0, 0, 32]
    assert [by_name[name]["validation_clearings"] for name in by_name] == [3, 3, 0, 3, 6]
    assert by_name["zero"]["curve"][0]["validation_regret"] == 1.0
    assert [point["steps"] for point in by_name["sac"]["curve"]] == [16, 32]
    assert by_name["sac"]["settings"]["warmup_days"] == 8
    assert by_name["mine"]["settings"] == {"days": 2}
    assert by_name["mine"]["clearings"] > 2
    assert by_name["optimum"]["clairvoyant"]
    assert by_name["optimum"]["clearings"] > 4
    assert by_name["optimum"]["seconds"] > 0
    assert [by_name[name]["policy"] for name in by_name] == [None, None, None, None, "policy.onnx"]
    assert not list((tmp_path / "out").glob("**/checkpoint-*"))  # they are large, and nothing goes on from them
    board = {entry["algorithm"]: entry for entry in summarise(tmp_path / "out", plan.cells()).values["leaderboard"]}
    assert board["zero"]["normalised_regret_iqm"] == 1.0
    assert abs(board["optimum"]["normalised_regret_iqm"]) < 1e-6
    assert (board["sac"]["seeds"], board["sac"]["failed"], board["sac"]["steps"], board["sac"]["clearings"]) == (2, 0, 32, 32)


def test_a_leader_that_was_kept_posts_the_charges_of_its_rows(tmp_path: Path) -> None:
    plan = run(PLAN + SAC, tmp_path / "out")
    [cell] = [cell for cell in plan.cells() if (cell.name, cell.seed) == ("sac", 1)]
    place = tmp_path / "out" / cell.place
    scenarios = environment_of(cell.task).community.scenarios("test", cell.test_days)
    with Workers(1) as workers:
        leader = make_leader(str(place / "policy.onnx"), cell.task, scenarios, workers, seed=0)
    posted = [leader.on(scenario).predict(observe(cell.task, scenario))[0] for scenario in scenarios]
    rows = list(csv.DictReader((place / "rows.csv").read_text().splitlines()))
    np.testing.assert_allclose(np.ravel(posted), [float(row["charge"]) for row in rows], rtol=1e-5)


def test_cells_that_are_complete_are_not_run_again_and_others_are(tmp_path: Path) -> None:
    root = tmp_path / "out"
    plan = run(PLAN, root)
    first, second, third, *rest = (root / cell.place for cell in plan.cells())
    before = {folder: (folder / "cell.json").stat().st_ino for folder in rest}
    rows = rows_of(root)
    (first / "cell.json").unlink()
    (second / "rows.csv").write_text("cut")
    (third / "cell.json").write_text('{"schema": 1')
    assert [state_of(folder) for folder in (first, second, third)] == ["open"] * 3
    run(PLAN, root)
    assert rows_of(root) == rows
    assert {folder: (folder / "cell.json").stat().st_ino for folder in rest} == before


@pytest.mark.parametrize(
    ("how", "error"),
    [("raises", "RuntimeError: nothing\nlearned"), ("leaves", "SystemExit: 3"), ("posts nan", "ValueError: ")],
)
def test_a_cell_that_fails_is_recorded_counted_as_the_worst_and_run_again_when_asked(how: str, error: str, tmp_path: Path) -> None:
    root = tmp_path / "out"
    plan = run(mine(how), root)
    cell = plan.cells()[-1]
    result = read_result(root / cell.place)
    assert result is not None
    assert (result["status"], result["rows_sha256"]) == ("failed", None)
    assert result["error"].startswith(error)
    assert (result["steps"], result["clearings"], result["validation_clearings"], len(result["curve"])) == (3, 3, 3, 1)
    assert "own_leaders.py" in (root / cell.place / "traceback.txt").read_text() or how == "posts nan"
    assert not (root / cell.place / "rows.csv").exists()
    report = summarise(root, plan.cells())
    assert report.exit_code == 2
    assert report.values["cells"] == {"done": 8, "failed": 2, "open": 0}
    board = {entry["algorithm"]: entry for entry in report.values["leaderboard"]}
    worst = max(entry["normalised_regret_mean"] for entry in board.values())
    assert (board["broken"]["failed"], board["broken"]["normalised_regret_mean"]) == (2, worst)
    again = (root / cell.place / "cell.json").stat().st_ino
    run(mine(how), root)
    assert (root / cell.place / "cell.json").stat().st_ino == again
    (tmp_path / "own_leaders.py").write_text(OWN.replace('case "raises"', 'case "never"'))
    if how == "raises":
        del sys.modules["own_leaders"]
        (tmp_path / "own_leaders.py").write_text(OWN.replace("class Broken", "class Old").replace("class MeanOptimum:\n", MENDED))
        run(mine(how), root, retry_failed=True)
        assert state_of(root / cell.place) == "done"
        assert not (root / cell.place / "traceback.txt").exists()


MENDED = """\
class Broken:
    how: str

    def learn(self, practice):
        return ConstantPolicy([0.05])


@dataclass(frozen=True)
class MeanOptimum:
"""


@pytest.mark.parametrize(("how", "error"), [("disk", OSError), ("interrupted", KeyboardInterrupt)])
def test_what_is_not_the_algorithms_fault_ends_the_comparison_and_leaves_the_cell_open(
    how: str, error: type[BaseException], tmp_path: Path
) -> None:
    with pytest.raises(error):
        run(mine(how), tmp_path / "out")
    states = {cell.name: state_of(tmp_path / "out" / cell.place) for cell in plan_of(mine(how)).cells() if cell.seed == 0}
    assert states == {"zero": "done", "random": "done", "optimum": "done", "mine": "done", "broken": "open"}


def test_a_comparison_may_be_extended_but_not_changed(tmp_path: Path) -> None:
    root, small = tmp_path / "out", PLAN.replace("seeds = 2", "seeds = 1")
    run(small, root)
    rows = rows_of(root)
    for change in (("steps = 32", "steps = 48"), ("test_days = 4", "test_days = 5"), ("charge_cap = 0.1", "charge_cap = 0.2")):
        with pytest.raises(ValueError, match=rf"(?s)- .*{change[0][-4:]}.*\+ .*{change[1][-4:]}"):
            run(small.replace(*change), root)
    with pytest.raises(ValueError, match=r"\n\+ algorithms.mine.days = 3\n"):
        run(small + "days = 3\n", root)
    with pytest.raises(ValueError, match=r"\n- algorithms.random.algorithm = 'random'\n"):
        run(small.replace("[algorithms.random]", ""), root)
    assert rows_of(root) == rows
    plan = run(PLAN.replace("seeds = 2", 'seeds = 2\ninformation = ["public", "full"]') + "[algorithms.free]\nalgorithm = 'zero'\n", root)
    assert {state_of(root / cell.place) for cell in plan.cells()} == {"done"}
    assert rows.items() <= rows_of(root).items()
    assert len(rows_of(root)) == 20


def test_names_with_dots_are_told_apart_where_a_comparison_is_extended(tmp_path: Path) -> None:
    root, small = tmp_path / "out", 'communities = ["two-prosumers"]\nseeds = 1\ntest_days = 2\nvalidation_days = 2\n'
    first = small + '[algorithms."zero-0"]\nalgorithm = "zero"\n[algorithms."zero-0.1"]\nalgorithm = "zero"\n'
    run(first, root)
    run(first + '[algorithms."zero-0.2"]\nalgorithm = "zero"\n', root)
    with pytest.raises(ValueError, match=r"\n\+ algorithms\.'zero-0\.1'\.steps = 5\n"):
        run(first.replace('"zero-0.1"]\n', '"zero-0.1"]\nsteps = 5\n') + '[algorithms."zero-0.2"]\nalgorithm = "zero"\n', root)


TUNED = '[origin]\nalgorithm = "own_leaders:MeanOptimum"\n[settings]\ndays = 2\n'


def test_tuned_settings_that_changed_since_a_comparison_was_begun_are_refused(place: Path) -> None:
    root, plan = place / "out", PLAN.replace("seeds = 2", "seeds = 1") + 'tuned = "tuned.toml"\n'
    (place / "tuned.toml").write_text(TUNED)
    run(plan, root)
    (place / "tuned.toml").write_text(TUNED.replace("2", "3"))
    for again in (plan, plan.replace("seeds = 1", "seeds = 2")):
        with pytest.raises(ValueError, match=r"(?s)\n- algorithms\.mine\.days = 2\n\+ algorithms\.mine\.days = 3\n"):
            run(again, root)
    config = json.loads((root / "config.json").read_text())
    older = {key: value for key, value in config.items() if key not in {"plan", "cells", "sources"}}
    (root / "config.json").write_text(json.dumps(older))
    run(plan, root)  # begun before all that was written down: as its plan reads now
    assert json.loads((root / "config.json").read_text())["plan"]["algorithms.mine.days"] == "3"


def test_code_may_change_only_where_no_cell_of_it_has_begun(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, plan = place / "out", mine("raises").replace("seeds = 2", "seeds = 1")
    run(plan, root)

    def changed(old: str, new: str) -> None:
        assert old in OWN
        (place / "own_leaders.py").write_text(OWN.replace(old, new))
        monkeypatch.delitem(sys.modules, "own_leaders")

    changed("class NoLearner:", "class Another:")
    run(plan, root)
    changed("practice.rewards(", "practice.rewards(  ")  # of the one that failed
    run(plan, root)
    changed("charges(chosen)", "charges(chosen[:1])")
    with pytest.raises(ValueError, match=r"the code of mine has changed, and cells of it in .* are done or begun\. Remove those cells"):
        run(plan, root)
    shutil.rmtree(root / "cells" / "two-prosumers" / "public" / "mine")
    run(plan, root)


CODE = """\
from math import pi, tau

class Base: pass
def helper(): return deeper(tau)
if pi > 3:
    def deeper(x): return x
else:
    deeper = None
RATE = 1
decorated = lambda n: lambda kind: kind
def other(): return pi

@decorated(
    1)
class Leader(Base):
    rate = RATE
    def learn(self): return helper()
"""


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("return pi", "return 0", True),
        ("\nclass Base", "\n# Of leaders.\nclass Base", True),
        ("RATE = 1", "RATE = 2", False),
        ("    1)", "    2)", False),
        ("Base: pass", "Base: a = 1", False),
        ("return x", "return -x", False),
        ("pi, tau", "pi, e as tau", False),
        ("rate = RATE", "speed = RATE", False),
    ],
)
def test_the_code_of_an_algorithm_is_its_class_and_what_that_names(
    old: str, new: str, same: bool, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for text in (CODE, CODE.replace(old, new)):
        (place / "own_code.py").write_text(text)
        monkeypatch.delitem(sys.modules, "own_code", raising=False)
        monkeypatch.syspath_prepend(str(place))
        found.append(source_hash(importlib.import_module("own_code").Leader))
    assert CODE.count(old) == 1
    assert (found[0] == found[1]) is same
    assert source_hash(int) is None


def test_cells_never_begun_are_listed_as_missing_and_stay_so_when_packed(tmp_path: Path) -> None:
    root, plan = tmp_path / "out", plan_of(PLAN)
    with Workers(1) as workers:
        compare(plan, PLAN.encode(), root, workers, cells=[cell for cell in plan.cells() if cell.name in {"zero", "random"}])
    (root / "cells" / "two-prosumers" / "public" / "mine" / "1").mkdir(parents=True)
    missing = [f"two-prosumers/public/{name}/{seed}" for name in ("mine", "optimum") for seed in (0, 1)]
    results = read_results(root)
    assert results.unfinished == tuple(missing)
    assert gather_rows(root).missing == missing
    pack(results, tmp_path / "packed")
    assert read_results(tmp_path / "packed").unfinished == tuple(missing)
    config = json.loads((root / "config.json").read_text())
    for folder in (root, tmp_path / "packed"):  # as those begun before this was written down
        (folder / "config.json").write_text(json.dumps({key: value for key, value in config.items() if key != "cells"}))
    assert read_results(root).unfinished == ("two-prosumers/public/mine/1",) == tuple(gather_rows(root).missing)
    assert read_results(tmp_path / "packed").unfinished == ()


def test_other_data_or_another_version_is_refused(tmp_path: Path) -> None:
    root, small = tmp_path / "out", PLAN.replace("seeds = 2", "seeds = 1")
    run(small, root)
    config = json.loads((root / "config.json").read_text())
    for change, match in (
        ({"communities": {"two-prosumers": "0" * 64}}, "communities of two-prosumers have changed"),
        ({"splits": {"two-prosumers": "0" * 64}}, "splits of two-prosumers have changed"),
        ({"schema": 99}, "schema 99"),
        ({"versions": {"gridtoll": "0.0.1"}}, "gridtoll 0.0.1"),
    ):
        (root / "config.json").write_text(json.dumps({**config, **change}))
        with pytest.raises(ValueError, match=match):
            run(small, root)


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").touch()
    with pytest.raises(ValueError, match=r"new, empty or its own, got .* with thesis.tex"):
        run(PLAN, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name != ".lock"] == ["thesis.tex"]


def hold(folder: str, held: object) -> None:
    """Holds the lock of a folder until the process is ended."""
    with writing_into(Path(folder)):
        held.set()  # type: ignore[attr-defined]
        multiprocessing.Event().wait()


def test_two_processes_do_not_compare_in_one_folder_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    other = context.Process(target=hold, args=(str(tmp_path / "out"), held))
    other.start()
    assert held.wait(60)
    with pytest.raises(ValueError, match="another is at work in"):
        run(PLAN, tmp_path / "out")
    other.kill()
    other.join()
    run(PLAN.replace("seeds = 2", "seeds = 1"), tmp_path / "out")


def test_the_command_compares_lists_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.toml").write_text(PLAN.replace("seeds = 2", "seeds = 1"))

    def command(text: str) -> tuple[int, str, str]:
        code = main(text.split())
        return code, *capsys.readouterr()

    code, out, _ = command("compare mine.toml --out out --list")
    assert (code, out.count("open"), (tmp_path / "out").exists()) == (0, 4, False)
    code, out, err = command("compare mine.toml --out out --only zero,mine --jobs 1 --json")
    assert json.loads(out)["cells"] == {"done": 2, "failed": 0, "open": 0}
    assert "cells: 100%" in err
    code, out, _ = command("compare --out out --list --json")
    states = {entry["cell"].split("/")[3]: entry["state"] for entry in json.loads(out)["list"]}
    assert states == {"zero": "done", "mine": "done", "random": "open", "optimum": "open"}
    for wrong, message in (
        ("compare --out elsewhere", "a new comparison needs a plan"),
        ("compare quik --out elsewhere", "Did you mean 'quick'"),
        ("compare mine.toml --out out --only zer", "Did you mean 'zero'"),
    ):
        code, out, err = command(wrong)
        assert (code, out) == (2, "")
        assert message in err
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.long  # half a minute: processes and a cluster are started
def test_rows_depend_neither_on_jobs_nor_on_the_backend(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    workers = {
        "one": Workers(1, apart=True),
        "two": Workers(2, apart=True),
        "ray": Workers(2, backend="ray", apart=True),
        "here": Workers(1),
    }
    found = {}
    for name, at_work in workers.items():
        plan = run(PLAN + SAC, tmp_path / name, at_work)
        assert {state_of(tmp_path / name / cell.place) for cell in plan.cells()} == {"done"}
        found[name] = rows_of(tmp_path / name)
    assert len(found["one"]) == 10
    assert found["two"] == found["one"]
    assert found["ray"] == found["one"]
    assert found["here"] == found["one"]


@pytest.mark.long  # half a minute: a process that ends takes the others with it, and they start again
def test_a_cell_whose_process_ends_without_a_word_has_failed_and_the_others_go_on(tmp_path: Path) -> None:
    plan = run(mine("crashes"), tmp_path / "out", Workers(2, apart=True))
    states = {(cell.name, cell.seed): state_of(tmp_path / "out" / cell.place) for cell in plan.cells()}
    assert {key for key, state in states.items() if state == "failed"} == {("broken", 0), ("broken", 1)}
    assert set(states.values()) == {"done", "failed"}
    report = list_cells(tmp_path / "out", plan.cells())
    assert report.values["cells"] == {"done": 8, "failed": 2, "open": 0}
    shutil.rmtree(tmp_path / "out")
