"""A community from files: read all, note every fault, and put together what is left when there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from ...arrays import Array
from ...errors import unknown_name
from ...grid.network import make_network
from ..clock import NOT_STATED
from ..community import Community, make_community
from ..derivation import Ledger
from ..sources.faults import Faults
from ..sources.simbench import partner_count
from .clock import MINUTES_PER_DAY, Clock, Times, clock_of, zone_of
from .flows import Flows, flows_of
from .grids import FoundGrid, find_grid
from .meters import Series, joined, read_meters
from .prices import Prices, prices_of, read_prices
from .prosumers import Facts, note_strangers, read_prosumers
from .report import BuildParts, Sentences, said_of
from .request import EACH_TO_SET, NUMBERS_TO_SET, BuildRequest
from .resolution import Days, ResolutionNotes, days_of, on_periods, period_of, step_of
from .sheet import read_sheet
from .words import Quantity


@dataclass(frozen=True, eq=False)
class Built:
    """A community that was built.

    Attributes:
        community: The community.
        sentences: What was read, and what was made of it, in the order it was done in.
    """

    community: Community
    sentences: Sentences


@dataclass(frozen=True, eq=False)
class _Read:
    """What stands in the files."""

    meters: list[Series]
    prices: list[Series]
    times: dict[str, Times]
    facts: Facts | None
    grid: FoundGrid | None
    zone: ZoneInfo | None


@dataclass(frozen=True, eq=False)
class _OnDays:
    """The days, and what flows and is paid in each of their periods."""

    days: Days
    flows: Flows
    prices: Prices


def build_community(request: BuildRequest) -> Built:
    """Return the community that files make, and what was made of them.

    Raises:
        ValueError: Listing every fault of every file, with row and column.
    """
    faults = Faults(Path(request.name), title=f"community {request.name!r} cannot be built from these files")
    _check_request(faults, request)
    read = _read(faults, request)
    _stop_without_zone(faults)
    clock = clock_of(faults, read.zone, list(read.times.values()))
    _stop_without_zone(faults)
    found = ResolutionNotes()
    on_days = _on_days(faults, read, clock, request, found)
    faults.raise_if_any()
    if on_days is None or read.grid is None:
        raise AssertionError("a fault was not noted")  # every way to None notes one
    days, flows, prices = on_days.days, on_days.flows, on_days.prices
    buses = _buses(faults, read.grid, flows.names, read.facts)
    faults.raise_if_any()
    community = _made(request, read, read.grid, on_days, buses)
    parts = BuildParts(read.meters, read.prices, read.grid, days, flows, prices, found)
    return Built(community, said_of(request, parts, community))


def _check_request(faults: Faults, request: BuildRequest) -> None:
    known = (*NUMBERS_TO_SET, *EACH_TO_SET)
    for name in request.numbers:
        if name not in known:
            faults.add("--set", str(unknown_name("a number to set", name, known)))
    if not faults.found:
        try:
            request.parameters  # noqa: B018 - checks its numbers
        except ValueError as error:
            faults.add_each("--set", error)
    if not (request.meters or request.net):
        faults.add("--meters", "must name a file of meter readings at least.")


def _stop_without_zone(faults: Faults) -> None:
    """Raise what was noted if the zone is among it: without the zone hours seem to be missing and to come twice."""
    if any(fault.file == "--time-zone" for fault in faults.found):
        faults.raise_if_any()


def _read(faults: Faults, request: BuildRequest) -> _Read:
    """Read every file, noting what is wrong with each."""
    zone = zone_of(faults, request.time_zone)
    sheet = None if request.prosumers is None else read_sheet(faults, request.prosumers, decimal=request.decimal)
    facts = None if sheet is None else read_prosumers(sheet, faults)
    meters, prices, all_times = list[Series](), list[Series](), dict[str, Times]()
    groups: tuple[tuple[tuple[Path, ...], Quantity], ...] = (
        (request.meters, "load"),
        (request.generation, "generation"),
        (request.net, "net"),
    )
    names = [path.name for files, _ in groups for path in files]
    for files, default in groups:
        for path in files:
            label = path.name if names.count(path.name) == 1 else str(path)  # january/meters.csv and february/meters.csv
            sheet = read_sheet(faults, path, decimal=request.decimal, file=label)
            if sheet is not None:
                households = () if facts is None else facts.names
                series, times = read_meters(sheet, zone, request, default, households=households)
                meters += series
                all_times |= {} if times is None else {sheet.file: times}
    if request.prices is not None:
        sheet = read_sheet(faults, request.prices, decimal=request.decimal)
        if sheet is not None:
            prices, times = read_prices(sheet, zone, request)
            all_times |= {} if times is None else {sheet.file: times}
    return _Read(meters, prices, all_times, facts, find_grid(faults, request), zone)


def _on_days(faults: Faults, read: _Read, clock: Clock, request: BuildRequest, found: ResolutionNotes) -> _OnDays | None:
    """Return the days, and what flows and is paid in each of their periods; None, with the reason noted, where that cannot be told."""
    metered = joined([each for each in read.meters if len(each.minutes)])
    found_steps = [step_of(faults, each) for each in metered]
    steps = [step for step in found_steps if step is not None]
    by_file = {each.file: step for each, step in zip(metered, found_steps, strict=True) if step is not None}
    period = period_of(faults, by_file, request)
    _ask_about_stamps(faults, read, by_file, request)
    if period is None or not metered or len(steps) < len(metered):
        return None
    days = days_of(faults, metered, steps, request, period=period, clock=clock)
    if days is None:
        return None
    hold = request.resample == "hold"
    power = [
        on_periods(faults, each, days, request, found, step=step, fill=request.fill, hold=hold)
        for each, step in zip(metered, steps, strict=True)
    ]
    households = list(dict.fromkeys(each.household for each in metered))
    if read.facts is not None:
        note_strangers(faults, read.facts, households, {each.household: each.file for each in metered})
    names = households if read.facts is None else read.facts.names
    flows = flows_of(faults, metered, power, names)
    flows = flows if read.facts is None else _with_sun(faults, flows, read.facts, {each.household for each in metered if _makes(each)})
    prices = prices_of(faults, read.prices, days, request, found, households=names)
    return None if prices is None else _OnDays(days, flows, prices)


def _makes(series: Series) -> bool:
    return series.quantity in ("generation", "net", "export")


def _ask_about_stamps(faults: Faults, read: _Read, steps: dict[str, int], request: BuildRequest) -> None:
    """Note stamps that look like the ends of periods where nobody has said which they are: from a step after midnight to midnight."""
    if request.stamps is not None:
        return
    for file, step in steps.items():
        times = read.times[file]
        shown = times.shown[times.known] % MINUTES_PER_DAY
        if shown[times.first[times.known].argmin()] == step and shown[times.first[times.known].argmax()] == 0:
            text = f"stamps go from {step} minutes after midnight to midnight, as if each were the end of its period."
            faults.add(file, f"{text} Say --stamps end, or --stamps start where each is the start of it.")


def _with_sun(faults: Faults, flows: Flows, facts: Facts, metered: set[str]) -> Flows:
    """Return flows where those whose peak is known without a meter have the neighbours' sun per kWp."""
    if facts.sun_kwp is None:
        return flows
    peak = np.nan_to_num(facts.sun_kwp, nan=0.0)
    have = np.array([name in metered for name in flows.names])
    asked, known = (peak > 0) & ~have, (peak > 0) & have
    if not asked.any():
        return flows
    if not known.any():
        whom = ", ".join(flows.names[i] for i in np.flatnonzero(asked))
        text = f"sun_kwp must come with a meter of generation, of a neighbour at least whose sun_kwp is given as well, got none for {whom}."
        faults.add(facts.file, text, column="sun_kwp")
        return flows
    per_kwp = (flows.renewable_kw[:, known] / peak[known]).mean(axis=1)
    sun: Array = np.where(asked, per_kwp[:, None] * peak, flows.renewable_kw)
    whom = ", ".join(flows.names[i] for i in np.flatnonzero(asked))
    note = f"sun without a meter: sun_kwp times the mean sun per kWp of those with meters: {whom}"
    return Flows(flows.names, flows.load_kw, sun, (*flows.notes, note))


