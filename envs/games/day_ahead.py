"""The day-ahead game beneath its environments: which days there are, what may be charged, and what `reset` fixes.

The single environment and the batched one are both thin adapters over it, so that a row of the batch cannot differ from the environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ..account.objective import Objective, check_objective
from ..account.settlement import Flows, check_flows
from ..account.tariff import Period, Tariff, make_tariff
from ..arrays import IntArray
from ..community.calendar import Scenario, Split, split_days
from ..community.community import Community
from ..community.day import Array, Day
from ..community.sources import load_community
from ..errors import unknown_name
from .observation.observer import BOUND, Information, Observer, make_observer
from .transition import Rules

RESET_OPTIONS: Final = ("day", "price_path")
CACHE_BYTES: Final = 256 * 2**20
"""Most memory the episodes kept by :class:`Episodes` may take. All 792 of the default community's training scenarios take 12 MB."""

Observation = NDArray[np.float32]


class Episode(NamedTuple):
    """What `reset` fixes; nobody writes into it."""

    scenario: Scenario
    day: Day
    observation: Observation
    info: Mapping[str, Any]


@dataclass(frozen=True, eq=False, kw_only=True)
class Game:
    """The game an environment plays; build it with :func:`make_game`.

    Attributes:
        community: Whose days are played.
        tariff: What is charged.
        days: Days of the split, in rising order.
        objective: What the leader is rewarded with.
        flows: Which flows the operator answers for.
        charge_cap: Greatest coefficient in EUR/kWh.
        import_fee: EUR/kWh, None for the community's.
        observer: What the leader sees.
    """

    community: Community
    tariff: Tariff
    days: IntArray
    objective: Objective
    flows: Flows
    charge_cap: float
    import_fee: float | None
    observer: Observer

    def action_space(self) -> spaces.Box:
        """Return a new space of the charges of a day."""
        n_coefficients = self.tariff.n_coefficients(self.community.n_periods)
        return spaces.Box(0.0, self.charge_cap, (n_coefficients,), np.float32)

    def observation_space(self) -> spaces.Box:
        """Return a new space of observations."""
        return spaces.Box(-BOUND, BOUND, (self.observer.size,), np.float32)

    @property
    def rules(self) -> Rules:
        """What the game's money depends on beside the day and the charges."""
        return Rules(network=self.community.network, basis=self.tariff.basis, flows=self.flows, objective=self.objective)

    def day_of(self, scenario: Scenario) -> Day:
        """Return the data of a scenario, with the import fee of the game.

        Raises:
            ValueError: If there is no such day or price path.
        """
        day = self.community.day(scenario.day, price_path=scenario.price_path)
        return day if self.import_fee is None else replace(day, import_fee=self.import_fee)

    def episode(self, scenario: Scenario) -> Episode:
        """Return what a scenario fixes.

        Raises:
            ValueError: If there is no such day or price path.
        """
        day = self.day_of(scenario)
        info = scenario._asdict() | {"date": self.community.date(scenario.day).isoformat()}
        return Episode(scenario, day, self.observer.observe(scenario, day), info)

    def draw(self, random: np.random.Generator, *, price_path: int | None = None) -> Scenario:
        """Return a scenario with a day of the split and a price path, each drawn uniformly, or that price path."""
        path = int(random.integers(self.community.n_price_paths)) if price_path is None else price_path
        return Scenario(int(self.days[random.integers(len(self.days))]), path)

    def pick(self, random: np.random.Generator, options: Mapping[str, Any]) -> Scenario:
        """Return the scenario that `reset` was told, drawing what is left open.

        Raises:
            ValueError: If an option is unknown, or there is no such day or price path.
        """
        unknown = sorted(set(options) - set(RESET_OPTIONS))
        if unknown:
            raise unknown_name("an option of `reset`", unknown[0], RESET_OPTIONS)
        told = {"day": (options.get("day"), self.community.n_days), "price_path": (options.get("price_path"), self.community.n_price_paths)}
        for name, (value, count) in told.items():
            whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
            if value is not None and not (whole and 0 <= value < count):
                raise ValueError(f"option `{name}` of `reset` must be a whole number from 0 to {count - 1}, got {value!r}.")
        day, price_path = (None if value is None else int(value) for value, _ in told.values())
        if day is None:
            return self.draw(random, price_path=price_path)
        return Scenario(day, price_path or 0)

    def replay(self, scenario: Scenario, coefficients: Array, seed: int | None) -> str:
        """Say how to play a day once more, for an error's message."""
        return (
            f"In the environment: community {self.community.name!r}, {self.tariff.kind} tariff per {self.tariff.per}, "
            f"reset(options={scenario._asdict()}), step({self.tariff.action(coefficients).tolist()}); seed {seed}."
        )


