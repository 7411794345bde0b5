"""Critics of plain layers: what they learn from, what they expect, and how they learn it; for :mod:`.soft` and :mod:`.td3`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from stable_baselines3.common.buffers import ReplayBuffer
from torch import Tensor

from .layers import Layer, back, hidden, linear, weigh


class Batch(NamedTuple):
    """Steps of days: observations, shape (rows, observed), actions, shape (rows, charges), and rewards and ends, shape (rows, 1)."""

    observed: Tensor
    actions: Tensor
    rewards: Tensor
    next_observed: Tensor
    ended: Tensor


def draw(memory: ReplayBuffer, rows: int, *, ends: bool) -> Batch:
    """Return steps of days, drawn as ``ReplayBuffer.sample`` draws them.

    Args:
        memory: Holds them.
        rows: How many.
        ends: Whether anybody looks at what came next and at ends; where nobody does, what stands there means nothing.
    """
    places = np.random.randint(0, memory.size(), size=rows), np.random.randint(0, high=memory.n_envs, size=rows)  # noqa: NPY002
    observed, actions = (torch.from_numpy(kept[places]) for kept in (memory.observations, memory.actions))
    rewards = torch.from_numpy(memory.rewards[places].reshape(-1, 1))
    if not ends:
        return Batch(observed, actions, rewards, observed, rewards)
    ended = (memory.dones[places] * (1 - memory.timeouts[places])).reshape(-1, 1)
    return Batch(observed, actions, rewards, torch.from_numpy(memory.next_observations[places]), torch.from_numpy(ended))


def networks_of(layers: list[Layer], count: int) -> list[list[Layer]]:
    """Return the layers of each of some networks of one shape."""
    size = len(layers) // count
    return [layers[begin : begin + size] for begin in range(0, len(layers), size)]


def least_value(networks: list[list[Layer]], observed: Tensor, actions: Tensor) -> Tensor:
    """Return the least value that critics expect, shape (rows, 1)."""
    shown = torch.cat([observed, actions], dim=1)
    values = [linear(layers[-1], hidden(layers[:-1], shown)[-1]) for layers in networks]
    return torch.cat(values, dim=1).min(dim=1, keepdim=True)[0]


def learn_values(networks: list[list[Layer]], gradients: list[list[Layer]], batch: Batch, aim: Tensor, *, share: float) -> Tensor:
    """Write the derivatives of a share of the sum of the critics' mean squared errors, and return that share.

    Args:
        networks: The critics.
        gradients: Take the derivatives.
        batch: What they learn from.
        aim: What they should have expected, shape (rows, 1).
        share: What the sum is multiplied by.
    """
    shown, total = torch.cat([batch.observed, batch.actions], dim=1), torch.zeros(())
    for layers, own in zip(networks, gradients, strict=True):
        seen = hidden(layers[:-1], shown)
        error = linear(layers[-1], seen[-1]) - aim
        total = total + (error**2).mean()
        slope = error * (2.0 * share / len(error))
        weigh(own[-1], seen[-1], slope)
        back(layers[:-1], seen, slope.mm(layers[-1][0]), own[:-1])
    return share * total
