"""The closed-form community: one seller with a solar roof, one buyer, one line between them.

No data files: loads and sun are smooth curves with seeded weather, so that the year has seasons, clear and overcast days. Without
storage every hour stands alone, and the clearing has a closed form (``tests/support/oracles.py``).
"""

from __future__ import annotations

from datetime import date
from typing import Final, Literal

import numpy as np

from ...grid.grid import make_grid
from ...grid.network import make_network
from ..community import Community, make_community
from ..day import Array
from ..parameters import IMPORT_PRICE
from ..prices import loss_price_paths, spot_price_paths

_SEED: Final = 2
_DAYS: Final = 366
_MEAN_LOAD_KW: Final = (1.0, 3.0)  # seller, buyer
_SOLAR_PEAK_KW: Final = 8.0
_LINE_LIMIT_KW: Final = 3.0  # binds at noon in summer, so that overload can be seen
_LINE_RESISTANCE_PU: Final = 1.5  # on 1 MVA: 240 m of low-voltage cable
_LINE_REACTANCE_PU: Final = 0.6


def two_prosumers(_partners: int | Literal["all"] | None = None) -> Community:
    """Return the community; the number of partners has no effect on two."""
    grid = make_grid(
        "two-prosumers",
        bus_names=("seller", "buyer"),
        branch_from=[0],
        branch_to=[1],
        branch_resistance_pu=_LINE_RESISTANCE_PU,
        branch_reactance_pu=_LINE_REACTANCE_PU,
        branch_limit_kw=_LINE_LIMIT_KW,
        base_power_kw=1000.0,
        slack_bus=0,
        branch_names=("line",),
        bus_position=[[0.0, 0.5], [1.0, 0.5]],
    )
    rng = np.random.default_rng(_SEED)
    hour = (np.arange(24 * _DAYS) % 24 + 0.5).astype(np.float64)
    day = (np.arange(24 * _DAYS) // 24).astype(np.float64)
    solar, wind = _sun(day, hour, rng), _wind(rng)
    daily = 1.0 + 0.5 * np.cos(2 * np.pi * (hour - 19.0) / 24.0) + 0.2 * np.cos(4 * np.pi * (hour - 8.0) / 24.0)
    load = daily[:, None] * np.asarray(_MEAN_LOAD_KW) * (1.0 + 0.25 * np.cos(2 * np.pi * (day - 15) / _DAYS))[:, None]
    spot = spot_price_paths(load.sum(axis=1), solar, wind)
    return make_community(
        "two-prosumers",
        make_network(grid, [0, 1], n_zones=2),
        first_date=date(2016, 1, 1),
        time_zone="solar time",  # its sun is highest at noon
        load_kw=np.round(load, 6),
        renewable_kw=np.round(np.stack([_SOLAR_PEAK_KW * solar, np.zeros_like(solar)], axis=1), 6),
        import_price=IMPORT_PRICE,
        export_price=spot,
        loss_price=loss_price_paths(spot),
        prosumer_names=("seller", "buyer"),
        renewable_kind=("solar", "none"),
    )


def _sun(day: Array, hour: Array, rng: np.random.Generator) -> Array:
    """Return solar power per peak, shape (Y,): a half-sine over day lengths of 8 to 16 h, times a clearness drawn for each day."""
    length = 12.0 - 4.0 * np.cos(2 * np.pi * (day + 10) / _DAYS)
    height = np.clip(np.cos(np.pi * (hour - 12.0) / length), 0.0, None) * (np.abs(hour - 12.0) < length / 2)
    clearness = np.repeat(rng.uniform(0.15, 1.0, _DAYS), 24)
    sun: Array = height * (0.65 - 0.25 * np.cos(2 * np.pi * (day + 10) / _DAYS)) * clearness
    return sun


def _wind(rng: np.random.Generator) -> Array:
    """Return wind power per peak, shape (Y,), drawn for each day and interpolated between; only the price path feels it."""
    daily = rng.beta(0.9, 1.8, _DAYS + 1)
    wind: Array = np.interp(np.arange(24 * _DAYS) / 24.0, np.arange(_DAYS + 1), daily)
    return wind
