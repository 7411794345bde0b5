"""Reading a ledger day by day, never more than one in memory, with the number of each line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .canonical import FORMAT, read_line

_NEEDED: Final = ("public_key", "prosumers", "tariff", "network", "flows", "power_flow")
_TAIL: Final = 2**16
_SEAL: Final = b'"kind":"seal"'
_HEAD: Final = 80
"""Bytes at the beginning of a line that say its kind, in seals."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Opening:
    """The first line of a ledger.

    Attributes:
        line: Its bytes.
        content: What it says.
    """

    line: bytes
    content: dict[str, Any]

    @property
    def n_prosumers(self) -> int:
        """Number of prosumers N."""
        return len(self.content["prosumers"])


@dataclass(frozen=True, eq=False, kw_only=True)
class DayLines:
    """The lines of one day as they stand in the file: day, N statements, leaves, seal; fewer where the file ends early.

    Attributes:
        first: Number of the first line, counted from 1.
        lines: Their bytes.
    """

    first: int
    lines: list[bytes]


def read_opening(path: Path) -> Opening:
    """Return the first line of a ledger.

    Raises:
        ValueError: If it is none, or of a format that this version does not know.
    """
    with path.open("rb") as file:
        return opening_of(file.readline(), str(path))


def opening_of(line: bytes, where: str) -> Opening:
    """Return a first line as read; errors as :func:`read_opening`."""
    try:
        content = read_line(line)
    except ValueError as error:
        raise ValueError(
            f"{where}, line 1 {error}. A ledger begins with a line of kind `ledger`; `gridtoll ledger write` writes one."
        ) from None
    if content.get("kind") != "ledger":
        raise ValueError(f"{where}, line 1 must be of kind `ledger`, got {content.get('kind')!r}. `gridtoll ledger write` writes one.")
    if content.get("format") != FORMAT:
        raise ValueError(f"{where} must have format {FORMAT}, got {content.get('format')!r}. Read it with the version that wrote it.")
    missing = [name for name in _NEEDED if name not in content]
    if missing or not isinstance(content["prosumers"], list):
        raise ValueError(f"{where}, line 1 must hold {', '.join(missing or ['a list of prosumers'])}, and does not: it was changed.")
    return Opening(line=line, content=content)


def days_of(path: Path, opening: Opening) -> Iterator[DayLines]:
    """Yield the lines of every day; what they say is for :mod:`.verification` to judge.

    A day ends with what looks like a seal, or after as many lines as it must have. A line feed too many or too few thus spoils its own day
    and not those that follow.
    """
    per_day = opening.n_prosumers + 3
    with path.open("rb") as file:
        file.readline()
        first, lines = 2, list[bytes]()
        for line in file:
            lines.append(line)
            if len(lines) == per_day or _SEAL in line[:_HEAD]:
                yield DayLines(first=first, lines=lines)
                first, lines = first + len(lines), []
        if lines:
            yield DayLines(first=first, lines=lines)


def last_seal(path: Path) -> tuple[bytes, int]:
    """Return the last line of a ledger and the number of its day.

    Raises:
        ValueError: If it is no seal.
    """
    with path.open("rb") as file:
        size, step = file.seek(0, 2), _TAIL
        while True:
            file.seek(max(0, size - step))
            end = file.read()
            if end.count(b"\n") > 1 or step >= size:
                break
            step *= 4
    line = end.splitlines(keepends=True)[-1]
    try:
        content = read_line(line)
    except ValueError as error:
        raise ValueError(f"the last line of {path} {error}. `gridtoll ledger verify` says more.") from None
    if content.get("kind") != "seal":
        raise ValueError(f"the last line of {path} must be a seal, got {content.get('kind')!r}. `gridtoll ledger verify` says more.")
    return line, int(content["day"])
