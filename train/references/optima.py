"""The best charges of scenarios, each found once and then kept: what ``gridtoll optimum`` reports and every leader is scored against.

Answers are kept under a hash of the data of the day, the grid, the tariff's basis, the cap, the account of flows, the objective, the
settings of the method and the software (:mod:`.store`), whatever the community, the day or the file they came from are called. Those of
mixed-integer programming are not kept: they are there to check the others.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache, partial
from typing import Any, Final

import numpy as np

from ...agents.optimum import Optimum
from ...agents.optimum.miqp import MiqpError
from ...envs.community.calendar import Scenario
from ...envs.community.community import Community
from ...envs.community.day import Array, Day
from ...envs.errors import ClearingError
from ...envs.games.spec import GameSpec
from ...envs.grid.network import Network
from ..task import environment_of, n_charges
from ..workers import Workers
from .solve import Method, Settings, Solved, numbers_of, resolved, solve
from .store import store, stored

_KINDS: Final[dict[Method, str]] = {"exact": "optima", "search": "brackets"}
_SETTINGS: Final[dict[Method, tuple[str, ...]]] = {"exact": ("tolerance", "hard_limits"), "search": ("starts", "seed")}
LABEL_TOLERANCE: Final = 1e-5
"""Relative gap that does for an optimum that is only learned from, where the usual one is not reached."""
GIVEN_UP_AFTER: Final = 5_000
"""Clearings after which the exact search gives up."""
_NOT_FINITE: Final[dict[Any, float]] = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_FORMAT: Final = 1  # of what is kept; raised when the numbers kept change their meaning


@dataclass(frozen=True)
class Found:
    """What became of one scenario of several.

    Attributes:
        scenario: Which one.
        solved: Its best charges, None where it failed.
        was_stored: Whether they came from the store.
        error: Why it failed, else None.
    """

    scenario: Scenario
    solved: Solved | None
    was_stored: bool = False
    error: str | None = None


def find_optima(
    task: GameSpec, scenarios: Sequence[Scenario], workers: Workers, settings: Settings | None = None, *, recompute: bool = False
) -> list[Found]:
    """Return the best charges of scenarios: from the store where it has them, else computed by the workers and kept one by one.

    A scenario that fails is reported, and the others go on. Whatever interrupts, scenarios already solved are kept.

    Args:
        task: The game.
        scenarios: Which days under which prices.
        workers: Solve what is not in the store.
        settings: How; those of :class:`Settings` where absent.
        recompute: Whether to solve all of them, and keep the new answers.

    Raises:
        ValueError: If the method does not apply to the task.
    """
    settings = resolved(task, settings or Settings())
    kind = _KINDS.get(settings.method or "exact")
    keys = [_key(task, scenario, settings) for scenario in scenarios]
    found: dict[int, Found] = {}
    for place, scenario in enumerate(scenarios if kind and not recompute else ()):
        kept = stored(kind or "", keys[place])
        if kept is not None:
            found[place] = Found(scenario, _read(kept), was_stored=True)
    missing = [place for place in range(len(scenarios)) if place not in found]
    for which, (solved, error) in workers.each(partial(_attempt, task, settings), [scenarios[place] for place in missing], "optima"):
        place = missing[which]
        found[place] = Found(scenarios[place], solved, error=error)
        if kind and solved is not None:
            store(kind, keys[place], _written(solved))
    return [found[place] for place in range(len(scenarios))]


def find_optimum(task: GameSpec, scenario: Scenario, settings: Settings, *, recompute: bool = False) -> tuple[Solved, bool]:
    """Return the best charges of one scenario and whether they were stored, computed in this process where they were not.

    Raises:
        ValueError: If the method does not apply.
        ImportError: If a package it needs is missing.
        MiqpError: If mixed-integer programming failed.
        ClearingError: If a clearing failed or an optimum could not be proved.
    """
    settings = resolved(task, settings)
    kind, key = _KINDS.get(settings.method or "exact"), _key(task, scenario, settings)
    kept = stored(kind, key) if kind and not recompute else None
    if kept is not None:
        return _read(kept), True
    solved = solve(task, scenario, settings)
    if kind:
        store(kind, key, _written(solved))
    return solved, False


def keep(task: GameSpec, scenario: Scenario, settings: Settings, optimum: Optimum) -> Solved:
    """Put an optimum solved elsewhere, with its proof say, into the store, and return its numbers."""
    solved = numbers_of(task, scenario, optimum)
    store(_KINDS["exact"], _key(task, scenario, resolved(task, settings)), _written(solved))
    return solved


def references(task: GameSpec, scenarios: Sequence[Scenario], workers: Workers) -> list[Solved]:
    """Return the two ends of each scenario's scale: its exact optimum, and what no charge earns.

    Raises:
        ValueError: If the task has no exact optimum of one charge: it needs a tariff of one coefficient for the day.
        ClearingError: If optima could not be proved; those that were are kept.
    """
    _require_exact(task)
    return _solved(find_optima(task, scenarios, workers))


def labels(task: GameSpec, scenarios: Sequence[Scenario], workers: Workers) -> list[Solved]:
    """Return the exact optimum of each scenario to learn from; one not proved as tightly as usual is proved to :data:`LABEL_TOLERANCE`.

    The clearings of such an optimum include all that a search may use before it is given up. None of the communities of the reference
    results has such a day.

    Raises:
        ValueError: If the task has no exact optimum.
        ClearingError: If optima could not be proved; those that were are kept.
    """
    _require_exact(task)
    found = find_optima(task, scenarios, workers)
    failed = [place for place, entry in enumerate(found) if entry.error is not None]
    again = _solved(find_optima(task, [scenarios[place] for place in failed], workers, Settings(tolerance=LABEL_TOLERANCE)))
    for place, solved in zip(failed, again, strict=True):
        found[place] = Found(scenarios[place], replace(solved, clearings=solved.clearings + GIVEN_UP_AFTER))
    return _solved(found)


def _require_exact(task: GameSpec) -> None:
    if n_charges(task) != 1:
        raise ValueError(
            f"leaders are scored against the exact optimum of a tariff of one coefficient for the day, such as 'unique' or 'distance', "
            f"got {task.tariff!r} per {task.charges_per} with {n_charges(task)} coefficients."
        )


def _solved(found: Sequence[Found]) -> list[Solved]:
    """Return what was found, or raise where something was not."""
    errors = [entry.error for entry in found if entry.error is not None]
    if errors:
        raise ClearingError(f"the optimum of {len(errors)} of {len(found)} days was not found: {'; '.join(errors)}")
    return [entry.solved for entry in found if entry.solved is not None]


def _attempt(task: GameSpec, settings: Settings, scenario: Scenario) -> tuple[Solved | None, str | None]:
    """Solve one scenario of several; what cannot be solved is an answer as well, so that the others go on."""
    try:
        return solve(task, scenario, settings), None
    except (ClearingError, MiqpError, ValueError) as error:
        return None, f"day {scenario.day}, price path {scenario.price_path}: {error}"


def _key(task: GameSpec, scenario: Scenario, settings: Settings) -> dict[str, Any]:
    """Return everything an answer depends on but the software, settings resolved."""
    environment = environment_of(task)
    method = settings.method or "exact"
    return {
        "format": _FORMAT,
        **content_key(environment.day_of(scenario), environment.community.network, environment.tariff.basis),
        "charges_per": environment.tariff.per,
        "charge_cap": environment.charge_cap,
        "flows": task.flows,
        "objective": task.objective,
        "method": method,
        **{name: getattr(settings, name) for name in _SETTINGS.get(method, ())},
    }


def content_key(day: Day, network: Network, basis: Array) -> dict[str, str]:
    """Return hashes of what is cleared, whatever the community and the day are called; part of the key of every answer."""
    return {
        "day": _hash({name: value for name, value in day.arrays().items() if name != "label"}),
        "network": _network_hash(network),
        "basis": _hash({"basis": basis}),
    }


@lru_cache(maxsize=4)
def _network_hash(network: Network) -> str:
    parts = {f"grid.{field.name}": getattr(network.grid, field.name) for field in fields(network.grid)}
    return _hash(parts | {field.name: getattr(network, field.name) for field in fields(network) if field.name != "grid"})


def _hash(parts: Mapping[str, Any]) -> str:
    """Return a hash of numbers and arrays by name; what things are called does not count."""
    digest = hashlib.sha256()
    for name, value in sorted(parts.items()):
        array = np.asarray(value)
        if array.dtype.kind in "biuf":
            digest.update(f"\n{name} {array.shape} ".encode())
            digest.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
    return digest.hexdigest()


def _written(solved: Solved) -> dict[str, Any]:
    """Return an answer in JSON's types; numbers that JSON has no word for are written as text."""
    numbers = {name: _worded(value) for name, value in asdict(solved).items() if name != "charges"}
    return numbers | {"charges": [_worded(charge) for charge in solved.charges]}


def _read(kept: Mapping[str, Any]) -> Solved:
    """Return the answer that :func:`_written` wrote."""
    numbers = {name: _NOT_FINITE.get(value, value) for name, value in kept.items() if name != "charges"}
    return Solved(charges=tuple(_NOT_FINITE.get(charge, charge) for charge in kept["charges"]), **numbers)


def _worded(value: Any) -> Any:
    return str(value) if str(value) in _NOT_FINITE else value


def scenario_hash(task: GameSpec, scenario: Scenario) -> str:
    """Return a short hash of a scenario's data: equal where two results are about the same day."""
    content = f"{environment_of(task).community.content_hash}/{scenario.day}/{scenario.price_path}/{task.import_fee}"
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def daily_bill_eur(community: Community) -> float:
    """Return what the community's load would cost at the retail price, the mean of a day in EUR: the scale of money in a community."""
    return float((community.load_kw.sum(axis=1) * community.import_price).sum()) / community.n_days
