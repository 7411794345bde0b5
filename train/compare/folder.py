"""The folder of a comparison: what it was begun with, and who is at work in it.

``config.json`` names schema, versions, commit and the hashes of the data, and what the plan came to when it was read: ``plan`` with the
settings of tuned files in their place, ``cells`` with every cell there is to be, begun or not, and ``sources`` with hashes of the user's
own algorithms. ``plan.toml`` is the plan as it was read, and there last, so that a folder with a plan is one that was begun properly.
"""

from __future__ import annotations

import json
from ast import literal_eval
from pathlib import Path
from typing import Any

from ... import __version__
from ...envs.community.calendar import split_hash
from ...envs.files import write_atomically
from ..ground.runs import commit, write_text
from ..learning.algorithms import ALGORITHMS, make_algorithm
from ..task import environment_of
from .cells import SCHEMA, community_name, installed, state_of
from .plan import Plan
from .plan_file import read_plan
from .sources import source_hash

_ADDED = ("communities", "seeds", "algorithms")
_READ = ("plan", "cells", "sources")


def begin(root: Path, plan: Plan, content: bytes, *, place: Path | None = None, before: dict[str, Any] | None = None) -> None:
    """Write down what a comparison is begun with, or check that it is gone on with the same and perhaps more.

    Args:
        root: The folder; new, empty, or that of this comparison.
        plan: What is compared.
        content: The plan's file.
        place: Folder of the user's own modules.
        before: What ``config.json`` holds of a comparison elsewhere that this one goes on from.

    Raises:
        ValueError: If something else is there: another plan, data or version, or other code of an algorithm that has begun.
    """
    config: dict[str, Any] = {
        "schema": SCHEMA,
        "versions": installed(),
        "commit": commit(),
        "communities": {},
        "splits": {},
        "plan": plan.facts(),
        "cells": [cell.place.relative_to("cells").as_posix() for cell in plan.cells()],
        "sources": _sources(plan, place),
    }
    for task in plan.tasks():
        community, name = environment_of(task).community, community_name(task.community)
        community.scenarios("validation", plan.validation_days)
        community.scenarios("test", plan.test_days)
        config["communities"][name] = community.content_hash
        config["splits"][name] = split_hash(community.n_days)
    if before is not None:
        _require_same(root, plan, before, config, place)
    if (root / "plan.toml").is_file():
        own = json.loads((root / "config.json").read_text(encoding="utf-8"))
        _require_same(root, plan, own, config, place)
        if (root / "plan.toml").read_bytes() == content and all(own.get(key) == config[key] for key in _READ):
            return
    else:
        _require_empty(root)
    write_text(root / "config.json", json.dumps(config, indent=2, allow_nan=False) + "\n")
    write_atomically(root / "plan.toml", lambda file: file.write(content))


def _sources(plan: Plan, place: Path | None) -> dict[str, str]:
    """Return hashes of those algorithms of a plan that are the user's own, where they have a source."""
    _, information = plan.games[0]
    own = [entry for entry in plan.algorithms if entry.algorithm not in ALGORITHMS]
    kinds = {entry.name: type(make_algorithm(entry.algorithm, entry.settings_in(information), place=place)) for entry in own}
    return {name: digest for name, kind in kinds.items() if (digest := source_hash(kind)) is not None}


def _require_empty(root: Path) -> None:
    """Refuse a folder with something in it, but for what a kill while it was begun leaves behind."""
    there = (
        [entry.name for entry in root.iterdir() if entry.name != "config.json" and not entry.name.startswith(".")] if root.is_dir() else []
    )
    if there:
        raise ValueError(
            f"a comparison needs a folder that is new, empty or its own, got {root} with {', '.join(sorted(there)[:5])} and no plan.toml."
        )


def _require_same(root: Path, plan: Plan, before: dict[str, Any], config: dict[str, Any], place: Path | None) -> None:
    written = (before["schema"], before["versions"]["gridtoll"])
    if written != (SCHEMA, __version__):
        raise ValueError(
            f"a comparison must be continued by the version it was begun with, gridtoll {written[1]} with schema {written[0]} in "
            f"{root}, got {__version__} with {SCHEMA}. Use that version, or another folder."
        )
    for kind in ("communities", "splits"):
        changed = [name for name, found in before[kind].items() if config[kind].get(name, found) != found]
        if changed:
            raise ValueError(
                f"a comparison must be continued with the data it was begun with, but the {kind} of {', '.join(changed)} have changed "
                f"since {root} was begun. Use another folder."
            )
    changes = _changes(_plan_of(root, before, place), config["plan"])
    if changes:
        raise ValueError(
            f"a comparison must be continued with the plan it was begun with, but {root} was begun with other lines (-), tuned settings "
            "included, than are given now (+):\n" + "\n".join(changes) + "\n"
            "Algorithms, seeds, communities and information classes may be added. Put the rest back, use another "
            "folder, or run only some algorithms with --only."
        )
    _require_same_code(root, plan, before.get("sources", {}), config["sources"])


def _plan_of(root: Path, before: dict[str, Any], place: Path | None) -> dict[str, str]:
    """Return what defined the cells when the comparison was begun; where that was not written down yet, what its plan comes to now."""
    if "plan" in before:
        return dict(before["plan"])
    return read_plan((root / "plan.toml").read_bytes(), source=str(root / "plan.toml"), place=place).facts()


def _require_same_code(root: Path, plan: Plan, old: dict[str, str], new: dict[str, str]) -> None:
    """Refuse changed code of an algorithm with cells that are done or were begun; failed ones are what code is changed for."""
    begun = {
        cell.name for cell in plan.cells() if (root / cell.place).is_dir() and state_of(root / cell.place) not in ("failed", "not run")
    }
    changed = [name for name in old if name in begun and new.get(name, old[name]) != old[name]]
    if changed:
        raise ValueError(
            f"an algorithm must be continued as it was begun, but the code of {', '.join(changed)} has changed, and cells of it in "
            f"{root} are done or begun. Remove those cells, or put the code back and add a class of its own to the plan."
        )


def _changes(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """Return what differs but for additions, as lines of a diff; an algorithm that is run in more communities than before is one."""
    begun = tuple(key.removesuffix("algorithm") for key in old if key.startswith("algorithms.") and key.endswith(".algorithm"))
    lines = []
    for key in sorted(old.keys() | new.keys()):
        added = (key not in old and key.partition(".")[0] in _ADDED and not key.startswith(begun)) or _wider(key, old, new)
        if old.get(key) != new.get(key) and not added:
            lines += [f"- {key} = {old[key]}"] if key in old else []
            lines += [f"+ {key} = {new[key]}"] if key in new else []
    return lines


def _wider(key: str, old: dict[str, str], new: dict[str, str]) -> bool:
    """Return whether a line says where an algorithm is run, and the new plan runs it there and perhaps elsewhere."""
    if not key.endswith(".only"):
        return False
    return key not in new or (key in old and set(literal_eval(old[key])) <= set(literal_eval(new[key])))
