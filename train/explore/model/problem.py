"""What is looked at: a day of a community under a tariff, with more or less storage; a value that pickles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, get_args

from ....envs.account.objective import ExactObjective
from ....envs.community.calendar import Scenario
from ....envs.community.community import Community
from ....envs.community.day import Day
from ....envs.community.sources import load_community
from ....envs.games.hourly import HourlyGame, make_hourly
from ....envs.games.setting import Setting, make_setting
from ....envs.games.spec import GameSpec
from ....envs.market.exact.compiled import StructuredMarket
from ....envs.market.mechanism import EXACT, Mechanism
from ....envs.market.solvers import choose_mechanism

MOST_STORAGE: Final = 3.0
"""How many times its storage a community may be given."""
_PROVED: Final = get_args(ExactObjective)
"""Objectives that optima are proved of."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A day to be priced.

    Attributes:
        spec: The day-ahead game.
        scenario: Which day, under which prices.
        storage: The power, capacity and stored energy of every battery, as a multiple of its own.

    Raises:
        ValueError: If the multiple is out of range.
    """

    spec: GameSpec
    scenario: Scenario
    storage: float = 1.0

    def __post_init__(self) -> None:
        """Check the multiple."""
        if not 0.0 <= self.storage <= MOST_STORAGE:
            raise ValueError(f"`storage` must be from 0 to {MOST_STORAGE:g} times the batteries there are, got {self.storage!r}.")

    @property
    def community(self) -> Community:
        """Whose day it is, with that storage."""
        return _community_of(self.spec.community, self.storage)

    @property
    def setting(self) -> Setting:
        """What the day-ahead game is played on."""
        return _setting_of(self.spec, self.storage)

    @property
    def day(self) -> Day:
        """The data of the day.

        Raises:
            ValueError: If there is no such day or price path.
        """
        return _day_of(self)

    @property
    def mechanism(self) -> Mechanism[Any]:
        """What clears it."""
        return mechanism_of(self.spec.mechanism)

    @property
    def is_exact(self) -> bool:
        """Whether something can be proved of its optimum: the exact market clears, flows are linear, and it is profit or welfare."""
        power_flow = self.setting.rules.power_flow
        is_linear = power_flow is None or power_flow.linear is not None
        return self.spec.mechanism == EXACT and is_linear and self.spec.objective in _PROVED

    @property
    def hourly(self) -> HourlyGame:
        """The hourly game of the day: prosumers take each charge as standing."""
        return _hourly_of(self.spec, self.storage)


@lru_cache(maxsize=1)
def exact_market() -> StructuredMarket:
    """Return the exact market of this process, one day at a time."""
    return StructuredMarket(threads=1)


@lru_cache(maxsize=8)
def mechanism_of(name: str) -> Mechanism[Any]:
    """Return what clears, by name."""
    return exact_market() if name == EXACT else choose_mechanism(name, None, default="structured")


@lru_cache(maxsize=2)
def _loaded(name: str) -> Community:
    return load_community(name)


@lru_cache(maxsize=8)
def _community_of(name: str, storage: float) -> Community:
    found = _loaded(name)
    if storage == 1.0:
        return found
    scaled = {each: storage * getattr(found, each) for each in ("storage_power", "storage_capacity", "storage_start")}
    return replace(found, **scaled)


@lru_cache(maxsize=32)
def _setting_of(spec: GameSpec, storage: float) -> Setting:
    return make_setting(spec, split="train", community=_community_of(spec.community, storage))


@lru_cache(maxsize=8)
def _day_of(problem: Problem) -> Day:
    return problem.setting.day_of(problem.scenario)


@lru_cache(maxsize=8)
def _hourly_of(spec: GameSpec, storage: float) -> HourlyGame:
    hourly = spec.changed(env="hourly")
    return make_hourly(make_setting(hourly, split="train", community=_community_of(spec.community, storage)))
