"""The market's one sparse matrix for a batch of days, and the normal equations in its prices.

Nodal prices are eliminated first, period by period, as in :mod:`..exact.compiled.linear_algebra`. The storage prices of all periods then
stand in one dense matrix of T·J rows: a device takes one large factorisation in the time of a few small ones after the other.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from .stack import Stack

_SHIFT = 1e-10


def rise_of(mu: Tensor) -> Tensor:
    """Return what prices (B, T, N) add to the slope of flows, μ_seller − μ_buyer, shape (B, T, N + 1, N + 1)."""
    nodes = pad(mu, (0, 1))
    return nodes[..., :, None] - nodes[..., None, :]


def price_of(stack: Stack, mu: Tensor, sigma: Tensor) -> Tensor:
    """Return what nodal and storage prices add to the slope of the boxes, shape (B, T, 2N + 3J)."""
    own, later = owned(stack, mu), pad(sigma[:, 1:], (0, 0, 0, 1))
    return torch.cat([mu, -mu, own - stack.eta * sigma, sigma / stack.eta - own, sigma - later], dim=2)


def sums(stack: Stack, boxes: Tensor, flows: Tensor) -> tuple[Tensor, Tensor]:
    """Return what boxes and flows add up to in the balances (B, T, N) and in the storage equations (B, T, J)."""
    _, _, n, _ = stack.sizes
    demand, renewable, charge, discharge, stored = _kinds(stack, boxes)
    net = renewable - demand + (flows.sum(dim=2) - flows.sum(dim=3))[:, :, :n]
    net = net.index_add(2, stack.owner, discharge - charge)
    before = pad(stored[:, :-1], (0, 0, 1, 0))
    return net, stored - before - stack.eta * charge + discharge / stack.eta


def owned(stack: Stack, values: Tensor) -> Tensor:
    """Return the values of those who own stores, shape (B, *, J), of values of all, shape (B, *, N)."""
    return values[:, :, stack.owner]


def _kinds(stack: Stack, boxes: Tensor) -> tuple[Tensor, ...]:
    """Return the columns of d, r, c, s and e apart."""
    _, _, n, n_stores = stack.sizes
    return boxes.tensor_split([n, 2 * n, 2 * n + n_stores, 2 * n + 2 * n_stores], dim=2)


class Normal:
    """The factorised normal equations.

    A day whose matrix has no factor gets NaN, and so ends.

    Args:
        stack: The days.
        w: Weights of the boxes, shape (B, T, 2N + 3J).
        w_flow: Weights of the flows, shape (B, T, N + 1, N + 1).
    """

    def __init__(self, stack: Stack, w: Tensor, w_flow: Tensor) -> None:
        n_days, n_periods, n, n_stores = stack.sizes
        demand, renewable, charge, discharge, stored = _kinds(stack, w)
        both, eta = w_flow + w_flow.transpose(2, 3), stack.eta
        diagonal = (both.sum(dim=3)[:, :, :n] + demand + renewable).index_add(2, stack.owner, charge + discharge) + _SHIFT
        self._prices = _factor(torch.diag_embed(diagonal) - both[:, :, :n, :n])
        cross = w.new_zeros(n_days, n_periods, n, n_stores)
        cross[:, :, stack.owner, torch.arange(n_stores, device=w.device)] = -(eta * charge + discharge / eta)
        self._cross = torch.linalg.solve_triangular(self._prices, cross, upper=False)
        own = eta**2 * charge + discharge / eta**2 + stored + pad(stored[:, :-1], (0, 0, 1, 0)) + _SHIFT
        blocks = torch.diag_embed(own) - self._cross.transpose(2, 3) @ self._cross
        whole = w.new_zeros(n_days, n_periods, n_stores, n_periods, n_stores)
        hours = torch.arange(n_periods, device=w.device)
        whole[:, hours, :, hours, :] = blocks.transpose(0, 1)
        whole[:, hours[1:], :, hours[:-1], :] = torch.diag_embed(-stored[:, :-1]).transpose(0, 1)  # only the lower triangle is read
        self._chain = _factor(whole.reshape(n_days, n_periods * n_stores, n_periods * n_stores))

    def solve(self, net: Tensor, storage: Tensor) -> tuple[Tensor, Tensor]:
        """Return the changes of nodal prices (B, T, N) and storage prices (B, T, J) that close the balances and storage equations."""
        half = torch.linalg.solve_triangular(self._prices, -net[..., None], upper=False)
        right = storage - (self._cross.transpose(2, 3) @ half)[..., 0]
        sigma = torch.cholesky_solve(right.flatten(1)[..., None], self._chain).reshape(storage.shape)
        half = half - self._cross @ sigma[..., None]
        return torch.linalg.solve_triangular(self._prices.transpose(2, 3), half, upper=True)[..., 0], sigma


def _factor(matrices: Tensor) -> Tensor:
    """Return the Cholesky factors of symmetric matrices (…, M, M), NaN where there is none."""
    factors, failed = torch.linalg.cholesky_ex(matrices)
    return torch.where((failed > 0)[..., None, None], torch.nan, factors)
