"""From what a household's meters count to what the model asks for: its load, and the sun it has.

==========================  =============================================================================================
meters                      load and sun
==========================  =============================================================================================
load, generation            as they are; without generation there is no sun, without load (a solar park) no load
import, export, generation  load = import + generation − export: what came in and was made, less what went out
import, export              the net is import − export; load = the net where it is above 0, sun = its size where it is below
net                         the same, of the net as it was counted
==========================  =============================================================================================

Behind a meter that gives the net alone stands a household that uses its own sun first. What it used of it is in neither of the two, so that
its load is smaller than what it consumed, and it takes part in the market with what is left over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ...arrays import Array
from ..sources.faults import Faults
from .meters import Series

_BELOW_NOTHING: Final = -1e-6
"""kW to which a load made of three meters may be below 0 by their rounding."""
_GROSS, _NET, _THREE, _TWO = {"load", "generation"}, {"net"}, {"import", "export", "generation"}, {"import", "export"}


@dataclass(frozen=True, eq=False)
class Flows:
    """What prosumers use and have.

    Attributes:
        names: One name per prosumer.
        load_kw: In kW, shape (Y, N).
        renewable_kw: In kW, shape (Y, N).
        notes: What was worked out of which meters, a sentence for each kind.
    """

    names: tuple[str, ...]
    load_kw: Array
    renewable_kw: Array
    notes: tuple[str, ...]


def flows_of(faults: Faults, series: Sequence[Series], power: Sequence[Array], names: Sequence[str]) -> Flows:
    """Return loads and sun of prosumers, noting meters that contradict each other.

    Args:
        faults: Where to note them.
        series: The meters.
        power: What each counted in kW, shape (Y,) each.
        names: The prosumers in the order wanted.
    """
    meters: dict[str, dict[str, Array]] = {name: {} for name in names}
    files: dict[str, str] = {}
    for each, values in zip(series, power, strict=True):
        own = meters.get(each.household)
        if own is None:
            continue  # noted where prosumers were read
        files.setdefault(each.household, each.file)
        if each.quantity in own:
            text = f"{each.label!r} must stand once, got it in {files[each.household]} as well. Remove one."
            faults.add(each.file, text, column=each.column, kind=f"twice {each.label}")
        own[each.quantity] = values
    loads, suns, how = [], [], dict[str, list[str]]()
    for name, own in meters.items():
        load, sun, rule = _worked_out(own)
        if rule.startswith("!") and name not in files:
            pass  # a prosumer without a meter, which is noted where prosumers are compared with meters
        elif rule.startswith("!"):
            faults.add(files.get(name, "meters"), f"the meters of {name!r} must be {rule[1:]}", kind=f"meters {rule}")
        elif load.min(initial=0.0) < _BELOW_NOTHING:
            text = f"import + generation - export of {name!r} must be at least 0, got {load.min():g} kW. Is there a battery behind them?"
            faults.add(files[name], f"{text} Give its own meter as load.", kind="three meters")
        how.setdefault(rule, []).append(name)
        loads.append(np.maximum(load, 0.0))
        suns.append(sun)
    notes = tuple(f"{rule}: {', '.join(whom)}" for rule, whom in how.items() if rule)
    size = max((len(values) for values in power), default=0)
    return Flows(tuple(names), _stacked(loads, size), _stacked(suns, size), notes)


def _stacked(columns: Sequence[Array], size: int) -> Array:
    whole = [column if len(column) == size else np.zeros(size) for column in columns]
    stacked: Array = np.stack(whole, axis=1) if whole else np.zeros((size, 0))
    return stacked


def _worked_out(own: Mapping[str, Array]) -> tuple[Array, Array, str]:
    """Return load and sun, shape (Y,) each, and how they were made; a rule that begins with ``!`` is what is wrong."""
    given, nothing = set(own), np.zeros(0)
    if given and given <= _GROSS:
        zero = np.zeros_like(next(iter(own.values())))
        rule = "" if "load" in given else "no load: only generation is counted"
        return own.get("load", zero), own.get("generation", zero), rule
    if given == _THREE:
        return own["import"] + own["generation"] - own["export"], own["generation"], "load = import + generation - export"
    if given in (_NET, _TWO, {"import"}):
        net = own["net"] if "net" in own else own["import"] - own.get("export", 0.0)
        rule = "the net: load where it is above 0, sun where it is below; own use of own sun is in neither"
        return np.maximum(net, 0.0), np.maximum(-net, 0.0), rule if given != {"import"} else "load = import: nothing else is counted"
    listed = ", ".join(sorted(given)) or "none"
    return nothing, nothing, f"!load and generation, import and export, these with generation, or net; got {listed}."
