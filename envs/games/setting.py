"""What a game is played on: a community's days, what may be charged, and the rules of the money.

Both games stand on it, and both their environments, so that a row of a batch cannot differ from the single environment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from ..account.tariff import Tariff, make_tariff
from ..arrays import IntArray
from ..community.calendar import Scenario, Split, split_days
from ..community.community import Community
from ..community.day import Array, Day
from ..community.sources import load_community
from ..errors import unknown_name
from ..grid.power_flows import make_power_flow
from ..grid.voltage_rows import with_voltage_rows
from ..market.mechanism import Mechanism
from .days import KeptDays
from .spec import GameSpec
from .transition import A, Rules, Transition, transition

RESET_OPTIONS: Final = ("day", "price_path")


@dataclass(frozen=True, eq=False, kw_only=True)
class Setting:
    """What a game is played on; build it with :func:`make_setting`.

    Attributes:
        spec: Which game it is.
        community: Whose days are played.
        tariff: What is charged.
        days: Days an episode may begin on, in rising order.
        charge_cap: Greatest coefficient in EUR/kWh.
        rules: What the money depends on beside the day and the charges.
        read: Returns an action as validated coefficients in EUR/kWh, shape (T, K): :meth:`.Tariff.read` for these days and this cap, which
            raises ``ValueError`` if the charge has the wrong shape, is not a number, negative or above the cap.
    """

    spec: GameSpec
    community: Community
    tariff: Tariff
    days: IntArray
    charge_cap: float
    rules: Rules
    read: Callable[[Any], Array] = field(init=False, repr=False)
    _kept: KeptDays = field(init=False, repr=False, default_factory=KeptDays)

    def __post_init__(self) -> None:
        """Say once how actions are read."""
        object.__setattr__(self, "read", partial(self.tariff.read, n_periods=self.community.n_periods, cap=self.charge_cap))

    @property
    def n_charges(self) -> int:
        """Coefficients that an action holds."""
        return self.tariff.n_coefficients(self.community.n_periods)

    def day_of(self, scenario: Scenario) -> Day:
        """Return the data of a scenario, with the import fee of the game: the same object as long as it is kept (:class:`.days.KeptDays`).

        Raises:
            ValueError: If there is no such day or price path.
        """
        return self._kept.of(scenario, self._cut)

    def _cut(self, scenario: Scenario) -> Day:
        day = self.community.day(scenario.day, price_path=scenario.price_path)
        return day if self.spec.import_fee is None else replace(day, import_fee=self.spec.import_fee)

    def transition(self, mechanism: Mechanism[A], day: Day, action: ArrayLike) -> Transition[A]:
        """Play one day at charges in EUR/kWh in the order of an action, shape (n_charges,).

        Raises:
            ValueError: If the charges cannot be posted.
            ClearingError: If the day cannot be cleared.
        """
        return transition(self.rules, mechanism, day, self.tariff.charges(self.read(action)))

    def info(self, scenario: Scenario) -> dict[str, Any]:
        """Return what `info` says of a scenario."""
        return scenario._asdict() | {"date": self.community.date(scenario.day).isoformat()}

    def draw(self, random: np.random.Generator, *, price_path: int | None = None) -> Scenario:
        """Return a scenario with a day of the split and a price path, each drawn uniformly, or that price path."""
        path = int(random.integers(self.community.n_price_paths)) if price_path is None else price_path
        return Scenario(int(self.days[random.integers(len(self.days))]), path)

    def told_scenario(self, *, day: int, price_path: int) -> Scenario:
        """Return the scenario of a day and a price path, as `reset` would be told it.

        Raises:
            ValueError: If there is none, or the data end before an episode would.
        """
        self.told({"day": day, "price_path": price_path})
        return Scenario(day, price_path)

    def told(self, options: Mapping[str, Any]) -> tuple[int | None, int | None]:
        """Return the day and the price path that `reset` was told, None for what is left open.

        Raises:
            ValueError: If an option is unknown, there is no such day or price path, or the data end before the episode would.
        """
        unknown = sorted(set(options) - set(RESET_OPTIONS))
        if unknown:
            raise unknown_name("an option of `reset`", unknown[0], RESET_OPTIONS)
        told = {"day": (options.get("day"), self.community.n_days), "price_path": (options.get("price_path"), self.community.n_price_paths)}
        for name, (value, count) in told.items():
            whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
            if value is not None and not (whole and 0 <= value < count):
                raise ValueError(f"option `{name}` of `reset` must be a whole number from 0 to {count - 1}, got {value!r}.")
        day, price_path = (None if value is None else int(value) for value, _ in told.values())
        last = self.community.n_days - self.spec.days
        if day is not None and day > last:
            raise ValueError(f"an episode of {self.spec.days} days must begin on day {last} or before, got {day}.")
        return day, price_path


def make_setting(spec: GameSpec, *, split: Split, community: Community | None = None) -> Setting:
    """Return what a game is played on.

    Args:
        spec: Which game it is.
        split: The days episodes are drawn from.
        community: Whose days are played; the one that the game names where it is absent.

    Raises:
        ValueError: If a name is unknown, a community's data are not valid, or the split has too few days in a row.
    """
    whose = _with_voltages(spec, load_community(spec.community) if community is None else community)
    per = "hour" if spec.env == "hourly" and spec.belief == "announced" else spec.charges_per
    tariff = make_tariff(spec.tariff, whose.network, per)
    days = split_days(split, whose.n_days)
    within = np.isin(days + spec.days - 1, days)  # splits are whole weeks, so the days between belong to it too
    if not within.any():
        raise ValueError(
            f"the {split} split must have `days` days in a row, and has not {spec.days} among the {whose.n_days} days of the data. "
            "Use fewer days, or another split."
        )
    rules = Rules(
        network=whose.network,
        basis=tariff.basis,
        flows=spec.flows,
        objective=spec.objective,
        power_flow=make_power_flow(spec.power_flow, whose.network),
    )
    cap = whose.charge_cap if spec.charge_cap is None else spec.charge_cap
    return Setting(spec=spec, community=whose, tariff=tariff, days=days[within], charge_cap=cap, rules=rules)


def _with_voltages(spec: GameSpec, community: Community) -> Community:
    """Return the community with rows for its voltages where they count, and are not there yet."""
    if spec.voltage_price is None or community.network.grid.kw_per_pu:
        return community
    draws_only = ~(community.renewable_kw.any(axis=0) | (community.storage_capacity > 0))
    by_data = community.renewable_kw - community.load_kw
    network = with_voltage_rows(
        community.network,
        voltage_price=spec.voltage_price,
        overload_price=community.parameters.overload_price,
        band_pu=spec.voltage_band,
        draws_only=draws_only,
        days_kw=by_data.reshape(community.n_days, -1, community.n_prosumers),
    )
    return replace(community, network=network)
