"""An upper bound on what any sequence of charges earns in the hourly game with one store: dynamic programming over boxes.

**The game.** With energy e at hour t and charge γ in force, prosumers minimise C_t(y, γ) + V_t+1(e + y, γ) over what is stored, y. C_t is
the hour's cost with the store's exchange given, V_t the cost of the rest of the day at charges that stand. All else in the hour is a
function of (y, γ), so the leader earns G_t(y, γ), and W_t(e) = max_γ G_t(y, γ) + W_t+1(e + y).

**Prices.** Let p be the price of stored energy in the hour, the multiplier of e' = e + y. Then y = y_t(p, γ), the hour's own answer to p,
and e' = A_t+1(p, γ), the energy at which −∂V_t+1/∂e is p, held within [0, E]. So the energy at which the price is p is exactly

    E_t(p, γ) = A_t+1(p, γ) − y_t(p, γ),    A_t = min(max(E_t, 0), E),

and A_T is E below a price of 0, what the day must end with above, and all between at 0. y rises with p, E and A fall. An hour's answer is
that of a small network (:mod:`.hours`), traced exactly along lines of γ at fixed prices p_1 < … < p_n (:mod:`.tracing`).

**Boxes.** A box is a cell of prices [p_i, p_i+1], a *strip*, times a *slab* of charges [γ̲, γ̄]. On both its lines everything is known
exactly: *points* are the ends of the slab and wherever a limit is reached or left between. Whoever is in the box at energy e has

    A̲_i+1 − ȳ_i+1 ≤ e ≤ Ā_i − y̲_i,    A̲_i+1 ≤ e' ≤ Ā_i,    e + y̲_i ≤ e' ≤ e + ȳ_i+1.

**Where limits are the same.** Prices and charges at which the same elements are at the same limits, and the same branches overloaded, are
convex, and the response is affine there. If both lines pass the same limits in the same order within a slab, the box is made of trapezoids
between them, and in each y, q and flows are affine. A response is then a mean Σ w_v·v of points v. Its profit γ·q − losses + … is at most
the mean of theirs and *extra* = ¼·(γ̄ − γ̲)·(q̄ − q̲) + ¼·Σ loss·(change of flow)², which falls with the square of the box. The change of
flow is that along the charge, over all charges of the trapezoid, and that along the price: all points lie within half of their sum.

**Elsewhere.** From the left of the slab to where limits first differ all is as above. From there on, at a price between the lines, q is no
more than where they first differ, for it falls as γ rises. Or: U_t(p, γ), the least of the hour's cost less p·y, is jointly concave with
slope (q, −y), q the charged energy. As it is concave in γ, q ≤ (U(p, γ) − U(p, γ − h)) / h for every h in (0, γ]. In p it is above its
chord, and below it plus δ/4 with δ = (p_i+1 − p_i)·(y_i+1 − y_i): its tangents at both ends allow no more. So with s the steepest fall of q
on both lines in [γ̲ − h, γ̄], and a mean of both lines at the same charge,

    γ·q(p, γ) ≤ (the mean of γ·q(p_i, γ)) + γ·(δ/4h + h·s).

The lesser counts. Losses, overload and imports: the answer is within √δ of both ends in the followers' metric, ‖x(p) − x(p_i)‖² ≤
(p − p_i)·(y − y_i), and each strays by at most its norm times that; √losses by the norm of their factor, so that losses fall by at most
2·√L·‖·‖·√δ. Nor can more be gained than what these terms cost on both lines at their worst and the fees on all that can be imported.

**Planes.** In every box y is compared with the plane through its four corners. How far it strays from that above and below is known: from
the points where limits are the same, from monotony elsewhere. Planes and strays add up over hours, so e' has a plane Ā of its own.

**The bound.** In a cell of energies W_t is bounded by a line, c + λ·(e − ē). In a box with W_t+1(e') ≤ h + s·e' over the e' that can be
reached from the cell,

    G + W_t+1(e') − λ·(e − ē) ≤ max over points of [profit + λ·y + (s − λ)·Ā] + extra + |s − λ|·stray + h + λ·ē,

and c is the greatest of these over boxes. At the best charge the bracket does not change to first order, neither along the charge nor along
the price, if λ is the slope of W_t: that is why boxes lose little. Any λ gives a bound; those taken are slopes of a first pass. Where
limits differ, λ·(y_i+1 − y_i) is added. Where the greatest profit and the greatest W_t+1 come to less together, that counts. Below p_1 no
energy up to E is priced, as y ≤ 0 there and A = E. Above p_n none is from which the day can end as it must: the store is filled as fast as
it can be.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ....envs.arrays import IntArray
from ....envs.community.day import Array
from ....envs.errors import ClearingError
from ....envs.market.exact.kkt import BoolArray
from ..sound import require_finite
from .boxes import between_lines, points_of, step_back
from .hours import Lines, StoreHours
from .steps import SlabAnswer, Step, hold_part, path_of, slope_of

_FIRST_CHARGE = 1e-9
"""Greatest charge of the first slab, EUR/kWh: what is charged there is next to nothing."""
_ROUNDING = 1e-8
"""Of the capacity and of the day's turnover: what tracing may be off by."""
_FURTHEST = 1e-3  # greatest h, EUR/kWh
_STRETCH = 0.004  # of the capacity, over which slopes are taken
_WATCHED = 24  # cells on both sides of the path that are looked at


