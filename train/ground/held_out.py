"""Communities that nobody learns on: what a leader learned elsewhere is worth there.

A leader that observes what an operator sees (``public``) observes the same numbers in every community, in units of the community's own
size, and posts charges in EUR/kWh at the community's own mean distance, under the same retail price: it can be carried to a grid it has
never seen. How well that works is measured on :data:`~gridtoll.envs.community.sources.HELD_OUT_COMMUNITIES`, on their test days, so that
neither the grid nor the weather of the day was there in training. For that to mean anything, nothing may be trained, tuned or chosen there:
:func:`require_not_held_out` stands at every door.

**Charges are carried over as they are.** The largest charge that can be posted is that of the community the leader comes from; all named
communities have the same cap. Scaling charges by the ratio of caps was thought of and dropped: what a trade can bear depends on retail and
export prices, which are the same everywhere, not on the cap.
"""

from __future__ import annotations

from ...envs.community.sources import HELD_OUT_COMMUNITIES
from ...envs.games.spec import GameSpec
from ..task import environment_of


def require_not_held_out(task: GameSpec, purpose: str) -> None:
    """Refuse to learn on a held-out community, whether by its name or exported to a folder.

    Args:
        task: The game.
        purpose: What is about to be done, the beginning of the message.

    Raises:
        ValueError: If the community is held out.
    """
    named = {task.community, environment_of(task).community.name}
    if not named.isdisjoint(HELD_OUT_COMMUNITIES):
        raise ValueError(
            f"{purpose} must keep to communities that are not held out, got {task.community!r}. {', '.join(HELD_OUT_COMMUNITIES)} are "
            "there to test what was learned elsewhere, with `gridtoll evaluate LEADER --held-out`."
        )


def held_out_tasks(home: GameSpec) -> list[GameSpec]:
    """Return the game of a leader's own community, played in each held-out one.

    Raises:
        ValueError: If the leader observes more than `public` information, or its own community is held out.
    """
    if home.information != "public":
        raise ValueError(
            f"held-out communities are for leaders with public information, whose size is the same everywhere, got {home.information!r}."
        )
    require_not_held_out(home, "a leader to be carried over")
    cap = environment_of(home).charge_cap
    return [home.changed(community=name, charge_cap=cap) for name in HELD_OUT_COMMUNITIES]
