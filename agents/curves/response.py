"""A leader that learns how its followers respond, while it plays, and climbs what it has learned.

Unlike SAC and its kind, which learn what a charge is worth as an arbitrary function, it knows how its profit comes about: charge × what the
followers trade under it. Only the trade, the followers' response, is learned, by a network of observation and charge that is fitted to the
profits of days played so far; no slopes and no optima are asked for. What the network promises is climbed to its top, those charges are
played with a random perturbation, and the network is fitted further: a leader that learns the followers' response online and climbs it. The
climb begins at every level of charge, because profit has several tops, and one start finds the nearest.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ..practice import Practice
from .day_features import drawn, in_units
from .network import NetworkPolicy, PostingNetwork, ResponseNetwork, require_positive, seeded

_SPREAD = (0.05, 3.5)
"""Charges in units of the day's spread that exploration is spread over."""


@dataclass(frozen=True, kw_only=True)
class ResponseLearner:
    """Learns the followers' response online and climbs it.

    On the default community 4,000 days leave 4.9% in ``public`` and 4.2% in ``full`` (224 validation scenarios, interquartile mean of
    normalised regret, seed 0), 5,000 days 3.7% in ``full`` (one seed), in 15 s of one core. No other settings were compared.

    Attributes:
        hidden: Units of each hidden layer of the response.
        warmup_days: Days played with random charges first.
        round_days: Days played before the response is fitted further.
        updates: Gradient steps after each round.
        batch_size: Days in one gradient step.
        learning_rate: Of AdamW at first; it falls to zero along half a cosine.
        weight_decay: Of AdamW.
        noise: Standard deviation of the noise added to features, each time anew.
        perturbation: Standard deviation of the logarithm of charges around the top of the response.
        validate_every: Days between validations.
    """

    hidden: int = 128
    warmup_days: int = 800
    round_days: int = 64
    updates: int = 40
    batch_size: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 0.1
    noise: float = 0.2
    perturbation: float = 0.2
    validate_every: int = 1000

    def __post_init__(self) -> None:
        """Check every setting.

        Raises:
            ValueError: If one is not positive, or a noise or decay negative; all such are named.
        """
        names = ("hidden", "warmup_days", "round_days", "updates", "batch_size", "learning_rate", "perturbation", "validate_every")
        require_positive("a response learner", **{name: getattr(self, name) for name in names})
        if min(self.weight_decay, self.noise) < 0:
            raise ValueError(f"`weight_decay` and `noise` must be at least 0, got {self.weight_decay} and {self.noise}.")

    def learn(self, practice: Practice) -> NetworkPolicy:
        """Return the leader that earned most on validation days.

        Raises:
            ValueError: If more than one charge is posted for a day.
            ClearingError: If a day could not be cleared.
        """
        with seeded(practice.seed):
            return self._learn(practice)

    def _learn(self, practice: Practice) -> NetworkPolicy:
        every, order = practice.scenarios("train"), drawn(practice, practice.steps)
        features, unit, worth = in_units(practice, every)
        response = ResponseNetwork(features.shape[1], self.hidden)
        optimizer = torch.optim.AdamW(response.parameters(), self.learning_rate, weight_decay=self.weight_decay)
        first = min(self.warmup_days, len(order))
        rounds = [order[:first], *(order[at : at + self.round_days] for at in range(first, len(order), self.round_days))]
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(rounds) * self.updates)
        policy: NetworkPolicy | None = None
        units, values, reached, scale = np.zeros(0), np.zeros(0), [], 1.0
        for number, days in enumerate(rounds):
            scenarios, generator = [every[day] for day in days], practice.generator
            if policy is None:
                tried = np.exp(generator.uniform(np.log(_SPREAD[0]), np.log(_SPREAD[1]), len(days)))
            else:
                tops = policy.charges(practice.observations(scenarios))[:, 0] / unit[days]
                tried = tops * np.exp(self.perturbation * generator.standard_normal(len(days)))
            charges = np.minimum(tried * unit[days], practice.charge_cap)
            earned = practice.rewards(scenarios, charges[:, None]) / worth[days]
            units, values = np.concatenate([units, charges / unit[days]]), np.concatenate([values, earned])
            if policy is None:
                scale = float(np.quantile(np.abs(values), 0.9))
            known = features[order[: len(units)]].float(), torch.as_tensor(np.log(units)).float(), torch.as_tensor(values / scale).float()
            self._fit(response, optimizer, schedule, known, updates=self.updates * (1 if policy else -(-first // self.round_days)))
            policy = NetworkPolicy(
                PostingNetwork(
                    practice.n_observed, copy.deepcopy(response), practice.charge_cap, practice.price_level, n_periods=practice.n_periods
                )
            )
            before = len(units) - len(days)
            if number == len(rounds) - 1 or len(units) // self.validate_every > before // self.validate_every:
                reached.append((practice.validate(policy), policy))
        return max(reached, key=lambda pair: pair[0])[1]

    def _fit(
        self, response: ResponseNetwork, optimizer: Optimizer, schedule: LRScheduler, known: tuple[Tensor, Tensor, Tensor], *, updates: int
    ) -> None:
        """Fit the response to days known by features, logarithm of the charge and value; the rate falls once for each of ``updates``."""
        features, logarithms, values = known
        for update in range(updates):
            places = torch.randint(len(values), (self.batch_size,))
            noisy = features[places] + self.noise * torch.randn(self.batch_size, features.shape[1])
            loss = ((response.at(noisy, logarithms[places, None])[:, 0] - values[places]) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if update < self.updates:
                schedule.step()
