"""SimBench: real low-voltage grids with a year of profiles, and the profiles the other communities borrow.

SimBench (Meinecke et al., Energies 2020) publishes benchmark grids with the 15-minute profiles of the year 2016: 366 days. Hourly means
of them are kept. A community is one of its grids in the scenario "2" (the far future), with one prosumer per bus with loads (households,
farms, trades, heat pumps and electric vehicles summed) and all solar plants and batteries of that scenario. Batteries take their power
and energy from SimBench; how they run is decided by the market, not by SimBench's profiles. In the scenarios "0" and "1" hardly anybody
has solar power to sell (one plant in ``1-LV-semiurb4--0-sw``), so that there is no trade to charge.

===================  =======================  =========  ====  =========
name                 SimBench's code          prosumers  sun   batteries
===================  =======================  =========  ====  =========
simbench-rural       ``1-LV-rural1--2-sw``           13     8          5
simbench-rural2      ``1-LV-rural2--2-sw``           93    11          8
simbench-rural3      ``1-LV-rural3--2-sw``          118    27         16
simbench-semiurb4    ``1-LV-semiurb4--2-sw``         39     6          4
simbench-urban6      ``1-LV-urban6--2-sw``           53    12          7
simbench-rural-long  ``1-LV-rural1--2-sw``           13     8          5
===================  =======================  =========  ====  =========

**Where voltage binds.** ``simbench-rural-long`` is ``1-LV-rural1--2-sw`` with every line three times as long, made so in pandapower before
anything is read: the farthest prosumer is 735 m from the transformer instead of 245 m, as in sparse villages. All else is SimBench's: sun,
batteries, loads, transformer, the slack bus at 1.025 p.u. The band that makes sense there is 0.95 to 1.05 p.u. (``voltage_band=0.05``).
EN 50160 allows 0.9 to 1.1, but to medium and low voltage together, and planners leave the low-voltage grid about half (VDE-AR-N 4105 lets
plants raise voltage by 3%). No hour of SimBench's year leaves 0.9 to 1.1, even here. docs/wires.md says on how many days what binds.

**The clock is UTC+1, all year.** SimBench's documentation names no time zone, but its files stamp every row with German clock time:
27.03.2016 has no 02:00 to 02:45, and 30.10.2016 has them twice. Rows are therefore evenly spaced, and as the first is stamped 00:00, row k
is k quarter-hours after midnight in UTC+1. The measured loads of trades and farms agree: on working days 18 of these 19 profiles come an
hour earlier by rows after the change in March, as people who live by the clock do. Two kinds of profiles do not fit. The middle of the
daylight of the eight solar profiles is at 11.5 on average (10.6 to 12.5, the equation of time taken out), where at 10° E it is at 12.3 in
UTC+1 and at 11.3 in UTC: solar power comes nearly an hour early. Profiles of single households and heat pumps were made without summer
time, and do not move. Nothing is shifted here: rows are taken as they stand.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache, partial
from typing import Any, Final, Literal

import numpy as np

from ...grid.grid import Grid, make_grid
from ...grid.grid_pandapower import grid_from_pandapower, pandapower_buses
from ...grid.network import make_network
from ...grid.wires import wires_from_arrays
from ...grid.wires_pandapower import wires_from_pandapower
from .. import parameters as p
from ..community import Community, make_community
from ..day import Array
from ..prices import loss_price_paths, spot_price_paths
from .cache import Arrays, cached_arrays

FIRST_DATE: Final = date(2016, 1, 1)
_GRID_CODES: Final = {
    "simbench-rural": "1-LV-rural1--2-sw",
    "simbench-rural2": "1-LV-rural2--2-sw",
    "simbench-rural3": "1-LV-rural3--2-sw",
    "simbench-semiurb4": "1-LV-semiurb4--2-sw",
    "simbench-urban6": "1-LV-urban6--2-sw",
    "simbench-rural-long": "1-LV-rural1--2-sw",
}
_LENGTHENED: Final = {"simbench-rural-long": 3.0}
"""How many times as long lines are as in SimBench's grid."""
TIME_ZONE: Final = "UTC+1"
"""The clock of a row by SimBench's own stamps: the module says how it was found."""
SIMBENCH_NAMES: Final[tuple[str, ...]] = tuple(_GRID_CODES)
_PROFILE_SCENARIO: Final = 0
_QUARTERS: Final = 4  # of an hour

