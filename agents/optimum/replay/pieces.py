"""An hour's answers along charges, at many prices of stored energy side by side: affine pieces, each with its limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ....envs.arrays import IntArray
from ....envs.community.day import Array
from ....envs.errors import ClearingError
from .elements import HourElements

_MISSED = 1e-9  # of the greatest power: what balances may miss
_AFTER = 1e-9  # EUR/kWh beyond the end of a piece, where the next is looked for
_HELD = 1e-7  # kW per EUR/kWh that hold a price nothing else holds
_STEP = 0.3  # EUR/kWh at most at a time
_TRIES = 400


@dataclass(frozen=True, eq=False, kw_only=True)
class Pieces:
    """Affine pieces of an hour's answer on each line of charges; what is beyond a line's last one begins and ends at infinity.

    Attributes:
        start: Least charge, EUR/kWh, shape (lines, pieces).
        end: Greatest, EUR/kWh, shape (lines, pieces).
        value: Stored kWh, charged kWh and profit but for the charge in EUR at ``start``, shape (3, lines, pieces).
        slope: Their slopes there, shape (3, lines, pieces).
        bend: Σ loss·(slope of flow)², EUR per squared EUR/kWh, shape (lines, pieces).
        lean: The same along the price of stored energy, shape (lines, pieces).
        name: One number for each set of limits that are reached, shape (lines, pieces).
        over: Whether a branch is overloaded anywhere, shape (L,).
    """

    start: Array
    end: Array
    value: Array
    slope: Array
    bend: Array
    lean: Array
    name: IntArray
    over: IntArray

    def at(self, charge: Array, which: IntArray) -> Array:
        """Return the three values, shape (3, lines, R), at charges in EUR/kWh on pieces, both of shape (lines, R)."""
        lines = np.arange(len(self.start))[:, None]
        beyond = charge - self.start[lines, which]
        values = self.value[:, lines, which] + beyond * self.slope[:, lines, which]
        values[2] -= beyond**2 * self.bend[lines, which]
        return values


def pieces_of(hour: HourElements, stored: Array, cap: float) -> Pieces:
    """Return an hour's answer at prices of stored energy in EUR/kWh, shape (lines,), over all charges up to a cap in EUR/kWh.

    Raises:
        ClearingError: If prices are not found that balance everybody.
    """
    count, n = len(stored), len(hour.incidence)
    outer = (hour.incidence[:, None] * hour.incidence[None]).reshape(n * n, -1).T
    names = np.random.default_rng(7).integers(1, 2**62, (2, len(hour.weight) + len(hour.limit)))
    prices, place, begun = np.full((count, n), 0.1), np.zeros(count), np.zeros(count)
    alive, over = np.arange(count), np.zeros(len(hour.limit), dtype=np.intp)
    rows: list[tuple[Any, ...]] = []
    while len(alive):
        p, g, at = stored[alive], begun[alive], place[alive]
        prices[alive], system, free, want = _settled(hour, prices[alive], at, p, outer)
        rise = _solve(system, (free * hour.per_charge) @ hour.incidence.T)
        change = hour.weight * (rise @ hour.incidence) - hour.per_charge
        carried, moved = np.clip(want, hour.low, hour.high), free * change
        flow, along = hour.still + carried @ hour.flows.T, moved @ hour.flows.T
        end = np.minimum(at + np.minimum(_room(hour, want, change), _flow_room(hour, flow, along)), cap)
        beyond = np.abs(flow + (0.5 * (g + end) - at)[:, None] * along) - hour.limit > 0.0
        side = np.sign(flow + (0.5 * (g + end) - at)[:, None] * along) * beyond
        totals, slopes = carried @ hour.brings.T, moved @ hour.brings.T
        loss, bend = hour.loss, (hour.loss * along**2).sum(axis=1)
        other = totals[:, 2] - (loss * (flow**2 - hour.still**2)).sum(axis=1)
        other -= hour.overload * np.where(beyond, side * flow - np.where(beyond, hour.limit, 0.0), 0.0).sum(axis=1)
        steep = slopes[:, 2] - 2.0 * (loss * flow * along).sum(axis=1) - hour.overload * (side * along).sum(axis=1)
        back = g - at
        value = np.stack([totals[:, 0] + back * slopes[:, 0], totals[:, 1] + back * slopes[:, 1], other + back * steep - back**2 * bend])
        tilt = _solve(system, -(free * hour.per_price) @ hour.incidence.T)
        by_price = free * (hour.weight * (tilt @ hour.incidence) + hour.per_price)
        state = np.concatenate(
            [np.where(free, 0, np.where(want < hour.high, 1, 2)), np.where(side < 0.0, 1, np.where(side > 0.0, 2, 0))], axis=1
        )
        name = (np.where(state == 1, names[0], 0) + np.where(state == 2, names[1], 0)).sum(axis=1)
        lean = (loss * (by_price @ hour.flows.T) ** 2).sum(axis=1)
        steps = np.stack([slopes[:, 0], slopes[:, 1], steep - 2.0 * back * bend])
        rows.append((alive, g, end, value, steps, bend, lean, name))
        over |= beyond.any(axis=0)
        after = np.minimum(end + _AFTER, cap)
        prices[alive] += (after - at)[:, None] * rise
        place[alive], begun[alive] = after, end
        alive = alive[end < cap]
        if len(rows) > 20_000:
            raise ClearingError("an hour's answer must consist of fewer than 20,000 pieces, and does not.")
    return _gathered(rows, count, over)


def _gathered(rows: list[tuple[Any, ...]], count: int, over: IntArray) -> Pieces:
    """Return pieces line by line, those of no width left out."""
    line = np.concatenate([row[0] for row in rows])
    columns = [np.concatenate([row[k] for row in rows], axis=-1) for k in range(1, 8)]
    kept = columns[1] > columns[0]
    line, columns = line[kept], [column[..., kept] for column in columns]
    order = np.argsort(line, kind="stable")
    line, columns = line[order], [column[..., order] for column in columns]
    number = np.bincount(line, minlength=count)
    index = np.arange(len(line)) - np.repeat(np.cumsum(number) - number, number)
    width = int(number.max())

    def laid(column: Any, empty: float) -> Any:
        whole: Any = np.full((*column.shape[:-1], count, width), empty, dtype=column.dtype)
        whole[..., line, index] = column
        return whole

    start, end, value, slope, bend, lean, name = columns
    filled = {"value": value, "slope": slope, "bend": bend, "lean": lean, "name": name}
    return Pieces(start=laid(start, np.inf), end=laid(end, np.inf), over=over, **{key: laid(column, 0) for key, column in filled.items()})


def _settled(hour: HourElements, prices: Array, charge: Array, stored: Array, outer: Array) -> tuple[Array, Array, Any, Array]:
    """Return prices that balance everybody, the systems there, which elements are free, and what they want."""
    prices, n = prices.copy(), prices.shape[1]
    enough = _MISSED * max(1.0, float(hour.high[hour.high < 1e6].max(initial=1.0)))
    fewest, open_ = np.full(len(prices), np.inf), np.arange(len(prices))
    for _ in range(_TRIES):
        m, g, p = prices[open_], charge[open_], stored[open_]
        net, system, _, _ = _balance(hour, m, g, p, outer)
        missing = np.abs(net).max(axis=1)
        fewest[open_] = np.minimum(fewest[open_], missing)
        step = -_solve(system, net)
        step *= np.minimum(1.0, _STEP / np.maximum(np.abs(step).max(axis=1), 1e-300))[:, None]
        share = np.ones(len(open_))
        left, slope = _trial(hour, m + step, step, g, p)
        late = np.flatnonzero((slope > 0.0) & (left > 0.5 * fewest[open_]) & (left > enough))
        if len(late):
            share[late] = _cut(hour, m[late], step[late], g[late], p[late])
        prices[open_] = m + share[:, None] * step
        still = ~((missing <= enough) & (np.abs(share[:, None] * step).max(axis=1) < 1e-12))
        still &= ~((share == 1.0) & (left <= 1e-2 * enough))
        open_ = open_[still]
        if not len(open_):
            net, system, free, want = _balance(hour, prices, charge, stored, outer)
            if np.abs(net).max() > enough:
                break
            return prices, system, free, want
    raise ClearingError(f"prices must balance everybody within {enough} kW, and {len(open_)} of {len(prices)} do not with {n} prosumers.")


def _balance(hour: HourElements, prices: Array, charge: Array, stored: Array, outer: Array) -> tuple[Array, Array, Any, Array]:
    want = hour.wanted(prices, charge, stored)
    free = (want > hour.low) & (want < hour.high)
    n = len(hour.incidence)
    system = ((free * hour.weight) @ outer).reshape(-1, n, n) + _HELD * np.eye(n)
    return np.clip(want, hour.low, hour.high) @ hour.incidence.T, system, free, want


def _trial(hour: HourElements, prices: Array, step: Array, charge: Array, stored: Array) -> tuple[Array, Array]:
    net = np.clip(hour.wanted(prices, charge, stored), hour.low, hour.high) @ hour.incidence.T
    return np.abs(net).max(axis=1), (net * step).sum(axis=1)


def _cut(hour: HourElements, prices: Array, step: Array, charge: Array, stored: Array) -> Array:
    """Return the shares of steps at which the balances' potential is least, by halving."""
    least, most = np.zeros(len(step)), np.ones(len(step))
    for _ in range(64):
        share = 0.5 * (least + most)
        past = _trial(hour, prices + share[:, None] * step, step, charge, stored)[1] > 0.0
        most, least = np.where(past, share, most), np.where(past, least, share)
    return np.asarray(0.5 * (least + most))


