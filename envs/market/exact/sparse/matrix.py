"""The normal matrix with its factor: filled by the stages of a step, factorised and solved here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ....community.day import Array
from .layout import Layout
from .numeric import factorise, solve
from .symbolic import analyse


class Matrix:
    """A normal matrix with room for its factor.

    Args:
        layout: Of the market.
        present: Which trades it has, shape (T, U).
    """

    def __init__(self, layout: Layout, present: NDArray[np.bool_]) -> None:
        self.present = present
        self.pattern = layout.pattern(present)
        self._places = analyse(self.pattern.pointer, self.pattern.row)
        self._panels = np.empty(self._places.panel[-1])
        self._place = layout.place
        self.values = np.empty(len(self.pattern.row))
        """The numbers of the lower triangle, shape (Z,)."""

    def factorise(self) -> bool:
        """Factorise what stands in ``values``; return whether every pivot was positive."""
        return bool(factorise(self._places, self.pattern.pointer, self.pattern.row, self.values, self._panels))

    def solve(self, right: Array) -> Array:
        """Return the solution for a right-hand side, both of shape (T, N + J)."""
        placed = np.empty(right.size)
        placed[self._place.ravel()] = right.ravel()
        found: Array = solve(self._places, self._panels, placed)[self._place]
        return found