LOAD_PROFILES: Final = (
    *("lv_rural1", "lv_rural2", "lv_rural3", "lv_semiurb4", "lv_semiurb5", "lv_urban6"),
    *("mv_rural", "mv_semiurb", "mv_urban", "mv_comm", "mv_add1", "mv_add2"),
    *("G0-A", "G0-M", "G1-A", "G2-A", "G3-A", "G3-H", "G3-M", "G4-A", "G4-M", "G5-A", "G6-A", "L0-A", "L2-A"),
)
"""Load profiles kept: whole supply areas of low and medium voltage, and trades and farms, all of which scale to megawatts."""
SOLAR_PROFILES: Final = tuple(f"PV{k}" for k in range(1, 9))
WIND_PROFILES: Final = tuple(f"WP{k}" for k in range(1, 13))
_REGION_PROFILES: Final = ("mv_rural", "mv_semiurb", "mv_urban", "mv_comm")
"""Load profiles whose mean stands for the load of the price zone."""


def profiles() -> dict[str, Array]:
    """Return hourly profiles of 2016: ``load`` (Y, 25), ``solar`` (Y, 8) and ``wind`` (Y, 12), as shares of the rated power."""
    return cached_arrays("simbench-profiles", _extract_profiles)


def market_prices() -> tuple[Array, Array]:
    """Return the synthetic export and loss prices in EUR/kWh, each of shape (paths, Y), driven by these profiles."""
    kept = profiles()
    region = kept["load"][:, [LOAD_PROFILES.index(name) for name in _REGION_PROFILES]].mean(axis=1)
    spot = spot_price_paths(region, kept["solar"].mean(axis=1), kept["wind"].mean(axis=1))
    return spot, loss_price_paths(spot)


def simbench_grid(name: str, partners: int | Literal["all"] | None = None) -> Community:
    """Return the community of this name, 366 days."""
    network = cache(partial(simbench_network, name))  # SimBench reads all of its tables for each grid, in some four seconds
    arrays = cached_arrays(name, lambda: _extract(name, network()))
    export_price, loss_price = market_prices()
    grid = replace(grid_of(arrays), wires=wires_from_arrays(cached_arrays(f"{name}-wires", lambda: _extract_wires(name, network()))))
    bus = arrays["prosumer_bus"]
    return make_community(
        name,
        make_network(grid, bus),
        first_date=FIRST_DATE,
        time_zone=TIME_ZONE,
        load_kw=arrays["load_kw"],
        renewable_kw=arrays["renewable_kw"],
        import_price=p.IMPORT_PRICE,
        export_price=export_price,
        loss_price=loss_price,
        storage_power=arrays["storage_power"],
        storage_capacity=arrays["storage_capacity"],
        partners=partner_count(partners, len(bus)),
        prosumer_names=[grid.bus_names[i] for i in bus],
        renewable_kind=["solar" if power.any() else "none" for power in arrays["renewable_kw"].T],
    )


def partner_count(partners: int | Literal["all"] | None, n_prosumers: int) -> int | None:
    """Return with how many nearest each may trade, None for all, by the rule for communities of this size unless told."""
    if partners == "all":
        return None
    if partners is None:
        return None if n_prosumers <= p.PARTNERS_ALL_UP_TO else p.PARTNERS_BEYOND
    return int(partners)


def grid_arrays(grid: Grid) -> Arrays:
    """Return what :func:`grid_of` needs to build the grid again, by name; single values have shape (), for others see :class:`.Grid`."""
    return {
        "grid_name": np.array(grid.name),
        "bus_names": np.array(grid.bus_names),
        "branch_names": np.array(grid.branch_names),
        "bus_position": grid.bus_position,
        "branch_from": grid.branch_from,
        "branch_to": grid.branch_to,
        "branch_resistance_pu": grid.branch_resistance_pu,
        "branch_reactance_pu": grid.branch_reactance_pu,
        "branch_limit_kw": grid.branch_limit_kw,
        "base_power_kw": np.array(grid.base_power_kw),
        "slack_bus": np.array(grid.slack_bus),
    }


