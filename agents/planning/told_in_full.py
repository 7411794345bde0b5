"""The day that an observation of the ``full`` class tells, household by household.

It holds every parameter of a household and of a day that changes from day to day. The rest is the same on all days of a community and
taken from a training day: who may trade with whom and at what friction, flows from outside, the price of overload and the fee on imports.
Observations are single precision and cut off at their bound. Demand that is cut off follows from the total, which is observed as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...envs.arrays import Array
from ...envs.community.day import Day
from ...envs.community.household_prices import by_household, common_or_own
from ...envs.games.observation.fields import Field
from ...envs.games.observation.full import full_fields
from ...envs.games.observation.observer import BOUND, layout_of
from ...envs.games.observation.public import public_fields

_DEMANDS: Final = ("each_demand_min", "each_demand_max", "each_demand")
_LEAST: Final = 1e-6  # of own load: demand of less says nothing about how steep utility is


@dataclass(frozen=True, eq=False, kw_only=True)
class FullView:
    """How to read observations of the ``full`` class.

    Attributes:
        fields: All of an observation, by name.
        layout: Where each lies in an observation.
        price_level: By which prices are divided in observations.
        mean_load_kw: P̄, kW.
    """

    fields: Mapping[str, Field]
    layout: Mapping[str, slice]
    price_level: float
    mean_load_kw: float

    def day(self, observation: NDArray[Any], like: Day) -> Day:
        """Return the day that is told.

        Args:
            observation: What is observed, shape (n_observed,).
            like: A day of the same community, which has what is not observed.
        """
        mean = self.mean_load_kw
        told = {name: self._read(observation, name) for name in self.fields}
        prices: dict[str, Any] = self._prices(told, like)
        demand: dict[str, Any] = self._demand(observation, told, prices["import_price"], like)
        capacity = np.maximum(mean * told["each_storage_capacity"], 0.0)
        peak = mean * told["each_renewable_peak"]
        return replace(
            like,
            label="a day as it is told in full",
            renewable=np.maximum(peak * told["each_renewable"].reshape(like.renewable.shape), 0.0),
            loss_price=told["each_loss_price"],
            storage_power=np.maximum(mean * told["each_storage_power"], 0.0),
            storage_capacity=capacity,
            storage_efficiency=np.minimum(told["each_storage_efficiency"], 1.0),
            storage_wear=told["each_storage_wear"] / mean,
            storage_start=np.clip(mean * told["each_storage_start"], 0.0, capacity),
            import_limit=mean * told["each_import_limit"],
            export_limit=mean * told["each_export_limit"],
            grid_friction=told["each_grid_friction"] / mean,
            **prices,
            **demand,
        )

    def _demand(self, observation: NDArray[Any], told: Mapping[str, Array], import_price: Array, like: Day) -> dict[str, Array]:
        """Return the fields of demand, shape (T, N) each. What is cut off of a household's follows from the total, which is observed."""
        shape, own_load = like.demand_min.shape, self.mean_load_kw * told["each_mean_load"]
        least, most, wanted = (own_load * told[name].reshape(shape) for name in _DEMANDS)
        cut = np.any([np.abs(np.asarray(observation)[self.layout[name]]) >= BOUND for name in _DEMANDS], axis=0).reshape(shape)
        missing = np.maximum(self.mean_load_kw * like.n_prosumers * told["load"] - wanted.sum(axis=1), 0.0)
        share = np.where(cut, own_load, 0.0)
        extra = share * (missing / np.maximum(share.sum(axis=1), _LEAST * own_load.sum()))[:, None]
        grown = np.where(cut, (wanted + extra) / np.where(cut, wanted, 1.0), 1.0)
        least, most, wanted = (np.maximum(each * grown, 0.0) for each in (least, most, wanted))
        slope = told["each_utility_slope"].reshape(shape)
        worth = slope - by_household(import_price, like.n_prosumers)
        known = (wanted > _LEAST * own_load) & (worth > 0.0)
        return {
            "demand_min": least,
            "demand_max": np.maximum(most, least),
            "utility_slope": slope,
            "utility_curvature": np.where(known, worth / np.where(known, wanted, 1.0), like.utility_curvature),
        }

    def _read(self, observation: NDArray[Any], name: str) -> Array:
        """Return the values of a field in its own unit, flat."""
        scaled = np.asarray(observation, dtype=np.float64)[self.layout[name]]
        return self.fields[name].values(scaled, price_level=self.price_level)

    def _prices(self, told: Mapping[str, Array], like: Day) -> dict[str, Array]:
        """Return both retail prices in EUR/kWh, of the households that have prices of their own each its own."""
        flat = [told["each_import_price"], np.minimum(told["each_export_price"], told["each_import_price"])]
        shaped = [price if len(price) == like.n_periods else price.reshape(like.n_periods, -1) for price in flat]
        return common_or_own(dict(zip(("import_price", "export_price"), shaped, strict=True)), like.n_prosumers)


def full_view(n_observed: int, like: Day, *, price_level: float, total_load_kw: float) -> FullView | None:
    """Return how to read observations of so many numbers, None where they do not tell of households.

    Args:
        n_observed: Numbers in an observation.
        like: A day of the community.
        price_level: By which prices are divided in observations.
        total_load_kw: P̄·N, kW.
    """
    public = public_fields(like.n_periods)
    for own_prices in (False, True):
        private = full_fields(like.n_periods, like.n_prosumers, own_prices=own_prices)
        layout = layout_of((*public, *private))
        if layout[private[-1].name].stop == n_observed:
            fields = {field.name: field for field in (*public, *private)}
            return FullView(fields=fields, layout=layout, price_level=price_level, mean_load_kw=total_load_kw / like.n_prosumers)
    return None
