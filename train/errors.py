"""What only training and evaluation can find wrong."""

from __future__ import annotations


class ModelMismatchError(RuntimeError):
    """A policy earned more than the certified upper bound, so environment and optimum do not compute the same thing."""
