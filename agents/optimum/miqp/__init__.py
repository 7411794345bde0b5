"""The bilevel optimum by mixed-integer programming: an independent check for small communities."""

from .answer import MiqpError
from .solve import ACCURACY, PAIR_LIMIT, MiqpResult, MiqpSolver, complementarity_pairs, require_solver, solve_miqp

__all__ = ["ACCURACY", "PAIR_LIMIT", "MiqpError", "MiqpResult", "MiqpSolver", "complementarity_pairs", "require_solver", "solve_miqp"]
