"""Settings from the files that ``gridtoll tune`` writes."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

from ...envs.errors import unknown_name

SHIPPED: Final = Path(__file__).resolve().parent.parent / "tuned"
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
    path = Path(text) if Path(text).is_file() else shipped.get(text)
    if path is None:
        raise unknown_name("tuned settings (or a file of `gridtoll tune`)", text, shipped)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        settings, origin = dict(content["settings"]), content["origin"]["algorithm"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"tuned settings must be a file that `gridtoll tune` wrote, got {path}: {error}.") from None
    if origin != algorithm:
        raise ValueError(f"settings must have been tuned for the algorithm that takes them, {algorithm!r}, got {path} of {origin!r}.")
    return settings
