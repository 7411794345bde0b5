"""Scoring an hourly leader: its profit on days of a split beside the best sequence found and a bound that none exceeds.

On each day the leader's J, what the best sequence found earns, J°, and what no charge earns, J_ref, are played in one and the same
environment, beside a bound J̄ that no leader exceeds (:mod:`.references`). Then

    regret to best found = J° − J,      regret to bound = J̄ − J  in EUR,      normalised regret = (J° − J) / (J° − J_ref).

Where nobody has storage J° is the certified optimum and both regrets are the same to rounding. Elsewhere the true regret lies between them
wherever a leader does not exceed J°, which it may: then it is the best known. One that exceeds J̄ is a contradiction, and fails the
evaluation. Days with next to nothing to be won are left out of normalised numbers as in :mod:`gridtoll.train.scoring.evaluate`.

A day is an episode of 24 decisions that stores couple: this scores policies of a Markov decision process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import __version__
from ...agents.policy import Policy
from ...envs.community.calendar import Scenario, week_of
from ...envs.games.spec import GameSpec
from ..ground.errors import ModelMismatchError
from ..ground.runs import commit, write_csv
from ..ground.text import about_intervals, left_out, table, with_interval
from ..references.optima import daily_bill_eur, scenario_hash
from ..scoring.evaluate import MISMATCH_TOLERANCE, NORMALISATION_FLOOR
from ..statistics.intervals import Interval, Statistic, interquartile_mean, mean, over_weeks, worst_decile_mean
from ..task import environment_of
from ..workers import Workers
from .references import Effort, HourlyEnds, ends_of
from .task import ENV, PlayedDay, play_days

Array = NDArray[np.float64]
_NOTHING = Interval(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True, kw_only=True)
class HourlyRow:
    """One leader on one day, as written to ``--rows``.

    Attributes:
        env: ``"hourly"``.
        algorithm: The leader.
        seed: Of its training where it was trained, else of its evaluation.
        community: Name or folder.
        split: Which split the day belongs to.
        day: Day of the data year.
        date: Its date.
        price_path: Which price path.
        tariff: Kind of tariff.
        belief: What prosumers believed of later charges.
        forecast_error: Of theirs.
        flows: Which account of flows.
        objective: What the leader was rewarded with, in which regret is measured.
        information: What the leader observed.
        charges: What it posted in EUR/kWh, hours in order, separated by spaces.
        profit_eur: The operator's profit.
        welfare_eur: That of prosumers and operator together.
        objective_eur: J, one of these two.
        best_found_eur: J°, what the best sequence found earns.
        upper_bound_eur: J̄, no leader takes J higher; infinite where nothing is proved.
        certified: Whether J° is proved to be optimal.
        zero_eur: J_ref, that of no charge.
        regret_to_best_found: J° − J in EUR.
        regret_to_bound: J̄ − J in EUR.
        normalised_regret: (J° − J) / (J° − J_ref); NaN on excluded days.
        excluded: Whether the day is left out of normalised means.
        worst_residual: Greatest scaled residual or gap of the day's plans.
        solver: What cleared them.
        scenario_hash: Equal where two rows are about the same data.
        gridtoll: Version.
        commit: Of the checkout, empty where installed.
    """

    env: str
    algorithm: str
    seed: int
    community: str
    split: str
    day: int
    date: str
    price_path: int
    tariff: str
    belief: str
    forecast_error: float
    flows: str
    objective: str
    information: str
    charges: str
    profit_eur: float
    welfare_eur: float
    objective_eur: float
    best_found_eur: float
    upper_bound_eur: float
    certified: bool
    zero_eur: float
    regret_to_best_found: float
    regret_to_bound: float
    normalised_regret: float
    excluded: bool
    worst_residual: float
    solver: str
    scenario_hash: str
    gridtoll: str
    commit: str


@dataclass(frozen=True, eq=False)
class HourlyEvaluation:
    """The rows of one leader, and what they add up to.

    Attributes:
        name: The leader.
        rows: One for each day.
    """

    name: str
    rows: tuple[HourlyRow, ...]

    def column(self, name: str) -> Array:
        """Return a number of every row, shape (days,)."""
        return np.array([getattr(row, name) for row in self.rows], dtype=np.float64)

    @property
    def normalised_regret(self) -> Array:
        """Normalised regret of the days not excluded, in their order."""
        return np.array([row.normalised_regret for row in self.rows if not row.excluded])

    def summary(self, seed: int = 0) -> HourlySummary:
        """Return means and bootstrap intervals, which draw whole weeks of days; ``seed`` seeds the bootstrap."""
        generator = np.random.default_rng(seed)
        normalised, to_bound = self.normalised_regret, self.column("regret_to_bound")
        weeks = week_of([row.day for row in self.rows])
        counted = weeks[[not row.excluded for row in self.rows]]

        def of_normalised(statistic: Statistic) -> Interval:
            return over_weeks(normalised, generator, counted, statistic=statistic) if normalised.size else _NOTHING

        return HourlySummary(
            name=self.name,
            profit=over_weeks(self.column("profit_eur"), generator, weeks),
            to_best_found=over_weeks(self.column("regret_to_best_found"), generator, weeks),  # may be below zero: it is no optimum
            to_bound=over_weeks(to_bound, generator, weeks).of_regret() if np.isfinite(to_bound).all() else _NOTHING,
            normalised_mean=of_normalised(mean),
            normalised_iqm=of_normalised(interquartile_mean),
            normalised_worst_decile=worst_decile_mean(normalised) if normalised.size else float("nan"),
            days=len(self.rows),
            certified_days=sum(row.certified for row in self.rows),
            bounded_days=int(np.isfinite(to_bound).sum()),
            excluded_days=tuple(row.day for row in self.rows if row.excluded),
        )


@dataclass(frozen=True, kw_only=True)
class HourlySummary:
    """What the rows of one leader add up to; each interval is the 95% bootstrap interval around its centre.

    Attributes:
        name: The leader.
        profit: Mean profit in EUR a day.
        to_best_found: Mean regret to the best found in EUR a day.
        to_bound: Mean regret to the bound in EUR a day; NaN where a day has no bound.
        normalised_mean: Mean normalised regret.
        normalised_iqm: Its interquartile mean.
        normalised_worst_decile: Mean of the worst tenth of the days.
        days: Days scored.
        certified_days: Those whose best is proved.
        bounded_days: Those with a bound.
        excluded_days: Those left out of normalised numbers.
    """

    name: str
    profit: Interval
    to_best_found: Interval
    to_bound: Interval
    normalised_mean: Interval
    normalised_iqm: Interval
    normalised_worst_decile: float
    days: int
    certified_days: int
    bounded_days: int
    excluded_days: tuple[int, ...]

    def values(self) -> dict[str, Any]:
        """Return the numbers ``gridtoll evaluate --env hourly --json`` prints."""
        return {
            "mean_profit_eur": self.profit.centre,
            "regret_to_best_found": self.to_best_found.centre,
            "regret_to_best_found_ci95": [self.to_best_found.low, self.to_best_found.high],
            "regret_to_bound": self.to_bound.centre,
            "regret_to_bound_ci95": [self.to_bound.low, self.to_bound.high],
            "normalised_regret_mean": self.normalised_mean.centre,
            "normalised_regret_iqm": self.normalised_iqm.centre,
            "normalised_regret_ci95": [self.normalised_iqm.low, self.normalised_iqm.high],
            "days": self.days,
            "certified_days": self.certified_days,
            "bounded_days": self.bounded_days,
            "excluded_days": list(self.excluded_days),
        }


def hourly_table(summaries: Sequence[HourlySummary]) -> str:
    """Return leaders on the same days side by side, for reading."""
    header = ["leader", "profit EUR/day", "to best found [95%]", "to bound [95%]", "normalised [95%]", "IQM [95%]", "worst tenth"]
    rows = [
        [
            each.name,
            f"{each.profit.centre:.2f}",
            with_interval(each.to_best_found, 2),
            with_interval(each.to_bound, 2) if each.bounded_days == each.days else "-",
            with_interval(each.normalised_mean),
            with_interval(each.normalised_iqm),
            f"{each.normalised_worst_decile:.3f}",
        ]
        for each in summaries
    ]
    has_ends = all(each.profit.has_ends for each in summaries)
    return table(header, rows) + left_out(each.excluded_days for each in summaries) + about_intervals(has_ends)


def evaluate_hourly(
    policies: Callable[[Scenario], Policy],
    task: GameSpec,
    scenarios: Sequence[Scenario],
    workers: Workers,
    *,
    name: str,
    split: str,
    seed: int = 0,
    effort: Effort | None = None,
) -> HourlyEvaluation:
    """Score a leader.

    Args:
        policies: The leader of a scenario.
        task: The game.
        scenarios: What to play.
        workers: Search references, and say how many plans are cleared at once.
        name: What rows call the leader.
        split: Where the scenarios come from, for the rows.
        seed: Of the leader, for the rows.
        effort: How hard the best sequence is searched for.

    Raises:
        ValueError: If the leader posts charges that cannot be posted.
        ClearingError: If a plan could not be cleared.
        ModelMismatchError: If the leader earns more than the bound.
    """
    ends = ends_of(task, scenarios, workers, effort)
    played = play_days(task, policies, scenarios, threads=workers.jobs)
    rows = tuple(
        _row(task, scenario, day, end, name=name, split=split, seed=seed)
        for scenario, day, end in zip(scenarios, played, ends, strict=True)
    )
    _require_bounded(rows)
    return HourlyEvaluation(name, rows)


def _row(task: GameSpec, scenario: Scenario, played: PlayedDay, ends: HourlyEnds, *, name: str, split: str, seed: int) -> HourlyRow:
    community = environment_of(task).community
    regret, worth = ends.best_eur - played.objective_eur, ends.best_eur - ends.zero_eur
    excluded = worth < NORMALISATION_FLOOR * daily_bill_eur(community)
    return HourlyRow(
        env=ENV,
        algorithm=name,
        seed=seed,
        community=task.community,
        split=split,
        day=scenario.day,
        date=community.date(scenario.day).isoformat(),
        price_path=scenario.price_path,
        tariff=task.tariff,
        belief=task.belief,
        forecast_error=task.forecast_error,
        flows=task.flows,
        objective=task.objective,
        information=task.information,
        charges=" ".join(repr(charge) for charge in played.charges.ravel().tolist()),
        profit_eur=played.profit_eur,
        welfare_eur=played.welfare_eur,
        objective_eur=played.objective_eur,
        best_found_eur=ends.best_eur,
        upper_bound_eur=ends.upper_bound_eur,
        certified=ends.certified,
        zero_eur=ends.zero_eur,
        regret_to_best_found=regret,
        regret_to_bound=ends.upper_bound_eur - played.objective_eur,
        normalised_regret=float("nan") if excluded else regret / worth,
        excluded=excluded,
        worst_residual=played.worst_residual,
        solver=played.solver,
        scenario_hash=scenario_hash(task.day_ahead, scenario),
        gridtoll=__version__,
        commit=commit() or "",
    )


def _require_bounded(rows: Sequence[HourlyRow]) -> None:
    """Raise where a leader earned more than any can."""
    above = [row for row in rows if -row.regret_to_bound > MISMATCH_TOLERANCE * max(1.0, abs(row.upper_bound_eur))]
    if above:
        listed = "; ".join(
            f"day {row.day}, price path {row.price_path}: {row.objective_eur!r} > {row.upper_bound_eur!r} EUR" for row in above
        )
        raise ModelMismatchError(f"no leader can earn more than the bound, but {rows[0].algorithm!r} did on {listed}.")


def write_hourly_rows(path: Path, evaluations: Sequence[HourlyEvaluation]) -> None:
    """Write the rows of evaluations as one CSV file, whole or not at all."""
    rows = (asdict(row) for evaluation in evaluations for row in evaluation.rows)
    write_csv(path, [field.name for field in fields(HourlyRow)], rows)
