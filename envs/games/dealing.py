"""Which scenario comes next where `reset` is not told: drawn at random, or one after the other.

A cycle is for evaluation: whoever plays as many episodes as there are scenarios plays each once, whatever was played before. A scenario
that was dealt and never played is dealt again, because learning libraries reset once more before they begin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np

from ..community.calendar import Scenario, Split
from ..errors import known_name
from .setting import Setting

Order = Literal["random", "cycle"]
Scenarios = Sequence[Scenario | tuple[int, int] | int]
"""Days with their price paths; a day alone is under price path 0."""


class Dealer:
    """Deals the scenarios of one environment.

    Args:
        setting: What the game is played on.
        split: Which days a cycle runs through where no scenarios are given, under the price paths of :meth:`Community.scenarios`.
        scenarios: What may be dealt, None for all of the split.
        order: ``"random"``: each drawn uniformly; ``"cycle"``: in the order given, again and again.
        row: Which row of a batch this is for, and of how many: a cycle is shared out so that rows together play each scenario once.

    Raises:
        ValueError: If the order is unknown, there is no such scenario, or a cycle has fewer than there are rows.
    """

    def __init__(self, setting: Setting, split: Split, scenarios: Scenarios | None, order: Order, *, row: tuple[int, int] = (0, 1)) -> None:
        known_name("`order`", order, get_args(Order))
        self._setting, self._cycles = setting, order == "cycle"
        listed = None if scenarios is None else [_read(setting, each) for each in scenarios]
        if listed is not None and not listed:
            raise ValueError("`scenarios` must name at least one day, got none. Leave it out for all days of the split.")
        if self._cycles and listed is None:
            playable = set(setting.days.tolist())
            listed = [each for each in setting.community.scenarios(split) if each.day in playable]
        number, count = row
        if self._cycles and listed is not None:
            if len(listed) < count:
                raise ValueError(f"a cycle must have at least as many scenarios as there are rows, got {len(listed)} for {count}.")
            listed = listed[count - 1 - number :: count]  # later rows play more, as stable-baselines3's evaluation counts on
        self._listed = listed
        self._next = 0
        self._dealt = False

    @property
    def one_round(self) -> int | None:
        """How many episodes a cycle takes to play each scenario once; None where scenarios are drawn."""
        return len(self._listed) if self._cycles and self._listed is not None else None

    def pick(self, random: np.random.Generator, options: Mapping[str, Any]) -> Scenario:
        """Return the scenario that `reset` was told, dealing what is left open.

        Raises:
            ValueError: If an option is unknown, there is no such day or price path, or the data end before the episode would.
        """
        day, price_path = self._setting.told(options)
        self._dealt = day is None
        return self.deal(random, price_path=price_path) if day is None else Scenario(day, price_path or 0)

    def deal(self, random: np.random.Generator, *, price_path: int | None = None) -> Scenario:
        """Return the next scenario.

        Args:
            random: Draws it, where it is drawn.
            price_path: Which price path it must have; only where days are drawn from the whole split.

        Raises:
            ValueError: If a price path is asked for alone, and scenarios were given.
        """
        self._dealt = True
        if self._listed is None:
            return self._setting.draw(random, price_path=price_path)
        if price_path is not None:
            raise ValueError(
                '`price_path` of `reset` must come with a `day` if the environment has `scenarios` or `order="cycle"`. Name both.'
            )
        if self._cycles:
            return self._listed[self._next % len(self._listed)]
        return self._listed[int(random.integers(len(self._listed)))]

    def played(self) -> None:
        """Be told that the scenario at hand is being played: a cycle goes on to the next, unless `reset` had picked that scenario."""
        self._next += self._dealt
        self._dealt = False

    def restart(self) -> None:
        """Begin a cycle anew."""
        self._next = 0


def _read(setting: Setting, given: Any) -> Scenario:
    """Return a scenario that an episode may begin with.

    Raises:
        ValueError: If there is none.
    """
    pair = tuple(given) if isinstance(given, Sequence) else (given, 0)
    whole = len(pair) == len(Scenario._fields) and all(isinstance(each, int | np.integer) and not isinstance(each, bool) for each in pair)
    last, paths = setting.community.n_days - setting.spec.days, setting.community.n_price_paths
    if not whole or not (0 <= pair[0] <= last and 0 <= pair[1] < paths):
        raise ValueError(
            f"`scenarios` must be days from 0 to {last}, or pairs of a day and a price path from 0 to {paths - 1}, got {given!r}."
        )
    return Scenario(int(pair[0]), int(pair[1]))
