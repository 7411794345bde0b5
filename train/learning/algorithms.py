"""Algorithms by name, as plans call them, or as ``module:Class`` where they are the user's own.

An algorithm is a frozen dataclass with its settings as fields and one method, ``learn``; :mod:`gridtoll.agents.practice` has a whole one in
ten lines. The named leaders that learn nothing are algorithms as well, so that every row of a comparison comes about in the same way. One
is not: the optimum looks at the very days it is scored on, which practice shows to nobody (:func:`foresee`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol, cast

from ...agents.learned.settings import LEARNER_NAMES as _LEARNERS
from ...agents.learned.settings import SBX_ALGORITHMS, LearnerSettings, default_settings
from ...agents.policy import Policy
from ...envs.community.calendar import Scenario
from ...envs.errors import unknown_name
from ...envs.games.spec import GameName, GameSpec
from ..ground.config import DEFAULT_TRAININGS
from ..ground.playing import Leaders
from ..references.ends import references
from ..references.hours import SearchEffort
from ..scoring.leaders import PLANNED_NETWORKS, make_leader
from ..task import exact_response_of
from ..workers import Workers
from .practice import LearningCost, TaskPractice
from .trained import StableBaselines

OPTIMUM: Final = "optimum"
"""The clairvoyant: solved to proof on each day it is scored on. It learns nothing and has no settings."""

_OWN: Final = {
    "supervised": "...agents.curves.supervised:Supervised",
    "first-order": "...agents.curves.first_order:FirstOrder",
    "response": "...agents.curves.response:ResponseLearner",
    "unrolled": "...agents.learned.unrolled:Unrolled",
    "constant-search": "...agents.fixed.constant_search:ConstantSearch",
    "zero": ".named:Zero",
    "random": ".named:Random",
    "prescriptive": "...agents.planning.prescriptive:Prescriptive",
    "prescriptive-neighbours": "...agents.planning.prescriptive:Prescriptive",
    "prescriptive-kernel": "...agents.planning.prescriptive:Prescriptive",
    "blended": "...agents.planning.blended:Blended",
    "certainty-equivalent": "...agents.planning.foretold:CertaintyEquivalent",
    "scenario": "...agents.planning.foretold:ScenarioSample",
    "best-constant": ".named:BestConstantCharge",
    "grid-constant": ".named:GridConstantCharge",
    "best-schedule": ".named:BestScheduleCharges",
}
_NAMED: Final[dict[str, dict[str, Any]]] = {
    "prescriptive-neighbours": {"weights": "neighbours"},
    "prescriptive-kernel": {"weights": "kernel"},
}
"""Settings that the name of an algorithm says, and that it cannot be given."""
_PACKAGES: Final = {
    "tqc": ("sb3_contrib",),
    "crossq": ("sb3_contrib",),
    "recurrent-ppo": ("sb3_contrib",),
    "constant-search": ("optuna",),
    "prescriptive": ("sklearn",),
    **dict.fromkeys(SBX_ALGORITHMS, ("sbx",)),
}
_NETWORKS: Final = ("supervised", "first-order", "response", "unrolled", *PLANNED_NETWORKS)
_ASK_THE_RESPONSE: Final = (
    "supervised",
    "first-order",
    "unrolled",
    *PLANNED_NETWORKS,
    "blended",
    "certainty-equivalent",
    "scenario",
    "best-constant",
)
"""Those that need to know the market's response exactly: optima, gradients or profit curves of days."""
BEST_FOUND: Final = "best-found"
"""The clairvoyant of games whose optimum is not always proved: the best charges found on each day it is scored on."""
DAY_AHEAD: Final = "day-ahead"
"""The clairvoyant of the hourly game that repeats, in every hour, the one charge that is best for each day it is scored on."""
_HOURLY_ALONE: Final = ("unrolled", "best-schedule", DAY_AHEAD)
CLAIRVOYANTS: Final = (OPTIMUM, BEST_FOUND, DAY_AHEAD)
ALGORITHMS: Final = (*_LEARNERS, *_OWN, *CLAIRVOYANTS)
"""Every algorithm known by name; anything else is ``module:Class``."""


