"""A leader that climbs the exact gradient through the clearing, and forgets no gradient it was given.

A clearing tells more than what a charge earned: its multipliers give the exact slope there (``practice.slopes``). Taking a step of a policy
network along each slope and then forgetting it wastes nearly all of that. Measured on the default community, normalised regret on all
224 validation scenarios (interquartile mean, ``full``): Adam on a network of (64, 64), one step for 32 slopes, comes from 6.1% for the best
constant multiple of the spread to 6.2% after 900 clearings, 4.8% after 8,000 and 3.7% after 32,000.

Instead every value and slope is kept, in a surrogate of profit over observation and charge that passes through all of them: kriging with
derivatives (J. Morris, T. Mitchell and D. Ylvisaker, *Bayesian design and analysis of computer experiments: use of derivatives in surface
prediction*, Technometrics 35, 1993). In rounds, the surrogate is climbed to its top on the days that come next, those charges are played
with a small perturbation, and the exact values and slopes found there correct it. At what was played the surrogate's slope is the exact
one up to the noise allowed for, so where the rounds come to rest the exact gradients have vanished. Several tops are no obstacle, since
climbing the surrogate costs nothing and can begin at every level of charge.

With u the logarithm of the charge in units of the day's spread and x the features of the day, the prior covariance of profit is

    k((x, u), (x', u')) = (common + exp(−|x − x'|² / 2 width²) + own·[same day]) · exp(−(u − u')² / 2 reach²),

whose derivatives by u and u' are the covariances with slopes. ``own`` is what no observation tells of a day: it is estimated and then left
out of what is predicted.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...envs.arrays import Array
from ..practice import Practice
from .day_features import LEVELS, drawn, in_units
from .network import NetworkPolicy, PostingNetwork, Radial, alike, require_positive, seeded

_STEEPEST = 4.0
"""Slopes are cut off at this many times what a good day earns for an e-fold of the charge: at a cliff they mislead."""
_FIRST = (0.05, 3.5)
"""Charges in units that the first round is spread over; below lie best charges of winter days, above nearly none."""


@dataclass(frozen=True, kw_only=True)
class FirstOrder:
    """Climbs exact gradients; see the module for how.

    Settings rest on a search over 91 of them (both information classes of the default community, two seeds each), made with 936 clearings
    and interpolated profits; the 1,400 clearings, 14 rounds and noise of slopes came after it. Played out, they leave 3.7, 3.1 and 3.3% in
    ``public`` (seeds 0 to 2, 224 validation scenarios, interquartile mean of normalised regret) and 2.7 and 2.8% in ``full`` (seeds 0 and
    1), in about 11 s of one core. A perturbation of 0.2 and the best round on 28 validation days left 4.6% in ``public`` with seed 1: the
    best of a few early rounds is chance, and the surrogate gets better with all it is told. With interpolated profits, sums of kernels of
    several widths, rational quadratic kernels and 20 rounds changed ``public`` by less than 0.3%, all for the worse.

    Attributes:
        clearings: Training days played, one clearing each; fewer where practice allows fewer steps.
        rounds: In how many rounds; the best of those searched had 10 rather than 4 or 6.
        perturbation: Standard deviation of the logarithm of charges played around the top of the surrogate.
        width: Distance of features at which days are no longer alike.
        reach: Difference of logarithms of charges at which profits are no longer alike.
        common: Variance of what all days have in common.
        own: Variance of what is a day's own.
        value_noise: Variance of values around the surrogate.
        slope_noise: Variance of slopes around the surrogate.
    """

    clearings: int = 1400
    rounds: int = 14
    perturbation: float = 0.3
    width: float = 6.5
    reach: float = 0.22
    common: float = 1.0
    own: float = 0.1
    value_noise: float = 0.03
    slope_noise: float = 0.2

    def __post_init__(self) -> None:
        """Check every setting.

        Raises:
            ValueError: If one is not positive; all such are named.
        """
        require_positive("a first-order leader", **{field.name: getattr(self, field.name) for field in fields(self)})

    def learn(self, practice: Practice) -> NetworkPolicy:
        """Return the leader of the last round, which knows most; validation days only show how it came there.

        Raises:
            ValueError: If more than one charge is posted for a day.
            ClearingError: If a day could not be cleared.
        """
        with seeded(practice.seed):
            return self._learn(practice)

    def _learn(self, practice: Practice) -> NetworkPolicy:
        every = practice.scenarios("train")
        order = drawn(practice, min(self.clearings, practice.steps))
        features, unit, worth = in_units(practice, every)
        played, latest = PlayedCharges(), None
        rounds = np.array_split(order, min(self.rounds, len(order)))
        for number, days in enumerate(rounds):
            scenarios, noise = [every[day] for day in days], practice.generator.standard_normal(len(days))
            if latest is None:
                units = np.exp(practice.generator.uniform(np.log(_FIRST[0]), np.log(_FIRST[1]), len(days)))
            else:
                units = latest.charges(practice.observations(scenarios))[:, 0] / unit[days] * np.exp(self.perturbation * noise)
            charges = np.minimum(units * unit[days], practice.charge_cap)
            values, slopes = practice.slopes(scenarios, charges[:, None])
            played.add(days, charges / unit[days], values / worth[days], slopes[:, 0] * charges / worth[days])
            latest = NetworkPolicy(
                PostingNetwork(
                    practice.n_observed,
                    self.surrogate(features, played),
                    practice.charge_cap,
                    practice.price_level,
                    n_periods=practice.n_periods,
                )
            )
            if number % 3 == 0 or number == len(rounds) - 1:
                practice.validate(latest)
        assert latest is not None  # there is at least one round  # noqa: S101
        return latest

    def surrogate(self, features: Tensor, played: PlayedCharges) -> Radial:
        """Return the mean of the Gaussian process given values and slopes, as a sum over the days played.

        Args:
            features: Of all training scenarios, shape (S, F).
            played: What is known.
        """
        seen = features[played.days]
        scale = np.quantile(np.abs(played.values), 0.9)  # so that a good day's top is near 1
        steepest = np.clip(played.slopes / scale, -_STEEPEST, _STEEPEST)
        same = torch.as_tensor(played.days[:, None] == played.days)
        across = self.common + alike(seen, seen, self.width) + self.own * same
        between, step = self._reach(np.log(played.units))
        along = step / self.reach  # the covariance of a value with a slope, over that of the values
        values = across * between
        joint = torch.cat(
            [
                torch.cat([values, values * along], dim=1),
                torch.cat([-values * along, values * (1.0 / self.reach**2 - along**2)], dim=1),
            ]
        )
        known = torch.as_tensor(np.concatenate([played.values / scale, steepest]))
        noise = torch.as_tensor(np.repeat([self.value_noise, self.slope_noise], len(played.days)))
        factor = torch.linalg.cholesky(joint + torch.diag(noise))
        weights = torch.cholesky_solve(known[:, None], factor)[:, 0]
        levels, step = self._reach(np.log(LEVELS), np.log(played.units))
        of_values, of_slopes = weights.chunk(2)
        curves = (levels * (of_values + of_slopes * step / self.reach)).T
        return Radial(seen, curves, width=self.width, common=self.common)

    def _reach(self, first: Array, second: Array | None = None) -> tuple[Tensor, Tensor]:
        """Return how alike profits at logarithms of charges are, shape (A, B), and how far apart these are in units of the reach."""
        steps = torch.as_tensor((first[:, None] - (first if second is None else second)) / self.reach)
        return (-0.5 * steps**2).exp(), steps


class PlayedCharges:
    """Values and slopes of the charges played so far, in the order they were played in.

    Attributes:
        days: Which training scenario, shape (N,).
        units: Charge in units of its spread.
        values: Reward over the guessed worth of the day.
        slopes: Its derivative by the logarithm of the charge.
    """

    def __init__(self) -> None:
        self.days: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self.units, self.values, self.slopes = np.zeros(0), np.zeros(0), np.zeros(0)

    def add(self, days: NDArray[np.int64], units: Array, values: Array, slopes: Array) -> None:
        """Put more of them behind the others, each of shape (n,)."""
        self.days = np.concatenate([self.days, days])
        self.units = np.concatenate([self.units, units])
        self.values, self.slopes = np.concatenate([self.values, values]), np.concatenate([self.slopes, slopes])
