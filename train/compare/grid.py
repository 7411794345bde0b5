"""All cells of a comparison, side by side in processes of this machine or on a Ray cluster.

Every cell runs in a process of its own with one thread and leaves its own files behind, so that the rows depend neither on how many run at
once, nor where, nor on what was interrupted. Of a Ray cluster every node must see the folder of the comparison; nodes that share a cache
folder (``GRIDTOLL_CACHE``) find each optimum once, others once each.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ...agents.learned.onnx_policy import EXPORTERS
from ...envs.community.calendar import Scenario
from ...envs.games.spec import GameSpec
from ...envs.packages import INSTALL_RESEARCH, installing, missing_packages
from ..ground.locks import LOCK, writing_into
from ..ground.progress import progress
from ..learning.algorithms import OPTIMUM, is_network, packages_of, require_response
from ..references.ends import prove_days, references, search_days_on
from ..references.hours import SearchEffort
from ..references.optima import require_one_charge
from ..task import environment_of
from ..workers import Workers
from .cells import Cell, state_of, write_not_run
from .folder import begin
from .plan import Plan
from .rescoring import score_again
from .running import Job, record_crash, run_cell

_LOOK_EVERY_S = 1.0
_log = logging.getLogger(__name__)


def compare(
    plan: Plan,
    content: bytes,
    root: Path,
    workers: Workers,
    *,
    cells: Sequence[Cell],
    retry_failed: bool = False,
    again: bool = False,
    place: Path | None = None,
) -> None:
    """Run the cells that are not complete; what a comparison cut short left behind is gone on with.

    Args:
        plan: What is compared.
        content: Its file.
        root: Folder of the comparison.
        workers: Run the cells, each in a process of its own: they must be ``apart``.
        cells: Which of the plan's.
        retry_failed: Whether failed cells are run again, from the start.
        again: Whether finished cells are scored against what is known of their test days now.
        place: Folder in which modules of the user's own algorithms are looked for; the current one if absent.

    Raises:
        ValueError: If the folder holds something else, another process is at work in it, or a task has no exact optimum or response
            where an algorithm needs one.
        ClearingError: If an optimum could not be proved.
    """
    for cell in cells:
        if cell.algorithm == OPTIMUM:
            require_one_charge(cell.task, f"algorithms.{cell.name}: the optimum")
        try:
            require_response(cell.algorithm, cell.task)
        except ValueError as error:
            raise ValueError(f"algorithms.{cell.name}: {error} --only names those that are to run.") from None
    root, place = root.resolve(), Path.cwd() if place is None else place
    with writing_into(root):
        begin(root, plan, content, place=place)
        if retry_failed:
            for cell in cells:
                if state_of(root / cell.place) == "failed":
                    _clear(root / cell.place)
        if again:
            _find_optima(plan, cells, workers)
            score_again(root, cells, workers)
        jobs = [Job(cell, root, place) for cell in cells]
        waiting = _that_can_run([job for job in jobs if state_of(job.folder) in ("open", "not run")])
        if waiting:
            _find_optima(plan, [job.cell for job in waiting], workers)
            with _progress(jobs, waiting, quiet=workers.quiet):
                _run_all(waiting, workers)


def _that_can_run(jobs: Sequence[Job]) -> list[Job]:
    """Return the cells whose packages are there; of the others it is written down, and said now, which are missing."""
    lacking = {job: missing_packages(packages_of(job.cell.algorithm)) for job in jobs}
    for job, names in lacking.items():
        if names:
            write_not_run(
                job.folder, f"needs {_quoted(names)}, which cannot be imported here. In your clone of gridtoll, run `{installing(names)}`"
            )
        else:
            (job.folder / "cell.json").unlink(missing_ok=True)  # one that says that it could not run
    left_out = {job.cell.name: names for job, names in lacking.items() if names}
    for name, names in left_out.items():
        _log.warning(
            "%s is not run: it needs %s, which cannot be imported here. In your clone of gridtoll, run `%s`.",
            name,
            _quoted(names),
            installing(names),
        )
    found = [job for job, names in lacking.items() if not names]
    exporters = missing_packages(EXPORTERS) if any(is_network(job.cell.algorithm) for job in found) else ()
    if exporters:
        _log.warning(
            "policies are not kept as policy.onnx: that needs %s. In your clone of gridtoll, run `%s`.",
            _quoted(exporters),
            INSTALL_RESEARCH,
        )
    return found


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _clear(folder: Path) -> None:
    """Make a cell as if it had never been run, ``cell.json`` first, so that a kill leaves one that is not complete."""
    (folder / "cell.json").unlink()
    shutil.rmtree(folder)


def _find_optima(plan: Plan, cells: Sequence[Cell], workers: Workers) -> None:
    """Find the optima that every cell will ask for, once, by all workers; the cells then take them from the store.

    Those of training days, which few algorithms ask for, are found by the first cell that does, or by `gridtoll optimum --split train`.
    """
    for task, found in _by_task(cells).items():
        community = environment_of(task).community
        wanted = [*community.scenarios("test", found[0].test_days), *community.scenarios("validation", found[0].validation_days)]
        references(task, wanted, workers, found[0].effort)
        if plan.proved_days is not None and task.env == "hourly":
            closer = _spread(community.scenarios("test", found[0].test_days), plan.proved_days)
            prove_days(task, closer, workers, plan.effort or SearchEffort())
            if plan.longer_plans is not None:
                search_days_on(task, closer, workers, found[0].effort or SearchEffort(), plans=plan.longer_plans)


def _spread(scenarios: Sequence[Scenario], most: int) -> list[Scenario]:
    """Return so many of the scenarios at most, spread evenly over them."""
    places = np.linspace(0, len(scenarios) - 1, min(most, len(scenarios))).round().astype(int)
    return [scenarios[place] for place in places]


def _by_task(cells: Sequence[Cell]) -> dict[GameSpec, list[Cell]]:
    """Return cells by their game, the information class aside: an optimum knows everything."""
    groups: dict[GameSpec, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.task.changed(information="public"), []).append(cell)
    return groups


def _run_all(jobs: Sequence[Job], workers: Workers) -> None:
    """Run cells, and find out which one it was where a process ends without a word."""
    waiting = list(jobs)
    while waiting:
        try:
            for _ in workers.each(run_cell, waiting):
                pass
        except BrokenProcessPool:
            workers.close(now=True)
            suspects = [job for job in waiting if state_of(job.folder) == "open" and (job.folder / LOCK).is_file()]
            if not suspects:
                raise
            for job in suspects:
                _run_alone(job)
        waiting = [job for job in waiting if state_of(job.folder) == "open"]


def _run_alone(job: Job) -> None:
    """Run one cell with nothing beside it."""
    try:
        with Workers(1, apart=True) as worker:
            worker.map(run_cell, [job])
    except BrokenProcessPool:
        record_crash(job)


@contextmanager
def _progress(jobs: Sequence[Job], waiting: Sequence[Job], *, quiet: bool) -> Iterator[None]:
    """Show how many cells are complete, as their files say: Ray returns results only many at a time."""
    ended = threading.Event()
    with progress("cells", len(jobs), done=len(jobs) - len(waiting), quiet=quiet) as bar:

        def watch() -> None:
            """Look every second which cells have become complete, and tell the bar; once more when all work has ended."""
            left, last = list(waiting), False
            while not last:
                last = ended.wait(_LOOK_EVERY_S)
                still = [job for job in left if not (job.folder / "cell.json").is_file()]
                bar.update(len(left) - len(still))
                left = still

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()
