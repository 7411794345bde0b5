"""The continuous double auction: orders arrive one by one and trade at once with the best that stands in the book."""

from .auction import NAME, ContinuousAuction
from .outcome import BookEvidence

__all__ = ["NAME", "BookEvidence", "ContinuousAuction"]
