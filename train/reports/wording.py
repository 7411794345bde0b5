"""Numbers as tables and sentences show them."""

from __future__ import annotations


def percent(value: float) -> str:
    """Return a share in percent, two digits after the point."""
    return f"{100 * value + 0.0:.2f}".replace("-", "−") if abs(100 * value) >= 0.005 else "0.00"


def with_ends(centre: float, low: float, high: float) -> str:
    """Return a share in percent with the ends of its interval, alone where these are NaN."""
    if low != low or high != high:  # noqa: PLR0124 - NaN alone differs from itself
        return percent(centre)
    return f"{percent(centre)} [{percent(low)}, {percent(high)}]"


def count(value: float) -> str:
    """Return an amount without digits after the point, nothing where it is not known."""
    return "" if value != value else f"{value:,.0f}"  # noqa: PLR0124 - NaN alone differs from itself


def p_text(value: float) -> str:
    """Return a p-value."""
    return "<0.001" if value < 0.001 else f"{value:.3f}"
