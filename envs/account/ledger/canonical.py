"""Lines of a ledger: JSON in the one form that RFC 8785 allows, so that equal content has equal bytes and an equal hash."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from ...packages import package_of

FORMAT: Final = 1
"""Raised whenever a line of a kind would be read differently."""


def line_of(content: Mapping[str, Any]) -> bytes:
    """Return an object as a line, its line feed included.

    Raises:
        ValueError: If it holds what JSON has no word for, as NaN, or the extra ``ledger`` is not installed.
    """
    rfc8785 = package_of("ledger", "rfc8785", "a ledger")
    try:
        return bytes(rfc8785.dumps(dict(content))) + b"\n"
    except rfc8785.CanonicalizationError as error:
        raise ValueError(
            f"a ledger can hold only what JSON can hold, got a line of kind {content.get('kind')!r} with something else: {error}."
        ) from error


def read_line(line: bytes) -> dict[str, Any]:
    """Return the object that a line holds.

    Raises:
        ValueError: If it is no JSON object, or does not end with a line feed.
    """
    if not line.endswith(b"\n"):
        raise ValueError("must end with a line feed, got the end of the file. The rest is missing")
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"must be a JSON object, which this is not ({error})") from None
    if not isinstance(content, dict):
        raise ValueError(f"must be a JSON object, got {type(content).__name__}")
    return content


def hash_of(line: bytes) -> str:
    """Return the SHA-256 of a line in hexadecimal."""
    return sha256(line).hexdigest()
