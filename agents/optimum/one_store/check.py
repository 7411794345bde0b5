"""The check of a bound by boxes: run again from what was kept, and attacked by sequences of charges that the exact market plays.

A bound may be wrong in its mathematics or its code, so nothing of either is used in the attack. Every hour played from energy e at some
charge must earn no more than the bound says can be earned from e on, less what it says can be earned from the energy held after it:

    profit + W_t+1(e') ≤ W_t(e).

That is asked of every hour of every sequence, which finds a fault in one hour long before a whole day exceeds the bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....envs.account.objective import reward
from ....envs.community.day import Array
from ..hourly_game.search import HourlyDay
from .bound import BoxBound, BoxProgram
from .refine import TracedPrices
from .solve import StoreOptimum, boxes_of, hours_of

_ROWS = 32  # sequences played side by side


@dataclass(frozen=True, kw_only=True)
class StoreCheck:
    """What a check found.

    Attributes:
        replayed_eur: What the kept charges earn, played again.
        bound_eur: The bound that the kept boxes give, run again.
        sequences: Sequences played.
        greatest_eur: What the best of them earned.
        worst_eur: By how much an hour earned more than the bound allows; below 0 where none did.
    """

    replayed_eur: float
    bound_eur: float
    sequences: int
    greatest_eur: float
    worst_eur: float

    @property
    def holds(self) -> bool:
        """Whether nothing contradicts the bound."""
        return self.worst_eur <= 0.0 and max(self.greatest_eur, self.replayed_eur) <= self.bound_eur


def check_optimum(day: HourlyDay, known: StoreOptimum, *, sequences: int = 100, seed: int = 0, threads: int = 2) -> StoreCheck:
    """Check what is known of a day with one store.

    Args:
        day: The day.
        known: What was proved of it.
        sequences: How many are played; :func:`drawn` says which.
        seed: Draws them.
        threads: How many work side by side.

    Raises:
        ClearingError: If an hour cannot be followed, or a plan not be cleared.
    """
    hours = hours_of(day)
    found, cells = replayed(day, known, threads=threads)
    greatest, worst = attack(day, found, cells, charges=drawn(known, hours.cap, sequences, seed), owner=hours.owner)
    return StoreCheck(
        replayed_eur=day.walk(np.array(known.charges)[:, None]).goal_eur,
        bound_eur=found.bound_eur,
        sequences=sequences,
        greatest_eur=greatest,
        worst_eur=worst,
    )


def replayed(day: HourlyDay, known: StoreOptimum, *, threads: int = 2) -> tuple[BoxBound, tuple[Array, ...]]:
    """Return the bound of the boxes that were kept, run again, and edges of its cells of energy, kWh, T + 1 arrays of shape (edges,).

    Raises:
        ClearingError: If an hour cannot be followed.
    """
    hours = hours_of(day)
    program = BoxProgram(hours, threads=threads)
    boxes = boxes_of(known, program.capacity)
    traced = TracedPrices(hours, n=len(known.price), run=lambda work, items: list(map(work, items)), kept=boxes.price)
    return program.run(boxes, traced.lines, np.array(known.near)), boxes.cells


def drawn(known: StoreOptimum, cap: float, n: int, seed: int) -> Array:
    """Return n sequences of charges in EUR/kWh to attack a bound with, shape (n, T).

    A sixth each: uniform charges; small ones; constants; two levels, changed at random hours; ends of the slabs of every hour, or next to
    them; and the best sequence with hours changed.

    Args:
        known: What was proved.
        cap: Greatest charge, EUR/kWh.
        n: How many.
        seed: Draws them.
    """
    rng, best = np.random.default_rng(seed), np.array(known.charges)
    kind, shape = rng.integers(6, size=n)[:, None], (n, len(best))
    uniform, small = rng.uniform(0.0, cap, shape), cap * 10.0 ** rng.uniform(-4.0, 0.0, shape)
    levels = np.where(rng.random((n, 2)) < 0.5, uniform[:, :2], small[:, :2])
    two = np.where(rng.random(shape) < rng.random((n, 1)), levels[:, :1], levels[:, 1:])
    ends = np.column_stack([rng.choice(edges, n) for edges in known.slabs]) + rng.choice([-1e-9, 0.0, 1e-9], shape)
    changed = np.where(rng.random(shape) < 0.2, np.where(rng.random(shape) < 0.5, uniform, small), best)
    moved = changed * (1.0 + 0.05 * rng.standard_normal(shape))
    charges: Array = np.select(
        [kind == each for each in range(5)], [uniform, small, np.broadcast_to(levels[:, :1], shape), two, ends], moved
    )
    return np.clip(charges, 0.0, cap)


def attack(day: HourlyDay, found: BoxBound, cells: tuple[Array, ...], *, charges: Array, owner: int) -> tuple[float, float]:
    """Play sequences of charges in EUR/kWh, shape (n, T), against a bound.

    Args:
        day: The day.
        found: The bound.
        cells: Edges of its cells of energy, kWh, T + 1 arrays of shape (edges,).
        charges: What is played.
        owner: Whose the store is.

    Returns:
        What the best sequence earned, and by how much an hour earned more than the bound allows, in EUR.
    """
    greatest, worst = -np.inf, -np.inf
    for begin in range(0, len(charges), _ROWS):
        some = charges[begin : begin + _ROWS]
        states, earned = [day.start] * len(some), np.zeros(len(some))
        before = found.allowed(0, cells[0], np.array([state.stored[owner] for state in states]))
        for hour in range(charges.shape[1]):
            plays = day.game.play(day.market, states, [np.full(day.shape, charge) for charge in some[:, hour]])
            profit = np.array([reward(plays.outcome(row).settlement, "profit") for row in range(len(some))])
            states, earned = list(plays.states), earned + profit
            after = found.allowed(hour + 1, cells[hour + 1], np.array([state.stored[owner] for state in states]))
            worst = max(worst, float(np.max(profit + after - before)))
            before = after
        greatest = max(greatest, float(earned.max()))
    return greatest, worst
