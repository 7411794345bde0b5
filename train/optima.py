"""What each scenario is scored against: the exact optimum and the reference tariff (no charge), computed once and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

from ..agents.optimum import Optimum, solve_optimum
from ..envs.calendar import Scenario
from ..envs.community import Community
from .store import store, stored
from .task import Episode, Task, environment_of, play
from .workers import Workers


@dataclass(frozen=True)
class Reference:
    """The two ends of a scenario's scale.

    Attributes:
        optimum: Best charge with its bounds, without the certificate, which is large and soon found again.
        zero_eur: The objective when nothing is charged.
    """

    optimum: Optimum
    zero_eur: float


def references(task: Task, scenarios: Sequence[Scenario], workers: Workers) -> list[Reference]:
    """Return the references of scenarios, from the user's cache where they have been computed before.

    Raises:
        ValueError: If the task has no exact optimum: it needs a tariff of one coefficient for the day.
        ClearingError: If an optimum could not be proved.
    """
    return workers.map(partial(reference_of, task), scenarios, "optima")


def reference_of(task: Task, scenario: Scenario) -> Reference:
    """Return the reference of one scenario; see :func:`references`."""
    environment = environment_of(task)
    key = {
        "community": environment.community.content_hash,
        "scenario": list(scenario),
        "tariff": [task.tariff, task.charges_per],
        "objective": task.objective,
        "flows": task.flows,
        "charge_cap": environment.charge_cap,
        "import_fee": task.import_fee,
    }
    kept = stored("optima", key)
    if kept is not None:
        return Reference(Optimum(**kept["optimum"], certificate=None), kept["zero_eur"])
    optimum = solve_scenario(task, scenario)
    zero = play(Episode(task, scenario, (0.0,)))
    numbers = {field.name: getattr(optimum, field.name) for field in fields(optimum) if field.name != "certificate"}
    store("optima", key, {"optimum": numbers, "zero_eur": zero.objective_eur})
    return Reference(replace(optimum, certificate=None), zero.objective_eur)


def solve_scenario(task: Task, scenario: Scenario, **settings: Any) -> Optimum:
    """Return the optimum of a scenario with its whole proof, computed now; settings go to :func:`solve_optimum`."""
    environment = environment_of(task)
    environment.reset(options=scenario._asdict())
    return solve_optimum(
        environment.day,
        environment.community.network,
        environment.tariff,
        cap=environment.charge_cap,
        flows=task.flows,
        objective=task.objective,
        market=environment.market,
        **settings,
    )


def scenario_hash(task: Task, scenario: Scenario) -> str:
    """Return a short hash of a scenario's data: equal where two results are about the same day."""
    content = f"{environment_of(task).community.content_hash}/{scenario.day}/{scenario.price_path}/{task.import_fee}"
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def daily_bill_eur(community: Community) -> float:
    """Return what the community's load would cost at the retail price, the mean of a day in EUR: the scale of money in a community."""
    return float((community.load_kw.sum(axis=1) * community.import_price).sum()) / community.n_days
