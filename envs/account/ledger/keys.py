"""The operator's key: Ed25519 signatures, and salts that follow from the private key, so that the same days give the same bytes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ...packages import package_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_SALT_BYTES = 16


def new_key(path: Path) -> str:
    """Write a new private key as an unencrypted PEM file that only its owner may read, and return the public key in hexadecimal.

    The key comes from the operating system's own generator: a key from a seed could be found again by others.

    Raises:
        FileExistsError: If there is a file already; a key that is lost cannot be made again.
    """
    serialization = _serialization()
    key = _ed25519().Ed25519PrivateKey.generate()
    content = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise FileExistsError(f"a new key must have a new file, got {path}, which exists. Name another, or sign with that key.") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    return public_key(key)


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """Return the private key of a PEM file.

    Raises:
        ValueError: If it is no Ed25519 private key.
    """
    try:
        key: Any = _serialization().load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{path} must be an unencrypted private key in PEM, but cannot be read as one: {error} `gridtoll ledger key FILE` writes one."
        ) from None
    if not isinstance(key, _ed25519().Ed25519PrivateKey):
        raise ValueError(f"{path} must be an Ed25519 key, got {type(key).__name__}. `gridtoll ledger key FILE` writes one.")
    return cast("Ed25519PrivateKey", key)


def load_public_key(path: Path) -> str:
    """Return the public key in hexadecimal of a PEM file, which may hold the private key as well, or of a text file with 64 digits.

    Raises:
        ValueError: If it is none of them.
    """
    content = path.read_bytes()
    text = content.strip().decode("ascii", "replace").lower()
    if len(text) == 64 and set(text) <= set("0123456789abcdef"):
        return text
    if b"PRIVATE" in content:
        return public_key(load_private_key(path))
    try:
        key: Any = _serialization().load_pem_public_key(content)
    except ValueError as error:
        raise ValueError(f"{path} must be a public key in PEM, or its 64 hexadecimal digits, but cannot be read as one: {error}") from None
    if not isinstance(key, _ed25519().Ed25519PublicKey):
        raise ValueError(f"{path} must be an Ed25519 key, got {type(key).__name__}.")
    return str(key.public_bytes_raw().hex())


def public_key(key: Ed25519PrivateKey) -> str:
    """Return the public key in hexadecimal."""
    return key.public_key().public_bytes_raw().hex()


def signed_by(public: str, signature: str, message: bytes) -> bool:
    """Return whether a signature of a message is that of a public key, both in lower-case hexadecimal."""
    try:
        raw_key, raw = bytes.fromhex(public), bytes.fromhex(signature)
        if raw_key.hex() != public or raw.hex() != signature:  # capitals would be other bytes with the same meaning
            return False
        _ed25519().Ed25519PublicKey.from_public_bytes(raw_key).verify(raw, message)
    except (ValueError, package_of("ledger", "cryptography.exceptions", "a ledger").InvalidSignature):
        return False
    return True


def salts(key: Ed25519PrivateKey, purpose: str, count: int) -> list[str]:
    """Return salts in hexadecimal, which nobody can foresee without the private key.

    Args:
        key: The private key.
        purpose: What they are for; other purposes have other salts.
        count: How many.
    """
    hashes = package_of("ledger", "cryptography.hazmat.primitives.hashes", "a ledger")
    derived = package_of("ledger", "cryptography.hazmat.primitives.kdf.hkdf", "a ledger").HKDF
    return [
        derived(algorithm=hashes.SHA256(), length=_SALT_BYTES, salt=None, info=f"gridtoll ledger {purpose} {number}".encode())
        .derive(key.private_bytes_raw())
        .hex()
        for number in range(count)
    ]


def _ed25519() -> Any:
    return package_of("ledger", "cryptography.hazmat.primitives.asymmetric.ed25519", "a ledger")


def _serialization() -> Any:
    return package_of("ledger", "cryptography.hazmat.primitives.serialization", "a ledger")
