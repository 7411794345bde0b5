"""``gridtoll ledger``: settled days written down so that nobody can change them unseen."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from ... import __version__
from ...envs.account.ledger import (
    Book,
    append_days,
    load_private_key,
    load_public_key,
    new_key,
    receipt_of,
    verify_ledger,
    verify_receipt,
    write_ledger,
)
from ...envs.account.ledger.canonical import read_line
from ...envs.account.ledger.reading import read_opening
from ...envs.account.ledger.statements import SettledDay
from ...envs.community.calendar import Scenario
from ...envs.files import write_atomically
from ...envs.games.spec import GameSpec
from ...envs.games.transition import transitions
from ...envs.written import charges_from
from ..ground.progress import progress
from ..ground.runs import commit
from ..ground.text import Report, lines
from ..task import environment_of, market_of
from .options import (
    OF_HOURS,
    add_game_options,
    add_report_options,
    add_work_options,
    existing_parent,
    natural,
    positive,
    task_from,
)

DESCRIPTION = """\
Write settled days into a ledger, give prosumers their receipts, and verify both.

A ledger is a text file with a line for each prosumer and day, Merkle trees over them and the operator's signatures. `verify` finds and
names every line that was changed, calculates all accounts again, and proves exact clearings from the prices written down. A receipt is one
prosumer's own: it can be verified without the ledger and shows nothing of the others but the trades with them. docs/ledger.md states the
format.

Needs the extra `ledger`: in your clone of gridtoll, run pip install ".[ledger]".
"""
EXAMPLES = """\
  gridtoll ledger key operator.pem
  gridtoll ledger write year.ledger --key operator.pem --charge 0.2
  gridtoll ledger receipt year.ledger --day 180 --prosumer 3 --out receipt.json
  gridtoll ledger verify receipt.json
  gridtoll ledger verify year.ledger --public-key operator.pem
"""
_AT_ONCE: Final = 16
_MOST_PRINTED: Final = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    making = actions.add_parser("key", help="write a new key to sign with")
    making.add_argument("file", type=Path, metavar="FILE", help="a file that does not exist")
    writing = actions.add_parser("write", help="clear and settle days at a charge, and write them down")
    writing.add_argument("file", type=Path, metavar="FILE", help="the ledger; with --append it is one that exists")
    writing.add_argument("--key", type=Path, required=True, metavar="FILE", help="the private key, as `ledger key` writes it")
    writing.add_argument("--charge", required=True, metavar="G", help="EUR/kWh: one number, or as many as the tariff has coefficients")
    writing.add_argument("--first", type=natural, default=0, metavar="K", help="first day of the data (default: 0)")
    writing.add_argument("--days", type=positive, metavar="N", help="days written (default: all that follow)")
    writing.add_argument("--price-path", type=natural, default=0, metavar="P", help="which synthetic price path, from 0 (default: 0)")
    writing.add_argument("--append", action="store_true", help="add the days to the end of a ledger")
    add_game_options(writing, without=(*OF_HOURS, "objective", "information", "charge_cap"))
    add_work_options(writing)
    taking = actions.add_parser("receipt", help="take one prosumer's receipt out of a ledger")
    taking.add_argument("file", type=Path, metavar="FILE", help="the ledger")
    taking.add_argument("--day", type=natural, required=True, metavar="K", help="number of the day in the ledger, from 0")
    taking.add_argument("--prosumer", required=True, metavar="P", help="name or number, from 0")
    taking.add_argument("--out", type=Path, required=True, metavar="FILE", help="the receipt")
    verifying = actions.add_parser("verify", help="verify a ledger or a receipt; the exit code is 1 where something is wrong")
    verifying.add_argument("file", type=Path, metavar="FILE", help="a ledger or a receipt")
    verifying.add_argument("--public-key", type=Path, metavar="FILE", help="the key that must have signed it, public or private")
    verifying.add_argument("--head", metavar="HASH", help="the hash of the last seal, as `ledger write` printed it")
    verifying.add_argument("--quiet", action="store_true", help="show no progress bar")
    for action in (making, writing, taking, verifying):
        add_report_options(action)


def run(options: argparse.Namespace) -> Report:
    """Do what was asked for."""
    match options.action:
        case "key":
            existing_parent(options.file)
            values: dict[str, Any] = {"private_key": str(options.file), "public_key": new_key(options.file)}
            return Report(values, lines(values))
        case "write":
            return _write(options)
        case "receipt":
            return _receipt(options)
        case _:
            return _verify(options)


def _write(options: argparse.Namespace) -> Report:
    task = task_from(options)
    existing_parent(options.file)
    key = load_private_key(options.key)
    community = environment_of(task).community
    last = community.n_days if options.days is None else options.first + options.days
    if not options.first < last <= community.n_days:
        raise ValueError(f"days must be within the {community.n_days} of {community.name}, got {options.first} to {last - 1}.")
    scenarios = [Scenario(day, options.price_path) for day in range(options.first, last)]
    book = book_of(task, {"gridtoll": __version__, "commit": commit()})
    days = _settled(task, scenarios, charges_from(options.charge), threads=options.jobs, quiet=options.quiet)
    head = (append_days if options.append else write_ledger)(options.file, book, days, key)
    values = {"ledger": str(options.file), "days": len(scenarios), "bytes": options.file.stat().st_size, "head": head}
    return Report(values, lines(values) + "\nKeep the head in another place: it shows that no day was cut off the end.")


def book_of(task: GameSpec, software: Mapping[str, str | None]) -> Book:
    """Return what holds for all days of a game's ledger; ``software`` are the versions of what writes it."""
    setting = environment_of(task).setting
    return Book(
        community=setting.community.name,
        content_hash=setting.community.content_hash,
        prosumers=setting.community.prosumer_names,
        network=setting.community.network,
        tariff=setting.tariff,
        flows=task.flows,
        mechanism=task.mechanism,
        power_flow=task.power_flow,
        software=software,
    )


