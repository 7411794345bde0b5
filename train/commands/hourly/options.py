"""The command line's options of the hourly game, and what they ask for."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Final

from ...ground.runs import RunFolder
from ...hourly.references import Effort
from ...hourly.task import ENV
from ..options import whole

_DEFAULT: Final = Effort()


def add_effort_options(parser: argparse.ArgumentParser) -> None:
    """Add how hard the best sequence of charges is searched for."""
    parser.add_argument(
        "--plans",
        type=whole,
        metavar="N",
        help=f"with --env hourly: plans the search for a day's best sequence may clear (default: {_DEFAULT.plans})",
    )


def wants_hourly(options: argparse.Namespace, folder: Path | None = None) -> bool:
    """Return whether the options, or else the run folder they name, are of the hourly game.

    Raises:
        ValueError: If the folder's configuration cannot be read.
    """
    if options.env is not None:
        return bool(options.env == ENV)
    return folder is not None and (folder / "config.json").is_file() and is_hourly(RunFolder.open(folder))


def is_hourly(run: RunFolder) -> bool:
    """Return whether a run trained a leader of the hourly game."""
    return run.config.get("env") == ENV


def require_day_ahead(options: argparse.Namespace) -> None:
    """Refuse options that serve the hourly game alone where the day-ahead game is played.

    Raises:
        ValueError: If one is given; all are named.
    """
    _refuse(options, ("plans", "discount"), "--env hourly")


def require_hourly(options: argparse.Namespace, names: tuple[str, ...]) -> None:
    """Refuse options that only the day-ahead game has.

    Raises:
        ValueError: If one is given; all are named.
    """
    _refuse(options, names, "--env day-ahead")


def _refuse(options: argparse.Namespace, names: tuple[str, ...], where: str) -> None:
    given = [f"--{name.replace('_', '-')}" for name in names if getattr(options, name, None) not in (None, False)]
    if given:
        raise ValueError(f"{', '.join(given)} must go with {where}.")


def effort_from(options: argparse.Namespace) -> Effort:
    """Return the effort the options ask for."""
    given = {"plans": options.plans, "starts": getattr(options, "starts", None)}
    return replace(_DEFAULT, **{name: value for name, value in given.items() if value is not None})
