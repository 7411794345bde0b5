"""How much a study does: the numbers that depend on a system's size, and that ``--quick`` lowers.

An equilibrium of a day takes 0.1 s with 9 prosumers, 1 to 2 s with 32 and 10 s or more with 99, and a day's questions need some forty of
them at full length. Large systems therefore get fewer days and fewer variants, so that a study of any one system ends within half an hour
on two cores: what a number rests on stands beside it (``effort.csv``, and on the page).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

Item = TypeVar("Item")

SMALL_UP_TO: Final = 15
"""Prosumers of a system that gets everything."""
MEDIUM_UP_TO: Final = 40
"""Prosumers of a system that gets most of it."""


@dataclass(frozen=True, kw_only=True)
class StudySize:
    """The size of a study's parts, for one system.

    Attributes:
        days: Days studied, spread over the test split: regimes, storage, curves, who pays for losses.
        variant_days: How many of them the parts with many variants are asked of: charge models, limits, accounts, scaling, cost recovery.
        charges: Charges of the curves, from 0 to ``greatest_charge``.
        greatest_charge: EUR/kWh at mean distance.
        loadings: How far Free P2P overloads the worst branch in the study of line limits.
        overload_prices: EUR/kWh, of which 0 is an operator that does not mind.
        renewables: What sun and wind are multiplied with.
        sizes: Shares of the community's prosumers.
        orders: Random orders in which prosumers join.
        cost_shares: Network costs to recover, as shares of the day's retail bill.
        starts: Starts of the search for charges of several coefficients.
        clearings: What one such search may spend.
        nodes: What its bound may spend beyond the relaxation K0; None for no relaxation, which leaves the bound by Social P2P.
    """

    days: int = 8
    variant_days: int = 8
    charges: int = 41
    greatest_charge: float = 0.8
    loadings: tuple[float, ...] = (1.1, 1.5, 2.0)
    overload_prices: tuple[float, ...] = (0.0, 1.0, 10.0)
    renewables: tuple[float, ...] = (0.25, 0.5, 1.0, 1.5, 2.0)
    sizes: tuple[float, ...] = (0.34, 0.67, 1.0)
    orders: int = 3
    cost_shares: tuple[float, ...] = (0.005, 0.01, 0.02, 0.05, 0.1)
    starts: int = 2
    clearings: int = 300
    nodes: int | None = 100

    @classmethod
    def of(cls, n_prosumers: int, *, quick: bool = False) -> StudySize:
        """Return the effort for a system of this many prosumers; a quick one shows every part on a day or two."""
        if quick:
            small = n_prosumers <= SMALL_UP_TO
            return cls.quick() if small else replace(cls.quick(), days=1, variant_days=1, charges=9, clearings=60, nodes=None)
        if n_prosumers <= SMALL_UP_TO:
            return cls()
        if n_prosumers <= MEDIUM_UP_TO:
            return cls(variant_days=4, charges=33, orders=2, cost_shares=(0.01, 0.02, 0.05, 0.1), nodes=0)
        return cls(
            days=4,
            variant_days=2,
            charges=17,
            loadings=(1.5, 2.0),
            renewables=(0.5, 1.0, 1.5),
            orders=1,
            cost_shares=(0.01, 0.02, 0.05),
            starts=1,
            clearings=80,
            nodes=None,
        )

    @classmethod
    def quick(cls) -> StudySize:
        """Return one that shows every part on two days."""
        return cls(
            days=2,
            variant_days=2,
            charges=17,
            loadings=(1.5,),
            overload_prices=(0.0, 1.0),
            renewables=(0.5, 1.0, 1.5),
            sizes=(0.5, 1.0),
            orders=1,
            cost_shares=(0.01, 0.05, 0.1),
            starts=1,
            clearings=150,
            nodes=0,
        )

    def with_days(self, days: int) -> StudySize:
        """Return the same with another number of days, of which the variants get no more than before."""
        return replace(self, days=days, variant_days=min(days, self.variant_days))

    def in_words(self, split: str = "the test split") -> str:
        """Return what numbers rest on, the days being of a split."""
        bound = "K0 and Social P2P" if self.nodes is not None else "Social P2P alone"
        return (
            f"Regimes, curves, storage and who pays for losses: means over {_days(self.days)} of {split}. Charge models, limits, "
            f"accounts, scaling and cost recovery: {_days(self.variant_days)} of them. A search for several coefficients had about "
            f"{self.clearings} clearings a day, and its bound comes from {bound}. Equilibria and Social P2P are exact: no charge does "
            "better by more than a relative 1e-6."
        )


def _days(number: int) -> str:
    return "one day" if number == 1 else f"{number} days"


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """Return that many of the items, evenly spread, the first among them; all where there are not as many.

    >>> spread("abcdefgh", 3)
    ['a', 'c', 'f']
    """
    count = min(count, len(items))
    return [items[place * len(items) // count] for place in range(count)]
