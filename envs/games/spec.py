"""Every argument that says which game is played, stated once.

Constructors of environments, tasks, options of the command line and plan files all read these fields: a new argument of a game is one line
here. What only the machine sees to (which solver clears, how many rows stand side by side, what is drawn) is not among them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Literal, Self, get_args

import numpy as np

from ..account.objective import OBJECTIVES
from ..account.settlement import Flows, check_flows
from ..account.tariff import TARIFF_NAMES, Period, check_period
from ..community.sources import DEFAULT_COMMUNITY
from ..errors import known_name
from ..grid.power_flow import DC
from ..grid.power_flows import POWER_FLOWS
from ..market.mechanism import EXACT
from .observation.forecasts import NOISY, check_forecast
from .observation.observer import Information, check_information

GameName = Literal["day-ahead", "hourly"]
Belief = Literal["standing", "announced", "learned"]
MOST_DAYS: Final = 7
"""Longest episode: splits are whole weeks, and an episode stays within its split."""
HOURLY_ONLY: Final = ("belief", "forecast_error", "days")
"""Fields that only the hourly game has."""
DAY_AHEAD_ONLY: Final = ("charges_per", "forecast")
"""Fields that only the day-ahead game has."""


def _said(text: str, *, metavar: str = "WORD", read: type[str] | type[float] | type[int] = str) -> dict[str, Any]:
    """Return what the command line says of a field: its help, the word for its value, and the type it is read as."""
    return {"help": text, "metavar": metavar, "read": read}


@dataclass(frozen=True, kw_only=True)
class GameSpec:
    """Which game is played: a few words and numbers that pickle, hash and can be written into a file.

    Attributes:
        community: Name or folder.
        tariff: What is priced.
        charges_per: How long a charge stands.
        objective: What the leader is rewarded with.
        information: What the leader observes.
        flows: Which flows the operator answers for.
        charge_cap: Greatest charge in EUR/kWh, None for the community's.
        import_fee: What the operator earns per kWh imported, in EUR/kWh, None for the community's.
        env: One charge for a day, or a new one every hour.
        belief: Hourly: what prosumers believe of later charges.
        forecast_error: Hourly: standard deviation of their relative errors about later hours.
        days: Hourly: days of an episode.
        mechanism: What clears the market; a name, with parameters where it has some (:mod:`~gridtoll.envs.market.mechanism`).
        voltage_price: What the operator pays for a voltage outside the band, in EUR per p.u. and hour; None where voltages do not count.
        forecast: Day-ahead: what is observed of a day under ``"public"`` information (:mod:`~gridtoll.envs.games.observation.forecasts`).
        voltage_band: How far voltages may be from 1 p.u., where they count.
        power_flow: What flows in the wires; a name, with parameters where it has some (:mod:`~gridtoll.envs.grid.power_flows`).

    Raises:
        ValueError: If a name is unknown, a number out of range, or a field belongs to the other game.
    """

    community: str = field(
        default=DEFAULT_COMMUNITY, metadata=_said("a name from `gridtoll communities list`, or a folder of CSV files", metavar="C")
    )
    tariff: str = field(
        default="distance", metadata=_said("what is priced: unique (the same for each kWh), distance, zonal or line", metavar="T")
    )
    charges_per: Period = field(
        default="day", metadata=_said("how long a charge stands: all day, or one period of the data (an hour)", metavar="day|hour")
    )
    objective: str = field(default="profit", metadata=_said("what the leader is rewarded with", metavar="profit|welfare"))
    information: Information = field(
        default="public",
        metadata=_said("what the leader observes: forecasts and totals, or every private parameter", metavar="public|full"),
    )
    flows: Flows = field(
        default="trades",
        metadata=_said("flows the operator pays for: those of trades only, or of all that enters the wires", metavar="trades|injections"),
    )
    charge_cap: float | None = field(
        default=None, metadata=_said("greatest charge in EUR/kWh (default: the community's own)", metavar="EUR", read=float)
    )
    import_fee: float | None = field(
        default=None,
        metadata=_said(
            "fee that the operator earns on imports, in EUR/kWh (default: the community's own; 0 for built-in ones)",
            metavar="EUR",
            read=float,
        ),
    )
    env: GameName = field(
        default="day-ahead", metadata=_said("the game: one charge the day before, or a new one every hour", metavar="day-ahead|hourly")
    )
    belief: Belief = field(
        default="standing",
        metadata=_said("with --env hourly: what prosumers believe of later charges", metavar="standing|announced|learned"),
    )
    forecast_error: float = field(
        default=0.0, metadata=_said("with --env hourly: standard deviation of prosumers' relative forecast errors", metavar="R", read=float)
    )
    days: int = field(default=1, metadata=_said("with --env hourly: days of an episode", metavar="N", read=int))
    mechanism: str = field(
        default=EXACT, metadata=_said("what clears the market: a name, with parameters as in name:rounds=50", metavar="M")
    )
    power_flow: str = field(
        default=DC, metadata=_said("what flows in the wires: dc or ac, with parameters as in ac:power_factor=0.9", metavar="P")
    )

    voltage_price: float | None = field(
        default=None,
        metadata=_said(
            "price of voltages outside the band, in EUR per p.u. and hour (default: they do not count)", metavar="EUR", read=float
        ),
    )
    forecast: str = field(
        default=NOISY,
        metadata=_said(
            "with --information public: the truth with errors, or what anybody could foretell: noisy, persistence, last-week or boosted",
            metavar="F",
        ),
    )
    voltage_band: float = field(
        default=0.1, metadata=_said("with --voltage-price: how far voltages may be from 1 p.u.", metavar="V", read=float)
    )

    def __post_init__(self) -> None:
        """Check every name and number that needs no community."""
        known_name("`env`", self.env, get_args(GameName))
        known_name("tariff", self.tariff, TARIFF_NAMES)
        check_period(self.charges_per)
        OBJECTIVES.known(self.objective)
        check_information(self.information)
        if check_forecast(self.forecast) != NOISY and self.information != "public":
            raise ValueError(
                f"`forecast` {self.forecast!r} must go with `information` public, got {self.information!r}, which is the truth."
            )
        check_flows(self.flows)
        POWER_FLOWS.read(self.power_flow, given=1)
        object.__setattr__(self, "charge_cap", _finite("charge_cap", self.charge_cap, above=True))
        object.__setattr__(self, "import_fee", _finite("import_fee", self.import_fee, above=False))
        self._check_voltages()
        self._check_hours()

    def _check_voltages(self) -> None:
        """Check the price of voltages and the band they may be in."""
        if self.voltage_price is not None and not (np.isfinite(self.voltage_price) and self.voltage_price > 0):
            raise ValueError(f"`voltage_price` must be a finite number > 0 in EUR per p.u. and hour, got {self.voltage_price!r}.")
        if not 0 < self.voltage_band < 1:
            raise ValueError(f"`voltage_band` must be above 0 and below 1 p.u., got {self.voltage_band!r}.")
        if self.voltage_price is None and "voltage_band" in self.told():
            raise ValueError("`voltage_band` must go with `voltage_price`: without a price voltages do not count.")

    def _check_hours(self) -> None:
        """Check what only the hourly game has, and what only the other has."""
        known_name("`belief`", self.belief, get_args(Belief))
        if not (np.isfinite(self.forecast_error) and 0 <= self.forecast_error < 1):
            raise ValueError(f"`forecast_error` must be at least 0 and below 1, a share of the truth, got {self.forecast_error!r}.")
        if not 1 <= self.days <= MOST_DAYS or int(self.days) != self.days:
            raise ValueError(f"`days` must be a whole number from 1 to {MOST_DAYS}, got {self.days!r}.")
        told = self.told()
        strange = DAY_AHEAD_ONLY if self.env == "hourly" else HOURLY_ONLY
        given = [f"`{name}`" for name in strange if name in told]
        if given:
            other = "day-ahead" if self.env == "hourly" else "hourly"
            raise ValueError(f"{', '.join(given)} must go with `env` {other}, got `env` {self.env}.")

    def told(self) -> dict[str, Any]:
        """Return the fields that are not at their defaults."""
        return {entry.name: value for entry in fields(self) if (value := getattr(self, entry.name)) != entry.default}

    def arguments(self) -> dict[str, Any]:
        """Return the fields that are arguments of the game's environment."""
        return {name: getattr(self, name) for name in fields_of(self.env)}

    def changed(self, **changes: Any) -> Self:
        """Return the game with some fields replaced.

        Raises:
            ValueError: If there is no such game.
        """
        return replace(self, **changes)

    @property
    def day_ahead(self) -> Self:
        """The same game with one charge for the day, announced the day before."""
        return self.changed(env="day-ahead", belief="standing", forecast_error=0.0, days=1)


def fields_of(env: GameName) -> tuple[str, ...]:
    """Return the fields of :class:`GameSpec` that are arguments of a game's environment."""
    others = {"env", *(DAY_AHEAD_ONLY if env == "hourly" else HOURLY_ONLY)}
    return tuple(entry.name for entry in fields(GameSpec) if entry.name not in others)


def _finite(name: str, value: float | None, *, above: bool) -> float | None:
    """Return a number that must be finite and above 0, or at least 0, where it is one."""
    if value is None:
        return None
    if not np.isfinite(value) or value < 0 or (above and value == 0):
        raise ValueError(f"`{name}` must be a finite number {'> 0' if above else 'of at least 0'} in EUR/kWh, got {value!r}.")
    return float(value)
