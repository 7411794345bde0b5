"""Every number that neither the model's source nor the data gives, each stated here once with its reason.

:class:`MarketParameters` holds the numbers a community carries with it (and its CSV folder names in ``settings.csv``); the constants
below it shape the synthetic parts of the named communities.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from numbers import Real
from typing import Final


@dataclass(frozen=True, kw_only=True)
class MarketParameters:
    """Preferences and operator prices of a community.

    Raises:
        ValueError: If a number is out of its range.
    """

    flexibility_value: float = 0.3
    """s in EUR/kWh, > 0: the curvature of utility is a = s / load, so a price s/10 above the reference price lowers demand by a tenth."""
    demand_min_share: float = 0.6
    """Least flexible demand as a share of the load, from 0 to 1."""
    demand_max_share: float = 1.4
    """Greatest flexible demand as a share of the load, at least 1."""
    load_floor: float = 0.02
    """Loads count as at least this share of the prosumer's own mean load, > 0. Profiles touch zero, where a = s / load has no value. Who
    has no load in the whole year demands nothing."""
    overload_price: float = 1.0
    """φ in EUR/kWh, at least 0: what the operator pays for flow above a limit."""
    import_fee: float = 0.0
    """ν in EUR/kWh, at least 0: what the operator earns on imports; 0.08 is the variant in which trade costs the operator imports."""

    def __post_init__(self) -> None:
        rules: tuple[tuple[str, str, Callable[[float], bool]], ...] = (
            ("flexibility_value", "> 0 and finite", lambda value: 0 < value < math.inf),
            ("demand_min_share", "from 0 to 1", lambda value: 0 <= value <= 1),
            ("demand_max_share", "at least 1", lambda value: 1 <= value < math.inf),
            ("load_floor", "above 0 and at most 1", lambda value: 0 < value <= 1),
            ("overload_price", "at least 0 and finite", lambda value: 0 <= value < math.inf),
            ("import_fee", "at least 0 and finite", lambda value: 0 <= value < math.inf),
        )
        faults = []
        for name, rule, holds in rules:
            value: object = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Real):
                faults.append(f"`{name}` must be a number, got {value!r}.")
            elif not holds(float(value)):
                faults.append(f"`{name}` must be {rule}, got {value}.")
        if faults:
            raise ValueError("market parameters are not valid:\n" + "\n".join(f"  - {fault}" for fault in faults))


MARKET_PARAMETER_NAMES: Final = tuple(field.name for field in fields(MarketParameters))

# Frictions. They scale with the mean load of a prosumer, so that trades matter alike in communities of kW and of MW.
FRICTION_EUR_PER_KWH: Final = 0.005
"""Marginal cost of a trade, of grid use, and of storage use, each at the power P̄ (the mean load of a prosumer): ε = ε_g = κ = this / P̄."""

# Connections. A connection must carry the least demand on every day, and should not bind in normal use.
CONNECTION_PER_DEMAND: Final = 1.5
"""Connection limit over the greatest flexible demand of the year; well above 1, so that d̲ − R ≤ M on every day."""
CONNECTION_PER_RENEWABLE: Final = 1.1
"""Connection limit over the greatest solar or wind power of the year."""
PARTNERS_ALL_UP_TO: Final = 45
"""Communities up to this size trade all with all unless told otherwise."""
PARTNERS_BEYOND: Final = 20
"""In larger communities each prosumer trades with this many nearest, and with those among whose nearest it is."""

# Storage.
STORAGE_EFFICIENCY: Final = 0.95
"""One way."""
STORAGE_START_SHARE: Final = 0.5
"""Storage starts the day half full, and must end it no emptier."""

# The operator's charges.
CHARGE_CAP: Final = 1.0
"""Greatest charge in EUR/kWh at mean distance. With the prices below, 0.5% of the default community's training days have their best charge
there; Gymnasium advises action bounds of 0 and 1."""

# Prices. The export price is a synthetic spot price: the year's profiles drive it, it is not a market's record.
IMPORT_PRICE: Final = 0.32
"""Flat retail price in EUR/kWh."""
LOSS_PRICE_FLOOR: Final = 0.02
"""Losses cost the operator the spot price but at least this, EUR/kWh."""
N_PRICE_PATHS: Final = 4
"""Seeded price paths per community."""
PRICE_SEED: Final = 20230
"""Seed of the weather noise; path p uses (seed, p)."""
SPOT_LOW: Final = -0.02
"""Spot price at great surplus, EUR/kWh."""
SPOT_HIGH: Final = 0.27
"""Spot price at great scarcity, EUR/kWh; below the retail price."""
SOLAR_SHARE: Final = 0.10
"""Solar energy of the year over the load's, in the residual load that drives the spot price. With 0.3 every sunny noon is at the lowest
price, most days have the same best charge, and little is left to learn."""
WIND_SHARE: Final = 0.30
"""Wind energy of the year over the load's, likewise. With 0.40, and the middle below at 0.60, 3.5% of the default community's training days
had their best charge at the cap: exports earn little on windy winter days, and trades bear almost any charge."""
RESIDUAL_MIDDLE: Final = 0.54
"""Residual load, over the mean load, at which the spot price is halfway between low and high."""
RESIDUAL_WIDTH: Final = 0.22
"""Change in residual load over which the spot price goes from halfway to 73% of the way (a logistic curve)."""
WEATHER_STD: Final = 0.4
"""Standard deviation of the weather noise in residual load over mean load: what the rest of the price zone does unlike the community."""
WEATHER_DAYS: Final = 2.0
"""Correlation time of the weather noise in days."""

# IEEE systems: transmission and distribution test cases without profiles, to which SimBench's are given.
IEEE_SEED: Final = 2205
"""Seed of the draw of profiles and assets; the community's name enters as well."""
IEEE_LOAD_WITHOUT_CASE_LOAD: Final = 0.5
"""Greatest load of a prosumer at a bus without load in the case (ieee9), over the mean of the case's loads. With it Free P2P loads the
worst line to about 110%, as where we set the limits ourselves; with 1 it is 185%."""
IEEE_SOLAR_PROSUMERS: Final = 0.4
"""Share of prosumers with solar power."""
IEEE_WIND_PROSUMERS: Final = 0.3
"""Share of prosumers with wind power; none has both."""
IEEE_RENEWABLE_ENERGY: Final = (0.8, 2.0)
"""Solar or wind energy of the year over the load's, drawn uniformly from this range."""
IEEE_STORAGE_PROSUMERS: Final = 1 / 3
"""Share of prosumers with storage."""
IEEE_STORAGE_POWER: Final = 1.0
"""Storage power over the prosumer's mean load."""
IEEE_STORAGE_HOURS: Final = 2.0
"""Hours of full storage power that the capacity holds, as in SimBench."""
IEEE_OVERLOAD: Final = 1.10
"""Greatest loading of the worst branch in the year's Free P2P where limits are set by us."""
