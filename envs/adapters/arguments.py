"""From the arguments of an environment to its game, and from the fields of a game to the arguments that an environment shows."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..community.calendar import Split
from ..community.community import Community
from ..errors import unknown_name
from ..games.game import Game
from ..games.make import make_game
from ..games.spec import GameName, GameSpec, fields_of
from ..market.mechanism import Allocation, Mechanism


def game_of(
    env: GameName, community: str | Path | Community, *, split: Split, mechanism: str | Mechanism[Allocation], arguments: Mapping[str, Any]
) -> Game[Any]:
    """Return the game that the arguments of an environment say.

    Args:
        env: Which game.
        community: A name, a folder of CSV files, or a community.
        split: The days that ``reset`` draws from.
        mechanism: The market, by name or an object that clears.
        arguments: The other fields of :class:`.GameSpec`.

    Raises:
        ValueError: If an argument is unknown, a number out of range, or a community's data not valid.
    """
    unknown = sorted(set(arguments) - set(fields_of(env)))
    if unknown:
        raise unknown_name("an argument of the environment", unknown[0], fields_of(env))
    whose = community if isinstance(community, Community) else None
    spec = GameSpec(
        env=env,
        community=str(community) if whose is None else whose.name,
        mechanism=mechanism if isinstance(mechanism, str) else type(mechanism).__name__,
        **arguments,
    )
    return make_game(spec, split=split, community=whose)


def signature_of(constructor: Any, *games: GameName) -> inspect.Signature:
    """Return a constructor's signature with the fields of games in the place of its ``**game``, for ``help`` and editors."""
    own = [each for each in inspect.signature(constructor).parameters.values() if each.name not in ("self", "game")]
    taken = {each.name for each in own}
    told = {name for env in games for name in fields_of(env)} - taken
    shown = [
        inspect.Parameter(entry.name, inspect.Parameter.KEYWORD_ONLY, default=entry.default, annotation=entry.type)
        for entry in fields(GameSpec)
        if entry.name in told
    ]
    return inspect.Signature([*own, *shown])
