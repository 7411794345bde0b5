"""``gridtoll optimum``: the best charges of one day with what is proved of them, or those of a whole split into the store."""

from .command import DESCRIPTION, EXAMPLES, add_arguments, run

__all__ = ["DESCRIPTION", "EXAMPLES", "add_arguments", "run"]
