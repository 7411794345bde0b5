"""sb3-contrib's TQC, its gradient steps written out as SAC's are; see :mod:`.sac` for what that means.

Critics answer with quantiles of what a day may bring. They learn by comparing each with each of the quantiles aimed at, some half a million
pairs in a step. Where a day is one step, all that is aimed at is its reward, so that one comparison stands for all; its derivative is added
up as often as theirs are, in the same order, for the last bit.
"""

from __future__ import annotations

import sb3_contrib
import torch
from torch import Tensor

from .critics import Batch
from .layers import back, hidden, linear, weigh
from .soft import Critics, Networks, take_steps


class TQC(sb3_contrib.TQC):
    """TQC of plain layers with ReLU, a temperature that is learned, and one action for each row, on the processor.

    Arguments are those of sb3-contrib's, whose models it saves and loads.
    """

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """Take gradient steps, as stable-baselines3's learner asks for them after each step of the days played side by side.

        Args:
            gradient_steps: How many.
            batch_size: Steps of days in each.
        """
        kept = self.critic.quantiles_total - self.top_quantiles_to_drop_per_net * self.critic.n_critics

        def expect(networks: Networks, observed: Tensor, actions: Tensor) -> Tensor:
            return lowest_quantiles(networks, observed, actions, kept=kept)

        def learn(networks: Networks, gradients: Networks, batch: Batch, aim: Tensor) -> Tensor:
            return learn_quantiles(networks, gradients, batch, aim, kept=kept)

        take_steps(self, Critics(expect=expect, learn=learn, judge=_mean), gradient_steps, batch_size)


def lowest_quantiles(networks: Networks, observed: Tensor, actions: Tensor, *, kept: int) -> Tensor:
    """Return the lowest quantiles that all critics expect together, shape (rows, kept)."""
    shown = torch.cat([observed, actions], dim=1)
    values = [linear(layers[-1], hidden(layers[:-1], shown)[-1]) for layers in networks]
    return torch.cat(values, dim=1).sort()[0][:, :kept]


def learn_quantiles(networks: Networks, gradients: Networks, batch: Batch, aim: Tensor, *, kept: int) -> Tensor:
    """Write the derivatives of the critics' mean Huber loss of quantiles, and return that loss.

    Args:
        networks: The critics.
        gradients: Take the derivatives.
        batch: What they learn from.
        aim: The quantiles that they should have expected, shape (rows, kept), or (rows, 1) where all of them are alike.
        kept: How many these are.
    """
    shown = torch.cat([batch.observed, batch.actions], dim=1)
    seen = [hidden(layers[:-1], shown) for layers in networks]
    answers = torch.stack([linear(layers[-1], each[-1]) for layers, each in zip(networks, seen, strict=True)], dim=1)
    quantiles = answers.shape[2]
    share = torch.ones(()) / (answers.numel() * kept)
    level = ((torch.arange(quantiles, dtype=torch.float) + 0.5) / quantiles)[:, None]  # of shape (quantiles, 1), beside those aimed at
    missed = aim[:, None, None] - answers[..., None]
    pull = missed.clamp(-1.0, 1.0)
    slopes = torch.where(missed < 0, share * (1.0 - level), share * level).mul_(pull)
    told = slopes.ravel().dot(missed.ravel()) - 0.5 * slopes.ravel().dot(pull.ravel())
    times = kept // aim.shape[1]  # how often each of the slopes stands for one
    slopes = -(slopes if times == 1 else slopes.expand(*answers.shape, times).contiguous()).sum(-1)
    for number, (layers, own) in enumerate(zip(networks, gradients, strict=True)):
        weigh(own[-1], seen[number][-1], slopes[:, number])
        back(layers[:-1], seen[number], slopes[:, number].mm(layers[-1][0]), own[:-1])
    return times * told


def _mean(answers: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Return the mean of all quantiles of each row, and the derivatives of minus its mean over the rows."""
    values = torch.stack(answers, dim=1)
    rows, critics, quantiles = values.shape
    slope = torch.full_like(answers[0], -1.0) / rows / critics / quantiles
    return values.mean(dim=2).mean(dim=1, keepdim=True), [slope] * critics
