"""A comparison killed at any moment and gone on with ends with the rows of one that was left alone, and no process outlives it."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

PLAN = """\
communities = ["two-prosumers"]
information = ["public", "full"]
seeds = 2
steps = 160
validation_days = 3
test_days = 3

[game]
charge_cap = 0.1

[algorithms.zero]

[algorithms.optimum]

[algorithms.grid-constant]
days = 20

[algorithms.sac]
warmup_days = 16
hidden = [16]
batch_size = 8
validate_every = 16

[algorithms.ppo]
warmup_days = 16
hidden = [16]
batch_size = 8
validate_every = 16
"""
N_CELLS = 20
N_KILLS = 10
DEADLINE_S = 300.0


def start(plan: Path, out: Path) -> subprocess.Popen[bytes]:
    """Starts a comparison in a session of its own, by which its processes can be told."""
    command = [sys.executable, "-m", "gridtoll.train", "compare", str(plan), "--out", str(out), "--jobs", "2", "--quiet"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / ".pkg")}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)


def alive(session: int) -> list[int]:
    """Returns the processes of a session that have not ended."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its_session = file.read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(its_session) == session and state not in "ZX":
            found.append(int(file.parent.name))
    return found


def work_done(out: Path) -> int:
    """Returns how many validations and complete cells there are: a clock that goes as fast as the machine."""
    lines = sum(file.read_bytes().count(b"\n") for file in out.glob("cells/*/*/*/*/practice/run/progress.jsonl"))
    return lines + len(list(out.glob("cells/*/*/*/*/cell.json")))


def complete(out: Path) -> dict[Path, tuple[int, bytes]]:
    """Returns what tells whether a complete cell was written again: which file it is, and its content."""
    return {file: (file.stat().st_ino, file.read_bytes()) for file in out.glob("cells/*/*/*/*/cell.json")}


def rows(out: Path) -> dict[str, list[dict[str, str]]]:
    """Returns every row but for the commit: the working copy may change while this runs."""
    found = {}
    for file in sorted(out.glob("cells/*/*/*/*/rows.csv")):
        read = csv.DictReader(file.read_text().splitlines())
        found[file.relative_to(out).as_posix()] = [{key: value for key, value in row.items() if key != "commit"} for row in read]
    return found


def accounts(out: Path) -> dict[str, Any]:
    """Returns what every cell cost but for the time it took."""
    found = {}
    for file in sorted(out.glob("cells/*/*/*/*/cell.json")):
        result = json.loads(file.read_text())
        curve = [{key: value for key, value in point.items() if key != "seconds"} for point in result["curve"]]
        kept = ("status", "steps", "clearings", "validation_clearings", "settings")
        found[file.relative_to(out).as_posix()] = {"curve": curve, **{key: result[key] for key in kept}}
    return found


def kill_when(process: subprocess.Popen[bytes], out: Path, work: int, wait_s: float) -> None:
    """Kills a comparison a little after so much work is done, and waits until nothing of it is left."""
    until = time.monotonic() + DEADLINE_S
    while work_done(out) < work and time.monotonic() < until:
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(wait_s)
    assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    while alive(process.pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert alive(process.pid) == []


@pytest.mark.long  # some minutes: twelve times a comparison and its processes are started
@pytest.mark.skipif(sys.platform != "linux", reason="processes are told by /proc")
def test_ten_kills_change_nothing(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN)
    assert start(plan, tmp_path / "whole").wait(DEADLINE_S) == 0
    total = work_done(tmp_path / "whole")
    assert total == 100  # 20 cells, of which 8 validate ten times
    generator = random.Random(5)
    out = tmp_path / "cut"
    before: dict[Path, tuple[int, bytes]] = {}
    moments = sorted(generator.randrange(total - 20) for _ in range(N_KILLS))
    for work in moments:
        process = start(plan, out)
        kill_when(process, out, work, generator.uniform(0.0, 0.3))
        now = complete(out)
        assert before.items() <= now.items()
        before = now
    assert 0 < len(before) < N_CELLS
    assert start(plan, out).wait(DEADLINE_S) == 0
    assert before.items() <= complete(out).items()
    assert len(complete(out)) == N_CELLS
    assert rows(out) == rows(tmp_path / "whole")
    assert accounts(out) == accounts(tmp_path / "whole")
    assert not list(out.glob("cells/*/*/*/*/.lock"))  # those of the runs in them stay, and mean nothing
