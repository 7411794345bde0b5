"""A proof of an hourly day with one store that is killed again and again comes to the bound of one that was left alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from one_battery import one_battery

import gridtoll

SUPPORT = Path(__file__).parents[2] / "support"
PROVES = """
import sys
from pathlib import Path

from one_battery import COARSE

from gridtoll.envs import Scenario
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.references import store
from gridtoll.train.references.hours import SearchEffort, search_day

store.user_cache_dir = lambda: Path(sys.argv[2])  # machine code is kept where it always is
for module, name, value in COARSE:
    setattr(module, name, value)
effort = SearchEffort(starts=0, plans=40, clearings=4, tolerance=2.3, seconds=1e6)
search_day(GameSpec(env="hourly", community=sys.argv[1]), Scenario(170, 0), effort)
"""
"""Ends after four rounds or so."""


def begun(community: str, folder: Path) -> subprocess.Popen[bytes]:
    roots = [str(Path(gridtoll.__file__).parent.parent), str(SUPPORT), *filter(None, [os.environ.get("PYTHONPATH")])]
    program = [sys.executable, "-c", PROVES, community, str(folder)]
    return subprocess.Popen(program, env=os.environ | {"PYTHONPATH": os.pathsep.join(roots)}, stderr=subprocess.DEVNULL)


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
    same = ("rounds", "upper_bound_eur", "best_eur", "charges", "slabs", "price", "near")
    assert {name: found[name] for name in same} == {name: expected[name] for name in same}
