"""Which of several kernels guesses training days best, each guessed without itself: what a kernel leaves is known before any other day.

Days of the same date under other price paths are left out together with it, since one would give the other away. With the kernel's matrix A
of all days, ridge included, and R the curves about their mean, what the others say of the days b left out is closed-form, as is usual for
ridge regression: R_b − (A⁻¹)_bb⁻¹ (A⁻¹R)_b. So one inverse serves all days, and no day is cleared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...envs.arrays import Array, IntArray
from .likeness import Kernel

_LITTLE: Final = 0.01
"""Of the median of what there is to win: days with less decide nothing."""


def best_kernel(kernels: Sequence[Kernel], dates: IntArray, earned: Array, allowed: NDArray[np.bool_]) -> Kernel:
    """Return the kernel whose guesses leave the least mean normalised regret; the first of several that leave as much.

    Args:
        kernels: Of the same D days.
        dates: Which days are left out together: those with the same number, shape (D,).
        earned: What each day earns at K charges, in its worth, the first of them 0, shape (D, K).
        allowed: Which of the charges each day may be charged, shape (D, K).
    """
    left = [mean_regret(guesses(kernel, dates, earned), earned, allowed) for kernel in kernels]
    return kernels[int(np.argmin(left))]


def guesses(kernel: Kernel, dates: IntArray, earned: Array) -> Array:
    """Return what each day is guessed to earn by days of other dates, shape (D, K); arguments as for :func:`best_kernel`."""
    mean = earned.mean(axis=0)
    about = earned - mean
    inverse = np.linalg.inv(kernel.matrix().numpy())
    solved = inverse @ about
    guessed = np.empty_like(earned)
    for date in np.unique(dates):
        (own,) = np.nonzero(dates == date)
        guessed[own] = mean + about[own] - np.linalg.solve(inverse[np.ix_(own, own)], solved[own])
    return guessed


def mean_regret(guessed: Array, earned: Array, allowed: NDArray[np.bool_]) -> float:
    """Return the mean normalised regret of charging each day what it is guessed to earn most at, over days with something to win.

    Args:
        guessed: What each day is guessed to earn at K charges, in its worth, shape (D, K).
        earned: As for :func:`best_kernel`; so is ``allowed``.
        allowed: See there.
    """
    chosen = np.where(allowed, guessed, -np.inf).argmax(axis=1)
    top = np.where(allowed, earned, -np.inf).max(axis=1)
    to_win = top - earned[:, 0]
    some = to_win > _LITTLE * np.median(to_win)
    left = top - earned[np.arange(len(earned)), chosen]
    return float((left[some] / to_win[some]).mean()) if some.any() else 0.0
