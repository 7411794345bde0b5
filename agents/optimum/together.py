"""Searches that advance together: whatever each of them wants cleared next goes to the market in one call.

A search is a generator. It yields what is to be cleared, is sent the clearing, and returns its result. Alone or together, it cannot tell:
no day of a call influences another, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final, Generic, TypeVar

from ...envs.community.day import Array, Day
from ...envs.errors import ClearingError
from ...envs.market.exact import Clearing
from ...envs.market.mechanism import ExactResponse

R = TypeVar("R")
_AT_ONCE: Final = 16
_MOST_TRADES: Final = 400_000
"""Of all searches that advance together: each keeps some fifty responses, of three numbers a trade."""


@dataclass(frozen=True, eq=False)
class ToClear:
    """A day to be cleared.

    Attributes:
        day: Which.
        charges: τ in EUR/kWh, shape (N, N) or (T, N, N).
    """

    day: Day
    charges: Array


Search = Generator[ToClear, Clearing, R]
"""What yields days to be cleared, and returns a result."""
Failure = ClearingError | ValueError
"""What a search may raise without ending the others."""


def alone(search: Search[R], market: ExactResponse) -> R:
    """Return the result of one search, its days cleared one by one.

    Args:
        search: The search.
        market: What clears.

    Raises:
        ClearingError: As the market or the search does.
    """
    try:
        asked = next(search)
        while True:
            asked = search.send(market.clear(asked.day, asked.charges))
    except StopIteration as end:
        result: R = end.value
        return result


def side_by_side(n_periods: int, n_prosumers: int) -> int:
    """Return how many searches should advance together: sixteen, or as many as have room for what they keep.

    Args:
        n_periods: T.
        n_prosumers: N.
    """
    return max(1, min(_AT_ONCE, _MOST_TRADES // (n_periods * n_prosumers**2)))


def together(searches: Sequence[Callable[[], Search[R]]], market: ExactResponse, *, at_once: int) -> Iterator[tuple[int, R | Failure]]:
    """Yield the place of each search with its result, or with the error it raised, as they end.

    One thread takes all steps. Two gain nothing: an optimum of thirteen prosumers took 112 ms in two and 102 in one, for they share
    Python's lock.

    Args:
        searches: Begin each of them.
        market: What clears; days of one call may differ in everything.
        at_once: How many searches advance together; one that ends makes room for the next.
    """
    waiting = iter(enumerate(searches))
    running: list[_Running[R]] = []
    while True:
        new = [_Running(place, begin) for place, begin in islice(waiting, at_once - len(running))]
        if not running and not new:
            return
        for each in new:
            each.begin()
        running += new
        asking = [each for each in running if each.asked is not None]
        replies = _cleared(market, [each.asked for each in asking if each.asked is not None])
        for each, reply in zip(asking, replies, strict=True):
            each.go_on(reply)
        for each in running:
            if each.result is not None:
                yield each.place, each.result
        running = [each for each in running if each.result is None]


def _cleared(market: ExactResponse, asked: Sequence[ToClear]) -> list[Callable[[], Clearing]]:
    """Clear days in one call. Where it fails, each is cleared when its search goes on, so that a day fails by itself."""
    try:
        found = market.clear_many([each.day for each in asked], [each.charges for each in asked])
    except ClearingError:
        return [partial(market.clear, each.day, each.charges) for each in asked]
    return [partial(_same, clearing) for clearing in found]


def _same(clearing: Clearing) -> Clearing:
    return clearing


class _Running(Generic[R]):
    """A search under way: what it asks for, or its result."""

    def __init__(self, place: int, begin: Callable[[], Search[R]]) -> None:
        self.place = place
        self.asked: ToClear | None = None
        self.result: R | Failure | None = None
        self._begin = begin
        self._search: Search[R] | None = None

    def begin(self) -> None:
        """Begin the search."""
        self._advance(None)

    def go_on(self, reply: Callable[[], Clearing]) -> None:
        """Let it go on with the clearing it asked for."""
        self._advance(reply)

    def _advance(self, reply: Callable[[], Clearing] | None) -> None:
        self.asked = None
        try:
            if self._search is None or reply is None:
                self._search = self._begin()
                self.asked = next(self._search)
            else:
                self.asked = self._search.send(reply())
        except StopIteration as end:
            self.result = end.value
        except (ClearingError, ValueError) as error:
            self.result = error
