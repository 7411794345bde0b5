"""The prescriptive leader of Bertsimas and Kallus (2020): from data to decisions, without a forecast in between.

What the operator observes says how much each training day counts (:mod:`.likeness`). The charge that is posted is then the exact optimum of
the training days with these weights (:mod:`.curves`):

    γ(x) = u(x)·z,    z = argmax Σ_s w_s(x)·J_s(z·u_s)/v_s,

with u the day's unit of charge, known from published and forecast prices, and v_s what day s is worth at its best charge: a share lost on a
small day counts as much as on a large one. So a training day lends its curve, stretched to the prices of the day at hand.

Every training day costs a fixed number of clearings, once; a charge costs none. On ``simbench-rural`` the 792 training scenarios with 34
clearings each are 26,928.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, cast, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...envs.arrays import Array, IntArray
from ...envs.errors import known_name
from ..curves.day_features import LEVELS, DayFeatures, in_units
from ..curves.network import require_positive, seeded
from ..policy import Observation, State
from ..practice import Practice, TrainingDays, validated
from .curves import ProfitCurves
from .leaving_out import best_kernel
from .likeness import Kernel, Likeness, Neighbours, fitted_forest

Weights = Literal["forest", "neighbours", "kernel", "scaled-kernel", "chosen-kernel"]
SCALES: Final = {
    **dict.fromkeys(("load", "surplus", "deficit", "matched"), 0.5),
    "revenue_in_units": 0.5,
    "storage_revenue_in_units": 2.0,
}
"""What the scaled kernel multiplies features by: single hours count less, and what storage owners could buy more. Chosen by hand on 224
validation scenarios of ``simbench-rural``. The kernel leaves 2.4% and 4.1% there instead of 2.7% and 4.3% (interquartile mean and mean). Of
training days, each left out with its other price paths, it leaves 2.3% and 4.3% instead of 2.4% and 4.4%."""
_TABLE: Final = 1200
"""Levels of charge in an exported network, 0.5% apart; between them it takes the top of a parabola."""
_LEAST_WORTH: Final = 0.01
"""Of the mean worth: days with less to win count as if they had this much."""


@dataclass(frozen=True, kw_only=True)
class Prescriptive:
    """Weights training days by what is observed, and posts their exact weighted optimum.

    Attributes:
        weights: ``"forest"``, ``"neighbours"``, ``"kernel"``, ``"scaled-kernel"`` or ``"chosen-kernel"``, of these two the one that
            guesses training days better, each guessed without itself.
        clearings: Of each training day, for its curve.
        neighbours: Nearest training days that count.
        trees: Of the forest.
        least_leaf: Training days in a leaf at least.
        share: Of the features, looked at for each split of a tree.
        width: Distance of features at which days are no longer alike to the kernel.
        ridge: Of the kernel: variance of a day around what its features say.
    """

    weights: Weights = "forest"
    clearings: int = 34
    neighbours: int = 10
    trees: int = 200
    least_leaf: int = 2
    share: float = 1.0
    width: float = 6.5
    ridge: float = 0.03

    def __post_init__(self) -> None:
        """Check every setting.

        Raises:
            ValueError: If one is unknown or out of range; all numbers out of range are named.
        """
        known_name("`weights`", self.weights, get_args(Weights))
        numbers = {name: value for name, value in asdict(self).items() if name != "weights"}
        require_positive("a prescriptive leader", **numbers)
        if self.share > 1:
            raise ValueError(f"`share` must be at most 1, got {self.share}.")

    def learn(self, practice: Practice) -> PrescriptivePolicy:
        """Return the leader, having validated it once.

        Raises:
            ValueError: If more than one charge is posted for a day, there are no exact responses, or scikit-learn is missing.
            ClearingError: If a day could not be cleared.
        """
        return validated(practice, self.plan(practice))

    def plan(self, days: TrainingDays) -> PrescriptivePolicy:
        """Return the leader; errors as :meth:`learn`."""
        scenarios = days.scenarios("train")
        features, unit, _ = in_units(days, scenarios)
        known = days.curves(scenarios, clearings=self.clearings)
        tops = np.array([max(row[0] for row in each.quadratics) for each in known])
        worth = np.maximum(tops, _LEAST_WORTH * max(float(tops.mean()), 1e-9))
        curves = ProfitCurves(known, unit, worth)
        seen = features.numpy()
        of_day = DayFeatures(days.n_observed, days.price_level, n_periods=days.n_periods)
        with seeded(days.seed):
            weights = self._weights(seen, curves, of_day, days, np.array([each.day for each in scenarios]))
        return PrescriptivePolicy(of_day, weights, curves, cap=days.charge_cap)

    def _weights(self, features: Array, curves: ProfitCurves, of_day: DayFeatures, days: TrainingDays, dates: IntArray) -> Likeness:
        match self.weights:
            case "neighbours":
                return Neighbours(features, self.neighbours)
            case "kernel":
                return Kernel(features, self.width, self.ridge)
            case "scaled-kernel":
                return Kernel(features, self.width, self.ridge, of_day.scales(SCALES))
            case "chosen-kernel":
                kernels = [Kernel(features, self.width, self.ridge, scales) for scales in (None, of_day.scales(SCALES))]
                multiples = np.concatenate([[0.0], LEVELS])
                allowed = curves.unit[:, None] * multiples <= days.charge_cap
                return best_kernel(kernels, dates, curves.at(multiples), allowed)
        levels = curves.at(LEVELS)
        return fitted_forest(features, levels, trees=self.trees, least_leaf=self.least_leaf, share=self.share, seed=days.seed)


class PrescriptivePolicy:
    """Posts the exact optimum of weighted training days.

    Args:
        features: Of a day.
        weights: From features to weights of D training days.
        curves: Of these.
        cap: Greatest charge in EUR/kWh.
    """

    def __init__(self, features: DayFeatures, weights: Likeness, curves: ProfitCurves, *, cap: float) -> None:
        self._features, self._weights, self._curves, self._cap = features, weights, curves, cap

    def predict(
        self,
        observation: Observation,
        state: State | None = None,
        episode_start: NDArray[np.bool_] | None = None,  # noqa: ARG002 - the protocol's
        deterministic: bool = False,  # noqa: ARG002
    ) -> tuple[Array, State | None]:
        """Return the charge for an observation; see :class:`~gridtoll.agents.policy.Policy`."""
        weights, unit = self.weights(np.asarray(observation))
        best = self._curves.best(weights, most=self._cap / unit)
        return np.array([min(best.multiple * unit, self._cap)]), state

    def weights(self, observation: NDArray[Any]) -> tuple[Array, float]:
        """Return the weights of the training days, shape (D,), and the day's unit in EUR/kWh."""
        with torch.no_grad():
            seen = torch.as_tensor(observation)[None]
            return cast(Array, self._weights(self._features(seen))[0].numpy()), float(self._features.unit(seen)[0, 0])

    @property
    def network(self) -> PrescriptiveNetwork:
        """The same for export, with the curves read off at many levels: its charges are those of the leader to a few thousandths."""
        return PrescriptiveNetwork(self._features, self._weights, self._curves, cap=self._cap)


