"""Whether the money entries of a community are in the currency of its prices.

A user who converts ``prices.csv`` alone leaves the charge cap, the frictions and the operator's prices in the old currency. Nothing of that
is wrong by itself: it is only another community, one whose cap is seldom reached or always, and whose frictions count for nothing or for
all. So nothing is refused, and it is said once.

**The rule.** Each entry is compared with what the named communities have at prices of its size:

    ratio = entry / (price level × the named communities' entry),

the price level being :attr:`~.community.Community.price_level`, frictions and wear taken at the mean load P̄. An entry is *apart* where its
ratio is below 1/4 or above 4. A warning is given where three quarters of the four kinds of entry are apart on the same side: the cap, the
value of flexibility, the overload price, and frictions with wear, of which the middle one counts. What is 0 does not count.

**Why 4.** Retail prices of households lie between about 0.1 and 0.45 EUR/kWh in Europe, within a factor 3.2 of the named communities' 0.32,
so that template settings beside true prices in EUR stay silent. Of other currencies only those worth between a quarter of a euro and four
escape; cents (× 100), kronor (× 7.5 to 11.5) and prices per MWh (× 1000) do not.

**Why three quarters.** Who studies one entry, or frictions alone, or no overload price, moves one kind; a currency moves all.

Loss prices stand in ``prices.csv``, so they have no vote, but are named where they are apart as well.
"""

from __future__ import annotations

import logging
import multiprocessing
from typing import TYPE_CHECKING, Final

import numpy as np

from .parameters import CHARGE_CAP, FRICTION_EUR_PER_KWH, SPOT_HIGH, SPOT_LOW, MarketParameters

if TYPE_CHECKING:
    from .community import Community

APART: Final = 4.0
"""Factor from which an entry is apart from the price level."""
SHARE: Final = 0.75
"""Share of the kinds of entry that have to be apart on one side."""

_FRICTIONS: Final = ("trade_friction", "grid_friction", "storage_wear")
_VOTERS: Final = ("charge_cap", "flexibility_value", "overload_price")

_USUAL_LOSS_PRICE: Final = (SPOT_LOW + SPOT_HIGH) / 2

_log = logging.getLogger(__name__)
_told: Final[set[str]] = set()  # contents of communities that this process has warned of


def ratios_to_price_level(community: Community) -> dict[str, float]:
    """Return by what factor each money entry differs from the named communities' at prices of this size; entries of 0 are left out."""
    numbers, usual = community.parameters, MarketParameters()
    stores = community.storage_power > 0
    at_load = {
        "trade_friction": community.trade_friction,
        "grid_friction": float(np.median(community.grid_friction)),
        "storage_wear": float(np.median(community.storage_wear[stores])) if stores.any() else 0.0,
    }
    shares = {
        "charge_cap": community.charge_cap / CHARGE_CAP,
        "flexibility_value": numbers.flexibility_value / usual.flexibility_value,
        "overload_price": numbers.overload_price / usual.overload_price,
        "loss_price": float(community.loss_price.mean()) / _USUAL_LOSS_PRICE,
        **{name: value * community.mean_load_kw / FRICTION_EUR_PER_KWH for name, value in at_load.items()},
    }
    return {name: share / community.price_level for name, share in shares.items() if share > 0}


def warn_of_two_currencies(community: Community) -> None:
    """Log a warning, once for a community, where its settings seem to be in another currency or unit than its prices.

    Processes that were started to share work stay silent: the one that started them has read the community too.
    """
    ratios = ratios_to_price_level(community)
    if not seem_of_two_currencies(ratios):
        return
    content = community.content_hash
    if content in _told or multiprocessing.parent_process() is not None:
        return
    _told.add(content)
    apart = ", ".join(f"`{name}` {ratio:.3g}" for name, ratio in ratios.items() if _side(ratio))
    _log.warning(
        "community %r: settings and prices must be in one currency and per kWh, but seem not to be. The mean price is %.3g times that of "
        "the named communities; at such prices these entries are so many times the usual: %s. Bring them and the prices to one currency; "
        "where they are meant so, go on.",
        community.name,
        community.price_level,
        apart,
    )


def seem_of_two_currencies(ratios: dict[str, float]) -> bool:
    """Return whether so many entries are apart from the price level on one side that a currency is likelier than a choice."""
    votes = [_side(ratios[name]) for name in _VOTERS if name in ratios]
    frictions = [ratios[name] for name in _FRICTIONS if name in ratios]
    if frictions:
        votes.append(_side(float(np.median(frictions))))
    return max(votes.count(1), votes.count(-1)) >= SHARE * len(votes) > 0


def _side(ratio: float) -> int:
    """Return −1 for an entry that is too small for the prices, 1 for one too great, else 0."""
    return int(ratio > APART) - int(ratio < 1 / APART)
