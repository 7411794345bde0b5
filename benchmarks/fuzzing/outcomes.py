"""What came of a case, and how the outcomes of many are counted."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from gridtoll.envs.community.day import Day

from .styles import EXTREME, STYLES

OUTCOMES = ("right", "wrong", "unproved", "refused", "nameless", "open", "unverified", "crashed")
"""Right; wrong; not refuted, but the referee's bound is wider than it promises (extreme styles only); refused, with an entry named or
without; a search that does not close within its clearings; a certificate that `verify` refuses though nothing else contradicts it: no wrong
answer, but a failure on ordinary styles; any other exception."""

FAILURES = frozenset({"wrong", "crashed"})

_ENTRIES = re.compile(r"\b(" + "|".join([*(part.name for part in fields(Day) if part.name != "label"), "prosumer [0-9]+"]) + r")\b")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one case.

    Attributes:
        kind: ``"clearing"`` or ``"optimum"``.
        style: The case's style.
        seed: Its seed.
        outcome: One of ``OUTCOMES``.
        detail: What is wrong, in words.
        fallback: Whether the fallback had to clear.
        measures: Numbers whose greatest values are reported.
    """

    kind: str
    style: str
    seed: int
    outcome: str
    detail: str = ""
    fallback: bool = False
    measures: dict[str, float] = field(default_factory=dict)

    def line(self) -> dict[str, Any]:
        """Return it as what a line of JSON holds, with what replays it."""
        return asdict(self) | {"replay": f"{self.style}:{self.seed}"}


def refusal(message: str) -> str:
    """Return the outcome of a refusal: it must name an entry of the data."""
    return "refused" if _ENTRIES.search(message) else "nameless"


@dataclass
class Tally:
    """Counts of outcomes by style, and the greatest value of each measure."""

    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    greatest: dict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, outcome: Outcome) -> None:
        """Count one."""
        self.counts[outcome.style].update([outcome.outcome, "cases", *(["fallback"] if outcome.fallback else [])])
        worst = self.greatest[outcome.style]
        for name, value in outcome.measures.items():
            worst[name] = max(worst.get(name, value), value)

    def state(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {"counts": {style: dict(counts) for style, counts in self.counts.items()}, "greatest": dict(self.greatest)}

    def merge(self, state: dict[str, Any]) -> None:
        """Add what :meth:`state` returned."""
        for style, counts in state["counts"].items():
            self.counts[style].update(counts)
        for style, measures in state["greatest"].items():
            worst = self.greatest[style]
            for name, value in measures.items():
                worst[name] = max(worst.get(name, value), value)

    def table(self) -> list[str]:
        """Return the lines of a table: a row for each style, and the sums of ordinary and extreme ones."""
        if not self.counts:
            return []
        measures = list(dict.fromkeys(name for worst in self.greatest.values() for name in worst))
        columns = ["cases", *OUTCOMES, "fallback"]
        names = [style for style in STYLES if style in self.counts]
        groups = {
            "all ordinary": [name for name in names if name not in EXTREME],
            "all extreme": [name for name in names if name in EXTREME],
        }
        rows = {name: [name] for name in names} | {name: members for name, members in groups.items() if members}
        lines = ["| style | " + " | ".join([*columns, *measures]) + " |", "| --- |" + " ---: |" * (len(columns) + len(measures))]
        for label, members in rows.items():
            counts = sum((self.counts[name] for name in members), Counter[str]())
            found = [max((self.greatest[name][each] for name in members if each in self.greatest[name]), default=None) for each in measures]
            cells = [*(str(counts[column]) for column in columns), *("–" if value is None else f"{value:.2g}" for value in found)]
            lines.append(f"| {label} | " + " | ".join(cells) + " |")
        return lines

    def failures(self, outcomes: Iterable[str] = FAILURES) -> int:
        """Return how many cases came out as one of these, and on how many ordinary ones a right proof was refused."""
        refused = sum(counts["unverified"] for style, counts in self.counts.items() if style not in EXTREME)
        return refused + sum(counts[name] for counts in self.counts.values() for name in outcomes)
