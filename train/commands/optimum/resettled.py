"""What the optimum of the linear model comes to under another power flow."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....envs.account.physical import INFO_OF_WIRES
from ....envs.community.calendar import Scenario
from ....envs.games.spec import GameSpec
from ...references.optima import find_optimum
from ...references.solve import resolved
from ...references.solved import Settings, Solved
from ...task import environment_of, is_provable

_SETTLED = ("profit_eur", "welfare_eur", "overload_kwh", "peak_loading", "network_secure")


def resettled(power_flow: str | None, task: GameSpec, scenario: Scenario, solved: Solved) -> dict[str, Any]:
    """Return what the best charges of a day come to under another power flow, and the best charge of a grid there.

    Args:
        power_flow: Which; nothing is returned where it is absent.
        task: The game that was solved.
        scenario: The day.
        solved: Its best charges.

    Raises:
        ValueError: If there is no such power flow, nothing can be proved of the game, or there is no charge to settle.
    """
    if power_flow is None:
        return {}
    if not is_provable(task):
        raise ValueError(f"--resettle must go with --power-flow dc, whose optimum it settles again, got --power-flow {task.power_flow}.")
    if not np.isfinite(solved.charges).all():
        raise ValueError(
            "--resettle needs a charge, and no charge keeps every branch within its limit on this day. Leave --hard-limits out."
        )
    there = task.changed(power_flow=power_flow)
    environment = environment_of(there)
    environment.reset(options=scenario._asdict())
    _, reward, _, _, info = environment.step(np.array(solved.charges))
    best, _ = find_optimum(there, scenario, resolved(there, Settings(method="played")))
    names = (*_SETTLED, *(name for name in INFO_OF_WIRES if name in info))
    return {
        **{f"{power_flow}_{name.removeprefix('ac_')}": info[name] for name in names},
        f"{power_flow}_played_charge": best.charges[0] if len(best.charges) == 1 else list(best.charges),
        f"{power_flow}_played_best_eur": best.best_eur,
        f"{power_flow}_lost_by_the_linear_model_eur": max(0.0, best.best_eur - float(reward)),
    }
