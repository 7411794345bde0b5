"""What is proved of a day with one store, as it is kept: numbers and tuples of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from ...agents.optimum.one_store.solve import StoreOptimum
from ...envs.account.settlement import Flows
from ...envs.account.tariff import Tariff
from ...envs.community.day import Day
from ...envs.grid.network import Network
from .answers import Form, Key
from .optima import content_key


@dataclass(frozen=True, kw_only=True)
class KeptOptimum:
    """A :class:`.StoreOptimum` in plain numbers; see there.

    Attributes:
        charges: EUR/kWh, T numbers.
        best_eur: What they earned.
        upper_bound_eur: No sequence earns more.
        price: EUR/kWh.
        slabs: Edges of each hour's slabs, EUR/kWh.
        near: kWh, T + 1 numbers.
        rounds: How often boxes were split.
        seconds: What it took.
    """

    charges: tuple[float, ...]
    best_eur: float
    upper_bound_eur: float
    price: tuple[float, ...]
    slabs: tuple[tuple[float, ...], ...]
    near: tuple[float, ...]
    rounds: int
    seconds: float

    @classmethod
    def of(cls, known: StoreOptimum) -> Self:
        """Return what is known in plain numbers."""
        return cls(
            charges=tuple(known.charges.tolist()),
            best_eur=known.best_eur,
            upper_bound_eur=known.upper_bound_eur,
            price=tuple(known.price.tolist()),
            slabs=tuple(tuple(edges.tolist()) for edges in known.slabs),
            near=tuple(known.near.tolist()),
            rounds=known.rounds,
            seconds=known.seconds,
        )

    def optimum(self) -> StoreOptimum:
        """Return it as the proof takes it."""
        return StoreOptimum(
            charges=np.array(self.charges),
            best_eur=self.best_eur,
            upper_bound_eur=self.upper_bound_eur,
            price=np.array(self.price),
            slabs=tuple(np.array(edges) for edges in self.slabs),
            near=np.array(self.near),
            rounds=self.rounds,
            seconds=self.seconds,
        )


PROOFS: Final = Form("one-store", KeptOptimum)
"""What is proved of days with one store, in the store of answers."""


def proof_key(day: Day, network: Network, tariff: Tariff, *, cap: float, flows: Flows) -> Key:
    """Return what a proof depends on: the day, its tariff, the greatest charge in EUR/kWh, and which flows the operator pays for."""
    return content_key(day, network, tariff.basis) | {"cap": cap, "flows": flows}
