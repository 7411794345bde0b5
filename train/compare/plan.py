"""What is compared: communities, information classes, seeds, budgets and algorithms, and the cells they come to (:mod:`.plan_file`)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from ...envs.games.observation.observer import Information
from ...envs.games.spec import GameSpec
from ..references.hours import SearchEffort
from .cells import Cell

Settings = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class PlannedAlgorithm:
    """One algorithm of a plan.

    Attributes:
        name: What rows and tables call it.
        algorithm: Which one it is, by name or as ``module:Class``.
        steps: Budget of training days it is given.
        settings: Of the algorithm, in every information class.
        special: Settings that replace or join these, by information class.
        only: Communities of the plan it is run in; all where there are none.
    """

    name: str
    algorithm: str
    steps: int
    settings: Settings = ()
    special: tuple[tuple[str, Settings], ...] = ()
    only: tuple[str, ...] = ()

    def settings_in(self, information: str) -> dict[str, Any]:
        """Return its settings in an information class."""
        return {**dict(self.settings), **dict(dict(self.special).get(information, ()))}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is compared.

    Attributes:
        games: Community, by name or folder, and what leaders observe there.
        seeds: Of the learning.
        proved_days: Of the test days of the hourly game, spread evenly over them, those whose optimum is proved where that can be; None for
            all.
        longer_plans: Of a longer search on each of these days with several stores, where nothing is proved to be optimal; None for none.
        fewer: Communities and classes that are run with the first seeds alone, each with how many.
        validation_days: Of each validation, None for all.
        test_days: On which leaders are scored, None for all.
        game: Other fields of the task.
        algorithms: What is compared.
        effort: How hard best sequences of the hourly game are searched for; None as usual.
    """

    games: tuple[tuple[str, Information], ...]
    seeds: tuple[int, ...]
    validation_days: int | None
    test_days: int | None
    game: Settings
    algorithms: tuple[PlannedAlgorithm, ...]
    effort: SearchEffort | None = None
    proved_days: int | None = None
    longer_plans: int | None = None
    fewer: tuple[tuple[str, Information, int], ...] = ()

    def tasks(self) -> list[GameSpec]:
        """Return every game that is played."""
        return [self._task(community, information) for community, information in self.games]

    @property
    def search(self) -> SearchEffort | None:
        """How hard best sequences are searched for on days whose optimum is not proved."""
        return self.effort if self.proved_days is None else replace(self.effort or SearchEffort(), seconds=0.0)

    def seeds_in(self, community: str, information: Information) -> tuple[int, ...]:
        """Return the seeds that a community and class are run with."""
        most = {(name, each): count for name, each, count in self.fewer}
        return self.seeds[: most.get((community, information), len(self.seeds))]

    def cells(self) -> list[Cell]:
        """Return every cell; seeds come outermost, so that a comparison cut short has all algorithms at the seeds it got to."""
        return [
            Cell(
                task=self._task(community, information),
                name=entry.name,
                algorithm=entry.algorithm,
                settings=tuple(entry.settings_in(information).items()),
                seed=seed,
                steps=entry.steps,
                validation_days=self.validation_days,
                test_days=self.test_days,
                effort=self.search,
            )
            for seed in self.seeds
            for community, information in self.games
            if seed in self.seeds_in(community, information)
            for entry in self.algorithms
            if not entry.only or community in entry.only
        ]

    def facts(self) -> dict[str, str]:
        """Return what defines the cells, one line of TOML each: those of a smaller plan are among those of one that extends it.

        How many days are proved, or searched longer, is no part of it: what leaders learn does not depend on it, and cells can be scored
        again.
        """
        facts = {f"communities.{community}.{information}": "true" for community, information in self.games}
        facts |= {f"seeds.{seed}": "true" for seed in self.seeds}
        for community, information, _ in self.fewer:  # each of its seeds, so that there may be more of them later
            facts |= {f"communities.{community}.{information}.{seed}": "true" for seed in self.seeds_in(community, information)}
        facts |= {"validation_days": _word(self.validation_days), "test_days": _word(self.test_days)}
        facts |= {f"game.{key}": _word(value) for key, value in self.game}
        facts |= {} if self.effort is None else {f"effort.{key}": _word(value) for key, value in asdict(self.effort).items()}
        for entry in self.algorithms:
            head = _head(entry.name)
            facts |= {f"{head}.algorithm": _word(entry.algorithm), f"{head}.steps": _word(entry.steps)}
            facts |= {f"{head}.only": _word(entry.only)} if entry.only else {}
            facts |= {f"{head}.{key}": _word(value) for key, value in entry.settings}
            facts |= {f"{head}.{name}.{key}": _word(value) for name, settings in entry.special for key, value in settings}
        return facts

    def _task(self, community: str, information: Information) -> GameSpec:
        return GameSpec(community=community, information=information, **dict(self.game))


def _head(name: str) -> str:
    """Return how the facts of an algorithm begin; a name with a dot stands in quotation marks, as in TOML."""
    return f"algorithms.{_word(name)}" if "." in name else f"algorithms.{name}"


def _word(value: Any) -> str:
    """Return a value as it would be written."""
    return "all" if value is None else str(list(value)) if isinstance(value, tuple) else repr(value)
