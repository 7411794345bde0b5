"""Scoring a leader: its profit on days of a split beside the exact optimum and the certified upper bound.

On each day three numbers go through one and the same clearing: the leader's profit J (welfare, where that is its objective), the optimum's
J* (cleared again at its charge), and the upper bound no charge can exceed. Then

    regret = J* − J  in EUR,        normalised regret = (J* − J) / (J* − J_ref),

with J_ref that of no charge. Days with J* − J_ref below :data:`NORMALISATION_FLOOR` of the community's mean daily retail bill have
next to nothing to be won, so that their normalised regret would be noise: they are listed as excluded and left out of its means, but count
in profits and regrets.

A day is a game of one step: this scores a contextual bandit. The charges of a leader are drawn in the order of the days in this process;
only the clearings are shared out, so the rows do not depend on the number of workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ... import __version__
from ...agents.policy import Policy
from ...envs.community.calendar import Scenario, week_of
from ...envs.games.spec import GameSpec
from ..ground.errors import ModelMismatchError
from ..ground.runs import commit, write_csv
from ..ground.text import about_intervals, left_out, table, with_interval
from ..references.optima import daily_bill_eur, references, scenario_hash
from ..references.solve import Solved
from ..statistics.intervals import Interval, Statistic, interquartile_mean, mean, over_weeks, worst_decile_mean
from ..task import Episode, Outcome, environment_of, observe, play
from ..workers import Workers

NORMALISATION_FLOOR: Final = 1e-3
"""Least J* − J_ref that is divided by, as a share of the community's mean daily retail bill."""
MISMATCH_TOLERANCE: Final = 1e-6
"""By how much a leader may exceed the upper bound, relative to the bound, before model and optimum are said to disagree."""

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One leader on one day, as written to ``--rows``.

    Attributes:
        algorithm: The leader.
        seed: Of its training where it was trained, else of its evaluation.
        community: Name or folder.
        split: Which split the day belongs to.
        day: Day of the data year.
        date: Its date.
        price_path: Which price path.
        tariff: Kind of tariff.
        charges_per: How long a charge stands.
        flows: Which account of flows.
        objective: What the leader was rewarded with, in which regret is measured.
        information: What the leader observed.
        charge: What it posted in EUR/kWh, several separated by spaces.
        profit_eur: The operator's profit.
        welfare_eur: That of prosumers and operator together.
        objective_eur: J, one of these two.
        optimum_eur: J*, that of the optimal charge.
        upper_bound_eur: No charge takes J higher.
        zero_eur: J_ref, that of no charge.
        regret_eur: J* − J.
        normalised_regret: (J* − J) / (J* − J_ref); NaN on excluded days.
        excluded: Whether the day is left out of normalised means.
        optimum_charge: Of the optimum, EUR/kWh.
        optimum_relative_gap: How tightly it is proved.
        primal_residual: Of the leader's clearing.
        dual_residual: Of the leader's clearing.
        gap: Of the leader's clearing.
        solver: What cleared it.
        scenario_hash: Equal where two rows are about the same data.
        gridtoll: Version.
        commit: Of the checkout, empty where installed.
    """

    algorithm: str
    seed: int
    community: str
    split: str
    day: int
    date: str
    price_path: int
    tariff: str
    charges_per: str
    flows: str
    objective: str
    information: str
    charge: str
    profit_eur: float
    welfare_eur: float
    objective_eur: float
    optimum_eur: float
    upper_bound_eur: float
    zero_eur: float
    regret_eur: float
    normalised_regret: float
    excluded: bool
    optimum_charge: float
    optimum_relative_gap: float
    primal_residual: float
    dual_residual: float
    gap: float
    solver: str
    scenario_hash: str
    gridtoll: str
    commit: str


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The rows of one leader, and what they add up to.

    Attributes:
        name: The leader.
        rows: One for each day.
    """

    name: str
    rows: tuple[Row, ...]

    @property
    def profit_eur(self) -> Array:
        """The operator's profit of each day, shape (days,)."""
        return np.array([row.profit_eur for row in self.rows])

    @property
    def regret_eur(self) -> Array:
        """J* − J of each day, shape (days,)."""
        return np.array([row.regret_eur for row in self.rows])

    @property
    def normalised_regret(self) -> Array:
        """Normalised regret of the days not excluded, in their order."""
        return np.array([row.normalised_regret for row in self.rows if not row.excluded])

    @property
    def weeks(self) -> NDArray[np.int64]:
        """The week of the data year that each day is of, shape (days,): what intervals draw, because days of a week are alike."""
        return week_of([row.day for row in self.rows])

    @property
    def excluded_days(self) -> list[int]:
        """Days of the data year left out of normalised means."""
        return [row.day for row in self.rows if row.excluded]

    def summary(self, seed: int = 0) -> Summary:
        """Return means and bootstrap intervals, which draw whole weeks of days; ``seed`` seeds the bootstrap."""
        generator = np.random.default_rng(seed)
        nothing = Interval(float("nan"), float("nan"), float("nan"))
        normalised, weeks = self.normalised_regret, self.weeks
        counted = weeks[[not row.excluded for row in self.rows]]

        def of_normalised(statistic: Statistic) -> Interval:
            return over_weeks(normalised, generator, counted, statistic=statistic).of_regret() if normalised.size else nothing

        return Summary(
            name=self.name,
            profit=over_weeks(self.profit_eur, generator, weeks),
            regret=over_weeks(self.regret_eur, generator, weeks).of_regret(),
            normalised_mean=of_normalised(mean),
            normalised_iqm=of_normalised(interquartile_mean),
            normalised_worst_decile=worst_decile_mean(normalised) if normalised.size else float("nan"),
            days=len(self.rows),
            excluded_days=tuple(self.excluded_days),
        )


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What the rows of one leader add up to; each interval is the 95% bootstrap interval around its centre.

    Intervals are over weeks of days, for this leader as it is: they do not say what another training would come to. Those of regret are
    cut off at zero. Where all days are of one week, there are none, and their ends are NaN.

    Attributes:
        name: The leader.
        profit: Mean profit in EUR a day.
        regret: Mean regret in EUR a day.
        normalised_mean: Mean normalised regret.
        normalised_iqm: Interquartile mean of normalised regret.
        normalised_worst_decile: Mean of the worst tenth of the days' normalised regrets.
        days: Days scored.
        excluded_days: Those left out of normalised numbers.
    """

    name: str
    profit: Interval
    regret: Interval
    normalised_mean: Interval
    normalised_iqm: Interval
    normalised_worst_decile: float
    days: int
    excluded_days: tuple[int, ...]

    def values(self) -> dict[str, Any]:
        """Return the numbers ``gridtoll evaluate --json`` prints; the interval is that of the interquartile mean."""
        return {
            "mean_profit_eur": self.profit.centre,
            "mean_regret_eur": self.regret.centre,
            "normalised_regret_mean": self.normalised_mean.centre,
            "normalised_regret_iqm": self.normalised_iqm.centre,
            "normalised_regret_ci95": [self.normalised_iqm.low, self.normalised_iqm.high],
            "days": self.days,
            "excluded_days": list(self.excluded_days),
        }


def summary_table(summaries: Sequence[Summary]) -> str:
    """Return leaders on the same days side by side, for reading, with the days left out of normalised numbers below."""
    header = ["leader", "profit EUR/day", "regret EUR/day [95%]", "normalised regret [95%]", "IQM [95%]", "worst tenth"]
    rows = [
        [
            summary.name,
            f"{summary.profit.centre:.2f}",
            with_interval(summary.regret, 2),
            with_interval(summary.normalised_mean),
            with_interval(summary.normalised_iqm),
            f"{summary.normalised_worst_decile:.3f}",
        ]
        for summary in summaries
    ]
    return table(header, rows) + left_out(summary.excluded_days for summary in summaries) + about_intervals(has_ends(summaries))


def has_ends(summaries: Sequence[Summary]) -> bool:
    """Return whether the intervals of summaries have ends."""
    return all(summary.regret.has_ends for summary in summaries)


def evaluate(
    policy: Policy, task: GameSpec, scenarios: Sequence[Scenario], workers: Workers, *, name: str, split: str, seed: int = 0
) -> Evaluation:
    """Score a leader.

    Args:
        policy: The leader; asked for its deterministic charges, day by day in order.
        task: The game.
        scenarios: What to play.
        workers: Clear the days.
        name: What rows call the leader.
        split: Where the scenarios come from, for the rows.
        seed: Of the leader, for the rows.

    Raises:
        ValueError: If the task has no exact optimum, or the leader posts charges that cannot be posted.
        ClearingError: If a day could not be cleared.
        ModelMismatchError: If the leader earns more than the upper bound.
    """
    scale = references(task, scenarios, workers)
    charges = [tuple(policy.predict(observe(task, scenario), deterministic=True)[0].tolist()) for scenario in scenarios]
    episodes = [Episode(task, scenario, charge) for scenario, charge in zip(scenarios, charges, strict=True)]
    outcomes = workers.map(play, episodes, name)
    rows = tuple(
        _row(episode, outcome, reference, name=name, split=split, seed=seed)
        for episode, outcome, reference in zip(episodes, outcomes, scale, strict=True)
    )
    _require_bounded(rows)
    return Evaluation(name, rows)


def _row(episode: Episode, outcome: Outcome, reference: Solved, *, name: str, split: str, seed: int) -> Row:
    task, scenario, optimum = episode.task, episode.scenario, reference.optimum
    community = environment_of(task).community
    regret, worth = optimum.recleared_eur - outcome.objective_eur, optimum.recleared_eur - reference.zero_eur
    excluded = worth < NORMALISATION_FLOOR * daily_bill_eur(community)
    return Row(
        algorithm=name,
        seed=seed,
        community=task.community,
        split=split,
        day=scenario.day,
        date=community.date(scenario.day).isoformat(),
        price_path=scenario.price_path,
        tariff=task.tariff,
        charges_per=task.charges_per,
        flows=task.flows,
        objective=task.objective,
        information=task.information,
        charge=" ".join(repr(charge) for charge in episode.charges),
        profit_eur=outcome.profit_eur,
        welfare_eur=outcome.welfare_eur,
        objective_eur=outcome.objective_eur,
        optimum_eur=optimum.recleared_eur,
        upper_bound_eur=optimum.upper_bound_eur,
        zero_eur=reference.zero_eur,
        regret_eur=regret,
        normalised_regret=float("nan") if excluded else regret / worth,
        excluded=excluded,
        optimum_charge=optimum.charge,
        optimum_relative_gap=optimum.relative_gap,
        primal_residual=outcome.primal_residual,
        dual_residual=outcome.dual_residual,
        gap=outcome.gap,
        solver=outcome.solver,
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


def write_rows(path: Path, evaluations: Sequence[Evaluation]) -> None:
    """Write the rows of evaluations as one CSV file, whole or not at all."""
    rows = (asdict(row) for evaluation in evaluations for row in evaluation.rows)
    write_csv(path, [field.name for field in fields(Row)], rows)
