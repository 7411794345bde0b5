"""What to ask of each day so that the sum over all of them rules charges out.

In a cell of charges the sum of the days' bounds is to come down to ``enough``. By their chords the days earn less there, or not. Where
they earn less, the bounds may stay that far above the chords, summed over days. Where they do not, or not by much, a round asks for a part
of what is open, and the next one for more. The days that leave most open are cut to one level; the others may stay as they are.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ....envs.community.day import Array
from .sums import Summed, middles_of

_BOLD: Final = 0.9  # of what may be left open at a charge that the days' chords put below what is enough
_STEP: Final = 0.3  # of what bounds leave open that a round leaves in any case
_CROOKED: Final = 0.25  # of what bounds leave open: where more is lost to the shape of a cell, the cell is cut
_WIDE: Final = 64  # cells of charges of equal width
_NARROW: Final = 4  # cells to each halving of the distance from the best charge
_OCTAVES: Final = 36  # halvings
_HALVINGS: Final = 40  # of the interval in which a level is sought


def cells_around(charge: float, cap: float) -> Array:
    """Return edges of cells from 0 to the cap, EUR/kWh, shape (K + 1,): of equal width, and ever narrower ones around a charge."""
    near = cap * 2.0 ** -(np.arange(1, _NARROW * _OCTAVES + 1) / _NARROW)
    every = np.concatenate([np.linspace(0.0, cap, _WIDE + 1), charge + near, charge - near, [charge]])
    return np.unique(every[(every >= 0.0) & (every <= cap)])


def allowance(sums: Summed, *, goal: int, enough: float, least: float) -> Array:
    """Return the excess of bound over chord that each of S days may keep in each of K cells, EUR, shape (S, K).

    Args:
        sums: Over the days.
        goal: Number of the goal.
        enough: What the sum of the bounds is to come down to, EUR.
        least: The least excess asked for, EUR.

    Returns:
        Infinite where nothing is asked: in cells where enough is known, and of days that do not count there.
    """
    (_, bound), (_, along) = sums.peaks(goal), sums.peaks(goal, chord=True)
    excess, counts = sums.days.excess[:, goal], sums.tail[:, goal]
    open_eur = np.maximum(bound - enough, (counts * excess).sum(axis=0))
    target = np.maximum(np.maximum(_BOLD * (enough - along), _STEP * open_eur), least)
    level = np.maximum(_levels(excess, counts, target), least)
    return np.asarray(np.where((bound > enough) & (counts > 0.0), level, np.inf))


def too_wide(sums: Summed, *, goal: int, enough: float) -> Array:
    """Return the middles of cells that are too wide to rule out what their days do rule out, EUR/kWh, shape (any,)."""
    bound = sums.peaks(goal)[1]
    over, excess = ((sums.tail[:, goal] * each[:, goal]).sum(axis=0) for each in (sums.days.over, sums.days.excess))
    wide = (bound > enough) & (over > _CROOKED * excess)
    return np.asarray(middles_of(sums.edges)[wide])


def _levels(excess: Array, counts: Array, target: Array) -> Array:
    """Return to what level the excesses of each cell must be cut for their weighted sum to come to its target, EUR, shape (K,).

    One level for all is nearly as good as the best there is, e in proportion to the cube root of E: an excess falls as the square of a
    width, so that cutting E down to e takes √(E/e) clearings. It is better than that rule where excesses are guesses.
    """
    low, high = np.zeros(len(target)), excess.max(axis=0, initial=0.0)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        fits = (counts * np.minimum(excess, middle)).sum(axis=0) <= target
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    return np.asarray(np.maximum(low, target))
