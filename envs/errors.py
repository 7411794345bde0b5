"""The errors users meet, and the wording they share.

Input that breaks a rule raises ``ValueError`` (a message per offending entry, all at once). A clearing that cannot be proved exact
raises ``ClearingError``, an AC power flow without a solution the ``PowerFlowError`` among them. Nothing else is raised on purpose.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final, TypeVar

_MOST_LISTED: Final = 5
Name = TypeVar("Name", bound=str)


class ClearingError(RuntimeError):
    """A clearing could not be solved to its tolerance; the message names the day and the charges needed to replay it.

    Attributes:
        number: Which of several days it was, counted from 0; None where only one was cleared or nobody has found out.
    """

    number: int | None = None


class PowerFlowError(ClearingError):
    """An AC power flow has no solution; the message names the hour.

    Attributes:
        number: Which of several days it was, counted from 0.
        period: Which of the day's periods, counted from 0.
    """

    def __init__(self, message: str, *, number: int, period: int) -> None:
        super().__init__(message)
        self.number, self.period = number, period


def unknown_name(kind: str, name: str, known: Iterable[str]) -> ValueError:
    """Return the error for a name that is not known, with the nearest known one.

    Args:
        kind: What is being named, for example ``"community"``.
        name: What came.
        known: Every accepted name.
    """
    names = sorted(known)
    near = get_close_matches(str(name), names, n=1, cutoff=0.4)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return ValueError(f"{kind} must be one of {', '.join(names)}; got {name!r}.{hint}")


def known_name(kind: str, name: str, known: Sequence[Name]) -> Name:
    """Return the known name that was given.

    Args:
        kind: What is being named, as :func:`unknown_name` takes it.
        name: What came.
        known: Every accepted name.

    Raises:
        ValueError: If it is none of them.
    """
    for each in known:
        if name == each:
            return each
    raise unknown_name(kind, name, known)


def two_readings(word: str, both: str, path: str) -> ValueError:
    """Return the error for a bare word that can be read in two ways.

    Args:
        word: What came.
        both: What it is, for example ``"a plan that comes with gridtoll and a file here"``.
        path: What to write for that which is here.
    """
    return ValueError(
        f"a word must have one meaning, but {word!r} is both {both}. Write {path!r} for what is here; for the other, rename what is "
        "here, or work in another folder."
    )


def listed(names: Sequence[str]) -> str:
    """Return the first few of names, and how many more there are."""
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return ", ".join(names[:_MOST_LISTED]) + more
