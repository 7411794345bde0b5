"""Arguments that several subcommands share, so that each is explained once."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, Final, get_args

from ....envs.games.spec import HOURLY_ONLY, GameSpec
from ....envs.machine import available_cores
from ....envs.written import number, whole_number
from ...data.tables import require_table_format
from ...workers import Backend, Workers


def decimal(text: str) -> float:
    """Read a number, as people write one: neither ``nan`` nor ``inf`` nor ``1_0`` is one."""
    try:
        return number(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def whole(text: str) -> int:
    """Read a whole number, which ``1_0`` is not."""
    try:
        return whole_number(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


OF_HOURS: Final = ("env", *HOURLY_ONLY)
"""Fields that a command has no use for where it plays the day-ahead game alone."""
_READ: Final[Mapping[type, Callable[[str], object]]] = {float: decimal, int: whole, str: str}
"""How the command line reads a field of the game, by the type it says it has."""


def add_game_options(parser: argparse.ArgumentParser, *, without: Sequence[str] = ()) -> None:
    """Add an option for every field of the game; absent ones are None, so that a run's own can stand in.

    Args:
        parser: Of a command.
        without: Fields that the command has no use for. ``days`` is never an option: commands count the days they play.
    """
    group = parser.add_argument_group("the game")
    for entry in _game_fields():
        if entry.name in without:
            continue
        text = str(entry.metadata["help"])
        if entry.default is not None:
            text += f" (default: {_default_of(entry.name, entry.default)})"
        group.add_argument(
            f"--{entry.name.replace('_', '-')}", metavar=entry.metadata["metavar"], type=_READ[entry.metadata["read"]], help=text
        )


def _game_fields() -> list[Field[Any]]:
    return [entry for entry in fields(GameSpec) if entry.name != "days"]


def _default_of(name: str, value: object) -> str:
    """Return what stands where an option is left out, in words."""
    return f"that of a leader's file, else {value}" if name == "env" else f"{value:g}" if isinstance(value, float) else str(value)


def game_given(options: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of the game that the command line states."""
    given = {entry.name: getattr(options, entry.name, None) for entry in _game_fields()}
    return {name: value for name, value in given.items() if value is not None}


def add_scenario_options(parser: argparse.ArgumentParser) -> None:
    """Add which day is meant."""
    parser.add_argument("--day", type=whole, required=True, metavar="K", help="day of the data year, from 0")
    parser.add_argument("--price-path", type=whole, default=0, metavar="P", help="which synthetic price path, from 0 (default: 0)")


def add_prosumers_option(parser: argparse._ActionsContainer) -> None:
    """Add where the table of who pays and who gains is written."""
    parser.add_argument(
        "--prosumers",
        type=Path,
        metavar="FILE",
        help="write a row for each prosumer (surplus with and without trade, bill, charge, energy) to this file (.csv, .xlsx or .parquet)",
    )


def prosumers_path(options: argparse.Namespace) -> Path | None:
    """Return where that table goes, refusing it before the work begins where it cannot be written.

    Raises:
        ValueError: If the file cannot be written there, or not in this format.
    """
    path = existing_parent(options.prosumers)
    if path is not None:
        require_table_format(path)
    return path


def add_report_options(parser: argparse.ArgumentParser) -> None:
    """Add how the report is printed."""
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")


def add_work_options(parser: argparse.ArgumentParser) -> None:
    """Add how much of the machine is used and how much is said meanwhile."""
    parser.add_argument(
        "--jobs",
        type=positive,
        default=available_cores(),
        metavar="N",
        help="days cleared side by side, in training by threads of one process; results do not depend on it "
        "(default: the cores available, %(default)s here)",
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress bars")


def add_backend_options(parser: argparse.ArgumentParser) -> None:
    """Add where days are solved side by side, here or on a cluster, and how much is said meanwhile."""
    parser.add_argument(
        "--jobs",
        type=positive,
        metavar="N",
        help="days solved side by side; results do not depend on it (default: the cores available, "
        f"{available_cores()} here, or all of the cluster)",
    )
    parser.add_argument(
        "--backend",
        choices=get_args(Backend),
        default="local",
        help="processes here, or the Ray cluster in RAY_ADDRESS (one started here where that is not set), which needs "
        '`pip install ".[ray]"` (default: %(default)s)',
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress bars")


def workers_from(options: argparse.Namespace) -> Workers:
    """Return the workers that :func:`add_backend_options` asks for."""
    return Workers(options.jobs, backend=options.backend, quiet=options.quiet)


def task_from(options: argparse.Namespace, default: GameSpec | None = None) -> GameSpec:
    """Return the game the options ask for; what they leave open is as in ``default``.

    Raises:
        ValueError: If there is no such game.
    """
    return (default or GameSpec()).changed(**game_given(options))


def positive(text: str) -> int:
    """Read an integer of at least 1."""
    return _at_least(1)(text)


def natural(text: str) -> int:
    """Read an integer of at least 0."""
    return _at_least(0)(text)


def existing_parent(path: Path | None) -> Path | None:
    """Return a path to be written later, refusing it before the work begins where its folder is missing or it is a folder itself.

    Raises:
        ValueError: If the file cannot be written there.
    """
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        reason = "is a folder" if path.is_dir() else "is in a folder that does not exist"
        raise ValueError(f"a file to write must have a name in an existing folder, got {path}, which {reason}.")
    return path


def _at_least(least: int) -> Callable[[str], int]:
    """Return what reads an option's integer of at least ``least``."""

    def read(text: str) -> int:
        """Return the integer that a text is.

        Raises:
            ArgumentTypeError: If it is none, as ``1_0`` and ``1.0`` are not, or below the least; argparse names the option and ends.
        """
        try:
            value = whole_number(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"must be an integer of at least {least}, got {text!r}")
        return value

    return read
