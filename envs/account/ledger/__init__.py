"""The ledger: settled days written down so that nobody can change them unseen.

A ledger is one text file in UTF-8. Every line is a JSON object in canonical form (RFC 8785) and ends with a line feed. The first line says
what holds for all days. Each day then has

===============  ======  ===============================================================================================================
``kind``         lines   content
===============  ======  ===============================================================================================================
``day``          1       what everybody may see: date, prices, charges posted, the operator's account, the mechanism's evidence
``statement``    N       what one prosumer alone may see: its data, what it did, each of its trades, its bill
``leaves``       1       the hash of each line above, in order: which line was changed
``seal``         1       the root of the Merkle tree over these hashes (RFC 9162), the hash of the seal before, a signature (Ed25519)
===============  ======  ===============================================================================================================

A day names the hash of the first line, and a seal that of the seal before it, so that nothing can be taken out, put in or moved. What can
still be done is to cut whole days off the end: keep the *head*, the hash of the last seal, in another place.

A *receipt* is one prosumer's statement with the day's line, the seal and the way to the root. It shows that the statement is the one that
was signed, and holds nothing of the others but the trades with them. Each line has 16 bytes of salt, so that a statement cannot be guessed
from its hash.

Rooms: :mod:`.statements` (what is written of a day) → :mod:`.canonical` and :mod:`.merkle` → :mod:`.keys` → :mod:`.writing`; and back:
:mod:`.reading` → :mod:`.arithmetic`, :mod:`.duality` → :mod:`.verification`, :mod:`.receipts`.
"""

from __future__ import annotations

from .keys import load_private_key, load_public_key, new_key
from .receipts import receipt_of, verify_receipt
from .verification import LedgerFault, Verified, verify_ledger
from .writing import Book, append_days, write_ledger

__all__ = [
    "Book",
    "LedgerFault",
    "Verified",
    "append_days",
    "load_private_key",
    "load_public_key",
    "new_key",
    "receipt_of",
    "verify_ledger",
    "verify_receipt",
    "write_ledger",
]
