"""What stored energy may be worth to its owners in an hour, for all energies in a box and all charges between two that were cleared.

Let V(e, γ) be what the rest of the day costs prosumers who hold e and take γ as standing. It is convex in e and concave in γ, and the price
p_i of energy in store i is its fall in e_i. Every term of its dual is a function of one price or of the difference of two, each scaled, so
that prices fall as energies rise (Topkis). In a box e̲ ≤ e ≤ ē, with a step h into the convex function,

    (V(ē, γ) − V(ē + h·1_i, γ)) / h ≤ p_i(e, γ) ≤ (V(e̲ − h·1_i, γ) − V(e̲, γ)) / h.

Between charges γ_k and γ_k+1, with s from 0 to 1 on the way:

* A mean of both plans can be carried out. Cost without charges is quadratic, so V is at most the chord and ½·s·(1 − s)·(2·Δγ·(fall of the
  charged energy) − H), with H = Σ friction·(change)² over all that bends.
* A mean of both plans' prices is a point of the dual. Each of its terms is concave, and a parabola where the quantity is between its limits
  at both. So V is at least the chord and ½·s·(1 − s)·K, with K the part of H that is between limits at both charges.

So D = V(e − h·1_i) − V(e) is known up to the parabola of what reaches a limit on the way, or is not the same for both energies. Plans at
e̲ − h·1_i may need energies below 0 at the beginning, and those at ē + h·1_i above the capacity: only what is held at the *end* of an hour
is bounded, and the program is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ....envs.community.day import Array, Day
from ....envs.errors import ClearingError
from ....envs.games.tail import tail_of
from ....envs.market.exact.compiled import StructuredMarket
from ....envs.market.exact.kkt import BoolArray
from ....envs.market.exact.solution import Clearing

_STEP = 0.08  # h, of the capacity
_INSIDE = 1e-7  # kW, and of a quantity: how far inside its limits it must be to count
_ROUNDING = 1e-11  # of the day's turnover: what an optimal value may be off by


@dataclass(frozen=True, eq=False, kw_only=True)
class _Costs:
    """V at some charges, EUR, infinite where the day could not end as it must, and how it can bend between each two.

    Attributes:
        value: Shape (charges,).
        most: Twice the fall of charged energy times the step of the charge, less H, EUR, shape (charges − 1,).
        least: K, EUR, shape (charges − 1,).
    """

    value: Array
    most: Array
    least: Array


class StoredWorth:
    """The plans of a day that bound what stored energy is worth.

    Args:
        day: The day.
        basis: B, what a charge of 1 EUR/kWh charges per kWh and pair, shape (N, N).
        edges: Charges in EUR/kWh that are cleared, rising, shape (edges,).
    """

    def __init__(self, day: Day, basis: Array, edges: Array) -> None:
        self._day, self._basis, self._edges = day, basis, edges
        self._owner = np.flatnonzero(day.has_storage)
        self._market = StructuredMarket(fallback=_Refuses(), threads=1)
        self.plans = 0

    def between(self, hour: int, low: Array, high: Array) -> tuple[Array, Array]:
        """Return the least and the greatest price of energy in each store, EUR/kWh, shape (edges − 1, J) each.

        Args:
            hour: The hour.
            low: Least energies at its beginning, kWh, shape (J,).
            high: Greatest.
        """
        power = self._day.storage_power[self._owner] * self._day.period_hours
        step = _STEP * np.maximum(self._day.storage_capacity[self._owner], power)
        loose = _ROUNDING * self._day.turnover_eur / step
        scarce, ample = self._costs(hour, low), self._costs(hour, high)
        least, greatest = [], []
        for j in range(len(self._owner)):
            moved = np.where(np.arange(len(self._owner)) == j, step, 0.0)
            greatest.append(_most_apart(self._costs(hour, low - moved), scarce) / step[j])
            least.append(-_most_apart(self._costs(hour, high + moved), ample) / step[j])
        return np.stack(least, axis=1) - loose, np.stack(greatest, axis=1) + loose

    def _costs(self, hour: int, stored: Array) -> _Costs:
        day, energy = self._day, np.zeros(self._day.n_prosumers)
        energy[self._owner] = stored
        tail = replace(tail_of(day, hour, energy), storage_start=energy, storage_end=day.stored_at_end)
        value, most, least = np.full(len(self._edges), np.inf), *np.zeros((2, len(self._edges) - 1))
        before: _Plan | None = None
        for k, charge in enumerate(self._edges):
            self.plans += 1
            try:
                plan = self._market.clear(tail, charge * self._basis)
            except ClearingError:
                before = None
                continue
            value[k] = plan.objective_eur
            now = _bending(tail, plan, self._basis)
            if before is not None:
                square = (now.quantity - before.quantity) ** 2 * now.friction
                fall = max(0.0, before.charged - now.charged) * (charge - self._edges[k - 1])
                most[k - 1], least[k - 1] = 2.0 * fall - square.sum(), square[now.free & before.free].sum()
            before = now
        return _Costs(value=value, most=most, least=least)


class _Plan(NamedTuple):
    """What bends of a plan: quantities in kW, their frictions in EUR/kW², whether each is between its limits; and the charged energy."""

    quantity: Array
    friction: Array
    free: BoolArray
    charged: float


def _bending(tail: Day, plan: Clearing, basis: Array) -> _Plan:
    none, shape = np.zeros(tail.renewable.shape), tail.renewable.shape
    power = np.broadcast_to(tail.storage_power, shape)
    parts = (
        (plan.demand, tail.utility_curvature, tail.demand_min, tail.demand_max),
        (plan.grid_import, tail.grid_friction, none, np.broadcast_to(tail.import_limit, shape)),
        (plan.grid_export, tail.grid_friction, none, np.broadcast_to(tail.export_limit, shape)),
        (plan.storage_charge, tail.storage_wear, none, power),
        (plan.storage_discharge, tail.storage_wear, none, power),
        (plan.trade, tail.trade_friction, np.zeros(plan.trade.shape), np.broadcast_to(tail.trade_limit, plan.trade.shape)),
    )
    quantity = np.concatenate([each[0].ravel() for each in parts])
    friction = np.concatenate([np.broadcast_to(each[1], each[0].shape).ravel() for each in parts]) * tail.period_hours
    low, high = (np.concatenate([each[k].ravel() for each in parts]) for k in (2, 3))
    inside = _INSIDE * (1.0 + np.abs(quantity))
    charged = tail.period_hours * float((plan.trade.sum(axis=0) * basis).sum())
    return _Plan(quantity, friction, (quantity > low + inside) & (quantity < high - inside), charged)


def _most_apart(upper: _Costs, lower: _Costs) -> Array:
    """Return the most that one cost can be above another between each two charges, EUR, shape (charges − 1,)."""
    with np.errstate(invalid="ignore", divide="ignore"):  # first + s·rise + s·(1 − s)·bend
        apart = upper.value - lower.value
        first, rise, bend = apart[:-1], np.diff(apart), 0.5 * (upper.most - lower.least)
        top = np.where(bend > 0, np.clip(0.5 + 0.5 * rise / bend, 0.0, 1.0), 0.0)
        between = first + top * rise + top * (1.0 - top) * bend
        most = np.maximum(np.maximum(first, apart[1:]), between)
    return np.where(np.isfinite(most), most, np.inf)


class _Refuses:
    """What is asked where the compiled loops find no plan: there may be none."""

    def clear(self, day: Day, charges: ArrayLike, *, start: Clearing | None = None) -> Clearing:  # noqa: ARG002 - as the protocol has it
        """Raise.

        Raises:
            ClearingError: Always.
        """
        raise ClearingError(f"{day.label} could not be cleared at charges up to {np.max(np.asarray(charges))} EUR/kWh.")

    def clear_many(self, days: Sequence[Day], charges: Array | Sequence[Array]) -> list[Clearing]:
        """Raise, if there is a day.

        Raises:
            ClearingError: If there is a day.
        """
        return [self.clear(day, each) for day, each in zip(days, charges, strict=True)]
