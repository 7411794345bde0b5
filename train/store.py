"""Results that take long to compute and can be computed again, kept in the user's cache folder by the content of the question.

A key holds everything an answer depends on, the source of the model included: an answer is never served to another question, and old
answers need no clearing out to stay correct. Deleting the folder is always safe.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ..envs.files import user_cache_dir, write_atomically


def stored(kind: str, key: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the answer kept for a key, None if there is none; a file that cannot be read counts as none.

    Args:
        kind: Which question, the name of a folder.
        key: JSON values.
    """
    try:
        content = json.loads(_path(kind, key).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    matches = isinstance(content, dict) and content.get("key") == _canonical(key)
    return content["value"] if matches else None


def store(kind: str, key: Mapping[str, Any], value: Mapping[str, Any]) -> None:
    """Keep an answer, whole or not at all; several processes may do so at once."""
    text = json.dumps({"key": _canonical(key), "value": dict(value)}, allow_nan=False)
    write_atomically(_path(kind, key), lambda file: file.write(text.encode()))


@cache
def model_fingerprint() -> str:
    """Return a hash of the source of the environments and the optimum: an answer of one model is not that of another."""
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for folder in (root / "envs", root / "agents" / "optimum"):
        for file in sorted(folder.rglob("*.py")):
            digest.update(f"\n{file.relative_to(root).as_posix()}\n".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _canonical(key: Mapping[str, Any]) -> Any:
    return json.loads(json.dumps(dict(key), allow_nan=False))


def _path(kind: str, key: Mapping[str, Any]) -> Path:
    text = json.dumps({"model": model_fingerprint(), **key}, sort_keys=True, allow_nan=False)
    name = hashlib.sha256(text.encode()).hexdigest()
    return user_cache_dir() / kind / name[:2] / f"{name}.json"
