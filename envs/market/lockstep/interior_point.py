"""The interior point of :mod:`..exact.compiled.interior_point` for a batch of days, whose steps all days take together.

Method, start and constants are those described there and in :mod:`..exact.compiled.boxes`; here they are written for tensors (B, T, …).
Caps of trades and connections count from the beginning: a second attempt for a few days would cost a batch as much as the first. A
multiplier of a far bound starts small, so that its product with the slack is that of the others. Dual residuals are therefore not zero at
the start, and shrink with the rest.

A day that has arrived or broken down stands still, and is dropped from the batch once half of it does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor

from .normal import Normal, owned, price_of, rise_of, sums
from .stack import Family, Stack

TOLERANCE = 1e-9
"""Of mean product and residual, from which polishing begins. At 1e-6 it cycles on half of the days of `ieee39`, where caps
bind, at 1e-8 on one of 48; at 1e-9 on none of 48 days each of five communities."""
_MAX_STEPS = 80
_BACK_OFF = 0.999  # share of the way to the nearest bound that a step takes
_MARGIN = 0.02  # least multiplier at the start


class Values(NamedTuple):
    """Where a :class:`.stack.Family` stands, with the multipliers of both bounds; those of a variable that cannot move bother nobody."""

    v: Tensor
    z_low: Tensor
    z_high: Tensor

    def only(self, rows: Tensor) -> Self:
        """Return those of some days, chosen by numbers or by a mask, shape (*,)."""
        return type(self)(*(each[rows] for each in self))

    def where(self, days: Tensor, other: Values) -> Values:
        """Return those of these days, shape (B,), and of the others from elsewhere."""
        return Values(*(torch.where(_by_day(days, ours), ours, theirs) for ours, theirs in zip(self, other, strict=True)))


class Reached(NamedTuple):
    """Where B days stand: boxes, flows, nodal prices (B, T, N), storage prices (B, T, J) and the greatest residual (B,)."""

    boxes: Values
    flows: Values
    mu: Tensor
    sigma: Tensor
    residual: Tensor

    def only(self, rows: Tensor) -> Self:
        """Return some of the days, chosen by numbers or by a mask, shape (*,)."""
        return type(self)(self.boxes.only(rows), self.flows.only(rows), self.mu[rows], self.sigma[rows], self.residual[rows])

    def where(self, days: Tensor, other: Reached) -> Reached:
        """Return these days, shape (B,), and the others from elsewhere."""
        families = self.boxes.where(days, other.boxes), self.flows.where(days, other.flows)
        return Reached(
            *families, *(torch.where(_by_day(days, ours), ours, theirs) for ours, theirs in zip(self[2:], other[2:], strict=True))
        )


@dataclass(frozen=True, eq=False)
class Near:
    """Points near the optima of B days.

    Attributes:
        boxes: Values of d, r, c, s and e, shape (B, T, 2N + 3J).
        mu: Nodal prices, shape (B, T, N).
        sigma: Storage prices, shape (B, T, J).
        arrived: Whether the tolerance was reached, shape (B,).
        steps: Steps each day took, shape (B,).
    """

    boxes: Tensor
    mu: Tensor
    sigma: Tensor
    arrived: Tensor
    steps: Tensor

    def keep(self, rows: Tensor, point: Reached) -> None:
        """Write where some of the days stand, given their numbers, shape (*,)."""
        self.boxes[rows], self.mu[rows], self.sigma[rows] = point.boxes.v, point.mu, point.sigma


def approach(stack: Stack, *, tolerance: float = TOLERANCE) -> Near:
    """Take the interior point near the optima of a batch.

    Args:
        stack: The days and their charges.
        tolerance: Mean product of slack and multiplier, and residual, to reach.
    """
    point = _start(stack)
    copies = (each.clone() for each in (point.boxes.v, point.mu, point.sigma))
    near = Near(*copies, *(torch.zeros_like(point.residual, dtype=kind) for kind in (torch.bool, torch.int64)))
    rows = torch.arange(len(point.mu), device=point.mu.device)
    running, number = torch.ones_like(rows, dtype=torch.bool), _number(stack)
    for step in range(_MAX_STEPS + 1):
        mean = _sum_of_products(stack, point) / number
        ended = (mean <= tolerance) & (point.residual <= tolerance)
        near.arrived[rows[ended]] = True
        near.steps[rows[running]] = step
        running = running & ~ended
        if 2 * int(running.sum()) <= len(rows):  # the one wait for the device in a step
            near.keep(rows, point)
            rows, stack, point = rows[running], stack.only(running), point.only(running)
            mean, number = mean[running], number[running]
            running = running[running]
        if not len(rows) or step == _MAX_STEPS:
            break
        point, running = _step(stack, point, mean, number, running)
    near.keep(rows, point)
    return near


def _start(stack: Stack) -> Reached:
    """Return a centred start, prices in the middle between import and export price, stored energy valued at the day's mean of that."""
    n_days, n_periods, n, n_stores = stack.sizes
    mu = 0.5 * (stack.flows.cost[:, :, n, :n] - stack.flows.cost[:, :, :n, n])
    sigma = owned(stack, mu.mean(dim=1, keepdim=True)).expand(n_days, n_periods, n_stores).clone()
    boxes, missed = _started(stack.boxes, price_of(stack, mu, sigma))
    flows, missed_by_flows = _started(stack.flows, rise_of(mu))
    net, storage = sums(stack, boxes.v, flows.v)
    missing = (missed, missed_by_flows, net, storage - _carried(stack, storage))
    residual = torch.stack([_greatest(each.abs()) for each in missing if each.numel()]).amax(dim=0)
    return Reached(boxes, flows, mu, sigma, residual)


