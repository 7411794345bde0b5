"""A leader scored where it did not learn: in every held-out community (see :mod:`..ground.held_out`).

All communities are scored on the same days, and share their weather and prices: more communities are not more days. So intervals over all
of them draw weeks of the data year, each with the scores of every community on its days (see :mod:`..statistics.resampling`), and say how
sure the result is for other weeks of these communities. They do not say it of other communities, of which there are too few here to draw.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from ...envs.community.calendar import Scenario
from ...envs.games.spec import GameSpec
from ..ground.held_out import held_out_tasks
from ..ground.text import Report, table, with_interval
from ..references.ends import references_of
from ..references.hours import SearchEffort
from ..task import environment_of
from ..workers import Workers
from .evaluate import Leader, evaluate_leader
from .evaluation import Evaluation, Summary

_ADD_UP: Final = ("days", "certified_days", "bounded_days")
LeaderFor = Callable[[GameSpec, Sequence[Scenario]], Leader]


def evaluate_held_out(
    home: GameSpec, leader_for: LeaderFor, workers: Workers, *, split: str, days: int | None, effort: SearchEffort | None = None
) -> list[Evaluation]:
    """Score a leader in every held-out community.

    Args:
        home: The game it was made for.
        leader_for: Returns the leader for a game and its scenarios; one and the same for all but the clairvoyant.
        workers: Clear the days.
        split: Of each community.
        days: Of each community, spread evenly over the split; all where absent.
        effort: How hard best sequences of the hourly game are searched for.

    Raises:
        ValueError: If the leader cannot be carried over.
        ClearingError: If a day could not be cleared.
        ModelMismatchError: If the leader earns more than the upper bound.
    """
    games = [(task, environment_of(task).community.scenarios(split, days)) for task in held_out_tasks(home)]
    known = references_of(games, workers, effort)
    return [
        evaluate_leader(leader_for(task, scenarios), task, scenarios, workers, split=split, scale=scale)
        for (task, scenarios), scale in zip(games, known, strict=True)
    ]


def held_out_report(evaluations: Sequence[Evaluation], *, seed: int) -> Report:
    """Return one line for each community, and normalised regret over the days of all of them; EUR do not add up across their sizes.

    Args:
        evaluations: One for each community, on the same days of the data year.
        seed: Of the bootstrap.
    """
    summaries = {evaluation.rows[0].community: evaluation.summary(seed) for evaluation in evaluations}
    # Weeks are drawn for all communities together: a week is as sunny for one as for another.
    pooled = Evaluation(evaluations[0].name, tuple(row for evaluation in evaluations for row in evaluation.rows)).summary(seed)
    regret = ["regret EUR/day"] if pooled.always_proved else ["to best found", "to bound", "proved days"]
    header = ["community", "days", "profit EUR/day", *regret, "normalised regret [95%]", "IQM [95%]", "worst tenth"]
    rows = [_line(name, summary) for name, summary in summaries.items()]
    together = _line("all together", pooled)
    together[2 : 4 if pooled.always_proved else 5] = [""] * (2 if pooled.always_proved else 3)
    values: dict[str, Any] = {"leader": evaluations[0].name}
    values["communities"] = {name: summary.values() for name, summary in summaries.items()}
    values["pooled"] = {name: value for name, value in pooled.values().items() if name.startswith("normalised") or name in _ADD_UP}
    values["pooled"]["excluded_days"] = sum(len(summary.excluded_days) for summary in summaries.values())
    return Report(values, f"{evaluations[0].name}\n{table(header, [*rows, together])}")


def _line(name: str, summary: Summary) -> list[str]:
    to_bound = f"{summary.to_bound.centre:.2f}" if summary.bounded_days == summary.days else "-"
    return [
        name,
        str(summary.days),
        f"{summary.profit.centre:.2f}",
        f"{summary.regret.centre:.2f}",
        *([] if summary.always_proved else [to_bound, f"{summary.certified_days} of {summary.days}"]),
        with_interval(summary.normalised_mean),
        with_interval(summary.normalised_iqm),
        f"{summary.normalised_worst_decile:.3f}",
    ]
