"""Settings from the files that ``gridtoll tune`` writes."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ...envs.errors import two_readings, unknown_name
from ...envs.written import not_finite, read_text

SHIPPED: Final = Path(__file__).resolve().parent.parent / "tuning" / "tuned"
"""Folder of the tuned settings that come with gridtoll."""


def tuned_settings(text: str, algorithm: str) -> dict[str, Any]:
    """Return the settings of a file.

    Args:
        text: A path, seen from the current folder, or the name of a file that comes with gridtoll.
        algorithm: What they are meant for.

    Raises:
        ValueError: If there is no such file, it is not of that form, or was tuned for another algorithm.
    """
    shipped = {path.stem: path for path in SHIPPED.glob("*.toml")}
    path = file_or_shipped(text, shipped, "tuned settings", "a file of `gridtoll tune`")
    try:
        content = tomllib.loads(read_text(path))
        settings, origin = dict(content["settings"]), content["origin"]["algorithm"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"tuned settings must be a file that `gridtoll tune` wrote, got {path}: {error}.") from None
    if not_finite(settings):
        raise ValueError(f"tuned settings must be finite numbers, got {', '.join(not_finite(settings))} in {path}.")
    if origin != algorithm:
        raise ValueError(f"settings must have been tuned for the algorithm that takes them, {algorithm!r}, got {path} of {origin!r}.")
    return settings


def file_or_shipped(text: str, shipped: Mapping[str, Path], kind: str, file: str) -> Path:
    """Return the file that a word stands for: one that comes with gridtoll by its name, or one of the user's by its path.

    Args:
        text: The word.
        shipped: Files that come with gridtoll, by name.
        kind: What is being named, for errors.
        file: What the user's own would be, for errors.

    Raises:
        ValueError: If there is no such file, or a bare word is the name of one that comes with gridtoll and that of one here.
    """
    here = [path for path in (Path(text), Path(f"{text}.toml")) if path.is_file()]
    if text in shipped:
        if here:
            raise two_readings(text, f"{kind} that comes with gridtoll and the file {here[0]} in {Path.cwd()}", f"./{here[0]}")
        return shipped[text]
    if Path(text).is_file():
        return Path(text)
    hint = f" Did you mean {str(here[0])!r}?" if here else ""
    raise ValueError(f"{unknown_name(f'{kind} (or {file})', text, shipped)} There is no such file in {Path.cwd()} either.{hint}")
