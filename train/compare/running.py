"""One cell: the algorithm learns, its leader is scored on the test days, and what came of it is written down.

An error of the algorithm is a result: the cell has failed, which is recorded with the error and counts as the worst. A package that is
missing is none: the cell was not run, which is recorded with the package and counts as nothing. What says nothing
about the algorithm goes through and ends the comparison, which can be gone on with: an interruption, a full disk, a day without proved
optimum.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from stable_baselines3.common.utils import set_random_seed

from ...agents.fixed.day_ahead import ZeroPolicy
from ...agents.policy import Policy
from ...envs.community.calendar import Scenario
from ...envs.errors import ClearingError
from ..data.onnx_files import Exportable, save_onnx
from ..ground.errors import is_for_want_of_a_package, is_not_the_algorithms
from ..ground.locks import LOCK, writing_into
from ..ground.playing import Leaders, play_days, same_for_all
from ..ground.runs import commit, sha256, write_text
from ..learning.algorithms import CLAIRVOYANTS, TaskAlgorithm, foresee, has_memory, make_algorithm, settings_of
from ..learning.learn import alone_in_this_process
from ..learning.practice import CurvePoint, LearningCost, TaskPractice
from ..references.ends import Ends, references
from ..scoring.evaluate import Leader, evaluate_leader
from ..scoring.evaluation import Evaluation
from ..scoring.regret import normalised_regret
from ..scoring.rows import write_rows
from ..statistics.intervals import interquartile_mean
from ..task import environment_of, n_charges
from ..workers import Workers
from .alike import take_from_another_seed
from .cells import Cell, State, community_name, installed, state_of, write_not_run, write_result


@dataclass(frozen=True)
class Job:
    """A cell to run.

    Attributes:
        cell: Which one.
        root: Folder of the comparison.
        place: Folder in which modules of the user's own algorithms are looked for.
    """

    cell: Cell
    root: Path
    place: Path

    @property
    def folder(self) -> Path:
        """Of the cell."""
        return self.root / self.cell.place


def run_cell(job: Job) -> State:
    """Run a cell unless it is complete, and return how it ended; should another process still be at work on it, wait for that.

    Raises:
        ValueError: If the folder of the comparison is not to be seen from here, or the algorithm not to be found.
        ClearingError: If the optimum of a test or validation day could not be proved.
        OSError: If the machine is out of something.
    """
    if not (job.root / "plan.toml").is_file():
        raise ValueError(f"every machine must see the folder of the comparison, but {job.root} has no plan.toml here. Use a shared folder.")
    with writing_into(job.folder, wait=True):
        if state_of(job.folder) == "open" and not take_from_another_seed(job.cell, job.folder, place=job.place):
            _run(job)
    _remove_lock(job.folder)
    return state_of(job.folder)


def record_crash(job: Job) -> None:
    """Record that the process of a cell ended without a word, and did so again when it had the machine to itself."""
    with writing_into(job.folder, wait=True):
        if state_of(job.folder) == "open":
            error = "its process ended without a word, twice: it crashed, was killed, or ran out of memory"
            _write_failed(job, _identity(job.cell, {}), error, LearningCost(), [])
    _remove_lock(job.folder)


def _remove_lock(folder: Path) -> None:
    """Leave a complete cell without a lock; whoever still waits for it finds nothing to do."""
    with contextlib.suppress(OSError):  # Windows keeps it while somebody waits
        (folder / LOCK).unlink(missing_ok=True)


def _run(job: Job) -> None:
    cell, folder = job.cell, job.folder
    known, settings = cell.algorithm in CLAIRVOYANTS, dict(cell.settings)
    algorithm = None if known else make_algorithm(cell.algorithm, settings, place=job.place, env=cell.task.env)
    with Workers(1) as workers, alone_in_this_process():
        set_random_seed(cell.seed)  # whatever ran in this process before
        community = environment_of(cell.task).community
        validation = community.scenarios("validation", cell.validation_days)
        scale = references(cell.task, validation, workers, cell.effort)
        play_days(
            cell.task, same_for_all(ZeroPolicy(n_charges(cell.task))), validation[:1], threads=1
        )  # compiling the market's loops is no part of what learning costs
        practice = TaskPractice(
            cell.task,
            seed=cell.seed,
            folder=folder / "practice",
            steps=cell.steps,
            validation_days=len(validation),
            workers=workers,
        )
        identity = _identity(cell, {} if algorithm is None else settings_of(algorithm))
        learning = algorithm is not None
        try:
            leaders, effort = _leader(cell, algorithm, practice)
            learning, learned = False, practice.effort.clearings  # leaders that clear when they are asked for a charge go on spending
            evaluation = _scored(cell, leaders, workers)
            effort = replace(effort, clearings=effort.clearings + practice.effort.clearings - learned)
        except (Exception, SystemExit) as error:
            if _says_nothing_about_the_algorithm(error, learning=learning):
                raise
            if is_for_want_of_a_package(error):
                write_not_run(folder, str(error))
                return
            write_text(folder / "traceback.txt", traceback.format_exc())
            _write_failed(job, identity, f"{type(error).__name__}: {error}", practice.effort, _curve(cell, practice.curve, scale))
            return
    write_rows(folder / "rows.csv", evaluation.rows)
    (folder / "traceback.txt").unlink(missing_ok=True)
    if not any((folder / "practice").iterdir()):
        (folder / "practice").rmdir()
    written = {
        "rows_sha256": sha256(folder / "rows.csv"),
        "policy": _keep(leaders(_test_days(cell)[0]), cell, identity["settings"], folder),
    }
    write_result(
        folder, {**identity, "status": "done", "error": None, **asdict(effort), "curve": _curve(cell, practice.curve, scale), **written}
    )


def _says_nothing_about_the_algorithm(error: BaseException, *, learning: bool) -> bool:
    """Return whether an error is the machine's, or a sign that a score of ours is wrong; a clearing that fails while learning is not."""
    if isinstance(error, ClearingError):
        return not learning
    return is_not_the_algorithms(error)


