"""What leaders learn from: the features of a day, and the unit its charges are counted in.

**The unit** of charge is the mean spread of the day, between import price and expected export price: what a kilowatt-hour is worth to a
pair, so that days of dear and of cheap electricity look alike. On the default community a charge of 1.65 of these units on every day leaves
6.1% normalised regret (interquartile mean over 224 validation scenarios), the best charge in EUR/kWh that is the same on every day 16.7%.

**The features** are the public fields as observed, and the guessed revenue fields once more, read off at multiples of the unit. A kernel
regression of profit curves, the first thing tried, left 4.6% of regret with curves over EUR/kWh and the fields alone, 3.8% with curves over
units, and 3.0% with these features as well (``public``). The private fields of a ``full`` observation are left out: there are 1,762 of
them and 198 different training days, and over EUR/kWh the same regression left 4.6% with them and 3.7% without. What ``full`` gains over
``public`` is that its public fields are free of forecast errors. Nothing is fitted to scale the features, so that a network means the same
in any community.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...envs.arrays import Array
from ...envs.community.calendar import Scenario
from ...envs.community.clock import HOURS_PER_DAY
from ...envs.games.observation.observer import layout_of
from ...envs.games.observation.public import CHARGE_LEVELS, public_fields
from ..practice import Practice, TrainingDays

N_LEVELS: Final = 160
LEVELS: Final = np.geomspace(0.02, 6.0, N_LEVELS)
"""Charges in units of the day's mean spread that a network chooses from, 3.7% apart."""
LEAST_UNIT: Final = 0.03
"""The unit is at least this many EUR/kWh, times the price level: on days without a spread there is nothing to share."""
LEAST_WORTH: Final = 0.01
"""Added to the guessed revenue before rewards are divided by it, in the unit of the ``revenue`` field; some days have none."""
PUBLIC_WEIGHT: Final = 0.3
"""What observed fields count for beside the revenue read off in units; twice as much is a little worse for the first-order leader and a
little better for the supervised one."""

_MONEY: Final = {field.name: field for field in public_fields(1)}
"""Centre and scale of the fields of money, which are the same for days of any number of periods."""


def n_public(n_periods: int) -> int:
    """Return how many numbers the public fields of a day of T periods have."""
    return sum(field.size for field in public_fields(n_periods))


N_PUBLIC: Final = n_public(HOURS_PER_DAY)
"""Numbers in the public fields of a day of hours."""
_GUESSED: Final = ("revenue", "storage_revenue")
_READ: Final = torch.tensor(np.linspace(0.2, 4.0, 20))  # where revenue is read off, in units


class DayFeatures(nn.Module):
    """What of an observation, shape (B, observed), is learned from; it has no weights.

    Args:
        n_observed: Numbers in an observation; the public fields come first among them.
        price_level: That of the community, by which its prices are divided in observations.
        n_periods: T, the periods of a day.

    Raises:
        ValueError: If an observation is too short to hold the public fields.
    """

    def __init__(self, n_observed: int, price_level: float = 1.0, *, n_periods: int = HOURS_PER_DAY) -> None:
        super().__init__()
        if n_observed < n_public(n_periods):
            raise ValueError(
                f"an observation must begin with the {n_public(n_periods)} public fields of a day, got {n_observed} numbers. "
                "Use observations of gridtoll/DayAhead-v0."
            )
        self.n_observed, self.price_level, self.n_periods = n_observed, price_level, n_periods
        self._layout = layout_of(public_fields(n_periods))
        self.size = self._layout["size"].start + 2 * (len(_READ) + 1)

    def forward(self, observations: Tensor) -> Tensor:
        """Return the features, shape (B, size)."""
        observations = observations.double()
        parts = [observations[:, : self._layout["size"].start] * PUBLIC_WEIGHT]  # what follows is the same on all days of a community
        position = (self._unit(observations) * _READ / CHARGE_LEVELS[0]).clamp(max=float(len(CHARGE_LEVELS)))
        corners = torch.arange(1, len(CHARGE_LEVELS) + 1, dtype=torch.float64)
        near = (1.0 - (position[:, :, None] - corners).abs()).clamp(min=0.0)  # linear between the levels, 0 where nothing is charged
        for name in _GUESSED:
            read = (near * self._values(observations, name)[:, None, :]).sum(dim=2)
            top = read.amax(dim=1, keepdim=True)
            parts += [(read / (top + 1e-3) - 0.5) / 0.3, (top + 1e-2).log() + 1.0]
        return torch.cat(parts, dim=1)

    def scales(self, by: Mapping[str, float]) -> Tensor:
        """Return what each feature is multiplied by where fields count more or less than others, shape (size,).

        Args:
            by: Factors by the name of a public field; ``revenue_in_units`` and ``storage_revenue_in_units`` are those read off in units.
        """
        found = torch.ones(self.size, dtype=torch.float64)
        places = {name: self._layout[name] for name in by if name in self._layout}
        start = self._layout["size"].start
        places |= {
            f"{name}_in_units": slice(first, first + len(_READ))
            for name, first in zip(_GUESSED, (start, start + len(_READ) + 1), strict=True)
        }
        for name, factor in by.items():
            found[places[name]] = factor
        return found

    def unit(self, observations: Tensor) -> Tensor:
        """Return the day's unit of charge in EUR/kWh, shape (B, 1)."""
        return self.price_level * self._unit(observations.double())

    def worth(self, observations: Tensor) -> Tensor:
        """Return a guess of what there is to earn, by which rewards of different days become alike, shape (B,)."""
        observations = observations.double()
        guessed = (self._values(observations, name).amax(dim=1) for name in _GUESSED)
        return self.price_level * sum(guessed, torch.tensor(LEAST_WORTH))

    def _unit(self, observations: Tensor) -> Tensor:
        """Return the day's unit of charge at a price level of 1, shape (B, 1)."""
        return self._values(observations, "day_spread")[:, :1].clamp(min=LEAST_UNIT)

    def _values(self, observations: Tensor, name: str) -> Tensor:
        """Return the values of a public field in its own unit, at a price level of 1, shape (B, size)."""
        return observations[:, self._layout[name]] * _MONEY[name].scale + _MONEY[name].centre


