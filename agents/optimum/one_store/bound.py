"""An upper bound on what any sequence of charges earns in the hourly game with one store: dynamic programming over boxes.

**The game.** With energy e at hour t and charge γ in force, prosumers minimise C_t(y, γ) + V_t+1(e + y, γ) over what is stored, y. C_t is
the hour's cost with the store's exchange given, V_t the cost of the rest of the day at charges that stand. All else in the hour is a
function of (y, γ), so the leader earns G_t(y, γ), and W_t(e) = max_γ G_t(y, γ) + W_t+1(e + y).

**Prices.** Let p be the price of stored energy in the hour, the multiplier of e' = e + y. Then y = y_t(p, γ), the hour's own answer to p,
and e' = A_t+1(p, γ), the energy at which −∂V_t+1/∂e is p, held within [0, E]. So the energy at which the price is p is exactly

    E_t(p, γ) = A_t+1(p, γ) − y_t(p, γ),    A_t = min(max(E_t, 0), E),

and A_T is E below a price of 0, what the day must end with above, and all between at 0. y rises with p, E and A fall. An hour's answer is
that of a small network (:mod:`.hours`), traced exactly along lines of γ at fixed prices p_1 < … < p_n (:mod:`.tracing`).

**Boxes.** A box is a cell of prices [p_i, p_i+1] times a *slab* of charges [γ̲, γ̄]. On both its lines y lies between its least and
greatest value there, which the lines tell exactly, and so do E and A, hour by hour backwards. Whoever is in the box at energy e has, as
all three are monotone in p,

    A̲_i+1 − ȳ_i+1 ≤ e ≤ Ā_i − y̲_i,    A̲_i+1 ≤ e' ≤ Ā_i,    e + y̲_i ≤ e' ≤ e + ȳ_i+1.

**Profit between lines.** U_t(p, γ), the least of the hour's cost less p·y, is jointly concave with slope (q, −y), q the charged energy.
At a charge γ of the slab, let p lie between the lines. As U is concave in γ, q ≤ (U(p, γ) − U(p, γ − h)) / h for every h in (0, γ]. In p,
U is above its chord, and below it plus δ/4 with δ = (p_i+1 − p_i)·(y_i+1 − y_i): its tangents at both ends allow no more. So q(p, γ) ≤
max_i q(p_i, γ − h) + δ/4h, and with s the steepest fall of q on both lines in [γ̲ − h, γ̄],

    γ·q(p, γ) ≤ max_i γ·q(p_i, γ) + γ·(δ/4h + h·s).

Losses, overload and imports: the answer is within √δ of both ends in the followers' metric, ‖x(p) − x(p_i)‖² ≤ (p − p_i)·(y − y_i), and
each strays by at most its norm times that; √losses by the norm of their factor, so that losses fall by at most 2·√L·‖·‖·√δ.

**The bound.** W_t of a cell of energies is at most the greatest, over all boxes it may be in, of the hour's profit and of W_t+1 over the
cells that e' may be in. Every choice of prices, slabs and cells gives a bound; finer ones give tighter ones. Below p_1 no energy up to E
is priced, as y ≤ 0 there and A = E. Above p_n none is from which the day can end as it must: the store is filled as fast as it can be.
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
from .boxes import between_lines, over_slabs, step_back
from .hours import Lines, StoreHours

_FIRST_CHARGE = 1e-9
"""Greatest charge of the first slab, EUR/kWh: what is charged there is next to nothing."""
_ROUNDING = 1e-8
"""Of the capacity and of the day's turnover: what tracing may be off by."""
_FURTHEST = 1e-3  # greatest h, EUR/kWh
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
        worth_eur: W_t of every cell, T + 1 arrays.
        slab: The slab of each hour on the path of the bound, shape (T,).
        energy: Energy at the beginning of each hour on it and at the end, kWh, shape (T + 1,).
        slab_margin: How close each slab comes to the bound of its cell near the path, EUR, at most 0, shape (T, slabs).
        line_margin: The same of each cell of prices, shape (T, lines − 1).
    """

    bound_eur: float
    worth_eur: tuple[Array, ...]
    slab: IntArray
    energy: Array
    slab_margin: Array
    line_margin: Array


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
        n, m = self.hours.n_periods, len(boxes.low)
        zero = int(np.searchsorted(boxes.price, 0.0))
        order = np.insert(np.arange(len(boxes.price)), zero, zero)  # the end of the day is worth nothing at 0: A jumps there
        kept = np.where(np.arange(len(order)) <= zero, self.capacity, self._end)[:, None].repeat(m, axis=1)
        low, high = kept, kept.copy()
        worth: list[Array] = [np.zeros(len(boxes.cells[n]) - 1)]
        chosen: list[IntArray] = []
        slab_margin, line_margin = np.full((n, m), -np.inf), np.full((n, len(boxes.price) - 1), -np.inf)
        for hour in range(n - 1, -1, -1):
            needed: BoolArray = np.any(boxes.used[: hour + 1], axis=0)
            table = self._table(boxes, lines[hour], needed)
            self._require_ends(hour, table[:, :, needed])
            profit = self._profit(boxes, lines[hour], hour, table)
            table, profit = table[:, order], np.insert(profit, zero, table[2, zero] + self._loose, axis=0)
            value, choice, by_slab, by_line, watched = self._step(
                boxes, hour, kept=(low, high), table=table, profit=profit, worth=worth[0], near=float(path[hour])
            )
            near = value[watched[0] : watched[1]]
            slab_margin[hour] = (by_slab - near).max(axis=1)
            merged = np.delete(by_line, zero, axis=0)
            line_margin[hour] = (merged - near).max(axis=1)
            worth.insert(0, value)
            chosen.insert(0, choice)
            low, high = (np.clip(each, 0.0, self.capacity) for each in (low - table[1], high - table[0]))
        first = cell_of(boxes.cells[0], self.start)
        bound = float(max(worth[0][first]))
        require_finite(bound, "a bound", self.hours.day.label)
        slab, energy = self._path(boxes, chosen, int(first[np.argmax(worth[0][first])]))
        return BoxBound(
            bound_eur=bound + n * self._loose,
            worth_eur=tuple(worth),
            slab=slab,
            energy=energy,
            slab_margin=slab_margin,
            line_margin=line_margin,
        )

    def _table(self, boxes: ChargeBoxes, lines: Lines, needed: BoolArray) -> Array:
        """Return what :func:`.boxes.over_slabs` writes for the slabs needed, widened by rounding."""
        table = np.empty((5, len(boxes.price), len(boxes.low)))
        reach = _reach(boxes)

        def work(part: IntArray) -> None:
            own = np.empty((5, len(boxes.price), len(part)))
            over_slabs(lines.rows, lines.first, boxes.low[part], boxes.high[part], reach[part], own)
            table[:, :, part] = own

        self._share(work, np.flatnonzero(needed))
        table[0] -= self._wide
        table[1] += self._wide
        return table

    def _profit(self, boxes: ChargeBoxes, lines: Lines, hour: int, table: Array) -> Array:
        """Return the greatest profit of an hour between neighbouring lines, shape (lines - 1, slabs)."""
        hours, profit = self.hours, np.empty((len(boxes.price) - 1, len(boxes.low)))
        other = hours.flow_norm[hour, lines.over].sum() + hours.fee_norm[hour]
        loss = (hours.base_loss_eur[hour], hours.loss_norm[hour])
        between_lines(boxes.price, boxes.low, boxes.high, _reach(boxes), table, hours.most_charged[hour], *loss, other, profit)
        return profit + self._loose

    def _step(
        self, boxes: ChargeBoxes, hour: int, *, kept: tuple[Array, Array], table: Array, profit: Array, worth: Array, near: float
    ) -> tuple[Array, IntArray, Array, Array, tuple[int, int]]:
        """Return W of every cell, what it is reached by, what slabs and lines earn near an energy, and which cells those are."""
        cells, after = boxes.cells[hour], boxes.cells[hour + 1]
        n, at = len(cells) - 1, int(cell_of(cells, near)[0])
        watched = (max(0, at - _WATCHED), min(n, at + _WATCHED))
        wide = watched[1] - watched[0]
        parts: list[tuple[Array, IntArray, Array]] = []
        by_slab = np.full((len(boxes.low), wide), -np.inf)

        def work(part: IntArray) -> None:
            value, choice, by_line = np.full(n, -np.inf), np.zeros((n, 3), np.intp), np.full((len(profit), wide), -np.inf)
            own = np.full((len(part), wide), -np.inf)
            arrays = [np.ascontiguousarray(each[..., part]) for each in (*kept, table, profit)]
            step_back(cells, after, boxes.used[hour, part], *arrays, worth, value, choice, np.array(watched), own, by_line)
            choice[:, 0] = part[choice[:, 0]]
            by_slab[part] = own
            parts.append((value, choice, by_line))

        self._share(work, np.flatnonzero(boxes.used[hour]))
        values = np.stack([each[0] for each in parts])
        best = values.argmax(axis=0)
        choice = np.stack([each[1] for each in parts])[best, np.arange(n)]
        return values.max(axis=0), choice, by_slab, np.max([each[2] for each in parts], axis=0), watched

    def _share(self, work: Callable[[IntArray], None], items: IntArray) -> None:
        """Do a piece of work for parts of some items side by side."""
        parts = [part for part in np.array_split(items, 4 * self._threads) if len(part)]
        with ThreadPoolExecutor(self._threads) as pool:
            list(pool.map(work, parts))

    def _require_ends(self, hour: int, table: Array) -> None:
        """Raise unless the first and the last line bound all prices of stored energy that there can be.

        Raises:
            ClearingError: If they do not.
        """
        if table[1, 0].max() > 2.0 * self._wide or table[0, -1].min() < self._fullest - 1e-6 * self.capacity:
            raise ClearingError(
                "the prices of stored energy must reach from where the store only gives to where it fills as fast as it can, and do not "
                f"in hour {hour} of {self.hours.day.label}: it gains {table[1, 0].max()} and {table[0, -1].min()} of {self._fullest} kWh."
            )

    def _path(self, boxes: ChargeBoxes, chosen: list[IntArray], cell: int) -> tuple[IntArray, Array]:
        """Return the slabs on the path of the bound from a cell on, and the middle of its cells."""
        slab, energy = np.zeros(len(chosen), np.intp), np.empty(len(chosen) + 1)
        for hour, choice in enumerate(chosen):
            energy[hour] = boxes.cells[hour][cell : cell + 2].mean()
            slab[hour], _, cell = choice[cell]
        energy[-1] = boxes.cells[-1][cell : cell + 2].mean()
        return slab, energy


def _reach(boxes: ChargeBoxes) -> Array:
    return np.minimum(boxes.low, _FURTHEST)


def cell_of(cells: Array, energy: float) -> IntArray:
    """Return the cells that hold an energy in kWh, of edges in kWh of shape (edges,): two where it is one of them."""
    last = len(cells) - 2
    return np.unique(np.clip([np.searchsorted(cells, energy, side=side) - 1 for side in ("left", "right")], 0, last))
