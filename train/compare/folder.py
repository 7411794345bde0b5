"""The folder of a comparison: what it was begun with, and who is at work in it.

``config.json`` names schema, versions, commit and the hashes of the data; ``plan.toml`` is the plan as it was read, and there last, so that
a folder with a plan is one that was begun properly. Locks belong to a process: the operating system takes them from one that is killed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ... import __version__
from ...envs.calendar import split_hash
from ...envs.files import write_atomically
from ..runs import commit, write_text
from ..task import environment_of
from .cells import SCHEMA, community_name, installed
from .plan import Plan, read_plan

try:
    import fcntl
except ImportError:  # Windows: two comparisons in one folder are then not kept apart
    fcntl = None  # type: ignore[assignment]

_ADDED = ("communities", "seeds", "algorithms")


def begin(root: Path, plan: Plan, content: bytes, *, place: Path | None = None) -> None:
    """Write down what a comparison is begun with, or check that it is gone on with the same and perhaps more.

    Args:
        root: The folder; new, empty, or that of this comparison.
        plan: What is compared.
        content: The plan's file.
        place: Folder of the user's own modules.

    Raises:
        ValueError: If something else is there: another plan, data or version.
    """
    config = {
        "schema": SCHEMA,
        "versions": installed(),
        "commit": commit(),
        "communities": {},
        "splits": {},
    }
    for task in plan.tasks():
        community, name = environment_of(task).community, community_name(task.community)
        community.scenarios("validation", plan.validation_days)
        community.scenarios("test", plan.test_days)
        config["communities"][name] = community.content_hash  # type: ignore[index]
        config["splits"][name] = split_hash(community.n_days)  # type: ignore[index]
    if (root / "plan.toml").is_file():
        _require_same(root, plan, config, place)
    else:
        _require_empty(root)
    if not (root / "plan.toml").is_file() or (root / "plan.toml").read_bytes() != content:
        write_text(root / "config.json", json.dumps(config, indent=2, allow_nan=False) + "\n")
        write_atomically(root / "plan.toml", lambda file: file.write(content))


def _require_empty(root: Path) -> None:
    """Refuse a folder with something in it, but for what a kill while it was begun leaves behind."""
    there = (
        [entry.name for entry in root.iterdir() if entry.name != "config.json" and not entry.name.startswith(".")] if root.is_dir() else []
    )
    if there:
        raise ValueError(
            f"a comparison needs a folder that is new, empty or its own, got {root} with {', '.join(sorted(there)[:5])} and no plan.toml."
        )


def _require_same(root: Path, plan: Plan, config: dict[str, Any], place: Path | None) -> None:
    before = json.loads((root / "config.json").read_text(encoding="utf-8"))
    written = (before["schema"], before["versions"]["gridtoll"])
    if written != (SCHEMA, __version__):
        raise ValueError(
            f"a comparison must be gone on with by the version it was begun with, gridtoll {written[1]} with schema {written[0]} in "
            f"{root}, got {__version__} with {SCHEMA}. Use that version, or another folder."
        )
    for kind in ("communities", "splits"):
        changed = [name for name, found in before[kind].items() if config[kind].get(name, found) != found]
        if changed:
            raise ValueError(
                f"a comparison must be gone on with the data it was begun with, but the {kind} of {', '.join(changed)} have changed since "
                f"{root} was begun. Use another folder."
            )
    old = read_plan((root / "plan.toml").read_bytes(), source=str(root / "plan.toml"), place=place).facts()
    new = plan.facts()
    changes = _changes(old, new)
    if changes:
        raise ValueError(
            f"a comparison must be gone on with the plan it was begun with, but {root / 'plan.toml'} says\n" + "\n".join(changes) + "\n"
            "Algorithms, seeds, communities and information classes may be added; for anything else use another folder, or --only."
        )


def _changes(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """Return what differs but for additions, as lines of a diff."""
    begun = {key.split(".")[1] for key in old if key.startswith("algorithms.")}
    lines = []
    for key in sorted(old.keys() | new.keys()):
        first, _, rest = key.partition(".")
        added = key not in old and first in _ADDED and not (first == "algorithms" and rest.split(".")[0] in begun)
        if old.get(key) != new.get(key) and not added:
            lines += [f"- {key} = {old[key]}"] if key in old else []
            lines += [f"+ {key} = {new[key]}"] if key in new else []
    return lines


@contextmanager
def locked(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lock of a file, which is made where it is missing.

    Args:
        path: The file.
        wait: Whether to wait for whoever holds it.

    Raises:
        ValueError: If another process holds it and there is no waiting.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if fcntl is not None:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                raise ValueError(
                    f"only one process may run a comparison in a folder, and another is at work in {path.parent}. Wait for it, or end it."
                ) from None
        yield
    finally:
        os.close(descriptor)
