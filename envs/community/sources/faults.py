"""What is wrong with a community's files: every fault is noted, and the list that users get says each cause once and leaves no file out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_MOST_LINES: Final = 25
_FEW: Final = 3
"""Up to so many faults of one kind in one file are listed one by one."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        file: Where.
        text: What must hold, what came, and what to do.
        row: Line of the file, the header being row 1; None where it is about the whole file.
        column: None where it is about all of them.
        kind: Faults of one file that have one cause share it; None for a cause of its own.
    """

    file: str
    text: str
    row: int | None
    column: str | None
    kind: str | None

    @property
    def place(self) -> str:
        """Row and column, as far as there are any."""
        parts = [f"row {self.row}"] if self.row is not None else []
        return ", ".join(parts + ([f"column {self.column!r}"] if self.column is not None else []))

    def __str__(self) -> str:
        return f"{', '.join(part for part in (self.file, self.place) if part)}: {self.text}"


@dataclass
class Faults:
    """Everything found wrong with a folder so far, or with the files that one is to be built from.

    Attributes:
        folder: The folder.
        found: The faults, in the order they were found in.
        title: What the list is headed by, in place of the folder's being not valid.
    """

    folder: Path
    found: list[Fault] = field(default_factory=list)
    title: str = ""

    def add(self, file: str, text: str, *, row: int | None = None, column: str | None = None, kind: str | None = None) -> None:
        """Note a fault."""
        self.found.append(Fault(file, text, row, column, kind))

    def add_each(self, file: str, error: ValueError) -> None:
        """Note what an error lists below its first line, each line as a fault of its own, or all of an error that lists nothing."""
        listed = [line.removeprefix("  - ") for line in str(error).splitlines() if line.startswith("  - ")]
        for text in listed or [str(error)]:
            self.add(file, text)

    def raise_if_any(self) -> None:
        """Raise one ValueError that lists the faults, if there are any: a line for each cause, the files taking turns."""
        if self.found:
            lines = self._lines()
            listed = "\n".join(f"  - {line}" for line in lines[:_MOST_LINES])
            more = f"\n  and {len(lines) - _MOST_LINES} more" if len(lines) > _MOST_LINES else ""
            title = self.title or f"community folder {str(self.folder)!r} is not valid"
            raise ValueError(f"{title}:\n{listed}{more}")

    def _lines(self) -> list[str]:
        causes: dict[str, dict[str, list[Fault]]] = {}
        for index, fault in enumerate(self.found):
            causes.setdefault(fault.file, {}).setdefault(f"kind {fault.kind}" if fault.kind else f"fault {index}", []).append(fault)
        queues = [[line for group in groups.values() for line in _said(group)] for groups in causes.values()]
        return [queue[turn] for turn in range(max(map(len, queues))) for queue in queues if turn < len(queue)]


def _said(group: list[Fault]) -> list[str]:
    """Return the lines for faults of one cause."""
    if len(group) <= _FEW:
        return [str(fault) for fault in group]
    return [f"{str(group[0]).removesuffix('.')}; {len(group) - 1:,} more like it, the last in {group[-1].place}."]
