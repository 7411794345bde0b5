"""What a page begins with."""

from __future__ import annotations

from dataclasses import dataclass

from ..model.problem import Problem


@dataclass(frozen=True, kw_only=True)
class Begun:
    """What a page begins with.

    Attributes:
        problem: The day.
        charge: γ in EUR/kWh, one number.
        leader: Whose choice is drawn on the page of a day.
        hourly_leader: Who plays the hourly game beside the person, None for nobody.
    """

    problem: Problem
    charge: float
    leader: str
    hourly_leader: str | None = None
