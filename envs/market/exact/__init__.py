"""The market clearing: problem, polishing, certificate, and the ``clear(day, charges)`` that joins them."""

from .market import P2PMarket, verify
from .solution import TOLERANCE, Certificate, Clearing

__all__ = ["TOLERANCE", "Certificate", "Clearing", "P2PMarket", "verify"]
