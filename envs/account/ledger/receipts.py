"""Receipts: one prosumer's statement of a day, with what shows that it was signed."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from .arithmetic import statement_faults
from .canonical import FORMAT, hash_of, line_of, read_line
from .keys import signed_by
from .merkle import leaf_hash, proof_of, root_by_proof
from .reading import days_of, opening_of, read_opening
from .verification import LedgerFault


def receipt_of(path: Path, *, day: int, prosumer: int) -> bytes:
    """Return a receipt: one line of JSON that holds the lines of the ledger it needs as text, and the ways to the root.

    Args:
        path: The ledger.
        day: Number of the day in it, from 0.
        prosumer: Number of the prosumer, from 0.

    Raises:
        ValueError: If there is no such day or prosumer.
    """
    opening = read_opening(path)
    if not 0 <= prosumer < opening.n_prosumers:
        raise ValueError(f"the prosumer must be a number from 0 to {opening.n_prosumers - 1}, got {prosumer}.")
    found = next(islice(days_of(path, opening), day, None), None) if day >= 0 else None
    if found is None:
        count = sum(1 for _ in days_of(path, opening))
        raise ValueError(f"the day must be one of the {count} in {path}, from 0 to {count - 1}, got {day}.")
    lines = found.lines
    if len(lines) != opening.n_prosumers + 3:
        text = f"day {day} of {path} must have {opening.n_prosumers + 3} lines, got {len(lines)}"
        raise ValueError(f"{text}. `gridtoll ledger verify` says more.")
    leaves = [leaf_hash(line) for line in lines[:-2]]
    texts = {"ledger": opening.line, "day": lines[0], "statement": lines[prosumer + 1], "seal": lines[-1]}
    return line_of(
        {
            "kind": "receipt",
            "format": FORMAT,
            "prosumer": prosumer,
            **{name: line.decode() for name, line in texts.items()},
            "day_proof": [beside.hex() for beside in proof_of(leaves, 0)],
            "statement_proof": [beside.hex() for beside in proof_of(leaves, prosumer + 1)],
        }
    )


def verify_receipt(content: bytes, *, public_key: str | None = None) -> tuple[dict[str, Any], tuple[LedgerFault, ...]]:
    """Verify a receipt by itself.

    Args:
        content: Its bytes.
        public_key: The key that must have signed it, in hexadecimal; the one that it names where absent, which shows that it is of one
            piece, not whose it is.

    Returns:
        The statement, and what is wrong with the receipt.

    Raises:
        ValueError: If it is no receipt, or of another format.
    """
    try:
        receipt = read_line(content)
        lines = {name: str(receipt[name]).encode() for name in ("ledger", "day", "statement", "seal")}
        opening = opening_of(lines["ledger"], "the receipt's ledger")
        day, own, seal = (read_line(lines[name]) for name in ("day", "statement", "seal"))
    except KeyError as error:
        raise ValueError(f"a receipt must hold {error.args[0]!r}, and does not. `gridtoll ledger receipt` writes one.") from None
    if receipt.get("kind") != "receipt" or receipt.get("format") != FORMAT:
        raise ValueError(
            f"a receipt must be of kind `receipt` and format {FORMAT}, got {receipt.get('kind')!r}, {receipt.get('format')!r}."
        )
    texts = [
        *([] if line_of(receipt) == content else ["the receipt must be in canonical form, got other bytes"]),
        *_unsigned(opening.content, seal, lines, public_key),
        *_unproved(receipt, seal, lines, size=opening.n_prosumers + 1),
    ]
    if day.get("ledger") != hash_of(lines["ledger"]):
        texts.append("the ledger's first line must be the one that the day names, got another")
    if own.get("prosumer") != receipt.get("prosumer") or not own.get("day") == day.get("day") == seal.get("day"):
        texts.append("statement, day and seal must be of one day and prosumer, got others")
    if not texts:
        try:
            texts += list(statement_faults(opening.content, day, own))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            texts.append(f"the statement must hold every field of its format, got {type(error).__name__}: {error}")
    name = f"the receipt of {own.get('name')} for day {own.get('day')}"
    return {"date": day.get("date"), **own}, tuple(LedgerFault(line=1, what=name, text=text) for text in texts)


def _unsigned(opening: Mapping[str, Any], seal: Mapping[str, Any], lines: Mapping[str, bytes], public_key: str | None) -> list[str]:
    signer = str(opening["public_key"])
    unsigned = line_of({name: value for name, value in seal.items() if name != "signature"})
    texts = []
    if public_key is not None and signer != public_key:
        texts.append(f"it must be signed with the key {public_key}, got {signer}")
    if not signed_by(signer, str(seal.get("signature")), unsigned) or line_of(seal) != lines["seal"]:
        texts.append("the seal must be signed with the operator's key, got a signature that does not fit")
    return texts


def _unproved(receipt: Mapping[str, Any], seal: Mapping[str, Any], lines: Mapping[str, bytes], *, size: int) -> list[str]:
    texts = []
    for name in ("day", "statement"):
        try:
            index = 0 if name == "day" else 1 + int(receipt["prosumer"])
            beside = [bytes.fromhex(text) for text in receipt[f"{name}_proof"]]
        except (KeyError, TypeError, ValueError):
            index, beside = -1, []
        root = root_by_proof(leaf_hash(lines[name]), index, size, beside)
        if root is None or root.hex() != seal.get("root"):
            texts.append(f"the {name} must be one that was signed, got another: it was changed")
    return texts
