"""``gridtoll report``: what a comparison came to, as a page, as Markdown and as LaTeX tables."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...ground.text import Report
from ...reports.board import leaderboard
from ...reports.results import REFERENCE, REFERENCE_HOURLY, Results, pack, read_results
from ...reports.scores import groups_of
from ...reports.story import tell
from ...reports.writing import text_of, write_report
from ..options import add_report_options, decimal, natural
from ..options.games import refuse
from .rerun import TOLERANCE, check_rerun, rerun_text, rerun_values
from .unpacking import pack_references

DESCRIPTION = """\
Report a comparison: leaderboard, performance profiles, regret against effort with the exact solver on the same axes, regret by season, how
much regret comes from missing information and how much from learning, paired tests, and pictures of the worst days.

With --out this writes report.html, one page that needs nothing beside it; report.md with its pictures under figures/; tables.tex, LaTeX
tables for the package booktabs; and leaderboard.csv. Everything comes from the cells' rows, and the same cells give the same bytes. Failed
cells are listed and count as the worst. Unfinished ones are listed and left out. The leaderboard is printed either way. Its regrets are
normalised: 0% = optimum, 100% = no charge. iqm is the interquartile mean of all seeds and days with its 95% interval, and clearings count
how often a seed solved the market to learn.

With --pack the results become three files, or of the hourly game four: the last has what is known of its days, so that `gridtoll compare
--packed` goes on from them without searching again.

--check RUN compares a comparison that you ran again with the reference results, or with those of DIR: day by day, what was charged and what
it earned. The exit code is 1 if a cell differs.
"""
EXAMPLES = """\
  gridtoll report runs/comparison
  gridtoll report runs/comparison --out runs/report
  gridtoll report --reference --json
  gridtoll report --reference-hourly
  gridtoll report runs/comparison --pack reference
  gridtoll report --check runs/again
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("folder", type=Path, nargs="?", metavar="DIR", help="folder of `gridtoll compare`, or a packed one")
    parser.add_argument("--reference", action="store_true", help="report the reference results that ship with gridtoll")
    parser.add_argument("--reference-hourly", action="store_true", help="report those of the game from hour to hour")
    parser.add_argument("--check", type=Path, metavar="RUN", help="compare this rerun with the reference results, or with those of DIR")
    parser.add_argument(
        "--check-tolerance",
        type=decimal,
        default=TOLERANCE,
        metavar="EUR",
        help="with --check: to how many EUR, and EUR/kWh, numbers are the same (default: %(default)s)",
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="folder to write the report into")
    parser.add_argument("--pack", type=Path, metavar="FOLDER", help="write all cells and rows into three files in this folder")
    parser.add_argument("--seed", type=natural, default=0, metavar="S", help="seed of the bootstrap (default: %(default)s)")
    add_report_options(parser)


def run(options: argparse.Namespace) -> Report:
    """Report the comparison.

    Raises:
        ValueError: If there is not exactly one folder to report, or it holds nothing that can be reported.
    """
    if options.check is not None:
        return _check(options)
    for folder in (options.out, options.pack):
        if folder is not None and folder.exists() and not folder.is_dir():
            raise ValueError(f"a folder to write into must be a folder or not exist, got {folder}, which is a file.")
    results = _results(options)
    if options.out is None:
        entries, written = tuple(leaderboard(groups_of(results), seed=options.seed)), ""
    else:
        account = tell(results, seed=options.seed)
        write_report(account, options.out)
        entries, written = account.entries, f"\n\nwrote {options.out / 'report.html'}, report.md, tables.tex and leaderboard.csv"
    if options.pack is not None:
        pack(results, options.pack)
        pack_references(results, options.pack)
    return Report({"leaderboard": [entry.values() for entry in entries]}, text_of(entries) + written + _warnings(results))


def _check(options: argparse.Namespace) -> Report:
    """Compare a rerun with what was kept.

    Raises:
        ValueError: If something is to be written besides, or one of them cannot be read.
    """
    refuse(options, ("out", "pack"), "a report (without --check)")
    kept = read_results(_reference(hourly=options.reference_hourly) if options.folder is None else options.folder)
    found = check_rerun(read_results(options.check), kept, tolerance=options.check_tolerance)
    values = rerun_values(found, options.check_tolerance)
    return Report(values, rerun_text(found, options.check_tolerance), exit_code=0 if values["same"] else 1)


def _reference(*, hourly: bool) -> Path:
    """Return the folder of the reference results of one of the games.

    Raises:
        ValueError: If they are not here.
    """
    folder = REFERENCE_HOURLY if hourly else REFERENCE
    if not (folder / "cells.json").is_file():
        raise ValueError(f"the reference results must be in {folder}, but are not part of this installation.")
    return folder


def _results(options: argparse.Namespace) -> Results:
    if (options.folder is not None) + options.reference + options.reference_hourly != 1:
        raise ValueError("`gridtoll report` needs either the folder of a comparison, or --reference, or --reference-hourly.")
    return read_results(options.folder or _reference(hourly=options.reference_hourly))


def _warnings(results: Results) -> str:
    failed = "".join(f"\nfailed, counted as the worst: {cell.label}: {(cell.error or '').splitlines()[:1]}" for cell in results.failed)
    not_run = "".join(f"\nnot run, left out: {place}: {reason}" for place, reason in results.not_run.items())
    n_unfinished = len(set(results.unfinished) - set(results.not_run))
    unfinished = f"\nnot finished, left out: {n_unfinished} cells" if n_unfinished else ""
    return failed + not_run + unfinished
