"""The file that says what is compared.

A plan in full, in TOML::

    communities = ["simbench-rural"]     # names or folders
    information = ["public", "full"]     # what leaders observe
    seeds = 10                           # 0 to 9; or a list
    steps = 4000                         # budget of training days each algorithm is given
    validation_days = 28                 # of each validation; all if absent
    test_days = 112                      # spread over the split; all if absent

    # proved_days = 16                   # of the hourly game: of these, those whose optimum is proved; all if absent
    # longer_plans = 4000                # on these days, where several have stores: plans of a longer search for the best sequence

    # Or communities with classes of their own, as a table after all lines above, in place of the first two:
    # [communities]
    # simbench-rural = ["public", "full"]
    # "my/folder" = ["public"]
    # ieee9 = { public = 10, full = 5 }  # with the first so many of the seeds

    [game]                               # optional: other arguments of the game
    tariff = "distance"
    # env = "hourly"

    [effort]                             # optional, of the hourly game: how hard best sequences are searched for
    plans = 1500
    seconds = 60                         # with one store: of the proof, with the default plans

    [algorithms.sac]                     # a name of your choice, that of an algorithm unless the table says which it is

    [algorithms.sac-slow]
    algorithm = "sac"
    steps = 16000                        # a budget of its own
    only = ["simbench-rural"]            # run in these of the communities
    learning_rate = 1e-4                 # settings of the algorithm
    full = { hidden = [256, 256] }       # other settings in one information class

    [algorithms.tuned]
    algorithm = "sac"
    tuned = "runs/tune-sac/tuned.toml"   # settings found by `gridtoll tune`; those stated beside them go before

    [algorithms.mine]
    algorithm = "leaders:MeanOptimum"    # module:Class
    days = 30
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, cast, get_args

from ...envs.community.sources import COMMUNITY_NAMES, HELD_OUT_COMMUNITIES
from ...envs.community.sources.place import folder_of
from ...envs.errors import unknown_name
from ...envs.games.observation.observer import Information
from ...envs.games.spec import GameName, GameSpec
from ...envs.written import decoded, not_finite
from ..learning.algorithms import CLAIRVOYANTS, make_algorithm, require_budget, require_game
from ..references.hours import SearchEffort
from .cells import community_name
from .plan import Plan, PlannedAlgorithm, Settings
from .tuned import file_or_shipped, tuned_settings

INFORMATION: Final[tuple[str, ...]] = get_args(Information)
SHIPPED: Final = Path(__file__).resolve().parent / "plans"
"""Folder of the plans that come with gridtoll."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_KEYS: Final = (
    "communities",
    "information",
    "seeds",
    "steps",
    "validation_days",
    "test_days",
    "proved_days",
    "longer_plans",
    "game",
    "effort",
    "algorithms",
)
_GAME: Final = tuple(
    field.name for field in fields(GameSpec) if field.name not in {"community", "information", "days"}
)  # days are scored one by one
_RESERVED: Final = ("algorithm", "steps", "tuned", "only", *INFORMATION)


def find_plan(text: str) -> Path:
    """Return the file of a plan: a path, or the name of one that comes with gridtoll.

    Raises:
        ValueError: If there is no such file.
    """
    shipped = {path.stem: path for path in SHIPPED.glob("*.toml")}
    return file_or_shipped(text, shipped, "a plan", "a TOML file")


def read_plan(content: bytes, *, source: str, place: Path | None = None) -> Plan:
    """Return the plan that a TOML file holds.

    Args:
        content: Of the file.
        source: What errors call it.
        place: Folder in which modules of the user's own algorithms are looked for; the current one if absent.

    Raises:
        ValueError: If it is not TOML, or anything in it cannot be; all such entries are named.
    """
    try:
        given = tomllib.loads(decoded(content))
    except ValueError as error:  # tomllib's own is one
        raise ValueError(f"a plan must be a TOML file, got {source}: {str(error).removesuffix('.')}.") from None
    reader = _Reader(place)
    plan = reader.plan(given)
    if reader.problems:
        raise ValueError(f"a plan must hold what `gridtoll compare --help` says, but in {source}:\n" + "\n".join(reader.problems))
    return plan


