"""IEEE test systems as communities: ``ieee9``, ``ieee39``, ``ieee57``, ``ieee118`` and the radial ``case33bw``.

Grids and loads are pandapower's copies of the cases. A case has one load per bus and no time: the load is taken as the year's greatest
hour of a SimBench load profile, drawn by a fixed seed. Solar or wind power (never both) and storage are drawn likewise and scaled to the
bus's load by the numbers of :mod:`~gridtoll.envs.community.parameters`. The systems are in MW; communities are in kW all the same.

``ieee9`` has a prosumer at each of its 9 buses; the 6 without a load in the case get half the mean of the 3 that have
one (52.5 MW). The other systems have a prosumer at each bus with load: 21, 42, 99 and 32.

Branch limits are our own where cases come without usable ones (9,900 MVA on each branch, or 2,000 GVA).

Each number is one limit for every branch of the case, such that the year's Free P2P (no charge) loads the worst branch to 110%: the
greatest flow of trades over branches, hours, days and price paths, divided by 1.10 and rounded to three digits. To derive them again:

>>> from gridtoll.envs.market.exact.compiled import StructuredMarket  # doctest: +SKIP
>>> from gridtoll.envs.community.sources import load_community  # doctest: +SKIP
>>> market = StructuredMarket()  # doctest: +SKIP
>>> peak = free_p2p_peak(load_community("case33bw"), lambda day: market.clear(day, 0.0 * day.trade_limit).traded_kw)  # doctest: +SKIP
>>> limit_from_peak(peak)  # doctest: +SKIP
1410.0

Whoever changes loads, renewables, storage or prices of these systems derives them again.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final, Literal

import numpy as np

from ...grid.grid_pandapower import grid_from_pandapower, pandapower_buses
from ...grid.network import make_network
from ...grid.wires import wires_from_arrays
from ...grid.wires_pandapower import wires_from_pandapower
from .. import parameters as p
from ..community import Community, make_community
from ..day import Array, Day
from .cache import Arrays, cached_arrays
from .simbench import FIRST_DATE, TIME_ZONE, grid_arrays, grid_of, market_prices, partner_count, profiles

_CASES: Final = {"ieee9": "case9", "ieee39": "case39", "ieee57": "case57", "ieee118": "case118", "case33bw": "case33bw"}
IEEE_NAMES: Final[tuple[str, ...]] = tuple(_CASES)
_PROSUMER_AT_EVERY_BUS: Final = ("ieee9",)
BRANCH_LIMIT_KW: Final[dict[str, float]] = {"ieee57": 716_000.0, "ieee118": 591_000.0, "case33bw": 1_410.0}
"""Limit of every branch by community; the peaks were 787,335 kW, 649,620 kW and 1,554.32 kW."""


def ieee(name: str, partners: int | Literal["all"] | None = None) -> Community:
    """Return the community of this name, 366 days."""
    arrays = cached_arrays(name, lambda: _extract(name))
    if name in BRANCH_LIMIT_KW:
        arrays["branch_limit_kw"] = np.full_like(arrays["branch_limit_kw"], BRANCH_LIMIT_KW[name])
    case_load = arrays["case_load_kw"]
    if name in _PROSUMER_AT_EVERY_BUS:
        case_load = np.where(case_load > 0, case_load, p.IEEE_LOAD_WITHOUT_CASE_LOAD * case_load[case_load > 0].mean())
    bus = np.flatnonzero(case_load > 0)
    grid = replace(grid_of(arrays), wires=wires_from_arrays(cached_arrays(f"{name}-wires", lambda: _extract_wires(name))))
    rng = np.random.default_rng((p.IEEE_SEED, zlib.crc32(name.encode())))
    kept = profiles()
    load = _cycled(kept["load"], len(bus), rng)
    load = case_load[bus] * load / load.max(axis=0)
    renewable, kind = _renewable(kept, load, rng)
    storage_power = _storage_power(load, rng)
    export_price, loss_price = market_prices()
    return make_community(
        name,
        make_network(grid, bus),
        first_date=FIRST_DATE,
        time_zone=TIME_ZONE,
        load_kw=load,
        renewable_kw=renewable,
        import_price=p.IMPORT_PRICE,
        export_price=export_price,
        loss_price=loss_price,
        storage_power=storage_power,
        storage_capacity=p.IEEE_STORAGE_HOURS * storage_power,
        partners=partner_count(partners, len(bus)),
        prosumer_names=[grid.bus_names[i] for i in bus],
        renewable_kind=kind,
    )


def _cycled(profile: Array, n: int, rng: np.random.Generator) -> Array:
    """Return n columns in random order, shape (Y, n), each column as often as any other up to one."""
    count = profile.shape[1]
    order = np.concatenate([rng.permutation(count) for _ in range(-(-n // count))])[:n]
    return profile[:, order]


def _renewable(kept: dict[str, Array], load: Array, rng: np.random.Generator) -> tuple[Array, list[str]]:
    """Return solar or wind power in kW, shape (Y, N), and which of the two each prosumer has."""
    n = load.shape[1]
    n_solar, n_wind = round(p.IEEE_SOLAR_PROSUMERS * n), round(p.IEEE_WIND_PROSUMERS * n)
    order = rng.permutation(n)
    energy = rng.uniform(*p.IEEE_RENEWABLE_ENERGY, n) * load.mean(axis=0)
    renewable, kind = np.zeros_like(load), ["none"] * n
    for name, owners in (("solar", order[:n_solar]), ("wind", order[n_solar : n_solar + n_wind])):
        drawn = _cycled(kept[name], len(owners), rng)
        renewable[:, owners] = energy[owners] * drawn / drawn.mean(axis=0)
        for owner in owners:
            kind[owner] = name
    return renewable, kind


def _storage_power(load: Array, rng: np.random.Generator) -> Array:
    """Return storage power in kW, shape (N,)."""
    n = load.shape[1]
    owners = rng.permutation(n)[: round(p.IEEE_STORAGE_PROSUMERS * n)]
    power = np.zeros(n)
    power[owners] = p.IEEE_STORAGE_POWER * load.mean(axis=0)[owners]
    return power


def _extract(name: str) -> Arrays:
    import pandapower.networks  # noqa: PLC0415  # 3 s, which only extraction should pay

    net: Any = getattr(pandapower.networks, _CASES[name])()
    grid = grid_from_pandapower(net, name)
    position = pandapower_buses(net)
    case_load = np.zeros(grid.n_buses)
    in_service = net.load[net.load.in_service]
    np.add.at(case_load, [position[bus] for bus in in_service.bus], 1e3 * (in_service.p_mw * in_service.scaling).to_numpy())
    return grid_arrays(grid) | {"case_load_kw": case_load}


def _extract_wires(name: str) -> Arrays:
    import pandapower.networks  # noqa: PLC0415  # as above

    net: Any = getattr(pandapower.networks, _CASES[name])()
    return wires_from_pandapower(net, grid_from_pandapower(net, name)).arrays()


def free_p2p_peak(community: Community, traded_kw: Callable[[Day], Array], days: Iterable[int] | None = None) -> float:
    """Return the greatest flow of trades in kW over branches, hours, price paths and days.

    Args:
        community: The community, its limits of no matter: without charge they have no part in the clearing.
        traded_kw: Clears a day without charge and returns sales less purchases in kW, shape (T, N), for example
            ``lambda day: market.clear(day, no_charge).traded_kw``.
        days: Which days; all if absent.
    """
    ptdf = community.network.prosumer_ptdf
    chosen = range(community.n_days) if days is None else days
    scenarios = ((index, path) for index in chosen for path in range(community.n_price_paths))
    return max(float(np.abs(traded_kw(community.day(day, price_path=path)) @ ptdf.T).max()) for day, path in scenarios)


def limit_from_peak(peak_kw: float) -> float:
    """Return the limit that a peak flow in kW loads to 110%, rounded to three digits."""
    return float(f"{peak_kw / p.IEEE_OVERLOAD:.3g}")
