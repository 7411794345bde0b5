"""stable-baselines3's TD3, its gradient steps written out as SAC's are; see :mod:`.sac` for what that means and leaves out."""

from __future__ import annotations

from typing import cast

import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.buffers import ReplayBuffer
from torch import Tensor

from .critics import draw, learn_values, least_value, networks_of
from .layers import Adam, Layer, Vector, back, hidden, linear, weigh


class TD3(stable_baselines3.TD3):
    """TD3 of plain layers with ReLU on the processor. Arguments are those of stable-baselines3's, whose models it saves and loads."""

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """Take gradient steps, as stable-baselines3's learner asks for them after each step of the days played side by side.

        Args:
            gradient_steps: How many.
            batch_size: Steps of days in each.
        """
        self.policy.set_training_mode(True)
        self._update_learning_rate([self.actor.optimizer, self.critic.optimizer])
        of_actors, of_critics = [], []
        with torch.no_grad():
            actor, critics = Adam(self.actor.optimizer), Adam(self.critic.optimizer)
            targets = [Vector([each.detach() for each in network.parameters()]) for network in (self.actor_target, self.critic_target)]
            for _ in range(gradient_steps):
                self._n_updates += 1
                observed, loss = self._learn_values(critics, targets, batch_size)
                of_critics.append(loss)
                if self._n_updates % self.policy_delay == 0:
                    of_actors.append(_learn_to_act(actor, networks_of(critics.values.layers, self.critic.n_critics)[0], observed))
                    for target, learned in zip(targets, (actor, critics), strict=True):
                        target.whole.mul_(1 - self.tau).add_(learned.values.whole, alpha=self.tau)
            actor.put_back()
            critics.put_back()
            for target in targets:
                target.put_back()
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        if of_actors:
            self.logger.record("train/actor_loss", np.mean(torch.stack(of_actors).numpy(), dtype=np.float64))
        self.logger.record("train/critic_loss", np.mean(torch.stack(of_critics).numpy(), dtype=np.float64))

    def _learn_values(self, critics: Adam, targets: list[Vector], rows: int) -> tuple[Tensor, Tensor]:
        """Take a step of the critics; return what was observed on the days it was learned from, and the loss."""
        batch = draw(cast(ReplayBuffer, self.replay_buffer), rows, ends=self.gamma > 0)
        noise = torch.empty_like(batch.actions).normal_(0, self.target_policy_noise)
        aim, count = batch.rewards, self.critic.n_critics
        if self.gamma:
            acted = linear(targets[0].layers[-1], hidden(targets[0].layers[:-1], batch.next_observed)[-1]).tanh()
            later = (acted + noise.clamp(-self.target_noise_clip, self.target_noise_clip)).clamp(-1, 1)
            worth = least_value(networks_of(targets[1].layers, count), batch.next_observed, later)
            aim = batch.rewards + (1 - batch.ended) * self.gamma * worth
        loss = learn_values(networks_of(critics.values.layers, count), networks_of(critics.gradients.layers, count), batch, aim, share=1.0)
        critics.step()
        return batch.observed, loss


def _learn_to_act(actor: Adam, critic: list[Layer], observed: Tensor) -> Tensor:
    """Take a step of the actor up the first critic's value of its actions, and return what it lost, minus that value."""
    layers, gradients = actor.values.layers, actor.gradients.layers
    seen = hidden(layers[:-1], observed)
    actions = linear(layers[-1], seen[-1]).tanh()
    judged = hidden(critic[:-1], torch.cat([observed, actions], dim=1))
    values = linear(critic[-1], judged[-1])
    of_shown = back(critic[:-1], judged, torch.full_like(values, -1.0 / len(values)).mm(critic[-1][0]), None)
    of_answer = torch.ops.aten.tanh_backward(of_shown[:, observed.shape[1] :], actions)
    weigh(gradients[-1], seen[-1], of_answer)
    back(layers[:-1], seen, of_answer.mm(layers[-1][0]), gradients[:-1])
    actor.step()
    return -values.mean()
