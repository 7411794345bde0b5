"""``gridtoll report``: what a comparison came to, as a page, as Markdown and as LaTeX tables."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..ground.text import Report
from ..reports.board import leaderboard
from ..reports.results import REFERENCE, Results, pack, read_results
from ..reports.scores import groups_of
from ..reports.story import tell
from ..reports.writing import text_of, write_report
from .options import add_report_options, natural

DESCRIPTION = """\
Report a comparison: leaderboard, performance profiles, regret against effort with the exact solver on the same axes, regret by season, its
information and learning parts, paired tests, and the worst days with their clearing drawn.

With --out this writes report.html, one page that needs nothing beside it; report.md with its pictures under figures/; tables.tex, LaTeX
tables for the package booktabs; and leaderboard.csv. Everything comes from the cells' rows, and the same cells give the same bytes. Failed
cells are listed and count as the worst. Unfinished ones are listed and left out. The leaderboard is printed either way. Its regrets are
normalised: 0% = optimum, 100% = no charge. iqm is the interquartile mean of all seeds and days with its 95% interval, and clearings count
how often a seed solved the market to learn.
"""
EXAMPLES = """\
  gridtoll report runs/comparison
  gridtoll report runs/comparison --out runs/report
  gridtoll report --reference --json
  gridtoll report runs/comparison --pack reference
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("folder", type=Path, nargs="?", metavar="DIR", help="folder of `gridtoll compare`, or a packed one")
    parser.add_argument("--reference", action="store_true", help="report the reference results that ship with gridtoll")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="folder to write the report into")
    parser.add_argument("--pack", type=Path, metavar="FOLDER", help="write all cells and rows into three files in this folder")
    parser.add_argument("--seed", type=natural, default=0, metavar="S", help="seed of the bootstrap (default: %(default)s)")
    add_report_options(parser)


def run(options: argparse.Namespace) -> Report:
    """Report the comparison.

    Raises:
        ValueError: If there is not exactly one folder to report, or it holds nothing that can be reported.
    """
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
    return Report({"leaderboard": [entry.values() for entry in entries]}, text_of(entries) + written + _warnings(results))


def _results(options: argparse.Namespace) -> Results:
    if options.reference == (options.folder is not None):
        raise ValueError("`gridtoll report` needs either the folder of a comparison or --reference.")
    if options.reference and not (REFERENCE / "cells.json").is_file():
        raise ValueError(f"the reference results must be in {REFERENCE}, but are not part of this installation.")
    return read_results(REFERENCE if options.reference else options.folder)


def _warnings(results: Results) -> str:
    failed = "".join(f"\nfailed, counted as the worst: {cell.label}: {(cell.error or '').splitlines()[:1]}" for cell in results.failed)
    not_run = "".join(f"\nnot run, left out: {place}: {reason}" for place, reason in results.not_run.items())
    n_unfinished = len(set(results.unfinished) - set(results.not_run))
    unfinished = f"\nnot finished, left out: {n_unfinished} cells" if n_unfinished else ""
    return failed + not_run + unfinished