def _solve(system: Array, right: Array) -> Array:
    return np.asarray(np.linalg.solve(system, right[:, :, None])[:, :, 0])


def _room(hour: HourElements, want: Array, change: Array) -> Array:
    """Return how far the charge can rise until an element reaches or leaves a limit."""
    below, above = want <= hour.low, want >= hour.high
    target = np.where(below, hour.low, np.where(above, hour.high, np.where(change > 0.0, hour.high, hour.low)))
    moves = (hour.high > hour.low) & (change != 0.0) & ~(below & (change < 0.0)) & ~(above & (change > 0.0))
    room = np.where(moves, (target - want) / np.where(moves, change, 1.0), np.inf)
    return np.asarray(np.maximum(room, 0.0).min(axis=1))


def _flow_room(hour: HourElements, flow: Array, along: Array) -> Array:
    """Return how far it can rise until a flow reaches its limit or comes back within it."""
    found = np.full(len(flow), np.inf)
    bounded = np.isfinite(hour.limit)
    for sign in (-1.0, 1.0):
        moves = along != 0.0
        room = np.where(moves & bounded, (sign * np.where(bounded, hour.limit, 0.0) - flow) / np.where(moves, along, 1.0), np.inf)
        found = np.minimum(found, np.where(room > 1e-12, room, np.inf).min(axis=1, initial=np.inf))
    return found
