"""What a check of a certificate says: an error with the reason, or what it found."""

from __future__ import annotations

from dataclasses import dataclass


class CertificateError(RuntimeError):
    """A certificate is contradicted by a clearing; the message says by which."""


@dataclass(frozen=True)
class Verification:
    """What checking a certificate found.

    Attributes:
        clearings: Market clearings used.
        greatest_difference_eur: Greatest difference between a stated and a recomputed objective.
        greatest_bound_excess_eur: By how much a recomputed bound exceeds the stated upper bound at most; negative is slack.
        tolerance_eur: To how many EUR the stated numbers were held.
        solver: What cleared.
    """

    clearings: int
    greatest_difference_eur: float
    greatest_bound_excess_eur: float
    tolerance_eur: float
    solver: str