def grid_of(arrays: Arrays) -> Grid:
    """Return the grid stored; for the arrays see :func:`grid_arrays`."""
    return make_grid(
        str(arrays["grid_name"]),
        bus_names=arrays["bus_names"].tolist(),
        branch_names=arrays["branch_names"].tolist(),
        base_power_kw=float(arrays["base_power_kw"]),
        slack_bus=int(arrays["slack_bus"]),
        **{key: arrays[key] for key in ("bus_position", "branch_from", "branch_to", "branch_resistance_pu")},
        **{key: arrays[key] for key in ("branch_reactance_pu", "branch_limit_kw")},
    )


def _extract_profiles() -> Arrays:
    # 3 s to import, which only extraction should pay
    from simbench.networks.extract_simbench_grids_from_csv import get_all_simbench_profiles  # noqa: PLC0415

    raw = get_all_simbench_profiles(_PROFILE_SCENARIO)
    return {
        "load": _hourly(raw["load"], [f"{name}_pload" for name in LOAD_PROFILES]),
        "solar": _hourly(raw["renewables"], SOLAR_PROFILES),
        "wind": _hourly(raw["renewables"], WIND_PROFILES),
    }


def simbench_network(name: str) -> Any:
    """Return the pandapower network that the community of this name is read from."""
    import simbench  # noqa: PLC0415  # as above

    net = simbench.get_simbench_net(_GRID_CODES[name])
    net.line["length_km"] *= _LENGTHENED.get(name, 1.0)
    return net


def _extract(name: str, net: Any) -> Arrays:
    import simbench  # noqa: PLC0415  # as above

    code = _GRID_CODES[name]
    grid = grid_from_pandapower(net, name)
    power = simbench.get_absolute_values(net, profiles_instead_of_study_cases=True)
    position = pandapower_buses(net)
    load_bus = np.array([position[bus] for bus in net.load.bus])
    sgen_bus = np.array([position[bus] for bus in net.sgen.bus])
    storage_bus = np.array([position[bus] for bus in net.storage.bus])
    prosumer_bus = np.unique(load_bus)
    lost = sorted({*sgen_bus.tolist(), *storage_bus.tolist()} - set(prosumer_bus.tolist()))
    if lost:
        raise ValueError(f"every generator and battery of {code} must be at a bus with load, those at buses {lost} are not.")
    # SimBench counts charging as positive: a battery's rated power is the size of its p_mw, its energy max_e_mwh.
    return grid_arrays(grid) | {
        "prosumer_bus": prosumer_bus,
        "load_kw": 1e3 * _summed(_hourly(power["load", "p_mw"]), load_bus, prosumer_bus),
        "renewable_kw": 1e3 * _summed(_hourly(power["sgen", "p_mw"]), sgen_bus, prosumer_bus),
        "storage_power": 1e3 * _summed(np.abs(net.storage.p_mw.to_numpy()), storage_bus, prosumer_bus),
        "storage_capacity": 1e3 * _summed(net.storage.max_e_mwh.to_numpy(), storage_bus, prosumer_bus),
    }


def _extract_wires(name: str, net: Any) -> Arrays:
    return wires_from_pandapower(net, grid_from_pandapower(net, name)).arrays()


def _hourly(table: Any, columns: Any = None) -> Array:
    """Return the hourly means of a table of 15-minute values, shape (Y, columns), no value below 0 (SimBench has a few −1e-17)."""
    quarters = (table if columns is None else table[list(columns)]).to_numpy(dtype=np.float64)
    hours: Array = quarters.reshape(-1, _QUARTERS, quarters.shape[1]).mean(axis=1)
    return np.clip(hours, 0.0, None)


def _summed(values: Array, bus: Array, prosumer_bus: Array) -> Array:
    """Return values, shape (..., units), summed over the units at each prosumer's bus, shape (..., N)."""
    summed: Array = values @ (bus[:, None] == prosumer_bus[None, :]).astype(np.float64)
    return summed