class PrescriptiveNetwork(nn.Module):
    """Maps observations, shape (B, observed), to charges in EUR/kWh, shape (B, 1); arguments as for :class:`PrescriptivePolicy`."""

    def __init__(self, features: DayFeatures, weights: Likeness, curves: ProfitCurves, *, cap: float) -> None:
        super().__init__()
        self.features, self.weights, self.cap = features, weights, cap
        levels = np.geomspace(float(LEVELS[0]) / 4.0, float(curves.edges[-1]), _TABLE)
        self.levels: Tensor
        self.table: Tensor
        self.register_buffer("levels", torch.as_tensor(levels))
        self.register_buffer("table", torch.as_tensor(curves.at(levels)))
        self.eval()

    def forward(self, observations: Tensor) -> Tensor:
        """Return the charges in EUR/kWh, shape (B, 1), for observations, shape (B, observed)."""
        return self.best(self.promised(observations), self.features.unit(observations))

    def promised(self, observations: Tensor) -> Tensor:
        """Return what the weighted training days earn at each of K levels, in worths, shape (B, K)."""
        return cast(Tensor, self.weights(self.features(observations)) @ self.table)

    def best(self, promised: Tensor, unit: Tensor) -> Tensor:
        """Return the best charges in EUR/kWh, shape (B, 1).

        Args:
            promised: What is earned at each of K levels, shape (B, K).
            unit: Of charge, EUR/kWh, shape (B, 1).
        """
        charges = unit * self.levels
        step = self.levels[1] / self.levels[0]
        promised = torch.where(charges > self.cap * step, torch.full_like(promised, -1e9), promised)  # one level may be cut to the cap
        best = promised.argmax(dim=1, keepdim=True).clamp(1, _TABLE - 2)
        before, here, after = (promised.gather(1, best + shift) for shift in (-1, 0, 1))
        bend = before - 2.0 * here + after
        shift = torch.where(bend < -1e-12, (0.5 * (before - after) / bend).clamp(-1.0, 1.0), torch.zeros_like(bend))
        return (charges.gather(1, best) * step**shift).clamp(max=self.cap)
