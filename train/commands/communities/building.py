"""``gridtoll communities build``: files of meters, prices and a grid become a folder that every other command takes."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

from ....envs.community.building.filling import RULES
from ....envs.community.building.request import EACH_TO_SET, FILLS, NUMBERS_TO_SET, PRICE_FILLS, BuildRequest
from ....envs.community.sources import export_community
from ....envs.community.sources.folder import require_free
from ....envs.community.sources.place import as_path
from ....envs.written import number
from ...ground.text import Report
from ..options import decimal, positive

_CONSTANTS: Final = ("import_price", "export_price", "loss_price")
_POWER: Final = ("kW", "kWh", "W", "Wh", "MW", "MWh")
_PRICES: Final = ("EUR/kWh", "ct/kWh", "EUR/MWh")


def add_build_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``build``."""
    parser.description = (
        "Build a community from files. CSV files may be separated by commas, semicolons or tabs, have points or commas in numbers, and be "
        "wide or long; Parquet is read as well. All faults are named at once, by file, row and column. docs/own-community.md shows it."
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="a folder that does not exist or is empty")
    parser.add_argument("--replace", action="store_true", help="replace the community that is in DIR already")
    parser.add_argument("--name", metavar="NAME", help="name of the community (default: that of DIR)")
    _add_files(parser)
    _add_dialect(parser)
    _add_time(parser)
    _add_rules(parser)


def _add_files(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("files")
    for name, text in (
        ("meters", "meter readings; columns that do not say what they hold are consumption"),
        ("generation", "meter readings whose columns are what the sun makes, unless they say otherwise"),
        ("net", "meter readings whose columns are consumption less generation, of either sign, unless they say otherwise"),
    ):
        group.add_argument(f"--{name}", type=Path, nargs="+", action="extend", default=[], metavar="FILE", help=text)
    group.add_argument("--prices", type=Path, metavar="FILE", help="prices: columns import, export and, if you have it, loss")
    for name in _CONSTANTS:
        word = name.partition("_")[0]
        group.add_argument(f"--{word}-price", type=decimal, metavar="X", help=f"one {word} price for all periods, EUR/kWh")
    group.add_argument(
        "--grid",
        required=True,
        metavar="GRID",
        help="a file of lines (.csv: from, to, r_ohm, x_ohm, limit_kw or limit_a), a pandapower network (.json), a name from "
        "pandapower.networks, a SimBench code, or a community",
    )
    group.add_argument("--prosumers", type=Path, metavar="FILE", help="a row per household: bus, battery_kw, battery_kwh, sun_kwp, …")
    group.add_argument("--voltage-kv", type=decimal, metavar="V", help="nominal voltage of lines given in ohms, kV (0.4 in a street)")
    group.add_argument("--slack", metavar="BUS", help="bus that takes up what is not balanced (default: where the first line begins)")


def _add_dialect(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what the files do not say")
    group.add_argument("--unit", choices=_POWER, help="of readings whose header has no unit")
    group.add_argument("--price-unit", choices=_PRICES, help="of prices whose header has no unit")
    group.add_argument(
        "--decimal", choices=(",", "."), metavar="SIGN", help="the decimal sign, a point or a comma, if a file does not tell"
    )
    group.add_argument("--time-column", metavar="NAME", help="the column of times, if its name does not say so")
    group.add_argument("--household-column", metavar="NAME", help="the column of households in a long file, if its name does not say so")
    group.add_argument("--ignore", nargs="+", action="extend", default=[], metavar="NAME", help="columns to leave out")


def _add_time(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("time")
    group.add_argument(
        "--time-zone",
        metavar="ZONE",
        help="zone of times without an offset, like Europe/Berlin; the community keeps its standard time all year: each day has 24 hours",
    )
    group.add_argument(
        "--stamps",
        choices=("start", "end"),
        help="which end of its period a time is (default: start; if the times look like ends, the command asks)",
    )
    group.add_argument("--period-minutes", type=positive, metavar="N", help="length of a period; divides the hour (default: the meters')")
    group.add_argument("--resample", choices=("hold",), help="take the same reading for each of several shorter periods")
    group.add_argument(
        "--from", dest="first_day", type=_day, metavar="DATE", help="first day, like 2024-10-14 (default: the first whole one)"
    )
    group.add_argument("--to", dest="last_day", type=_day, metavar="DATE", help="last day (default: the last whole one)")
    rules = "; ".join(f"{name}: {rule}" for name, rule in RULES.items())
    group.add_argument("--fill", choices=FILLS, help=f"fill gaps in readings by a rule; without one gaps are errors ({rules})")
    group.add_argument("--fill-prices", choices=PRICE_FILLS, help="fill gaps in prices")


def _add_rules(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("numbers instead of those that follow from rules")
    group.add_argument(
        "--set",
        dest="numbers",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=X",
        help=f"of the community: {', '.join(NUMBERS_TO_SET)}; the same for each household: {', '.join(EACH_TO_SET)} (numbers of its own "
        "stand in --prosumers)",
    )


def build(options: argparse.Namespace) -> Report:
    """Build the community and write its folder."""
    from ....envs.community.building import build_community  # noqa: PLC0415 - pandas and the grids take a second

    require_free(options.folder, replace=options.replace)
    built = build_community(_request(options))
    community = built.community
    export_community(community, options.folder, replace=options.replace, history=built.sentences.markdown)
    folder = as_path(options.folder)
    text = (
        f"wrote {community.name} to {options.folder}: {community.n_prosumers} prosumers, {community.n_days} days\n{built.sentences.text}\n"
        f"Next: gridtoll clear --community {folder} --day 0 --charge 0.05"
    )
    values: dict[str, Any] = {
        "community": community.name,
        "folder": str(options.folder),
        "prosumers": community.n_prosumers,
        "days": community.n_days,
        "first_date": community.first_date.isoformat(),
        "content_hash": community.content_hash,
        "read": built.sentences.read,
        "made": built.sentences.made,
        "derivations": [entry.as_dict() for entry in community.derivations],
    }
    return Report(values, text)


def _request(options: argparse.Namespace) -> BuildRequest:
    given: Mapping[str, Any] = vars(options)
    plain: tuple[str, ...] = (
        "grid",
        "prices",
        "prosumers",
        "unit",
        "price_unit",
        "decimal",
        "time_zone",
        "stamps",
        "period_minutes",
        "resample",
    )
    plain += ("fill", "fill_prices", "first_day", "last_day", "voltage_kv", "slack", "time_column", "household_column")
    return BuildRequest(
        name=options.name or options.folder.absolute().name,
        meters=tuple(options.meters),
        generation=tuple(options.generation),
        net=tuple(options.net),
        ignore=tuple(options.ignore),
        constants={name: given[name] for name in _CONSTANTS if given[name] is not None},
        numbers=_numbers(options.numbers),
        **{name: given[name] for name in plain},
    )


def _numbers(texts: Sequence[str]) -> dict[str, float]:
    """Read ``NAME=X`` pairs.

    Raises:
        ValueError: Naming each that is none.
    """
    found, wrong = dict[str, float](), []
    for text in texts:
        name, sign, value = text.partition("=")
        try:
            found[name.strip()] = number(value)
        except ValueError:
            sign = ""
        if not sign:
            wrong.append(repr(text))
    if wrong:
        raise ValueError(f"--set takes NAME=X with a number, like charge_cap=0.5, got {', '.join(wrong)}.")
    return found


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a date like 2024-10-14, got {text!r}") from None
