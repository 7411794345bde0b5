"""Days of one shape as tensors with the day as the first index, dimensionless as :class:`..exact.compiled.program.Program` has them.

Trades and the use of the backstop are flows between N + 1 nodes, the last being the backstop, whose price is 0: an import is a flow from it
at the import price, an export one to it at minus the export price.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from ...community.day import Array
from ..exact.compiled.program import Program


class Family(NamedTuple):
    """Variables between two bounds with cost ½·q·v² + c·v, shape (B, T, …).

    Attributes:
        curvature: q.
        cost: c.
        lower: Least value.
        upper: Greatest value.
        free: Whether it may move at all.
    """

    curvature: Tensor
    cost: Tensor
    lower: Tensor
    upper: Tensor
    free: Tensor

    def only(self, rows: Tensor) -> Self:
        """Return those of some days, chosen by numbers or by a mask, shape (*,)."""
        return type(self)(*(each[rows] for each in self))


class Stack(NamedTuple):
    """B days of T periods, N prosumers and J stores, which differ neither in who may trade with whom nor in who has a store.

    Attributes:
        boxes: The variables d, r (N each), c, s, e (J each), shape (B, T, 2N + 3J).
        flows: Flows from row to column, shape (B, T, N + 1, N + 1). Those not worth their charge are not free.
        eta: One-way efficiency, shape (B, 1, J).
        stored_start: Energy at the start, shape (B, J).
        owner: Prosumer of each store, shape (J,).
    """

    boxes: Family
    flows: Family
    eta: Tensor
    stored_start: Tensor
    owner: Tensor

    @classmethod
    def of(cls, programs: Sequence[Program], charges: Sequence[Array], device: torch.device) -> Self:
        """Return days as tensors on a device.

        Args:
            programs: Of B days with equal :func:`shape_of`.
            charges: τ of each in EUR/kWh, shape (T, N, N).
            device: Where they go.
        """
        first = programs[0]
        _, n, n_stores, _ = first.sizes

        def moved(arrays: Sequence[Array]) -> Tensor:
            return torch.from_numpy(np.stack(arrays)).to(device)

        def all_of(name: str) -> Tensor:
            return moved([getattr(program, name) for program in programs])

        own = _Own(n, n_stores, *map(all_of, ("curvature", "cost", "lower", "upper")))
        seller, buyer, owner = (torch.from_numpy(each.astype(np.int64)).to(device) for each in (first.seller, first.buyer, first.owner))
        unit = torch.tensor([program.price_unit for program in programs], dtype=torch.float64, device=device)
        pairs = _Pairs(seller, buyer, moved(charges) / unit[:, None, None, None], all_of("friction"), all_of("cap"))
        return cls(own.boxes(all_of("eased")), own.flows(pairs, owner), all_of("eta")[:, None], all_of("stored_start"), owner)

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """B, T, N and J."""
        n_days, n_periods, nodes, _ = self.flows.cost.shape
        return n_days, n_periods, nodes - 1, len(self.owner)

    def only(self, rows: Tensor) -> Self:
        """Return some of the days, chosen by numbers or by a mask, shape (*,)."""
        return type(self)(self.boxes.only(rows), self.flows.only(rows), self.eta[rows], self.stored_start[rows], self.owner)


Shape = tuple[tuple[int, int, int, int], bytes, bytes, bytes]


def shape_of(program: Program) -> Shape:
    """Return what days have in common that stand in one :class:`Stack`: sizes, pairs and owners of stores."""
    return program.sizes, program.seller.tobytes(), program.buyer.tobytes(), program.owner.tobytes()


class _Pairs(NamedTuple):
    """The pairs that may trade: seller and buyer (K,), dimensionless charges (B, T, N, N), friction and cap (B, K)."""

    seller: Tensor
    buyer: Tensor
    charge: Tensor
    friction: Tensor
    cap: Tensor


class _Own(NamedTuple):
    """The prosumers' own variables, shape (B, T, V) each, in the columns of :class:`..exact.compiled.program.Program`."""

    n: int
    n_stores: int
    curvature: Tensor
    cost: Tensor
    lower: Tensor
    upper: Tensor

    def boxes(self, eased: Tensor) -> Family:
        """Return those that are no flows, with the linear cost of demand as the interior point is given it, shape (B, T, N)."""
        curvature, cost, lower, upper = (each[..., : 2 * self.n + 3 * self.n_stores] for each in self[2:])
        return Family(curvature, torch.cat([eased, cost[..., self.n :]], dim=2), lower, upper, upper > lower)

    def flows(self, pairs: _Pairs, owner: Tensor) -> Family:
        """Return the flows; :func:`..exact.compiled.edges.choose_edges` says which are worth their charge."""
        n, (n_days, n_periods, _) = self.n, self.cost.shape
        at_import = 2 * n + 3 * self.n_stores
        imports, exports = slice(at_import, at_import + n), slice(at_import + n, at_import + 2 * n)
        friction, cap, cost = (self.cost.new_full((n_days, n_periods, n + 1, n + 1), each) for each in (1.0, 0.0, 0.0))
        friction[:, :, pairs.seller, pairs.buyer] = pairs.friction[:, None]
        cap[:, :, pairs.seller, pairs.buyer] = pairs.cap[:, None]
        cost[:, :, :n, :n] = pairs.charge
        for filled, source in ((friction, self.curvature), (cost, self.cost), (cap, self.upper)):
            filled[:, :, n, :n], filled[:, :, :n, n] = source[..., imports], source[..., exports]
        power = self.upper.new_zeros(n_days, n).index_copy(1, owner, self.upper[:, 0, 2 * n : 2 * n + self.n_stores])[:, None]
        generated = self.upper[..., n : 2 * n] + power
        highest = cost[:, :, n, :n] + friction[:, :, n, :n] * (self.upper[..., :n] + power)
        lowest = torch.where(generated > 0.0, -cost[:, :, :n, n] - friction[:, :, :n, n] * generated, torch.inf)
        may = torch.zeros(n, n, dtype=torch.bool, device=cost.device)
        may[pairs.seller, pairs.buyer] = True
        offered = torch.where(may, lowest[..., :, None] + pairs.charge, torch.inf).amin(dim=2)
        worth = may & (pairs.charge < highest[..., None, :] - torch.minimum(lowest, offered)[..., :, None])
        free = cap > 0.0
        free[:, :, :n, :n] = worth
        return Family(friction, cost, torch.zeros_like(cap), cap, free)
