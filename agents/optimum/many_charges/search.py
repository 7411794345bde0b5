"""Good choices of several coefficients: exact line searches along coordinates, gradients and random blocks, from many starts.

The goal is continuous, quadratic on each piece of the response and bent between pieces; its best points sit where many pieces meet. A
plain gradient step stalls there, because the gradient of any one piece points across the kink. A line search that knows the pieces ends
exactly on the kink, and the next one, along a direction in which the kink is not crossed, goes on from it.
"""

from __future__ import annotations

import numpy as np

from ....envs.community.day import Array
from ....envs.errors import ClearingError
from .game import Play, TariffGame

_SEARCH_CLEARINGS = 10  # of one line search
_STEP = 0.02  # first step beyond a piece, as a share of the cap
_NARROW = 1e-9  # as a share of the cap: a kink is located no better
_SCAN = 9  # points looked at along a whole line before the search closes in on the best of them
_GRADIENTS = 3  # gradient steps of a sweep
_SLOW = 1e-4  # progress of a local sweep below which whole lines are looked at again
_ENOUGH = 1e-7  # progress of a sweep, relative to the goal, that counts as progress


def climb(game: TariffGame, start: Array, rng: np.random.Generator, *, max_clearings: int, choke: float) -> Play:
    """Climb from a start until sweeps of line searches stop helping.

    The goal has many local peaks along a line, and is flat where nobody trades. Sweeps therefore begin by looking at whole lines; once that
    helps no more than a little, they go on locally, and a last look at whole lines must confirm the end.

    Args:
        game: The game.
        start: γ, shape (K,), in [0, cap].
        rng: Draws blocks and directions.
        max_clearings: Clearings after which no new line search begins.
        choke: A charge beyond which little is traded, EUR/kWh: lines are looked at up to here, and searched up to the cap.
    """
    limit = game.clearings + max_clearings
    best, whole = game.play(start), choke
    while game.clearings < limit:
        before = best
        for direction in _directions(game, best, rng):
            if game.clearings >= limit:
                break
            best = _line_search(game, best, direction, whole)
        moved = best.action - before.action
        if np.abs(moved).max() > _NARROW * game.cap:
            best = _line_search(game, best, moved, whole)  # what a whole sweep did together often goes further
        for _ in range(_GRADIENTS):
            slope = _slope(game, best)
            if slope is None or game.clearings >= limit:
                break
            best = _line_search(game, best, slope, whole)
        progress = (best.goal_eur - before.goal_eur) / max(abs(best.goal_eur), 1e-9)
        if whole > 0.0 and progress <= _ENOUGH:
            break
        whole = 0.0 if progress > _ENOUGH and (whole > 0.0 or progress > _SLOW) else choke
    return best


def _directions(game: TariffGame, play: Play, rng: np.random.Generator) -> list[Array]:
    """Return a sweep: every coordinate once in random order, all together, and as many random blocks."""
    k = game.n_coefficients
    one = np.eye(k)
    directions = [one[i] for i in rng.permutation(k)]
    if k > 1:
        directions.append(play.action if play.action.any() else np.ones(k))
    for _ in range(k if k > 1 else 0):
        block = rng.random(k) < rng.uniform(1.0, max(3.0, 0.5 * k)) / k
        if k <= 3 or not block.any():
            block = np.ones(k, dtype=bool)
        directions.append(np.where(block, rng.standard_normal(k), 0.0))
    return directions


def _slope(game: TariffGame, play: Play) -> Array | None:
    """Return the gradient, without what points out of [0, cap]; None where there is none to follow."""
    try:
        slope = game.gradient(play)
    except ClearingError:  # no one-sided derivative could be proved at this kink: other directions have to do
        return None
    inside = ~(((play.action <= 0.0) & (slope < 0)) | ((play.action >= game.cap) & (slope > 0)))
    slope = slope * inside
    return slope if np.abs(slope).max(initial=0.0) > 0 else None


