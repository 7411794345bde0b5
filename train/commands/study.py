"""``gridtoll study``: the source paper's study, reproduced and widened."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...envs.community.sources import COMMUNITY_NAMES
from ...envs.packages import package_of
from ..ground.locks import writing_into
from ..ground.text import Report
from ..study.in_the_wires import study_wires
from ..study.markets import days_of, study_markets
from ..study.naming import LONG_LINES, SMALLEST, SYSTEMS, chosen_systems
from ..study.study import efforts_of, study
from .options import add_backend_options, add_report_options, positive, workers_from

DESCRIPTION = """\
Redo the source paper's study and go further: the four regimes (No, Free, Social and Optimal P2P), everything against the charge, with and
without storage, charge models, binding line limits, two accounts of flows and an import fee, scaling, who pays for losses, cost
recovery, and what the wires make of it by an AC power flow.

Writes tables (CSV), pictures (PNG) and one self-contained page (index.html) into a folder. Every answer about a single day is kept there
under cells/. If a study is killed, start it again and it goes on where it was. Large systems get fewer days and variants (effort.csv says
how many), so that each takes less than half an hour on two cores. docs/study.md tells the story.

With --part mechanisms it compares markets instead: each at its own best charge, what that charge earns in the others, and negotiations that
are cut short. Any community may be named; all means all of them. docs/mechanisms.md tells what it finds.

With --part wires it asks only what the wires make of it: losses and loading against the charge, and what Free, Social and Optimal P2P
promise by both accounts and come to under AC. Any community may be named; all means all of them. docs/wires.md tells what it finds.
"""
EXAMPLES = """\
  gridtoll study --system ieee9 --out study --quick
  gridtoll study --system ieee9 --system case33bw --out study --days 8 --jobs 2
  gridtoll study --system all --out study
  gridtoll study --system ./mine --out study
  gridtoll study --part mechanisms --system simbench-rural --out markets
  gridtoll study --part wires --system simbench-rural --out wires
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "--system",
        action="append",
        required=True,
        metavar="S",
        help=f"{', '.join(SYSTEMS)}, {SMALLEST}, {LONG_LINES}, all (the first {len(SYSTEMS)}), or the path of a folder of your own; "
        "may be given several times",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for everything")
    parser.add_argument(
        "--part",
        choices=("paper", "mechanisms", "wires"),
        default="paper",
        help="the paper's study, a comparison of markets, or of what is promised and what is in the wires (default: %(default)s)",
    )
    parser.add_argument(
        "--days",
        type=positive,
        metavar="N",
        help="days of each system, spread over the test split, or over all days of data that have none "
        "(default: 8, or 4 for large systems; 2 or 1 with --quick; of --part mechanisms 4, or 1)",
    )
    parser.add_argument("--quick", action="store_true", help="every part, but with fewer days, charges and variants")
    add_backend_options(parser)
    add_report_options(parser)


def run(options: argparse.Namespace) -> Report:
    """Run the study."""
    systems = chosen_systems(options.system, all_of=SYSTEMS if options.part == "paper" else COMMUNITY_NAMES)
    if options.out.exists() and not options.out.is_dir():
        raise ValueError(f"`--out` must name a folder, or one to be made, got {options.out}, which is a file.")
    if options.part != "mechanisms":
        package_of("ac", "lightsim2grid", "the study's part on wires")
    with writing_into(options.out), workers_from(options) as workers:
        if options.part == "mechanisms":
            return study_markets(days_of(systems, quick=options.quick, days=options.days), options.out, workers)
        efforts = efforts_of(systems, quick=options.quick, days=options.days)
        return (study_wires if options.part == "wires" else study)(efforts, options.out, workers)
