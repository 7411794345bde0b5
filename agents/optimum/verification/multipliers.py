"""Prices that make a bound tight; any others would leave it true, so that nothing rests on how these were found.

The bound on an interval weighs h' = h + P(λ, θ), the pull of the leader's goal on the response with multipliers of its own. A quantity that
can move costs h'²/4νQ, one that is held on a bound only what pulls it away. The best multipliers of the first kind solve weighted least
squares; quantities that would be pulled away join in, and it is solved again. Renewable use and stored energy have no curvature: where
they can move their pull must be nothing, which sets λ to 0 at the node and θ to the same before and after the energy.

Balances couple the prosumers of one period and storage couples the periods of one prosumer: the first are solved for period by period, and
what remains is a system in the stored energies' prices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ....envs.community.day import Array
from .program import CHARGING, DEMAND, DISCHARGING, ENERGY, EXPORT, IMPORT, RENEWABLE, FollowersProgram

_FLOOR = 1e-11  # share of the greatest weight: keeps what no movable quantity determines at 0


@dataclass(frozen=True, eq=False)
class Multipliers:
    """Finds multipliers between two responses."""

    program: FollowersProgram
    moving: Any

    def solve(self, pull: Array, taken: Any) -> tuple[Array, Array]:
        """Return λ and θ, shape (T, N) both, with the least Σ (pull + P(λ, θ))²/Q over the quantities ``taken``."""
        program, day = self.program, self.program.day
        weight = np.where(taken & (program.curvature > 0.0), 1.0 / np.where(program.curvature > 0.0, program.curvature, 1.0), 0.0)
        pinned = program.block(self.moving, RENEWABLE)
        right = [-part for part in self._gathered(weight * pull)]
        nodal = self._nodal_systems(weight, pinned)
        wide, narrow = day.period_hours**2, day.storage_efficiency
        charge, discharge = program.block(weight, CHARGING), program.block(weight, DISCHARGING)
        cross = np.where(pinned, 0.0, -wide * (narrow * charge + discharge / narrow))
        own = wide * (narrow**2 * charge + discharge / narrow**2)
        right[0] = np.where(pinned, 0.0, right[0])
        block, n_blocks = self._blocks()
        if n_blocks == 0:
            alone: Array = np.asarray(np.linalg.solve(nodal, right[0][..., None])[..., 0], dtype=np.float64)
            return alone, np.zeros_like(pinned, dtype=np.float64)
        inverse = np.linalg.inv(nodal)
        joined = np.zeros((n_blocks + 1, n_blocks + 1))
        beside = np.zeros(n_blocks + 1)
        through = cross[:, :, None] * inverse * cross[:, None, :]
        for period, at in enumerate(block):
            np.add.at(joined, (at[:, None], at[None, :]), -through[period])
            np.add.at(joined, (at, at), own[period])
            np.add.at(beside, at, right[1][period] - cross[period] * (inverse[period] @ right[0][period]))
        joined, beside = joined[:n_blocks, :n_blocks], beside[:n_blocks]
        joined[np.diag_indices(n_blocks)] += _FLOOR * (float(own.max()) or 1.0)
        stored = np.append(np.linalg.solve(joined, beside), 0.0)[block]
        left = right[0] - cross * stored
        return np.einsum("tij,tj->ti", inverse, left), stored

    def _gathered(self, vector: Array) -> list[Array]:
        """Return what a vector adds up to at every balance and storage equation: the transpose of :meth:`.FollowersProgram.worth`."""
        program, day = self.program, self.program.day
        part = {kind: program.block(vector, kind) for kind in range(7)}
        hours, eta = day.period_hours, day.storage_efficiency
        node = part[DEMAND] - part[RENEWABLE] - part[IMPORT] + part[EXPORT] + part[CHARGING] - part[DISCHARGING]
        node = hours * (node + np.asarray(program.sold_net(program.trades(vector)), dtype=np.float64))
        stored = hours * (part[DISCHARGING] / eta - eta * part[CHARGING]) + part[ENERGY]
        stored[1:] -= part[ENERGY][:-1]
        return [node, stored]

    def _nodal_systems(self, weight: Array, pinned: Any) -> Array:
        """Return the normal equations of the balances of each period, shape (T, N, N)."""
        program = self.program
        n = program.day.n_prosumers
        diagonal = sum(program.block(weight, kind) for kind in (DEMAND, IMPORT, EXPORT, CHARGING, DISCHARGING))
        between = np.zeros((program.day.n_periods, n, n))
        between[:, program.seller, program.buyer] = program.trades(weight)  # a pair stands there once
        between = between + between.transpose(0, 2, 1)
        systems = -between
        rows = np.arange(n)
        systems[:, rows, rows] += diagonal + between.sum(axis=2)
        systems *= program.day.period_hours**2
        systems = np.where(pinned[:, :, None] | pinned[:, None, :], 0.0, systems)
        greatest = float(systems.max()) or 1.0
        systems[:, rows, rows] += _FLOOR * greatest + np.where(pinned, greatest, 0.0)
        return np.asarray(systems)

    def _blocks(self) -> tuple[Any, int]:
        """Return the number of each storage price's block, shape (T, N), and how many there are; the one after the last is held at 0."""
        program = self.program
        free = program.block(self.moving, ENERGY)
        block = np.zeros(free.shape, dtype=np.intp)
        count = 0
        for prosumer in range(program.day.n_prosumers):
            numbers = []
            for period in range(program.day.n_periods):
                if period == 0 or not free[period - 1, prosumer]:
                    count += 1
                numbers.append(count - 1)
            block[:, prosumer] = numbers
        last = np.unique(block[-1][free[-1] | ~program.day.has_storage])
        held = np.isin(block, last) | ~program.day.has_storage
        used, numbered = np.unique(block[~held], return_inverse=True)
        block[held], block[~held] = len(used), numbered
        return block, len(used)
