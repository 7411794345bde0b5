"""A leader that was shown the answers: it learns what every charge would have earned on training days whose optima are known.

Regression on the optimal charge itself minimises the wrong loss: where two tops are nearly equal the best charge jumps from one to the
other, their mean lies in the valley between them, and just above the best charge there is often a cliff. So the charge is not what is
predicted. Around each stored optimum γ* a few charges, given as multiples of γ*, are played; the values between them are interpolated with
their exact slopes, and a network learns the whole curve (J(γ) − J(0)) / (J(γ*) − J(0)) over charges in units of the day's spread. It posts
the maximum of the curve it predicts. What is learned this way is normalised regret itself: 1 less the curve.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
import torch
from scipy.interpolate import CubicHermiteSpline
from torch import Tensor, nn

from ...envs.arrays import Array
from ...envs.community.calendar import Scenario
from ..practice import Practice
from .day_features import LEVELS, drawn, in_units
from .network import Ensemble, NetworkPolicy, PostingNetwork, require_positive, seeded

MULTIPLES: Final = (0.0, 0.05, 0.12, 0.25, 0.45, 0.65, 0.8, 0.9, 1.0, 1.05, 1.15, 1.3, 1.6, 2.1, 3.0)
"""Charges played on each training day, over its optimal charge: close together where the best predictions will lie."""


@dataclass(frozen=True, kw_only=True)
class Supervised:
    """Learns profit curves around stored optima.

    On the default community (all 224 validation scenarios, interquartile mean of normalised regret) curves of all 792 training scenarios,
    which take ``steps`` of 11,880 and about as many clearings again for the optima and their proofs, leave 2.9% in ``public`` and 2.8% in
    ``full`` with 50 epochs; layers of 256 with 80 epochs 3.0% and 2.6%, at three times the fitting. ``steps`` of 4,000 are curves of 266
    scenarios and leave 3.8% and 3.4%. Of what makes curves cheaper, values without slopes leave 3.1% and 2.7%, nine charges a day 3.2% and
    2.9%, six 3.9% and 3.4%; the mean of normalised regret, 4.8% with all, is 13% with six.

    Attributes:
        hidden: Units of each hidden layer.
        members: Networks whose mean is taken.
        epochs: Passes through the training days.
        batch_size: Training days in one gradient step.
        learning_rate: Greatest of a cycle of AdamW.
        weight_decay: Of AdamW.
        noise: Standard deviation of the noise added to features, each time anew.
        validations: Checkpoints compared on validation days.
    """

    hidden: tuple[int, ...] = (128, 128)
    members: int = 2
    epochs: int = 60
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.1
    noise: float = 0.3
    validations: int = 4

    def __post_init__(self) -> None:
        """Check every setting.

        Raises:
            ValueError: If one is not positive, or a noise or decay negative; all such are named.
        """
        numbers = {name: getattr(self, name) for name in ("members", "epochs", "batch_size", "learning_rate", "validations")}
        require_positive("a supervised leader", **numbers, **{f"hidden[{place}]": units for place, units in enumerate(self.hidden)})
        if min(self.weight_decay, self.noise) < 0:
            raise ValueError(f"`weight_decay` and `noise` must be at least 0, got {self.weight_decay} and {self.noise}.")

    def learn(self, practice: Practice) -> NetworkPolicy:
        """Return the leader of the checkpoint that earned most on validation days.

        Raises:
            ValueError: If more than one charge is posted for a day, there are no exact optima, or no day may be played.
            ClearingError: If a day could not be cleared or an optimum not be proved.
        """
        with seeded(practice.seed):
            if practice.steps < len(MULTIPLES):
                raise ValueError(f"`steps` must be at least {len(MULTIPLES)}, one training day's charges, got {practice.steps}.")
            days = drawn(practice, min(practice.steps // len(MULTIPLES), len(practice.scenarios("train"))))
            scenarios = [practice.scenarios("train")[day] for day in days]
            features, unit, _ = in_units(practice, scenarios)
            optima = practice.optimal_charges(scenarios)[:, 0]
            curves = torch.as_tensor(_curves(practice, scenarios, optima, unit), dtype=torch.float32)
            return self._fitted(practice, features.float(), curves)

    def _fitted(self, practice: Practice, features: Tensor, curves: Tensor) -> NetworkPolicy:
        """Return the best of several checkpoints of an ensemble trained on curves, shape (D, levels)."""
        network = Ensemble(features.shape[1], self.hidden, self.members)
        centre, steps = curves.mean(dim=0), -(-len(features) // self.batch_size)
        optimizer = torch.optim.AdamW(network.parameters(), self.learning_rate, weight_decay=self.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.learning_rate, total_steps=self.epochs * steps)
        checkpoints = np.unique(np.linspace(0, self.epochs, self.validations + 1).astype(int)[1:])
        reached = []
        for epoch in range(1, self.epochs + 1):
            orders = [torch.randperm(len(features)).chunk(steps) for _ in network.members]  # each member in an order of its own
            for batches in zip(*orders, strict=True):
                loss = torch.zeros(())
                for member, places in zip(network.members, batches, strict=True):
                    noisy = features[places] + self.noise * torch.randn(len(places), features.shape[1])
                    loss = loss + ((member(noisy) - (curves[places] - centre)) ** 2).mean()
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
            if epoch in checkpoints:
                policy = NetworkPolicy(
                    PostingNetwork(
                        practice.n_observed,
                        _shifted(network, centre),
                        practice.charge_cap,
                        practice.price_level,
                        n_periods=practice.n_periods,
                    )
                )
                reached.append((practice.validate(policy), policy))
        return max(reached, key=lambda pair: pair[0])[1]


def _curves(practice: Practice, scenarios: Sequence[Scenario], optima: Array, unit: Array) -> Array:
    """Return what each level of charge earns on scenarios, from 0 for no charge to 1 for the best, shape (D, levels)."""
    charges = np.minimum(optima[:, None] * MULTIPLES, practice.charge_cap)
    tried = [practice.slopes(scenarios, column[:, None]) for column in charges.T]
    values, slopes = np.array([each for each, _ in tried]).T, np.array([each[:, 0] for _, each in tried]).T
    curves = np.zeros((len(scenarios), len(LEVELS)))
    for row, levels in enumerate(unit[:, None] * LEVELS):
        known, first = np.unique(charges[row], return_index=True)
        if len(known) == 1:
            continue  # the best is not to charge: every level is as bad as the next, as far as is known
        spline = CubicHermiteSpline(known, values[row][first], slopes[row][first])
        none, best = values[row][0], values[row].max()
        curve = spline(np.minimum(levels, known[-1]))  # beyond what was played, as at its end
        curves[row] = np.clip((curve - none) / max(best - none, 1e-9), -1.0, 1.0)  # no curve rises above its top
    return curves


def _shifted(network: Ensemble, centre: Tensor) -> Ensemble:
    """Return a copy that gives curves where the network gives their differences from the mean curve."""
    copied = copy.deepcopy(network)
    with torch.no_grad():
        for member in copied.members:
            cast(nn.Linear, cast(nn.Sequential, member)[-1]).bias.add_(centre)
    return copied
