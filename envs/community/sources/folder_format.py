"""The format of a community folder: its files, columns and settings, and the README that explains them to users."""

from __future__ import annotations

from typing import Final

from .. import clock
from . import tables

FORMAT_VERSION: Final = 1

SETTINGS: Final = {
    "format": "version of this folder format",
    "name": "name of the community",
    "base_power_kw": "base of r_pu and x_pu in branches.csv, kW",
    "slack_bus": "bus that takes up what injections do not balance; a name from buses.csv",
    "partners": "with how many electrically nearest each prosumer may trade, or all",
    "trade_friction": "quadratic transaction cost of a trade, EUR/kWh/kW, above 0",
    "charge_cap": "greatest network charge at mean distance, EUR/kWh, above 0",
    "flexibility_value": "s: curvature of utility is s / load, EUR/kWh, above 0",
    "demand_min_share": "least flexible demand as a share of the load, 0 to 1",
    "demand_max_share": "greatest flexible demand as a share of the load, at least 1",
    "load_floor": "loads count as at least this share of the prosumer's mean, above 0",
    "overload_price": "what the operator pays for flow above a limit, EUR/kWh, at least 0",
    "import_fee": "what the operator earns on imports, EUR/kWh, at least 0",
    "period_minutes": "minutes from row to row of the hourly files; divides 60; 60 if absent",
    "time_zone": "name of the fixed clock of the hours, such as UTC; a label; not stated if absent",
}
DEFAULTS: Final = {"period_minutes": clock.MINUTES_PER_HOUR, "time_zone": clock.NOT_STATED}
"""Settings that may be absent, as they are in folders of before."""
BUS_COLUMNS: Final = ("bus", "x", "y", "zone")
BRANCH_RULES: Final = {"r_pu": tables.NOT_NEGATIVE, "x_pu": tables.NOT_ZERO}
LIMITS: Final = ("limit_kw", "limit_a")
"""Columns of limits, of which a file has one."""
PROSUMER_RULES: Final = {
    "storage_power_kw": tables.NOT_NEGATIVE,
    "storage_capacity_kwh": tables.NOT_NEGATIVE,
    "import_limit_kw": tables.NOT_NEGATIVE,
    "export_limit_kw": tables.NOT_NEGATIVE,
    "grid_friction_eur_per_kwh_per_kw": tables.POSITIVE,
    "storage_efficiency": tables.SHARE,
    "storage_wear_eur_per_kwh_per_kw": tables.POSITIVE,
    "storage_start_kwh": tables.NOT_NEGATIVE,
}
ALWAYS: Final = ("storage_power_kw", "storage_capacity_kwh")
KINDS: Final = ("solar", "wind", "none")
UNITS: Final = ("_eur_per_kwh_per_kw", "_kwh", "_kw")

FOLDER_README: Final = """# A community for gridtoll

Load it with `load_community("path/to/this/folder")` or `--community path/to/this/folder`. Everything is checked on load; errors name file,
row (line of the file, the header being row 1) and column, all at once. Powers are in kW, energies in kWh, prices in EUR/kWh.

| file | one row per | columns |
|---|---|---|
| `settings.csv` | setting | `name`, `value`, `meaning` (not read); the meanings are the manual of the settings |
| `buses.csv` | bus | `bus` (name), optional `x`, `y` (for drawing) and `zone` (0, 1, …; clustered by distance if absent), others below |
| `branches.csv` | line or transformer | `branch` (name), `from`, `to` (buses), `r_pu`, `x_pu` (on `base_power_kw`), a limit; others below |
| `prosumers.csv` | prosumer | `prosumer` (name), `bus`, `storage_power_kw`, `storage_capacity_kwh` (0 without), optional ones below |
| `load_kw.csv` | period | `hour` (when it begins, like 2016-01-31T23:00), then one column per prosumer: load, at least 0 |
| `renewable_kw.csv` | period | the same: available solar or wind power, at least 0 |
| `prices.csv` | period | `hour`, `import_price`, and per price path `export_price_0`, `loss_price_0`, `export_price_1`, … |
| `ptdf.csv` | branch | optional: `branch`, then one column per bus: kW in the branch for each kW put in at the bus |
| `voltage_sensitivity.csv` | bus whose voltage counts | optional: `bus`, `idle_pu`, one column per bus, see below |
| `household_prices.csv` | period and prosumer | optional: `hour`, `name` (a prosumer), its own `import_price`, `export_price_0`, … |

Optional columns of `prosumers.csv`, filled by gridtoll's rules if absent: `renewable_kind` (solar, wind or none), `import_limit_kw`,
`export_limit_kw`, `grid_friction_eur_per_kwh_per_kw` (above 0), `storage_efficiency` (one way, above 0 and at most 1),
`storage_wear_eur_per_kwh_per_kw` (above 0), `storage_start_kwh` (at most the capacity; storage must end the day no emptier).

Optional columns for the AC power flow and voltages. Of `buses.csv`: `voltage_kv` (nominal, between phases), `held_pu` (voltage that
the slack bus or a machine holds; 1 at the slack bus if empty), `shunt_g_pu`, `shunt_b_pu` (what a shunt takes, and what it puts in of
reactive power, at 1 p.u.). Of `branches.csv`: `kind` (line or transformer), `ratio` (off-nominal, at `from`; `x_pu` holds it as a
factor), `g_pu`, `b_pu` (shunts of the branch: iron losses, capacitance), `rated_from`, `rated_to` (a transformer's rated voltages over the
nominal ones of its buses, 1 if empty). Empty cells are those of a plain line.

A limit is a column `limit_kw`, and `inf` where there is none. `limit_a` is the greatest current in amperes, in place of `limit_kw`: the
limit in kW is √3 times `limit_a` times `voltage_kv` of the bus `from` (times `rated_from`). So a transformer's is that of the side where
it begins.

A matrix of your own may say voltages, where they count, in place of an AC power flow: `voltage_sensitivity.csv` has the voltage of a bus
without prosumers (`idle_pu`), and what each kW put in at a bus adds to it, in p.u. Buses without a row do not count.

A period is an hour, or what `period_minutes` in `settings.csv` says: 15 for rows at 00:00, 00:15, 00:30, … Powers are means over a period.
Periods must follow each other without a gap and make whole days from 00:00, the same in the hourly files. No clock changes: use one
time zone without summer time, and name it in the setting `time_zone`. Export prices must not exceed the import price; loss prices are at
least 0. One day is enough to clear it; the test split needs data of 2 whole weeks, the validation split of 6.

Where prosumers have retail prices of their own, `household_prices.csv` has all periods of each of them, in the order of `prices.csv`. Who
has no rows there, and each price without a column, is as `prices.csv` says. An export price must not exceed the same prosumer's import
price, and may exceed another's.

Numbers are digits with a decimal point, and perhaps a sign and an exponent: -0.5, 1e-3. Commas, spaces or underscores within a number,
units behind it and words are errors. Cells are separated by commas, the text is UTF-8.

Branch flows follow from `x_pu` by a DC power flow, losses from `r_pu`. Where `ptdf.csv` is there, flows follow from it instead; the slack
bus may have no column in it. A flow is positive from `from` to `to`. A trade is limited by the smaller connection of the two: the
seller's `export_limit_kw` and the buyer's `import_limit_kw`.
"""


def field_name(column: str) -> str:
    """Return the name in :class:`Community` of a column of prosumers.csv, which has its unit behind it."""
    for unit in UNITS:
        if column.endswith(unit):
            return column.removesuffix(unit)
    return column
