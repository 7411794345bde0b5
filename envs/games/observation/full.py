"""What nobody but the prosumers knows: every private parameter of the day, hour by hour and prosumer by prosumer.

The size depends on the community, so a policy that uses these fields stays with it. Demand counts in units of each prosumer's own mean
load, renewables in units of their own greatest power of the year, so that large and small prosumers are seen alike; how large they are
beside P̄, the mean load of a prosumer, is observed as well.

| field                     | size | unit       | centre | scale | meaning |
|---------------------------|------|------------|--------|-------|-----|
| `each_import_price`       | T    | EUR/kWh    | 0.3    | 0.1   | import price; T·N where households have prices of their own |
| `each_export_price`       | T    | EUR/kWh    | 0.1    | 0.1   | export price; T·N where households have prices of their own |
| `each_loss_price`         | T    | EUR/kWh    | 0.1    | 0.1   | what losses cost the operator |
| `each_demand_min`         | T·N  | own load   | 0.6    | 0.6   | least demand |
| `each_demand_max`         | T·N  | own load   | 1.4    | 1.4   | greatest demand |
| `each_demand`             | T·N  | own load   | 1      | 1     | demand at the import price |
| `each_utility_slope`      | T·N  | EUR/kWh    | 0.6    | 0.3   | utility of the first kWh |
| `each_renewable`          | T·N  | own peak   | 0.25   | 0.25  | available renewable power |
| `each_mean_load`          | N    | P̄         | 1      | 1     | mean load of the year |
| `each_renewable_peak`     | N    | P̄         | 5      | 10    | greatest renewable power of the year |
| `each_storage_power`      | N    | P̄         | 5      | 10    | limit of charging and of discharging |
| `each_storage_capacity`   | N    | h·P̄       | 10     | 20    | storage capacity |
| `each_storage_efficiency` | N    | 1          | 0.9    | 0.1   | one way |
| `each_storage_wear`       | N    | EUR/kWh/P̄ | 0.005  | 0.005 | quadratic cost of storage use |
| `each_storage_start`      | N    | h·P̄       | 10     | 20    | energy in storage at the start |
| `each_import_limit`       | N    | P̄         | 10     | 10    | connection limit |
| `each_export_limit`       | N    | P̄         | 10     | 10    | connection limit |
| `each_grid_friction`      | N    | EUR/kWh/P̄ | 0.005  | 0.005 | quadratic cost of using the connection |
"""

from __future__ import annotations

import numpy as np

from ...community.community import Community
from ...community.day import Day
from .fields import Field, Values


def full_fields(n_periods: int, n_prosumers: int, *, own_prices: bool = False) -> tuple[Field, ...]:
    """Return the private fields of days of ``n_periods`` and ``n_prosumers``; ``own_prices`` where households pay prices of their own."""
    t, n = n_periods, n_prosumers
    priced, shape = (t * n, "T·N") if own_prices else (t, "T")
    return (
        Field("each_import_price", priced, shape, "EUR/kWh", 0.3, 0.1, "import price; T·N where households have prices of their own"),
        Field("each_export_price", priced, shape, "EUR/kWh", 0.1, 0.1, "export price; T·N where households have prices of their own"),
        Field("each_loss_price", t, "T", "EUR/kWh", 0.1, 0.1, "what losses cost the operator"),
        Field("each_demand_min", t * n, "T·N", "own load", 0.6, 0.6, "least demand"),
        Field("each_demand_max", t * n, "T·N", "own load", 1.4, 1.4, "greatest demand"),
        Field("each_demand", t * n, "T·N", "own load", 1.0, 1.0, "demand at the import price"),
        Field("each_utility_slope", t * n, "T·N", "EUR/kWh", 0.6, 0.3, "utility of the first kWh"),
        Field("each_renewable", t * n, "T·N", "own peak", 0.25, 0.25, "available renewable power"),
        Field("each_mean_load", n, "N", "P̄", 1.0, 1.0, "mean load of the year"),
        Field("each_renewable_peak", n, "N", "P̄", 5.0, 10.0, "greatest renewable power of the year"),
        Field("each_storage_power", n, "N", "P̄", 5.0, 10.0, "limit of charging and of discharging"),
        Field("each_storage_capacity", n, "N", "h·P̄", 10.0, 20.0, "storage capacity"),
        Field("each_storage_efficiency", n, "N", "1", 0.9, 0.1, "one way"),
        Field("each_storage_wear", n, "N", "EUR/kWh/P̄", 0.005, 0.005, "quadratic cost of storage use"),
        Field("each_storage_start", n, "N", "h·P̄", 10.0, 20.0, "energy in storage at the start"),
        Field("each_import_limit", n, "N", "P̄", 10.0, 10.0, "connection limit"),
        Field("each_export_limit", n, "N", "P̄", 10.0, 10.0, "connection limit"),
        Field("each_grid_friction", n, "N", "EUR/kWh/P̄", 0.005, 0.005, "quadratic cost of using the connection"),
    )


def full_values(community: Community, day: Day) -> Values:
    """Return the values of the private fields, without any error: shapes (T,), (T, N) or (N,), see :func:`full_fields` for units."""
    mean = community.mean_load_kw
    own_load = np.maximum(community.load_kw.mean(axis=0), 0.1 * mean)  # the floor serves those that hardly have any
    own_peak = community.renewable_kw.max(axis=0)
    own = community.has_own_prices  # a day of theirs may have the same for all
    preferred = (day.utility_slope - day.own_import_price) / day.utility_curvature
    return {
        "each_import_price": day.own_import_price if own else day.import_price,
        "each_export_price": day.own_export_price if own else day.export_price,
        "each_loss_price": day.loss_price,
        "each_demand_min": day.demand_min / own_load,
        "each_demand_max": day.demand_max / own_load,
        "each_demand": preferred / own_load,
        "each_utility_slope": day.utility_slope,
        "each_renewable": day.renewable / np.where(own_peak > 0, own_peak, 1.0),
        "each_mean_load": own_load / mean,
        "each_renewable_peak": own_peak / mean,
        "each_storage_power": day.storage_power / mean,
        "each_storage_capacity": day.storage_capacity / mean,
        "each_storage_efficiency": day.storage_efficiency,
        "each_storage_wear": day.storage_wear * mean,
        "each_storage_start": day.storage_start / mean,
        "each_import_limit": day.import_limit / mean,
        "each_export_limit": day.export_limit / mean,
        "each_grid_friction": day.grid_friction * mean,
    }
