"""The command ``gridtoll``: reads the command line, runs a subcommand, prints what it reports.

Reports go to stdout, with ``--json`` as exactly one JSON object; progress bars, notes and errors go to stderr. Exit codes: 0 when all went
well, 2 for input that cannot be used, for a clearing that failed and for a result that contradicts the model, 130 when interrupted. Where
some days of many failed, the others are reported and the code is 2 as well.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from importlib import import_module
from typing import Final, Protocol, cast

from .. import __version__
from .errors import ModelMismatchError
from .report import Report

COMMANDS: Final = {
    "clear": "clear one day's market at a charge, and settle it",
    "optimum": "find the exact optimal charge of a day, with its certificate, or of a whole split",
    "train": "train a leader into a run folder",
    "evaluate": "score a leader against the optimum on days it has not seen",
    "report": "turn a comparison, or the shipped results, into a page and tables",
    "tune": "choose an algorithm's settings on validation days",
    "export": "write rows, datasets and policies in formats that other software reads",
    "communities": "list, show and export communities",
    "compare": "compare algorithms over seeds, communities and information classes, from one file",
    "demo": "train, evaluate and draw, all in one go",
    "paper": "redo the source paper's study on open software, and go further",
}

_EPILOG: Final = """\
a first look:
  gridtoll clear --day 180 --charge 0.2
  gridtoll optimum --day 180
  gridtoll optimum --split test --jobs 2
  gridtoll evaluate best-constant --days 16
  gridtoll train --out runs/first
  gridtoll evaluate runs/first
  gridtoll compare quick --out runs/quick

`gridtoll COMMAND --help` explains a command. Charges are in EUR/kWh, power in kW, money in EUR.
"""


class _Command(Protocol):
    DESCRIPTION: str
    EXAMPLES: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], Report]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``gridtoll`` with the given arguments (those of the process if absent) and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser, command = _parser(given)
    options = parser.parse_args(given)
    if command is None:
        parser.print_help()
        return 0
    try:
        with contextlib.redirect_stdout(sys.stderr), _notes_beside_progress_bars():  # whatever a library prints, stdout stays ours
            report = command.run(options)
    except _expected_errors() as error:
        print(f"gridtoll {given[0]}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"gridtoll {given[0]}: interrupted", file=sys.stderr)
        return 130
    try:
        print(report.as_json() if options.json else report.text, flush=True)
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return report.exit_code


def _notes_beside_progress_bars() -> contextlib.AbstractContextManager[None]:
    """Have what is logged printed on lines of its own while a progress bar is shown."""
    from tqdm.contrib.logging import logging_redirect_tqdm  # noqa: PLC0415 - the help does without it

    return logging_redirect_tqdm()


def _expected_errors() -> tuple[type[Exception], ...]:
    """Return the errors that are answered with a message; whatever else is raised is a defect, and shows where it came from."""
    from ..envs.errors import ClearingError  # noqa: PLC0415 - the help does without the seconds that loading the environments takes

    return ValueError, ClearingError, ModelMismatchError, OSError, BrokenProcessPool


def _parser(given: Sequence[str]) -> tuple[argparse.ArgumentParser, _Command | None]:
    """Return the parser with the arguments of the command asked for, and that command.

    Only that command's module is imported: PyTorch and CVXPY take seconds, which the help need not wait for.
    """
    parser = argparse.ArgumentParser(
        prog="gridtoll",
        description="Network charges for peer-to-peer energy trading: clear markets, train leaders, compare them with the exact optimum.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"gridtoll {__version__}")
    choices = parser.add_subparsers(title="commands", metavar="COMMAND")
    chosen = None
    for name, summary in COMMANDS.items():
        subparser = choices.add_parser(name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter)
        if given[:1] == [name]:
            chosen = cast(_Command, import_module(f".commands.{name}", __package__))
            subparser.description = chosen.DESCRIPTION
            subparser.epilog = f"examples:\n{chosen.EXAMPLES}"
            chosen.add_arguments(subparser)
    return parser, chosen
