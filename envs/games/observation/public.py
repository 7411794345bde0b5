"""What an operator knows before the day: calendar, published prices, forecasts, aggregates and history.

The size depends on the number of periods T of a day, and on nothing else of the community. Prosumers enter through totals and through
sums over pairs binned by electrical distance, with power in units of the community's mean total load, so that a policy can be carried to
another community with as many periods: 270 numbers for days of 24 hours, 918 for 96 quarter-hours.

**Forecasts** are the truth times a seeded first-order autoregressive error with a standard deviation of 10% in every period: one error for
the community's load, one for its renewables, one for the export price. Retail import prices are published, not forecast. Errors depend on
nothing but the community's name, the day and the price path, so that a scenario looks the same whenever it comes up.

**What drives the best charge** is who could sell to whom, and what for. With d_i(λ) the demand at price λ, a prosumer serves itself first
and is left with a surplus max(0, R_i − d_i(λ⁰)) or a deficit max(0, d_i(λᵐ) − R_i), where λ⁰ = max(λˣ, 0) because renewables are
curtailed rather than sold below zero. A kWh moved from surplus to deficit is worth the spread λᵐ − λ⁰ to its pair. Trades go to the
nearest partner first under a charge by distance, so surplus and deficit are matched ring by ring of distance, in proportion within a ring
(which keeps the observation the same whatever order prosumers are listed in). Storage owners fill up for the deficits of their whole day
from what is left, at a spread that bears the losses of the round trip. Trading over distance D is worth its charge up to γ D = spread,
and γ Σ Δ D v over the volumes v for which it still is guesses what a charge γ earns: the ``revenue`` fields. Prosumers are cleverer than
this guess (they shift demand, and storage resells), which is left to the policy to learn.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from ...arrays import IntArray
from ...community.calendar import Scenario
from ...community.community import Community
from ...community.day import Array, Day
from ...community.household_prices import mean_of_households
from .fields import Field, Values

FORECAST_ERROR: Final = 0.1
"""Standard deviation of the relative forecast error in every hour."""
FORECAST_MEMORY: Final = 0.8
"""Correlation of the errors an hour apart: a forecast that is off in the morning is still off at noon."""
RING_WIDTH: Final = 0.25
"""Width of the rings surplus and deficit are matched in, in units of the mean distance."""
N_RINGS: Final = 11
"""The last ring takes everything further."""
BIN_OF_RING: Final = (0, 0, 1, 1, 2, 2, 3, 3, 3, 3, 3)
"""Which bin of the ``matched`` field each ring counts in."""
CHARGE_LEVELS: Final = tuple(round(k / 15, 3) for k in range(1, 16))
"""Charges in EUR/kWh at mean distance at which revenue is guessed, up to the default cap; times the price level."""
SOFTNESS: Final = 0.1
"""Range of spreads in EUR/kWh, times the price level, over which trade in a ring fades out, as real trade does: frictions grow with it, and
rings have width."""

_TINY: Final = 1e-12
_N_BINS: Final = max(BIN_OF_RING) + 1


def public_fields(n_periods: int) -> tuple[Field, ...]:
    """Return the fields of a public observation of days of ``n_periods``."""
    t, levels = n_periods, len(CHARGE_LEVELS)
    ends = ", ".join(f"{RING_WIDTH * (BIN_OF_RING.index(k) - 0.5):g}" for k in range(1, _N_BINS))
    guessed = f"guessed revenue at charges of {CHARGE_LEVELS[0]:g} to {CHARGE_LEVELS[-1]:g} EUR/kWh"
    return (
        Field("season", 2, "2", "1", 0.0, 1.0, "sine and cosine of the day of the year"),
        Field("weekend", 1, "1", "1", 0.5, 0.5, "1 on Saturday and Sunday, else 0"),
        Field("import_price", 1, "1", "EUR/kWh", 0.3, 0.1, "mean import price of the day, as published"),
        Field("spread", t, "T", "EUR/kWh", 0.2, 0.1, "import price less forecast export price (as at least 0)"),
        Field("load", t, "T", "P̄·N", 1.0, 0.5, "forecast total demand at the import price"),
        Field("renewable", t, "T", "P̄·N", 1.5, 2.0, "forecast total renewable power"),
        Field("surplus", t, "T", "P̄·N", 1.0, 1.5, "forecast total surplus, own demand served"),
        Field("deficit", t, "T", "P̄·N", 0.5, 0.5, "forecast total deficit, own renewables used"),
        Field("matched", t * _N_BINS, f"T·{_N_BINS}", "P̄·N", 0.1, 0.15, f"matched, by hour and then distance (bins end at {ends})"),
        Field("revenue", levels, f"{levels}", "EUR/h/(P̄·N)", 0.25, 0.25, guessed),
        Field("storage_revenue", levels, f"{levels}", "EUR/h/(P̄·N)", 0.5, 0.5, "the same from what storage owners could buy"),
        Field("day_energy", 5, "5", "h·P̄·N", 10.0, 10.0, "surplus, deficit, matched, storage need, storage capacity"),
        Field("day_spread", 4, "4", "EUR/kWh", 0.2, 0.1, "mean spread, that over the surplus, over the deficit, greatest"),
        Field("past_load", 2, "2", "P̄·N", 1.0, 0.5, "mean total load of the day before, of the week before"),
        Field("past_renewable", 2, "2", "P̄·N", 1.0, 1.0, "mean total renewable power, likewise"),
        Field("past_price", 2, "2", "EUR/kWh", 0.1, 0.1, "mean export price, likewise"),
        Field("size", 1, "1", "1", 3.0, 1.0, "natural logarithm of N"),
        Field("shares", 3, "3", "1", 0.5, 0.5, "shares: with renewables, with storage, of pairs that may trade"),
        Field("distance_spread", 1, "1", "1", 0.5, 0.25, "standard deviation of the distance of pairs (its mean is 1)"),
    )


class Ring(NamedTuple):
    """The P pairs of a ring: who sells and who buys as indices, shape (P,), and as matrices of 0 and 1, shape (P, N)."""

    seller: IntArray
    buyer: IntArray
    sells: Array
    buys: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Geometry:
    """What the public view of a community needs and no day changes.

    Attributes:
        rings: The pairs that may trade, by ring of distance from the nearest outwards.
        ring_distance: Mean distance of the pairs in each ring, shape (rings,), 0 where there are none.
        total_load_kw: P̄·N, the community's mean total load.
        price_level: What all charges and prices below are multiplied by, see :attr:`...community.community.Community.price_level`.
        statics: The fields that no day changes.
    """

    rings: tuple[Ring, ...]
    ring_distance: Array
    total_load_kw: float
    price_level: float
    statics: Values


def make_geometry(community: Community) -> Geometry:
    """Sort a community's pairs into rings of distance."""
    distance, n = community.network.distance, community.n_prosumers
    trading = community.trade_limit > 0
    number = np.minimum(np.floor(distance / RING_WIDTH + 0.5), N_RINGS - 1)  # edges lie between the multiples that radial grids give
    pairs = [np.nonzero((number == k) & trading) for k in range(N_RINGS)]
    others = ~np.eye(n, dtype=np.bool_)
    shares = [community.renewable_kw.any(axis=0).mean(), (community.storage_power > 0).mean(), trading[others].mean()]
    return Geometry(
        rings=tuple(Ring(seller, buyer, np.eye(n)[seller], np.eye(n)[buyer]) for seller, buyer in pairs),
        ring_distance=np.array([distance[pair].sum() / max(len(pair[0]), 1) for pair in pairs]),
        total_load_kw=community.mean_load_kw * n,
        price_level=community.price_level,
        statics={"size": np.array([np.log(n)]), "shares": np.array(shares), "distance_spread": np.array([distance[others].std()])},
    )