@dataclass(frozen=True, eq=False, kw_only=True)
class ChargeBoxes:
    """What the dynamic program runs over.

    Attributes:
        price: Prices of stored energy in EUR/kWh, rising, one of them 0, shape (lines,).
        low: Least charge of each slab in EUR/kWh, rising, shape (slabs,).
        high: Greatest, shape (slabs,).
        used: Whether an hour uses a slab; those it uses cover [0, cap], shape (T, slabs).
        cells: Edges of the cells of energy at the beginning of each hour and at the end of the day, kWh, T + 1 arrays.
    """

    price: Array
    low: Array
    high: Array
    used: BoolArray
    cells: tuple[Array, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class BoxBound:
    """The bound that boxes give, and the path that reaches it.

    Attributes:
        bound_eur: No sequence of charges earns more.
        worth_eur: W_t is at most this in the middle of every cell, T + 1 arrays of shape (cells,).
        slope: By how much more from an energy above, EUR/kWh, T + 1 arrays of shape (cells,).
        slab: The slab of each hour on the path of the bound, shape (T,).
        charge: A charge in it at which most is earned, EUR/kWh, shape (T,).
        lost_eur: What of the bound comes of strays, of what lies between points, and of limits that differ, EUR, shape (T, 3).
        energy: Energy at the beginning of each hour on it and at the end, kWh, shape (T + 1,).
        slab_margin: How close each slab comes to the bound of its cell near the path, EUR, at most 0, shape (T, slabs).
        line_margin: The same of each cell of prices, shape (T, lines − 1).
    """

    bound_eur: float
    worth_eur: tuple[Array, ...]
    slope: tuple[Array, ...]
    slab: IntArray
    charge: Array
    lost_eur: Array
    energy: Array
    slab_margin: Array
    line_margin: Array

    def allowed(self, hour: int, edges: Array, energy: Array) -> Array:
        """Return W of an hour in EUR at energies in kWh, both of shape (n,), with cells of the edges the bound was found over, in kWh."""
        found = []
        for side in ("left", "right"):  # an edge belongs to two cells
            cell = np.clip(np.searchsorted(edges, energy, side=side) - 1, 0, len(edges) - 2)
            found.append(self.worth_eur[hour][cell] + self.slope[hour][cell] * (energy - 0.5 * (edges[cell] + edges[cell + 1])))
        return np.minimum(*found)


def first_edges(cap: float, n: int) -> Array:
    """Return the edges of the first slabs: n of equal width, and some close to 0 that grow eightfold, EUR/kWh, shape (edges,)."""
    even = np.linspace(0.0, cap, n + 1)
    close = _FIRST_CHARGE * 8.0 ** np.arange(60)
    return np.unique(np.concatenate([even, close[close < even[1]]]))


class BoxProgram:
    """The dynamic program over boxes of one day.

    Args:
        hours: The day's hours.
        threads: How many work side by side.
    """

    def __init__(self, hours: StoreHours, *, threads: int = 2) -> None:
        day, owner = hours.day, hours.owner
        self.hours, self._threads = hours, threads
        self.capacity, self.start = float(day.storage_capacity[owner]), float(day.storage_start[owner])
        self._end = self.start if day.storage_end is None else float(day.storage_end[owner])
        self._fullest = float(day.storage_power[owner] * day.storage_efficiency[owner] * day.period_hours)
        self._wide, self._loose = _ROUNDING * self.capacity, _ROUNDING * day.turnover_eur

    def run(self, boxes: ChargeBoxes, lines: list[Lines], path: Array) -> BoxBound:
        """Bound the day.

        Args:
            boxes: What to run over.
            lines: Each hour's lines at the prices of ``boxes``.
            path: Energy in kWh near which margins are wanted, shape (T + 1,).
        """
        n, m, count = self.hours.n_periods, len(boxes.low), len(boxes.price)
        zero = int(np.searchsorted(boxes.price, 0.0))
        order = np.insert(np.arange(count), zero, zero)  # the end of the day is worth nothing at 0: A jumps there
        strip = np.stack([order[:-1], order[1:]], axis=1)
        ends = np.where(np.arange(count + 1) <= zero, self.capacity, self._end)
        end = np.stack([ends[:-1], ends[:-1], ends[1:], ends[1:]])[:, :, None].repeat(m, axis=2)
        stray, span = np.zeros((2, count, m)), np.stack([end.min(axis=0), end.max(axis=0)])
        worth: list[Array] = [np.zeros(len(boxes.cells[n]) - 1)]
        slope: list[Array] = [np.zeros(len(boxes.cells[n]) - 1)]
        steps: list[Step] = []
        slab_margin, line_margin = np.full((n, m), -np.inf), np.full((n, count - 1), -np.inf)
        for hour in range(n - 1, -1, -1):
            answer = self.answer(boxes, lines[hour], strip, hour, np.any(boxes.used[: hour + 1], axis=0))
            middle, later = (0.5 * (boxes.cells[t][:-1] + boxes.cells[t][1:]) for t in (hour, hour + 1))
            tilt = np.interp(middle, later, slope[0])
            for _ in range(2):
                step = self._step(
                    boxes, hour, answer=answer, held=(end, stray, span), after=(worth[0], slope[0]), tilt=tilt, near=float(path[hour])
                )
                used_tilt, tilt = tilt, slope_of(middle, step.value, _STRETCH * self.capacity)
            near = step.value[step.watched[0] : step.watched[1]]
            slab_margin[hour] = (step.by_slab - near).max(axis=1)
            line_margin[hour] = (np.delete(step.by_strip, zero, axis=0) - near).max(axis=1)
            worth.insert(0, step.value + self._loose)
            slope.insert(0, used_tilt)
            steps.insert(0, step)
            for part in answer:
                hold_part(self.capacity, (end, stray, span), part)
        cell = int(cell_of(boxes.cells[0], self.start)[0])
        mid = 0.5 * (boxes.cells[0][cell] + boxes.cells[0][cell + 1])
        bound = float(worth[0][cell] + slope[0][cell] * (self.start - mid))
        require_finite(bound, "a bound", self.hours.day.label)
        slab, energy, charge, lost = path_of(boxes.cells, steps, cell)
        return BoxBound(
            bound_eur=bound,
            worth_eur=tuple(worth),
            slope=tuple(slope),
            slab=slab,
            charge=charge,
            lost_eur=lost,
            energy=energy,
            slab_margin=slab_margin,
            line_margin=line_margin,
        )

    def answer(self, boxes: ChargeBoxes, lines: Lines, strip: IntArray, hour: int, needed: BoolArray) -> list[SlabAnswer]:
        """Return what an hour answers in the slabs needed, shape (slabs,), between the two lines of each strip, shape (strips, 2)."""
        hours, reach = self.hours, _reach(boxes)
        parts: list[SlabAnswer] = []
        count, n = len(boxes.price), len(strip)
        other = hours.flow_norm[hour, lines.over].sum() + hours.fee_norm[hour]
        loss = (hours.base_loss_eur[hour] + hours.most_fee_eur[hour], hours.loss_norm[hour])  # a fee hides as much of the losses

        def work(part: IntArray) -> None:
            m = len(part)
            own = (np.ascontiguousarray(each[part]) for each in (boxes.low, boxes.high, reach))
            low, high, back = own
            start, fall = np.empty(count * m + 1, np.intp), np.empty((2, count, m))
            total = points_of(lines.rows, lines.first, low, high, back, start, np.empty((0, 7)), fall)
            points = np.empty((total, 7))
            points_of(lines.rows, lines.first, low, high, back, start, points, fall)
            self._require_ends(hour, points, start, count, m)
            corner, stray, extra = np.empty((4, n, m)), np.empty((2, n, m)), np.empty((4, n, m))
            between_lines(
                strip, boxes.price, low, high, back, start, points, fall, hours.most_charged[hour], *loss, other, corner, stray, extra
            )
            extra[0] += self._loose
            stray += self._wide
            parts.append(
                SlabAnswer(part=part, strip=strip, low=low, high=high, start=start, points=points, corner=corner, stray=stray, extra=extra)
            )

        self._share(work, np.flatnonzero(needed))
        return parts

    def _step(
        self,
        boxes: ChargeBoxes,
        hour: int,
        *,
        answer: list[SlabAnswer],
        held: tuple[Array, Array, Array],
        after: tuple[Array, Array],
        tilt: Array,
        near: float,
    ) -> Step:
        cells, later = boxes.cells[hour], boxes.cells[hour + 1]
        n, at = len(cells) - 1, int(cell_of(cells, near)[0])
        watched = (max(0, at - _WATCHED), min(n, at + _WATCHED))
        wide, strips = watched[1] - watched[0], len(answer[0].strip)
        by_slab = np.full((len(boxes.low), wide), -np.inf)
        done: list[tuple[Array, IntArray, Array, Array]] = []

        def work(one: SlabAnswer) -> None:
            used = np.flatnonzero(boxes.used[hour, one.part])
            value, choice, gained = np.full(n, -np.inf), np.zeros((n, 3), np.intp), np.zeros((n, 4))
            own, by_strip = np.full((len(one.part), wide), -np.inf), np.full((strips, wide), -np.inf)
            own_held = [np.ascontiguousarray(each[:, :, one.part]) for each in held]
            step_back(
                cells,
                later,
                used,
                one.strip,
                one.start,
                one.points,
                one.corner,
                one.stray,
                one.extra,
                *own_held,
                one.low,
                one.high,
                *after,
                tilt,
                self._wide,
                value,
                choice,
                gained,
                np.array(watched),
                own,
                by_strip,
            )
            choice[:, 0] = one.part[choice[:, 0]]
            by_slab[one.part] = own
            done.append((value, choice, gained, by_strip))

        with ThreadPoolExecutor(self._threads) as pool:
            list(pool.map(work, answer))
        values = np.stack([each[0] for each in done])
        best = values.argmax(axis=0), np.arange(n)
        choice, gained = (np.stack([each[k] for each in done])[best] for k in (1, 2))
        return Step(
            value=values.max(axis=0),
            choice=choice,
            gained=gained,
            by_slab=by_slab,
            by_strip=np.max([each[3] for each in done], axis=0),
            watched=watched,
        )

    def _share(self, work: Callable[[IntArray], None], items: IntArray) -> None:
        """Do a piece of work for parts of some items side by side."""
        parts = [part for part in np.array_split(items, 4 * self._threads) if len(part)]
        with ThreadPoolExecutor(self._threads) as pool:
            list(pool.map(work, parts))

    def _require_ends(self, hour: int, points: Array, start: IntArray, lines: int, slabs: int) -> None:
        """Raise unless the first and the last line bound all prices of stored energy that there can be.

        Raises:
            ClearingError: If they do not.
        """
        most, least = points[: start[slabs], 1].max(), points[start[(lines - 1) * slabs] :, 1].min()
        if most > self._wide or least < self._fullest - 1e-6 * self.capacity:
            raise ClearingError(
                "the prices of stored energy must reach from where the store only gives to where it fills as fast as it can, and do not "
                f"in hour {hour} of {self.hours.day.label}: it gains {most} and {least} of {self._fullest} kWh."
            )


def _reach(boxes: ChargeBoxes) -> Array:
    return np.minimum(boxes.low, _FURTHEST)


def cell_of(cells: Array, energy: float) -> IntArray:
    """Return the cells that hold an energy in kWh, of edges in kWh of shape (edges,): two where it is one of them."""
    last = len(cells) - 2
    return np.unique(np.clip([np.searchsorted(cells, energy, side=side) - 1 for side in ("left", "right")], 0, last))
