"""What became of the optima of many days: a summary, and one row for each day."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any, Final

from ..ground.runs import write_text
from ..ground.text import table
from .answers import Found
from .solved import Solved

COLUMNS: Final = (
    "day",
    "price_path",
    "charge",
    "profit_eur",
    "upper_bound_eur",
    "relative_gap",
    "recleared_profit_eur",
    "clearings",
    "seconds",
    "objective",
    "recleared_welfare_eur",
    "method",
    "error",
)
"""Of the file that ``--out`` writes. Several charges are separated by spaces; ``upper_bound_eur`` is on the objective, ``seconds`` are
those it took when it was computed, and of a day that failed there is only its error."""


def summary_of(found: Sequence[Found[Solved]], *, seconds: float) -> dict[str, Any]:
    """Return the numbers ``gridtoll optimum --split`` prints; ``seconds`` is the wall time of it all."""
    solved = [entry.solved for entry in found if entry.solved is not None]
    stored = sum(entry.was_stored for entry in found)
    return {
        "days": len(found),
        "from_store": stored,
        "computed": len(solved) - stored,
        "failed": len(found) - len(solved),
        "closed": sum(entry.closed for entry in solved),
        "greatest_relative_gap": max((entry.relative_gap for entry in solved), default=math.nan),
        "median_clearings": median(entry.clearings for entry in solved) if solved else math.nan,
        "median_seconds": median(entry.seconds for entry in solved) if solved else math.nan,
        "seconds": seconds,
        "method": next((entry.method for entry in solved), None),
        "errors": [entry.error for entry in found if entry.error is not None],
    }


def summary_table(summary: Mapping[str, Any]) -> str:
    """Return the same for reading."""
    header = [
        "method",
        "days",
        "from store",
        "computed",
        "failed",
        "proved optimal",
        "greatest relative gap",
        "median clearings",
        "median s/day",
        "seconds",
    ]
    row = [
        summary["method"] or "-",
        *(str(summary[name]) for name in ("days", "from_store", "computed", "failed", "closed")),
        f"{summary['greatest_relative_gap']:.1e}",
        f"{summary['median_clearings']:g}",
        f"{summary['median_seconds']:.2f}",
        f"{summary['seconds']:.1f}",
    ]
    return "\n".join([table(header, [row]), *(f"failed: {error}" for error in summary["errors"])])


def write_rows(path: Path, found: Sequence[Found[Solved]]) -> None:
    """Write one row for each day as a CSV file, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for entry in found:
        row: dict[str, Any] = {**entry.scenario._asdict(), "error": entry.error}
        if entry.solved is not None:
            row |= asdict(entry.solved) | {"charge": " ".join(map(repr, entry.solved.charges))}
        writer.writerow(row)
    write_text(path, text.getvalue())
