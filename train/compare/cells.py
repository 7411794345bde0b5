"""What defines a cell of a comparison, and the files it consists of.

A cell is one algorithm with one seed in one community under one information class. Its folder holds ``rows.csv``, a row for each test
day; ``practice/``, what the algorithm wrote for itself; ``traceback.txt`` where it failed; and ``cell.json``, written last. A cell is
complete when ``cell.json`` is there and the rows are those it names; whatever moment a process dies at, a cell that is not complete is
simply run again, and its algorithm may go on from what it kept in ``practice/``.

Where a cell could not run for want of a package, ``cell.json`` says that and nothing else. Such a cell is neither done nor failed, no score
is made of it, and it runs as soon as the package is there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, get_args

from ...envs.arrays import plain
from ...envs.games.spec import GameSpec
from ..ground.runs import read_json, sha256, versions, write_text
from ..references.hours import SearchEffort

SCHEMA: Final = 1
"""Version of this layout."""
State = Literal["done", "failed", "not run", "open"]
STATES: Final[tuple[State, ...]] = get_args(State)

_ENDS: Final = ("done", "failed")
_NOT_RUN: Final = "not run"
_OPTIONAL: Final = ("sb3-contrib", "optuna", "scikit-learn", "sbx-rl", "jax")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One algorithm, seed, community and information class.

    Attributes:
        task: The game.
        name: What the plan calls the algorithm.
        algorithm: Which one it is.
        settings: Of the algorithm, as the plan states them.
        seed: Of the learning.
        steps: Budget of training days it is given; what it played is recorded with what came of it.
        validation_days: Of each validation, None for all.
        test_days: On which the leader is scored, None for all.
        effort: How hard best sequences of the hourly game are searched for; None as usual.
    """

    task: GameSpec
    name: str
    algorithm: str
    settings: tuple[tuple[str, Any], ...]
    seed: int
    steps: int
    validation_days: int | None
    test_days: int | None
    effort: SearchEffort | None = None

    @property
    def place(self) -> Path:
        """Its folder, within that of the comparison."""
        return Path("cells", community_name(self.task.community), self.task.information, self.name, str(self.seed))

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{community_name(self.task.community)} {self.task.information} {self.name} seed {self.seed}"


def community_name(community: str) -> str:
    """Return what a community is called in paths: its name, or that of its folder."""
    return Path(community).resolve().name if "/" in community or "\\" in community else community


class Written(NamedTuple):
    """What a comparison has written so far.

    Attributes:
        complete: What the ``cell.json`` of every cell holds that is done or failed, by the cell's folder and in the order of these.
        missing: Cells that are not complete, those never begun included, by the names of their folders within ``cells``.
        config: What ``config.json`` holds.
        not_run: Why cells among the missing ones could not run, by the names of their folders.
    """

    complete: dict[Path, dict[str, Any]]
    missing: tuple[str, ...]
    config: dict[str, Any]
    not_run: dict[str, str]


def read_comparison(root: Path) -> Written:
    """Return what a comparison has written so far, to report or to export it.

    Raises:
        ValueError: If the folder is that of no comparison, or a complete cell is not as it was written.
    """
    cells = root / "cells"
    if not cells.is_dir():
        raise ValueError(f"cells are read from a folder written by `gridtoll compare`, got {root}, which holds no folder `cells`.")
    places = sorted(path for path in cells.glob("*/*/*/*") if path.is_dir())
    contents = {path: read_json(path / "cell.json") for path in places if (path / "cell.json").is_file()}
    for path, content in contents.items():
        if content.get("schema") != SCHEMA:
            raise ValueError(f"cells must be of schema {SCHEMA}, got {content.get('schema')} in {path}. Use the version that wrote them.")
        if content.get("status") == "done":
            _require_whole(path, content)
    complete = {path: content for path, content in contents.items() if content.get("status") in _ENDS}
    config = read_json(root / "config.json") if (root / "config.json").is_file() else {}
    names = {path.relative_to(cells).as_posix() for path in places} | set(expected_cells(config))
    missing = tuple(sorted(names - {path.relative_to(cells).as_posix() for path in complete}))
    not_run = {
        path.relative_to(cells).as_posix(): str(content["error"]) for path, content in contents.items() if content.get("status") == _NOT_RUN
    }
    return Written(complete, missing, config, not_run)


def _require_whole(folder: Path, content: Mapping[str, Any]) -> None:
    rows = folder / "rows.csv"
    if not rows.is_file() or content.get("rows_sha256") != sha256(rows):
        state = "is not as it was written" if rows.is_file() else "is missing"
        raise ValueError(
            f"the rows of every finished cell must be whole, but {rows} {state}. Delete {folder} and go on with `gridtoll compare`."
        )


def expected_cells(config: Mapping[str, Any]) -> list[str]:
    """Return the folders, within ``cells``, that a comparison is to have by its ``config.json``; none where that does not say."""
    return list(config.get("cells") or ())


def state_of(folder: Path) -> State:
    """Return how far a cell is; one whose files do not belong together counts as not run."""
    result = read_result(folder)
    if result is None:
        return "open" if why_not_run(folder) is None else "not run"
    return "failed" if result["status"] == "failed" else "done"


def read_result(folder: Path) -> dict[str, Any] | None:
    """Return what ``cell.json`` holds, None where the cell is not complete."""
    try:
        result = json.loads((folder / "cell.json").read_text(encoding="utf-8"))
        whole = isinstance(result, dict) and result.get("schema") == SCHEMA and result.get("status") in _ENDS
        if whole and result["status"] == "done":
            whole = result["rows_sha256"] == sha256(folder / "rows.csv")
    except (OSError, ValueError, KeyError):
        return None
    return result if whole else None


def why_not_run(folder: Path) -> str | None:
    """Return what a cell could not run for want of, None where it was not left out."""
    try:
        result = json.loads((folder / "cell.json").read_text(encoding="utf-8"))
        return str(result["error"]) if result["status"] == _NOT_RUN and result["schema"] == SCHEMA else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_not_run(folder: Path, reason: str) -> None:
    """Write down that a cell could not run, and why."""
    write_result(folder, {"status": _NOT_RUN, "error": reason})


def write_result(folder: Path, result: Mapping[str, Any]) -> None:
    """Write ``cell.json``, which completes the cell where it is done or failed."""
    text = json.dumps(plain({"schema": SCHEMA, **result}), indent=2, allow_nan=False)
    write_text(folder / "cell.json", text + "\n")


def installed() -> dict[str, str]:
    """Return the versions a cell depends on, those of optional packages where they are installed."""
    found = versions()
    for name in _OPTIONAL:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
