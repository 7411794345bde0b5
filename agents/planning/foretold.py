"""Leaders that solve the day they are told of: as if the forecast were true, or with errors drawn around it.

What is observed of a day are totals: demand, sun and the spread of prices in every period. A day to be solved has households. They are
those of a *template*, a training day that looks alike: loads and sun of its households are scaled until their totals are the ones observed.

================  ==========================================================================================================
certainty-        solves the day of the nearest template, as if it were true
equivalent
scenario          solves the mean over days drawn around the forecast: each pair has a template of its own, the nearest first, and
                  totals and export prices divided by errors of the stated model, first-order autoregressive as those of the
                  forecast, the second of a pair by the opposite errors
================  ==========================================================================================================

Where every household is told (``full`` observations), nothing is taken from a template and nothing drawn: both solve the very day.

Whenever they are asked for a charge, both work out the curves of their days (:mod:`.day_curve`) with a fixed number of clearings each, and
post the best charge of these curves (:mod:`.curves`). The clearings count as their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from ...envs.arrays import Array
from ...envs.community.day import Day
from ...envs.games.observation.observer import layout_of
from ...envs.games.observation.public import FORECAST_ERROR, drawn_factors, public_fields
from ...envs.market.solvers import make_market
from ..curves.day_features import DayFeatures, in_units
from ..curves.network import require_positive
from ..optimum.standing.parts import StandingGame
from ..policy import Observation, State
from ..practice import Practice, TrainingDays, validated
from .curves import ProfitCurves
from .day_curve import day_curve
from .told_in_full import full_view

_LEAST: Final = 1e-9  # kW: less counts as none
_LEAST_FACTOR: Final = 0.2  # of errors that forecasts are divided by: theirs are cut off at 0


class Templates:
    """Training days whose households stand in for those of a day that is told in totals.

    Args:
        days: What is known of training days.
    """

    def __init__(self, days: TrainingDays) -> None:
        scenarios = days.scenarios("train")
        self._games = days.games(scenarios)
        self._features = DayFeatures(days.n_observed, days.price_level, n_periods=days.n_periods)
        self._seen = in_units(days, scenarios)[0].numpy()
        self._fields = {field.name: field for field in public_fields(days.n_periods)}
        self._layout, self._level, self._total_kw = layout_of(tuple(self._fields.values())), days.price_level, days.total_load_kw
        like = self._games[0].day
        self.view = full_view(days.n_observed, like, price_level=self._level, total_load_kw=self._total_kw)
        self._sun = np.mean([game.day.renewable for game in self._games], axis=0)  # by household, where a template has none

    def nearest(self, observation: NDArray[Any], k: int) -> list[StandingGame]:
        """Return the k training days whose features are nearest to those of an observation, shape (n_observed,), the nearest first."""
        seen = self._features(torch.as_tensor(observation)[None]).numpy()
        order = np.argsort(((self._seen - seen) ** 2).sum(axis=1), kind="stable")
        return [self._games[place] for place in order[:k]]

    def game(self, observation: NDArray[Any], template: StandingGame, factors: Array | None = None) -> StandingGame:
        """Return a day as it is told.

        Args:
            observation: What is observed, shape (n_observed,).
            template: Whose households it has.
            factors: What observed load, sun and export price are divided by, shape (3, T); nothing if absent.
        """
        if self.view is not None:
            return replace(template, day=self.view.day(observation, template.day))
        told = {name: self._read(observation, name) for name in ("load", "renewable", "spread", "import_price")}
        by = np.ones((3, template.day.n_periods)) if factors is None else np.maximum(factors, _LEAST_FACTOR)
        day = template.day
        shift = float(told["import_price"][0]) - float(day.mean_import_price.mean())
        import_price = day.import_price + shift
        export = (day.mean_import_price + shift - told["spread"]) / by[2] - day.mean_export_price
        own = day.export_price + (export if day.export_price.ndim == 1 else export[:, None])
        told_day = replace(
            day,
            label=f"{day.label}, scaled to a forecast",
            import_price=import_price,
            export_price=np.minimum(own, import_price),
            renewable=self._renewable(day, self._total_kw * told["renewable"] / by[1]),
            **_scaled_demand(day, self._total_kw * told["load"] / by[0]),
        )
        return replace(template, day=told_day)

    def _read(self, observation: NDArray[Any], name: str) -> Array:
        """Return the values of a public field in its own unit."""
        scaled = np.asarray(observation, dtype=np.float64)[self._layout[name]]
        return self._fields[name].values(scaled, price_level=self._level)

    def _renewable(self, day: Day, total: Array) -> Array:
        """Return sun of households in kW, shape (T, N), that adds up to a total, shape (T,)."""
        shares = np.where(day.renewable.sum(axis=1, keepdims=True) > _LEAST, day.renewable, self._sun)
        of_all = shares.sum(axis=1)
        factor = np.where(of_all > _LEAST, np.maximum(total, 0.0) / np.where(of_all > _LEAST, of_all, 1.0), 0.0)
        return np.asarray(shares * factor[:, None])


def _scaled_demand(day: Day, total: Array) -> dict[str, Any]:
    """Return the fields of a day that follow from loads, scaled so that demand at the import price adds up to a total, kW, shape (T,)."""
    wanted = np.clip((day.utility_slope - day.own_import_price) / day.utility_curvature, day.demand_min, day.demand_max)
    factor = (np.maximum(total, _LEAST) / np.maximum(wanted.sum(axis=1), _LEAST))[:, None]
    return {
        "demand_min": day.demand_min * factor,
        "demand_max": day.demand_max * factor,
        "utility_curvature": day.utility_curvature / factor,
    }


@dataclass(frozen=True, kw_only=True)
class CertaintyEquivalent:
    """Solves the day as it is told, as if that were true.

    Attributes:
        clearings: Of the day, for its curve.
    """

    clearings: int = 38

    def __post_init__(self) -> None:
        """Check the clearings."""
        require_positive("a certainty-equivalent leader", **asdict(self))

    def learn(self, practice: Practice) -> ForetoldPolicy:
        """Return the leader, having validated it once.

        Raises:
            ValueError: If more than one charge is posted for a day, or its response is not known exactly.
            ClearingError: If a day could not be cleared.
        """
        return validated(practice, self.plan(practice))

    def plan(self, days: TrainingDays) -> ForetoldPolicy:
        """Return the leader; errors as :meth:`learn`."""
        return ForetoldPolicy(Templates(days), days.spend, count=1, error=0.0, seed=days.seed, clearings=self.clearings)


@dataclass(frozen=True, kw_only=True)
class ScenarioSample:
    """Solves the mean over days drawn around the forecast.

    Attributes:
        count: Days drawn.
        error: Standard deviation of the relative errors drawn.
        clearings: Of each of these days, for its curve.
    """

    count: int = 8
    error: float = FORECAST_ERROR
    clearings: int = 24

    def __post_init__(self) -> None:
        """Check every setting."""
        require_positive("a scenario leader", **asdict(self))

    def learn(self, practice: Practice) -> ForetoldPolicy:
        """Return the leader, having validated it once.

        Raises:
            ValueError: If more than one charge is posted for a day, or its response is not known exactly.
            ClearingError: If a day could not be cleared.
        """
        return validated(practice, self.plan(practice))

    def plan(self, days: TrainingDays) -> ForetoldPolicy:
        """Return the leader; errors as :meth:`learn`."""
        templates = Templates(days)
        spend, seed = days.spend, days.seed
        if templates.view is not None:  # one day, which all clearings go to
            return ForetoldPolicy(templates, spend, count=1, error=0.0, seed=seed, clearings=self.count * self.clearings)
        return ForetoldPolicy(templates, spend, count=self.count, error=self.error, seed=seed, clearings=self.clearings)


class ForetoldPolicy:
    """Posts the best charge of the days it takes the forecast for.

    Args:
        templates: Whose households these have.
        spend: Told of the clearings each charge takes.
        count: How many days.
        error: Standard deviation of the relative errors drawn.
        seed: Of the errors: the same observation always has the same.
        clearings: Of each of them.
    """

    def __init__(self, templates: Templates, spend: Callable[..., None], *, count: int, error: float, seed: int, clearings: int) -> None:
        self._templates, self._spend = templates, spend
        self._count, self._error, self._seed, self._clearings = count, error, seed, clearings
        self._market = make_market("structured")

    def predict(
        self,
        observation: Observation,
        state: State | None = None,
        episode_start: NDArray[np.bool_] | None = None,  # noqa: ARG002 - the protocol's
        deterministic: bool = False,  # noqa: ARG002
    ) -> tuple[Array, State | None]:
        """Return the charge for an observation; see :class:`~gridtoll.agents.policy.Policy`."""
        games = self.days(np.asarray(observation))
        curves = [day_curve(game, self._market, clearings=self._clearings) for game in games]
        self._spend(clearings=sum(each.clearings for each in curves))
        alike = np.ones(len(curves))
        best = ProfitCurves(curves, unit=alike, worth=alike).best(alike / len(alike), most=games[0].cap)
        return np.array([best.multiple]), state

    def days(self, observation: NDArray[Any]) -> list[StandingGame]:
        """Return the days that an observation, shape (n_observed,), is taken for."""
        nearest = self._templates.nearest(observation, (self._count + 1) // 2)
        hours = nearest[0].day.period_hours
        digest = np.frombuffer(np.asarray(observation, dtype=np.float32).tobytes(), dtype=np.uint32)
        generator = np.random.default_rng([self._seed, *digest.tolist()])
        found: list[StandingGame] = []
        for template in nearest:  # errors come in pairs of opposite signs: both are as likely, and together the forecast is right
            factors = drawn_factors(generator, template.day.n_periods, hours, error=self._error)
            found += [self._templates.game(observation, template, each) for each in (factors, 2.0 - factors)]
        return found[: self._count]
