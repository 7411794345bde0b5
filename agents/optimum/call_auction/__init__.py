"""The leader's optimum under the call auction: every charge at which the matching changes is found, and proved to be all there are."""

from .hours import hours_apart, solve_auction_hours
from .solve import AuctionOptimum, solve_call_auction
from .stretches import MatchingStretch, stretches_of

__all__ = ["AuctionOptimum", "MatchingStretch", "hours_apart", "solve_auction_hours", "solve_call_auction", "stretches_of"]
