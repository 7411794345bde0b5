"""What was read and what was made of it, in sentences: for the terminal, and for the README of the folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..community import Community
from .clock import MINUTES_PER_DAY
from .filling import RULES
from .flows import Flows
from .grids import FoundGrid
from .meters import Series
from .prices import Prices
from .request import BuildRequest
from .resolution import Days, ResolutionNotes


@dataclass(frozen=True)
class Sentences:
    """What was done.

    Attributes:
        read: What stands in the files.
        made: What was made of it, a sentence for each rule.
        derived: What does not stand in the files and follows from rules: a name and a sentence for each.
    """

    read: tuple[str, ...]
    made: tuple[str, ...]
    derived: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """All of it for reading."""
        width = max((len(name) for name, _ in self.derived), default=0)
        parts = ["read:", *(f"  {each}" for each in self.read), "made of it:", *(f"  {each}" for each in self.made)]
        parts += ["by rule, as the files do not hold it:", *(f"  {name.ljust(width)}  {each}" for name, each in self.derived)]
        return "\n".join(parts)

    @property
    def markdown(self) -> str:
        """All of it as a part of a README."""
        listed = [*(f"- {each}" for each in (*self.read, *self.made)), *(f"- `{name}`: {each}" for name, each in self.derived)]
        return "\n## How this folder was made\n\nBy `gridtoll communities build`.\n\n" + "\n".join(listed) + "\n"


@dataclass(frozen=True, eq=False)
class BuildParts:
    """What a community was put together from, and what was noticed on the way."""

    meters: Sequence[Series]
    price_series: Sequence[Series]
    grid: FoundGrid
    days: Days
    flows: Flows
    prices: Prices
    found: ResolutionNotes


def said_of(request: BuildRequest, parts: BuildParts, community: Community) -> Sentences:
    """Return what was read and made, in sentences."""
    meters, days = parts.meters, parts.days
    read = [_of_file(file, meters) for file in dict.fromkeys(each.file for each in meters)]
    read += [f"{file}: prices, {_columns(file, parts.price_series)}" for file in dict.fromkeys(each.file for each in parts.price_series)]
    read += [f"{request.prosumers.name}: {len(parts.flows.names)} prosumers"] if request.prosumers is not None else []
    read.append(f"grid: {parts.grid.source}, {parts.grid.grid.n_buses} buses, {parts.grid.grid.n_branches} branches")
    per_day = MINUTES_PER_DAY // days.period_minutes
    filled = parts.found.filled.items()
    made = [
        f"clock: {days.clock.label or 'not stated'}; {days.clock.reason}",
        f"days: {days.count} from {days.first_date}, {per_day} periods of {days.period_minutes} minutes{_left_out(meters, days, request)}",
        *(f"filled: {count:,} readings of {label} by {_rule(request, label, parts.price_series)}" for label, count in filled),
        *parts.flows.notes,
        *parts.grid.notes,
        *parts.prices.notes,
    ]
    return Sentences(tuple(read), tuple(made), tuple((each.field, str(each)) for each in community.derivations))


def _of_file(file: str, series: Sequence[Series]) -> str:
    own = [each for each in series if file in each.files]
    households = len({each.household for each in own})
    quantities = ", ".join(dict.fromkeys(each.quantity for each in own))
    unit = " and ".join(dict.fromkeys("kWh" if each.energy else "kW" for each in own))
    return f"{file}: {sum(len(each.minutes) for each in own):,} readings of {households} households ({quantities}), as {unit}"


def _columns(file: str, series: Sequence[Series]) -> str:
    return ", ".join(each.column for each in series if each.file == file)


def _rule(request: BuildRequest, label: str, price_series: Sequence[Series]) -> str:
    of_prices = any(label.startswith(f"{each.file}: ") for each in price_series)
    rule = request.fill_prices if of_prices else request.fill
    return f"{rule} ({RULES[rule]})" if rule is not None else ""


def _left_out(series: Sequence[Series], days: Days, request: BuildRequest) -> str:
    """Return which readings lie outside the days, in words; nothing where none do."""
    end = days.start + days.count * MINUTES_PER_DAY
    back = 1 if request.stamps == "end" else 0  # a reading that ends at the first midnight lies before it
    before = sorted({int(at) for each in series for at in each.minutes[each.minutes - back < days.start]})
    after = sorted({int(at) for each in series for at in each.minutes[each.minutes - back >= end]})
    parts = [
        f"{len(stamps)} stamps {where} ({days.clock.written(stamps[0])} to {days.clock.written(stamps[-1])})"
        for stamps, where in ((before, "before"), (after, "after"))
        if stamps
    ]
    return f"; no whole day, and left out: {', '.join(parts)}" if parts else ""
