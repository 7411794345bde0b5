"""Seeded days of one structure each, with every other field drawn from ordinary and degenerate values, and charges to clear them at.

Compiling a CVXPY program costs ten times what solving it does, so the days come in groups: the same prosumers, hours, owners of storage and
pairs, and nothing else in common.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from builders import charges_of, day_fields

from gridtoll.envs.community.day import Day, make_day

Array = np.ndarray[Any, np.dtype[np.float64]]


class Group(NamedTuple):
    """Days of one structure: ``partners`` says which ordered pairs may trade."""

    n: int
    periods: int
    stores: int
    partners: str = "all"
    days: int = 80


GROUPS = {
    "one prosumer, one hour": Group(1, 1, 0, days=40),
    "one prosumer with storage": Group(1, 5, 1, days=40),
    "two prosumers, one hour": Group(2, 1, 0),
    "two prosumers, both with storage": Group(2, 4, 2),
    "an hour of five": Group(5, 1, 0),
    "an hour with storage": Group(4, 1, 2),
    "no storage": Group(5, 4, 0),
    "some storage": Group(5, 6, 2, days=100),
    "storage everywhere": Group(4, 5, 4, days=100),
    "nobody may trade": Group(3, 4, 2, "none", days=40),
    "few one-way pairs": Group(6, 4, 2, "sparse"),
    "nine prosumers": Group(9, 3, 3, days=60),
}


def partners_of(group: Group) -> Array:
    """Which ordered pairs of a group may trade, as 0 and 1; sparse ones are not symmetric."""
    n = group.n
    if group.partners == "sparse":
        chosen = np.random.default_rng(n).random((n, n)) < 0.3
        return chosen.astype(float)
    return np.full((n, n), float(group.partners == "all"))


def drawn_day(group: Group, seed: int) -> Day:
    """A day with every field that may be degenerate drawn from ordinary and degenerate values."""
    random = np.random.default_rng((seed, group.n, group.periods))
    fields = day_fields(seed, n=group.n, periods=group.periods, stores=group.stores, hours=float(random.choice([1.0, 1.0, 0.25])))
    shape = (group.periods, group.n)
    fields |= drawn_prices(random, fields, shape) | drawn_demand(random, fields, shape) | drawn_storage(random, fields)
    sun: dict[str, Callable[[], Any]] = {
        "some": lambda: fields["renewable"],
        "none": lambda: np.zeros(shape),
        "everybody": lambda: random.uniform(1.0, 8.0, shape),
        "too much": lambda: np.full(shape, 50.0),
    }
    fields["renewable"] = sun[str(random.choice(list(sun)))]()
    fields |= drawn_limits(random, fields, partners_of(group))
    friction = fields["trade_friction"]
    fields["trade_friction"] = friction * random.choice([np.ones((group.n, group.n)), random.uniform(0.2, 5.0, (group.n, group.n))])
    scale = float(random.choice([1.0, 1.0, 1.0, 1e3, 1e-3]))
    scaled = in_units_of(fields, scale)
    needed = np.max(scaled["demand_min"] - scaled["renewable"], axis=0)  # once more: scaling may have cost the last bit
    return make_day(**(scaled | {"import_limit": np.maximum(scaled["import_limit"], needed)}))


def drawn_prices(random: np.random.Generator, fields: dict[str, Any], shape: tuple[int, int]) -> dict[str, Any]:
    kinds: list[dict[str, Any]] = [
        {},
        {},
        {"export_price": 0.1},
        {"import_price": 0.1, "export_price": 0.1},
        {"import_price": fields["export_price"], "export_price": fields["export_price"]},
        {"import_price": -0.05, "export_price": random.uniform(-0.3, -0.05, shape[0])},
        {"import_price": 0.0, "export_price": 0.0},
        {"import_price": random.uniform(0.0, 0.5, shape[0]), "export_price": random.uniform(-0.5, 0.0, shape[0])},
    ]
    return kinds[random.integers(len(kinds))]


def drawn_demand(random: np.random.Generator, fields: dict[str, Any], shape: tuple[int, int]) -> dict[str, Any]:
    few = random.random(shape[1]) < 0.4
    kinds: list[dict[str, Any]] = [
        {},
        {},
        {"demand_min": fields["demand_max"]},
        {"demand_min": np.where(few, 0.0, fields["demand_min"]), "demand_max": np.where(few, 0.0, fields["demand_max"])},
        {"demand_min": np.zeros(shape), "demand_max": 20.0 * fields["demand_max"]},
        {"utility_slope": np.full(shape, 0.2), "utility_curvature": np.full(shape, 0.1)},
    ]
    return kinds[random.integers(len(kinds))]


def drawn_storage(random: np.random.Generator, fields: dict[str, Any]) -> dict[str, Any]:
    capacity = fields["storage_capacity"]
    kinds: list[dict[str, Any]] = [
        {},
        {},
        {"storage_start": capacity},
        {"storage_start": 0.0 * capacity},
        {"storage_capacity": 0.0 * capacity, "storage_start": 0.0 * capacity},
        {"storage_efficiency": 1.0},
        {"storage_wear": 10.0},
        {"storage_efficiency": 0.5, "storage_power": 20.0 * (fields["storage_power"] > 0)},
    ]
    return kinds[random.integers(len(kinds))]


def drawn_limits(random: np.random.Generator, fields: dict[str, Any], partners: Array) -> dict[str, Any]:
    """Connections and caps, wide or binding; imports always carry the least demand, or there would be no answer."""
    needed = np.maximum(fields["demand_min"] - fields["renewable"], 0.0).max(axis=0)
    wide = np.maximum(3.0 * np.max(fields["demand_max"], axis=0), np.max(fields["renewable"], axis=0))
    imports, exports = [wide, wide, 1.05 * needed + 0.01, needed], [wide, wide, 0.3 * wide, 0.0 * wide]
    caps = [np.minimum.outer(wide, wide), np.minimum.outer(wide, wide), 0.05 + 0.0 * partners, random.uniform(0.01, 1.0, partners.shape)]
    return {
        "import_limit": imports[random.integers(4)],
        "export_limit": exports[random.integers(4)],
        "trade_limit": partners * (np.abs(caps[random.integers(4)]) + 1e-3),
    }


def in_units_of(fields: dict[str, Any], scale: float) -> dict[str, Any]:
    """The same day with all powers and energies that many times as large: communities of watts or megawatts."""
    powers = ("demand_min", "demand_max", "renewable", "import_limit", "export_limit", "trade_limit")
    energies = ("storage_power", "storage_capacity", "storage_start")
    curvatures = ("utility_curvature", "grid_friction", "storage_wear", "trade_friction")
    changed = {name: np.asarray(fields[name]) * scale for name in (*powers, *energies)}
    return fields | changed | {name: np.asarray(fields[name]) / scale for name in curvatures}


def drawn_charges(day: Day, seed: int) -> Array:
    """Charges of one pair and hour or another: none, ordinary, by hour and direction, prohibitive, on some pairs only."""
    random, n = np.random.default_rng((seed, 7)), day.n_prosumers
    basis = charges_of(day, 1.0)
    kinds: list[Any] = [
        np.zeros((n, n)),
        0.05 * basis,
        float(random.uniform(0.0, 0.3)) * basis,
        random.uniform(0.0, 0.4, (day.n_periods, n, n)),
        1e3 * (1.0 + basis),
        np.where(random.random((day.n_periods, n, n)) < 0.5, 0.1, 0.0),
        np.full((n, n), 0.1),
    ]
    drawn: Array = kinds[random.integers(len(kinds))]
    return drawn
