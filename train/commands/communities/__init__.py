"""``gridtoll communities``: what there is to play, a template for one's own, and one's own from meters, prices and a grid."""

from .command import DESCRIPTION, EXAMPLES, add_arguments, run

__all__ = ["DESCRIPTION", "EXAMPLES", "add_arguments", "run"]
