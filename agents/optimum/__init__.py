"""The exact bilevel optimum: the charge no policy can beat, with its proof."""

from .certificate import Certificate, CertificateError, PrunedGap, SolvedPiece, Verification, load_certificate
from .curve import ProfitCurve, Stretch, profit_curve
from .hours import HourlyOptimum, solve_hours
from .leader import OptimumPolicy
from .recovery import Recovery, smallest_recovering_charge
from .search import Optimum, solve_optimum
from .several import Bound, Bracket, solve_several

__all__ = [
    "Bound",
    "Bracket",
    "Certificate",
    "CertificateError",
    "HourlyOptimum",
    "Optimum",
    "OptimumPolicy",
    "ProfitCurve",
    "PrunedGap",
    "Recovery",
    "SolvedPiece",
    "Stretch",
    "Verification",
    "load_certificate",
    "profit_curve",
    "smallest_recovering_charge",
    "solve_hours",
    "solve_optimum",
    "solve_several",
]