def make_game(
    community: str | Path | Community,
    *,
    tariff: str,
    charges_per: Period,
    split: Split,
    objective: Objective,
    information: Information,
    flows: Flows,
    charge_cap: float | None,
    import_fee: float | None,
) -> Game:
    """Return the game that the arguments of an environment say.

    Raises:
        ValueError: If a name is unknown, a number out of range, or a community's data not valid.
    """
    whose = community if isinstance(community, Community) else load_community(community)
    return Game(
        community=whose,
        tariff=make_tariff(tariff, whose.network, charges_per),
        days=split_days(split, whose.n_days),
        objective=check_objective(objective),
        flows=check_flows(flows),
        charge_cap=_finite("charge_cap", whose.charge_cap if charge_cap is None else charge_cap, above=True),
        import_fee=None if import_fee is None else _finite("import_fee", import_fee, above=False),
        observer=make_observer(information, whose),
    )


class Episodes:
    """The episodes of a game, kept for when their scenario comes up again; those used longest ago go first when memory runs out.

    Preparing an episode takes about as long as clearing it: its day is validated, and its observation matches pairs. Arrays that are the
    same on all days are shared between the days kept.

    Args:
        game: Whose episodes.
        most_bytes: Most memory they may take; the last one is always kept.
    """

    def __init__(self, game: Game, *, most_bytes: int = CACHE_BYTES) -> None:
        self._game, self._most_bytes = game, most_bytes
        self._kept: dict[Scenario, Episode] = {}  # the one used last stands last
        self._first: Day | None = None
        self.bytes_kept = 0

    def __reduce__(self) -> tuple[type[Episodes], tuple[Game]]:
        """Pickle and copy without what was kept: it can be prepared again."""
        return type(self), (self._game,)

    def __len__(self) -> int:
        """Return how many episodes are kept."""
        return len(self._kept)

    def of(self, scenario: Scenario) -> Episode:
        """Return the episode of a scenario."""
        episode = self._kept.pop(scenario, None)
        if episode is None:
            episode = self._prepared(scenario)
            self.bytes_kept += self._bytes(episode)
            while self._kept and self.bytes_kept > self._most_bytes:
                self.bytes_kept -= self._bytes(self._kept.pop(next(iter(self._kept))))
        self._kept[scenario] = episode
        return episode

    def _prepared(self, scenario: Scenario) -> Episode:
        episode = self._game.episode(scenario)
        if self._first is None:
            self._first = episode.day
        same = {
            name: value
            for name, value in self._first.arrays().items()
            if isinstance(value, np.ndarray) and value.tobytes() == getattr(episode.day, name).tobytes()  # −0 is not 0 here
        }
        return episode._replace(day=replace(episode.day, **same))  # type: ignore[arg-type]

    def _bytes(self, episode: Episode) -> int:
        """Return what an episode takes beside the arrays of the first day."""
        arrays = (getattr(episode.day, field.name) for field in fields(Day))
        shared = {id(value) for value in self._first.arrays().values()} if self._first is not None else set()
        return episode.observation.nbytes + sum(a.nbytes for a in arrays if isinstance(a, np.ndarray) and id(a) not in shared)


def _finite(name: str, value: float, *, above: bool) -> float:
    """Return a number that must be finite and above 0, or at least 0."""
    if not np.isfinite(value) or value < 0 or (above and value == 0):
        raise ValueError(f"`{name}` must be a finite number {'> 0' if above else 'of at least 0'} in EUR/kWh, got {value!r}.")
    return float(value)
