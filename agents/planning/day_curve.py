"""What one day earns at every charge, worked out once with a few clearings and then kept.

The affine pieces of the day's response and the chords between them give quadratics that cover [0, cap], and how far above them the goal can
lie at most (:mod:`..optimum.standing.parts`). On an affine piece the quadratic is the goal itself; where two quadratics meet it is exact.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import numpy as np

from ...envs.arrays import Array
from ...envs.market.mechanism import ExactResponse
from ..optimum.standing.between import SLICES
from ..optimum.standing.parts import Asked, Known, Part, StandingGame, refined
from ..optimum.standing.sums import peaks_of

_CELLS: Final = 128
"""Cells of charges in which what is still open is compared; all of them are asked for as much as the clearings allow."""
_PLACES: Final = np.array([[1.0, 0.0, 0.0], [1.0, 0.5, 0.25], [1.0, 1.0, 1.0]])
"""Powers of τ at the beginning, the middle and the end."""


@dataclass(frozen=True, kw_only=True)
class DayCurve:
    """The goal of one day over the charge, in M quadratics.

    Attributes:
        edges: Where the quadratics begin and end, EUR/kWh, rising from 0 to the cap, shape (M + 1,).
        quadratics: Coefficients in τ, which runs from 0 to 1 over each, lowest power first, EUR, shape (M, 3).
        excess: By how much the goal can lie above each of them at most, EUR, shape (M,).
        clearings: What it took.
        seconds: Wall time.
    """

    edges: tuple[float, ...]
    quadratics: tuple[tuple[float, ...], ...]
    excess: tuple[float, ...]
    clearings: int
    seconds: float


def day_curve(game: StandingGame, market: ExactResponse, *, clearings: int) -> DayCurve:
    """Work out the curve of a day, where most is open first.

    Args:
        game: The day's game, with one goal.
        market: What clears.
        clearings: How many clearings it may take.

    Raises:
        ClearingError: If a charge cannot be cleared.
    """
    began = time.perf_counter()
    asked = Asked(edges=np.linspace(0.0, game.cap, _CELLS + 1), allowed=np.zeros((1, _CELLS)), most=clearings)
    known = refined(game, Known(), asked, market)
    parts = [part for part in known.parts if part.upper > part.lower]
    edges = np.concatenate([np.linspace(part.lower, part.upper, SLICES + 1)[:-1] for part in parts])
    return DayCurve(
        edges=(*edges.tolist(), game.cap),
        quadratics=tuple(tuple(row) for part in parts for row in part.chord[0].tolist()),
        excess=tuple(np.concatenate([_excess(part) for part in parts]).tolist()),
        clearings=known.clearings,
        seconds=time.perf_counter() - began,
    )


def _excess(part: Part) -> Array:
    """Return how far the bound lies above the chord at most in each share of a part, EUR, shape (SLICES,)."""
    over = (part.bound[0] - part.chord[0]) @ _PLACES.T
    return np.asarray(np.maximum(peaks_of(over.T[None])[1][0], 0.0))
