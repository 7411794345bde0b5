"""Verifying a ledger: every byte, every signature, every account, and the proof of every exact clearing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

from .arithmetic import day_faults, statement_faults
from .canonical import FORMAT, hash_of, line_of, read_line
from .duality import GAP_TOLERANCE, relative_gap
from .keys import signed_by
from .merkle import leaf_hash, root_of
from .reading import DayLines, Opening, days_of, read_opening


@dataclass(frozen=True, kw_only=True)
class LedgerFault:
    """What is wrong, and where.

    Attributes:
        line: Number of the line in the file, from 1.
        what: Which line that is, in words.
        text: What must hold, and what came.
    """

    line: int
    what: str
    text: str

    def __str__(self) -> str:
        """Return it as a sentence."""
        return f"line {self.line}, {self.what}: {self.text}."


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What was found in a ledger.

    Attributes:
        days: Days read.
        statements: Statements read.
        public_key: The key it says that it is signed with, in hexadecimal.
        head: Hash of the last line.
        proved: Days whose clearing is proved to be the optimum by recorded prices.
        greatest_gap: Of these, as a share of what passes through prosumers' hands.
        faults: What is wrong; nothing where all holds.
    """

    days: int
    statements: int
    public_key: str
    head: str
    proved: int
    greatest_gap: float
    faults: tuple[LedgerFault, ...]


@dataclass
class _Chain:
    """What the next day must go on from; None where the day before is too damaged to tell."""

    previous: str | None
    number: int | None = 0
    head: str = ""
    faults: list[LedgerFault] = field(default_factory=list)


def verify_ledger(
    path: Path, *, public_key: str | None = None, head: str | None = None, told: Callable[[int], object] | None = None
) -> Verified:
    """Verify a whole ledger.

    Args:
        path: The file.
        public_key: The key that must have signed it, in hexadecimal; the one that it names where absent, which shows that it is of one
            piece, not whose it is.
        head: The hash of the last seal as it was kept elsewhere; without it, days cut off the end are not missed.
        told: Called with the number of days read, for a progress bar.

    Raises:
        ValueError: If it is no ledger, or of another format.
    """
    opening = read_opening(path)
    signer = str(opening.content["public_key"])
    chain = _Chain(previous=hash_of(opening.line))
    if line_of(opening.content) != opening.line:
        chain.faults.append(LedgerFault(line=1, what="the opening", text="must be in canonical form, got other bytes"))
    if public_key is not None and signer != public_key:
        chain.faults.append(LedgerFault(line=1, what="the opening", text=f"must name the key {public_key}, got {signer}"))
    days = statements = proved = 0
    worst = 0.0
    for lines in days_of(path, opening):
        contents = _verify_lines(opening, lines, chain)
        days += 1
        statements += max(0, len(lines.lines) - 3)
        if contents is not None:
            gap = _verify_content(opening, lines, contents, chain.faults)
            proved, worst = proved + (gap is not None), max(worst, gap or 0.0)
        if told is not None:
            told(days)
    if days == 0:
        chain.faults.append(LedgerFault(line=2, what="the first day", text="must follow the opening, got the end of the file"))
    if head is not None and chain.head != head:
        text = f"must end with the seal of hash {head}, got {chain.head}: days are missing, or others"
        chain.faults.append(LedgerFault(line=1, what="the whole ledger", text=text))
    return Verified(
        days=days,
        statements=statements,
        public_key=signer,
        head=chain.head,
        proved=proved,
        greatest_gap=worst,
        faults=tuple(sorted(chain.faults, key=attrgetter("line"))),
    )


def _verify_lines(opening: Opening, day: DayLines, chain: _Chain) -> list[dict[str, Any]] | None:
    """Verify bytes, hashes, signature and place of a day; return what its lines say where all can be read."""
    kinds = ["day", *["statement"] * opening.n_prosumers, "leaves", "seal"]
    before = len(chain.faults)
    contents = []
    for number, line in enumerate(day.lines):
        content = _read(day, number, line, kinds, chain, quiet=len(chain.faults) > before)
        contents += [] if content is None else [content]
    complete = len(contents) == len(kinds)
    if len(day.lines) != len(kinds) and len(chain.faults) == before:
        text = f"must have {len(kinds)} lines, got {len(day.lines)}"
        chain.faults.append(LedgerFault(line=day.first, what="a day", text=text))
    seal = day.lines[-1]
    chain.head = hash_of(seal)
    if not complete:
        _note_other_opening(opening, contents, chain)
        chain.previous, chain.number = (chain.head, None) if b'"kind":"seal"' in seal else (None, None)
        return None
    last = day.first + len(kinds) - 1
    changed = list(_changed(day, contents))
    for number in changed:
        chain.faults.append(_fault(day, number, contents[number], "must be what was signed, got another content: it was changed"))
    for text in _broken(opening, contents[-1], seal, chain):
        chain.faults.append(LedgerFault(line=last, what=_what(contents[-1]), text=text))
    if 0 not in changed:
        _note_other_opening(opening, contents, chain)
    chain.previous, chain.number = chain.head, int(contents[-1]["day"]) + 1
    return contents if len(chain.faults) == before else None


