"""Going on from a packed comparison: its cells become those of a folder that ``gridtoll compare`` goes on with.

Beside its cells a packed comparison of the hourly game holds ``references.json.xz``, what is known of its test and validation days, so
that nobody has to search and prove again what took hours. Networks are not packed: a cell taken from here has no ``policy.onnx``.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final, get_type_hints

import pandas as pd

from ....envs.community.calendar import Scenario
from ....envs.files import write_atomically
from ....envs.games.spec import GameSpec
from ...compare.carried import carried, take
from ...compare.cells import read_result, write_result
from ...compare.folder import begin
from ...compare.plan import Plan
from ...ground.runs import read_json, sha256
from ...references.hours import SearchEffort
from ...reports.results import CELL, Results, read_results
from ...scoring.rows import Row, write_rows
from ...task import environment_of

_FILE: Final = "references.json.xz"
_HINTS: Final = get_type_hints(Row)


def pack_references(results: Results, folder: Path) -> None:
    """Write beside packed results what the store knows of the days they are about; no file where that is nothing.

    Args:
        results: Of the hourly game under charges that stand; of others nothing is written.
        folder: Of the packed results.
    """
    found = []
    for task, effort, scenarios in _days_of(results):
        known = carried(task, scenarios, effort)
        found += [
            {"community": task.community, **scenario._asdict(), "ends": known[scenario]} for scenario in scenarios if scenario in known
        ]
    if found:
        text = json.dumps(found, indent=0, allow_nan=False)
        write_atomically(folder / _FILE, lambda file: file.write(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME)))


def unpack(packed: Path, root: Path, plan: Plan, content: bytes) -> None:
    """Give a comparison, new or begun, the cells of a packed one that it has not finished, and its references.

    Args:
        packed: Folder of the packed comparison.
        root: Folder of the comparison.
        plan: What it compares: the plan of the packed one, or one that adds to it.
        content: Its file.

    Raises:
        ValueError: If the folder holds something else, or the packed comparison is of another plan, other data or another version.
    """
    results = read_results(packed)
    begin(root, plan, content, before=read_json(packed / "config.json"))
    wanted = {cell.place for cell in plan.cells()}
    tables = {tuple(key): table for key, table in results.rows.groupby(list(CELL), sort=False)}
    for cell, words in zip(results.cells, results.contents, strict=True):
        folder = root / "cells" / cell.place
        if Path("cells", cell.place) not in wanted or read_result(folder) is not None:
            continue
        if cell.failed:
            write_result(folder, words)
            continue
        write_rows(folder / "rows.csv", [*_rows(tables[cell.key])])
        write_result(folder, {**words, "rows_sha256": sha256(folder / "rows.csv")})
    _unpack_references(results, packed)


def _rows(table: pd.DataFrame) -> Iterator[Row]:
    """Yield rows as their cell had them."""
    own = table.assign(community=table["place"])
    for values in own[[field.name for field in fields(Row)]].itertuples(index=False, name=None):
        yield Row(**{field.name: _HINTS[field.name](value) for field, value in zip(fields(Row), values, strict=True)})


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
