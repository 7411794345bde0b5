"""The network behind leaders that learn without stable-baselines3: from an observation to a curve of profit, and to its best charge.

Profit over the charge has several tops with cliffs between them, so a network that gives one charge must jump where two tops change places,
and averages them instead. The networks here give a whole curve, profit over the charge, and post its maximum:

    observation → features, unit → curve over ``LEVELS`` of the unit → the level of its maximum, times the unit, at most the cap.

Features and unit are those of :mod:`.day_features`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...envs.arrays import Array
from ...envs.community.clock import HOURS_PER_DAY
from ...envs.files import write_atomically
from ..made_for import carried_over, require_fit
from ..policy import Observation, State
from .day_features import LEVELS, N_LEVELS, DayFeatures

_FORMAT: Final = 1


class Ensemble(nn.Module):
    """The mean of several multilayer perceptrons, from features, shape (B, F), to a curve over the levels, shape (B, levels).

    Args:
        n_features: F.
        hidden: Units of each hidden layer.
        members: How many perceptrons.
    """

    def __init__(self, n_features: int, hidden: Sequence[int], members: int) -> None:
        super().__init__()
        self.shape: dict[str, Any] = {"kind": "ensemble", "n_features": n_features, "hidden": list(hidden), "members": members}
        self.members = nn.ModuleList(perceptron(n_features, hidden, N_LEVELS) for _ in range(members))

    def forward(self, features: Tensor) -> Tensor:
        """Return the curve, shape (B, levels)."""
        return torch.stack([member(features) for member in self.members]).mean(dim=0)


class ResponseNetwork(nn.Module):
    """Profit as charge × what the followers trade under it: a perceptron of features and charge gives the trade.

    Args:
        n_features: Number of features.
        hidden: Units of each of two hidden layers.
    """

    def __init__(self, n_features: int, hidden: int) -> None:
        super().__init__()
        self.shape: dict[str, Any] = {"kind": "response", "n_features": n_features, "hidden": hidden}
        bumps = torch.linspace(float(np.log(LEVELS[0])), float(np.log(LEVELS[-1])), 16, dtype=torch.float64)
        self.bumps: Tensor
        self.levels: Tensor
        self.register_buffer("bumps", bumps)
        self.register_buffer("levels", torch.tensor(np.log(LEVELS)))
        self.of_day, self.of_charge = nn.Linear(n_features, hidden), nn.Linear(len(bumps), hidden, bias=False)
        self.rest = nn.Sequential(nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Return the curve over the levels, shape (B, levels)."""
        return self.at(features, self.levels.expand(features.shape[0], -1))

    def at(self, features: Tensor, logarithm: Tensor) -> Tensor:
        """Return profits at the logarithms of charges in units, both of shape (B, n), of days with features of shape (B, F)."""
        dtype = self.of_charge.weight.dtype
        distance = (logarithm.to(dtype)[:, :, None] - self.bumps.to(dtype)) / (self.bumps[1] - self.bumps[0]).to(dtype)
        joined = self.of_day(features)[:, None, :] + self.of_charge((-0.5 * distance**2).exp())
        profits: Tensor = logarithm.to(dtype).exp() * self.rest(joined)[:, :, 0]
        return profits


class Radial(nn.Module):
    """A curve that is a sum over days: how alike a day is to each of N days before, times what that one says.

    Args:
        centres: Features of those days, shape (N, F).
        curves: What each says, shape (N, levels).
        width: Distance of features at which days are no longer alike.
        common: What every day has in common with every other.
    """

    def __init__(self, centres: Tensor, curves: Tensor, *, width: float, common: float) -> None:
        super().__init__()
        self.shape: dict[str, Any] = {"kind": "radial", "size": list(centres.shape), "width": width, "common": common}
        self.centres: Tensor
        self.curves: Tensor
        self.register_buffer("centres", centres)
        self.register_buffer("curves", curves)
        self._width, self._common = width, common

    def forward(self, features: Tensor) -> Tensor:
        """Return the curve, shape (B, levels)."""
        return (self._common + alike(features, self.centres, self._width)) @ self.curves


class PostingNetwork(nn.Module):
    """Maps observations, shape (B, observed), to charges in EUR/kWh, shape (B, 1), in double precision.

    Args:
        n_observed: Numbers in an observation.
        curve: From features to profit over the levels, in any unit.
        cap: Greatest charge in EUR/kWh.
        price_level: That of the community whose observations it maps.
        n_periods: T, the periods of a day there.
    """

    def __init__(
        self,
        n_observed: int,
        curve: Ensemble | ResponseNetwork | Radial,
        cap: float,
        price_level: float = 1.0,
        *,
        n_periods: int = HOURS_PER_DAY,
    ) -> None:
        super().__init__()
        self.features, self.curve, self.cap = DayFeatures(n_observed, price_level, n_periods=n_periods), curve.double(), cap
        self.levels: Tensor
        self.register_buffer("levels", torch.tensor(LEVELS))
        self.eval()

    def forward(self, observations: Tensor) -> Tensor:
        """Return the charges in EUR/kWh, shape (B, 1), for observations, shape (B, observed)."""
        promised = self.curve(self.features(observations))
        charges = self.features.unit(observations) * self.levels
        step = LEVELS[1] / LEVELS[0]
        promised = torch.where(charges > self.cap * step, torch.full_like(promised, -1e9), promised)  # one level may be cut to the cap
        best = promised.argmax(dim=1, keepdim=True)
        return charges.gather(1, best).clamp(max=self.cap)


