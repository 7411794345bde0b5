"""Work shared out over processes comes back whole, errors included, and ends when it should."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from itertools import pairwise
from pathlib import Path

import pytest

from gridtoll.envs.machine import available_cores
from gridtoll.train import workers as module
from gridtoll.train.workers import Workers

PATIENCE_S = 300.0  # after which a test fails: on a busy machine a process takes a minute to start


def root(value: float) -> float:
    if value < 0:
        raise ValueError(f"no root of {value}")
    return float(value**0.5)


def identity_and_threads(_: int) -> tuple[int, str | None]:
    return os.getpid(), os.environ.get("OMP_NUM_THREADS")


def sleep(place: str) -> None:
    """Say who sleeps, and sleep for longer than any test takes."""
    (Path(place) / str(os.getpid())).touch()
    time.sleep(600)


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def sleepers(folder: Path) -> Iterator[int]:
    """Yield the processes that said they sleep and still do."""
    for file in folder.iterdir():
        try:
            state = Path(f"/proc/{file.name}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except FileNotFoundError:
            continue
        if state not in "ZX":  # ended, and only not yet noticed
            yield int(file.name)


def wait_until_sleeping(folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while len(list(folder.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(list(sleepers(folder))) == 2


def wait_until_ended(folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while list(sleepers(folder)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert list(sleepers(folder)) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_back_in_order(jobs: int) -> None:
    with Workers(jobs) as workers:
        assert workers.map(root, [4.0, 9.0, 0.0, 1.0]) == [2.0, 3.0, 0.0, 1.0]
        assert workers.map(root, []) == []
        assert sorted(workers.each(root, [4.0, 9.0])) == [(0, 2.0), (1, 3.0)]


def test_two_jobs_are_other_processes_with_one_thread_each_that_stay_and_end_with_the_context(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with Workers(2) as workers:
        seen = [*workers.map(identity_and_threads, range(8)), *workers.map(identity_and_threads, range(8))]
    processes = {process for process, _ in seen}
    assert os.getpid() not in processes
    assert 1 <= len(processes) <= 2
    assert {threads for _, threads in seen} == {"1"}
    assert "OMP_NUM_THREADS" not in os.environ


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_error_of_an_item_is_raised(jobs: int) -> None:
    with Workers(jobs) as workers, pytest.raises(ValueError, match=r"no root of -1"):
        workers.map(root, [4.0, -1.0, 1.0])


def test_progress_goes_to_stderr_and_only_when_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    Workers(1, quiet=True).map(root, [1.0], "roots")
    assert capsys.readouterr() == ("", "")
    Workers(1, quiet=False).map(root, [1.0], "roots")
    out, err = capsys.readouterr()
    assert out == ""
    assert "roots" in err


def test_what_workers_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Workers(0)
    with pytest.raises(ValueError, match="Did you mean 'ray'"):
        Workers(1, backend="rai")  # type: ignore[arg-type]
    assert Workers(None).jobs == available_cores()


def test_an_interruption_ends_what_runs(tmp_path: Path) -> None:
    main = threading.get_ident()

    def interrupt() -> None:
        try:
            wait_until_sleeping(tmp_path)
        finally:  # whatever went wrong, nobody waits for the sleepers to wake
            signal.pthread_kill(main, signal.SIGINT)

    watcher = threading.Thread(target=interrupt)
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # what an earlier test left may not be
    try:
        watcher.start()
        with pytest.raises(KeyboardInterrupt), Workers(2) as workers:
            workers.map(sleep, [str(tmp_path)] * 4)
    finally:
        signal.signal(signal.SIGINT, handler)
    watcher.join()
    wait_until_ended(tmp_path)


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys\n"
        "from gridtoll.train.workers import Workers\n"
        "from test_workers import sleep\n"
        "if __name__ == '__main__':\n"
        "    with Workers(2) as workers:\n"
        "        workers.map(sleep, [sys.argv[1]] * 4)\n"
    )
    place = tmp_path / "sleepers"
    place.mkdir()
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": f"{here.parents[1] / '.pkg'}{os.pathsep}{here}"}
    parent = subprocess.Popen([sys.executable, str(script), str(place)], env=environment)
    wait_until_sleeping(place)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_until_ended(place)


def test_a_worker_that_is_killed_is_an_error_and_not_a_wait_for_ever() -> None:
    with pytest.raises(BrokenProcessPool), Workers(2) as workers:
        workers.map(die, range(4))


def test_ray_that_is_not_installed_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r'`ray` cannot be imported.*pip install "\.\[ray\]"'), Workers(2, backend="ray") as workers:
        workers.map(root, [4.0])


@pytest.mark.long
def test_a_ray_cluster_gives_the_same_results_in_several_rounds_and_ends_with_the_context(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))  # a cluster must have the modules its tasks stand in
    monkeypatch.setattr(module, "_ROUND", 2)
    numbers = [float(number) for number in range(11)]
    with Workers(2, backend="ray") as workers:
        assert workers.map(root, numbers) == [root(number) for number in numbers]
        assert len(set(workers.map(identity_and_threads, range(4)))) <= 2
        with pytest.raises(ValueError, match="no root of -1"):
            workers.map(root, [4.0, -1.0])
        assert ray.is_initialized()
    assert not ray.is_initialized()


def whose(items: Sequence[int], *, threads: int) -> Iterator[tuple[int, tuple[int, int]]]:
    """Of many items at once: each with the process that had it."""
    if 13 in items:
        raise ValueError("thirteen")
    for place, item in enumerate(items):
        time.sleep(0.02)
        yield place, (item, os.getpid())


def die_there(items: Sequence[int], *, threads: int) -> Iterator[tuple[int, int]]:
    if multiprocessing.parent_process() is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    for place, item in enumerate(items):
        time.sleep(0.5)
        yield place, item


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_this_process_is_one_of_those_that_work_on_many_items_at_once(jobs: int) -> None:
    items = [-item for item in range(100)]
    with Workers(jobs) as workers:
        found = list(workers.each_together(whose, items))
        assert sorted(place for place, _ in found) == list(range(100))
        assert all(items[place] == item for place, (item, _) in found)
        processes = {process for _, (_, process) in found}
        assert os.getpid() in processes
        assert len(processes) <= jobs
        assert len(dict(workers.each_together(whose, items))) == 100  # the others are still there


def test_apart_this_process_hands_everything_out() -> None:
    with Workers(2, apart=True) as workers:
        assert os.getpid() not in {process for _, (_, process) in workers.each_together(whose, range(100, 140))}


@pytest.mark.parametrize("place", [0, 39])
def test_the_error_of_many_items_at_once_is_raised_wherever_it_was_met(place: int) -> None:
    items = [100] * 40
    items[place] = 13
    with pytest.raises(ValueError, match="thirteen"), Workers(2) as workers:
        list(workers.each_together(whose, items))


def test_a_process_that_is_killed_at_many_items_is_told_of() -> None:
    with pytest.raises(BrokenProcessPool), Workers(2) as workers:
        list(workers.each_together(die_there, range(40)))


@pytest.mark.parametrize(("n_items", "jobs"), [(112, 2), (17, 2), (17, 16), (400, 3), (1, 2)])
def test_parts_hold_all_items_and_become_few_towards_the_end(n_items: int, jobs: int) -> None:
    sizes = [end - start for start, end in pairwise((*module._starts(n_items, jobs), n_items))]
    assert sum(sizes) == n_items
    assert min(sizes) >= 1
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 1
    assert max(sizes) <= 8