class DayActions(nn.Module):
    """How learners that act between −1 and 1 see a day and charge for it: by its features, and in its unit.

    Actions are logarithms of charges: −1 stands for the least of ``LEVELS`` and 1 for the greatest, times the unit and at most the cap. So
    a step of the action is the same share of the charge everywhere, on days of cheap as of dear electricity.

    Args:
        n_observed: Numbers in an observation; the public fields come first among them.
        cap: Greatest charge in EUR/kWh.
        price_level: That of the community.
        n_periods: T, the periods of a day.

    Attributes:
        n_seen: Numbers that are learned from.
    """

    def __init__(self, n_observed: int, cap: float, price_level: float = 1.0, *, n_periods: int = HOURS_PER_DAY) -> None:
        super().__init__()
        self.features, self._cap = DayFeatures(n_observed, price_level, n_periods=n_periods), cap
        self.n_seen = self.features.size

    def seen(self, observations: NDArray[Any]) -> NDArray[np.float32]:
        """Return what is learned from, shape (B, n_seen), for observations, shape (B, observed)."""
        return cast(NDArray[np.float32], self.features(torch.as_tensor(observations)).float().numpy())

    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return charges in EUR/kWh, shape (B, 1), in double precision, for actions, shape (B, 1)."""
        least, greatest = float(np.log(LEVELS[0])), float(np.log(LEVELS[-1]))
        logarithms = least + (actions.double().clamp(-1.0, 1.0) + 1.0) / 2.0 * (greatest - least)
        return (self.features.unit(observations) * logarithms.exp()).clamp(max=self._cap)

    def charges(self, observations: NDArray[Any], actions: NDArray[Any]) -> Array:
        """Return the same as arrays: charges, shape (B, 1), for observations, shape (B, observed), and actions, shape (B, 1)."""
        return cast(Array, self(torch.as_tensor(observations), torch.as_tensor(actions)).numpy())

    def worth(self, observations: NDArray[Any]) -> Array:
        """Return the guessed worth of days, shape (B,)."""
        return cast(Array, self.features.worth(torch.as_tensor(observations)).numpy())


def in_units(practice: TrainingDays, scenarios: Sequence[Scenario]) -> tuple[Tensor, Array, Array]:
    """Return features, shape (D, F), the unit of charge in EUR/kWh, shape (D,), and the guessed worth, shape (D,), of scenarios.

    Raises:
        ValueError: If more than one charge is posted for a day, or the observation holds no public fields.
    """
    if practice.n_charges != 1:
        raise ValueError(
            f"a leader of this kind must post one charge for a day, got a game with {practice.n_charges} charges. "
            "Use another learner, such as sac."
        )
    features = DayFeatures(practice.n_observed, practice.price_level, n_periods=practice.n_periods)
    observed = torch.as_tensor(practice.observations(scenarios))
    return features(observed), features.unit(observed)[:, 0].numpy(), features.worth(observed).numpy()


def drawn(practice: Practice, n: int) -> NDArray[np.int64]:
    """Return n places of training scenarios in random order, shape (n,), each as often as any other, give or take one."""
    size = len(practice.scenarios("train"))
    passes = [practice.generator.permutation(size) for _ in range(-(-n // size))]
    return np.concatenate(passes)[:n].astype(np.int64)