def forecast_factors(community: Community, scenario: Scenario, n_periods: int, *, error: float = FORECAST_ERROR) -> Array:
    """Return what load, renewables and export price are multiplied by in a scenario's forecasts, shape (3, T), at least 0.

    ``error`` is their standard deviation in every period. Seeded by the community's name, not by its content, whose last bits may differ
    from machine to machine.
    """
    name = int.from_bytes(hashlib.sha256(community.name.encode()).digest()[:8], "big")
    generator = np.random.default_rng((name, scenario.day, scenario.price_path))
    return np.maximum(drawn_factors(generator, n_periods, community.period_hours, error=error), 0.0)


def drawn_factors(generator: np.random.Generator, n_periods: int, period_hours: float, *, error: float) -> Array:
    """Draw what forecasts are over the truth, for load, sun and export price: first-order autoregressive around 1, shape (3, T)."""
    shocks = generator.standard_normal((3, n_periods))
    errors, memory = shocks.copy(), FORECAST_MEMORY**period_hours
    for period in range(1, n_periods):
        errors[:, period] = memory * errors[:, period - 1] + np.sqrt(1.0 - memory**2) * shocks[:, period]
    return 1.0 + error * errors


class ByPeriod(NamedTuple):
    """What the public fields say of each period, and what the others are made of.

    Attributes:
        values: Of the fields ``spread``, ``load``, ``renewable``, ``surplus``, ``deficit`` and ``matched``.
        surplus: What each prosumer could sell in kW, shape (T, N).
        deficit: What each would buy in kW, shape (T, N).
        matched: Both matched by ring in kW, shape (T, rings).
    """

    values: Values
    surplus: Array
    deficit: Array
    matched: Array


