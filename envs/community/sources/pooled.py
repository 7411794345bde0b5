"""Communities with one pooled battery, whose hourly game has a state of one dimension: its optimum can be proved.

All battery power and capacity stand at the owner of the largest battery, half full at midnight. All else is the base's, connections among
it.

=====================  ==============
name                   base
=====================  ==============
simbench-rural-pooled  simbench-rural
ieee9-pooled           ieee9
=====================  ==============

"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from ..community import Community, make_community
from ..day import Array
from .ieee import ieee
from .simbench import simbench_grid

_BASES: Final = {"simbench-rural-pooled": simbench_grid, "ieee9-pooled": ieee}
_ENDING: Final = "-pooled"
POOLED_NAMES: Final[tuple[str, ...]] = tuple(_BASES)


def pooled(name: str, partners: int | Literal["all"] | None = None) -> Community:
    """Return the community of this name, 366 days."""
    base = _BASES[name](name.removesuffix(_ENDING), partners)
    owner = int(np.argmax(base.storage_capacity))

    def at_owner(values: Array) -> Array:
        return np.where(np.arange(base.n_prosumers) == owner, values.sum(), 0.0)

    kept = ("load_kw", "renewable_kw", "import_price", "export_price", "loss_price", "import_limit", "export_limit", "grid_friction")
    also = ("storage_efficiency", "storage_wear", "trade_friction", "partners", "charge_cap", "parameters", "first_date", "time_zone")
    return make_community(
        name,
        base.network,
        **{field: getattr(base, field) for field in (*kept, *also, "prosumer_names", "renewable_kind")},
        storage_power=at_owner(base.storage_power),
        storage_capacity=at_owner(base.storage_capacity),
    )
