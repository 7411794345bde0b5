"""The command ``gridtoll``: reads the command line, runs a subcommand, prints what it reports.

Reports go to stdout, with ``--json`` as exactly one JSON object; progress bars, notes and errors go to stderr. Exit codes: 0 when all went
well, 2 for input that cannot be used, for a clearing that failed, for a result that contradicts the model and for a report that cannot be
printed, 130 when interrupted and 143 when terminated. Where some days of many failed, the others are reported and the code is 2 as well.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from importlib import import_module
from typing import Final, Protocol, cast

from .. import __version__
from .ground.errors import ModelMismatchError
from .ground.flags import flags_of, with_flags
from .ground.text import Report

COMMANDS: Final = {
    "clear": "clear one day's market at a charge, and settle it",
    "optimum": "find the exact optimal charge of a day, with its certificate, or of a whole split",
    "verify": "check a certificate of an optimum that was kept in a file",
    "train": "train a leader into a run folder",
    "evaluate": "score a leader against the optimum on days it has not seen",
    "report": "turn a comparison, or the shipped results, into a page and tables",
    "tune": "choose an algorithm's settings on validation days",
    "export": "write rows, datasets and policies in formats that other software reads",
    "communities": "list, show and export communities, and build your own from meters, prices and a grid",
    "compare": "compare algorithms over seeds, communities and information classes, from one file",
    "explore": "serve a page to play with: charges, days, batteries and rules, and what the market answers",
    "demo": "train, evaluate and draw, all in one go",
    "ledger": "write settled days down so that nobody can change them unseen, and verify them",
    "study": "redo the source paper's study on open software, and go further",
}

_EPILOG: Final = """\
a first look:
  gridtoll clear --day 180 --charge 0.2
  gridtoll optimum --day 180
  gridtoll optimum --split test --jobs 2
  gridtoll evaluate grid-constant --days 16
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
    name = f"gridtoll {given[0]}" if given else "gridtoll"
    try:
        with _stopped_by_a_signal():
            return _run(given, name)
    except KeyboardInterrupt:
        return _complain(f"{name}: interrupted", 130)
    except _Terminated:
        return _complain(f"{name}: terminated", 143)


def _run(given: list[str], name: str) -> int:
    parser, command, flags = _parser(given)
    try:
        options = parser.parse_args(given)
    except SystemExit:
        if not _print(""):  # what the help printed has not arrived
            raise SystemExit(2) from None
        raise
    if command is None:
        return 0 if _print(parser.format_help()) else 2
    try:
        with contextlib.redirect_stdout(sys.stderr), _notes_beside_progress_bars():  # whatever a library prints, stdout stays ours
            report = command.run(options)
    except _expected_errors() as error:
        return _complain(f"{name}: error: {with_flags(_words(error), flags)}", 2)
    text = report.as_json() if options.json else report.text
    return report.exit_code if _print(f"{text}\n") else 2


def _words(error: Exception) -> str:
    """Return what an error says; of one of the system, without its number, which file it is about."""
    if isinstance(error, FileNotFoundError) and error.filename is not None:
        return f"a file to read must be there, and {error.filename} is not."
    return str(error) or type(error).__name__


def _print(text: str) -> bool:
    """Print on stdout, and return whether it has arrived; a reader such as ``head`` may go when it has seen enough."""
    try:
        try:
            sys.stdout.write(text)
        except UnicodeEncodeError as error:
            sys.stdout.write(text.encode(error.encoding, "replace").decode(error.encoding))
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()
    except OSError as error:
        _forget_stdout()
        _complain(f"gridtoll: error: stdout cannot be written: {error}", 2)
        return False
    return True


def _forget_stdout() -> None:
    """Have what is still to be written go nowhere, or Python would fail once more as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(text: str, code: int) -> int:
    print(text, file=sys.stderr)
    return code


class _Terminated(BaseException):
    """Raised where the process is asked to end, so that it ends as after an error: drafts removed, other processes ended."""


@contextlib.contextmanager
def _stopped_by_a_signal() -> Iterator[None]:
    """Turn SIGTERM into an exception meanwhile; only the main thread may."""

    def stop(*_: object) -> None:
        raise _Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _notes_beside_progress_bars() -> contextlib.AbstractContextManager[None]:
    """Have what is logged printed on lines of its own while a progress bar is shown."""
    from tqdm.contrib.logging import logging_redirect_tqdm  # noqa: PLC0415 - the help does without it

    return logging_redirect_tqdm()


def _expected_errors() -> tuple[type[Exception], ...]:
    """Return the errors that are answered with a message; whatever else is raised is a defect, and shows where it came from."""
    from ..envs.errors import ClearingError  # noqa: PLC0415 - the help does without the seconds that loading the environments takes

    return ValueError, ClearingError, ModelMismatchError, OSError, BrokenProcessPool, MemoryError


def _parser(given: Sequence[str]) -> tuple[argparse.ArgumentParser, _Command | None, dict[str, str]]:
    """Return the parser with the arguments of the command asked for, that command, and the flag of each of its parameters.

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
    chosen, flags = None, {}
    for name, summary in COMMANDS.items():
        subparser = choices.add_parser(name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter)
        if given[:1] == [name]:
            chosen = cast(_Command, import_module(f".commands.{name}", __package__))
            subparser.description = chosen.DESCRIPTION
            subparser.epilog = f"examples:\n{chosen.EXAMPLES}"
            chosen.add_arguments(subparser)
            flags = flags_of(subparser)
    return parser, chosen, flags
