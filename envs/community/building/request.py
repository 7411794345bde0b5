"""What is asked for where a community is built: the files, and all that they do not say themselves."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, Literal, get_args

from ..parameters import MARKET_PARAMETER_NAMES, MarketParameters

Fill = Literal["previous-day", "previous-week", "interpolate", "zero", "hold"]
FILLS: Final[tuple[Fill, ...]] = get_args(Fill)
PRICE_FILLS: Final[tuple[Fill, ...]] = ("previous-day", "previous-week", "interpolate", "hold")
Stamps = Literal["start", "end"]
NUMBERS_TO_SET: Final = (*MARKET_PARAMETER_NAMES, "trade_friction", "charge_cap", "partners", "base_power_kw")
"""Numbers of the community that can be set; the others are a prosumer's own."""
EACH_TO_SET: Final = ("grid_friction", "storage_wear", "storage_efficiency", "import_limit", "export_limit")
"""Numbers of each prosumer that can be set for all alike."""


@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """What a community is to be built from.

    Attributes:
        name: Name of the community.
        meters: Files of meter readings. Columns that do not say what they are of hold consumption.
        generation: Files whose columns hold what the sun makes, unless they say otherwise.
        net: Files whose columns hold consumption less generation, unless they say otherwise.
        prices: A file of prices; None where all of them are constant.
        grid: A file of lines (CSV), a pandapower network (JSON), a name from ``pandapower.networks``, a SimBench code, or a community.
        prosumers: A file of what is known of each prosumer; None for none.
        unit: kW or kWh (also W, Wh, MW, MWh), where headers do not state it.
        price_unit: EUR/kWh, ct/kWh or EUR/MWh, where headers do not state it.
        decimal: ``","`` or ``"."``, where files do not tell.
        time_zone: Zone of stamps without an offset, whose standard time the community keeps.
        stamps: Whether a stamp is the start or the end of its period; None where nobody said.
        period_minutes: Length of a period; None for that of the meters.
        resample: ``"hold"`` where readings may be held over periods shorter than theirs.
        fill: The rule that gaps in meter readings are filled by; None for not at all.
        fill_prices: The rule that gaps in prices are filled by; None for not at all.
        first_day: First day; None for the first whole one.
        last_day: Last day; None for the last whole one.
        constants: Constant prices in EUR/kWh by name, such as ``import_price``.
        voltage_kv: Nominal voltage, where a file of lines is in ohms or amperes.
        slack: The bus that takes up what injections do not balance, where a file of lines does not begin with it.
        time_column: The column of stamps, where its name does not say so.
        household_column: The column of households, where its name does not say so.
        ignore: Columns to leave out.
        numbers: Numbers set in place of those that follow from rules, by name.
    """

    name: str
    grid: str
    meters: tuple[Path, ...] = ()
    generation: tuple[Path, ...] = ()
    net: tuple[Path, ...] = ()
    prices: Path | None = None
    prosumers: Path | None = None
    unit: str | None = None
    price_unit: str | None = None
    decimal: str | None = None
    time_zone: str | None = None
    stamps: Stamps | None = None
    period_minutes: int | None = None
    resample: Literal["hold"] | None = None
    fill: Fill | None = None
    fill_prices: Fill | None = None
    first_day: date | None = None
    last_day: date | None = None
    constants: Mapping[str, float] = dataclasses.field(default_factory=dict)
    voltage_kv: float | None = None
    slack: str | None = None
    time_column: str | None = None
    household_column: str | None = None
    ignore: tuple[str, ...] = ()
    numbers: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @property
    def parameters(self) -> MarketParameters:
        """The preferences and operator prices, as far as they are set."""
        return MarketParameters(**{name: value for name, value in self.numbers.items() if name in MARKET_PARAMETER_NAMES})
