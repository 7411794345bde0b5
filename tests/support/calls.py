"""How many Python calls something takes within gridtoll, counted as a reader meets them: functions of files, one after the other."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import gridtoll

ROOT = Path(gridtoll.__file__).resolve().parent
ROOMS = ("envs", "agents", "train")


@dataclass(frozen=True)
class Calls:
    """The calls of Python functions whose code stands in gridtoll's own files.

    What counts as one is what ``sys.setprofile`` reports as ``call``: a function, method, property, comprehension or generator that is
    entered, a generator each time it goes on. Compiled loops and other packages do not count, nor do what they call back into gridtoll
    with, unless it is gridtoll's own code. Dataclasses' constructors belong to no file.

    Attributes:
        calls: Each of them: file relative to the package, and name of the function.
    """

    calls: tuple[tuple[str, str], ...]

    @property
    def files(self) -> tuple[str, ...]:
        """The files they stand in."""
        return tuple(dict.fromkeys(file for file, _ in self.calls))

    @property
    def changes_of_file(self) -> int:
        """How often a call stands in another file than the call before it."""
        return sum(one != other for (one, _), (other, _) in zip(self.calls, self.calls[1:], strict=False))

    def most_frequent(self) -> list[tuple[tuple[str, str], int]]:
        """The functions by how often they are called, for a failure's message."""
        return Counter(self.calls).most_common()


def _in_package(file: Path) -> str | None:
    """A file's path within the package; None where it is not of its rooms: tests and a virtual environment stand in the clone as well."""
    path = file.resolve()
    if not (file.is_file() and path.is_relative_to(ROOT)):
        return None
    within = path.relative_to(ROOT)
    return within.as_posix() if within.parts[0] in ROOMS else None


def calls_of(action: Callable[[], Any]) -> Calls:
    """The calls that an action takes in this thread, the action itself left out."""
    found: list[tuple[str, str]] = []
    own: dict[str, str | None] = {}

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event != "call":
            return
        code = frame.f_code
        if code.co_filename not in own:
            own[code.co_filename] = _in_package(Path(code.co_filename))
        if (name := own[code.co_filename]) is not None:
            found.append((name, code.co_name))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(before)
    return Calls(tuple(found))