def _note_other_opening(opening: Opening, contents: list[dict[str, Any]], chain: _Chain) -> None:
    """Note once that the ledger's first line is not the one that a day was signed with."""
    fault = LedgerFault(line=1, what="the opening", text="must be the line that the days were signed with, got another: it was changed")
    if contents and contents[0].get("ledger", hash_of(opening.line)) != hash_of(opening.line) and fault not in chain.faults:
        chain.faults.append(fault)


def _read(day: DayLines, number: int, line: bytes, kinds: list[str], chain: _Chain, *, quiet: bool) -> dict[str, Any] | None:
    """Return what a line says; a fault is noted where it is not the line that must stand there.

    Lines behind one that cannot be read may stand in each other's places: nothing is said of that (``quiet``).
    """
    wanted = kinds[number] if number < len(kinds) else "day"
    try:
        content = read_line(line)
    except ValueError as error:
        chain.faults.append(LedgerFault(line=day.first + number, what=f"a {wanted}", text=str(error)))
        return None
    if content.get("kind") != wanted or content.get("format") != FORMAT or not isinstance(content.get("day"), int):
        text = f"must be of kind `{wanted}` and format {FORMAT}, got {content.get('kind')!r} and {content.get('format')!r}"
        if not quiet:
            chain.faults.append(LedgerFault(line=day.first + number, what=f"a {wanted}", text=text))
        return None
    return content


def _changed(day: DayLines, contents: list[dict[str, Any]]) -> Iterator[int]:
    """Yield which lines of a day are not what was signed."""
    found = [leaf_hash(line) for line in day.lines[:-2]]
    listed, root = contents[-2], str(contents[-1].get("root"))
    if root_of(found).hex() == root:
        if listed.get("hashes") != [leaf.hex() for leaf in found] or line_of(listed) != day.lines[-2]:
            yield len(found)  # the list alone
        return
    hashes = listed.get("hashes")
    if isinstance(hashes, list) and len(hashes) == len(found) and _root_of_hex(hashes) == root:
        yield from (number for number, leaf in enumerate(found) if leaf.hex() != hashes[number])
        return
    yield len(found) + 1  # neither the lines nor their list lead to the root: the root is not theirs


def _root_of_hex(hashes: list[Any]) -> str | None:
    try:
        return root_of([bytes.fromhex(leaf) for leaf in hashes]).hex()
    except (TypeError, ValueError):
        return None


def _broken(opening: Opening, seal: dict[str, Any], line: bytes, chain: _Chain) -> Iterator[str]:
    """Yield what is wrong with a seal."""
    unsigned = {name: value for name, value in seal.items() if name != "signature"}
    if not signed_by(str(opening.content["public_key"]), str(seal.get("signature")), line_of(unsigned)) or line_of(seal) != line:
        yield "must be signed with the operator's key, got a signature that does not fit: it was changed"
    if chain.previous is not None and seal.get("previous") != chain.previous:
        yield f"must follow the seal of hash {chain.previous}, got {seal.get('previous')}: a day is missing, moved or put in"
    if chain.number is not None and seal.get("day") != chain.number:
        yield f"must be of day {chain.number}, got {seal.get('day')}"


def _verify_content(opening: Opening, day: DayLines, contents: list[dict[str, Any]], faults: list[LedgerFault]) -> float | None:
    """Reckon the accounts of a day whose bytes are right; return the gap of its clearing where it can be proved."""
    head, statements, before = contents[0], contents[1:-2], len(faults)
    strange = [number for number, content in enumerate(contents) if content["day"] != head["day"]]
    names, order = opening.content["prosumers"], [own.get("prosumer") for own in statements]
    if strange or order != list(range(len(names))) or [own.get("name") for own in statements] != names:
        faults.append(_fault(day, 0, head, "must have the statements of all prosumers in order and of this day, got others"))
        return None
    try:
        for number, own in enumerate(statements, start=1):
            faults += [_fault(day, number, own, text) for text in statement_faults(opening.content, head, own)]
        faults += [_fault(day, 0, head, text) for text in day_faults(opening.content, head, statements)]
        if len(faults) > before or any(own["outcome"]["nodal_price"] is None for own in statements):
            return None
        gap = relative_gap(opening.content, head, statements)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        faults.append(_fault(day, 0, head, f"must hold every field of its format, got {type(error).__name__}: {error}"))
        return None
    if not abs(gap) <= GAP_TOLERANCE:
        faults.append(_fault(day, 0, head, f"must be the optimum at its prices, got a cost of {gap:.3g} above the bound, as a share"))
        return None
    return abs(gap)


def _fault(day: DayLines, number: int, content: dict[str, Any], text: str) -> LedgerFault:
    return LedgerFault(line=day.first + number, what=_what(content), text=text)


def _what(content: dict[str, Any]) -> str:
    kind = content["kind"]
    who = f" of {content.get('name')}" if kind == "statement" else ""
    return f"the {'line' if kind == 'day' else kind}{who} of day {content['day']}"
