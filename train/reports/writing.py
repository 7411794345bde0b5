"""Writing a report into a folder: one self-contained page, Markdown with its pictures, LaTeX tables, the leaderboard as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ...envs.files import write_atomically
from ..ground.page import page
from ..ground.runs import write_text
from ..ground.text import table
from ..statistics.intervals import FEW_SEEDS
from .board import LeaderboardLine
from .documents import FIGURES, html_of, latex_of, markdown_of
from .story import TITLE, Story
from .wording import count, percent, with_ends

FILES: Final = ("report.html", "report.md", "tables.tex", "leaderboard.csv")


def write_report(account: Story, folder: Path) -> list[Path]:
    """Write a report, each file whole or not at all, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = (
        page(TITLE, html_of(account.blocks)),
        markdown_of(account.blocks),
        latex_of(account.blocks),
        csv_of(account.entries),
    )
    written = []
    for name, text in zip(FILES, texts, strict=True):
        write_text(folder / name, text)
        written.append(folder / name)
    for picture in account.pictures:
        content = picture.svg
        write_atomically(folder / FIGURES / f"{picture.name}.svg", lambda file, content=content: file.write(content))  # type: ignore[misc]
        written.append(folder / FIGURES / f"{picture.name}.svg")
    return written


def csv_of(entries: Sequence[LeaderboardLine]) -> str:
    """Return the leaderboard as CSV, numbers as they are."""
    stream = io.StringIO()
    names = ("algorithm", "information_class", "community", "iqm", "ci95_low", "ci95_high", "mean", "worst_decile",
             "seed_means", "seeds", "failed", "days", "steps", "clearings", "validation_clearings", "seconds")  # fmt: skip
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(names)
    for entry in entries:
        low, high = (entry.iqm.low, entry.iqm.high) if entry.iqm.has_ends else ("", "")
        means = " ".join(map(repr, entry.seed_means))
        ends = (entry.iqm.centre, low, high, entry.mean, entry.worst_decile, means, entry.seeds, entry.failed, entry.days)
        effort = (entry.steps, entry.clearings, entry.validation_clearings, entry.seconds)
        writer.writerow((entry.algorithm, entry.information, entry.community, *ends, *effort))
    return stream.getvalue()


def text_of(entries: Sequence[LeaderboardLine]) -> str:
    """Return the leaderboard for reading in a terminal, a table for each community and class."""
    parts = []
    for community, information in dict.fromkeys((entry.community, entry.information) for entry in entries):
        rows = [
            [
                entry.algorithm,
                with_ends(entry.iqm.centre, entry.iqm.low, entry.iqm.high),
                percent(entry.mean),
                percent(entry.worst_decile),
                percent(max(entry.seed_means)),
                f"{entry.seeds}" + (f" ({entry.failed} failed)" if entry.failed else ""),
                str(entry.days),
                count(entry.clearings),
            ]
            for entry in entries
            if (entry.community, entry.information) == (community, information)
        ]
        header = [f"{community}, {information}", "IQM % [95%]", "mean %", "worst tenth %", "worst seed %", "seeds", "days", "clearings"]
        parts.append(table(header, rows))
    few = f"\nno interval: fewer than {FEW_SEEDS} seeds, or days of one week alone"
    return "\n\n".join(parts) + ("" if all(entry.iqm.has_ends for entry in entries) else few)
