"""stable-baselines3's SAC, its gradient steps written out.

The learner is that of stable-baselines3 in all but :meth:`SAC.train`: networks, memory, checkpoints, sources of chance. The steps are the
same as well, to the last bit where PyTorch's kernels are (a test compares them), and take a third of the time: see :mod:`.layers`.

What a step leaves out: derivatives of the critics' weights while the actor learns, which nobody uses; and, where nothing is discounted to a
later state because the day has one step, what the target networks answer. Its noise is drawn all the same, for the numbers after it.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple, cast

import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.buffers import ReplayBuffer
from torch import Tensor

from .critics import draw, learn_values, least_value, networks_of
from .layers import Adam, Layer, Vector, back, hidden, linear, weigh

_LOG_STD: Final = (-20.0, 2.0)
"""Where stable-baselines3 cuts off the logarithm of an action's deviation."""
_EPSILON: Final = 1e-6
"""What it adds to 1 − a² before it takes the logarithm."""


class SAC(stable_baselines3.SAC):
    """SAC of plain layers with ReLU, a temperature that is learned, and one action for each row, on the processor.

    Arguments are those of stable-baselines3's, whose models it saves and loads.
    """

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """Take gradient steps, as stable-baselines3's learner asks for them after each step of the days played side by side.

        Args:
            gradient_steps: How many.
            batch_size: Steps of days in each.
        """
        self.policy.set_training_mode(True)
        temperature_optimizer = cast(torch.optim.Optimizer, self.ent_coef_optimizer)
        self._update_learning_rate([self.actor.optimizer, self.critic.optimizer, temperature_optimizer])
        with torch.no_grad():
            actor, critics, temperature = map(Adam, (self.actor.optimizer, self.critic.optimizer, temperature_optimizer))
            targets = Vector([parameter.detach() for parameter in self.critic_target.parameters()])
            told = [self._step(actor, critics, temperature, targets, batch_size) for _ in range(gradient_steps)]
            for state in (actor, critics, temperature, targets):
                state.put_back()
        self._n_updates += gradient_steps
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        for name, values in zip(_Told._fields, zip(*told, strict=True), strict=True):
            self.logger.record(f"train/{name}", np.mean(torch.stack([value.reshape(()) for value in values]).numpy(), dtype=np.float64))

    def _step(self, actor: Adam, critics: Adam, temperature: Adam, targets: Vector, rows: int) -> _Told:
        """Take one step of the temperature, the critics and the actor, in this order."""
        batch = draw(cast(ReplayBuffer, self.replay_buffer), rows, ends=self.gamma > 0)
        networks = networks_of(critics.values.layers, self.critic.n_critics)
        chosen = _choose(actor.values.layers, batch.observed)

        factor = temperature.values.parts[0].exp()
        surplus = chosen.log_density + float(self.target_entropy)
        temperature_loss = -(temperature.values.parts[0] * surplus).mean()
        temperature.gradients.parts[0].copy_((surplus * (-1.0 / rows)).sum())
        temperature.step()

        aim = batch.rewards
        if self.gamma:
            later = _choose(actor.values.layers, batch.next_observed)
            worth = least_value(networks_of(targets.layers, self.critic.n_critics), batch.next_observed, later.actions)
            aim = batch.rewards + (1 - batch.ended) * self.gamma * (worth - factor * later.log_density)
        else:
            _noise(chosen.actions)
        critic_loss = learn_values(networks, networks_of(critics.gradients.layers, self.critic.n_critics), batch, aim, share=0.5)
        critics.step()

        actor_loss = _learn_to_act(actor, networks, batch.observed, chosen, factor)
        actor.step()
        targets.whole.mul_(1 - self.tau).add_(critics.values.whole, alpha=self.tau)
        return _Told(temperature_loss, factor, critic_loss, actor_loss)


