"""The intervals of the charge that a search has not solved: those still open, those that cannot win, and slivers too narrow to be split.

A gap that cannot beat the incumbent is closed: of it only the bound is kept. Each of its two responses has three numbers a trade, 17 MB for
1,000 prosumers with 20 partners.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from math import inf

from .certificate import PrunedGap
from .line import LinePoint


@dataclass(order=True)
class Gap:
    """An unsolved interval, ordered by greatest bound first and then by charge, so that runs repeat exactly."""

    negative_bound: float
    lower: float
    left: LinePoint
    right: LinePoint
    look_at: float

    @property
    def pruned(self) -> PrunedGap:
        """What the proof says of it."""
        return PrunedGap(self.left.charge, self.right.charge, -self.negative_bound)


class Gaps:
    """All of them."""

    def __init__(self) -> None:
        self._heap: list[Gap] = []
        self._closed: list[PrunedGap] = []
        self._slivers: list[Gap] = []

    @property
    def greatest_eur(self) -> float:
        """The greatest bound of those to be split, in EUR; minus infinity where there is none."""
        return -self._heap[0].negative_bound if self._heap else -inf

    @property
    def bound_eur(self) -> float:
        """Upper bound over everything not solved that may still win, in EUR; minus infinity where nothing is left."""
        return max((self.greatest_eur, *(-gap.negative_bound for gap in self._slivers)))

    def pop(self) -> Gap:
        """Return the gap with the greatest bound, which is then no longer among them."""
        return heapq.heappop(self._heap)

    def push(self, gap: Gap, *, best_eur: float) -> None:
        """Add a gap; where it cannot beat the best found so far, only its bound."""
        if -gap.negative_bound > best_eur:
            heapq.heappush(self._heap, gap)
        else:
            self._closed.append(gap.pruned)

    def leave(self, gap: Gap) -> None:
        """Keep a gap that is too narrow to be split."""
        self._slivers.append(gap)

    def close(self, best_eur: float) -> None:
        """Close those that cannot beat a new best."""
        self._closed += [gap.pruned for gap in self._heap if -gap.negative_bound <= best_eur]
        self._heap = [gap for gap in self._heap if -gap.negative_bound > best_eur]
        heapq.heapify(self._heap)

    def pruned(self) -> list[PrunedGap]:
        """Return what the proof says of all of them."""
        return [*self._closed, *(gap.pruned for gap in (*self._heap, *self._slivers))]
