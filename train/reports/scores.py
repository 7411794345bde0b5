"""Scores of each community and information class as tables of seeds by days, failed cells imputed as the worst.

A cell that failed left no rows. It counts on each day as the worst of all finished cells of its community and class did there, and never
as better than no charge at all, whose normalised regret is 1: an algorithm cannot gain by failing where others did well.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ...envs.arrays import Array, IntArray
from ...envs.community.calendar import week_of
from ..statistics.intervals import FEW_SEEDS, interquartile_mean, mean, worst_decile_mean
from .results import GROUP, CellResult, Results

_WORST_ALLOWED = 1.0  # normalised regret of the reference tariff, zero


@dataclass(frozen=True, eq=False)
class Scored:
    """One algorithm in one community and class; S seeds, D days that are not excluded, A days in all.

    Attributes:
        name: Its name in the plan.
        cells: One for each seed, in rising order.
        normalised: Normalised regret, shape (S, D).
        regret_eur: Regret, shape (S, A).
        clairvoyant: Whether it looks at the days it is scored on.
    """

    name: str
    cells: tuple[CellResult, ...]
    normalised: Array
    regret_eur: Array
    clairvoyant: bool

    @property
    def iqm(self) -> float:
        """Interquartile mean of normalised regret, copies of the same rows counted once, as in the table of results."""
        return float(interquartile_mean(self.distinct.ravel()))

    @property
    def mean(self) -> float:
        """Mean normalised regret."""
        return float(mean(self.normalised.ravel()))

    @property
    def worst_decile(self) -> float:
        """Mean of the worst tenth of the days, each the mean of its seeds."""
        return worst_decile_mean(self.normalised.mean(axis=0))

    @property
    def distinct(self) -> Array:
        """Normalised regret, shape (seeds, days), with one row where all seeds are the same: it is then an algorithm without randomness."""
        return self.normalised[:1] if np.ptp(self.normalised, axis=0).max(initial=0.0) == 0 else self.normalised

    @property
    def seed_means(self) -> tuple[float, ...]:
        """Mean normalised regret of each seed, in the order of the seeds: where one collapsed, it is seen here."""
        return tuple(self.normalised.mean(axis=1).tolist())

    @property
    def has_enough_seeds(self) -> bool:
        """Whether intervals and tests can speak for the algorithm: it has no randomness, or was trained with enough seeds.

        That an algorithm has none is known where its seeds, at least two, are all the same, or where it learns nothing.
        """
        without = self.clairvoyant or self.cells[0].kind == "zero" or (len(self.cells) > 1 and self.distinct.shape[0] == 1)
        return without or len(self.cells) >= FEW_SEEDS

    def cost(self, name: str) -> float:
        """Return the mean of ``steps``, ``clearings``, ``validation_clearings`` or ``seconds`` over the finished seeds that say it.

        It is NaN where there is none. What a failed seed had cost by then, next to nothing at worst, is not what learning costs.
        """
        finished = [float(getattr(cell, name)) for cell in self.cells if not cell.failed]
        known = [value for value in finished if not math.isnan(value)]
        return sum(known) / len(known) if known else math.nan


@dataclass(frozen=True, eq=False)
class Group:
    """A community and an information class.

    Attributes:
        community: Name.
        information: Class.
        days: One row for each test day in order: ``day``, ``price_path``, ``date``, ``excluded`` and what the optimum did.
        algorithms: By rising interquartile mean.
        always_proved: Whether the optimum of every day of the game is proved; else regret is to the best charges found.
    """

    community: str
    information: str
    days: pd.DataFrame
    algorithms: tuple[Scored, ...]
    always_proved: bool = True

    @property
    def title(self) -> str:
        """What texts call it."""
        return f"{self.community}, {self.information} information"

    @property
    def slug(self) -> str:
        """What files call it."""
        return f"{self.community}-{self.information}"

    @property
    def counted(self) -> pd.DataFrame:
        """The days that are not excluded."""
        return self.days[~self.days["excluded"]]

    @property
    def weeks(self) -> IntArray:
        """The week of the data year that each counted day is of, shape (D,): what intervals draw, as splits are made of whole weeks."""
        return week_of(self.counted["day"].to_numpy())

    @property
    def has_weeks(self) -> bool:
        """Whether the counted days are of more than one week: those of one say nothing about others."""
        return bool(np.unique(self.weeks).size > 1)

    @property
    def excluded(self) -> list[int]:
        """Days of the data year with next to nothing to win."""
        return [int(day) for day in self.days.loc[self.days["excluded"], "day"]]

    @property
    def players(self) -> list[Scored]:
        """The algorithms that do not look at the days they are scored on."""
        return [each for each in self.algorithms if not each.clairvoyant]

    def generator(self, seed: int, *purpose: str) -> np.random.Generator:
        """Return the generator of one number: its own, so that one more algorithm leaves the intervals of the others as they were."""
        return np.random.default_rng([seed, zlib.crc32("/".join((self.community, self.information, *purpose)).encode())])


def groups_of(results: Results) -> list[Group]:
    """Return every community and class with at least one finished cell and a day with something to win, in order of their names."""
    groups = []
    for (community, information), rows in results.rows.groupby(list(GROUP)):
        cells = [cell for cell in results.cells if (cell.community, cell.information) == (community, information)]
        group = replace(_group(str(community), str(information), rows, cells), always_proved=results.always_proved)
        if len(group.counted):
            groups.append(group)
    if not groups:
        raise ValueError("a report needs days with something to win, but all test days of all communities are excluded.")
    return groups


def _group(community: str, information: str, rows: pd.DataFrame, cells: Sequence[CellResult]) -> Group:
    tables = dict(iter(rows.groupby(["algorithm", "seed"])))
    first = next(iter(tables.values()))
    names = [
        "day",
        "price_path",
        "date",
        "excluded",
        "optimum_eur",
        "zero_eur",
        "upper_bound_eur",
        "optimum_charge",
        "certified",
        "scenario_hash",
        "place",
    ]
    days = first[names].reset_index(drop=True)
    counted = ~days["excluded"].to_numpy(dtype=bool)
    regret = {key: cell["regret_eur"].to_numpy(dtype=np.float64) for key, cell in tables.items()}
    normalised = {key: cell["normalised_regret"].to_numpy(dtype=np.float64)[counted] for key, cell in tables.items()}
    worst = np.maximum(np.max(list(normalised.values()), axis=0), _WORST_ALLOWED) if counted.any() else np.empty(0)
    worst_eur = np.maximum(np.max(list(regret.values()), axis=0), (days["optimum_eur"] - days["zero_eur"]).to_numpy(dtype=np.float64))
    algorithms = []
    for name in dict.fromkeys(cell.algorithm for cell in cells):
        mine = tuple(cell for cell in cells if cell.algorithm == name)
        keys = [(cell.algorithm, cell.seed) for cell in mine]
        algorithms.append(
            Scored(
                name,
                mine,
                np.array([normalised.get(key, worst) for key in keys]),
                np.array([regret.get(key, worst_eur) for key in keys]),
                any(cell.clairvoyant for cell in mine),
            )
        )
    ordered = sorted(algorithms, key=lambda each: each.iqm) if counted.any() else algorithms
    return Group(community, information, days, tuple(ordered))
