"""Decentralised clearing by consensus: each prosumer solves its own program and tells its partners what it wishes to trade with them."""

from .mechanism import NAME, Admm

__all__ = ["NAME", "Admm"]