class TaskAlgorithm(Protocol):
    """An algorithm as this package calls it; every :class:`~gridtoll.agents.practice.Algorithm` is one."""

    def learn(self, practice: TaskPractice) -> Policy:
        """Return the leader it arrives at."""
        ...


def make_algorithm(
    name: str, settings: Mapping[str, Any], *, place: str | Path | None = None, env: GameName = "day-ahead"
) -> TaskAlgorithm:
    """Return an algorithm with its settings.

    Args:
        name: One of :data:`ALGORITHMS` but the optimum, or ``module:Class``.
        settings: Fields by name; lists stand for tuples, and what is left out has the algorithm's own default.
        place: Folder in which a module is looked for after all others; the current one if absent.
        env: The game, whose defaults hold for what a learner of stable-baselines3 is not given.

    Raises:
        ValueError: If there is no such algorithm, it has no such setting, or a setting cannot be.
    """
    given = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    if name in _LEARNERS:
        return _stable_baselines(name, given, env)
    if name in CLAIRVOYANTS:
        raise ValueError("the optimum does not learn: it is found on each day it is scored on.")
    kind = _class(_OWN.get(name, name), name, Path.cwd() if place is None else Path(place))
    said = _NAMED.get(name, {})
    _require_known(
        name, given, [entry.name for entry in fields(kind) if entry.init and entry.name not in said] if is_dataclass(kind) else []
    )
    try:
        algorithm: TaskAlgorithm = kind(**given, **said)
    except (TypeError, ValueError) as error:
        raise ValueError(f"algorithm {name!r} cannot have the settings {given}: {error}") from error
    return algorithm


def settings_of(algorithm: TaskAlgorithm) -> dict[str, Any]:
    """Return every setting of an algorithm by name, defaults included; none for a class that is no dataclass."""
    values: dict[str, Any] = asdict(cast(Any, algorithm)) if is_dataclass(type(algorithm)) else {}
    learner = values.pop("learner", {})
    return {key: value for key, value in {**values, **learner}.items() if key != "algorithm"}


def require_game(name: str, env: GameName) -> None:
    """Refuse an algorithm of the hourly game in another one, before anything is begun.

    Raises:
        ValueError: If it is.
    """
    if name in _HOURLY_ALONE and env != "hourly":
        raise ValueError(f'{name} must lead from hour to hour, with `env = "hourly"` in [game], got the {env} game. Leave it out')


def require_response(name: str, task: GameSpec) -> None:
    """Refuse an algorithm that needs the market's exact response in a game without one, before anything is begun.

    Raises:
        ValueError: If it does and there is none.
    """
    if name in _ASK_THE_RESPONSE:
        exact_response_of(task)


def require_budget(name: str, settings: Mapping[str, Any], steps: int, *, env: GameName = "day-ahead") -> None:
    """Refuse a budget that an algorithm could only fail with, before anything is begun.

    Raises:
        ValueError: If it is too small.
    """
    if name in _LEARNERS:
        replace(DEFAULT_TRAININGS[env], learner=_stable_baselines(name, dict(settings), env).learner, steps=steps)


def packages_of(name: str) -> tuple[str, ...]:
    """Return the modules beyond the package's own dependencies that an algorithm imports when it learns; none are known of a user's own."""
    return _PACKAGES.get(name, ())


def draws_nothing(name: str, settings: Mapping[str, Any], information: str) -> bool:
    """Return whether an algorithm of this package leads alike with every seed, because nothing of it is drawn at random."""
    if name in CLAIRVOYANTS:
        return True
    match name:
        case "zero" | "certainty-equivalent" | "blended" | "prescriptive-neighbours" | "prescriptive-kernel":
            return True
        case "best-constant":
            return not settings.get("days")
        case "prescriptive":
            return str(settings.get("weights", "forest")) != "forest"
        case "scenario":
            return information == "full"
    return False


def has_memory(name: str) -> bool:
    """Return whether an algorithm of this package charges by what it remembers of the day as well."""
    return name in _LEARNERS and LearnerSettings(algorithm=name).has_memory


def is_network(name: str) -> bool:
    """Return whether what an algorithm of this package learns is a network, which can be kept as ONNX; one with a memory cannot."""
    return (name in _LEARNERS and not has_memory(name)) or name in _NETWORKS


