"""``gridtoll optimum --env hourly``: the best sequences of charges found for a day or a split, and what bounds them."""

from __future__ import annotations

import argparse
import csv
import io
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any, Final

from ....envs.community.calendar import Scenario
from ....envs.games.spec import GameSpec
from ...ground.runs import write_text
from ...ground.text import Report, lines, table
from ...hourly.references import FoundEnds, HourlyEnds, find_ends
from ...task import environment_of
from ..options import existing_parent, task_from, workers_from
from .options import effort_from, require_hourly

_DAY_AHEAD_PROOFS: Final = ("method", "hard_limits", "recover", "certificate", "verify", "curve", "plot", "force")


def optimum_command(options: argparse.Namespace) -> Report:
    """Search the best sequences of a day, or those of a split into the store.

    Raises:
        ValueError: If options do not go together, or there is no such day.
    """
    require_hourly(options, _DAY_AHEAD_PROOFS)
    existing_parent(options.out)
    task, effort = task_from(options), replace(effort_from(options), seed=options.seed)
    if options.split is None:
        require_one = ("days", "out")
        given = [f"--{name}" for name in require_one if getattr(options, name) is not None]
        if given:
            raise ValueError(f"{', '.join(given)} must go with a split (--split).")
        scenarios = [Scenario(options.day, options.price_path or 0)]
        environment_of(task).day_of(scenarios[0])  # refuses days that are not there
    else:
        scenarios = environment_of(task).community.scenarios(options.split, options.days)
    began = time.perf_counter()
    with workers_from(options) as workers:
        found = find_ends(task, scenarios, workers, effort, recompute=options.recompute)
    if options.out is not None:
        write_text(options.out, _as_csv(found))
    return _one_day(task, found[0]) if options.split is None else _of_split(task, options.split, found, time.perf_counter() - began)


def _one_day(task: GameSpec, found: FoundEnds) -> Report:
    if found.ends is None:
        raise ValueError(f"the search must clear every plan, but {found.error}.")
    values = _values(found.ends) | {"from_store": found.was_stored}
    shown = {name: " ".join(f"{item:.4f}" for item in value) if name == "charges" else value for name, value in values.items()}
    told = "These charges are optimal." if found.ends.certified else "The best found; the optimum lies between it and the bound."
    label = environment_of(task).day_of(found.scenario).label
    return Report(values, f"{label}, {named(task)}\n{lines(shown)}\n{told}")


def _values(ends: HourlyEnds) -> dict[str, Any]:
    return {"env": "hourly", **asdict(ends), "charges": list(ends.charges)}


def _of_split(task: GameSpec, split: str, found: Sequence[FoundEnds], seconds: float) -> Report:
    solved = [entry.ends for entry in found if entry.ends is not None]
    errors = [entry.error for entry in found if entry.error is not None]
    count = max(len(solved), 1)
    values: Mapping[str, Any] = {
        "env": "hourly",
        "days": len(found),
        "from_store": sum(entry.was_stored for entry in found),
        "failed": len(errors),
        "certified": sum(ends.certified for ends in solved),
        "bounded": sum(math.isfinite(ends.upper_bound_eur) for ends in solved),
        "mean_zero_eur": sum(ends.zero_eur for ends in solved) / count,
        "mean_constant_eur": sum(ends.constant_eur for ends in solved) / count,
        "mean_kept_eur": sum(ends.kept_eur for ends in solved) / count,
        "mean_best_eur": sum(ends.best_eur for ends in solved) / count,
        "mean_upper_bound_eur": sum(ends.upper_bound_eur for ends in solved) / count,
        "seconds": seconds,
        "errors": errors,
    }
    header = ["days", "from store", "failed", "proved", "constant EUR/day", "kept EUR/day", "best found EUR/day", "bound EUR/day"]
    means = [f"{values[f'mean_{name}_eur']:.2f}" for name in ("constant", "kept", "best", "upper_bound")]
    row = [*(str(values[name]) for name in ("days", "from_store", "failed", "certified")), *means]
    told = "".join(f"\n{error}" for error in errors)
    return Report(values, f"{named(task)}, {split} days\n{table(header, [row])}{told}", exit_code=2 if errors else 0)


def _as_csv(found: Sequence[FoundEnds]) -> str:
    """Return one line for each day; of one that failed there is only its error."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ["day", "price_path", *(field.name for field in fields(HourlyEnds)), "error"], lineterminator="\n")
    writer.writeheader()
    for entry in found:
        known = {} if entry.ends is None else asdict(entry.ends) | {"charges": " ".join(map(repr, entry.ends.charges))}
        writer.writerow({**entry.scenario._asdict(), **known, "error": entry.error or ""})
    return text.getvalue()


def named(task: GameSpec) -> str:
    """Return what a game is called in titles."""
    error = f", forecast errors of {task.forecast_error:g}" if task.forecast_error else ""
    return f"{task.community}, {task.tariff} tariff from hour to hour, belief {task.belief}{error}"