def _started(family: Family, price: Tensor) -> tuple[Values, Tensor]:
    """Return values where a family starts at prices, and what is missing from its stationarity."""
    q, cost, lower, upper, free = family
    room = (upper - lower).clamp(max=1.0)
    wish = torch.where(q > 0.0, -(cost + price) / torch.where(q > 0.0, q, 1.0), 0.5 * (lower + upper))
    v = torch.where(free, torch.maximum(torch.minimum(wish, upper - 0.1 * room), lower + 0.1 * room), lower)
    slope = q * v + cost + price
    z_low = slope.clamp(min=0.0) + _MARGIN / (v - lower).clamp(min=1.0)
    z_high = (-slope).clamp(min=0.0) + _MARGIN / (upper - v).clamp(min=1.0)
    return Values(v, torch.where(free, z_low, 1.0), torch.where(free, z_high, 1.0)), torch.where(free, slope - z_low + z_high, 0.0)


def _sum_of_products(stack: Stack, point: Reached) -> Tensor:
    """Return each day's sum of the products of slack and multiplier, shape (B,)."""
    return _sum(_product(stack.boxes, point.boxes), _product(stack.flows, point.flows))


def _product(family: Family, at: Values) -> Tensor:
    return torch.where(family.free, at.z_low * (at.v - family.lower) + at.z_high * (family.upper - at.v), 0.0)


def _number(stack: Stack) -> Tensor:
    """Return how many products each day has, shape (B,)."""
    return 2 * _sum(stack.boxes.free, stack.flows.free).clamp(min=1)


