"""Leaders by name, as the command line and the demo call them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...agents.fixed.day_ahead import N_SAMPLE, BestConstant, ConstantPolicy, RandomPolicy, ZeroPolicy, best_constant
from ...agents.learned.made_for import carried_over, require_fit
from ...agents.learned.models import load_model
from ...agents.learned.normalised import ModelPolicy
from ...agents.learned.onnx_policy import OnnxPolicy
from ...agents.learned.stable_baselines import LearnedPolicy, day_of, load_policy
from ...agents.optimum import Optimum, OptimumPolicy
from ...agents.policy import Policy
from ...envs.adapters.pricing import PricingEnv
from ...envs.community.calendar import Scenario
from ...envs.community.day import Day
from ...envs.errors import unknown_name
from ...envs.games.spec import GameSpec
from ...envs.market.exact.compiled import see_to_machine_code
from ...envs.written import number
from ..ground.config import TrainConfig
from ..ground.held_out import require_not_held_out
from ..ground.progress import progress
from ..ground.rounds import training_scenarios
from ..ground.runs import RunFolder
from ..references.optima import references
from ..references.store import store, stored
from ..task import Episode, environment_of, n_charges, play
from ..workers import Workers

LEADER_NAMES: Final = ("zero", "random", "constant:G", "best-constant", "optimum")
"""Every leader known by name; anything else is a run folder, an ONNX file or a model of stable-baselines3."""


@dataclass(frozen=True)
class Leader:
    """A leader with what reports call it.

    Attributes:
        name: What rows and tables call it.
        policy: The leader.
        seed: Of its training where it was trained, else the one it was made with.
    """

    name: str
    policy: Policy
    seed: int


def make_leader(
    text: str,
    task: GameSpec,
    scenarios: Sequence[Scenario],
    workers: Workers,
    *,
    seed: int,
    trust: bool = False,
    vecnormalize: Path | None = None,
) -> Leader:
    """Return the leader a name, run folder or file stands for.

    Args:
        text: One of ``LEADER_NAMES`` with a number for G (several separated by commas), a run folder, or a file ending in ``.onnx`` or
            ``.zip``.
        task: The game it will play.
        scenarios: What it will play; only the optimum looks at them, as it must.
        workers: Clear days where choosing the leader takes some.
        seed: Of random charges, and of the sample of days the best constant is chosen on.
        trust: Whether a file may be unpickled, and so run code of whoever wrote it.
        vecnormalize: Statistics of the observations of a ``.zip`` model; where absent, those that lie beside it.

    Raises:
        ValueError: If there is no such leader, it does not fit the game, or its file would have to be trusted.
    """
    if vecnormalize is not None and Path(text).suffix.lower() != ".zip":
        raise ValueError(f"--vecnormalize holds statistics of a .zip model, got it with {text}. Leave it out.")
    policy = _named(text, task, scenarios, workers, seed=seed)
    if policy is not None:
        return Leader(text, policy, seed)
    path = Path(text)
    if not path.exists() and path.name == text:
        raise unknown_name("a leader (or a run folder or file)", text, LEADER_NAMES)
    match path.suffix.lower():
        case ".onnx":
            return onnx_leader(path, task, seed=seed)
        case ".zip":
            model, algorithm = model_of(path, task, trust=trust, vecnormalize=vecnormalize)
            return Leader(f"{algorithm} {path}", model, seed)
        case _:
            return learned_leader(RunFolder.open(path), task)


def _named(text: str, task: GameSpec, scenarios: Sequence[Scenario], workers: Workers, *, seed: int) -> Policy | None:
    """Return the leader one of ``LEADER_NAMES`` stands for, None for anything else."""
    size = n_charges(task)
    kind, _, number = text.partition(":")
    match kind:
        case "zero" if not number:
            return ZeroPolicy(size)
        case "random" if not number:
            return RandomPolicy(environment_of(task).charge_cap, size, seed=seed)
        case "constant" if number:
            return ConstantPolicy(_charges(number, task))
        case "best-constant" if not number:
            return ConstantPolicy(find_best_constant(task, workers, seed=seed).charges)
        case "optimum" if not number:
            return _optimum(task, scenarios, workers)
        case _:
            return None


def learned_leader(run: RunFolder, task: GameSpec) -> Leader:
    """Return the best policy of a finished run with its name and seed; errors as :func:`learned_policy`."""
    config = TrainConfig.from_json(run.config["config"])
    return Leader(f"{config.learner.algorithm} {run.path}", learned_policy(run, task), config.seed)


def learned_policy(run: RunFolder, task: GameSpec) -> LearnedPolicy:
    """Return the best policy of a finished run.

    Raises:
        ValueError: If the run was cut short or damaged, or its policy does not fit the game.
    """
    config = TrainConfig.from_json(run.config["config"])
    best, environment = run.finished(config.steps), environment_of(task)
    here = facts_of(task)
    made = {name: best.facts.get(name) for name in ("charge_cap", "price_level")}
    made |= {name: getattr(config.task, name) for name in ("information", "tariff", "charges_per")}
    in_units = day_of(config.learner, here["n_observed"], cap=here["charge_cap"], n_coefficients=here["n_charges"]) is not None
    require_fit(f"the leader in {run.path}", carried_over(made, here) if in_units else made, here)
    return load_policy(
        best.files["policy.pt"],
        config.learner,
        environment.observer.size,
        cap=environment.charge_cap,
        n_coefficients=n_charges(task),
        price_level=environment.community.price_level,
    )


def facts_of(task: GameSpec) -> dict[str, Any]:
    """Return the game a leader is to play, as :func:`~.made_for.require_fit` compares it with what it was trained for."""
    environment = environment_of(task)
    return {
        "n_observed": environment.observer.size,
        "n_charges": n_charges(task),
        "charge_cap": environment.charge_cap,
        "price_level": environment.community.price_level,
        **{name: getattr(task, name) for name in ("information", "tariff", "charges_per")},
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
    return Leader(str(facts.get("name", path.stem)), policy, int(facts.get("seed", seed)))


def _level_of(facts: Mapping[str, Any], environment: PricingEnv) -> float | None:
    """Return the price level that an ONNX file of before was made for, from the scales of its observations; None where they are not there.

    Fields of money are scaled by the level (:func:`~gridtoll.envs.games.observation.observer.in_money_of`), those of this environment by
    its own.
    """
    written = {field["name"]: field["scale"] for field in facts.get("observation", [])}
    priced = [field for field in environment.observer.fields if field.unit.startswith("EUR") and field.name in written]
    return environment.community.price_level * written[priced[0].name] / priced[0].scale if priced else None


def find_best_constant(task: GameSpec, workers: Workers, *, seed: int) -> BestConstant:
    """Return the best constant charge over a seeded sample of ``N_SAMPLE`` training scenarios, found once and then kept in the cache.

    Raises:
        ValueError: If the community is held out: nothing is chosen there.
    """
    require_not_held_out(task, "the best constant charge")
    environment = environment_of(task)
    every = training_scenarios(task)
    picked = np.random.default_rng(seed).choice(len(every), min(N_SAMPLE, len(every)), replace=False)
    sample = [every[place] for place in sorted(picked)]
    key = {
        "community": environment.community.content_hash,
        "scenarios": [list(scenario) for scenario in sample],
        "tariff": [task.tariff, task.charges_per],
        "objective": task.objective,
        "flows": task.flows,
        "charge_cap": environment.charge_cap,
        "import_fee": task.import_fee,
    }
    kept = stored("best-constant", key)
    if kept is not None:
        return BestConstant(np.array(kept["charges"]), kept["mean_profit_eur"], kept["evaluations"])
    see_to_machine_code()
    with progress("best constant: charges tried", None, quiet=workers.quiet, leave=False) as bar:

        def mean_profit(charges: NDArray[np.float64]) -> float:
            bar.update()
            return mean_objective(task, sample, charges, workers)

        found = best_constant(mean_profit, environment.charge_cap, n_charges(task))
    store(
        "best-constant",
        key,
        {"charges": found.charges.tolist(), "mean_profit_eur": found.mean_profit_eur, "evaluations": found.evaluations},
    )
    return found


def mean_objective(
    task: GameSpec, scenarios: Sequence[Scenario], charges: NDArray[np.float64], workers: Workers, label: str | None = None
) -> float:
    """Return the mean reward in EUR of the same charges on every scenario."""
    episodes = [Episode(task, scenario, tuple(charges.tolist())) for scenario in scenarios]
    return float(np.mean([outcome.objective_eur for outcome in workers.map(play, episodes, label)]))


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


def _optimum(task: GameSpec, scenarios: Sequence[Scenario], workers: Workers) -> OptimumPolicy:
    """Return the clairvoyant, its optima found beforehand."""
    environment = environment_of(task)
    optima: dict[str, Optimum] = {}
    for scenario, reference in zip(scenarios, references(task, scenarios, workers), strict=True):
        optima[environment.day_of(scenario).label] = reference.optimum

    def solve(day: Day) -> Optimum:
        return optima[day.label]

    return OptimumPolicy(lambda: environment.day, solve)