def _settled(task: GameSpec, scenarios: list[Scenario], charge: tuple[float, ...], *, threads: int, quiet: bool) -> Iterator[SettledDay]:
    """Yield the settled days, cleared some at a time."""
    setting, market = environment_of(task).setting, market_of(task, threads=threads)
    coefficients = setting.read(charge)
    charges = setting.tariff.charges(coefficients)
    with progress("days", len(scenarios), quiet=quiet) as bar:
        for first in range(0, len(scenarios), _AT_ONCE):
            some = scenarios[first : first + _AT_ONCE]
            days = [setting.day_of(scenario) for scenario in some]
            played = transitions(setting.rules, market, days, np.broadcast_to(charges, (len(some), *charges.shape)))
            for number, (scenario, day) in enumerate(zip(some, days, strict=True)):
                yield SettledDay(
                    day=day,
                    date=setting.community.date(scenario.day).isoformat(),
                    price_path=scenario.price_path,
                    coefficients=coefficients,
                    clearing=played.clearings[number],
                    settlement=played.settlements.row(number),
                )
            bar.update(len(some))


def _receipt(options: argparse.Namespace) -> Report:
    existing_parent(options.out)
    names = read_opening(options.file).content["prosumers"]
    who = names.index(options.prosumer) if options.prosumer in names else _number(options.prosumer, names)
    receipt = receipt_of(options.file, day=options.day, prosumer=who)
    write_atomically(options.out, lambda file: file.write(receipt))
    values = {"receipt": str(options.out), "day": options.day, "prosumer": names[who], "bytes": len(receipt)}
    return Report(values, lines(values))


def _number(text: str, names: list[str]) -> int:
    if not text.isdigit() or int(text) >= len(names):
        raise ValueError(f"`prosumer` must be a number from 0 to {len(names) - 1}, or one of {', '.join(names)}; got {text!r}.")
    return int(text)


def _verify(options: argparse.Namespace) -> Report:
    signer = None if options.public_key is None else load_public_key(options.public_key)
    with options.file.open("rb") as file:
        first = file.readline()
    if read_line(first).get("kind") == "receipt":
        own, faults = verify_receipt(options.file.read_bytes(), public_key=signer)
        values: dict[str, Any] = {"prosumer": own.get("name"), "date": own.get("date"), **own.get("account", {})}
    else:
        with progress("days", None, quiet=options.quiet) as bar:
            found = verify_ledger(options.file, public_key=signer, head=options.head, told=lambda _: bar.update(1))
        faults = found.faults
        values = {name: getattr(found, name) for name in ("days", "statements", "public_key", "head", "proved", "greatest_gap")}
    values |= {"faults": [str(fault) for fault in faults], "holds": not faults}
    shown = {name: value for name, value in values.items() if name not in ("faults", "holds")}
    text = lines(shown) + "\n" + _verdict(faults, pinned=signer is not None)
    return Report(values, text, exit_code=1 if faults else 0)


def _verdict(faults: tuple[Any, ...], *, pinned: bool) -> str:
    if faults:
        more = [f"... and {len(faults) - _MOST_PRINTED} more"] if len(faults) > _MOST_PRINTED else []
        return "\n".join([f"{len(faults)} faults:", *(f"  {fault}" for fault in faults[:_MOST_PRINTED]), *more])
    return (
        "All of it holds."
        if pinned
        else "All of it holds. Give --public-key to see whose signature it is: the file names a key of its own."
    )