def by_period(geometry: Geometry, day: Day, factors: Array) -> ByPeriod:
    """Return what the public fields say of each period of a day.

    Args:
        geometry: That of the community.
        day: The day itself.
        factors: What load, renewables and export price are multiplied by, shape (3, T).
    """
    load_factor, sun_factor, price_factor = factors
    import_price, curtailed_price = day.own_import_price, np.maximum(day.own_export_price * price_factor[:, None], 0.0)
    renewable = day.renewable * sun_factor[:, None]
    load = _demand(day, import_price) * load_factor[:, None]
    surplus = np.maximum(renewable - _demand(day, curtailed_price) * load_factor[:, None], 0.0)
    deficit = np.maximum(load - renewable, 0.0)
    matched, _ = _match(geometry.rings, surplus, deficit)
    per_load = 1.0 / geometry.total_load_kw
    values = {
        "spread": np.maximum(day.mean_import_price - _mean_curtailed(day, price_factor), 0.0),
        "load": load.sum(axis=1) * per_load,
        "renewable": renewable.sum(axis=1) * per_load,
        "surplus": surplus.sum(axis=1) * per_load,
        "deficit": deficit.sum(axis=1) * per_load,
        "matched": matched @ np.eye(_N_BINS)[list(BIN_OF_RING)] * per_load,
    }
    return ByPeriod(values, surplus, deficit, matched)


def public_values(community: Community, geometry: Geometry, scenario: Scenario, day: Day, *, factors: Array | None = None) -> Values:
    """Return the values of the public fields.

    Args:
        community: Whose day it is.
        geometry: That of the community.
        scenario: Which day and price path it is.
        day: The day itself.
        factors: What load, renewables and export price are multiplied by, shape (3, T); absent for the truth.
    """
    told = np.ones((3, day.n_periods)) if factors is None else factors
    values, surplus, deficit, matched = by_period(geometry, day, told)
    spread = values["spread"]
    stored, need_kwh = _match_storage(geometry.rings, day, surplus, deficit)
    round_trip_spread = _round_trip_spread(day, _mean_curtailed(day, told[2]))
    per_load = 1.0 / geometry.total_load_kw
    energy_kw = [surplus.sum(), deficit.sum(), matched.sum()]
    return {
        **_calendar(community, scenario.day),
        "import_price": np.array([day.mean_import_price.mean()]),
        **values,
        "revenue": _revenue(geometry, matched * day.period_hours, spread) * per_load,
        "storage_revenue": _revenue(geometry, stored * day.period_hours, round_trip_spread) * per_load,
        "day_energy": np.array([*(day.period_hours * kw for kw in energy_kw), need_kwh, day.storage_capacity.sum()]) * per_load,
        "day_spread": np.array([spread.mean(), _mean(spread, surplus), _mean(spread, deficit), spread.max()]),
        **_history(community, geometry, scenario),
        **geometry.statics,
    }


def _calendar(community: Community, index: int) -> Values:
    date = community.date(index)
    angle = 2.0 * np.pi * date.timetuple().tm_yday / 366.0
    return {"season": np.array([np.sin(angle), np.cos(angle)]), "weekend": np.array([float(date.weekday() >= 5)])}


def _mean_curtailed(day: Day, price_factor: Array) -> Array:
    """Return the prosumers' mean forecast export price, none of which counts below zero, in EUR/kWh, shape (T,)."""
    factor = price_factor if day.export_price.ndim == 1 else price_factor[:, None]
    return mean_of_households(np.maximum(day.export_price * factor, 0.0), 1)


