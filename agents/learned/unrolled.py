"""A leader of the hourly game that climbs the exact gradient through the whole day.

A day is played hour by hour with the charges a network posts, and one pass backwards through its 24 plans gives the exact derivative of
what the day earns in every charge (:mod:`..optimum.hourly_game.gradient`): in what the hour earns and in what it leaves in the stores.
The network's weights follow

    Σ_t dW/dγ_t · ∂γ_t/∂weights,

where γ_t is what the network posts for the observation of hour t. What is left out is how an earlier charge changes a later observation
(the energy stored, the trade of the hour before), and by that the network's own later charges.

Beside a learner that only hears what a day earned, a day tells 24 slopes here, free of the noise of exploring. Charges are perturbed while
days are played all the same: the gradient is that of one of the pieces that meet at a kink, and the mean over nearby charges tells more of
the slope that a step of the network goes along.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...envs.arrays import Array
from ..curves.network import perceptron, require_positive, seeded
from ..policy import Observation, State
from ..practice import Practice

_BEGIN = -1.4  # what the network's last layer begins with: a charge of a fifth of the cap


class HourNetwork(nn.Module):
    """Maps observations of an hour, shape (B, observed), to charges in EUR/kWh, shape (B, coefficients), in double precision.

    Args:
        n_observed: Numbers in an observation.
        n_charges: Coefficients posted.
        hidden: Units of each hidden layer.
        cap: Greatest charge in EUR/kWh.
    """

    def __init__(self, n_observed: int, n_charges: int, hidden: Sequence[int], cap: float) -> None:
        super().__init__()
        self.body, self.cap = perceptron(n_observed, hidden, n_charges), cap
        with torch.no_grad():
            last = cast(nn.Linear, self.body[-1])
            last.weight.mul_(0.1)  # so that the first charges are nearly alike
            last.bias.fill_(_BEGIN)

    def forward(self, observations: Tensor) -> Tensor:
        """Return the charges in EUR/kWh, shape (B, coefficients), for observations, shape (B, observed)."""
        return self.cap * torch.sigmoid(self.raw(observations))

    def raw(self, observations: Tensor) -> Tensor:
        """Return what the share of the cap is the logistic function of, shape (B, coefficients)."""
        raw: Tensor = self.body(observations.float()).double()
        return raw


class HourPolicy:
    """Posts what a network says of the hour at hand, perturbed where it is not asked to be deterministic.

    Args:
        network: Gives charges.
        perturbation: Standard deviation of the noise on :meth:`HourNetwork.raw`.
        generator: Draws it.

    Attributes:
        network: The same, for export.
    """

    def __init__(self, network: HourNetwork, perturbation: float, generator: np.random.Generator) -> None:
        self.network, self._perturbation, self._generator = network, perturbation, generator

    def predict(
        self,
        observation: Observation,
        state: State | None = None,
        episode_start: NDArray[np.bool_] | None = None,  # noqa: ARG002 - the protocol's
        deterministic: bool = False,
    ) -> tuple[Array, State | None]:
        """Return the charges of the hour; see :class:`~gridtoll.agents.policy.Policy`."""
        with torch.no_grad():
            raw = self.network.raw(torch.as_tensor(np.asarray(observation))[None])[0]
            if not deterministic:
                raw = raw + self._perturbation * torch.as_tensor(self._generator.standard_normal(raw.shape))
            return cast(Array, (self.network.cap * torch.sigmoid(raw)).numpy()), state


@dataclass(frozen=True, kw_only=True)
class Unrolled:
    """Climbs the exact gradient of whole days of the hourly game; see the module for how.

    Attributes:
        hidden: Units of each hidden layer.
        batch: Days that a step of the weights is averaged over.
        learning_rate: Of Adam, at first; it falls to a tenth.
        perturbation: Standard deviation of the noise on the logits of charges while days are played.
        steepest: A day's gradient is shortened to this many times the median length of those before it: at a cliff it misleads.
        validations: How often the network plays validation days; that which earned most is kept.
    """

    hidden: tuple[int, ...] = (64, 64)
    batch: int = 8
    learning_rate: float = 3e-3
    perturbation: float = 0.3
    steepest: float = 3.0
    validations: int = 8

    def __post_init__(self) -> None:
        """Check every setting.

        Raises:
            ValueError: If one is out of range; all such are named.
        """
        numbers: dict[str, Any] = {name: getattr(self, name) for name in ("batch", "learning_rate", "steepest", "validations")}
        require_positive("an unrolled leader", **numbers, **{f"hidden[{place}]": units for place, units in enumerate(self.hidden)})
        if self.perturbation < 0:
            raise ValueError(f"`perturbation` must be at least 0, got {self.perturbation}.")

    def learn(self, practice: Practice) -> HourPolicy:
        """Return the leader that earned most on validation days.

        Raises:
            ValueError: If the game is not played from hour to hour under charges that stand, or the market's response is not known exactly.
            ClearingError: If a day could not be cleared.
        """
        with seeded(practice.seed):
            network = HourNetwork(practice.n_observed, practice.n_charges, self.hidden, practice.charge_cap)
            policy = HourPolicy(network, self.perturbation, practice.generator)
            optimizer = torch.optim.Adam(network.parameters(), self.learning_rate)
            every, steps = practice.scenarios("train"), max(1, practice.steps // self.batch)
            due = set(np.linspace(0, steps, min(self.validations, steps) + 1).astype(int)[1:].tolist())
            lengths: list[float] = []
            best = (-np.inf, policy)
            for step in range(1, steps + 1):
                for group in optimizer.param_groups:
                    group["lr"] = self.learning_rate * 0.1 ** ((step - 1) / steps)
                days = practice.generator.choice(len(every), min(self.batch, len(every)), replace=False)
                played = practice.unrolled(policy, [every[day] for day in days])
                slopes = self._shortened(played.gradients, lengths)
                posted = network(torch.as_tensor(played.observations.reshape(-1, practice.n_observed)))
                loss = -(torch.as_tensor(slopes.reshape(posted.shape)) * posted).sum() / len(days)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                if step in due:
                    earned = practice.validate(policy)
                    if earned > best[0]:
                        best = (earned, HourPolicy(deepcopy(network), self.perturbation, practice.generator))
            return best[1]

    def _shortened(self, gradients: Array, lengths: list[float]) -> Array:
        """Return gradients, shape (D, T, C), none of them far longer than those before, and take note of their lengths."""
        own = np.sqrt((gradients**2).sum(axis=(1, 2)))
        lengths += own.tolist()
        longest = self.steepest * float(np.median(lengths))
        shortened: Array = gradients * np.minimum(1.0, longest / np.maximum(own, 1e-300))[:, None, None]
        return shortened
