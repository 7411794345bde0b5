"""A community written with shorter periods: every row of its data stands for as many of them as make the same time."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridtoll.envs.community.community import Community, make_community


def cut(community: Community, *, days: int, minutes: int = 60, stores: bool = True, stated: Any = None, **changes: Any) -> Community:
    """The first days of a community of hours, with every hour repeated so often that a row stands for ``minutes``.

    ``stated`` is what ``make_community`` is told instead, where that is not the truth.
    """
    rows, times, has = days * community.n_periods, community.period_minutes // minutes, 1.0 if stores else 0.0
    arguments: dict[str, Any] = {
        "first_date": community.first_date,
        "period_minutes": minutes if stated is None else stated,
        "load_kw": np.repeat(community.load_kw[:rows], times, axis=0),
        "renewable_kw": np.repeat(community.renewable_kw[:rows], times, axis=0),
        "import_price": np.repeat(community.import_price[:rows], times, axis=0),
        "export_price": np.repeat(community.export_price[:, :rows], times, axis=1),
        "loss_price": np.repeat(community.loss_price[:, :rows], times, axis=1),
        "storage_power": has * community.storage_power,
        "storage_capacity": has * community.storage_capacity,
        "storage_start": has * community.storage_start,
        "partners": community.partners,
        "parameters": community.parameters,
        "prosumer_names": community.prosumer_names,
        "renewable_kind": community.renewable_kind,
    }
    return make_community(community.name, community.network, **(arguments | changes))
