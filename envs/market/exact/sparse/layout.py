"""Where the weights of a market's variables stand in the lower triangle of its normal matrix, all periods at once.

The unknowns are the nodal price of every prosumer and the storage price of every owner in every period. Two prosumers share an entry in a
period if they may trade; an owner's storage price shares one with its nodal price, and one with its own of the next period.

The order of elimination decides how many numbers the factor has. It is made once for all days with the same pairs and owners. Multiple
minimum degree (SuperLU's) keeps prosumers with few partners apart from the others for long. Where most may trade with most, all nodal
prices of a period go first.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, diags_array
from scipy.sparse.linalg import splu

from ..compiled.program import Program
from .symbolic import Symbolic, analyse

IntArray = NDArray[np.int64]

_DENSE = 0.3  # share of all pairs of prosumers from which minimum degree is not asked: it takes long then, and finds nothing better


class Pattern(NamedTuple):
    """A lower triangle: which numbers it has, and which of them a weight is added to.

    Attributes:
        pointer: Where each column's rows begin in ``row``, shape (n + 1,), n = T · (N + J).
        row: Rows, shape (Z,).
        edge: Number of the entry of each two prosumers that may trade in a period, −1 where it is left out, shape (T, U).
        diagonal: Of each unknown's own entry, shape (T, N + J).
        couple: Of the entry of an owner's two prices, shape (T, J).
        link: Of the entry of a storage price and that of the next period, shape (T − 1, J).
    """

    pointer: IntArray
    row: IntArray
    edge: IntArray
    diagonal: IntArray
    couple: IntArray
    link: IntArray


@dataclass(frozen=True, eq=False)
class Layout:
    """What all days with the same pairs and owners share.

    Attributes:
        sizes: (T, N, J, U), U being the number of pairs of prosumers that may trade, in whichever direction.
        edge_of: Number of the undirected pair of each pair that may trade, shape (K,).
        by_seller: The pairs that may trade in the order of their seller, and then of their buyer, shape (K,).
        place: Place of each unknown in the order of elimination, shape (T, N + J).
    """

    sizes: tuple[int, int, int, int]
    edge_of: IntArray
    by_seller: IntArray
    place: IntArray
    _row: IntArray  # of all entries, by columns
    _column: IntArray
    _rank: IntArray  # where each entry, family by family, stands among them

    @cached_property
    def work(self) -> float:
        """Multiplications of one factorisation with every trade present."""
        places = analyse_all(self)
        size, width = np.diff(places.pointer), np.diff(places.first).astype(np.float64)
        left = size - width
        return float((width * (left**2 / 2 + width * left / 2 + width**2 / 6)).sum())

    def pattern(self, present: NDArray[np.bool_]) -> Pattern:
        """Return the triangle with only those trades, shape (T, U), that are present."""
        t, n, j, u = self.sizes
        kept = np.ones(len(self._rank), dtype=np.bool_)
        kept[self._rank[: t * u]] = present.ravel()
        number = np.cumsum(kept) - 1
        number[~kept] = -1
        pointer = np.zeros(t * (n + j) + 1, dtype=np.int64)
        np.cumsum(np.bincount(self._column[kept], minlength=len(pointer) - 1), out=pointer[1:])
        edge, diagonal, couple, link = np.split(number[self._rank], np.cumsum([t * u, t * (n + j), t * j]))
        return Pattern(
            pointer, self._row[kept], edge.reshape(t, u), diagonal.reshape(t, n + j), couple.reshape(t, j), link.reshape(t - 1, j)
        )


def analyse_all(layout: Layout) -> Symbolic:
    """Return the places of the factor with every trade present."""
    t, _, _, u = layout.sizes
    pattern = layout.pattern(np.ones((t, u), dtype=np.bool_))
    places: Symbolic = analyse(pattern.pointer, pattern.row)
    return places


def layout_of(program: Program) -> Layout:
    """Return the layout of a day, which is kept for the next days with the same pairs and owners."""
    return _made(program.sizes, program.seller.tobytes(), program.buyer.tobytes(), program.owner.tobytes())


@lru_cache(maxsize=4)
def _made(sizes: tuple[int, int, int, int], seller: bytes, buyer: bytes, owner: bytes) -> Layout:
    t, n, j, _ = sizes
    pairs = np.stack([np.frombuffer(seller, dtype=np.intp), np.frombuffer(buyer, dtype=np.intp)])
    by_seller = np.lexsort(pairs[::-1])
    ends = np.sort(pairs, axis=0)
    edges, edge_of = np.unique(ends[0] * n + ends[1], return_inverse=True)
    sharing = _sharing(t, n, edges, np.frombuffer(owner, dtype=np.intp))
    by_period = np.arange(t * (n + j)).reshape(t, n + j)
    orders = [np.concatenate([by_period[:, :n].ravel(), by_period[:, n:].ravel()])]
    if len(edges) < _DENSE * n * (n - 1) / 2:
        orders.append(_minimum_degree(sharing, t * (n + j)))
    made = [_placed((t, n, j, len(edges)), edge_of, by_seller, sharing, order) for order in orders]
    return min(made, key=lambda layout: layout.work)


def _sharing(t: int, n: int, edges: IntArray, owner: IntArray) -> tuple[IntArray, IntArray]:
    """Return the two unknowns of every entry: trades, diagonal, couples and links, in this order, each by period."""
    width = n + len(owner)
    base, stores = np.arange(t)[:, None] * width, np.arange(n, width)
    own = np.arange(t * width)
    first = [(base + edges // n).ravel(), own, (base + owner).ravel(), (base[:-1] + stores).ravel()]
    second = [(base + edges % n).ravel(), own, (base + stores).ravel(), (base[1:] + stores).ravel()]
    return np.concatenate(first), np.concatenate(second)


def _minimum_degree(sharing: tuple[IntArray, IntArray], size: int) -> IntArray:
    """Return the unknowns in SuperLU's order of elimination; it offers the order with a factorisation only."""
    first, second = sharing
    apart = first != second
    matrix = csc_array((np.full(np.count_nonzero(apart), -1.0), (first[apart], second[apart])), shape=(size, size))
    matrix = matrix + matrix.T
    matrix = csc_array(matrix + diags_array(1.0 - matrix.sum(axis=0)))
    factor = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    order: IntArray = np.argsort(factor.perm_c)
    return order


def _placed(
    sizes: tuple[int, int, int, int], edge_of: IntArray, by_seller: IntArray, sharing: tuple[IntArray, IntArray], order: IntArray
) -> Layout:
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    first, second = place[sharing[0]], place[sharing[1]]
    row, column = np.maximum(first, second), np.minimum(first, second)
    entries = np.argsort(column * len(order) + row)
    rank = np.empty(len(entries), dtype=np.int64)
    rank[entries] = np.arange(len(entries))
    return Layout(sizes, edge_of.astype(np.int64), by_seller, place.reshape(sizes[0], -1), row[entries], column[entries], rank)
