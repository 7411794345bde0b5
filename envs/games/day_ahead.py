"""The day-ahead game beneath its environments: one charge, or one for each hour, posted the day before. An episode is one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, NamedTuple

import numpy as np

from ..community.calendar import Scenario
from ..community.day import Array, Day
from ..market.mechanism import Mechanism
from .game import A, Observation
from .observation.observer import Observer, make_observer
from .setting import Setting
from .transition import Plays, transitions

CACHE_BYTES: Final = 256 * 2**20
"""Most memory the episodes kept by :class:`Episodes` may take. All 792 of the default community's training scenarios take 12 MB."""


class Episode(NamedTuple):
    """A day with what the leader sees of it; nobody writes into it."""

    scenario: Scenario
    day: Day
    observation: Observation
    info: Mapping[str, Any]


class DayState(NamedTuple):
    """A day to be priced, or one that has been."""

    episode: Episode
    over: bool = False

    @property
    def scenario(self) -> Scenario:
        """The day index and price path."""
        return self.episode.scenario

    @property
    def day(self) -> Day:
        """The data of the day."""
        return self.episode.day


@dataclass(frozen=True, eq=False, kw_only=True)
class DayAheadGame:
    """The day-ahead game; build it with :func:`make_day_ahead`.

    Attributes:
        setting: What it is played on.
        observer: What the leader sees.
        episodes: Those prepared before.
    """

    setting: Setting
    observer: Observer
    episodes: Episodes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Make room for episodes."""
        object.__setattr__(self, "episodes", Episodes(self.setting, self.observer))

    def begin(self, scenario: Scenario, *, before: DayState | None = None) -> DayState:  # noqa: ARG002 - days are apart
        """Return the day to be priced; see :class:`.game.Game`."""
        return DayState(self.episodes.of(scenario))

    def play(self, mechanism: Mechanism[A], states: Sequence[DayState], coefficients: Sequence[Array]) -> Plays[DayState, A]:
        """Price R days; see :class:`.game.Game`."""
        tariff, days = self.setting.tariff, [state.episode.day for state in states]
        charges, charge = tariff.charges_of_many(coefficients), np.stack(list(map(tariff.action, coefficients)))
        played = transitions(self.setting.rules, mechanism, days, charges)
        priced = [DayState(state.episode, over=True) for state in states]
        return Plays(charge=charge, days=days, cleared=played.clearings, carried_out=played, states=priced)

    def observe(self, state: DayState) -> Observation:
        """Return what the leader sees of the day, shape (size,)."""
        return state.episode.observation.copy()  # whoever gets it may write into it

    def info(self, state: DayState, after: DayState | None = None) -> dict[str, Any]:  # noqa: ARG002 - a day stays what it is
        """Return what `info` says of the day."""
        return dict(state.episode.info)

    def replay(self, state: DayState, coefficients: Array) -> str:
        """Say how to play a day once more at coefficients γ in EUR/kWh, shape (T, K), for an error's message."""
        tariff = self.setting.tariff
        return (
            f"In the environment: community {self.setting.community.name!r}, {tariff.kind} tariff per {tariff.per}, "
            f"reset(options={state.scenario._asdict()}), step({tariff.action(coefficients).tolist()})"
        )


def make_day_ahead(setting: Setting) -> DayAheadGame:
    """Return the day-ahead game on a setting."""
    return DayAheadGame(
        setting=setting, observer=make_observer(setting.spec.information, setting.community, forecast=setting.spec.forecast)
    )


class Episodes:
    """The episodes of a game, kept for when their scenario comes up again; those used longest ago go first when memory runs out.

    Preparing an episode takes about as long as clearing it: its day is validated, and its observation matches pairs. Arrays that are the
    same on all days are shared between the days kept.

    Args:
        setting: Whose days.
        observer: What is seen of them.
        most_bytes: Most memory they may take; the last one is always kept.
    """

    def __init__(self, setting: Setting, observer: Observer, *, most_bytes: int = CACHE_BYTES) -> None:
        self._setting, self._observer, self._most_bytes = setting, observer, most_bytes
        self._kept: dict[Scenario, Episode] = {}  # the one used last stands last
        self._first: Day | None = None
        self.bytes_kept = 0

    def __reduce__(self) -> tuple[type[Episodes], tuple[Setting, Observer]]:
        """Pickle and copy without what was kept: it can be prepared again."""
        return type(self), (self._setting, self._observer)

    def __len__(self) -> int:
        """Return how many episodes are kept."""
        return len(self._kept)

    def of(self, scenario: Scenario) -> Episode:
        """Return the episode of a scenario.

        Raises:
            ValueError: If there is no such day or price path.
        """
        episode = self._kept.pop(scenario, None)
        if episode is None:
            episode = self._prepared(scenario)
            self.bytes_kept += self._bytes(episode)
            while self._kept and self.bytes_kept > self._most_bytes:
                self.bytes_kept -= self._bytes(self._kept.pop(next(iter(self._kept))))
        self._kept[scenario] = episode
        return episode

    def _prepared(self, scenario: Scenario) -> Episode:
        day = self._setting.day_of(scenario)
        observation = self._observer.observe(scenario, day)
        if self._first is None:
            self._first = day
        same = {
            name: value
            for name, value in self._first.arrays().items()
            if isinstance(value, np.ndarray) and value.tobytes() == getattr(day, name).tobytes()  # −0 is not 0 here
        }
        return Episode(scenario, replace(day, **same), observation, self._setting.info(scenario))  # type: ignore[arg-type]

    def _bytes(self, episode: Episode) -> int:
        """Return what an episode takes beside the arrays of the first day."""
        arrays = (getattr(episode.day, entry.name) for entry in fields(Day))
        shared = {id(value) for value in self._first.arrays().values()} if self._first is not None else set()
        return episode.observation.nbytes + sum(a.nbytes for a in arrays if isinstance(a, np.ndarray) and id(a) not in shared)
