"""The compiled loops of negotiations as Python calls them: compiled at the first call on a machine, which takes some seconds, and kept."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from ...community.day import Array
from ...machine_code import kept
from ..prosumer.crowd import Crowd, TradingPairs
from ..prosumer.plans import Plans, with_contracts
from .rounds import Agreed, negotiate
from .terms import Rule


def _source() -> int:
    digest = sha256()
    here = Path(__file__).parent
    for file in (Path(__file__), here / "rounds.py", here / "terms.py", *sorted((here.parent / "prosumer").glob("*.py"))):
        digest.update(file.read_bytes())
    return int.from_bytes(digest.digest()[:7], "big")


def _entry_points(source: int) -> tuple[Any, Any]:
    """Return both entry points. Closing over ``source`` has Numba compile anew when any file of the loops has changed."""

    @kept(nogil=True, error_model="numpy")
    def rounds(crowd, pairs, own_price, rule):
        assert source >= 0  # noqa: S101 - a use of it, so that it is closed over
        return negotiate(crowd, pairs, own_price, rule)

    @kept(nogil=True, error_model="numpy")
    def plans(crowd, bought):
        assert source >= 0  # noqa: S101
        return with_contracts(crowd, bought)

    return rounds, plans


_rounds, _plans = _entry_points(_source())


def hold(crowd: Crowd, pairs: TradingPairs, own_price: Array, rule: Rule) -> Agreed:
    """Hold a negotiation from the prosumers' own prices μ, shape (T, N), in the units of the day; see :func:`.rounds.negotiate`."""
    # A writable copy: loops are compiled anew for every other kind of array.
    return Agreed(*_rounds(crowd, pairs, np.array(own_price, order="C"), rule))


def plan_with(crowd: Crowd, bought: Array) -> Plans:
    """Return what prosumers do who buy ``bought`` less what they sell, shape (T, N), in the units of the day."""
    return Plans(*_plans(crowd, np.array(bought, order="C")))
