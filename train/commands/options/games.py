"""Which game the options ask for, what of a command belongs to only one of them, and what it is called."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from ....envs.games.spec import GameSpec
from ...references.hours import SearchEffort
from .shared import task_from, whole

_FEW: Final = 20
"""Clearings that the search for a schedule to be kept takes at least."""
_HOURLY_ONLY: Final = ("plans", "discount")
_DAY_AHEAD_ONLY: Final = ("method", "hard_limits", "recover", "verify", "curve", "force")


def add_effort_options(parser: argparse.ArgumentParser) -> None:
    """Add how hard the best sequence of charges is searched for."""
    parser.add_argument(
        "--plans",
        type=whole,
        metavar="N",
        help=f"with --env hourly: how many plans the search for a day's best sequence may clear (default: {SearchEffort.plans})",
    )


def game_from(options: argparse.Namespace, default: GameSpec | None = None) -> GameSpec:
    """Return the game of single days that the options ask for; what they leave open is as in ``default``.

    Raises:
        ValueError: If an option belongs to the other game, or a word or number cannot be.
    """
    base = default or GameSpec()
    env = options.env or base.env
    refuse(options, _DAY_AHEAD_ONLY if env == "hourly" else _HOURLY_ONLY, f"--env {'day-ahead' if env == 'hourly' else 'hourly'}")
    if env != base.env:
        base = base.day_ahead.changed(charges_per=GameSpec.charges_per)
    return task_from(options, base.changed(days=1))


def refuse(options: argparse.Namespace, names: Sequence[str], where: str) -> None:
    """Refuse options that go with something else.

    Args:
        options: What was given.
        names: Of options that must not be.
        where: What they go with.

    Raises:
        ValueError: If one is given; all are named.
    """
    given = [f"--{name.replace('_', '-')}" for name in names if getattr(options, name, None) not in (None, False)]
    if given:
        raise ValueError(f"{', '.join(given)} must go with {where}.")


def effort_from(options: argparse.Namespace, *, seed: int = SearchEffort.seed) -> SearchEffort:
    """Return the effort the options ask for."""
    given = {"plans": options.plans, "starts": getattr(options, "starts", None)}
    effort = replace(SearchEffort(seed=seed), **{name: value for name, value in given.items() if value is not None})
    share = effort.plans / SearchEffort.plans  # who wants fewer plans wants less of the search before them too
    tolerance = getattr(options, "tolerance", None)
    effort = effort if tolerance is None else replace(effort, tolerance=tolerance)
    return replace(effort, clearings=max(_FEW, round(share * SearchEffort.clearings)))


def title_of(task: GameSpec) -> str:
    """Return what a game is called in titles."""
    if task.env == "day-ahead":
        forecast = "" if task.forecast == GameSpec.forecast else f", {task.forecast} forecast"
        return f"{task.community}, {task.tariff} tariff per {task.charges_per}{forecast}"
    error = f", forecast errors of {task.forecast_error:g}" if task.forecast_error else ""
    return f"{task.community}, {task.tariff} tariff from hour to hour, belief {task.belief}{error}"
