"""The exact bilevel optimum: the charge no policy can beat, with its proof."""

from .certificate import Certificate, CertificateError, PrunedGap, SolvedPiece, Verification
from .leader import OptimumPolicy
from .search import Optimum, solve_optimum

__all__ = [
    "Certificate",
    "CertificateError",
    "Optimum",
    "OptimumPolicy",
    "PrunedGap",
    "SolvedPiece",
    "Verification",
    "solve_optimum",
]
