"""The Merkle tree of RFC 9162, section 2.1: leaves and nodes are hashed with different first bytes, so that neither passes for the other.

::

    leaf  = SHA-256(0x00 ‖ line)
    node  = SHA-256(0x01 ‖ left ‖ right)
    tree of n leaves: the left half holds the greatest power of two below n

A proof is the list of hashes beside the way from a leaf to the root, from the leaf upwards. The published libraries are GPL-licensed or
hash leaves like nodes; the tests hold these few lines to the vectors of Certificate Transparency.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256


def leaf_hash(line: bytes) -> bytes:
    """Return the hash of a leaf."""
    return sha256(b"\x00" + line).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the root of the tree over hashes of leaves, at least one."""
    if len(leaves) == 1:
        return leaves[0]
    half = _half(len(leaves))
    return _node(root_of(leaves[:half]), root_of(leaves[half:]))


def proof_of(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the hashes beside the way from leaf ``index`` to the root, from the leaf upwards."""
    if len(leaves) == 1:
        return []
    half = _half(len(leaves))
    if index < half:
        return [*proof_of(leaves[:half], index), root_of(leaves[half:])]
    return [*proof_of(leaves[half:], index - half), root_of(leaves[:half])]


def root_by_proof(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """Return the root that a proof leads to from leaf ``index`` of ``size``, None where its length does not fit."""
    if not 0 <= index < size:
        return None
    if size == 1:
        return None if proof else leaf
    if not proof:
        return None
    half, beside = _half(size), proof[-1]
    if index < half:
        below = root_by_proof(leaf, index, half, proof[:-1])
        return None if below is None else _node(below, beside)
    below = root_by_proof(leaf, index - half, size - half, proof[:-1])
    return None if below is None else _node(beside, below)


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def _half(size: int) -> int:
    """Return the greatest power of two below a size of at least 2."""
    return 1 << (size - 1).bit_length() - 1
