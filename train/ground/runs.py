"""Run folders: what a training leaves behind, written so that a kill at any moment leaves it readable.

===============================  =====================================================================================================
file                             content
===============================  =====================================================================================================
``config.json``                  schema, configuration, seed, versions, commit, hashes of the community's data and of the split
``progress.jsonl``               one JSON object per validation: step, wall seconds, validation profit
``checkpoint.json``              names the newest complete checkpoint and the SHA-256 of its files; training resumes from it
``checkpoint-STEP-*``            the learner's complete state; contains pickles of stable-baselines3
``best.json``                    names the best policy on validation days and the SHA-256 of its file; evaluation reads it
``best-STEP-policy.pt``          that policy's weights and nothing else, read without unpickling objects
``tensorboard/``                 event files
===============================  =====================================================================================================

Each file is written beside its place and renamed into it. A pointer (``checkpoint.json``, ``best.json``) is renamed only once the files it
names are complete, and older files are removed only after that: whatever moment the process dies at, each pointer names files that are
whole.

**Pickles run code when they are read.** Resume only runs of your own; evaluating a run reads no pickle.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

from ... import __version__
from ...envs.files import write_atomically
from .folder_kinds import RUN_FOLDER, kind_of
from .locks import LOCK, is_bare

SCHEMA: Final = 1
"""Version of this layout; a folder with another one is refused."""

Writer = Callable[[BinaryIO], None]
Kind = Literal["checkpoint", "best"]

_RECORDED: Final = ("numpy", "scipy", "cvxpy", "clarabel", "gymnasium", "stable-baselines3", "torch", "pandapower")


@dataclass(frozen=True)
class Snapshot:
    """What a pointer names, checked to be whole.

    Attributes:
        step: Training days played when it was taken.
        facts: What else was recorded with it.
        files: Path of each part.
    """

    step: int
    facts: dict[str, Any]
    files: dict[str, Path]


@dataclass(frozen=True)
class RunFolder:
    """One run folder; made by :meth:`create` or :meth:`open`.

    Attributes:
        path: The folder.
        config: What ``config.json`` holds.
    """

    path: Path
    config: dict[str, Any]

    @classmethod
    def create(cls, path: Path, config: Mapping[str, Any]) -> RunFolder:
        """Start a run folder; ``config.json`` is the first thing in it.

        Args:
            path: Must not exist, or be an empty folder, but for a lock.
            config: JSON values; schema, versions and commit are added.

        Raises:
            ValueError: If there is something in the folder already.
        """
        require_new(path)
        whole = {"schema": SCHEMA, "versions": versions(), "commit": commit(), **config}
        path.mkdir(parents=True, exist_ok=True)
        for left_over in path.glob(".*.part"):
            left_over.unlink(missing_ok=True)
        _write_json(path / "config.json", whole)
        return cls(path, whole)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Read a run folder.

        Raises:
            ValueError: If it is no run folder, was written by another version, or its configuration is not readable.
        """
        if not path.is_dir():
            raise ValueError(f"a run folder must be a folder written by `gridtoll train`, got {path}, which is not there.")
        if not (path / "config.json").is_file():
            raise ValueError(f"a run folder must hold config.json, got {path} without it. {_told_apart(path)}")
        config = read_json(path / "config.json")
        if "config" not in config:
            raise ValueError(f"a run folder must hold the configuration of a training, got {path} without one. {_told_apart(path)}")
        written = (config.get("schema"), config.get("versions", {}).get("gridtoll"))
        if written != (SCHEMA, __version__):
            raise ValueError(
                f"a run folder must be of this version (gridtoll {__version__}, schema {SCHEMA}), got {path} of gridtoll {written[1]}, "
                f"schema {written[0]}. Use that version, or train again."
            )
        return cls(path, config)

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Leave nothing of a run that is refused, by a ``ValueError``, before its first checkpoint: going on would end there again.

        After another error, an interruption say, the run can be gone on with.
        """
        try:
            yield
        except ValueError:
            if not (self.path / "checkpoint.json").is_file():
                for entry in self.path.iterdir():
                    if entry.name != LOCK:
                        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            raise

    def save(self, kind: Kind, step: int, parts: Mapping[str, Writer], facts: Mapping[str, Any] | None = None) -> None:
        """Write a snapshot, point at it, and remove the one before.

        Args:
            kind: ``"checkpoint"`` or ``"best"``.
            step: Training days played.
            parts: What writes each file, by the end of its name.
            facts: JSON values to record with it.
        """
        files = {}
        for part, write in parts.items():
            name = f"{kind}-{step:07d}-{part}"
            write_atomically(self.path / name, write)
            files[part] = {"name": name, "sha256": sha256(self.path / name)}
        _write_json(self.path / f"{kind}.json", {"step": step, "facts": dict(facts or {}), "files": files})
        kept = {entry["name"] for entry in files.values()}
        for old in self.path.glob(f"{kind}-*"):
            if old.name not in kept:
                old.unlink()

    def load(self, kind: Kind) -> Snapshot | None:
        """Return the newest snapshot of a kind, None if there is none yet.

        Raises:
            ValueError: If a file it names is missing or is not what was written.
        """
        pointer = self.path / f"{kind}.json"
        if not pointer.is_file():
            return None
        content = read_json(pointer)
        files = {}
        for part, entry in content["files"].items():
            file = self.path / entry["name"]
            if not file.is_file() or sha256(file) != entry["sha256"]:
                state = "is missing" if not file.is_file() else "is cut short or changed"
                raise ValueError(f"every file of a run must be as it was written, but {file} {state}. Restore it, or train again.")
            files[part] = file
        return Snapshot(step=int(content["step"]), facts=content["facts"], files=files)

    def finished(self, steps: int) -> Snapshot:
        """Return the best policy of a run that has played all its training days.

        Raises:
            ValueError: If it was cut short or damaged.
        """
        checkpoint, best = self.load("checkpoint"), self.load("best")
        step = checkpoint.step if checkpoint else 0
        if best is None or step < steps:
            raise ValueError(
                f"only a finished run can be evaluated, but {self.path} was cut short after {step} of {steps} training days. "
                f"Finish it with `gridtoll train --resume {self.path}`."
            )
        return best

    def require_same_data(self, name: str, content_hash: str) -> None:
        """Refuse to go on where the data are not those the run was started with.

        Args:
            name: Of the community.
            content_hash: Of its data now.

        Raises:
            ValueError: If they have changed.
        """
        if self.config.get("community_hash") != content_hash:
            raise ValueError(f"a run must go on with the data it was started with, but community {name!r} has changed. Train again.")

    def record(self, row: Mapping[str, Any]) -> None:
        """Append a row to the progress file."""
        with (self.path / "progress.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(dict(row), allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def progress(self) -> list[dict[str, Any]]:
        """Return the rows recorded so far; a last line torn by a kill is left out.

        Raises:
            ValueError: If any other line is not readable.
        """
        file = self.path / "progress.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.is_file() else []
        rows: list[dict[str, Any]] = []
        for number, line in enumerate(lines, start=1):
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                if number == len(lines) and not line.endswith("\n"):
                    break
                raise ValueError(f"every line of {file} must be a JSON object, got {line.strip()[:60]!r} in line {number}.") from None
        return rows

    def rewind_progress(self, step: int) -> None:
        """Forget rows after a step: training resumes there and will record them again."""
        kept = [row for row in self.progress() if row["step"] <= step]
        text = "".join(json.dumps(row, allow_nan=False) + "\n" for row in kept)
        write_text(self.path / "progress.jsonl", text)


def _told_apart(path: Path) -> str:
    return f"It looks like {kind_of(path)}. Needed here is {RUN_FOLDER}."


def require_new(path: Path) -> None:
    """Refuse a place for a new run where there is something already.

    Raises:
        ValueError: If it is a file, or a folder with something in it.
    """
    if path.exists() and (not path.is_dir() or not is_bare(path)):
        raise ValueError(f"a new run needs a folder that does not exist or is empty, got {path}. Choose another, or resume that run.")


def versions() -> dict[str, str]:
    """Return the versions a result depends on, of gridtoll, Python and the packages that compute."""
    return {"gridtoll": __version__, "python": platform.python_version(), **{name: metadata.version(name) for name in _RECORDED}}


@cache  # that of the code loaded, whatever is checked out while it runs; and a row of results asks for it each day
def commit() -> str | None:
    """Return the commit of the checkout this package runs from, with ``+changes`` where files differ from it; None when installed."""
    root = Path(__file__).resolve().parents[2]
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return None
    head = _git(git, root, "rev-parse", "HEAD")
    if head is None:
        return None
    return head + ("+changes" if _git(git, root, "status", "--porcelain") else "")


def _git(git: str, root: Path, *arguments: str) -> str | None:
    done = subprocess.run([git, "-C", str(root), *arguments], capture_output=True, text=True, check=False)  # noqa: S603 - fixed arguments
    return done.stdout.strip() if done.returncode == 0 else None


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    write_atomically(path, lambda file: file.write(text.encode()))


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as a CSV file, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Return the one JSON object that a file holds.

    Raises:
        ValueError: If there is no such file, or it holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} must be a JSON file, but is missing, cut short or changed: {error}.") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold one JSON object, got {type(content).__name__}.")
    return content


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
