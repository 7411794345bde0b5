"""Dynamic programming on a grid, for a day with one store: what it suggests is played, and shows where a bound loses.

The chain of :mod:`.bound` gives the energy E_t(p, γ) at which the price of stored energy is p. Read backwards, it says for each charge how
much is stored from an energy e, and what the leader earns. Between prices, charges and energies of the grid all is interpolated, so that
the value of this program is no bound. Going forward, the charges that promise most in an hour are played, and the best of them is kept:
best in what the exact market paid in the hour, and what the grid makes of the energy held after it.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ....envs.account.objective import reward
from ....envs.arrays import IntArray
from ....envs.community.day import Array
from ..hourly_game.search import HourlyDay
from .bound import BoxBound
from .hours import StoreHours
from .refine import TracedPrices

_PRICES = 48  # lines, and a quarter more of dear ones
_CHARGES, _CLOSE = 100, 12  # charges of equal distance, and those close to 0, each half of the one before
_ENERGIES = 300
_NEAR = 9  # charges tried about each of the best in the second pass
_TRIES = 16  # charges played in an hour


def grid_of(day: HourlyDay, hours: StoreHours) -> StoreGrid:
    """Return the grid of a day of a game that :func:`.solve.applies` accepts, closer near the charges that are best on a coarse one.

    Raises:
        ClearingError: If an hour cannot be followed.
    """
    traced = TracedPrices(hours, n=_PRICES, run=lambda work, items: list(map(work, items)))
    apart = hours.cap / _CHARGES
    charges = np.unique(np.concatenate([np.linspace(0.0, hours.cap, _CHARGES + 1), apart * 0.5 ** np.arange(1, _CLOSE)]))
    closer = StoreGrid(day, hours, traced, charges).path()[:, None] + apart * np.linspace(-0.8, 0.8, _NEAR)
    return StoreGrid(day, hours, traced, np.unique(np.clip(np.concatenate([charges, closer.ravel()]), 0.0, hours.cap)))


def suggested(day: HourlyDay, grid: StoreGrid, *, tries: int = _TRIES) -> Array:
    """Return charges in EUR/kWh, shape (T,), that ought to earn much; T·tries plans are cleared.

    Args:
        day: The day of the grid.
        grid: What :func:`grid_of` made of it.
        tries: How many charges are played in an hour.

    Raises:
        ClearingError: If a plan cannot be cleared.
    """
    state, chosen, owner = day.start, np.empty(day.shape[0]), grid.owner
    for hour in range(len(chosen)):
        some = grid.promising(hour, float(state.stored[owner]), tries)
        plays = day.game.play(day.market, [state] * len(some), [np.full(day.shape, charge) for charge in some])
        day.plans += len(some)
        profit = np.array([reward(plays.outcome(row).settlement, "profit") for row in range(len(some))])
        best = int(np.argmax(profit + grid.worth(hour + 1, np.array([each.stored[owner] for each in plays.states]))))
        chosen[hour], state = some[best], plays.states[best]
    return chosen


class StoreGrid:
    """The dynamic program of a day on a grid.

    Args:
        day: The day.
        hours: Its hours.
        traced: Prices of stored energy, and the hours' answers at them.
        charges: Charges in EUR/kWh, rising, shape (charges,).
    """

    def __init__(self, day: HourlyDay, hours: StoreHours, traced: TracedPrices, charges: Array) -> None:
        loaded, owner, self.owner = day.start.loaded.day, hours.owner, hours.owner
        capacity, self._start, self._charges = float(loaded.storage_capacity[owner]), float(loaded.storage_start[owner]), charges
        zero = int(np.searchsorted(traced.price, 0.0))
        order = np.insert(np.arange(len(traced.price)), zero, zero)  # at the end of the day A jumps at a price of 0
        ends = np.where(np.arange(len(order)) <= zero, capacity, float(loaded.stored_at_end[owner]))
        kept = np.tile(ends[:, None], len(charges))
        self._energies = np.linspace(0.0, capacity, _ENERGIES + 1)
        self._worth: list[Array] = [np.zeros(len(self._energies))]  # of the first hour first
        self._steps: list[tuple[Array, Array, Array]] = []
        for lines in reversed(traced.lines):
            stored, profit = (each[order] for each in _answers(lines.rows, lines.first, charges))
            before = kept - stored
            self._steps.insert(0, (before[::-1], kept[::-1], profit[::-1]))  # energies fall as prices rise
            self._worth.insert(0, self._earned(0, self._energies, self._worth[0])[0].max(axis=0))
            kept = np.clip(before, 0.0, capacity)

    def worth(self, hour: int, energy: Array) -> Array:
        """Return what can be earned from an hour on, EUR, with energies in kWh, both of shape (n,)."""
        return np.interp(energy, self._energies, self._worth[hour])

    def losses(self, found: BoxBound, cells: tuple[Array, ...]) -> Array:
        """Return about how much a bound loses in each hour of its path, EUR, shape (T,).

        What it allows from an energy on, less what the best charge of the grid earns in the hour and the bound allows from then on.

        Args:
            found: The bound.
            cells: Edges of its cells of energy, kWh, T + 1 arrays of shape (edges,).
        """
        lost = np.empty(len(self._steps))
        for hour, energy in enumerate(found.energy[:-1]):
            profit, later = self._played(hour, np.array([energy]))
            then = profit[:, 0] + found.allowed(hour + 1, cells[hour + 1], later[:, 0])
            lost[hour] = found.allowed(hour, cells[hour], np.array([energy]))[0] - then.max()
        return np.maximum(lost, 0.0)

    def path(self) -> Array:
        """Return the charges that are best on the grid, shape (T,)."""
        energy, chosen = self._start, np.empty(len(self._steps))
        for hour in range(len(chosen)):
            earned, later = self._earned(hour, np.array([energy]), self._worth[hour + 1])
            best = int(np.argmax(earned[:, 0]))
            chosen[hour], energy = self._charges[best], float(later[best, 0])
        return chosen

    def promising(self, hour: int, energy: float, n: int) -> Array:
        """Return the n charges in EUR/kWh, shape (n,), by which most can be earned on the grid from an energy in kWh on."""
        return self._charges[np.argsort(-self._earned(hour, np.array([energy]), self._worth[hour + 1])[0][:, 0], kind="stable")[:n]]

    def _earned(self, hour: int, energy: Array, worth: Array) -> tuple[Array, Array]:
        """Return what is earned from energies on, and the energies after the hour, both of shape (charges, energies)."""
        profit, later = self._played(hour, energy)
        return profit + np.interp(later, self._energies, worth), later

    def _played(self, hour: int, energy: Array) -> tuple[Array, Array]:
        """Return the hour's profit in EUR and the energies after it in kWh, from energies of shape (n,), both of shape (charges, n)."""
        before, kept, profit = self._steps[hour]
        earned, later = np.empty((len(self._charges), len(energy))), np.empty((len(self._charges), len(energy)))
        for g in range(len(self._charges)):
            later[g] = np.interp(energy, before[:, g], kept[:, g])
            earned[g] = np.interp(energy, before[:, g], profit[:, g])
        return earned, later


def _answers(rows: Array, first: IntArray, charges: Array) -> tuple[Array, Array]:
    """Return the energy stored in kWh and the profit in EUR at charges on every line, both of shape (lines, charges)."""
    stored, profit = np.empty((len(first) - 1, len(charges))), np.empty((len(first) - 1, len(charges)))
    for i, (a, b) in enumerate(pairwise(first)):
        at = rows[a:b, 0]
        stored[i] = np.interp(charges, at, rows[a:b, 1])
        profit[i] = charges * np.interp(charges, at, rows[a:b, 2]) + np.interp(charges, at, rows[a:b, 3])
    return stored, profit
