"""A game from the words and numbers that say which it is."""

from __future__ import annotations

from typing import Any

from ..community.calendar import Split
from ..community.community import Community
from .day_ahead import make_day_ahead
from .game import Game
from .hourly import make_hourly
from .setting import make_setting
from .spec import GameSpec


def make_game(spec: GameSpec, *, split: Split = "train", community: Community | None = None) -> Game[Any]:
    """Return a game.

    Args:
        spec: Which one.
        split: The days episodes are drawn from.
        community: Whose days are played; the one that the game names where it is absent.

    Raises:
        ValueError: If a name is unknown, a number out of range, or a community's data not valid.
    """
    setting = make_setting(spec, split=split, community=community)
    return make_day_ahead(setting) if spec.env == "day-ahead" else make_hourly(setting)
