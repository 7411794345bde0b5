"""The compiled loops of negotiations as Python calls them: compiled at the first call on a machine, which takes some seconds, and kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...community.day import Array
from ...machine_code import LOOPS, kept, stamp_of
from ..prosumer.crowd import Crowd, TradingPairs
from ..prosumer.plans import Plans, with_contracts
from .rounds import Agreed, negotiate
from .terms import Rule

_HERE = Path(__file__).parent
_SOURCES = (Path(__file__), _HERE / "rounds.py", _HERE / "terms.py", *sorted((_HERE.parent / "prosumer").glob("*.py")))
_OPTIONS = {**LOOPS, "stamp": stamp_of(_SOURCES)}
_rounds = kept(**_OPTIONS)(negotiate)
_plans = kept(**_OPTIONS)(with_contracts)


def hold(crowd: Crowd, pairs: TradingPairs, own_price: Array, rule: Rule) -> Agreed:
    """Hold a negotiation from the prosumers' own prices μ, shape (T, N), in the units of the day; see :func:`.rounds.negotiate`."""
    # A writable copy: loops are compiled anew for every other kind of array.
    return Agreed(*_rounds(crowd, pairs, np.array(own_price, order="C"), rule))


def plan_with(crowd: Crowd, bought: Array) -> Plans:
    """Return what prosumers do who buy ``bought`` less what they sell, shape (T, N), in the units of the day."""
    return Plans(*_plans(crowd, np.array(bought, order="C")))