class _Linear:
    """A family at a point, with its weights and the step it takes if prices stand still."""

    def __init__(self, family: Family, at: Values, price: Tensor) -> None:
        self.free, self.at = family.free, at
        self.below = torch.where(family.free, at.v - family.lower, 1.0)
        self.above = torch.where(family.free, family.upper - at.v, 1.0)
        stiffness = family.curvature + at.z_low / self.below + at.z_high / self.above
        self.w = torch.where(family.free, 1.0 / stiffness, 0.0)
        self.h = -self.w * (family.curvature * at.v + family.cost + price)
        self.c_low = self.c_high = torch.zeros_like(at.v)

    def predicted(self, price: Tensor) -> tuple[Tensor, Tensor]:
        """Return the greatest relative decrease in the predictor, and the sum of its second-order products, each of shape (B,)."""
        move = self.h - self.w * price
        self._low, self._high = self.at.z_low * (1.0 + move / self.below), self.at.z_high * (1.0 - move / self.above)
        self._move = move
        return self._decrease(move), _sum(torch.where(self.free, move * (self._low - self._high), 0.0))

    def aim(self, target: Tensor) -> Tensor:
        """Set the centring terms for a target product of each day, and return what they add to the step."""
        target = _by_day(target, self.at.v)
        self.c_low, self.c_high = (target + self._move * self._low) / self.below, (target - self._move * self._high) / self.above
        added = self.w * (self.c_low - self.c_high)
        self.h = self.h + added
        return added

    def correct(self, price: Tensor) -> Tensor:
        """Turn the step into the corrector's, and return the greatest relative decrease, shape (B,)."""
        self.h = self.h - self.w * price
        return self._decrease(self.h)

    def moved(self, alpha: Tensor) -> Values:
        """Return where a share of the step leads."""
        alpha = _by_day(alpha, self.at.v)
        v, z_low, z_high = self.at
        low = z_low + alpha * (self.c_low - z_low * (1.0 + self.h / self.below))
        high = z_high + alpha * (self.c_high - z_high * (1.0 - self.h / self.above))
        return Values(v + alpha * self.h, torch.where(self.free, low, 1.0), torch.where(self.free, high, 1.0))

    def _decrease(self, move: Tensor) -> Tensor:
        """Return the greatest relative decrease of a slack or multiplier, shape (B,)."""
        down, up = move / self.below, -move / self.above
        low, high = 1.0 + down - self.c_low / self.at.z_low, 1.0 + up - self.c_high / self.at.z_high
        return _greatest(torch.where(self.free, torch.maximum(torch.maximum(-down, -up), torch.maximum(low, high)), 0.0))


def _step(stack: Stack, point: Reached, mean: Tensor, number: Tensor, running: Tensor) -> tuple[Reached, Tensor]:
    """Return where a predictor and a corrector lead the days that run, and which of them can go on; the others stay where they are."""
    boxes = _Linear(stack.boxes, point.boxes, price_of(stack, point.mu, point.sigma))
    flows = _Linear(stack.flows, point.flows, rise_of(point.mu))
    normal = Normal(stack, boxes.w, flows.w)
    net, storage = sums(stack, point.boxes.v + boxes.h, torch.where(flows.free, point.flows.v + flows.h, 0.0))
    storage = storage - _carried(stack, storage)
    d_mu, d_sigma = normal.solve(net, storage)
    (worst, second), (worst_flow, second_flow) = boxes.predicted(price_of(stack, d_mu, d_sigma)), flows.predicted(rise_of(d_mu))
    alpha = _share(worst, worst_flow)
    products = mean * number
    after = products * (1.0 - alpha) - alpha * alpha * (second + second_flow)
    target = mean * (after / products) ** 3
    more_net, more_storage = sums(stack, boxes.aim(target), flows.aim(target))
    d_mu, d_sigma = normal.solve(net + more_net, storage + more_storage)
    alpha = _share(boxes.correct(price_of(stack, d_mu, d_sigma)), flows.correct(rise_of(d_mu)))
    running = running & alpha.isfinite()  # a matrix without a factor has left NaN
    new = Reached(boxes.moved(alpha), flows.moved(alpha), *_prices(point, alpha, d_mu, d_sigma), point.residual * (1.0 - alpha))
    return new.where(running, point), running


def _prices(point: Reached, alpha: Tensor, d_mu: Tensor, d_sigma: Tensor) -> tuple[Tensor, Tensor]:
    return point.mu + alpha[:, None, None] * d_mu, point.sigma + alpha[:, None, None] * d_sigma


def _share(*worst: Tensor) -> Tensor:
    """Return how much of a step may be taken, shape (B,), for relative decreases."""
    return (_BACK_OFF / torch.stack(worst).amax(dim=0).clamp(min=1e-300)).clamp(max=1.0)


def _carried(stack: Stack, storage: Tensor) -> Tensor:
    """Return the energy at the start where the storage equations have it, shape (B, T, J)."""
    start = torch.zeros_like(storage)
    start[:, 0] = stack.stored_start
    return start


def _by_day(numbers: Tensor, like: Tensor) -> Tensor:
    """Return numbers of days, shape (B,), in a shape that goes with (B, …)."""
    return numbers.reshape(-1, *[1] * (like.dim() - 1))


def _greatest(values: Tensor) -> Tensor:
    return values.flatten(1).amax(dim=1)


def _sum(*values: Tensor) -> Tensor:
    return torch.stack([each.flatten(1).sum(dim=1) for each in values]).sum(dim=0)
