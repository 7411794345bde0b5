"""At which charges every branch of one scenario can be within its limit, and what share of many scenarios that is.

Flows are affine along the chord between two responses, and the response strays from it by no more than is known
(:func:`..one_charge.bounds.secure_part`): outside ``may`` a branch is above its limit. On an affine piece the chord is the response.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from ....envs.community.day import Array
from ..one_charge.bounds import Norms, radius_of, secure_part
from ..one_charge.chord import Chord

if TYPE_CHECKING:
    from .parts import Known, Part

PADDING: Final = 2e-9
"""Share of the cap by which charges may be secure beyond what is found: for those who clear again."""
_WITHIN: Final = 0.5  # share of the tolerance on limits that answers use; the rest keeps them secure when cleared again
_NOWHERE: Final = (np.inf, -np.inf)


def secure_between(chord: Chord, norms: Norms, *, cap: float, is_piece: bool) -> tuple[tuple[float, float], tuple[float, float], bool]:
    """Return between which charges a scenario may be secure, and likely is, in EUR/kWh, and whether the latter is certain.

    Args:
        chord: Between two responses.
        norms: Of its game.
        cap: Greatest charge, EUR/kWh.
        is_piece: Whether the chord is the response.
    """
    radius = 0.0 if is_piece else radius_of(chord.line, chord.left, chord.right)
    shares = (
        secure_part(chord, radius=radius, norms=norms),
        secure_part(chord, share=_WITHIN),
        secure_part(chord, radius=-radius, norms=norms, share=_WITHIN),
    )
    may, likely = (
        (chord.left.charge + low * chord.width - pad, chord.left.charge + high * chord.width + pad) if low <= high else _NOWHERE
        for (low, high), pad in zip(shares, (PADDING * cap, 0.0), strict=False)
    )
    return may, likely, is_piece or may == _NOWHERE or shares[2] == (0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Secured:
    """How secure S scenarios are in each of K cells of charges.

    Attributes:
        may: The weight of scenarios that can be secure somewhere in the cell, shape (K,).
        surely: The weight of those that are secure all over it, shape (K,).
        is_open: Whether a scenario may be secure in the cell or not, shape (S, K).
    """

    may: Array
    surely: Array
    is_open: NDArray[np.bool_]


def secured(known: Sequence[Known], weights: Array, edges: Array) -> Secured:
    """Return how secure scenarios are in cells.

    Args:
        known: What is known of each of S scenarios.
        weights: Of the scenarios, shape (S,).
        edges: Of the cells, EUR/kWh, shape (K + 1,).
    """
    shape = (len(known), len(edges) - 1)
    may, undecided, insecure = (np.zeros(shape, dtype=np.bool_) for _ in range(3))
    for s, each in enumerate(known):
        for part in each.parts:
            cells = _cells(edges, part.lower, part.upper)
            undecided[s, cells] |= not part.is_decided
            may[s, _cells(edges, *part.may)] = True
            insecure[s, cells] |= part.likely == _NOWHERE
            insecure[s, _cells(edges, part.lower, min(part.likely[0], part.upper))] = True
            insecure[s, _cells(edges, max(part.likely[1], part.lower), part.upper)] = True
    return Secured(weights @ may, weights @ ~(undecided | insecure), undecided)


def spans_of(known: Known, *, cap: float) -> Array:
    """Return between which charges a scenario may be secure, for a certificate: half of the padding is left to those who check it.

    Args:
        known: What is known of the scenario.
        cap: Greatest charge, EUR/kWh.

    Returns:
        Intervals that have no point in common, rising, EUR/kWh, shape (M, 2).
    """
    found: list[list[float]] = []
    for low, high in (part.may for part in known.parts):
        if found and low <= high and low <= found[-1][1]:
            found[-1][1] = max(found[-1][1], high)
        elif low <= high:
            found.append([low, high])
    back = 0.5 * PADDING * cap
    return np.asarray(np.array(found).reshape(-1, 2) + np.array([back, -back]))


def likely_at(known: Sequence[Known], weights: Array, charges: Array) -> Array:
    """Return the weight of scenarios that are likely secure at charges in EUR/kWh; both of one shape."""
    total = np.zeros(len(charges))
    for weight, each in zip(weights, known, strict=True):
        uppers = np.array([part.upper for part in each.parts])
        low, high = np.array([part.likely for part in each.parts]).T
        found = np.zeros(len(charges), dtype=np.bool_)
        for side in ("left", "right"):  # at an end of a part both count
            at = np.minimum(np.searchsorted(uppers, charges, side), len(uppers) - 1)
            found |= (low[at] <= charges) & (charges <= high[at])
        total += weight * found
    return total


def limits_of(known: Sequence[Known], kind: Literal["may", "likely"]) -> Array:
    """Return where scenarios begin or cease to be secure, as far as parts say what may or likely is, rising, EUR/kWh, shape (any,)."""
    found = {end for each in known for part in each.parts for end in getattr(part, kind) if part.lower < end < part.upper}
    return np.array(sorted(found))


def where_to_look(part: Part) -> float:
    """Return the charge of an undecided part at which to clear: where a branch likely reaches its limit, else the middle, EUR/kWh."""
    width = part.upper - part.lower
    inside = [end for end in part.likely if part.lower + 0.01 * width < end < part.upper - 0.01 * width]
    return inside[0] if inside else part.lower + 0.5 * width


def _cells(edges: Array, lower: float, upper: float) -> slice:
    """Return the cells that an interval has more than an end in common with; none for one without width."""
    if not lower < upper:
        return slice(0)
    return slice(max(int(np.searchsorted(edges, lower, "right")) - 1, 0), int(np.searchsorted(edges, upper, "left")))
