"""What a bound may be made of: numbers. NaN and infinity in one are errors, raised where they come up.

Comparisons are how they would get through: every comparison with NaN is false, so that ``min``, ``max`` and a loop that ends "where it
does not get better" drop it without a word, and what is left looks like a bound. Where infinity is meant, as for a bound nobody has worked
out, it is written down and never reckoned with.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ...envs.errors import ClearingError


def require_finite(value: ArrayLike, what: str, label: str) -> None:
    """Raise unless all of a value is finite.

    Args:
        value: A number, or an array of any shape.
        what: What it is, for the message.
        label: The day's.

    Raises:
        ClearingError: Saying how many numbers are not finite.
    """
    if not np.isfinite(value).all():
        bad = int(np.count_nonzero(~np.isfinite(value)))
        raise ClearingError(
            f"{what} on day {label!r} must consist of finite numbers, and {bad} of {np.size(value)} are NaN or infinite. Some of the day's "
            "numbers are far too large or too small beside the others, or this is a fault of gridtoll; please report it."
        )
