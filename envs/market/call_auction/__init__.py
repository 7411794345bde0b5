"""The charge-aware call auction: orders of prosumers that planned alone, matched once for each period, with a proof."""

from .auction import NAME, CallAuction
from .outcome import AuctionEvidence

__all__ = ["NAME", "AuctionEvidence", "CallAuction"]
