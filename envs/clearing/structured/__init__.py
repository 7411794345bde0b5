"""The clearing in compiled loops that follow the market's structure: hours in a chain, prosumers in a block each."""

from .market import StructuredMarket

__all__ = ["StructuredMarket"]
