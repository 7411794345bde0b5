"""The clearing in compiled loops that follow the market's structure: hours in a chain, prosumers in a block each."""

from .market import StructuredMarket, see_to_machine_code

__all__ = ["StructuredMarket", "see_to_machine_code"]
