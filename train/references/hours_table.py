"""What became of the best sequences of many days: the numbers of one, a summary, and one row for each day."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from ..ground.runs import write_text
from ..ground.text import table
from .answers import Found
from .hours import HourlyEnds


def values_of(ends: HourlyEnds) -> dict[str, Any]:
    """Return the numbers that ``gridtoll optimum --env hourly`` prints of a day; bounds only where there are any."""
    values = {"env": "hourly", **asdict(ends), "charges": list(ends.charges), "relative_gap": ends.relative_gap}
    bounds = () if ends.method != "played" else ("upper_bound_eur", "kept_bound_eur", "relative_gap")
    return {name: value for name, value in values.items() if name not in bounds}


def summary_of(found: Sequence[Found[HourlyEnds]], *, seconds: float) -> dict[str, Any]:
    """Return those it prints of a split; ``seconds`` is the wall time of it all."""
    solved = [entry.solved for entry in found if entry.solved is not None]
    errors = [entry.error for entry in found if entry.error is not None]
    names = ("zero_eur", "constant_eur", "kept_eur", "best_eur", "upper_bound_eur")
    return {
        "env": "hourly",
        "days": len(found),
        "from_store": sum(entry.was_stored for entry in found),
        "failed": len(errors),
        "certified": sum(ends.certified for ends in solved),
        "bounded": sum(math.isfinite(ends.upper_bound_eur) for ends in solved),
        **{f"mean_{name}": sum(getattr(ends, name) for ends in solved) / max(len(solved), 1) for name in names},
        "seconds": seconds,
        "errors": errors,
    }


def summary_table(summary: Mapping[str, Any]) -> str:
    """Return the same for reading."""
    header = ["days", "from store", "failed", "proved", "constant EUR/day", "kept EUR/day", "best found EUR/day", "bound EUR/day"]
    means = [f"{summary[f'mean_{name}_eur']:.2f}" for name in ("constant", "kept", "best", "upper_bound")]
    row = [*(str(summary[name]) for name in ("days", "from_store", "failed", "certified")), *means]
    return "\n".join([table(header, [row]), *summary["errors"]])


def write_rows(path: Path, found: Sequence[Found[HourlyEnds]]) -> None:
    """Write one row for each day as a CSV file, whole or not at all; of one that failed there is only its error."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ["day", "price_path", *(field.name for field in fields(HourlyEnds)), "error"], lineterminator="\n")
    writer.writeheader()
    for entry in found:
        known = {} if entry.solved is None else asdict(entry.solved) | {"charges": " ".join(map(repr, entry.solved.charges))}
        writer.writerow({**entry.scenario._asdict(), **known, "error": entry.error or ""})
    write_text(path, text.getvalue())
