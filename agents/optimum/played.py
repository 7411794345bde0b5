"""The best charges found by playing, where a market promises nothing that could be proved: an even grid, and closer ones around the best.

One number is tried on an even grid from 0 to the cap; then, round by round, on closer grids around the best so far. Several numbers begin
with the grid of equal ones; then each is moved by itself, up and down by a step that is halved when nothing has helped. What a market draws
at random it draws alike for all charges, so that charges are compared on one day and not on the luck of several.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from ...envs.arrays import Array

GRID: Final = 101
"""Charges of the first grid, both ends among them."""
_ROUNDS: Final = 4
_CLOSER: Final = 21
_HALVINGS: Final = 6

Play = Callable[[Array], Array]
"""Plays charges in EUR/kWh, shape (R, coefficients), each by itself, and returns the objective in EUR, shape (R,)."""


@dataclass(frozen=True, eq=False, kw_only=True)
class BestPlayed:
    """The best charges found.

    Attributes:
        charges: EUR/kWh, shape (coefficients,).
        best_eur: The objective there.
        clearings: Charges that were played.
        seconds: Wall time.
    """

    charges: Array
    best_eur: float
    clearings: int
    seconds: float


def best_played(play: Play, n_charges: int, *, cap: float, grid: int = GRID, closer: int = _CLOSER) -> BestPlayed:
    """Return the best charges found; of equally good ones the lowest on the first grid, and later the first found.

    Args:
        play: Plays charges, shape (R, n_charges), and returns the objective in EUR, shape (R,).
        n_charges: Coefficients of the tariff, in the order an operator posts them.
        cap: Greatest coefficient in EUR/kWh.
        grid: Charges of the first grid, both ends among them, at least 3.
        closer: Charges of each closer grid of one number, odd and at least 5.
    """
    began = time.perf_counter()
    first = np.repeat(np.linspace(0.0, cap, grid)[:, None], n_charges, axis=1)
    earned = play(first)
    best, best_eur, count = first[int(np.argmax(earned))], float(earned.max()), len(first)
    step = cap / (grid - 1)
    rounds = _ROUNDS if n_charges == 1 else _HALVINGS
    while rounds:
        tried = _around(best, step, cap, closer)
        earned = play(tried)
        count += len(tried)
        better = float(earned.max()) > best_eur
        if better:
            best, best_eur = tried[int(np.argmax(earned))], float(earned.max())
        if n_charges == 1 or not better:
            step, rounds = step / (closer // 2) if n_charges == 1 else step / 2, rounds - 1
    return BestPlayed(charges=best, best_eur=best_eur, clearings=count, seconds=time.perf_counter() - began)


def _around(best: Array, step: float, cap: float, closer: int) -> Array:
    """Return charges to try next, shape (R, n_charges): a closer grid for one number, one step up and down of each for several."""
    if len(best) == 1:
        return np.clip(best + np.linspace(-step, step, closer)[:, None], 0.0, cap)
    moves = step * np.vstack([np.eye(len(best)), -np.eye(len(best))])
    return np.clip(best + moves, 0.0, cap)
