"""Bilateral negotiation: each pair holds a price, both sides answer with what they want at it, and it moves with the difference."""

from .mechanism import NAME, Bilateral

__all__ = ["NAME", "Bilateral"]
