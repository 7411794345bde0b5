"""What SAC and TQC have in common: an actor that draws its actions, a temperature that is learned, and the order of a step.

They differ in their critics, which are told as three functions (:class:`Critics`).

What a step leaves out: derivatives of the critics' weights while the actor learns, which nobody uses; and, where nothing is discounted to a
later state because the day has one step, what the target networks answer. Its noise is drawn all the same, for the numbers after it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol, cast

import numpy as np
import torch
from stable_baselines3.common.logger import Logger
from torch import Tensor

from .critics import Batch, draw, networks_of
from .layers import Adam, Layer, Vector, back, hidden, linear, weigh

Networks = list[list[Layer]]
"""The layers of each critic."""
_LOG_STD: Final = (-20.0, 2.0)
"""Where stable-baselines3 cuts off the logarithm of an action's deviation."""
_EPSILON: Final = 1e-6
"""What it adds to 1 − a² before it takes the logarithm."""


class Critics(NamedTuple):
    """What tells the critics of one algorithm from those of another.

    Attributes:
        expect: Takes networks, observations and actions, and returns what they expect, shape (rows, K).
        learn: Takes networks, what takes their derivatives, a batch, and what they should have expected, shape (rows, K), or (rows, 1)
            where all K are alike. Writes the derivatives, and returns the loss.
        judge: Takes the answers of all critics, each of shape (rows, outputs), and returns what the actions are worth, shape (rows, 1), and
            the derivatives of minus its mean, shaped as the answers.
    """

    expect: Callable[[Networks, Tensor, Tensor], Tensor]
    learn: Callable[[Networks, Networks, Batch, Tensor], Tensor]
    judge: Callable[[list[Tensor]], tuple[Tensor, list[Tensor]]]


class SoftLearner(Protocol):
    """What is used of stable-baselines3's learner."""

    actor: Any
    critic: Any
    critic_target: Any
    policy: Any
    replay_buffer: Any
    gamma: float
    tau: float
    target_entropy: Any
    _n_updates: int

    @property
    def ent_coef_optimizer(self) -> torch.optim.Optimizer | None:
        """Learns the temperature."""
        ...

    @property
    def logger(self) -> Logger:
        """Told what steps were like."""
        ...

    def _update_learning_rate(self, optimizers: list[torch.optim.Optimizer]) -> None: ...


class _Told(NamedTuple):
    """What TensorBoard is told of a step, under stable-baselines3's names."""

    ent_coef_loss: Tensor
    ent_coef: Tensor
    critic_loss: Tensor
    actor_loss: Tensor


def take_steps(learner: SoftLearner, critics: Critics, gradient_steps: int, rows: int) -> None:
    """Take gradient steps, as stable-baselines3's learner asks for them after each step of the days played side by side.

    Args:
        learner: Whose weights change.
        critics: Of its algorithm.
        gradient_steps: How many.
        rows: Steps of days in each.
    """
    learner.policy.set_training_mode(True)
    optimizers = [learner.actor.optimizer, learner.critic.optimizer, cast(torch.optim.Optimizer, learner.ent_coef_optimizer)]
    learner._update_learning_rate(optimizers)  # noqa: SLF001 - as stable-baselines3's own steps do
    with torch.no_grad():
        states = tuple(map(Adam, optimizers))
        targets = Vector([parameter.detach() for parameter in learner.critic_target.parameters()])
        told = [_step(learner, critics, states, targets, rows) for _ in range(gradient_steps)]
        for state in states:
            state.put_back()
        targets.put_back()
    learner._n_updates += gradient_steps  # noqa: SLF001
    learner.logger.record("train/n_updates", learner._n_updates, exclude="tensorboard")  # noqa: SLF001
    for name, values in zip(_Told._fields, zip(*told, strict=True), strict=True):
        learner.logger.record(f"train/{name}", np.mean(torch.stack([value.reshape(()) for value in values]).numpy(), dtype=np.float64))


def _step(learner: SoftLearner, own: Critics, states: tuple[Adam, ...], targets: Vector, rows: int) -> _Told:
    """Take one step of the temperature, the critics and the actor, in this order."""
    actor, critics, temperature = states
    batch = draw(learner.replay_buffer, rows, ends=learner.gamma > 0)
    count = learner.critic.n_critics
    networks = networks_of(critics.values.layers, count)
    chosen = _choose(actor.values.layers, batch.observed)

    factor = temperature.values.parts[0].exp()
    surplus = chosen.log_density + float(learner.target_entropy)
    temperature_loss = -(temperature.values.parts[0] * surplus).mean()
    temperature.gradients.parts[0].copy_((surplus * (-1.0 / rows)).sum())
    temperature.step()

    aim = batch.rewards
    if learner.gamma:
        later = _choose(actor.values.layers, batch.next_observed)
        worth = own.expect(networks_of(targets.layers, count), batch.next_observed, later.actions)
        aim = batch.rewards + (1 - batch.ended) * learner.gamma * (worth - factor * later.log_density)
    else:
        _noise(chosen.actions)
    critic_loss = own.learn(networks, networks_of(critics.gradients.layers, count), batch, aim)
    critics.step()

    actor_loss = _learn_to_act(actor, networks, batch.observed, chosen, factor=factor, own=own)
    actor.step()
    targets.whole.mul_(1 - learner.tau).add_(critics.values.whole, alpha=learner.tau)
    return _Told(temperature_loss, factor, critic_loss, actor_loss)


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
    """Draw standard normal numbers as ``torch.distributions.Normal`` does, as many and of the shape of those given."""
    return torch.normal(torch.zeros_like(like), torch.ones_like(like))


def _choose(layers: list[Layer], observed: Tensor) -> _Chosen:
    """Draw actions of shape (rows, actions) for what is observed, shape (rows, numbers).

    The last two layers are those of the mean and of the logarithm of the deviation, before tanh.
    """
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


def _learn_to_act(actor: Adam, networks: Networks, observed: Tensor, chosen: _Chosen, *, factor: Tensor, own: Critics) -> Tensor:
    """Write the derivatives of what the actor loses, temperature × log density − worth, and return its mean.

    Slopes are added in the order in which PyTorch's graph would.
    """
    rows = len(observed)
    shown = torch.cat([observed, chosen.actions], dim=1)
    seen = [hidden(layers[:-1], shown) for layers in networks]
    worth, slopes = own.judge([linear(layers[-1], each[-1]) for layers, each in zip(networks, seen, strict=True)])
    loss = (factor * chosen.log_density - worth).mean()

    of_shown = sum(
        back(layers[:-1], each, slope.mm(layers[-1][0]), None) for layers, each, slope in zip(networks, seen, slopes, strict=True)
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
