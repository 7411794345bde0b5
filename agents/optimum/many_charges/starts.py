"""Where climbs in several coefficients begin, and how the clearings are shared out among them.

A climb from nowhere good stays there: where a period's charge stops all trade its slope is 0, and while a store can shift its
business to a cheap period, raising one charge alone pays nothing. Every start therefore first follows smoothed gradients, which move all
coefficients together, then a short climb; the best few go on until nothing helps.
"""

from __future__ import annotations

import numpy as np

from ....envs.community.day import Array
from ....envs.errors import ClearingError
from .game import Play, TariffGame
from .search import climb

_SHARES = (0.0, 0.3, 0.6, 0.15)  # constant charges tried first, as shares of the choke charge
_RISE, _MEMORY, _SQUARES = 0.03, 0.9, 0.99  # Adam's (Kingma and Ba, 2015) greatest step as a share of the choke charge, and its averages
_SHORT = 0.5  # share of the clearings for short climbs from all starts
_FINALISTS = 2


def choke_charge(game: TariffGame) -> float:
    """Return the least constant charge, to a hundredth of the cap, at which less than a hundredth of the energy at no charge is charged."""
    ones = np.ones(game.n_coefficients)
    most = float(game.charged_kwh(game.play(0.0 * ones).clearing).sum())
    low, high = 0.0, game.cap
    while high - low > 0.01 * game.cap:
        middle = 0.5 * (low + high)
        if float(game.charged_kwh(game.play(middle * ones).clearing).sum()) > 0.01 * most:
            low = middle
        else:
            high = middle
    return high


def best_found(game: TariffGame, hints: list[Array], *, n_starts: int, seed: int, max_clearings: int) -> tuple[Play, list[float]]:
    """Search from many starts.

    Args:
        game: The game.
        hints: Coefficients γ in EUR/kWh worth starting from, each of shape (K,), besides constant and random ones.
        n_starts: Starts beside the hints.
        seed: Draws random starts and directions; the same seed gives the same result.
        max_clearings: About how many clearings may be used.

    Returns:
        The best play, and what each start reached in EUR.

    Raises:
        ClearingError: If the day cannot be cleared.
    """
    limit, choke = game.clearings + max_clearings, choke_charge(game)
    k, rng = game.n_coefficients, np.random.default_rng(seed)
    starts = [np.full(k, share * choke) for share in _SHARES[:n_starts]]
    starts += [choke * rng.uniform() * rng.uniform(0.0, 1.0, k) for _ in range(n_starts - len(starts))]
    starts = [np.clip(hint, 0.0, game.cap) for hint in hints] + starts
    each = max(int(_SHORT * max_clearings / len(starts)), 20)
    found: list[Play] = []
    for start in starts:
        begun = game.clearings
        play = _follow(game, start, choke, steps=min(each // 3, 150))
        found.append(climb(game, play.action, rng, max_clearings=max(each - (game.clearings - begun), 10), choke=choke))
    order = sorted(range(len(found)), key=lambda i: -found[i].goal_eur)
    best = found[order[0]]
    finalists = order[:_FINALISTS]
    for place, i in enumerate(finalists):
        left = (limit - game.clearings) // (len(finalists) - place)
        if left > 0:
            found[i] = climb(game, found[i].action, rng, max_clearings=left, choke=choke)
        best = max(best, found[i], key=lambda play: play.goal_eur)
    return best, [play.goal_eur for play in found]


def _follow(game: TariffGame, start: Array, choke: float, *, steps: int) -> Play:
    """Follow gradients smoothed over steps (Adam) from a start and return the best point passed."""
    action, best = start, game.play(start)
    mean, square = np.zeros(len(start)), np.zeros(len(start))
    play = best
    for step in range(1, steps + 1):
        try:
            slope = game.gradient(play)
        except ClearingError:  # no derivative could be proved at this kink, and the old direction does
            slope = mean
        mean = _MEMORY * mean + (1.0 - _MEMORY) * slope
        square = _SQUARES * square + (1.0 - _SQUARES) * slope**2
        move = (mean / (1.0 - _MEMORY**step)) / (np.sqrt(square / (1.0 - _SQUARES**step)) + 1e-12)
        action = np.clip(action + _RISE * choke * (1.0 - step / (steps + 1.0)) * move, 0.0, game.cap)
        play = game.play(action)
        best = max(best, play, key=lambda candidate: candidate.goal_eur)
    return best
