"""Going on from a packed comparison: its cells become those of a folder that ``gridtoll compare`` goes on with.

Beside its cells a packed comparison of the hourly game holds ``references.json.xz``, what is known of its test and validation days, so
that nobody has to search and prove again what took hours. Networks are not packed: a cell taken from here has no ``policy.onnx``.
"""

from __future__ import annotations

import json
import logging
import lzma
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final, get_type_hints

import pandas as pd

from ....envs.arrays import plain
from ....envs.community.calendar import Scenario, split_hash
from ....envs.files import write_atomically
from ....envs.games.spec import GameSpec
from ...compare.carried import carried, take
from ...compare.cells import Cell, community_name, read_result, write_result
from ...compare.folder import begin
from ...compare.plan import Plan
from ...ground.runs import read_json, sha256
from ...learning.algorithms import ALGORITHMS, CLAIRVOYANTS, make_algorithm, settings_of
from ...references.hours import SearchEffort
from ...reports.results import CELL, Results, read_results
from ...scoring.rows import Row, write_rows
from ...task import environment_of

_FILE: Final = "references.json.xz"
_HINTS: Final = get_type_hints(Row)
_ROUNDED: Final = 1e-6  # EUR, or of the bound where that is more: rows are rounded
_log = logging.getLogger(__name__)


def pack_references(results: Results, folder: Path) -> None:
    """Write beside packed results what the store knows of the days they are about; no file where that is nothing.

    Args:
        results: Of the hourly game under charges that stand; of others nothing is written.
        folder: Of the packed results.
    """
    found, less = [], 0
    for task, effort, scenarios in _days_of(results):
        known, scored = carried(task, scenarios, effort), _scored_by(results, task)
        less += sum(
            scenario not in known or known[scenario]["upper_bound_eur"] > bound + _ROUNDED * max(1.0, abs(bound))
            for scenario, bound in scored.items()
        )
        found += [
            {"community": task.community, **scenario._asdict(), "ends": known[scenario]} for scenario in scenarios if scenario in known
        ]
    if less:
        _log.warning(
            "the store of answers knows nothing, or less, of %d days than the rows in %s were scored by, so that they are searched again "
            "from there. Pack with the store (GRIDTOLL_CACHE) that the comparison had.",
            less,
            folder,
        )
    if found:
        text = json.dumps(found, indent=0, allow_nan=False)
        write_atomically(folder / _FILE, lambda file: file.write(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME)))
    else:
        (folder / _FILE).unlink(missing_ok=True)  # or one of other rows would stay


def unpack(packed: Path, root: Path, plan: Plan, content: bytes, *, again: bool = False) -> None:
    """Give a comparison, new or begun, the cells of a packed one that it has not finished, and its references.

    Cells are left out, to be run again, where the data of their community or the settings of their algorithm are others now; a warning
    names them.

    Args:
        packed: Folder of the packed comparison.
        root: Folder of the comparison.
        plan: What it compares: the plan of the packed one, or one that adds to it.
        content: Its file.
        again: Whether cells are scored again afterwards, so that other data of their community are no reason to leave them out.

    Raises:
        ValueError: If the folder holds something else, or the packed comparison is of another plan or another version.
    """
    results, before = read_results(packed), read_json(packed / "config.json")
    moved = _moved(before, plan)
    of_same_data = {kind: {name: each for name, each in before[kind].items() if name not in moved} for kind in ("communities", "splits")}
    begin(root, plan, content, before={**before, **of_same_data})
    wanted = {cell.place: cell for cell in plan.cells()}
    stale = set()
    tables = {tuple(key): table for key, table in results.rows.groupby(list(CELL), sort=False)}
    for cell, words in zip(results.cells, results.contents, strict=True):
        folder = root / "cells" / cell.place
        planned = wanted.get(Path("cells", cell.place))
        if planned is None or read_result(folder) is not None:
            continue
        if (cell.community in moved and not again) or _set_otherwise(planned, words):
            stale.add(f"{cell.algorithm} in {cell.community} ({cell.information})")
            continue
        if cell.failed:
            write_result(folder, words)
            continue
        write_rows(folder / "rows.csv", [*_rows(tables[cell.key])])
        write_result(folder, {**words, "rows_sha256": sha256(folder / "rows.csv")})
    if stale:
        _log.warning("left out of %s, since data or settings have changed since, and to be run again: %s", packed, "; ".join(sorted(stale)))
    _unpack_references(results, packed)


def _moved(before: Mapping[str, Any], plan: Plan) -> set[str]:
    """Return the communities of a plan whose data, or split, are no longer those that a comparison was begun with."""
    communities = {community_name(task.community): environment_of(task).community for task in plan.tasks()}
    now = {"communities": {name: each.content_hash for name, each in communities.items()}}
    now["splits"] = {name: split_hash(each.n_days) for name, each in communities.items()}
    return {name for kind, hashes in now.items() for name, each in hashes.items() if before[kind].get(name, each) != each}


def _set_otherwise(cell: Cell, words: Mapping[str, Any]) -> bool:
    """Return whether a setting that a finished cell was run with has another value now; settings that came since say nothing."""
    if cell.algorithm not in ALGORITHMS or cell.algorithm in CLAIRVOYANTS:
        return False
    now = plain(settings_of(make_algorithm(cell.algorithm, dict(cell.settings), env=cell.task.env)))
    return any(now.get(name, value) != value for name, value in (words.get("settings") or {}).items())


def _rows(table: pd.DataFrame) -> Iterator[Row]:
    """Yield rows as their cell had them."""
    own = table.assign(community=table["place"])
    for values in own[[field.name for field in fields(Row)]].itertuples(index=False, name=None):
        yield Row(**{field.name: _HINTS[field.name](value) for field, value in zip(fields(Row), values, strict=True)})


def _scored_by(results: Results, task: GameSpec) -> dict[Scenario, float]:
    """Return the least bound in EUR by which each test day of a community was scored."""
    mine = results.rows[results.rows["place"] == task.community]
    least = mine.groupby(["day", "price_path"], as_index=False)["upper_bound_eur"].min()
    return {Scenario(int(day), int(path)): float(bound) for day, path, bound in least.itertuples(index=False, name=None)}


def _unpack_references(results: Results, packed: Path) -> None:
    if not (packed / _FILE).is_file():
        return
    entries: list[Mapping[str, Any]] = json.loads(lzma.decompress((packed / _FILE).read_bytes()))
    for task, effort, scenarios in _days_of(results):
        mine = {Scenario(each["day"], each["price_path"]): each["ends"] for each in entries if each["community"] == task.community}
        take(task, {scenario: mine[scenario] for scenario in scenarios if scenario in mine}, effort)


def _days_of(results: Results) -> Iterator[tuple[GameSpec, SearchEffort, list[Scenario]]]:
    """Yield each community's game with how hard best sequences were searched for, and its test and validation days."""
    validation = str(dict(results.config.get("plan") or {}).get("validation_days", "all"))
    seen = set()
    for cell, words in zip(results.cells, results.contents, strict=True):
        task = cell.task
        if task is None or task.env != "hourly" or task.belief != "standing" or task.community in seen:
            continue
        seen.add(task.community)
        mine = results.rows[results.rows["community"] == cell.community]
        days = dict.fromkeys(Scenario(int(day), int(path)) for day, path in mine[["day", "price_path"]].itertuples(index=False, name=None))
        count = int(validation) if validation.isdecimal() else None
        days |= dict.fromkeys(environment_of(task).community.scenarios("validation", count))
        yield replace(task, information="public"), SearchEffort(**(words.get("effort") or {})), list(days)
