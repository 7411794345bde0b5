"""A study from its start, or from where it was, to its files."""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ...agents.learned.settings import LEARNER_NAMES
from ...envs.packages import require_research_packages
from ..ground.held_out import require_not_held_out
from ..ground.locks import writing_into
from ..ground.runs import commit, versions, write_text
from ..learning.algorithms import packages_of
from ..workers import Workers
from .budget import what_was_left_out, within_budget
from .study import FrozenTrial, Study, TuneConfig, best_settings, counted, ended, error_of, open_study, run_trials
from .zoo import zoo_form

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tuned:
    """What a study found.

    Attributes:
        settings: The best ones.
        validation_eur: Their value: mean reward in EUR a day on validation days.
        trials: Trials that were finished, pruned or failed.
        pruned: Those of them that were ended early.
        failed: Those of them that raised an error; ``trials.csv`` says which.
        clipped: Settings of which the budget did not allow all that the space holds, with what was tried instead.
    """

    settings: Mapping[str, Any]
    validation_eur: float
    trials: int
    pruned: int
    failed: int
    clipped: Mapping[str, str]


def tune(config: TuneConfig, folder: Path, workers: Workers, *, storage: str | None = None) -> Tuned:
    """Run a study to its end and write what it found.

    Args:
        config: What is tuned.
        folder: Made where it is missing; ``tuned.toml``, ``trials.csv`` and, for stable-baselines3's algorithms, ``zoo.yml`` are written.
        workers: As many processes run trials at once.
        storage: Where trials are kept, a URL as Optuna takes it; SQLite in the folder where absent.

    Raises:
        ValueError: If a name or setting is unknown, a package is missing, the space does not fit the budget, the study there was made for
            something else, or no trial has finished.
        OSError: If the machine is out of something.
    """
    require_not_held_out(config.task, "tuning")  # this and what follows before anything is written
    _require_packages(config.algorithm)
    space = within_budget(config.space, config.algorithm, config.steps, env=config.task.env)
    clipped = what_was_left_out(config.space, space)
    for name, words in clipped.items():
        _log.warning("trials of %d training days can try `%s` from %s", config.steps, name, words)
    config = replace(config, space=space)
    folder.mkdir(parents=True, exist_ok=True)
    place = storage or f"sqlite:///{(folder / 'study.db').absolute()}"
    study = open_study(config, place)
    processes = max(1, min(workers.jobs or 1, config.trials - len(counted(study))))
    workers.map(partial(_run, config, place), range(processes), "trials run by as many processes")
    with writing_into(folder, wait=True):  # processes that share a study end at the same time, and each writes the same
        return _write(config, study, folder, clipped)


def _require_packages(algorithm: str) -> None:
    """Find out now, not after the last trial, that a package is missing that trials or the files need."""
    of_zoo = ("yaml",) if algorithm in LEARNER_NAMES else ()
    require_research_packages(("optuna", "sqlalchemy", *packages_of(algorithm), *of_zoo), f"tuning {algorithm!r}")


def _run(config: TuneConfig, storage: str, _: int) -> None:
    run_trials(config, storage)


def _write(config: TuneConfig, study: Study, folder: Path, clipped: Mapping[str, str]) -> Tuned:
    """Write the files of a study; of one in which no trial has finished, why."""
    trials = ended(study)
    pruned, failed = (sum(trial.state.name == state for trial in trials) for state in ("PRUNED", "FAIL"))
    write_text(folder / "trials.csv", _table(trials, list(config.space.parameters)))
    settings, value = best_settings(study, config.space)
    write_text(folder / "tuned.toml", _toml(config, settings, value, len(trials)))
    form = zoo_form(config.algorithm, settings, config.task, steps=config.steps)
    if form is not None:
        write_text(folder / "zoo.yml", form)
    return Tuned(settings, value, len(trials), pruned, failed, clipped)


def _table(trials: list[FrozenTrial], names: list[str]) -> str:
    """Return trials as CSV; a pruned one has the value it was pruned at, a failed one none that counts."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "state", "validation_eur", *names, "error"])
    for trial in trials:
        latest = trial.intermediate_values[max(trial.intermediate_values)] if trial.intermediate_values else ""
        error = error_of(trial) or ""
        value = "" if error else trial.value if trial.value is not None else latest
        state = "failed" if error else trial.state.name.lower()
        writer.writerow([trial.number, state, value, *(trial.params.get(name, "") for name in names), error])
    return text.getvalue()


def _toml(config: TuneConfig, settings: Mapping[str, Any], value: float, trials: int) -> str:
    """Return settings with where they come from; JSON's numbers, lists and texts are TOML's as well."""
    task = config.task
    origin: dict[str, Any] = {
        "algorithm": config.algorithm,
        "env": task.env,
        "community": task.community,
        "information": task.information,
        "tariff": task.tariff,
        "charges_per": task.charges_per,
        "objective": task.objective,
        "validation_eur": value,
        "validation_days": config.validation_days,
        "steps": config.steps,
        "seeds": config.training_seeds,
        "trials": trials,
        "seed": config.seed,
        "commit": commit() or "",
    }
    parts: list[tuple[str, Mapping[str, Any]]] = [("origin", origin), ("origin.versions", versions()), ("settings", settings)]
    return "\n".join(f"[{title}]\n" + "".join(f"{name} = {json.dumps(entry)}\n" for name, entry in table.items()) for title, table in parts)
