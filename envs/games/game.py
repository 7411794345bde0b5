"""What a game is to an environment: begin, play, observe, info. The day-ahead game is the one-step case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..community.calendar import Scenario
from ..community.day import Array, Day
from ..market.mechanism import Allocation, Mechanism
from .observation.fields import Field
from .setting import Setting
from .transition import Plays

Observation = NDArray[np.float32]


class GameState(Protocol):
    """Where an episode stands; a value, which nobody writes into."""

    @property
    def scenario(self) -> Scenario:
        """The day index and price path of the day at hand."""
        ...

    @property
    def day(self) -> Day:
        """The data of the day at hand as it comes."""
        ...

    @property
    def over(self) -> bool:
        """Whether the episode is over."""
        ...


class GameObserver(Protocol):
    """What a leader sees, and where a field lies in it."""

    @property
    def size(self) -> int:
        """How many numbers an observation has."""
        ...

    @property
    def fields(self) -> tuple[Field, ...]:
        """What it is made of, in the order of the numbers."""
        ...

    @property
    def layout(self) -> Mapping[str, slice]:
        """Where each field lies, by name."""
        ...

    def read(self, observation: NDArray[np.floating]) -> dict[str, Array]:
        """Return the values of an observation, shape (size,), by field, each of shape (numbers of the field,), in their units."""
        ...


S = TypeVar("S", bound=GameState)
A = TypeVar("A", bound=Allocation)


class Game(Protocol[S]):
    """A game of one or more steps."""

    @property
    def setting(self) -> Setting:
        """What it is played on."""
        ...

    @property
    def observer(self) -> GameObserver:
        """What the leader sees."""
        ...

    def begin(self, scenario: Scenario, *, before: S | None = None) -> S:
        """Return the first state of an episode.

        Args:
            scenario: The day and price path it begins with.
            before: Where the episode played before it ended, or was broken off, for prosumers who remember it; None where none was.

        Raises:
            ValueError: If there is no such day or price path.
        """
        ...

    def play(self, mechanism: Mechanism[A], states: Sequence[S], coefficients: Sequence[Array]) -> Plays[S, A]:
        """Play a step of R episodes, none of them over. What comes of one does not depend on the others.

        Args:
            mechanism: What clears.
            states: Where they stand.
            coefficients: γ in EUR/kWh as :meth:`.Setting.read` returns actions, R arrays of shape (T, K).

        Raises:
            ClearingError: If a day cannot be cleared; its ``number`` says which.
        """
        ...

    def observe(self, state: S) -> Observation:
        """Return what the leader sees, shape (size,), an array of its own."""
        ...

    def info(self, state: S, after: S | None = None) -> dict[str, Any]:
        """Return what `info` says of a state, or of the step that led from it to the one after."""
        ...

    def replay(self, state: S, coefficients: Array) -> str:
        """Say how to play a step once more at coefficients γ in EUR/kWh, shape (T, K), for an error's message."""
        ...
