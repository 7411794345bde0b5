"""A proof of an hourly day with one store that is killed again and again comes to the bound of one that was left alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from one_battery import one_battery

import gridtoll
from gridtoll.envs.community.calendar import Scenario
from gridtoll.train.references.ends import hourly_references
from gridtoll.train.references.hours import SearchEffort
from gridtoll.train.workers import Workers

SUPPORT = Path(__file__).parents[2] / "support"
HERE = "import sys; from one_battery import prove_coarsely; prove_coarsely((sys.argv[1], sys.argv[2]))"
ON_RAY = """
import sys
from one_battery import prove_coarsely
from gridtoll.train.workers import Workers

with Workers(1, backend="ray") as workers:
    workers.map(prove_coarsely, [(sys.argv[1], sys.argv[2])])
"""
SAME = ("rounds", "upper_bound_eur", "best_eur", "charges", "slabs", "price", "near")


def begun(community: str, folder: Path, program: str = HERE) -> subprocess.Popen[bytes]:
    roots = [str(Path(gridtoll.__file__).parent.parent), str(SUPPORT), *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, "-c", program, community, str(folder)]
    return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(roots)}, stderr=subprocess.DEVNULL)


def kept(folder: Path) -> dict[str, Any] | None:
    """What is in the store; None before anything is. A file that is cut short would not be read."""
    files = list(folder.glob("one-store/*/*.json"))
    return json.loads(files[0].read_text(encoding="utf-8"))["value"] if files else None


@pytest.mark.long
def test_a_proof_that_is_killed_at_random_moments_comes_to_the_same_bound(tmp_path: Path) -> None:
    community, alone, killed = one_battery(tmp_path / "community").community, tmp_path / "alone", tmp_path / "killed"
    rng = np.random.default_rng(0)
    assert begun(community, alone).wait() == 0
    expected, kills, seen = kept(alone), 0, -1
    assert expected is not None
    assert expected["rounds"] >= 3
    while kills < 3:
        process = begun(community, killed)
        while process.poll() is None and (kept(killed) or {}).get("rounds", -1) <= seen:
            time.sleep(0.01)
        time.sleep(float(rng.uniform(0.0, 0.3)))
        if process.poll() is not None:
            break
        process.kill()  # SIGKILL: nothing is put in order
        process.wait()
        kills, seen = kills + 1, (kept(killed) or {}).get("rounds", -1)
    assert kills >= 2
    assert begun(community, killed).wait() == 0
    found = kept(killed)
    assert found is not None
    assert {name: found[name] for name in SAME} == {name: expected[name] for name in SAME}


@pytest.mark.long
def test_a_proof_whose_ray_worker_is_killed_is_gone_on_with_by_the_next(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    community, alone, killed = one_battery(tmp_path / "community").community, tmp_path / "alone", tmp_path / "killed"
    assert begun(community, alone).wait() == 0
    process = begun(community, killed, ON_RAY)
    while process.poll() is None and kept(killed) is None:
        time.sleep(0.01)
    os.kill(int((killed / "pid").read_text(encoding="utf-8")), signal.SIGKILL)
    assert process.wait() != 0  # it does not wait for a worker that is gone
    expected, before = kept(alone), kept(killed)
    assert expected is not None
    assert before is not None
    assert before["rounds"] < expected["rounds"]
    assert begun(community, killed, ON_RAY).wait() == 0
    found = kept(killed)
    assert found is not None
    assert {name: found[name] for name in SAME} == {name: expected[name] for name in SAME}


@pytest.mark.long
def test_the_same_proofs_of_two_days_come_from_a_ray_cluster_and_from_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    task = one_battery(tmp_path / "community")
    effort = SearchEffort(starts=0, plans=40, clearings=4, tolerance=100.0, seconds=1e6)
    found = {}
    for name, workers in (("processes", Workers(2)), ("ray", Workers(2, backend="ray"))):
        monkeypatch.setenv("GRIDTOLL_CACHE", str(tmp_path / name))
        with workers:
            ends = hourly_references(task, [Scenario(170, 0), Scenario(20, 0)], workers, effort)
        assert [each.method for each in ends] == ["boxes", "boxes"]
        found[name] = [replace(each, seconds=0.0) for each in ends]
    assert found["ray"] == found["processes"]
