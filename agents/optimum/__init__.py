"""The exact bilevel optimum: the charge no policy can beat, with its proof."""

from .leader import OptimumPolicy
from .search import Optimum, PrunedGap, SolvedPiece, solve_optimum

__all__ = ["Optimum", "OptimumPolicy", "PrunedGap", "SolvedPiece", "solve_optimum"]
