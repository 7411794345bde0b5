"""How much code a step runs through: few calls, in few files, with few changes of file. :mod:`calls` says how they are counted.

The exact market is cleared by the compiled loops, and nothing is drawn. The day-ahead step is that of a day played before, as in training;
that of a new day makes the arrays of the loops first, as every step of the hourly game does.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import gymnasium
import numpy as np
import pytest
from calls import Calls, calls_of


def calls_of_a_step(game: str, hours: int, *, known: bool) -> Calls:
    """Those of a step after so many others, of a day played before or of a new one."""
    env: Any = gymnasium.make(f"gridtoll.envs:gridtoll/{game}-v0", solver="structured").unwrapped
    env.reset(options={"day": 120})
    env.step(np.array([0.3]))  # compiles, and loads what is loaded once
    env.reset(options={"day": 120 if known else 170})
    for _ in range(hours):
        env.step(np.array([0.3]))
    return calls_of(lambda: env.step(np.array([0.3])))


@pytest.mark.parametrize(
    ("game", "hours", "known", "most"),
    [
        ("DayAhead", 0, True, (43, 9, 14)),
        ("DayAhead", 0, False, (55, 11, 16)),
        ("Hourly", 1, False, (66, 13, 19)),
    ],
    ids=["day-ahead, a known day", "day-ahead, a new day", "hourly"],
)
def test_a_step_runs_through_little_code(game: str, hours: int, known: bool, most: tuple[int, int, int]) -> None:
    found = calls_of_a_step(game, hours, known=known)
    counted = len(found.calls), len(found.files), found.changes_of_file
    assert all(here <= bound for here, bound in zip(counted, most, strict=True)), f"{counted}: {found.most_frequent()[:10]}"
    assert len(found.calls) > 20, "something was counted"


@pytest.mark.parametrize(("game", "hours"), [("DayAhead", 0), ("Hourly", 1)])
def test_a_step_takes_an_hours_rows_once_and_makes_no_arrays_that_nobody_asked_for(game: str, hours: int) -> None:
    names = Counter(name for _, name in calls_of_a_step(game, hours, known=False).calls)
    assert names["first_period"] == hours
    assert names["row"] == names["outcome"] == 0
    assert names["clear_many"] == names["settle_many"] == 1
