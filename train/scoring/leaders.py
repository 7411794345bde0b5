"""Leaders by name, as the command line and the demo call them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...agents.fixed.day_ahead import ConstantPolicy, RandomPolicy, ZeroPolicy
from ...agents.fixed.hourly import SchedulePolicy
from ...agents.learned.models import load_model
from ...agents.learned.normalised import ModelPolicy
from ...agents.learned.onnx_policy import OnnxPolicy
from ...agents.learned.stable_baselines import LearnedPolicy, day_of, load_policy
from ...agents.made_for import carried_over, require_fit
from ...agents.planning.blended import Blended
from ...agents.planning.foretold import CertaintyEquivalent, ScenarioSample
from ...agents.planning.prescriptive import Prescriptive
from ...agents.policy import Policy
from ...envs.adapters.pricing import PricingEnv
from ...envs.community.calendar import Scenario
from ...envs.errors import unknown_name
from ...envs.games.spec import GameSpec
from ...envs.written import number
from ..ground.config import TrainConfig
from ..ground.playing import Leaders, same_for_all
from ..ground.runs import RunFolder
from ..references.ends import Ends, hourly_references, references
from ..references.hours import SearchEffort
from ..task import environment_of, n_charges
from ..workers import Workers
from .chosen import find_best_constant, find_best_schedule, find_grid_constant
from .evaluate import Leader
from .planned import Planner, TaskDays

LEADER_NAMES: Final = (
    "zero",
    "random",
    "constant:G",
    "best-constant",
    "grid-constant",
    "prescriptive",
    "prescriptive-neighbours",
    "prescriptive-kernel",
    "blended",
    "certainty-equivalent",
    "scenario",
    "optimum",
    "best-found",
    "best-schedule",
    "day-ahead",
)
"""Every leader known by name; anything else is a run folder, an ONNX file or a model of stable-baselines3."""
CLAIRVOYANTS: Final = ("optimum", "best-found", "day-ahead")
"""Those that know the days they play; every other leader is the same wherever it plays."""
PLANNERS: Final[dict[str, Planner]] = {
    "prescriptive": Prescriptive(),
    "prescriptive-neighbours": Prescriptive(weights="neighbours"),
    "prescriptive-kernel": Prescriptive(weights="kernel"),
    "blended": Blended(),
    "certainty-equivalent": CertaintyEquivalent(),
    "scenario": ScenarioSample(),
}
"""Leaders that plan, with their own settings."""
PLANNED_NETWORKS: Final = ("prescriptive", "prescriptive-neighbours", "prescriptive-kernel")
"""Those of them that are networks; the others clear the market whenever they are asked for a charge."""
_HOURLY: Final = ("best-schedule", "day-ahead")
_OF_GAME: Final = ("env", "information", "tariff", "charges_per")
"""Fields of the game that a leader must have been trained for."""


def make_leader(
    text: str,
    task: GameSpec,
    scenarios: Sequence[Scenario],
    workers: Workers,
    *,
    seed: int,
    trust: bool = False,
    vecnormalize: Path | None = None,
    effort: SearchEffort | None = None,
) -> Leader:
    """Return the leader a name, run folder or file stands for.

    Args:
        text: One of ``LEADER_NAMES`` with a number for G (several separated by commas), a run folder, or a file ending in ``.onnx`` or
            ``.zip``.
        task: The game it will play.
        scenarios: What it will play; only the clairvoyants look at them, as they must.
        workers: Clear days where choosing the leader takes some.
        seed: Of random charges, of a forest, and of the sample of days that a grid's constant and the best schedule are chosen on.
        trust: Whether a file may be unpickled, and so run code of whoever wrote it.
        vecnormalize: Statistics of the observations of a ``.zip`` model; where absent, those that lie beside it.
        effort: How hard best sequences of the hourly game are searched for.

    Raises:
        ValueError: If there is no such leader, it does not fit the game, or its file would have to be trusted.
    """
    if vecnormalize is not None and Path(text).suffix.lower() != ".zip":
        raise ValueError(f"--vecnormalize holds statistics of a .zip model, got it with {text}. Leave it out.")
    policies = _named(text, task, scenarios, workers, seed=seed, effort=effort)
    if policies is not None:
        return Leader(text, policies, seed)
    path = Path(text)
    if not path.exists() and path.name == text:
        raise unknown_name("a leader (or a run folder or file)", text, LEADER_NAMES)
    match path.suffix.lower():
        case ".onnx":
            return onnx_leader(path, task, seed=seed)
        case ".zip":
            model, algorithm = model_of(path, task, trust=trust, vecnormalize=vecnormalize)
            return Leader.of(f"{algorithm} {path}", model, seed)
        case _:
            return learned_leader(RunFolder.open(path), task)


def _named(
    text: str, task: GameSpec, scenarios: Sequence[Scenario], workers: Workers, *, seed: int, effort: SearchEffort | None
) -> Leaders | None:
    """Return the leader one of ``LEADER_NAMES`` stands for, None for anything else."""
    if text in _HOURLY:
        require_from_hour_to_hour(text, task)
    kind, _, number = text.partition(":")
    if kind == "constant" and number:
        return same_for_all(ConstantPolicy(_charges(number, task)))
    size = n_charges(task)
    known: dict[str, Callable[[], Leaders]] = {
        "zero": lambda: same_for_all(ZeroPolicy(size)),
        "random": lambda: same_for_all(RandomPolicy(environment_of(task).charge_cap, size, seed=seed)),
        "best-constant": lambda: same_for_all(ConstantPolicy(np.full(size, find_best_constant(task, workers).charge))),
        "grid-constant": lambda: same_for_all(_constant(find_grid_constant(task, workers, seed=seed).charges, size)),
        "best-schedule": lambda: same_for_all(schedule_policy(task, find_best_schedule(task, workers, seed=seed).charges)),
        "optimum": lambda: _best(task, scenarios, references(task, scenarios, workers, effort), proved=True),
        "best-found": lambda: _best(task, scenarios, references(task, scenarios, workers, effort), proved=False),
        "day-ahead": lambda: _day_ahead(task, scenarios, workers, effort),
    }
    known |= {name: lambda kind=kind: _planned(kind, task, workers, seed=seed) for name, kind in PLANNERS.items()}  # type: ignore[misc]
    return known[text]() if text in known else None


def require_from_hour_to_hour(leader: str, task: GameSpec) -> None:
    """Refuse a leader that is one of the hourly game alone in another game.

    Raises:
        ValueError: If it is.
    """
    if task.env != "hourly":
        raise ValueError(
            f"{leader} must lead from hour to hour (--env hourly), got the {task.env} game, in which a day is priced once. Use best-found."
        )


def _planned(planner: Planner, task: GameSpec, workers: Workers, *, seed: int) -> Leaders:
    return same_for_all(planner.plan(TaskDays(task, workers=workers, seed=seed)))


def planned_network(name: str, task: GameSpec, workers: Workers, *, seed: int) -> Policy:
    """Return a leader that plans and is a network.

    Args:
        name: One of ``LEADER_NAMES``.
        task: The game.
        workers: Clear training days that are not stored.
        seed: Of a forest.

    Raises:
        ValueError: If it is another leader, or does not fit the game.
        ClearingError: If a training day could not be cleared.
    """
    if name not in PLANNED_NETWORKS:
        why = "clears the market whenever it is asked for a charge" if name in PLANNERS else "is none"
        raise ValueError(f"a policy to export must be a network, but {name} {why}. Play it with `gridtoll evaluate {name}`.")
    return PLANNERS[name].plan(TaskDays(task, workers=workers, seed=seed))


def _constant(charges: NDArray[np.float64], size: int) -> ConstantPolicy:
    """Return the leader that always posts the charges of a day, of every hour where an action holds all hours."""
    return ConstantPolicy(np.tile(charges, size // len(charges)))


def learned_leader(run: RunFolder, task: GameSpec) -> Leader:
    """Return the best policy of a finished run with its name and seed; errors as :func:`learned_policy`."""
    config = TrainConfig.of(run)
    return Leader.of(f"{config.learner.algorithm} {run.path}", learned_policy(run, task), config.seed)


def learned_policy(run: RunFolder, task: GameSpec) -> LearnedPolicy:
    """Return the best policy of a finished run.

    Raises:
        ValueError: If the run was cut short or damaged, or its policy does not fit the game.
    """
    config = TrainConfig.of(run)
    best, environment = run.finished(config.steps), environment_of(task)
    here = facts_of(task)
    made = {name: best.facts.get(name) for name in ("charge_cap", "price_level")}
    made |= {name: getattr(config.task, name) for name in _OF_GAME}
    seen = {"cap": here["charge_cap"], "n_coefficients": here["n_charges"], "n_periods": environment.community.n_periods}
    in_units = day_of(config.learner, here["n_observed"], **seen) is not None
    require_fit(f"the leader in {run.path}", carried_over(made, here) if in_units else made, here)
    return load_policy(
        best.files["policy.pt"],
        config.learner,
        environment.observer.size,
        cap=environment.charge_cap,
        n_coefficients=n_charges(task),
        price_level=environment.community.price_level,
        n_periods=environment.community.n_periods,
    )


def facts_of(task: GameSpec) -> dict[str, Any]:
    """Return the game a leader is to play, as :func:`~.made_for.require_fit` compares it with what it was trained for."""
    environment = environment_of(task)
    return {
        "n_observed": environment.observer.size,
        "n_charges": n_charges(task),
        "charge_cap": environment.charge_cap,
        "price_level": environment.community.price_level,
        **{name: getattr(task, name) for name in _OF_GAME},
    }


def model_of(path: Path, task: GameSpec, *, trust: bool, vecnormalize: Path | None = None) -> tuple[ModelPolicy, str]:
    """Return the policy in a model of stable-baselines3 and the name of its algorithm; see :func:`~.models.load_model`."""
    environment = environment_of(task)
    cap, size, observed = environment.charge_cap, n_charges(task), environment.observer.size
    return load_model(path, observed, cap=cap, n_coefficients=size, trust=trust, vecnormalize=vecnormalize)


def onnx_leader(path: Path, task: GameSpec, *, seed: int) -> Leader:
    """Return the leader in an ONNX file.

    Args:
        path: Written by ``gridtoll export policy``.
        task: The game it will play; any community of the price level it was made for, but otherwise the same game.
        seed: Its seed for reports, where the file names none.

    Raises:
        ValueError: If it cannot be loaded, or was made for another game; all differences are named.
    """
    policy = OnnxPolicy(path)
    facts, environment = policy.facts, environment_of(task)
    observed = [field.name for field in environment.observer.fields]
    require_fit(f"the leader in {path}", {**facts, "price_level": facts.get("price_level", _level_of(facts, environment))}, facts_of(task))
    written = [field["name"] for field in facts.get("observation", [])]
    if written not in ([], observed):
        raise ValueError(
            f"the leader in {path} must observe the fields it was trained with, {', '.join(written)}, got {', '.join(observed)}. Train it "
            "again with this version."
        )
    return Leader.of(str(facts.get("name", path.stem)), policy, int(facts.get("seed", seed)))


def _level_of(facts: Mapping[str, Any], environment: PricingEnv) -> float | None:
    """Return the price level that an ONNX file of before was made for, from the scales of its observations; None where they are not there.

    Fields of money are scaled by the level (:func:`~gridtoll.envs.games.observation.observer.in_money_of`), those of this environment by
    its own.
    """
    written = {field["name"]: field["scale"] for field in facts.get("observation", [])}
    priced = [field for field in environment.observer.fields if field.unit.startswith("EUR") and field.name in written]
    return environment.community.price_level * written[priced[0].name] / priced[0].scale if priced else None


def _charges(text: str, task: GameSpec) -> NDArray[np.float64]:
    """Return the charges of ``constant:G``, one number standing for all coefficients, checked before anything is cleared."""
    environment = environment_of(task)
    try:
        numbers = [number(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"a constant charge must be given as numbers in EUR/kWh, such as constant:0.2, got constant:{text}.") from None
    charges = np.full(n_charges(task), numbers[0]) if len(numbers) == 1 else np.array(numbers)
    environment.tariff.read(charges, environment.community.n_periods, environment.charge_cap)
    return charges


def _best(task: GameSpec, scenarios: Sequence[Scenario], known: Sequence[Ends], *, proved: bool) -> Leaders:
    """Return the clairvoyant that posts the best charges known of each day.

    Args:
        task: The game.
        scenarios: What it plays.
        known: Of each of them.
        proved: Whether all of them must be proved to be optimal.

    Raises:
        ValueError: If they must and are not.
    """
    unproved = sum(not ends.certified for ends in known)
    if proved and unproved:
        raise ValueError(
            f"the optimum must be proved on every day it leads, got {unproved} of {len(known)} days on which the best charges found have "
            "not met the bound. Use best-found."
        )
    policies: dict[Scenario, Policy] = {}
    for scenario, ends in zip(scenarios, known, strict=True):
        if task.env == "hourly":
            policies[scenario] = schedule_policy(task, np.reshape(ends.charges, (-1, environment_of(task).tariff.n_basis)))
        else:
            policies[scenario] = ConstantPolicy(ends.charges)
    return policies.__getitem__


def _day_ahead(task: GameSpec, scenarios: Sequence[Scenario], workers: Workers, effort: SearchEffort | None) -> Leaders:
    """Return the clairvoyant that posts, in every hour, the charge that is best for the day."""
    k = environment_of(task).tariff.n_basis
    if k != 1:
        raise ValueError(f"the day-ahead optimum must be of a tariff of one coefficient, got {task.tariff!r} with {k}.")
    known = hourly_references(task, scenarios, workers, effort)
    charges = {scenario: np.array([ends.constant_charge]) for scenario, ends in zip(scenarios, known, strict=True)}
    return lambda scenario: schedule_policy(task, charges[scenario])


def schedule_policy(task: GameSpec, charges: NDArray[np.float64]) -> SchedulePolicy:
    """Return the leader of the hourly game that posts a schedule, shape (T, K), or (K,) for charges that stand all day."""
    return SchedulePolicy(charges, environment_of(task).observer.layout["hour"], announced=task.belief == "announced")
