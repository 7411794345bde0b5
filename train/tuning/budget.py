"""Spaces against the budget of a trial: what no trial could learn with is left out, or refused, before the first trial begins.

The days that a learner plays at random before it learns (``warmup_days``; of PPO, with or without a memory, the days in a rollout) have to
be fewer than the training days of a trial. A space may be made for a greater budget than the one at hand: its greatest values are then left
out. At most three quarters of the budget may be played at random, so that a trial has something to learn from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from ...agents.learned.settings import LEARNER_NAMES, default_settings
from ...envs.games.spec import GameName
from ..learning.algorithms import make_algorithm, require_budget, settings_of
from .space import Choice, Range, Space

AT_RANDOM: Final = 0.75
"""The greatest share of a budget that a trial may spend on days before it learns."""
_WARMUP: Final = "warmup_days"


def within_budget(space: Space, algorithm: str, steps: int, *, env: GameName = "day-ahead") -> Space:
    """Return the part of a space that trials of so many training days can have; all of it where nothing needs to go.

    Args:
        space: What is to be tried.
        algorithm: Name, or ``module:Class``.
        steps: Training days of a trial.
        env: The game.

    Raises:
        ValueError: If nothing is left to try of a setting, or the algorithm cannot have one of the values; all such settings are named.
    """
    problems = list(_cannot_be(space, algorithm, env))
    if problems:
        raise ValueError(f"a space must hold only settings that {algorithm!r} can have, but:\n" + "\n".join(problems))
    if algorithm not in LEARNER_NAMES:
        return space
    warmup = space.parameters.get(_WARMUP)
    if warmup is None:
        require_budget(algorithm, {}, steps, env=env)
        return space
    limit = int(AT_RANDOM * steps if default_settings(algorithm, env).is_off_policy else steps)
    clipped = warmup.at_most(limit)
    if clipped is None:
        raise ValueError(
            f"trials of {steps} training days must leave some to learn from, so that `{_WARMUP}` may be at most {limit}, but the space "
            f"tries {_words(warmup)}. Give trials more days with --steps, or a space of lower `{_WARMUP}` with --space FILE."
        )
    return replace(space, parameters={**space.parameters, _WARMUP: clipped})


def what_was_left_out(before: Space, after: Space) -> Mapping[str, str]:
    """Return what of each setting is tried now instead of before, in words; empty where the two are the same."""
    return {
        name: f"{_words(after.parameters[name])}, not {_words(each)}"
        for name, each in before.parameters.items()
        if after.parameters[name] != each
    }


def _cannot_be(space: Space, algorithm: str, env: GameName) -> Iterator[str]:
    """Yield a line for each value at the ends of a setting that the algorithm refuses, the others being its own."""
    try:
        known = settings_of(make_algorithm(algorithm, {}, env=env))
    except (TypeError, ValueError):  # a class that needs to be given some: the first trial tells
        make_algorithm(algorithm, {name: parameter.ends[0] for name, parameter in space.parameters.items()}, env=env)
        return
    for name, parameter in space.parameters.items():
        for value in parameter.ends:
            try:
                make_algorithm(algorithm, {name: value} if not known or name in known else {**known, name: value}, env=env)
            except ValueError as error:
                yield f"- {name} = {value!r}: {error}"


def _words(parameter: Range | Choice) -> str:
    ends: tuple[Any, ...] = parameter.ends
    return f"{ends[0]} to {ends[-1]}" if isinstance(parameter, Range) else f"one of {list(ends)}"
