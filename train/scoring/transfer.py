"""A leader scored where it did not learn: in every held-out community (see :mod:`..ground.held_out`).

All communities are scored on the same days, and share their weather and prices: more communities are not more days. So intervals over all
of them draw weeks of the data year, each with the scores of every community on its days (see :mod:`..statistics.resampling`), and say how
sure the result is for other weeks of these communities. They do not say it of other communities, of which there are too few here to draw.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...envs.community.calendar import Scenario
from ...envs.games.spec import GameSpec
from ..ground.held_out import held_out_tasks
from ..ground.text import Report, table, with_interval
from ..task import environment_of
from ..workers import Workers
from .evaluate import Evaluation, Summary, evaluate
from .leaders import Leader

LeaderFor = Callable[[GameSpec, Sequence[Scenario]], Leader]


def evaluate_held_out(home: GameSpec, leader_for: LeaderFor, workers: Workers, *, split: str, days: int | None) -> list[Evaluation]:
    """Score a leader in every held-out community.

    Args:
        home: The game it was made for.
        leader_for: Returns the leader for a game and its scenarios; one and the same for all but the clairvoyant.
        workers: Clear the days.
        split: Of each community.
        days: Of each community, spread evenly over the split; all where absent.

    Raises:
        ValueError: If the leader cannot be carried over.
        ClearingError: If a day could not be cleared.
        ModelMismatchError: If the leader earns more than the upper bound.
    """
    evaluations = []
    for task in held_out_tasks(home):
        scenarios = environment_of(task).community.scenarios(split, days)
        leader = leader_for(task, scenarios)
        evaluations.append(evaluate(leader.policy, task, scenarios, workers, name=leader.name, split=split, seed=leader.seed))
    return evaluations


def held_out_report(evaluations: Sequence[Evaluation], *, seed: int) -> Report:
    """Return one line for each community, and normalised regret over the days of all of them; EUR do not add up across their sizes.

    Args:
        evaluations: One for each community, on the same days of the data year.
        seed: Of the bootstrap.
    """
    summaries = {evaluation.rows[0].community: evaluation.summary(seed) for evaluation in evaluations}
    # Weeks are drawn for all communities together: a week is as sunny for one as for another.
    pooled = Evaluation(evaluations[0].name, tuple(row for evaluation in evaluations for row in evaluation.rows)).summary(seed)
    header = ["community", "days", "profit EUR/day", "regret EUR/day", "normalised regret [95%]", "IQM [95%]", "worst tenth"]
    rows = [_line(name, summary) for name, summary in summaries.items()]
    together = _line("all together", pooled)
    together[2:4] = "", ""
    values: dict[str, Any] = {"leader": evaluations[0].name}
    values["communities"] = {name: summary.values() for name, summary in summaries.items()}
    values["pooled"] = {name: value for name, value in pooled.values().items() if name.startswith("normalised") or name == "days"}
    values["pooled"]["excluded_days"] = sum(len(summary.excluded_days) for summary in summaries.values())
    return Report(values, f"{evaluations[0].name}\n{table(header, [*rows, together])}")


def _line(name: str, summary: Summary) -> list[str]:
    return [
        name,
        str(summary.days),
        f"{summary.profit.centre:.2f}",
        f"{summary.regret.centre:.2f}",
        with_interval(summary.normalised_mean),
        with_interval(summary.normalised_iqm),
        f"{summary.normalised_worst_decile:.3f}",
    ]
