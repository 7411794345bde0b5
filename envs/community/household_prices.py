"""Retail prices of households: common to all, or each their own.

A price that all households have is one row, without an axis for them. So it clears, hashes and is kept as it always was, and so does one
that came with equal columns.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import MOST_LISTED, Array


def by_household(price: Array, n_households: int) -> Array:
    """Return prices of one day, shape (T,) or (T, N), as (T, N)."""
    return price if price.ndim == 2 else np.broadcast_to(price[:, None], (len(price), n_households))


def common_price(price: Array) -> Array | None:
    """Return the price that all households have, of the shape of ``price`` without its last axis, frozen; None where they differ."""
    first = price[..., :1]
    if not np.array_equal(np.broadcast_to(first, price.shape), price, equal_nan=True):
        return None
    common = first[..., 0].copy()
    common.setflags(write=False)
    return common


def mean_of_households(price: Array, common_ndim: int) -> Array:
    """Return the households' mean price, shape (…); of a common one, which has ``common_ndim`` axes, that price to the last bit."""
    mean: Array = price if price.ndim == common_ndim else price.mean(axis=-1)
    return mean


def common_or_own(prices: dict[str, Array], n_households: int) -> dict[str, Array]:
    """Return prices of one day by name, shape (T,) each where all households have the same, else all of shape (T, N), frozen."""
    common = {name: common_price(price) if price.ndim == 2 else price for name, price in prices.items()}
    shared = {name: price for name, price in common.items() if price is not None}
    if len(shared) == len(prices):
        return shared
    own = {name: np.array(by_household(price, n_households)) for name, price in prices.items()}
    for price in own.values():
        price.setflags(write=False)
    return own


def paid_more_than_asked(import_price: Array, export_price: Array, axes: Sequence[str], names: Sequence[str] | None = None) -> str:
    """Return in words where a household would be paid more for a kWh than it pays.

    Args:
        import_price: In EUR/kWh, of a shape that broadcasts to that of ``export_price``.
        export_price: In EUR/kWh, households along the last axis.
        axes: What the axes run over.
        names: Of the N households; their numbers where absent.
    """
    paid, got = np.broadcast_arrays(import_price, export_price)
    bad = np.argwhere(paid < got)
    listed = []
    for where in bad[:MOST_LISTED].tolist():
        named = [*where[:-1], where[-1] if names is None else repr(names[where[-1]])]
        place = ", ".join(f"{axis} {index}" for axis, index in zip(axes, named, strict=True))
        listed.append(f"import {float(paid[tuple(where)])} below export {float(got[tuple(where)])} at {place}")
    more = f" and {len(bad) - MOST_LISTED} more" if len(bad) > MOST_LISTED else ""
    return f"`import_price` must be at least `export_price` of the same prosumer, got {'; '.join(listed)}{more}."
