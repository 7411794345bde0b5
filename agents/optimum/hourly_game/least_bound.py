"""The least of the bounds that are proved of a day of the hourly game.

For profit that is the lesser of the bound for any belief (:mod:`.bound`) and, where charges are taken as standing, of the one that knows
what stored energy is worth to prosumers (:mod:`.standing`). For welfare it is the optimum of the convex program in which nobody charges
anything.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ....envs.account.social import solve_social
from ....envs.community.day import Day
from ....envs.games.setting import Setting
from ....envs.games.spec import GameSpec
from .bound import bound_hourly
from .standing import bound_standing, plans_of

_LEAST_SLABS, _MOST_SLABS, _SHARE = 8, 32, 3
"""Of charges, for the bound of standing charges; and how many plans it may clear for each that the search may."""


def least_bound(spec: GameSpec, setting: Setting, day: Day, *, plans: int) -> float:
    """Return what no leader exceeds on a day, in EUR, infinite where nothing is proved.

    Args:
        spec: The game.
        setting: Its parts.
        day: The day.
        plans: How many the search for the best sequence may clear; the bound of standing charges may clear three for each.
    """
    bound = _for_any_belief(spec, setting, day)
    if slabs := slabs_of(spec, setting, day, plans=plans):
        network, basis = setting.community.network, setting.tariff.basis[0]
        bound = min(bound, bound_standing(day, network, basis, cap=setting.charge_cap, slabs=slabs).bound_eur)
    return bound


def slabs_of(spec: GameSpec, setting: Setting, day: Day, *, plans: int) -> int:
    """Return into how many slabs charges are cut for the bound of standing charges: 0 where it has no proof, or would take too many plans.

    One store has a proof of its own (:mod:`~gridtoll.agents.optimum.one_store.bound`). Arguments are those of :func:`least_bound`.
    """
    known = spec.belief == "standing" and spec.objective == "profit" and not spec.forecast_error
    if not known or setting.tariff.n_basis != 1 or np.count_nonzero(day.has_storage) < 2:
        return 0
    slabs = min(_MOST_SLABS, _SHARE * plans // plans_of(day, 1) - 1)
    return slabs if slabs >= _LEAST_SLABS else 0


def _for_any_belief(spec: GameSpec, setting: Setting, day: Day) -> float:
    network, basis = setting.community.network, setting.tariff.basis
    if spec.forecast_error:  # where the end's energy seemed out of reach a day may end with less
        day = replace(day, storage_end=np.zeros(day.n_prosumers))
    if spec.objective == "welfare":
        return solve_social(day, network, flows=setting.rules.flows, charge_base=basis).upper_bound_eur
    try:
        return bound_hourly(day, network, greatest_charge=setting.charge_cap * basis.sum(axis=0)).bound_eur
    except ValueError:
        return math.inf
