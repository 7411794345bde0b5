"""Branch limits we set ourselves, in kW, for cases that come without usable ones (9,900 MVA on each branch, or 2,000 GVA).

Each number is one limit for every branch of the case, such that the year's Free P2P (no charge) loads the worst branch to 110%: the
greatest flow of trades over branches, hours, days and price paths, divided by 1.10 and rounded to three digits. To derive them again:

>>> from gridtoll.envs.market.exact.compiled import StructuredMarket  # doctest: +SKIP
>>> from gridtoll.envs.community.sources import load_community  # doctest: +SKIP
>>> market = StructuredMarket()  # doctest: +SKIP
>>> peak = free_p2p_peak(load_community("case33bw"), lambda day: market.clear(day, 0.0 * day.trade_limit).traded_kw)  # doctest: +SKIP
>>> limit_from_peak(peak)  # doctest: +SKIP
1410.0

Whoever changes loads, renewables, storage or prices of these systems derives them again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import numpy as np

from ..community import Community
from ..day import Array, Day
from ..parameters import IEEE_OVERLOAD

BRANCH_LIMIT_KW: Final[dict[str, float]] = {"ieee57": 716_000.0, "ieee118": 591_000.0, "case33bw": 1_410.0}
"""Limit of every branch by community; the peaks were 787,335 kW, 649,620 kW and 1,554.32 kW."""


def free_p2p_peak(community: Community, traded_kw: Callable[[Day], Array], days: Iterable[int] | None = None) -> float:
    """Return the greatest flow of trades in kW over branches, hours, price paths and days.

    Args:
        community: The community, its limits of no matter: without charge they have no part in the clearing.
        traded_kw: Clears a day without charge and returns sales less purchases in kW, shape (T, N), for example
            ``lambda day: market.clear(day, no_charge).traded_kw``.
        days: Which days; all if absent.
    """
    ptdf = community.network.prosumer_ptdf
    chosen = range(community.n_days) if days is None else days
    scenarios = ((index, path) for index in chosen for path in range(community.n_price_paths))
    return max(float(np.abs(traded_kw(community.day(day, price_path=path)) @ ptdf.T).max()) for day, path in scenarios)


def limit_from_peak(peak_kw: float) -> float:
    """Return the limit that a peak flow in kW loads to 110%, rounded to three digits."""
    return float(f"{peak_kw / IEEE_OVERLOAD:.3g}")