def _demand(day: Day, price: Array) -> Array:
    """Return what each prosumer would use at prices in EUR/kWh, in kW, both of shape (T, N)."""
    return np.clip((day.utility_slope - price) / day.utility_curvature, day.demand_min, day.demand_max)


def _match(rings: tuple[Ring, ...], surplus: Array, deficit: Array) -> tuple[Array, Array]:
    """Match surplus with deficit from the nearest ring outwards; return volumes in kW, shape (T, rings), and the surplus left, (T, N).

    Within a ring a pair gets s_i f_j / max(Σ_j f_j, Σ_i s_i), the sums over i's and j's partners there: no more than either side has.
    """
    volumes = np.zeros((len(surplus), len(rings)))
    for k, ring in enumerate(rings):
        offered, wanted = surplus[:, ring.seller], deficit[:, ring.buyer]
        partners_want, partners_offer = (wanted @ ring.sells)[:, ring.seller], (offered @ ring.buys)[:, ring.buyer]
        volume = offered * wanted / np.maximum(np.maximum(partners_want, partners_offer), _TINY)
        volumes[:, k] = volume.sum(axis=1)
        surplus, deficit = surplus - volume @ ring.sells, deficit - volume @ ring.buys
    return volumes, surplus


def _match_storage(rings: tuple[Ring, ...], day: Day, surplus: Array, deficit: Array) -> tuple[Array, float]:
    """Return what storage owners would buy by ring in kW, shape (T, rings), and what they need in kWh.

    They need their deficits of the whole day plus losses, as far as storage holds it, and take it from what others leave of the
    surplus, in proportion to it, at no more than their storage power.
    """
    owners = day.has_storage
    _, left = _match(rings, surplus, deficit * ~owners)
    losses = day.storage_efficiency**2
    need = owners * np.minimum(day.period_hours * deficit.sum(axis=0), day.storage_capacity * day.storage_efficiency) / losses
    when = left.sum(axis=1) / max(float(left.sum()), _TINY)
    asked = np.minimum(day.storage_power, when[:, None] * need / day.period_hours)
    volumes, _ = _match(rings, left, asked)
    return volumes, float(need.sum())


def _round_trip_spread(day: Day, curtailed_price: Array) -> Array:
    """Return what a stored kWh is worth to its pair, with the community's mean losses, in EUR/kWh, shape (T,)."""
    owners = day.has_storage
    kept = float((day.storage_efficiency[owners] ** 2).mean()) if owners.any() else 0.0
    return np.maximum(kept * float(day.mean_import_price.mean()) - curtailed_price, 0.0)


def _revenue(geometry: Geometry, volumes_kwh: Array, spread: Array) -> Array:
    """Return guessed revenue in EUR at ``CHARGE_LEVELS`` times the price level, shape (levels,), of volumes by ring, shape (T, rings)."""
    charge = geometry.price_level * np.array(CHARGE_LEVELS)[:, None] * geometry.ring_distance  # (levels, rings), EUR/kWh
    traded = np.clip((spread[:, None, None] - charge) / (geometry.price_level * SOFTNESS) + 0.5, 0.0, 1.0)  # (T, levels, rings)
    revenue: Array = np.einsum("lr,tlr,tr->l", charge, traded, volumes_kwh)
    return revenue


def _mean(spread: Array, power: Array) -> float:
    """Return the mean spread over where power is, the plain mean where there is none."""
    weight = power.sum(axis=1) + _TINY
    return float(spread @ weight / weight.sum())


def _history(community: Community, geometry: Geometry, scenario: Scenario) -> Values:
    """Return means over the day and the week before, as measured; the data year follows on itself."""
    per_day = community.n_periods
    n_periods, first = community.n_days * per_day, scenario.day * per_day
    past = [np.arange(first - per_day * days, first) % n_periods for days in (1, 7)]
    load, renewable = (
        np.array([power[hours].sum(axis=1).mean() for hours in past]) / geometry.total_load_kw
        for power in (community.load_kw, community.renewable_kw)
    )
    price = np.array([community.mean_export_price[scenario.price_path, hours].mean() for hours in past])
    return {"past_load": load, "past_renewable": renewable, "past_price": price}
