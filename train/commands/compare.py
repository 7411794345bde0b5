"""``gridtoll compare``: algorithms × seeds × communities × information classes from one file."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ...envs.errors import unknown_name
from ..compare.cells import Cell
from ..compare.grid import compare
from ..compare.plan import Plan
from ..compare.plan_file import SHIPPED, find_plan, read_plan
from ..compare.summary import list_cells, summarise
from ..ground.text import Report
from ..learning.algorithms import ALGORITHMS
from ..workers import Workers
from .options import add_backend_options, add_report_options
from .report.unpacking import unpack

DESCRIPTION = f"""\
Compare algorithms: train each with every seed in every community and information class, score it on the same test days, and keep the rows.

PLAN is a TOML file, or the name of one that comes with gridtoll ({", ".join(sorted(path.stem for path in SHIPPED.glob("*.toml")))}):

  communities = ["simbench-rural"]     # names or folders; or a table [communities] with
                                       # simbench-rural = ["public", "full"], each its classes, or
                                       # {{ public = 10, full = 5 }}, with the first so many seeds
  information = ["public", "full"]     # what leaders observe
  seeds = 10                           # 0 to 9; or a list
  steps = 4000                         # budget of training days each algorithm is given
  validation_days = 28                 # of each validation; all if absent
  test_days = 112                      # spread over the split; all if absent
  [game]                               # other arguments of the game, such as env = "hourly"
  tariff = "distance"
  [effort]                             # of the hourly game: how hard best sequences are searched for
  plans = 1500
  [algorithms.sac]                     # a name of your choice, with settings
  learning_rate = 1e-4
  [algorithms.mine]
  algorithm = "leaders:MeanOptimum"    # module:Class, also from the current folder
  steps = 500                          # a budget of its own
  full = {{ days = 60 }}                 # settings in one information class
  tuned = "tuned.toml"                 # settings found by `gridtoll tune`

Algorithms: {", ".join(ALGORITHMS)}.

Each combination is a cell with files of its own in DIR/cells. If the command is interrupted or killed, run it again: complete cells stay,
the others are finished, and the rows are the same as without the break. You may add algorithms, seeds, communities and information
classes to the plan later. Settings must stay once their cells have begun; so must tuned files and code of your own.

A cell whose algorithm fails is recorded, counts as the worst, and makes the exit code 2. Packages are checked before the first cell. If an
algorithm needs a package that is missing, it is not run and has no score, and the exit code is 2 as well. The message says what to install;
the same command runs the algorithm then.

The budget is a request, not a limit: an algorithm ends with the round it is in, and some need less. What each really played, cleared and
took is recorded in its cells and printed beside its score.

Checkpoints contain pickles: go on only with comparisons of your own. With --backend ray every node must see DIR.
"""
EXAMPLES = """\
  gridtoll compare quick --out runs/quick
  gridtoll compare plan.toml --out runs/mine --jobs 4
  gridtoll compare plan.toml --out runs/mine --list
  gridtoll compare --out runs/mine --only sac,ppo
  gridtoll compare plan.toml --packed results/packed --out runs/mine
  RAY_ADDRESS=auto gridtoll compare reference --out /shared/reference --backend ray
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("plan", nargs="?", metavar="PLAN", help="what to compare (default: DIR/plan.toml, to go on)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="new, empty, or the folder of this comparison")
    parser.add_argument("--only", metavar="A,A", help="only these algorithms of the plan, separated by commas")
    parser.add_argument("--retry-failed", action="store_true", help="run failed cells again, from the start")
    parser.add_argument(
        "--packed", type=Path, metavar="FOLDER", help="begin with the finished cells of results that `gridtoll report --pack` wrote"
    )
    parser.add_argument(
        "--score-again",
        action="store_true",
        help="score finished cells against what is known of their test days now; where data have changed, charges are cleared again",
    )
    parser.add_argument("--list", action="store_true", help="list the cells and their state, and run nothing")
    add_backend_options(parser)
    add_report_options(parser)


def run(options: argparse.Namespace) -> Report:
    """Compare."""
    root: Path = options.out
    path = root / "plan.toml" if options.plan is None else find_plan(options.plan)
    if not path.is_file():
        raise ValueError(f"a new comparison needs a plan, and there is none in {root}. Name one: gridtoll compare PLAN --out {root}.")
    content = path.read_bytes()
    plan = read_plan(content, source=str(path))
    cells = _chosen(plan, options.only)
    if options.packed is not None:
        unpack(options.packed, root, plan, content, again=options.score_again)
    if options.list:
        return list_cells(root, cells)
    with Workers(options.jobs, backend=options.backend, quiet=options.quiet, apart=True) as workers:
        compare(plan, content, root, workers, cells=cells, retry_failed=options.retry_failed, again=options.score_again)
    return summarise(root, cells)


def _chosen(plan: Plan, only: str | None) -> Sequence[Cell]:
    """Return the cells of the algorithms asked for, of all if none are."""
    if only is None:
        return plan.cells()
    names = only.split(",")
    known = [entry.name for entry in plan.algorithms]
    for name in names:
        if name not in known:
            raise unknown_name("an algorithm of the plan", name, known)
    return [cell for cell in plan.cells() if cell.name in names]
