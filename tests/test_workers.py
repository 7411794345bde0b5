"""Work shared out over processes comes back in order, errors included."""

from __future__ import annotations

import os

import pytest

from gridtoll.train.workers import Workers


def root(value: float) -> float:
    if value < 0:
        raise ValueError(f"no root of {value}")
    return float(value**0.5)


def identity_and_threads(_: int) -> tuple[int, str | None]:
    return os.getpid(), os.environ.get("OMP_NUM_THREADS")


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_back_in_order(jobs: int) -> None:
    with Workers(jobs) as workers:
        assert workers.map(root, [4.0, 9.0, 0.0, 1.0]) == [2.0, 3.0, 0.0, 1.0]
        assert workers.map(root, []) == []


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


def test_less_than_one_job_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Workers(0)
