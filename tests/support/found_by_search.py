"""What a search may have found of an hourly day; the numbers are made up."""

from __future__ import annotations

from typing import Final

from gridtoll.train.references.hours import HourlyEnds

FOUND: Final = HourlyEnds(
    best_eur=1.0,
    charges=(0.1,) * 24,
    upper_bound_eur=9.0,
    certified=False,
    zero_eur=0.0,
    constant_eur=0.5,
    constant_charge=0.1,
    kept_eur=0.7,
    kept_bound_eur=3.0,
    method="search",
    plans=1,
    seconds=1.0,
)
