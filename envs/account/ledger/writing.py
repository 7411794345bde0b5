"""Writing a ledger: lines of a day, their hashes, the seal; and going on with one that exists."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ...files import write_atomically
from .canonical import FORMAT, hash_of, line_of
from .keys import public_key, salts
from .merkle import leaf_hash, root_of
from .reading import last_seal, read_opening
from .statements import Book, SettledDay, day_content, opening, statements

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["Book", "append_days", "write_ledger"]

_AT_ONCE = 2**20  # bytes copied at a time


def write_ledger(path: Path, book: Book, days: Iterable[SettledDay], key: Ed25519PrivateKey) -> str:
    """Write a ledger completely or not at all.

    Args:
        path: The file; one that exists is replaced.
        book: What holds for all days.
        days: The days in order, at least one.
        key: Signs each day.

    Returns:
        Its head, the hash of the last seal: keep it where the ledger is not.

    Raises:
        ValueError: If there is no day, or the extra ``ledger`` is not installed.
    """
    first = line_of(opening(book, public_key(key)))
    head = ""

    def write(file: BinaryIO) -> None:
        nonlocal head
        file.write(first)
        head = _write_days(file, book, days, key, number=0, previous=hash_of(first), ledger=hash_of(first))

    write_atomically(path, write)
    return head


def append_days(path: Path, book: Book, days: Iterable[SettledDay], key: Ed25519PrivateKey) -> str:
    """Add days to a ledger, completely or not at all; arguments and result as of :func:`write_ledger`.

    Raises:
        ValueError: If the ledger is of another community, tariff, mechanism or key, there is no day, or it does not end with a seal.
    """
    found, content = read_opening(path), opening(book, public_key(key))
    differing = [name for name, value in json.loads(line_of(content)).items() if name != "software" and found.content.get(name) != value]
    if differing:
        raise ValueError(f"days must be added to a ledger of the same {', '.join(differing)}, got {path}. Write a new one for others.")
    seal, number = last_seal(path)
    head = ""

    def write(file: BinaryIO) -> None:
        nonlocal head
        with path.open("rb") as old:
            while part := old.read(_AT_ONCE):
                file.write(part)
        head = _write_days(file, book, days, key, number=number + 1, previous=hash_of(seal), ledger=hash_of(found.line))

    write_atomically(path, write)
    return head


def _write_days(
    file: BinaryIO, book: Book, days: Iterable[SettledDay], key: Ed25519PrivateKey, *, number: int, previous: str, ledger: str
) -> str:
    """Write days from a number on, and return the hash of the last seal."""
    head = previous
    for place, settled in enumerate(days, start=number):
        lines = list(_lines(book, settled, key, number=place, previous=head, ledger=ledger))
        file.writelines(lines)
        head = hash_of(lines[-1])
    if head == previous:
        raise ValueError("a ledger must be given at least one day, got none.")
    return head


def _lines(book: Book, settled: SettledDay, key: Ed25519PrivateKey, *, number: int, previous: str, ledger: str) -> Iterator[bytes]:
    """Yield the lines of a day, the seal last."""
    charges = book.tariff.charges(settled.coefficients)
    salt = salts(key, f"{ledger} {number}", len(book.prosumers) + 1)
    common = {"format": FORMAT, "day": number}
    contents: list[dict[str, Any]] = [{"kind": "day", "ledger": ledger, **day_content(book, settled)}]
    told = zip(book.prosumers, statements(settled, charges), strict=True)
    contents += [{"kind": "statement", "name": name, **content} for name, content in told]
    lines = [line_of({**content, **common, "salt": own}) for content, own in zip(contents, salt, strict=True)]
    yield from lines
    leaves = [leaf_hash(line) for line in lines]
    yield line_of({"kind": "leaves", **common, "hashes": [leaf.hex() for leaf in leaves]})
    yield sealed({"kind": "seal", **common, "previous": previous, "leaves": len(leaves), "root": root_of(leaves).hex()}, key)


def sealed(content: dict[str, Any], key: Ed25519PrivateKey) -> bytes:
    """Return a seal as a line, signed: the signature is of the line without it."""
    return line_of({**content, "signature": key.sign(line_of(content)).hex()})
