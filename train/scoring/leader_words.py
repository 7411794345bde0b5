"""What a word that names a leader means: one known by name, or a run folder or file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...envs.community.sources.place import is_path
from ...envs.errors import two_readings


def leader_place(text: str, names: Sequence[str]) -> Path | None:
    """Return the run folder or file that a user's word for a leader stands for, None for a leader known by name.

    Args:
        text: The word.
        names: Of the leaders known by name, ``constant:G`` among them.

    Raises:
        ValueError: If a bare word is the name of a leader and that of a run folder here.
    """
    if is_path(text) or text.partition(":")[0] not in {name.partition(":")[0] for name in names}:
        return Path(text)
    if (Path(text) / "config.json").is_file():
        raise two_readings(text, f"a leader known by name and a run folder in {Path.cwd()}", f"./{text}")
    return None