def _buses(faults: Faults, grid: FoundGrid, names: Sequence[str], facts: Facts | None) -> list[int]:
    """Return the bus of each prosumer: that of its row in the prosumers' file, else the bus of its own name."""
    stated = facts is not None and bool(facts.bus)
    file = facts.file if facts is not None and stated else "prosumers"
    found, strange = [], []
    for name, bus in zip(names, facts.bus if facts is not None and stated else names, strict=True):
        found.append(grid.bus_of.get(bus, -1))
        if bus not in grid.bus_of:
            strange.append((f"{bus!r} of {name!r}" if bus else f"none of {name!r}") if stated else repr(bus))
    if strange:
        listed = ", ".join(strange[:5]) + (f" and {len(strange) - 5} more" if len(strange) > 5 else "")
        buses = ", ".join(grid.grid.bus_names[:5])
        remedy = "" if stated else " Give --prosumers FILE with a column 'bus', or name the buses after the households."
        text = f"every prosumer must sit at a bus of {grid.source}, whose buses are {buses}{', …' if grid.grid.n_buses > 5 else ''}; got "
        faults.add(file, f"{text}{listed}.{remedy}", column="bus" if stated else None)
    return found


def _made(request: BuildRequest, read: _Read, grid: FoundGrid, on_days: _OnDays, buses: Sequence[int]) -> Community:
    days, flows, prices = on_days.days, on_days.flows, on_days.prices
    numbers, facts = request.numbers, read.facts
    own: dict[str, Any] = {name: numbers[name] for name in EACH_TO_SET if name in numbers}
    own |= {} if facts is None else facts.arrays
    partners = numbers.get("partners")
    ledger = Ledger()
    ledger.write_words("bus_zone", grid.grid.n_buses, "buses clustered by electrical distance")
    return make_community(
        request.name,
        make_network(grid.grid, buses),
        first_date=days.first_date,
        period_minutes=days.period_minutes,
        time_zone=days.clock.label or NOT_STATED,
        load_kw=flows.load_kw,
        renewable_kw=flows.renewable_kw,
        import_price=prices.import_price,
        export_price=prices.export_price[None],
        loss_price=prices.loss_price[None],
        trade_friction=numbers.get("trade_friction"),
        charge_cap=numbers.get("charge_cap"),
        partners=partner_count(None if partners is None else int(partners), len(flows.names)),
        parameters=request.parameters,
        prosumer_names=flows.names,
        renewable_kind=None if facts is None else facts.kinds,
        derivations=ledger.entries,
        **own,
    )
