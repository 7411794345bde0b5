"""Prices of the retail backstop and of losses.

Imports cost a flat retail price. Exports are paid a **synthetic** spot price: a rising curve of the residual load (load minus solar minus
wind, over the mean load) of the year's profiles plus seeded weather noise that stands for the rest of the price zone. Windy and sunny
hours come near or below zero, calm winter evenings near the greatest price, and days differ as much as hours. Nothing in it was a
market's price on a day. Its numbers stand in :mod:`~gridtoll.envs.community.parameters`.
"""

from __future__ import annotations

import numpy as np

from . import parameters as p
from .day import Array


def spot_price_paths(load: Array, solar: Array, wind: Array, *, n_paths: int = p.N_PRICE_PATHS, seed: int = p.PRICE_SEED) -> Array:
    """Return seeded synthetic spot prices in EUR/kWh, shape (n_paths, Y), rounded to 0.001 ct.

    Args:
        load: Hourly load of a region in any unit, shape (Y,).
        solar: Hourly solar power in any unit, shape (Y,).
        wind: Hourly wind power in any unit, shape (Y,).
        n_paths: Number of price paths; path p does not depend on how many there are.
        seed: Seed of the weather noise.
    """
    residual = load / load.mean() - p.SOLAR_SHARE * solar / solar.mean() - p.WIND_SHARE * wind / wind.mean()
    noise = np.stack([_weather(len(load), np.random.default_rng((seed, path))) for path in range(n_paths)])
    step = 1.0 / (1.0 + np.exp(-(residual + noise - p.RESIDUAL_MIDDLE) / p.RESIDUAL_WIDTH))
    # Rounding keeps prices, and hashes of them, alike on machines whose exponential differs in the last bit.
    price: Array = np.round(p.SPOT_LOW + (p.SPOT_HIGH - p.SPOT_LOW) * step, 5)
    return price


def loss_price_paths(spot: Array) -> Array:
    """Return what losses cost the operator in EUR/kWh: the spot price in EUR/kWh, but at least a floor; both of shape (paths, Y)."""
    price: Array = np.maximum(spot, p.LOSS_PRICE_FLOOR)
    return price


def _weather(n_hours: int, rng: np.random.Generator) -> Array:
    """Return a stationary first-order autoregressive series, shape (n_hours,), in units of the mean load."""
    keep = float(np.exp(-1.0 / (24.0 * p.WEATHER_DAYS)))
    shock = rng.standard_normal(n_hours) * p.WEATHER_STD * np.sqrt(1.0 - keep**2)
    series = np.empty(n_hours)
    value = p.WEATHER_STD * float(rng.standard_normal())
    for hour in range(n_hours):
        value = keep * value + shock[hour]
        series[hour] = value
    return series
