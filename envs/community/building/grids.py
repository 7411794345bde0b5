"""The grid: from a file of lines, a pandapower network, a SimBench code, or a community that is there already."""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from ...grid.grid import Grid
from ...grid.grid_pandapower import pandapower_buses
from ..sources import COMMUNITY_NAMES, load_community
from ..sources.faults import Faults
from .lines import grid_of_lines
from .networks import grid_of_network
from .request import BuildRequest
from .sheet import read_sheet

_MAY_BE_NAMED: Final = ("pandapower", "pandas", "numpy", "networkx", "shapely")
"""Packages whose types a network's JSON may name; others would be imported from a file that somebody else wrote."""


@dataclass(frozen=True, eq=False)
class FoundGrid:
    """A grid, and the words by which its buses are known.

    Attributes:
        grid: The grid.
        bus_of: Index of a bus by its name, and by its number in pandapower.
        source: Where the grid is from, for reports.
        notes: What was worked out, a sentence for each.
    """

    grid: Grid
    bus_of: Mapping[str, int]
    source: str
    notes: tuple[str, ...] = ()


def find_grid(faults: Faults, request: BuildRequest) -> FoundGrid | None:
    """Return the grid that is asked for; None, with the reason noted, where it cannot be had."""
    text = request.grid
    path = Path(text)
    try:
        if path.is_dir() or text in COMMUNITY_NAMES:
            grid = load_community(path if path.is_dir() else text).network.grid
            return FoundGrid(grid, {name: index for index, name in enumerate(grid.bus_names)}, f"the grid of {text}")
        if path.suffix.lower() == ".json":
            return _of_network(_from_json(path), request.name, f"the pandapower network in {path.name}")
        if path.suffix.lower() in (".csv", ".txt", ".tsv", ".parquet", ".pq"):
            return _of_lines(faults, path, request)
        return _of_network(_by_name(text), request.name, text)
    except ValueError as error:
        faults.add_each(path.name or "--grid", error)
    except OSError as error:
        faults.add(path.name, f"must be a file that can be read, got: {error.strerror or error} ({path}).")
    return None


def _of_lines(faults: Faults, path: Path, request: BuildRequest) -> FoundGrid | None:
    sheet = read_sheet(faults, path, decimal=request.decimal)
    made = None if sheet is None else grid_of_lines(sheet, request)
    if made is None:
        return None
    grid, notes = made
    return FoundGrid(grid, {name: index for index, name in enumerate(grid.bus_names)}, f"the lines in {path.name}", notes)


def _of_network(net: Any, name: str, source: str) -> FoundGrid:
    grid, notes = grid_of_network(net, name)
    position = pandapower_buses(net)
    known = {name: index for index, name in enumerate(grid.bus_names)}
    theirs = {str(net.bus.name.at[bus]): index for bus, index in position.items()}
    numbers = {str(bus): index for bus, index in position.items()}
    return FoundGrid(grid, numbers | theirs | known, source, notes)


def _from_json(path: Path) -> Any:
    import pandapower  # noqa: PLC0415 - 3 s, which files of lines need not wait for

    text = path.read_text(encoding="utf-8-sig")
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ValueError(f"must be JSON that pandapower wrote (pandapower.to_json), which this is not: {error}") from None
    strange = sorted(module for module in _modules(content) if module.partition(".")[0] not in _MAY_BE_NAMED)
    if strange:
        raise ValueError(f"a network's JSON must name types of {', '.join(_MAY_BE_NAMED)} only, got {', '.join(strange[:5])}. Remove them.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the age of the format
            net = pandapower.from_json_string(text)
    except Exception as error:  # noqa: BLE001 - of many kinds
        raise ValueError(f"must be JSON that pandapower wrote (pandapower.to_json), got: {type(error).__name__}: {error}") from None
    if not isinstance(net, pandapower.pandapowerNet):
        raise ValueError(f"must hold a pandapower network, got a {type(net).__name__}. Write it with pandapower.to_json(net, FILE).")
    return net


def _modules(content: Any) -> set[str]:
    """Return the modules that JSON names anywhere, JSON within its texts included."""
    match content:
        case dict():
            own = {str(content["_module"])} if "_module" in content else set()
            return own.union(*(_modules(each) for each in content.values()))
        case list():
            return set().union(*(_modules(each) for each in content))
        case str() if content.startswith(("{", "[")):
            try:
                return _modules(json.loads(content))
            except ValueError:
                return set()
        case _:
            return set()


def _by_name(text: str) -> Any:
    import pandapower.networks  # noqa: PLC0415 - 3 s, as above
    import simbench  # noqa: PLC0415

    codes = simbench.collect_all_simbench_codes()
    makers = {name: each for name, each in inspect.getmembers(pandapower.networks, inspect.isfunction) if _makes_a_network(name, each)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations within the data packages, which users can do nothing about
        if text in codes:
            return simbench.get_simbench_net(text)
        if text in makers:
            return makers[text]()
    near = get_close_matches(text, {*makers, *codes, *COMMUNITY_NAMES}, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise ValueError(
        f"--grid must be a file of lines (.csv), a pandapower network (.json), a name from pandapower.networks, a SimBench code or a "
        f"community, got {text!r}, which is none of these.{hint}"
    )


def _makes_a_network(name: str, function: Any) -> bool:
    """Return whether a function of ``pandapower.networks`` makes a network of its own, without being told more."""
    own = str(function.__module__).startswith("pandapower.networks") and not name.startswith("_")
    return own and all(
        each.default is not each.empty or each.kind is each.VAR_KEYWORD for each in inspect.signature(function).parameters.values()
    )
