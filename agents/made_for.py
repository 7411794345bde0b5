"""What a saved leader was trained for, and whether that is the game it is to play: stated and refused here, for every kind of file.

========================  =====================================  ==========================================================
file                      where it says so                       price level of another community
========================  =====================================  ==========================================================
run folder                ``config.json``, facts of its best     taken on where it sees the day in the price level's unit;
                                                                 refused where it sees observations as they are
policy of a network       its own facts                          taken on
ONNX                      its metadata                           refused: the unit of its charges is part of the graph
model of                  its spaces alone: numbers observed     not known; a warning is logged where observations are
stable-baselines3         and charges                            far outside what it saw
========================  =====================================  ==========================================================

Observations count money by the community's price level (:attr:`~gridtoll.envs.community.community.Community.price_level`), so a leader sees
the same numbers in every currency. What it posts is in EUR/kWh. A leader that posts multiples of the day's unit is told the level of the
community it plays in, and is as good there; any other would post charges of the old currency, and is refused.

A file of before that does not state a fact is not refused for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isclose
from typing import Any, Final

_SAME: Final = 1e-9
"""Relative difference up to which caps and price levels are the same number: one of them may have been written in decimals."""
_IN_WORDS: Final = {
    "env": "the {} game",
    "n_observed": "{} observed numbers",
    "n_charges": "{} charges",
    "charge_cap": "the charge cap {} EUR/kWh",
    "price_level": "a community of price level {}",
    "information": "{!r} information",
    "tariff": "the {} tariff",
    "charges_per": "charges per {}",
}
_FLAGS: Final = {name: f"--{name.replace('_', '-')}" for name in ("env", "charge_cap", "information", "tariff", "charges_per")}
_OF_LEVEL: Final = (
    "Its charges are in the money of that community: train it on this one, whose prices are {:.3g} times as high, or bring the prices to "
    "one currency."
)


def require_fit(what: str, made: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Refuse a leader that was trained for another game than it is to play.

    Args:
        what: The leader, the beginning of the message.
        made: What it was trained for, by name: any of ``env``, ``n_observed``, ``n_charges``, ``charge_cap`` in EUR/kWh, ``price_level``,
            ``information``, ``tariff`` and ``charges_per``; a name left out or None is not known.
        here: The same of the game it is to play.

    Raises:
        ValueError: If they differ; all differences are named, and what to pass for those that an option sets.
    """
    both = [name for name in _IN_WORDS if made.get(name) is not None and here.get(name) is not None]
    differing = [name for name in both if not _same(made[name], here[name])]
    if not differing:
        return
    listed = "; ".join(f"{_IN_WORDS[name].format(made[name])}, got {_IN_WORDS[name].format(here[name])}" for name in differing)
    flags = [f"{_FLAGS[name]} {made[name]}" for name in differing if name in _FLAGS]
    remedies = [f"Pass {' '.join(flags)}."] if flags else []
    if "price_level" in differing:
        remedies.append(_OF_LEVEL.format(here["price_level"] / made["price_level"]))
    raise ValueError(f"{what} must play the game it was trained for: {listed}. {' '.join(remedies)}".rstrip())


def carried_over(made: Mapping[str, Any], here: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a leader that posts multiples of the day's unit was trained for, in the money of the community it is to play in.

    Its charge cap is in that money where this gives the cap it is to play with; otherwise it is left as it was.

    Args:
        made: As for :func:`require_fit`.
        here: As for :func:`require_fit`.
    """
    then, now = made.get("price_level"), here.get("price_level")
    if then is None or now is None or _same(then, now):
        return dict(made)
    cap = float(made["charge_cap"])
    converted = cap * now / then
    return {**made, "price_level": now, "charge_cap": converted if _same(converted, here["charge_cap"]) else cap}


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) or isinstance(other, float):
        return isclose(one, other, rel_tol=_SAME)
    return bool(one == other)