def _class(reference: str, name: str, place: Path) -> Any:
    """Return the class that ``module:Class`` stands for; the package's own modules begin with a dot."""
    module, colon, attribute = reference.partition(":")
    if not (module and colon and attribute):
        raise unknown_name("an algorithm (or `module:Class`)", name, ALGORITHMS)
    if not module.startswith("."):
        _look_in(place)
    try:
        found = import_module(module, __package__)
    except ImportError as error:
        raise ValueError(
            f"algorithm {name!r} must stand in a module that can be imported, from {place} or an installed package, but {error}."
        ) from error
    if not module.startswith("."):
        _require_one_module(module, found.__file__, name, place)
    kind = getattr(found, attribute, None)
    if not isinstance(kind, type):
        classes = sorted(key for key, value in vars(found).items() if isinstance(value, type) and callable(getattr(value, "learn", None)))
        raise unknown_name(f"the class of algorithm {name!r}", attribute, classes)
    if not callable(getattr(kind, "learn", None)):
        raise ValueError(
            f"algorithm {name!r} must have a method `learn(practice)` that returns a policy, and {attribute} has none. See "
            "gridtoll.agents.practice for an example."
        )
    return kind


def _look_in(place: Path) -> None:
    """Let modules of a folder be imported, but not in the place of others of the same name."""
    folder = os.fspath(place.resolve())
    if folder not in sys.path:
        sys.path.append(folder)


def _require_one_module(module: str, imported: str | None, name: str, place: Path) -> None:
    """Refuse a module of the user's folder that another one of the same name, installed or imported before, has taken the place of."""
    stem = place.joinpath(*module.split("."))
    own = next((file for file in (stem.with_suffix(".py"), stem / "__init__.py") if file.is_file()), None)
    if own is not None and (imported is None or own.read_bytes() != Path(imported).read_bytes()):
        raise ValueError(
            f"algorithm {name!r} must stand in a module of one meaning, but {module!r} is both {own} and another module, imported from "
            f"{imported or 'Python itself'}. Give yours a name of its own."
        )


def _require_known(name: str, given: Mapping[str, Any], known: Sequence[str]) -> None:
    for key in given:
        if not known:
            raise ValueError(f"algorithm {name!r} has no settings, got `{key}`. Settings are the fields of a dataclass.")
        if key not in known:
            raise unknown_name(f"a setting of algorithm {name!r}", key, known)


def _stable_baselines(name: str, given: Mapping[str, Any], env: GameName) -> StableBaselines:
    """Return a learner, what is left out as its defaults have it."""
    own = {entry.name for entry in fields(StableBaselines)} - {"learner"}
    of_learner = {entry.name for entry in fields(LearnerSettings)} - {"algorithm"}
    _require_known(name, given, sorted(own | of_learner))
    default = DEFAULT_TRAININGS[env]
    numbers = {key: given.get(key, getattr(default, key)) for key in own}
    basis = default_settings(name, env)
    try:
        learner = replace(basis, **{key: value for key, value in given.items() if key in of_learner})
        replace(default, learner=replace(learner, warmup_days=1), **numbers)
        algorithm = StableBaselines(learner=learner, **numbers)
    except (TypeError, ValueError) as error:
        raise ValueError(f"algorithm {name!r} cannot have the settings {dict(given)}: {error}") from error
    return algorithm


def foresee(
    name: str, task: GameSpec, scenarios: Sequence[Scenario], workers: Workers, effort: SearchEffort | None = None
) -> tuple[Leaders, LearningCost]:
    """Return a clairvoyant of scenarios, and what finding its charges took; that is counted where they are stored already as well.

    Args:
        name: One of :data:`CLAIRVOYANTS`.
        task: The game.
        scenarios: What it plays.
        workers: Find what is not stored.
        effort: How hard best sequences of the hourly game are searched for.

    Raises:
        ValueError: If it is the optimum, and that is not proved.
        ClearingError: If a day could not be cleared.
    """
    found = references(task, scenarios, workers, effort)
    leader = make_leader(name, task, scenarios, workers, seed=0, effort=effort)
    return leader.on, LearningCost(clearings=sum(solved.clearings for solved in found), seconds=sum(solved.seconds for solved in found))