def _keep(policy: Policy, cell: Cell, settings: dict[str, Any], folder: Path) -> str | None:
    """Write a leader that is a network as ONNX, and return the file's name, or why there is none; None for a leader of another kind."""
    if not isinstance(getattr(policy, "network", None), torch.nn.Module):
        return None
    if has_memory(cell.algorithm):
        return "not kept: what it charges depends on what it remembers of the day as well, which a network in a file does not"
    try:
        save_onnx(folder / "policy.onnx", cast(Exportable, policy), cell.task, name=cell.name, seed=cell.seed, config=settings)
    except ValueError as error:  # a package is missing, or a user's own network cannot be exported: its rows hold all the same
        return f"not kept: {error}"
    return "policy.onnx"


def _leader(cell: Cell, algorithm: TaskAlgorithm | None, practice: TaskPractice) -> tuple[Leaders, LearningCost]:
    """Return the leader that is scored, and what it cost."""
    if algorithm is None:
        return foresee(cell.algorithm, cell.task, _test_days(cell), practice.workers, cell.effort)
    policy = algorithm.learn(practice)
    return same_for_all(policy), practice.effort


def _scored(cell: Cell, leaders: Leaders, workers: Workers) -> Evaluation:
    return evaluate_leader(Leader(cell.name, leaders, cell.seed), cell.task, _test_days(cell), workers, split="test", effort=cell.effort)


def _test_days(cell: Cell) -> list[Scenario]:
    """Return the days a cell's leader is scored on."""
    return environment_of(cell.task).community.scenarios("test", cell.test_days)


def _identity(cell: Cell, settings: dict[str, Any]) -> dict[str, Any]:
    """Return which cell it is, and what it was run with."""
    return {
        "community": community_name(cell.task.community),
        "information": cell.task.information,
        "algorithm": cell.name,
        "seed": cell.seed,
        "class": cell.algorithm,
        "clairvoyant": cell.algorithm in CLAIRVOYANTS,  # its clearings are those of the test days, solved to proof
        "settings": settings,
        "budget": cell.steps,
        "task": asdict(cell.task),
        **({} if cell.effort is None else {"effort": asdict(cell.effort)}),
        "versions": installed(),
        "commit": commit(),
    }


def _write_failed(job: Job, identity: dict[str, Any], error: str, effort: LearningCost, curve: list[dict[str, Any]]) -> None:
    (job.folder / "rows.csv").unlink(missing_ok=True)
    result = {**identity, "status": "failed", "error": error, **asdict(effort), "curve": curve, "rows_sha256": None}
    write_result(job.folder, result)


def _curve(cell: Cell, curve: list[CurvePoint], scale: Sequence[Ends]) -> list[dict[str, Any]]:
    """Return the learning curve with its normalised regret: mean and IQM of those validation days on which there is something to win."""
    community, points = environment_of(cell.task).community, []
    for point in curve:
        normalised = normalised_regret(community, scale, np.array(point.rewards_eur))
        regret = normalised[~np.isnan(normalised)]
        summed_up = {
            "validation_eur": point.validation_eur,
            "validation_regret": float(regret.mean()) if len(regret) else None,
            "validation_regret_iqm": float(interquartile_mean(regret)) if len(regret) else None,
        }
        points.append({**asdict(point.effort), **summed_up})
    return points