class NetworkPolicy:
    """A leader that posts what its network says.

    Args:
        network: Gives charges in EUR/kWh.

    Attributes:
        network: The same, for export.
    """

    def __init__(self, network: PostingNetwork) -> None:
        self.network = network

    def predict(
        self,
        observation: Observation,
        state: State | None = None,
        episode_start: NDArray[np.bool_] | None = None,  # noqa: ARG002
        deterministic: bool = False,  # noqa: ARG002
    ) -> tuple[Array, State | None]:
        """Return the charges for an observation; see :class:`~gridtoll.agents.policy.Policy`."""
        return self.charges(np.asarray(observation)[None])[0], state

    def charges(self, observations: NDArray[Any]) -> Array:
        """Return charges in EUR/kWh, shape (B, 1), for observations, shape (B, observed)."""
        with torch.no_grad():
            return cast(Array, self.network(torch.as_tensor(observations)).numpy())

    def save(self, path: Path) -> None:
        """Write the weights, what shape they are of and what they were trained for; nothing in the file is an object of ours."""
        network = self.network
        facts = {"format": _FORMAT, "n_observed": network.features.n_observed, "cap": network.cap, "curve": network.curve.shape}
        facts |= {"price_level": network.features.price_level, "n_periods": network.features.n_periods}
        kept = io.BytesIO()
        torch.save({**facts, "weights": network.state_dict()}, kept)
        write_atomically(path, lambda file: file.write(kept.getvalue()))

    @classmethod
    def load(cls, path: Path, here: Mapping[str, Any]) -> NetworkPolicy:
        """Return the policy a file holds, for a game it is to play; no pickled objects are read.

        It posts multiples of the day's unit, so in a community of another price level it posts as many of that one's.

        Args:
            path: Written by :meth:`save`.
            here: The game: ``n_observed``, ``charge_cap`` in EUR/kWh and ``price_level``, as a :class:`~..practice.Practice` has them.

        Raises:
            ValueError: If it is of another format, or was trained for another game; see :func:`..made_for.require_fit`.
        """
        kept = torch.load(path, map_location="cpu", weights_only=True)
        if kept.get("format") != _FORMAT:
            raise ValueError(f"a policy file must be of format {_FORMAT}, got {path} of format {kept.get('format')}. Train it again.")
        level = kept.get("price_level", 1.0)  # 1 in files of before
        made = {"n_observed": kept["n_observed"], "n_charges": 1, "charge_cap": kept["cap"], "price_level": level}
        require_fit(f"the policy in {path}", carried_over(made, here), here)
        curve, n_periods = _curve_of(kept["curve"]), kept.get("n_periods", HOURS_PER_DAY)  # of hours in files of before
        network = PostingNetwork(kept["n_observed"], curve, here["charge_cap"], here["price_level"], n_periods=n_periods)
        network.load_state_dict(kept["weights"])
        return cls(network)


def _curve_of(shape: dict[str, Any]) -> Ensemble | ResponseNetwork | Radial:
    """Return a curve of a shape, its weights yet to be loaded."""
    arguments = {name: value for name, value in shape.items() if name != "kind"}
    match shape["kind"]:
        case "ensemble":
            return Ensemble(**arguments)
        case "response":
            return ResponseNetwork(**arguments)
        case _:
            days, n_features = arguments.pop("size")
            return Radial(torch.zeros(days, n_features), torch.zeros(days, N_LEVELS), **arguments)


def perceptron(n_features: int, hidden: Sequence[int], n_out: int) -> nn.Sequential:
    """Return a multilayer perceptron with SiLU between its layers."""
    sizes = [n_features, *hidden]
    layers = [part for below, above in pairwise(sizes) for part in (nn.Linear(below, above), nn.SiLU())]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], n_out))


def alike(features: Tensor, others: Tensor, width: float) -> Tensor:
    """Return how alike days are, from 0 to 1, shape (B, N): a Gaussian in the distance of their features, shapes (B, F) and (N, F)."""
    square = (features**2).sum(dim=1)[:, None] + (others**2).sum(dim=1) - 2.0 * features @ others.T
    return (-0.5 / width**2 * square.clamp(min=0.0)).exp()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Use one thread of PyTorch and this seed within, so that it always gives the same weights; both are put back afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


def require_positive(what: str, **numbers: float) -> None:
    """Raise where settings are not above 0.

    Raises:
        ValueError: All offending settings are named.
    """
    bad = [f"`{name}` {value}" for name, value in numbers.items() if not value > 0]
    if bad:
        raise ValueError(f"settings of {what} must be > 0, got {', '.join(bad)}.")
