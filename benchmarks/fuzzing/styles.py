"""Named styles of random communities: an ordinary one, and what each style changes about it.

All are drawn near 1 kW and 0.3 EUR/kWh. Frictions, wear and curvatures of ordinary styles are at least 2e-5 of the greatest price per mean
load; those of the extreme styles go further, so that double precision may have to refuse.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Fields = dict[str, Any]
Random = np.random.Generator
Style = Callable[[Random, Fields, int, int], Fields]

_ENERGIES = ("storage_capacity", "storage_start", "storage_end")
_POWERS = ("demand_min", "demand_max", "renewable", "import_limit", "export_limit", "storage_power", "trade_limit", *_ENERGIES)
_PRICES = ("utility_slope", "import_price", "export_price", "loss_price", "overload_price", "import_fee")
_BENDS = ("utility_curvature", "grid_friction", "storage_wear", "trade_friction")


def ordinary(random: Random, n: int, periods: int) -> Fields:
    """Draw loads from 0.3 to 2 kW, sun on most roofs, spot prices below a fixed retail price, some stores."""
    load = random.uniform(0.3, 2.0, (periods, n))
    clock = (np.arange(periods) + 0.5) / periods
    roofs = (random.random(n) < 0.6) * random.uniform(1.0, 7.0, n)
    renewable = np.sin(np.pi * clock)[:, None] * roofs * random.uniform(0.5, 1.0, (periods, 1))
    curvature = 0.3 / load
    owns = (random.random(n) < 0.3).astype(float)
    connection = np.maximum(3.0 * load.max(axis=0), renewable.max(axis=0))
    export = random.uniform(-0.02, 0.25, periods)
    friction = 0.005 if random.random() < 0.5 else 10.0 ** random.uniform(-4.8, 0.0)
    capacity = owns * random.uniform(0.5, 4.0, n)
    return {
        "period_hours": float(random.choice([1.0, 1.0, 0.25, 2.0])),
        "demand_min": 0.6 * load,
        "demand_max": 1.4 * load,
        "utility_curvature": curvature,
        "utility_slope": 0.32 + curvature * load,
        "renewable": renewable,
        "import_price": np.full(periods, 0.32),
        "export_price": export,
        "loss_price": np.maximum(export, 0.02),
        "overload_price": float(random.choice([1.0, 1.0, 0.0, 0.05])),
        "import_fee": float(random.choice([0.0, 0.0, 0.08])),
        "import_limit": connection,
        "export_limit": connection,
        "grid_friction": np.full(n, friction),
        "storage_power": owns * random.uniform(0.3, 2.0, n),
        "storage_capacity": capacity,
        "storage_efficiency": np.full(n, 0.95),
        "storage_wear": np.full(n, friction),
        "storage_start": capacity * random.uniform(0.0, 1.0, n),
        "trade_limit": np.minimum.outer(connection, connection),
        "trade_friction": np.full((n, n), friction),
    }


def _storage(random: Random, fields: Fields, n: int, periods: int) -> Fields:
    """Everybody has a store, full or empty or neither, of any efficiency; the day may have to end with more or less."""
    capacity = random.uniform(0.1, 5.0, n) * random.choice([0.0, 1.0, 1.0, 1.0], n)
    start = capacity * random.choice([0.0, 0.5, 1.0], n)
    end = {"storage_end": start * random.uniform(0.0, 1.0, n)} if random.random() < 0.3 else {}
    return end | {
        "storage_power": random.uniform(0.1, 4.0, n),
        "storage_capacity": capacity,
        "storage_start": start,
        "storage_efficiency": random.choice([0.05, 0.5, 0.9, 0.95, 0.999], n),
        "storage_wear": 10.0 ** random.uniform(-4.5, 1.0, n),
    }


def _lossless(random: Random, fields: Fields, n: int, periods: int) -> Fields:
    """Stores that lose nothing, with little wear or much."""
    return _storage(random, fields, n, periods) | {
        "storage_efficiency": random.choice([1.0, 1.0, 0.9999999], n),
        "storage_wear": np.full(n, 10.0 ** random.uniform(-4.8, -1.0)),
    }


def _ties(random: Random, fields: Fields, n: int, periods: int) -> Fields:
    """Prosumers alike, hours alike, prices alike, numbers so round that bounds meet exactly."""
    load, sun = float(random.choice([0.5, 1.0, 2.0])), random.choice([0.0, 0.0, 4.0], n)
    price = float(random.choice([0.25, 0.5]))
    stores = random.random() < 0.5
    return {
        "demand_min": np.full((periods, n), 0.5 * load),
        "demand_max": np.full((periods, n), load),
        "utility_curvature": np.full((periods, n), 0.25),
        "utility_slope": np.full((periods, n), price + 0.25 * load),
        "renewable": np.broadcast_to(sun, (periods, n)),
        "import_price": np.full(periods, price),
        "export_price": np.full(periods, float(random.choice([0.0, 0.125, price]))),
        "import_limit": np.full(n, 10.0),
        "export_limit": np.full(n, float(random.choice([0.0, 10.0]))),
        "trade_limit": np.full((n, n), float(random.choice([0.5, 1.0, 10.0]))),
        "storage_power": np.full(n, float(stores)),
        "storage_capacity": np.full(n, 2.0 * stores),
        "storage_start": np.full(n, float(random.choice([0.0, 1.0, 2.0])) * stores),
    }


def _units(random: Random, fields: Fields, n: int, periods: int) -> Fields:
    """Watts or gigawatts, another currency: everything as many times as large."""
    return in_units(fields, power=10.0 ** random.uniform(-6.0, 6.0), price=10.0 ** random.uniform(-4.0, 4.0))


def _signs(random: Random, fields: Fields, n: int, periods: int) -> Fields:
    """Zero prices, negative ones, both signs, import and export alike; nobody may want anything."""
    kind = int(random.integers(6))
    zero, drawn = np.zeros(periods), random.uniform(-0.4, 0.4, periods)
    prices = [
        (zero, zero),
        (drawn, drawn),
        (np.maximum(drawn, 0.0), np.minimum(drawn, 0.0)),
        (zero - 0.05, -random.uniform(0.05, 0.3, periods)),
        (np.where(random.random(periods) < 0.5, 0.0, 0.32), zero),
        (zero, np.minimum(drawn, 0.0)),
    ][kind]
    wanted = {"utility_slope": fields["utility_slope"] * float(random.choice([0.0, 0.3, 1.0, 1.0]))}
    return wanted | {"import_price": prices[0], "export_price": prices[1], "loss_price": np.maximum(prices[1], 0.0)}


def _binding(random: Random, fields: Fields, n: int, periods: int) -> Fields:
    """Caps on trades and connections that bind, down to what demand needs, to nothing, or to one pair."""
    needed = np.maximum(fields["demand_min"] - fields["renewable"], 0.0).max(axis=0)
    wide = fields["import_limit"]
    caps = [np.full((n, n), 0.05), random.uniform(0.0, 1.0, (n, n)), random.uniform(0.0, 3.0, (n, n)) * (random.random((n, n)) < 0.4)]
    return {
        "import_limit": [needed, 1.05 * needed, needed + random.uniform(0.0, 1.0, n)][int(random.integers(3))],
        "export_limit": [np.zeros(n), 0.2 * wide, random.uniform(0.0, 1.0, n)][int(random.integers(3))],
        "trade_limit": caps[int(random.integers(3))],
    }


def _single(random: Random, fields: Fields, n: int, periods: int) -> Fields:
    """Days of one period (see `sizes`), of nobody who may trade, of one pair, of fixed demand, of nothing at all."""
    kind = int(random.integers(5))
    one = np.zeros((n, n))
    one[0, n - 1] = 2.0
    nothing = np.zeros((periods, n))
    return [
        {},
        {"trade_limit": np.zeros((n, n))},
        {"trade_limit": one},
        {"demand_min": fields["demand_max"]},
        {"demand_min": nothing, "demand_max": nothing, "renewable": nothing if random.random() < 0.3 else fields["renewable"]},
    ][kind]


def _uneven(random: Random, fields: Fields, n: int, periods: int) -> Fields:
    """Prosumers between 0.03 and 30 kW, frictions that differ from pair to pair: large and small beside each other."""
    size = 10.0 ** random.uniform(-1.5, 1.5, n)
    grown = {name: fields[name] * size for name in _POWERS if name in fields and name != "trade_limit"}
    pairs = np.minimum.outer(size, size)
    bends = {"utility_curvature": fields["utility_curvature"] / size, "grid_friction": fields["grid_friction"] / size}
    bends |= {"storage_wear": fields["storage_wear"] / size}
    trades = {"trade_limit": fields["trade_limit"] * pairs, "trade_friction": fields["trade_friction"] * random.uniform(0.2, 5.0, (n, n))}
    return grown | bends | trades


def _same(random: Random, fields: Fields, n: int, periods: int) -> Fields:
    """Nothing else: what makes these styles is the charges, the grid or the account."""
    return {}


def _frictionless(random: Random, fields: Fields, n: int, periods: int) -> Fields:
    """Frictions of trade from 1e-10 to 1e-5, of connections from 1e-12."""
    return {
        "trade_friction": np.full((n, n), 10.0 ** random.uniform(-10.0, -5.0)),
        "grid_friction": np.full(n, 10.0 ** random.uniform(-12.0, -2.0)),
    }


def _wearless(random: Random, fields: Fields, n: int, periods: int) -> Fields:
    """Stores of next to no wear, lossless ones among them."""
    return _storage(random, fields, n, periods) | {
        "storage_wear": np.full(n, 10.0 ** random.uniform(-10.0, -5.0)),
        "storage_efficiency": random.choice([0.95, 1.0], n),
    }


def _curved(random: Random, fields: Fields, n: int, periods: int) -> Fields:
    """Curvatures, frictions and wear each over twelve orders of magnitude, entry by entry."""
    return {
        "utility_curvature": 10.0 ** random.uniform(-6.0, 6.0, (periods, n)),
        "grid_friction": 10.0 ** random.uniform(-6.0, 3.0, n),
        "storage_wear": 10.0 ** random.uniform(-6.0, 3.0, n),
        "trade_friction": 10.0 ** random.uniform(-6.0, 3.0, (n, n)),
    }


def _giant(random: Random, fields: Fields, n: int, periods: int) -> Fields:
    """One entry out of scale: a prosumer of up to 1e8 kW, a slope of up to 1e9, a price or cap that nobody meets."""
    changed = {name: np.array(np.broadcast_to(fields[name], np.shape(fields[name]))) for name in fields if np.ndim(fields[name])}
    factor, who = 10.0 ** random.uniform(2.0, 8.0), int(random.integers(n))
    match int(random.integers(5)):
        case 0:
            for name in ("demand_min", "demand_max", "renewable"):
                changed[name][:, who] *= factor
            changed["import_limit"][who] *= factor
            changed["utility_curvature"][:, who] /= factor
        case 1:
            changed["utility_slope"][:, who] *= factor
        case 2:
            changed["import_price"][int(random.integers(periods))] *= factor
        case 3:
            changed["trade_limit"] *= factor
            changed["import_limit"] *= factor
            changed["export_limit"] *= factor
        case _:
            changed["renewable"][:, who] += factor
    return changed


STYLES: dict[str, Style] = {
    "plain": _same,
    "storage": _storage,
    "lossless": _lossless,
    "ties": _ties,
    "units": _units,
    "signs": _signs,
    "binding": _binding,
    "single": _single,
    "uneven": _uneven,
    "meshes": _same,
    "hourly": _same,
    "unlimited": _same,
    "costly": _same,
    "large": _same,
    "frictionless": _frictionless,
    "wearless": _wearless,
    "curved": _curved,
    "giant": _giant,
}
"""Every style by name."""

EXTREME = frozenset({"frictionless", "wearless", "curved", "giant"})
"""Styles whose frictions, wear or scales are beyond what an ordinary community has: refusals are allowed there, wrong answers are not."""

_EVERY = dict.fromkeys(sorted(EXTREME), 10) | {"large": 20}
"""Turns from one case of a style to the next, where it is not every turn: refusals take seconds, large communities twenty times as long."""

ROTA = tuple(style for turn in range(20) for style in STYLES if turn % _EVERY.get(style, 1) == 0)
"""The styles of a campaign's cases, over and over."""


def sizes(style: str, random: Random) -> tuple[int, int]:
    """Draw the numbers of prosumers and periods of a style."""
    if style == "large":
        return int(random.integers(7, 12)), 24
    if style == "single":
        return int(random.integers(1, 4)), int(random.choice([1, 1, 3]))
    return int(random.integers(2, 7)), int(random.integers(1, 7))


def in_units(fields: Fields, *, power: float, price: float) -> Fields:
    """Return the fields in units that many times as small."""
    changed = {name: np.asarray(fields[name]) * power for name in _POWERS if name in fields}
    changed |= {name: np.asarray(fields[name]) * price for name in _PRICES}
    return changed | {name: np.asarray(fields[name]) * (price / power) for name in _BENDS}
