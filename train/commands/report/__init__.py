"""``gridtoll report``: what a comparison came to, and a rerun beside the one that was kept."""

from .command import DESCRIPTION, EXAMPLES, add_arguments, run

__all__ = ["DESCRIPTION", "EXAMPLES", "add_arguments", "run"]
