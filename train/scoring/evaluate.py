"""Scoring a leader: its profit on days of a split beside the best charges known and an upper bound that no leader exceeds.

On each day three numbers are played in one and the same game: the leader's profit J (welfare, where that is its objective), that of the
best charges known, J*, and that of no charge, J_ref, beside an upper bound J̄ (:mod:`~gridtoll.train.references.ends`). Then

    regret = J* − J,    regret to the bound = J̄ − J  in EUR,    normalised regret = (J* − J) / (J* − J_ref).

In the day-ahead game with one coefficient J* is the exact optimum, and J̄ its certificate. With several, and in the hourly game, J* is
proved only where both have met (``certified``). Elsewhere the true regret lies between the two, wherever a leader does not exceed J*, which
it may: then it is the best known. A leader that exceeds J̄ is a contradiction, and fails the evaluation.

Days with J* − J_ref below `regret.NORMALISATION_FLOOR` of the community's mean daily retail bill have next to nothing to be won, so that
their normalised regret would be noise: they are listed as excluded and left out of its means, but count in profits and regrets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import nan
from typing import Final

import numpy as np

from ... import __version__
from ...agents.policy import Policy
from ...envs.community.calendar import Scenario
from ...envs.games.spec import GameSpec
from ..ground.errors import ModelMismatchError
from ..ground.playing import Leaders, PlayedDay, play_days, same_for_all
from ..ground.runs import commit
from ..references.ends import Ends, references
from ..references.hours import SearchEffort
from ..references.optima import scenario_hash
from ..task import environment_of
from ..workers import Workers
from .evaluation import Evaluation
from .regret import normalised_regret
from .rows import COLUMNS, Row

MISMATCH_TOLERANCE: Final = 1e-6
"""By how much a leader may exceed the upper bound, relative to the bound, before model and optimum are said to disagree."""
_OF_TASK: Final = tuple(entry.name for entry in fields(GameSpec) if entry.name in COLUMNS)
_OF_PLAYED: Final = tuple(entry.name for entry in fields(PlayedDay) if entry.name in COLUMNS)


@dataclass(frozen=True)
class Leader:
    """A leader with what reports call it.

    Attributes:
        name: What rows and tables call it.
        on: Returns the policy that plays a scenario: the same for all, or one each where it knows the day.
        seed: Of its training where it was trained, else the one it was made with.
    """

    name: str
    on: Leaders
    seed: int

    @classmethod
    def of(cls, name: str, policy: Policy, seed: int) -> Leader:
        """Return a leader that is the same policy on all days."""
        return cls(name, same_for_all(policy), seed)


def evaluate(
    policy: Policy, task: GameSpec, scenarios: Sequence[Scenario], workers: Workers, *, name: str, split: str, seed: int = 0
) -> Evaluation:
    """Score a policy.

    Args:
        policy: Asked for its deterministic charges, in the order of the days.
        task: The game.
        scenarios: What to play.
        workers: Find references; as many days are cleared at once as they have jobs.
        name: What rows call the leader.
        split: Where the scenarios come from, for the rows.
        seed: Of the leader, for the rows.

    Raises:
        ValueError: If the leader posts charges that cannot be posted, or the market is not the exact one.
        ClearingError: If a day could not be cleared.
        ModelMismatchError: If the leader earns more than the upper bound.
    """
    return evaluate_leader(Leader.of(name, policy, seed), task, scenarios, workers, split=split)


def evaluate_leader(
    leader: Leader,
    task: GameSpec,
    scenarios: Sequence[Scenario],
    workers: Workers,
    *,
    split: str,
    effort: SearchEffort | None = None,
    scale: Sequence[Ends] | None = None,
) -> Evaluation:
    """Score a leader, which may know the days it plays; other arguments and errors as :func:`evaluate`.

    Args:
        leader: Who plays.
        task: The game.
        scenarios: What to play.
        workers: See :func:`evaluate`.
        split: Where the scenarios come from, for the rows.
        effort: How hard best sequences of the hourly game are searched for.
        scale: What is known of the scenarios, looked up or searched for where absent.
    """
    if task.days != 1:
        raise ValueError(f"days are scored one by one, so that `days` must be 1, got {task.days}.")
    scale = references(task, scenarios, workers, effort) if scale is None else scale
    played = play_days(task, leader.on, scenarios, threads=workers.jobs, label=None if workers.quiet else leader.name)
    rows = tuple(_row(task, leader, *each, split=split) for each in zip(scenarios, played, scale, strict=True))
    _require_bounded(rows)
    return Evaluation(leader.name, rows)


def _row(task: GameSpec, leader: Leader, scenario: Scenario, played: PlayedDay, ends: Ends, *, split: str) -> Row:
    community = environment_of(task).community
    [normalised] = normalised_regret(community, [ends], np.array([played.objective_eur]))
    return Row(
        algorithm=leader.name,
        seed=leader.seed,
        split=split,
        day=scenario.day,
        date=community.date(scenario.day).isoformat(),
        price_path=scenario.price_path,
        **{name: getattr(task, name) for name in _OF_TASK},
        charge=" ".join(repr(charge) for charge in played.charges.ravel().tolist()),
        **{name: getattr(played, name) for name in _OF_PLAYED},
        optimum_eur=ends.best_eur,
        upper_bound_eur=ends.upper_bound_eur,
        zero_eur=ends.zero_eur,
        regret_eur=ends.best_eur - played.objective_eur,
        normalised_regret=float(normalised),
        excluded=bool(np.isnan(normalised)),
        optimum_charge=ends.charges[0] if len(ends.charges) == 1 else nan,
        optimum_relative_gap=ends.relative_gap,
        certified=ends.certified,
        scenario_hash=scenario_hash(task, scenario),
        gridtoll=__version__,
        commit=commit() or "",
    )


def _require_bounded(rows: Sequence[Row]) -> None:
    """Raise where a leader earned more than any charge can."""
    above = [row for row in rows if row.objective_eur - row.upper_bound_eur > MISMATCH_TOLERANCE * max(1.0, abs(row.upper_bound_eur))]
    if above:
        listed = "; ".join(
            f"day {row.day}, price path {row.price_path}, charge {row.charge}: {row.objective_eur!r} > {row.upper_bound_eur!r} EUR"
            for row in above
        )
        raise ModelMismatchError(f"no leader can earn more than the certified upper bound, but {rows[0].algorithm!r} did on {listed}.")
