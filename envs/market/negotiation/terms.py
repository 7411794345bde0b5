"""The terms of a negotiation, and what shows how far it came; kept apart from the loops, which take a second to load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ...community.day import Array


class Rule(NamedTuple):
    """How prices move, and when the negotiation ends.

    Attributes:
        rounds: It ends after so many.
        tolerance: It ends before where both residuals are at most this.
        step: How far prices move, in multiples of ε.
        wishes: Whether prices follow what is wished, which may be below 0; else what is wanted.
        momentum: Whether prices go on in the direction they have moved in.
    """

    rounds: int
    tolerance: float
    step: float
    wishes: bool
    momentum: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class NegotiationEvidence:
    """How far a negotiation came.

    Attributes:
        rounds: How many there were.
        messages: What prosumers sent each other, each from one to one partner.
        bytes: The size of all of it, 8 for a number.
        primal_residual: Greatest difference of what both sides of a pair want, over the mean of the greatest demands.
        dual_residual: The furthest a price moved in the last round, over the price unit of the day.
        converged: Whether both are within the tolerance.
        requests: How often a prosumer that would have lost by its contracts asked for half of them.
        polished: Whether the answer was brought to the exact one from here.
        trace: Both residuals after each round, shape (rounds, 2).
    """

    rounds: int
    messages: int
    bytes: int
    primal_residual: float
    dual_residual: float
    converged: bool
    requests: int
    polished: bool
    trace: Array

    def info(self) -> Mapping[str, Any]:
        """Return what an environment's ``info`` says."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "trace"}

    def arrays(self) -> Mapping[str, Array]:
        """Return both residuals after each round, shape (rounds, 2)."""
        return {"residuals": self.trace}


@dataclass(frozen=True, kw_only=True)
class Speech:
    """What a round's messages hold.

    Attributes:
        per_pair: Numbers for each period and pair that both its ends tell each other.
        per_partner: Numbers for each period that are told each partner besides.
    """

    per_pair: int
    per_partner: int


def check_rounds(mechanism: str, value: object) -> None:
    """Require a number of rounds.

    Raises:
        ValueError: If it is none.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"`rounds` of {mechanism} must be a whole number from 1, got {value!r}.")


def check_between(mechanism: str, name: str, value: object, *, low: float, high: float, below: str) -> None:
    """Require a number above ``low`` and below ``high``, which ``below`` writes out.

    Raises:
        ValueError: If it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not low < value < high:
        raise ValueError(f"`{name}` of {mechanism} must be a number above {low:g} and below {below}, got {value!r}.")