class _Reader:
    """Reads a plan, and collects what is wrong with it; where something is, what stands for it is never used."""

    def __init__(self, place: Path | None) -> None:
        self.problems: list[str] = []
        self._place = place

    def plan(self, given: Mapping[str, Any]) -> Plan:
        """Return the plan that was given, as far as it can be understood."""
        self._known("a key of the plan", given, _KEYS)
        self.problems += [f"- numbers must be finite, got {entry}" for entry in not_finite(given)]
        games = self._games(given)
        steps = self._count("steps", given.get("steps", 4000))
        game = given.get("game", {})
        self._known("a key of [game]", game, _GAME)
        tables = given.get("algorithms", {})
        if not isinstance(tables, dict) or not tables:
            self.problems.append("- there must be at least one table [algorithms.NAME]")
            tables = {}
        seeds = self._seeds(given.get("seeds", 10))
        plan = Plan(
            games=games,
            seeds=seeds,
            fewer=self._fewer(given.get("communities"), len(seeds)),
            validation_days=None if "validation_days" not in given else self._count("validation_days", given["validation_days"]),
            test_days=None if "test_days" not in given else self._count("test_days", given["test_days"]),
            proved_days=None if "proved_days" not in given else self._proved(given["proved_days"], game),
            longer_plans=None if "longer_plans" not in given else self._longer(given),
            game=tuple(game.items()) if isinstance(game, dict) else (),
            effort=self._effort(given["effort"], game) if "effort" in given else None,
            algorithms=tuple(self._entry(name, table, steps) for name, table in tables.items()),
        )
        for entry in plan.algorithms:
            unknown = sorted(set(entry.only) - {community for community, _ in games})
            if unknown:
                self.problems.append(f"- algorithms.{entry.name}.only must name communities of the plan, got {', '.join(unknown)}")
            env: GameName = "hourly" if ("env", "hourly") in plan.game else "day-ahead"
            self._algorithm(entry, dict.fromkeys(information for _, information in plan.games), env)
        return plan

    def _proved(self, value: Any, game: Any) -> int:
        """Return how many of the test days are to be proved."""
        if not isinstance(game, dict) or game.get("env") != "hourly":
            self.problems.append(
                '- `proved_days` must stand beside `env = "hourly"` in [game]: the day-ahead game proves all. Leave it out'
            )
        return self._count("proved_days", value)

    def _longer(self, given: Mapping[str, Any]) -> int:
        """Return how many plans a longer search may clear."""
        if "proved_days" not in given:
            self.problems.append("- `longer_plans` must stand beside `proved_days`, which says on how many days. State both, or neither")
        return self._count("longer_plans", given["longer_plans"])

    def _effort(self, table: Any, game: Any) -> SearchEffort | None:
        """Return how hard best sequences are searched for."""
        self._known("a key of [effort]", table, [field.name for field in fields(SearchEffort)])
        if not isinstance(game, dict) or game.get("env") != "hourly":
            self.problems.append('- [effort] must stand beside `env = "hourly"` in [game]: the day-ahead game needs none. Leave it out')
        try:
            return SearchEffort(**table)
        except (TypeError, ValueError) as error:
            self.problems.append(f"- [effort] must hold numbers that a search can have, got {table!r}: {error}")
            return None

    def _games(self, given: Mapping[str, Any]) -> tuple[tuple[str, Information], ...]:
        """Return every community with every class that is played there."""
        communities = given.get("communities")
        if isinstance(communities, dict) and communities:
            if "information" in given:
                self.problems.append("- `information` must not stand beside a table [communities], which states it for each of them")
            classes = {
                name: self._classes(f"communities.{name}", list(value) if isinstance(value, dict) else value)
                for name, value in communities.items()
            }
        else:
            everywhere = self._classes("information", given.get("information", ["public"]))
            classes = dict.fromkeys(self._names("communities", communities), everywhere)
        for name in classes:
            try:
                folder = folder_of(name, COMMUNITY_NAMES)
            except ValueError as error:
                self._complain(error)
                continue
            if folder is None and name in HELD_OUT_COMMUNITIES:
                self.problems.append(f"- communities must not be held out, as {name} is; see `gridtoll evaluate --held-out`")
        self._different("communities (the last part of their paths)", [community_name(name) for name in classes])
        return tuple((name, cast(Information, information)) for name, found in classes.items() for information in found)

    def _fewer(self, communities: Any, n_seeds: int) -> tuple[tuple[str, Information, int], ...]:
        """Return the communities and classes that say with how many of the seeds they are run."""
        tables = {name: value for name, value in communities.items() if isinstance(value, dict)} if isinstance(communities, dict) else {}
        found = []
        for name, table in tables.items():
            for information, value in table.items():
                count = self._count(f"communities.{name}.{information}", value)
                if count > n_seeds > 0:
                    self.problems.append(f"- `communities.{name}.{information}` must be at most {n_seeds}, as many as `seeds`, got {count}")
                found.append((name, cast(Information, information), count))
        return tuple(found)

    def _classes(self, key: str, value: Any) -> tuple[str, ...]:
        names = self._names(key, value)
        for name in names:
            self._choice("an information class", name, INFORMATION)
        return names

    def _entry(self, name: str, table: Any, steps: int) -> PlannedAlgorithm:
        if not _NAME.fullmatch(name):
            self.problems.append(f"- the name of an algorithm becomes that of a folder: letters, digits and ._+- only, got {name!r}")
        if not isinstance(table, dict):
            self.problems.append(f"- algorithms.{name} must be a table [algorithms.{name}], got {table!r}")
            return PlannedAlgorithm(name, name, steps)
        special = {key: table[key] for key in INFORMATION if key in table}
        for key, value in special.items():
            self._special(f"algorithms.{name}", key, value)
        algorithm = str(table.get("algorithm", name))
        return PlannedAlgorithm(
            name,
            algorithm=algorithm,
            steps=self._count(f"algorithms.{name}.steps", table["steps"]) if "steps" in table else steps,
            settings=self._settings(name, algorithm, table),
            special=tuple((key, self._settings(name, algorithm, value)) for key, value in special.items() if isinstance(value, dict)),
            only=self._names(f"algorithms.{name}.only", table["only"]) if "only" in table else (),
        )

    def _special(self, entry: str, information: str, value: Any) -> None:
        """Check the table of an information class: it holds settings, and what is none of them would stand there without effect."""
        if not isinstance(value, dict):
            self.problems.append(f"- {entry}.{information} must be a table of settings, got {value!r}")
            return
        for key in value:
            if key in _RESERVED and key != "tuned":
                self.problems.append(f"- {entry}.{information} must hold settings or `tuned`, got `{key}`. Move it to [{entry}] itself")

    def _settings(self, name: str, algorithm: str, table: Mapping[str, Any]) -> Settings:
        """Return the settings that a table states, those of a tuned file included."""
        found: dict[str, Any] = {}
        if "tuned" in table:
            try:
                found = tuned_settings(str(table["tuned"]), algorithm)
            except ValueError as error:
                self.problems.append(f"- algorithms.{name}: {error}")
        return _frozen({**found, **{key: value for key, value in table.items() if key not in _RESERVED}})

    def _algorithm(self, entry: PlannedAlgorithm, classes: Iterable[str], env: GameName) -> None:
        """Make the algorithm once for each information class, to see whether it can be."""
        found: list[str] = []
        for information in classes:
            settings = entry.settings_in(information)
            try:
                require_game(entry.algorithm, env)
                if entry.algorithm not in CLAIRVOYANTS:
                    make_algorithm(entry.algorithm, settings, place=self._place, env=env)
                    require_budget(entry.algorithm, settings, entry.steps, env=env)
                elif settings:
                    raise ValueError(f"the optimum has no settings, got {', '.join(settings)}")
            except ValueError as error:
                found.append(f"- algorithms.{entry.name}: {error}")
        self.problems += dict.fromkeys(found)

    def _names(self, key: str, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not value or not all(isinstance(name, str) and name for name in value):
            self.problems.append(f"- `{key}` must be a list of names, got {value!r}")
            return ()
        self._different(key, value)
        return tuple(value)

    def _seeds(self, value: Any) -> tuple[int, ...]:
        if type(value) is int and value >= 1:
            return tuple(range(value))
        if isinstance(value, list) and value and all(type(seed) is int and seed >= 0 for seed in value):
            self._different("seeds", value)
            return tuple(value)
        self.problems.append(f"- `seeds` must be how many there are, at least 1, or a list of whole numbers from 0, got {value!r}")
        return ()

    def _count(self, key: str, value: Any) -> int:
        if type(value) is not int or value < 1:
            self.problems.append(f"- `{key}` must be a whole number of at least 1, got {value!r}")
            return 1
        return value

    def _different(self, key: str, values: Sequence[Any]) -> None:
        twice = sorted({str(value) for value in values if values.count(value) > 1})
        if twice:
            self.problems.append(f"- {key} must be different from each other, got {', '.join(twice)} more than once")

    def _known(self, kind: str, given: Any, known: Sequence[str]) -> None:
        if not isinstance(given, dict):
            self.problems.append(f"- {kind} must stand in a table, got {given!r}")
            return
        for key in given:
            self._choice(kind, key, known)

    def _choice(self, kind: str, value: str, known: Sequence[str]) -> None:
        if value not in known:
            self._complain(unknown_name(kind, value, known))

    def _complain(self, error: ValueError) -> None:
        self.problems.append(f"- {error}")


def _frozen(settings: Mapping[str, Any]) -> Settings:
    """Return settings in a form that nothing can change."""
    return tuple((key, tuple(value) if isinstance(value, list) else value) for key, value in settings.items())
