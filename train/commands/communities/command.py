"""``gridtoll communities list|show|export|build``: what there is to play, and one's own."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from ....envs.community.calendar import count_split_days
from ....envs.community.community import Community
from ....envs.community.sources import COMMUNITY_NAMES, DEFAULT_COMMUNITY, HELD_OUT_COMMUNITIES, export_community, load_community
from ....envs.community.sources.place import as_path
from ...ground.text import Report, lines
from ..options import add_report_options
from .building import add_build_arguments, build

DESCRIPTION = """\
List the communities that come with gridtoll, show what one consists of, write one as a folder of CSV files, or build one from meter
readings, prices and a grid.

A folder written by `export` or `build` is a template: change its numbers or put in your own, and pass the folder wherever a community is
asked for. It is checked when it is loaded, and every fault is named with file, row and column.
"""
EXAMPLES = """\
  gridtoll communities list
  gridtoll communities show simbench-rural
  gridtoll communities export ieee9 my-community
  gridtoll clear --community ./my-community --day 0 --charge 0.1
  gridtoll communities build my-street --meters meters.csv --prices prices.csv --grid lines.csv --time-zone Europe/Berlin
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="name every community")
    showing = actions.add_parser("show", help="say what a community consists of")
    showing.add_argument("name", metavar="NAME", help="a name from `list`, or a folder")
    exporting = actions.add_parser("export", help="write a community as a folder of CSV files")
    exporting.add_argument("name", metavar="NAME", help="a name from `list`, or a folder")
    exporting.add_argument("folder", type=Path, metavar="DIR", help="a folder that does not exist or is empty")
    building = actions.add_parser("build", help="build a community from meter readings, prices and a grid, and write it as such a folder")
    add_build_arguments(building)
    for action in (listing, showing, exporting, building):
        add_report_options(action)


def run(options: argparse.Namespace) -> Report:
    """List, show, export or build."""
    match options.action:
        case "list":
            marks = {DEFAULT_COMMUNITY: "  (the default)", **dict.fromkeys(HELD_OUT_COMMUNITIES, "  (held out: nothing is trained on it)")}
            text = "\n".join(f"{name}{marks.get(name, '')}" for name in COMMUNITY_NAMES)
            values = {"communities": list(COMMUNITY_NAMES), "default": DEFAULT_COMMUNITY, "held_out": list(HELD_OUT_COMMUNITIES)}
            return Report(values, text)
        case "show":
            community = load_community(options.name)
            facts = _facts(community)
            text = lines({name: _words(value) for name, value in facts.items()})
            made = "\n".join(f"  {entry.field.ljust(_widest(community))}  {entry}" for entry in community.derivations)
            derivations = [entry.as_dict() for entry in community.derivations]
            return Report(
                facts | {"derivations": derivations},
                f"{text}\n\nwhat the data do not hold, and the rule that each number follows from:\n{made}",
            )
        case "build":
            return build(options)
        case _:
            community = load_community(options.name)
            export_community(community, options.folder)
            text = f"wrote {community.name} to {options.folder}\nNext: gridtoll communities show {as_path(options.folder)}"
            return Report({"community": community.name, "folder": str(options.folder)}, text)


def _facts(community: Community) -> dict[str, Any]:
    grid = community.network.grid
    kinds = np.array(community.renewable_kind)
    energy = float(community.load_kw.sum())
    return {
        "name": community.name,
        "held_out": community.name in HELD_OUT_COMMUNITIES,
        "prosumers": community.n_prosumers,
        "with_solar": int((kinds == "solar").sum()),
        "with_wind": int((kinds == "wind").sum()),
        "with_storage": int((community.storage_power > 0).sum()),
        "buses": grid.n_buses,
        "branches": grid.n_branches,
        "grid": grid.name,
        "days": community.n_days,
        "period_minutes": community.period_minutes,
        "time_zone": community.time_zone,
        "first_date": community.first_date.isoformat(),
        "price_paths": community.n_price_paths,
        "split_days": count_split_days(community.n_days),
        "mean_load_kw": energy / len(community.load_kw),
        "renewable_share": float(community.renewable_kw.sum()) / energy,
        "trading_pairs": int((community.trade_limit > 0).sum()),
        "charge_cap_eur_per_kwh": community.charge_cap,
        "content_hash": community.content_hash,
    }


def _widest(community: Community) -> int:
    return max(len(entry.field) for entry in community.derivations)


def _words(value: Any) -> Any:
    return ", ".join(f"{key} {item}" for key, item in value.items()) if isinstance(value, dict) else value
