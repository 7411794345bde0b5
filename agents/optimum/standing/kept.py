"""What is known of many days as arrays, so that it can be kept in a file and a search go on from it.

Responses at the ends of parts are left out: they are most of what is known, and are cleared again where a part is split once more. What is
kept says nothing of weights, risk or goal: every question about the same days may begin with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

import numpy as np

from .answers import SETTLED
from .between import SLICES
from .parts import Known, Part
from .search import StandingDays

_FLAT: Final = ("lower", "upper", "is_piece", "nearby", "is_decided")
_SPANS: Final = ("may", "likely")


def as_arrays(days: StandingDays) -> dict[str, Any]:
    """Return what is known of S days, with P parts in all, as arrays by name.

    Returns:
        ``counts`` and ``clearings`` of shape (S,); ``lower``, ``upper``, ``is_piece``, ``nearby`` and ``is_decided`` of shape (P,); ``may``
        and ``likely`` of shape (P, 2); ``bound`` and ``chord`` of shape (P, G, M, 3); ``charges`` of shape (C,) and ``settled`` of shape
        (C, S, 7) for C charges at which all days were settled.
    """
    parts = [part for each in days.known for part in each.parts]
    shape = (len(parts), len(days.goals), SLICES, 3)
    return {
        "counts": np.array([len(each.parts) for each in days.known], dtype=np.int64),
        "clearings": np.array([each.clearings for each in days.known], dtype=np.int64),
        **{name: np.array([getattr(part, name) for part in parts]) for name in _FLAT},
        **{name: np.array([getattr(part, name) for part in parts]).reshape(shape) for name in ("bound", "chord")},
        **{name: np.array([getattr(part, name) for part in parts]).reshape(-1, 2) for name in _SPANS},
        "charges": np.array(list(days.settled), dtype=np.float64),
        "settled": np.array(list(days.settled.values()), dtype=np.float64).reshape(-1, len(days.games), len(SETTLED)),
    }


def go_on_from(days: StandingDays, arrays: Mapping[str, Any]) -> None:
    """Let days begin with what was known of them.

    Args:
        days: The same days in the same order, of which nothing is known yet.
        arrays: As :func:`as_arrays` returned them.

    Raises:
        ValueError: If the arrays are of other days, or damaged.
    """
    counts, shape = arrays["counts"], (len(days.goals), SLICES, 3)
    if counts.shape != (len(days.games),) or arrays["bound"].shape != (int(counts.sum()), *shape):
        raise ValueError(f"what was kept must be of {len(days.games)} days, got {counts.shape[0]}. Leave it out to begin anew.")
    ends = np.concatenate([[0], np.cumsum(counts)])
    for number, (first, last) in enumerate(pairwise(ends.tolist())):
        parts = tuple(
            Part(
                lower=float(arrays["lower"][k]),
                upper=float(arrays["upper"][k]),
                bound=arrays["bound"][k],
                chord=arrays["chord"][k],
                ends=None,
                is_piece=bool(arrays["is_piece"][k]),
                nearby=float(arrays["nearby"][k]),
                is_decided=bool(arrays["is_decided"][k]),
                may=tuple(arrays["may"][k].tolist()),
                likely=tuple(arrays["likely"][k].tolist()),
            )
            for k in range(first, last)
        )
        covers = not parts or (parts[0].lower == 0.0 and parts[-1].upper == days.cap)
        if not covers or any(before.upper != after.lower for before, after in pairwise(parts)):
            raise ValueError(f"what was kept of day {number} must cover [0, {days.cap}] without holes. Leave it out to begin anew.")
        days.known[number] = Known(parts, int(arrays["clearings"][number]))
    for charge, settled in zip(arrays["charges"].tolist(), arrays["settled"], strict=True):
        days.settled[charge] = settled
