"""What a leader sees: numbers scaled into a finite box, and the table that says which is which.

``public`` observations hold what an operator knows before the day, in a size that does not depend on the community; ``full`` ones hold the
truth of the same fields and every private parameter. See :mod:`.public` and :mod:`.full` for the fields.

Every number is (value − centre) / scale, cut off at ±``BOUND``, with the centre and scale of its field. Power counts in units of the
community's own mean load. Centres and scales of prices are those of the field tables times the community's price level, which is 1 for the
named communities: the same community in another currency is observed alike. No running normalisation is needed. What is still cut off, in
a community whose numbers are not of one scale, is warned of when its observer is made.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ...community.calendar import Scenario
from ...community.community import Community
from ...community.day import Day
from ...errors import known_name
from .fields import Field, Values
from .forecasts import NOISY, check_forecast, foretold_day
from .full import full_fields, full_values
from .public import FORECAST_ERROR, Geometry, forecast_factors, make_geometry, public_fields, public_values

Information = Literal["public", "full"]
BOUND: Final = 5.0
"""Observations lie within ±this; few numbers come near it."""
FORETOLD: Final = ("load", "sun", "price")
"""What is foretold of a day, in the order of :func:`.public.forecast_factors`."""
MOST_CLIPPED: Final = 0.25
"""Share of a field's numbers that may be cut off without a warning."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Observer:
    """Turns a scenario into an observation; build it with :func:`make_observer`.

    Attributes:
        information: ``"public"`` or ``"full"``.
        community: Whose days are observed.
        fields: The fields, in the order they stand in.
        layout: Where each field lies in the observation, by name.
        geometry: What of the community no day changes.
        forecast_error: Standard deviation of the relative error of ``public`` forecasts in every hour, where they are ``"noisy"``.
        forecast: What ``public`` forecasts are; see :mod:`.forecasts`.
        exact: Of ``"load"``, ``"sun"`` and ``"price"`` those whose ``"noisy"`` forecast is the truth: what it is worth to know one.
    """

    information: Information
    community: Community
    geometry: Geometry
    fields: tuple[Field, ...]
    layout: Mapping[str, slice]
    forecast_error: float = FORECAST_ERROR
    forecast: str = NOISY
    exact: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many numbers an observation has."""
        return sum(field.size for field in self.fields)

    def observe(self, scenario: Scenario, day: Day) -> NDArray[np.float32]:
        """Return the observation of a scenario, shape (size,), within ±``BOUND``; the same scenario gives the same observation.

        Args:
            scenario: Which day and price path it is.
            day: The day itself, that of the community.
        """
        if self.information == "public" and self.forecast != NOISY:
            values = public_values(self.community, self.geometry, scenario, foretold_day(self.community, scenario, self.forecast))
        elif self.information == "public":
            factors = forecast_factors(self.community, scenario, day.n_periods, error=self.forecast_error)
            factors[[FORETOLD.index(name) for name in self.exact]] = 1.0
            values = public_values(self.community, self.geometry, scenario, day, factors=factors)
        else:
            values = public_values(self.community, self.geometry, scenario, day) | full_values(self.community, day)
        scaled = [(np.ravel(values[field.name]) - field.centre) / field.scale for field in self.fields]
        return np.clip(np.concatenate(scaled), -BOUND, BOUND).astype(np.float32)

    def read(self, observation: NDArray[np.floating]) -> Values:
        """Return the values of an observation, shape (size,), by field, each of shape (numbers of the field,).

        They are in the units of the field table, and cut off where the observation was.
        """
        wide = np.asarray(observation, dtype=np.float64)
        return {field.name: field.values(wide[self.layout[field.name]]) for field in self.fields}


def check_information(information: str) -> Information:
    """Return the class of information that was named.

    Raises:
        ValueError: If it is unknown.
    """
    known: Information = known_name("`information`", information, get_args(Information))
    return known


def make_observer(information: str, community: Community, *, forecast: str = NOISY) -> Observer:
    """Return the observer of a community.

    Raises:
        ValueError: If `information` or `forecast` is unknown.
    """
    chosen, fields = check_information(information), public_fields(community.n_periods)
    if chosen == "full":
        fields += full_fields(community.n_periods, community.n_prosumers, own_prices=community.has_own_prices)
    fields = tuple(in_money_of(field, community) for field in fields)
    observer = Observer(
        information=chosen,
        community=community,
        fields=fields,
        layout=layout_of(fields),
        geometry=make_geometry(community),
        forecast=check_forecast(forecast),
    )
    _warn_of_clipping(observer)
    return observer


def in_money_of(field: Field, community: Community) -> Field:
    """Return a field with the centre and scale it has at a community's price level."""
    level = community.price_level if field.unit.startswith("EUR") else 1.0
    return field._replace(centre=level * field.centre, scale=level * field.scale)


def clipped_shares(observer: Observer, n_days: int = 8) -> dict[str, float]:
    """Return the share of each field's numbers that are cut off on days spread over the year, of the fields of which any are."""
    community = observer.community
    days = np.unique(np.linspace(0, community.n_days - 1, min(n_days, community.n_days)).astype(int)).tolist()
    scenarios = [Scenario(day, place % community.n_price_paths) for place, day in enumerate(days)]
    seen = np.array([observer.observe(each, community.day(each.day, price_path=each.price_path)) for each in scenarios])
    shares = {name: float((np.abs(seen[:, place]) >= BOUND).mean()) for name, place in observer.layout.items()}
    return {name: share for name, share in shares.items() if share > 0}


def _warn_of_clipping(observer: Observer) -> None:
    """Warn where a learner would hardly see a field for all that is cut off in it."""
    unit = {field.name: field.unit for field in observer.fields}
    blind = {name: share for name, share in clipped_shares(observer).items() if share > MOST_CLIPPED}
    if not blind:
        return
    remedies = {
        "Bring all prices to one currency and unit: they are counted by the year's mean price.": any("EUR" in unit[name] for name in blind),
        "Bring loads, renewables, stores and limits to kW: powers are counted by the mean load.": any("P̄" in unit[name] for name in blind),
    }
    listed = ", ".join(f"`{name}` ({share:.0%})" for name, share in blind.items())
    warnings.warn(
        f"observations of community {observer.community.name!r} should lie within ±{BOUND:g}, but of {listed} so much is cut off that "
        f"leaders hardly see it. {' '.join(text for text, applies in remedies.items() if applies) or 'Bring the data to one scale.'}",
        UserWarning,
        stacklevel=3,
    )


def field_table(fields: tuple[Field, ...]) -> str:
    """Return fields as a table in Markdown, as the environments' documentation shows it."""
    rows = [("field", "size", "unit", "centre", "scale", "meaning")]
    rows += [(f"`{f.name}`", f.shape, f.unit, f"{f.centre:g}", f"{f.scale:g}", f.meaning) for f in fields]
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    widths[-1] = 3  # the last column is ragged, which keeps lines short
    lines = ["| " + " | ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def layout_of(fields: tuple[Field, ...]) -> dict[str, slice]:
    """Return where each of some fields, one after the other, lies."""
    ends = np.cumsum([field.size for field in fields]).tolist()
    return {field.name: slice(end - field.size, end) for field, end in zip(fields, ends, strict=True)}