def _line_search(game: TariffGame, play: Play, direction: Array, whole: float) -> Play:
    """Return the best point found along a direction, both ways; the given one where nothing is better."""
    direction = direction / np.abs(direction).max()
    low, high = _reach(play.action, direction, game.cap)
    if high - low <= _NARROW * game.cap:
        return play
    found = _LineSearch(game, play.action, direction, low, high)
    found.run(scan=_reach(play.action, direction, max(whole, float(play.action.max()))) if whole > 0.0 else None)
    if found.best_eur <= play.goal_eur + 1e-12 * abs(play.goal_eur):
        return play
    candidate = game.play(np.clip(play.action + found.best_step * direction, 0.0, game.cap))
    return candidate if candidate.goal_eur > play.goal_eur else play


def _reach(action: Array, direction: Array, cap: float) -> tuple[float, float]:
    """Return the least and greatest step that stays in [0, cap]."""
    used = direction != 0
    action, direction = action[used], direction[used]
    room = np.stack([np.where(direction > 0, action, cap - action), np.where(direction > 0, cap - action, action)]) / np.abs(direction)
    return -float(room[0].min()), float(room[1].min())


class _LineSearch:
    """One line search: walks uphill from step 0 and closes in on the kink at which the slope changes sign."""

    def __init__(self, game: TariffGame, action: Array, direction: Array, low: float, high: float) -> None:
        self._game, self._action, self._direction = game, action, direction
        self._low, self._high = low, high
        self.best_eur, self.best_step = float("-inf"), 0.0
        self._left = _SEARCH_CLEARINGS

    def run(self, *, scan: tuple[float, float] | None) -> None:
        """Look at evenly spread steps of an interval, if there is one, and search from the best step seen."""
        pieces = [self._look(0.0)]
        for step in np.linspace(*scan, _SCAN) if scan is not None else ():
            if not any(piece[2] <= step <= piece[3] for piece in pieces):
                pieces.append(self._look(float(step)))
        first = next(piece for piece in pieces if piece[2] <= self.best_step <= piece[3])
        self._left = _SEARCH_CLEARINGS
        if first[1] > 0 and first[3] < self._high:
            self._walk(first, +1.0)
        elif first[0] < 0 and first[2] > self._low:
            self._walk(first, -1.0)

    def _look(self, step: float) -> tuple[float, float, float, float]:
        """Return slopes at the ends of the piece around a step, and the ends."""
        self._left -= 1
        action = np.clip(self._action + step * self._direction, 0.0, self._game.cap)
        piece = self._game.segment(action, self._direction, reach=(self._low - step, self._high - step))
        if piece.best_eur > self.best_eur:
            self.best_eur, self.best_step = piece.best_eur, step + piece.best_step
        return piece.slope_lower, piece.slope_upper, step + piece.lower, step + piece.upper

    def _walk(self, piece: tuple[float, float, float, float], sign: float) -> None:
        """Go uphill with growing steps until the slope turns, then bisect between the last two pieces."""
        edge, size = (piece[3] if sign > 0 else piece[2]), _STEP * self._game.cap
        turned: float | None = None
        narrow = _NARROW * self._game.cap
        while self._left > 0:
            end = (self._high if sign > 0 else self._low) if turned is None else turned
            if abs(end - edge) <= narrow:
                return
            step = edge + sign * min(size, 0.5 * abs(end - edge) if turned is not None else abs(end - edge))
            piece = self._look(step)
            near, far = (piece[2], piece[3]) if sign > 0 else (piece[3], piece[2])
            near_slope, far_slope = (piece[0], piece[1]) if sign > 0 else (-piece[1], -piece[0])
            if near_slope <= 0:
                turned = near
                size = 0.5 * abs(turned - edge)
            elif far_slope > 0:
                edge, size = far, 2.0 * size
            else:
                return  # the peak is inside this piece
