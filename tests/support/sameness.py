"""Equality of what environments return, to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np


def assert_same(one: Any, other: Any, where: str = "") -> None:
    """Assert equality to the last bit, of types and masks too, in `info` and all it holds."""
    assert type(one) is type(other), where
    if isinstance(one, tuple):
        for k, pair in enumerate(zip(one, other, strict=True)):
            assert_same(*pair, where=f"{where}[{k}]")
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for name in one:
            assert_same(one[name], other[name], f"{where}/{name}")
    elif isinstance(one, np.ndarray) and one.dtype == object:
        for k, pair in enumerate(zip(one, other, strict=True)):
            assert_same(*pair, where=f"{where}[{k}]")
    else:
        np.testing.assert_array_equal(one, other, strict=isinstance(one, np.ndarray), err_msg=where)
