"""``gridtoll explore``: a page in the browser, served to this machine alone."""

from __future__ import annotations

import argparse
import signal
import sys
import time
import webbrowser
from typing import Final

from ...envs.community.calendar import Scenario
from ...envs.community.sources import DEFAULT_COMMUNITY
from ...envs.games.spec import HOURLY_ONLY, GameSpec
from ...envs.market.exact.compiled import see_to_machine_code
from ...envs.packages import package_of
from ..ground.text import Report
from .options import add_game_options, add_report_options, decimal, task_from, whole

DESCRIPTION = """\
Serve a page to play with: move the charge, the day, prices, batteries and rules of a community, and see at once what the market answers.

The page is served to this machine alone (127.0.0.1) and loads nothing from anywhere else: it works without the internet. It shows the grid
with its loading and trades, the day's power, profit over the charge with the certified optimum, who gains and who loses, and what a leader
posts on the day. A second page plays the hourly game by hand, with a score. Ctrl-C ends it.

Needs Bokeh: in your clone of gridtoll, run pip install ".[explore]".
"""
EXAMPLES = """\
  gridtoll explore
  gridtoll explore ieee57 --day 180 --open
  gridtoll explore ./my-community --tariff unique --port 8080
  gridtoll explore --leader runs/first --hourly-leader sac.onnx
"""
PORT: Final = 5006
_LEFT_OUT: Final = ("community", "env", "charges_per", "information", *HOURLY_ONLY)
"""Fields of the game that the page has no use for, or asks for in other words."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "community", nargs="?", default=DEFAULT_COMMUNITY, metavar="COMMUNITY", help="a name or a folder (default: %(default)s)"
    )
    parser.add_argument("--port", type=whole, default=PORT, metavar="N", help="to serve on, 0 for any that is free (default: %(default)s)")
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    parser.add_argument("--day", type=whole, default=0, metavar="K", help="day of the data to begin with, from 0 (default: %(default)s)")
    parser.add_argument("--price-path", type=whole, default=0, metavar="P", help="price path to begin with (default: %(default)s)")
    parser.add_argument("--charge", type=decimal, metavar="G", help="charge to begin with in EUR/kWh (default: a fifth of the cap)")
    parser.add_argument(
        "--leader",
        default="grid-constant",
        metavar="L",
        help="a run folder, an ONNX file or a name as for `evaluate` (default: %(default)s)",
    )
    parser.add_argument("--hourly-leader", metavar="L", help="the same, trained on the hourly game: who plays beside you")
    add_game_options(parser, without=_LEFT_OUT)
    add_report_options(parser)


def run(options: argparse.Namespace) -> Report:
    """Serve until interrupted."""
    package_of("explore", "bokeh", "the page")
    from ..explore.background.leaders import check_leader  # noqa: PLC0415 - they take Bokeh
    from ..explore.background.processes import Background  # noqa: PLC0415
    from ..explore.model.problem import mechanism_of  # noqa: PLC0415
    from ..explore.model.reading import opening  # noqa: PLC0415
    from ..explore.page.begun import Begun  # noqa: PLC0415
    from ..explore.server import run_until_stopped, serving  # noqa: PLC0415

    spec = task_from(options, GameSpec(community=options.community))
    mechanism_of(spec.mechanism)  # raises where there is none, before any process starts
    problem, charge = opening(spec, Scenario(options.day, options.price_path), options.charge)
    check_leader(options.leader, spec)
    if options.hourly_leader is not None:
        check_leader(options.hourly_leader, spec.changed(env="hourly"))
    begun = Begun(problem=problem, charge=charge, leader=options.leader, hourly_leader=options.hourly_leader)
    background = Background()
    try:
        with serving(begun, background, port=options.port) as page:
            _say("getting the solver ready (up to a minute the first time, while it is compiled) …")
            began = time.perf_counter()
            see_to_machine_code()
            background.warm_up(problem)
            seconds = time.perf_counter() - began

            def ready() -> None:
                """Say so."""
                _say(f"ready after {seconds:.1f} s: open {page.url} in a browser on this machine; Ctrl-C ends it")
                if options.open:
                    webbrowser.open(page.url)

            number = run_until_stopped(page, ready=ready)
    finally:
        background.close()
    if number == signal.SIGTERM:
        signal.raise_signal(signal.SIGTERM)  # now it ends the command as every other
    return Report({"url": page.url}, f"served {page.url}")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
