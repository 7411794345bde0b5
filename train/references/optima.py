"""The best charges of scenarios, each found once and then kept: what ``gridtoll optimum`` reports and every leader is scored against.

Answers are kept under a hash of the data of the day, the grid, the tariff's basis, the cap, the account of flows, the objective, the
settings of the method and the software (:mod:`.store`), whatever the community, the day or the file they came from are called. Those of
mixed-integer programming are not kept: they are there to check the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from functools import lru_cache, partial
from typing import Any, Final

import numpy as np

from ...agents.optimum import Optimum
from ...agents.optimum.together import Failure, side_by_side, together
from ...envs.community.calendar import Scenario
from ...envs.community.community import Community
from ...envs.community.day import Array, Day
from ...envs.errors import ClearingError
from ...envs.games.spec import GameSpec
from ...envs.grid.network import Network
from ...envs.market.exact.compiled import StructuredMarket
from ..task import environment_of, has_linear_flow, is_provable, n_charges
from ..workers import Workers
from .answers import Form, Found, all_of, look_up, look_up_days
from .solve import first_method, numbers_of, resolved, search_scenario, solve
from .solved import Method, Settings, Solved

_FOLDERS: Final[dict[Method, str]] = {
    "exact": "optima",
    "search": "brackets",
    "breakpoints": "breakpoints",
    "replayed": "replayed",
    "played": "played",
}
_SETTINGS: Final[dict[Method, tuple[str, ...]]] = {
    "exact": ("tolerance", "hard_limits"),
    "search": ("starts", "seed"),
    "replayed": ("tolerance", "starts", "seed"),
}
LABEL_TOLERANCE: Final = 1e-5
"""Relative gap that does for an optimum that is only learned from, where the usual one is not reached."""
GIVEN_UP_AFTER: Final = 5_000
"""Clearings after which the exact search gives up."""
OPTIMUM: Final = "the optimum"
"""What errors call it."""
_FORMAT: Final = 1  # of what is kept; raised when the numbers kept change their meaning


def find_optima(
    task: GameSpec, scenarios: Sequence[Scenario], workers: Workers, settings: Settings | None = None, *, recompute: bool = False
) -> list[Found[Solved]]:
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
    keys = [_key(task, scenario, settings) for scenario in scenarios]
    compute = partial(_solve, task, settings)
    many = partial(_solve_together, task, settings) if settings.method == "exact" and n_charges(task) == 1 else None
    return look_up_days(_form(settings), scenarios, keys, compute, workers, label="optima", together=many, recompute=recompute)


def find_optimum(task: GameSpec, scenario: Scenario, settings: Settings, *, recompute: bool = False) -> tuple[Solved, bool]:
    """Return the best charges of one scenario and whether they were stored, computed in this process where they were not.

    Raises:
        ValueError: If the method does not apply.
        ImportError: If a package it needs is missing.
        MiqpError: If mixed-integer programming failed.
        ClearingError: If a clearing failed or an optimum could not be proved.
    """
    settings = resolved(task, settings)
    compute = partial(_solve, task, settings, scenario)
    return look_up(_form(settings), _key(task, scenario, settings), compute, recompute=recompute)


def keep(task: GameSpec, scenario: Scenario, settings: Settings, optimum: Optimum) -> Solved:
    """Put an optimum solved elsewhere, with its proof say, into the store, and return its numbers."""
    return keep_numbers(task, scenario, settings, numbers_of(task, scenario, optimum))


def keep_numbers(task: GameSpec, scenario: Scenario, settings: Settings, solved: Solved) -> Solved:
    """Put the numbers of an optimum solved elsewhere into the store, and return them."""
    settings = resolved(task, settings)
    return _form(settings).keep(_key(task, scenario, settings), solved)


def labels(task: GameSpec, scenarios: Sequence[Scenario], workers: Workers) -> list[Solved]:
    """Return the exact optimum of each scenario to learn from; one not proved as tightly as usual is proved to :data:`LABEL_TOLERANCE`.

    The clearings of such an optimum include all that a search may use before it is given up. None of the communities of the reference
    results has such a day.

    Raises:
        ValueError: If the task has no exact optimum.
        ClearingError: If optima could not be proved; those that were are kept.
    """
    require_one_charge(task, "an optimum to learn from")
    found = find_optima(task, scenarios, workers)
    failed = [place for place, entry in enumerate(found) if entry.error is not None]
    again = all_of(find_optima(task, [scenarios[place] for place in failed], workers, Settings(tolerance=LABEL_TOLERANCE)), OPTIMUM)
    for place, solved in zip(failed, again, strict=True):
        found[place] = Found(scenarios[place], replace(solved, clearings=solved.clearings + GIVEN_UP_AFTER))
    return all_of(found, OPTIMUM)


def require_one_charge(task: GameSpec, what: str) -> None:
    """Refuse a game without one charge for the day, of which alone the optimum is always proved.

    Args:
        task: The game.
        what: What needs the proof, the beginning of the message.

    Raises:
        ValueError: If it is another.
    """
    if task.env == "hourly":
        raise ValueError(
            f"{what} must be that of the day-ahead game, got `env` {task.env!r}, where the best charges are found, not proved."
        )
    if not is_provable(task) and first_method(task) != "breakpoints":
        raise ValueError(
            f"{what} must be that of a market in which it is proved, 'exact' or 'call-auction' with the linear power flow, got `mechanism` "
            f"{task.mechanism!r} and `power_flow` {task.power_flow!r}, where the best charges are found, not proved. Ask for best-found or "
            "grid-constant there, which search, or for the linear power flow, 'dc'."
        )
    if n_charges(task) != 1:
        raise ValueError(
            f"{what} must be that of a tariff of one coefficient for the day, such as 'unique' or 'distance', got {task.tariff!r} per "
            f"{task.charges_per} with {n_charges(task)} coefficients."
        )


def _solve(task: GameSpec, settings: Settings, scenario: Scenario) -> Solved:
    return solve(task, scenario, settings)


def _solve_together(
    task: GameSpec, settings: Settings, scenarios: Sequence[Scenario], *, threads: int
) -> Iterator[tuple[int, Solved | Failure]]:
    """Yield the place of each scenario with its best charge, or the error that was raised, as their searches end.

    Args:
        task: The game, of one charge a day in the exact market.
        settings: How, with the method chosen.
        scenarios: Which days under which prices.
        threads: How many threads clear.
    """
    market = StructuredMarket(threads=threads)
    how = {"tolerance": settings.tolerance, "hard_limits": settings.hard_limits}
    searches = [partial(search_scenario, task, scenario, **how) for scenario in scenarios]
    community = environment_of(task).community
    at_once = side_by_side(community.n_periods, community.n_prosumers)
    for place, found in together(searches, market, at_once=at_once):
        try:
            yield place, numbers_of(task, scenarios[place], found) if isinstance(found, Optimum) else found
        except ClearingError as error:  # without a charge
            yield place, error


def _form(settings: Settings) -> Form[Solved]:
    """Return where answers of a method are kept."""
    return Form(_FOLDERS.get(settings.method or "exact"), Solved)


def _key(task: GameSpec, scenario: Scenario, settings: Settings) -> dict[str, Any]:
    """Return everything an answer depends on but the software, settings resolved."""
    environment = environment_of(task)
    method = settings.method or "exact"
    proved_of_the_exact_market = method in ("exact", "search", "miqp")
    other = {} if proved_of_the_exact_market else of_other_markets(task, environment.day_of(scenario).label)
    return {
        "format": _FORMAT,
        **content_key(environment.day_of(scenario), environment.community.network, environment.tariff.basis),
        "charges_per": environment.tariff.per,
        "charge_cap": environment.charge_cap,
        "flows": task.flows,
        "objective": task.objective,
        "method": method,
        **{name: getattr(settings, name) for name in _SETTINGS.get(method, ())},
        **other,
    }


def of_other_markets(task: GameSpec, label: str) -> dict[str, str]:
    """Return what an answer of another market or power flow depends on besides; what is drawn at random is drawn for a day by its name."""
    wires = environment_of(task).community.network.grid.wires
    electrics = {} if has_linear_flow(task) or wires is None else {"wires": _hash(wires.arrays())}
    return {"mechanism": task.mechanism, "power_flow": task.power_flow, "label": label, **electrics}


def content_key(day: Day, network: Network, basis: Array) -> dict[str, str]:
    """Return hashes of what is cleared, whatever the community and the day are called; part of the key of every answer.

    Args:
        day: The day.
        network: Where its prosumers sit.
        basis: Of the tariff, shape (K, N, N).
    """
    return {
        "day": _hash({name: value for name, value in day.arrays().items() if name != "label"}),
        "network": _network_hash(network),
        "basis": _hash({"basis": basis}),
    }


@lru_cache(maxsize=4)
def _network_hash(network: Network) -> str:
    parts = {f"grid.{field.name}": getattr(network.grid, field.name) for field in fields(network.grid) if field.name != "kw_per_pu"}
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


def scenario_hash(task: GameSpec, scenario: Scenario) -> str:
    """Return a short hash of a scenario's data: equal where two results are about the same day."""
    content = f"{environment_of(task).community.content_hash}/{scenario.day}/{scenario.price_path}/{task.import_fee}"
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def daily_bill_eur(community: Community) -> float:
    """Return what the community's load would cost at the retail price, the mean of a day in EUR: the scale of money in a community."""
    if community.import_price.ndim == 1:
        spent = community.load_kw.sum(axis=1) * community.import_price
    else:
        spent = community.load_kw * community.import_price
    return community.period_hours * float(spent.sum()) / community.n_days
