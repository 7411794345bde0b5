"""The exact bilevel optimum: the charge no policy can beat, with its proof."""

from .leader import OptimumPolicy
from .many_charges.several import Bound, Bracket, solve_several
from .one_charge.certificate import CertificateError, OptimumCertificate, PrunedGap, SolvedPiece, Verification, load_certificate
from .one_charge.curve import ProfitCurve, Stretch, profit_curve
from .one_charge.hours import HourlyOptimum, solve_hours
from .one_charge.recovery import Recovery, smallest_recovering_charge
from .one_charge.search import solve_optimum
from .proved import Optimum
from .standing.answers import Standing
from .standing.proofs.certificate import StandingCertificate, standing_certificate
from .standing.risk import Risk
from .standing.scenarios import solve_scenarios
from .standing.search import standing_games
from .standing.secure import SecureCharge, best_secure

__all__ = [
    "Bound",
    "Bracket",
    "CertificateError",
    "HourlyOptimum",
    "Optimum",
    "OptimumCertificate",
    "OptimumPolicy",
    "ProfitCurve",
    "PrunedGap",
    "Recovery",
    "Risk",
    "SecureCharge",
    "SolvedPiece",
    "Standing",
    "StandingCertificate",
    "Stretch",
    "Verification",
    "best_secure",
    "load_certificate",
    "profit_curve",
    "smallest_recovering_charge",
    "solve_hours",
    "solve_optimum",
    "solve_scenarios",
    "solve_several",
    "standing_certificate",
    "standing_games",
]
