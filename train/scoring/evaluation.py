"""What the rows of a leader add up to, and the table they are read from.

Where every optimum of a game is proved, regret is to the optimum. Elsewhere it has two ends, the best charges found and a bound that no
leader exceeds: the true regret lies between them, wherever the leader does not exceed the best found, which it may.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...envs.arrays import Array
from ...envs.community.calendar import week_of
from ..ground.text import about_intervals, left_out, table, with_interval
from ..statistics.intervals import Interval, Statistic, interquartile_mean, mean, over_weeks, worst_decile_mean
from .rows import Row

_NOTHING: Final = Interval(float("nan"), float("nan"), float("nan"))


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
    def regret_to_bound(self) -> Array:
        """Upper bound − J of each day, shape (days,); infinite where nothing is proved."""
        return np.array([row.upper_bound_eur - row.objective_eur for row in self.rows])

    @property
    def always_proved(self) -> bool:
        """Whether it is of a game whose every optimum is proved."""
        return all(row.always_proved for row in self.rows)

    @property
    def normalised_regret(self) -> Array:
        """Normalised regret of the days not excluded, in their order, shape (counted days,)."""
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
        normalised, to_bound, weeks, proved = self.normalised_regret, self.regret_to_bound, self.weeks, self.always_proved
        counted = weeks[[not row.excluded for row in self.rows]]

        def of_regret(interval: Interval) -> Interval:
            return interval.of_regret() if proved else interval  # it may be below zero where the best is no optimum

        def of_normalised(statistic: Statistic) -> Interval:
            return of_regret(over_weeks(normalised, generator, counted, statistic=statistic)) if normalised.size else _NOTHING

        return Summary(
            name=self.name,
            always_proved=proved,
            profit=over_weeks(self.profit_eur, generator, weeks),
            regret=of_regret(over_weeks(self.regret_eur, generator, weeks)),
            to_bound=_NOTHING if proved or not np.isfinite(to_bound).all() else over_weeks(to_bound, generator, weeks).of_regret(),
            normalised_mean=of_normalised(mean),
            normalised_iqm=of_normalised(interquartile_mean),
            normalised_worst_decile=worst_decile_mean(normalised) if normalised.size else float("nan"),
            days=len(self.rows),
            certified_days=sum(row.certified for row in self.rows),
            bounded_days=int(np.isfinite(to_bound).sum()),
            excluded_days=tuple(self.excluded_days),
        )


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What the rows of one leader add up to; each interval is the 95% bootstrap interval around its centre.

    Intervals are over weeks of days, for this leader as it is: they do not say what another training would come to. Those of regret to
    an optimum and to a bound are cut off at zero. Where all days are of one week, there are none, and their ends are NaN.

    Attributes:
        name: The leader.
        always_proved: Whether the optimum of every day of the game is proved; else regret is to the best found, and there is one to the
            bound.
        profit: Mean profit in EUR a day.
        regret: Mean regret in EUR a day.
        to_bound: Mean regret to the bound in EUR a day; NaN where a day has none, or every optimum is proved.
        normalised_mean: Mean normalised regret.
        normalised_iqm: Interquartile mean of normalised regret.
        normalised_worst_decile: Mean of the worst tenth of the days' normalised regrets.
        days: Days scored.
        certified_days: Those whose best is proved to be optimal.
        bounded_days: Those with a bound.
        excluded_days: Those left out of normalised numbers.
    """

    name: str
    always_proved: bool
    profit: Interval
    regret: Interval
    to_bound: Interval
    normalised_mean: Interval
    normalised_iqm: Interval
    normalised_worst_decile: float
    days: int
    certified_days: int
    bounded_days: int
    excluded_days: tuple[int, ...]

    def values(self) -> dict[str, Any]:
        """Return the numbers ``gridtoll evaluate --json`` prints; ``normalised_regret_ci95`` is that of the interquartile mean."""
        if self.always_proved:
            regret: dict[str, Any] = {"mean_regret_eur": self.regret.centre}
            proofs: dict[str, Any] = {}
        else:
            regret = {
                "regret_to_best_found": self.regret.centre,
                "regret_to_best_found_ci95": [self.regret.low, self.regret.high],
                "regret_to_bound": self.to_bound.centre,
                "regret_to_bound_ci95": [self.to_bound.low, self.to_bound.high],
            }
            proofs = {"certified_days": self.certified_days, "bounded_days": self.bounded_days}
        return {
            "mean_profit_eur": self.profit.centre,
            **regret,
            "normalised_regret_mean": self.normalised_mean.centre,
            "normalised_regret_iqm": self.normalised_iqm.centre,
            "normalised_regret_ci95": [self.normalised_iqm.low, self.normalised_iqm.high],
            "days": self.days,
            **proofs,
            "excluded_days": list(self.excluded_days),
        }


def summary_table(summaries: Sequence[Summary]) -> str:
    """Return leaders on the same days side by side, for reading, with the days left out of normalised numbers below.

    Where not every optimum is proved, it says what regret is to, and on how many days the best found is certified.
    """
    proved = all(summary.always_proved for summary in summaries)
    regret = ["regret EUR/day [95%]"] if proved else ["to best found [95%]", "to bound [95%]"]
    header = ["leader", "profit EUR/day", *regret, "normalised regret [95%]", "IQM [95%]", "worst tenth"]
    rows = [
        [
            summary.name,
            f"{summary.profit.centre:.2f}",
            with_interval(summary.regret, 2),
            *([] if proved else [with_interval(summary.to_bound, 2) if summary.bounded_days == summary.days else "-"]),
            with_interval(summary.normalised_mean),
            with_interval(summary.normalised_iqm),
            f"{summary.normalised_worst_decile:.3f}",
        ]
        for summary in summaries
    ]
    told = left_out(summary.excluded_days for summary in summaries) + about_intervals(has_ends(summaries))
    return table(header, rows) + ("" if proved else about_proofs(summaries)) + told


def about_proofs(summaries: Sequence[Summary]) -> str:
    """Return the line below a table that says on how many days the best known is proved to be optimal, and on how many there is a bound."""
    certified, bounded, days = summaries[0].certified_days, summaries[0].bounded_days, summaries[0].days
    return f"\nthe best found is proved optimal on {certified} of {days} days; {bounded} have an upper bound"


def has_ends(summaries: Sequence[Summary]) -> bool:
    """Return whether the intervals of summaries have ends."""
    return all(summary.regret.has_ends for summary in summaries)