class _Told(NamedTuple):
    """What TensorBoard is told of a step, under stable-baselines3's names."""

    ent_coef_loss: Tensor
    ent_coef: Tensor
    critic_loss: Tensor
    actor_loss: Tensor


class _Chosen(NamedTuple):
    """Actions drawn from an actor, and what their derivatives need; shapes (rows, charges), of `log_density` (rows, 1)."""

    seen: list[Tensor]
    unlimited: Tensor
    log_std: Tensor
    std: Tensor
    noise: Tensor
    deviation: Tensor
    actions: Tensor
    below_one: Tensor
    log_density: Tensor


def _noise(like: Tensor) -> Tensor:
    """Draw standard normal numbers as ``torch.distributions.Normal`` does."""
    return torch.normal(torch.zeros_like(like), torch.ones_like(like))


def _choose(layers: list[Layer], observed: Tensor) -> _Chosen:
    """Draw actions; the last two layers are those of the mean and of the logarithm of the deviation, before tanh."""
    seen = hidden(layers[:-2], observed)
    mean, unlimited = linear(layers[-2], seen[-1]), linear(layers[-1], seen[-1])
    log_std = unlimited.clamp(*_LOG_STD)
    std = log_std.exp()
    noise = _noise(mean)
    drawn = mean + noise * std
    deviation, actions = drawn - mean, drawn.tanh()
    below_one = 1 - actions**2 + _EPSILON
    density = -(deviation**2) / (2 * std**2) - std.log() - math.log(math.sqrt(2 * math.pi))
    log_density = density.sum(dim=1) - below_one.log().sum(dim=1)
    return _Chosen(seen, unlimited, log_std, std, noise, deviation, actions, below_one, log_density.reshape(-1, 1))


def _learn_to_act(actor: Adam, networks: list[list[Layer]], observed: Tensor, chosen: _Chosen, factor: Tensor) -> Tensor:
    """Write the derivatives of what the actor loses, temperature × log density − least value, and return its mean.

    Slopes are added in the order in which PyTorch's graph would.
    """
    rows = len(observed)
    shown = torch.cat([observed, chosen.actions], dim=1)
    seen = [hidden(layers[:-1], shown) for layers in networks]
    values = torch.cat([linear(layers[-1], each[-1]) for layers, each in zip(networks, seen, strict=True)], dim=1)
    least, place = values.min(dim=1, keepdim=True)
    loss = (factor * chosen.log_density - least).mean()

    of_values = torch.zeros_like(values).scatter_(1, place, -1.0 / rows)
    of_shown = sum(
        back(layers[:-1], each, of_values[:, [number]].mm(layers[-1][0]), None)
        for number, (layers, each) in enumerate(zip(networks, seen, strict=True))
    )
    of_density = factor * (1.0 / rows)
    twice = 2 * chosen.std**2
    of_actions = cast(Tensor, of_shown)[:, observed.shape[1] :] + of_density / chosen.below_one * (2 * chosen.actions)
    of_deviation = -(of_density / twice) * (2 * chosen.deviation)
    of_drawn = torch.ops.aten.tanh_backward(of_actions, chosen.actions) + of_deviation
    of_variance = -of_density * (-(chosen.deviation**2) / twice / twice) * 2
    of_std = (-of_density / chosen.std + of_variance * (2 * chosen.std)) + of_drawn * chosen.noise
    within = (chosen.unlimited >= _LOG_STD[0]) & (chosen.unlimited <= _LOG_STD[1])
    of_mean, of_log_std = of_drawn - of_deviation, of_std * chosen.log_std.exp() * within

    layers, gradients = actor.values.layers, actor.gradients.layers
    weigh(gradients[-2], chosen.seen[-1], of_mean)
    weigh(gradients[-1], chosen.seen[-1], of_log_std)
    slope = of_mean.mm(layers[-2][0]) + of_log_std.mm(layers[-1][0])
    back(layers[:-2], chosen.seen, slope, gradients[:-2])
    return loss
