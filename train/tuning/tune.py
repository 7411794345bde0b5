"""A study from its start, or from where it was, to its files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..held_out import require_not_held_out
from ..locks import writing_into
from ..runs import commit, versions, write_text
from ..workers import Workers
from .study import FrozenTrial, Study, TuneConfig, best_settings, counted, ended, open_study, run_trials
from .zoo import zoo_form


@dataclass(frozen=True)
class Tuned:
    """What a study found.

    Attributes:
        settings: The best ones.
        validation_eur: Their value: mean reward in EUR a day on validation days.
        trials: Trials that were finished or pruned.
        pruned: Those of them that were ended early.
    """

    settings: Mapping[str, Any]
    validation_eur: float
    trials: int
    pruned: int


def tune(config: TuneConfig, folder: Path, workers: Workers, *, storage: str | None = None) -> Tuned:
    """Run a study to its end and write what it found.

    Args:
        config: What is tuned.
        folder: Made where it is missing; ``tuned.toml``, ``trials.csv`` and, for stable-baselines3's algorithms, ``zoo.yml`` are written.
        workers: As many processes run trials at once.
        storage: Where trials are kept, a URL as Optuna takes it; SQLite in the folder where absent.

    Raises:
        ValueError: If a name or setting is unknown, or the study there was made for something else.
        ClearingError: If a day could not be cleared.
    """
    require_not_held_out(config.task, "tuning")  # before anything is written
    folder.mkdir(parents=True, exist_ok=True)
    place = storage or f"sqlite:///{(folder / 'study.db').absolute()}"
    study = open_study(config, place)
    processes = max(1, min(workers.jobs or 1, config.trials - len(counted(study))))
    workers.map(partial(_run, config, place), range(processes), "trials run by as many processes")
    with writing_into(folder, wait=True):  # processes that share a study end at the same time, and each writes the same
        return _write(config, study, folder)


def _run(config: TuneConfig, storage: str, _: int) -> None:
    run_trials(config, storage)


def _write(config: TuneConfig, study: Study, folder: Path) -> Tuned:
    """Write the files of a study."""
    settings, value = best_settings(study, config.space)
    trials = ended(study)
    pruned = sum(trial.state.name == "PRUNED" for trial in trials)
    write_text(folder / "trials.csv", _table(trials, list(config.space.parameters)))
    write_text(folder / "tuned.toml", _toml(config, settings, value, len(trials)))
    form = zoo_form(config.algorithm, settings, config.task, steps=config.steps)
    if form is not None:
        write_text(folder / "zoo.yml", form)
    return Tuned(settings, value, len(trials), pruned)


def _table(trials: list[FrozenTrial], names: list[str]) -> str:
    """Return trials as CSV; a pruned one has the value it was pruned at."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "state", "validation_eur", *names])
    for trial in trials:
        latest = trial.intermediate_values[max(trial.intermediate_values)] if trial.intermediate_values else ""
        value = trial.value if trial.value is not None else latest
        writer.writerow([trial.number, trial.state.name.lower(), value, *(trial.params.get(name, "") for name in names)])
    return text.getvalue()


def _toml(config: TuneConfig, settings: Mapping[str, Any], value: float, trials: int) -> str:
    """Return settings with where they come from; JSON's numbers, lists and texts are TOML's as well."""
    task = config.task
    origin: dict[str, Any] = {
        "algorithm": config.algorithm,
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
