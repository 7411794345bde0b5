"""What gridtoll makes of a user's data: every number that it fills in, raises to a floor or derives, with the rule.

An entry is written where the number is made, and nowhere else. ``gridtoll communities show`` lists them.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

How = Literal["filled", "floored", "derived"]


@dataclass(frozen=True, kw_only=True)
class Derivation:
    """Numbers of one kind that the data did not hold as they are used.

    Attributes:
        field: What they are, a field of :class:`~gridtoll.envs.community.community.Community` or :class:`~gridtoll.envs.community.day.Day`.
        how: ``"filled"`` where the data had none, ``"floored"`` where it had smaller ones, ``"derived"`` where it never has any.
        rule: What they are made by.
        count: How many.
        least: The least of them, None for words.
        greatest: The greatest of them, None for words.
        unit: Of the least and the greatest.
        whom: How many by the name of whom they belong to, or of what they are; empty for all alike.
    """

    field: str
    how: How
    rule: str
    count: int
    least: float | None = None
    greatest: float | None = None
    unit: str = ""
    whom: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the entry for JSON."""
        return {name: getattr(self, name) for name in ("field", "how", "rule", "count", "least", "greatest", "unit")} | {
            "whom": dict(self.whom)
        }

    def __str__(self) -> str:
        """Return the entry as a line for reading."""
        values = "" if self.least is None else f" {_span(self.least, self.greatest)}{self.unit and ' ' + self.unit}"
        whom = ", ".join(f"{name} {count:,}" for name, count in self.whom.items())
        return f"{self.count:,} {self.how}:{values} ({self.rule}){whom and ': ' + whom}"


@dataclass(frozen=True)
class Ledger:
    """The entries written so far, in the order the numbers were made in."""

    entries: list[Derivation] = dataclasses.field(default_factory=list)

    def filled(self, name: str, given: ArrayLike | None, value: Callable[[], ArrayLike], rule: str, *, unit: str) -> ArrayLike:
        """Return what was given; where nothing was, the value, and write that down. Both are of any shape, in ``unit``."""
        if given is not None:
            return given
        made = value()
        self.write(name, "filled", made, rule, unit=unit)
        return made

    def words(self, name: str, given: tuple[str, ...] | None, value: Callable[[], tuple[str, ...]], rule: str) -> tuple[str, ...]:
        """Return what was given; where nothing was, these words, and write down how often each comes."""
        if given is not None:
            return given
        made = value()
        counts = Counter(made)
        self.write_words(name, len(made), rule, whom=counts if len(counts) < len(made) else {})
        return made

    def write_words(self, name: str, count: int, rule: str, *, whom: Mapping[str, int] | None = None) -> None:
        """Write down that what is no number was filled in."""
        self.entries.append(Derivation(field=name, how="filled", rule=rule, count=count, whom=whom or {}))

    def write(self, name: str, how: How, value: ArrayLike, rule: str, *, unit: str, whom: Mapping[str, int] | None = None) -> None:
        """Write down numbers that were made, of any shape, in ``unit``; nothing if there are none."""
        array = np.asarray(value, dtype=np.float64)
        if array.size:
            least, greatest = float(array.min()), float(array.max())
            self.entries.append(
                Derivation(field=name, how=how, rule=rule, count=array.size, least=least, greatest=greatest, unit=unit, whom=whom or {})
            )


def _span(least: float, greatest: float | None) -> str:
    return f"{least:g}" if greatest is None or greatest == least else f"{least:g} to {greatest:g}"
