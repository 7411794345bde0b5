"""The leader that weighs training days and the day it is told of: what happened on days like this, and what the forecast says of this one.

Training days, weighted by the kernel that guesses them best (:mod:`.leaving_out`), know what days like this came to, whatever was wrong
with their forecasts, but hardly one of them is like this day in every hour. The day as it is told (:mod:`.foretold`) has its hours, and
takes the forecast for the truth. With J_s what day s earns, u_s its unit of charge and v_s what it is worth at its best charge, the leader
posts

    γ(x) = u(x)·z,    z = argmax (1 − a)·Σ_s w_s(x)·J_s(z·u_s)/v_s + a·J_told(z·u(x))/v_told.

The day as it is told is solved twice, with more and with less sun than the forecast has, and J_told is the mean: where the two have their
tops apart, the top of the mean is a charge that both like.

Training days cost a fixed number of clearings once, and each charge those of the day as it is told. Where every household is told (``full``
observations), a is 1: the day as it is told is the day itself.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from ...envs.arrays import Array
from ...envs.market.solvers import make_market
from ..curves.network import require_positive
from ..policy import Observation, Policy, State
from ..practice import Practice, TrainingDays, validated
from .curves import ProfitCurves
from .day_curve import day_curve
from .foretold import CertaintyEquivalent, Templates
from .prescriptive import Prescriptive, PrescriptivePolicy

_LEAST_WORTH: Final = 1e-9  # EUR: a day that is told to be worth less says nothing
_MOST_LOST: Final = -1.0
"""A loss counts no more than what there is to win. Where overload costs many times that, as on ``ieee39``, the few days that lose most
else draw down what the kernel guesses at all charges: training days, each left out, leave 5.7% there instead of 3.1%, and some are charged
nothing."""


@dataclass(frozen=True, kw_only=True)
class Blended:
    """Posts the best charge for weighted training days and the day as it is told.

    Attributes:
        told: a, the weight of the day as it is told, from 0 to 1.
        clearings: Of each training day, for its curve.
        told_clearings: Of the day as it is told, each time it is solved.
        sun_error: The day as it is told is solved with its sun divided by 1 less this, and by 1 plus this; once where it is 0.
        width: Distance of features at which days are no longer alike to the kernel.
        ridge: Of the kernel: variance of a day around what its features say.
    """

    told: float = 0.4
    clearings: int = 26
    told_clearings: int = 37
    sun_error: float = 0.1
    width: float = 6.5
    ridge: float = 0.03

    def __post_init__(self) -> None:
        """Check every setting.

        Raises:
            ValueError: If one is out of range; all that must be above 0 are named together.
        """
        require_positive("a blended leader", **{name: value for name, value in asdict(self).items() if name not in ("told", "sun_error")})
        if not 0.0 <= self.told <= 1.0:
            raise ValueError(f"`told` must be from 0 to 1, got {self.told}.")
        if not 0.0 <= self.sun_error <= 0.5:
            raise ValueError(f"`sun_error` must be from 0 to 0.5, got {self.sun_error}.")

    def learn(self, practice: Practice) -> Policy:
        """Return the leader, having validated it once.

        Raises:
            ValueError: If more than one charge is posted for a day, or its response is not known exactly.
            ClearingError: If a day could not be cleared.
        """
        return validated(practice, self.plan(practice))

    def plan(self, days: TrainingDays) -> Policy:
        """Return the leader; errors as :meth:`learn`."""
        templates = Templates(days)
        if templates.view is not None:
            return CertaintyEquivalent(clearings=self.told_clearings).plan(days)
        history = Prescriptive(weights="chosen-kernel", clearings=self.clearings, width=self.width, ridge=self.ridge).plan(days)
        suns = (1.0 - self.sun_error, 1.0 + self.sun_error) if self.sun_error > 0.0 else (1.0,)
        return BlendedPolicy(history, templates, days.spend, told=self.told, clearings=self.told_clearings, suns=suns)


class BlendedPolicy:
    """Posts the best charge for weighted training days and the day as it is told.

    Args:
        history: The leader that weighs training days.
        templates: Whose households the day has that is told.
        spend: Told of the clearings each charge takes.
        told: Weight of that day.
        clearings: Of it, for each of its curves.
        suns: What its sun is divided by; a curve for each, and their mean counts.
    """

    def __init__(
        self,
        history: PrescriptivePolicy,
        templates: Templates,
        spend: Callable[..., None],
        *,
        told: float,
        clearings: int,
        suns: tuple[float, ...] = (1.0,),
    ) -> None:
        self._network, self._templates, self._spend = deepcopy(history.network), templates, spend
        self._network.table.clamp_(min=_MOST_LOST)  # of the copy: the leader of training days keeps its own
        self._told, self._clearings, self._suns, self._market = told, clearings, suns, make_market("structured")

    def predict(
        self,
        observation: Observation,
        state: State | None = None,
        episode_start: NDArray[np.bool_] | None = None,  # noqa: ARG002 - the protocol's
        deterministic: bool = False,  # noqa: ARG002
    ) -> tuple[Array, State | None]:
        """Return the charge for an observation; see :class:`~gridtoll.agents.policy.Policy`."""
        seen = torch.as_tensor(np.asarray(observation))[None]
        with torch.no_grad():
            unit = self._network.features.unit(seen)
            of_told = self._of_told(np.asarray(observation), self._network.levels.numpy() * float(unit[0, 0]))
            together = (1.0 - self._told) * self._network.promised(seen) + self._told * torch.as_tensor(of_told).clamp(min=_MOST_LOST)
            return self._network.best(together, unit)[0].numpy(), state

    def _of_told(self, observation: NDArray[Any], charges: Array) -> Array:
        """Return what the day as it is told earns at charges in EUR/kWh, in shares of what it is worth, both of shape (K,)."""
        [template] = self._templates.nearest(observation, 1)
        errors = [np.array([[1.0], [sun], [1.0]]) for sun in self._suns]
        games = [self._templates.game(observation, template, each) for each in errors]
        curves = [day_curve(game, self._market, clearings=self._clearings) for game in games]
        self._spend(clearings=sum(curve.clearings for curve in curves))
        alike = np.ones(len(curves))
        earned = ProfitCurves(curves, unit=alike, worth=alike).at(np.minimum(charges, games[0].cap)).mean(axis=0)
        worth = float(earned.max())
        return np.asarray(earned / worth if worth > _LEAST_WORTH else np.zeros_like(earned))
