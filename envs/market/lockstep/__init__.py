"""The clearing of many days in lockstep, in PyTorch on one device: an interior point for the batch, polishing and certificates as ever."""

from .market import LockstepMarket

__all__ = ["LockstepMarket"]
